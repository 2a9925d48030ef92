"""Vectors as a processor's registers hold them, for numba: arithmetic and the squashing functions.

numba leaves it to LLVM whether a loop works on vectors, and LLVM does not where arrays may overlap; here a value is as
many numbers as a register holds, so it is certain. What is an `intrinsic` writes LLVM's own language.
"""

import math
import operator

from llvmlite import binding, ir
from numba import njit, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

CPU, FEATURES = binding.get_host_cpu_name(), binding.get_host_cpu_features()
BUILT = (CPU, sorted(FEATURES.items()))  # which instructions vectors are made of
BYTES = 64 if FEATURES.get("avx512f") else 32 if FEATURES.get("avx2") else 16  # of a register
NARROW = min(BYTES, 32)  # of one that is divided sooner: by a vector of 64 bytes a processor divides in two halves
FUSED = ("contract",)  # a product and a sum are one instruction; nothing else of IEEE 754 is given up, NaN least of all

LN2_HIGH, LN2_LOW = 355 / 512, -2.121944400546905827679e-4  # ln 2 in two parts; the first is short, so n times it exact
TERMS = {types.float32: 7, types.float64: 13}  # of exp's series: for |x| < ln 2 / 2 the rest is below rounding
LARGEST = {types.float32: 87.0, types.float64: 708.0}  # whose exp is finite, and whose exp(-x) is normal
MANTISSA = {types.float32: 23, types.float64: 52}


class Vector(types.Type):
    """A register of numbers of one kind."""

    def __init__(self, dtype, size=BYTES):
        self.dtype, self.lanes = dtype, size * 8 // dtype.bitwidth
        super().__init__(f"Vector({dtype} x {self.lanes})")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """How LLVM has it."""

    def __init__(self, manager, kind):
        super().__init__(manager, kind, ir.VectorType(manager[kind.dtype].get_value_type(), kind.lanes))


def spread(builder, scalar, vector):
    """A vector of one number."""
    undefined, where = ir.Constant(vector, ir.Undefined), ir.VectorType(ir.IntType(32), vector.count)
    one = builder.insert_element(undefined, scalar, ir.IntType(32)(0))
    return builder.shuffle_vector(one, undefined, ir.Constant(where, [0] * vector.count))


def arithmetic(name, act):
    """Teach numba an operator between vectors, and between a vector and a number."""

    @infer_global(name)
    class Typed(AbstractTemplate):
        key = name

        def generic(self, args, kws):
            vector = next((arg for arg in args if isinstance(arg, Vector)), None)
            if vector and len(args) == 2:
                return signature(vector, *args)
            return None  # another's operands

    def lower(context, builder, sig, args):
        kind = context.get_value_type(sig.return_type)
        both = [
            value
            if isinstance(given, Vector)
            else spread(builder, context.cast(builder, value, given, sig.return_type.dtype), kind)
            for value, given in zip(args, sig.args, strict=True)
        ]
        return getattr(builder, act)(*both, flags=FUSED)

    for pair in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(name, *pair)(lower)


for name, act in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    arithmetic(name, act)


def negation():
    """Teach numba -x of a vector."""

    @infer_global(operator.neg)
    class Typed(AbstractTemplate):
        key = operator.neg

        def generic(self, args, kws):
            return signature(*args, *args) if len(args) == 1 and isinstance(args[0], Vector) else None

    lower_builtin(operator.neg, Vector)(lambda context, builder, sig, args: builder.fneg(*args))


negation()


def place(context, builder, kind, array, at, vector=None):
    """The address of an element of an array, as that of a vector."""
    there = builder.gep(context.make_array(kind)(context, builder, array).data, [at])
    return builder.bitcast(there, vector.as_pointer()) if vector else there


def loading(size):
    """What loads vectors of so many bytes."""

    @intrinsic
    def load(typing, array, at):
        """The vector that begins at an element of a flat array."""
        kind = Vector(array.dtype, size)

        def code(context, builder, sig, args):
            where = place(context, builder, array, *args, context.get_value_type(kind))
            return builder.load(where, align=array.dtype.bitwidth // 8)

        return kind(array, at), code

    return load


load, load_narrow = loading(BYTES), loading(NARROW)


@intrinsic
def store(typing, array, at, vector):
    """Put a vector where an element of a flat array is, and those after it."""

    def code(context, builder, sig, args):
        where = place(context, builder, array, *args[:2], context.get_value_type(vector))
        builder.store(args[2], where, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, at, vector), code


@intrinsic
def filled(typing, number):
    """A vector of one number."""
    kind = Vector(number)
    return kind(number), lambda context, builder, sig, args: spread(builder, args[0], context.get_value_type(kind))


@intrinsic
def picked(typing, array, places, at, beyond):
    """The narrow vector of an array's numbers so far beyond as many places, which begin at an element of theirs."""
    kind = Vector(array.dtype, NARROW)

    def code(context, builder, sig, args):
        value = ir.Constant(context.get_value_type(kind), ir.Undefined)
        for lane in range(kind.lanes):
            there = builder.add(args[2], args[2].type(lane))
            index = builder.add(builder.load(place(context, builder, places, args[1], there)), args[3])
            number = builder.load(place(context, builder, array, args[0], index))
            value = builder.insert_element(value, number, ir.IntType(32)(lane))
        return value

    return kind(array, places, at, types.int64), code


@intrinsic
def first(typing, count, x, y):
    """The one vector in so many lanes, and the other in those behind them."""

    def code(context, builder, sig, args):
        lanes = ir.VectorType(args[0].type, x.lanes)
        here = builder.icmp_signed("<", ir.Constant(lanes, list(range(x.lanes))), spread(builder, args[0], lanes))
        return builder.select(here, *args[1:])

    return x(types.int64, x, y), code


@intrinsic
def added(typing, x):
    """The sum of a vector's numbers."""

    def code(context, builder, sig, args):
        total, *others = (builder.extract_element(args[0], ir.IntType(32)(lane)) for lane in range(x.lanes))
        for other in others:
            total = builder.fadd(total, other)
        return total

    return x.dtype(x), code


@intrinsic
def within(typing, x, low, high):
    """Keep x where it lies between, else the nearer end; NaN stays NaN."""

    def code(context, builder, sig, args):
        value, *ends = args
        kind = value.type
        for end, given, beyond in zip(ends, sig.args[1:], "<>", strict=True):
            limit = spread(builder, context.cast(builder, end, given, x.dtype), kind)
            value = builder.select(builder.fcmp_ordered(beyond, value, limit), limit, value)
        return value

    return x(x, low, high), code


@intrinsic
def settled(typing, x, y):
    """y, the logistic function of x; where exp(x) or exp(-x) is no normal number, what it is at the nearer end.

    Were x kept within these ends instead, y would wait for that; so it is worked out at once, and looked at last.
    """
    limit = LARGEST[x.dtype]

    def code(context, builder, sig, args):
        at, value = args
        for beyond, end, there in (("<", -limit, math.exp(-limit)), (">", limit, 1.0)):
            ends, here = (ir.Constant(at.type, [number] * at.type.count) for number in (end, there))
            value = builder.select(builder.fcmp_ordered(beyond, at, ends), here, value)
        return value

    return x(x, x), code


@intrinsic
def exp_parts(typing, x):
    """(a, s) with exp(x) = a + s, s the nearest power of two, for x whose exp is a normal number.

    a is right to the last bits even where x is near zero, and exp(x) - 1 = a + (s - 1) with it.
    """
    bits = MANTISSA[x.dtype]
    bias = 2.0**bits * 1.5 + 2 ** (x.dtype.bitwidth - bits - 2) - 1  # added: the low bits are n + the exponent's bias

    def code(context, builder, sig, args):
        kind = args[0].type
        whole = ir.VectorType(ir.IntType(x.dtype.bitwidth), kind.count)

        def number(value):
            return ir.Constant(kind, [value] * kind.count)

        def fused(a, b, c):
            return builder.fadd(builder.fmul(a, b, flags=FUSED), c, flags=FUSED)

        shifted = fused(args[0], number(1 / math.log(2)), number(bias))
        n = builder.fsub(shifted, number(bias))
        power = builder.shl(builder.bitcast(shifted, whole), ir.Constant(whole, [bits] * kind.count))
        s = builder.bitcast(power, kind)
        r = fused(n, number(-LN2_LOW), fused(n, number(-LN2_HIGH), args[0]))
        series, power = [number(1 / math.factorial(term)) for term in range(1, TERMS[x.dtype] + 1)], r
        while len(series) > 1:  # by pairs, then pairs of these: who waits for one number waits for few products
            pairs = [fused(high, power, low) for low, high in zip(series[::2], series[1::2], strict=False)]
            series, power = pairs + series[2 * len(pairs) :], builder.fmul(power, power)
        a = builder.fmul(series[0], builder.fmul(r, s, flags=FUSED), flags=FUSED)
        return context.make_tuple(builder, sig.return_type, (a, s))

    return types.UniTuple(x, 2)(x), code


@intrinsic
def largest(typing, x):
    """The largest number whose exp is finite."""
    return types.float64(x), lambda context, builder, sig, args: ir.DoubleType()(LARGEST[x.dtype])


@njit(inline="always")
def sigmoid(x):
    """1 / (1 + exp(-x)): right in the far negative tail too, where by tanh nothing would be left."""
    a, s = exp_parts(-x)
    return settled(x, 1.0 / (a + (s + 1.0)))


@njit(inline="always")
def tanh(x):
    """(exp(2 x) - 1) / (exp(2 x) + 1): right near zero too."""
    a, s = exp_parts(within(x + x, -largest(x), 40.0))
    e = a + (s - 1.0)
    return e / (e + 2.0)


@njit(inline="always")
def tanh_beyond(t, x):
    """tanh(a + x), where t = tanh(a) and |x| <= 1: in half the time of one, where a was known long before x.

    tanh(a + x) = (t + tanh(x)) / (1 + t tanh(x)), and tanh(x) is x p / q, the eighth convergent of its continued
    fraction (Lambert 1761), which is right to 3e-17 of itself.
    """
    z = x * x
    zz = z * z
    p = (34459425.0 + 4729725.0 * z) + zz * ((135135.0 + 990.0 * z) + zz)
    q = (34459425.0 + 16216200.0 * z) + zz * ((945945.0 + 13860.0 * z) + 45.0 * zz)
    return (t * q + x * p) / (q + t * (x * p))
