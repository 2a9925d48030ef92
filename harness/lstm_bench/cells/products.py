"""Products of matrices, for numba's kernels: small ones, as they come at each step of a sequence."""

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from lstm_bench.cells.vectors import BYTES, FUSED, Vector, place, spread

PANEL = 2  # vectors of a row that are worked on together
ROWS = 8 if BYTES == 64 else 4  # likewise: the sums take half the registers that there are, the rest what comes in


@njit
def add_product(a, at_a, panels, c, at_c, batch, depth, columns):
    """Add to c [batch, columns] the product of a [batch, depth] with a matrix.

    All are flat: a is read from `at_a` on, c from `at_c` on, and the matrix lies in panels as wide as `PANEL` vectors,
    [columns / panel, depth, panel].
    """
    panel = PANEL * BYTES // c.itemsize
    for first in range(0, columns, panel):
        row = 0
        while row + ROWS <= batch:
            to = at_c + row * columns + first
            tile(ROWS, a, at_a + row * depth, depth, panels, first * depth, c, to, columns)
            row += ROWS
        while row < batch:
            to = at_c + row * columns + first
            tile(1, a, at_a + row * depth, depth, panels, first * depth, c, to, columns)
            row += 1


@intrinsic(prefer_literal=True)
def tile(typing, rows, a, at_a, depth, panels, at_panel, c, at_c, columns):
    """Add the product of some rows of a with one panel to a tile of c; its sums stay in registers meanwhile.

    How many rows is a constant. Those of a have `depth` numbers; those of c begin `columns` apart.
    """
    kind, size = Vector(c.dtype), c.dtype.bitwidth // 8
    tiles = [(row, column) for row in range(rows.literal_value) for column in range(PANEL)]
    sig = types.void(rows, a, at_a, depth, panels, at_panel, c, at_c, columns)

    def code(context, builder, sig, args):
        _, of_a, from_a, deep, of_panels, from_panel, of_c, from_c, apart = args
        vector, whole = context.get_value_type(kind), deep.type

        def offset(start, *steps):
            for step, count in steps:
                start = builder.add(start, builder.mul(step, count))
            return start

        def goal(row, column):
            at = offset(from_c, (apart, whole(row)), (whole(kind.lanes), whole(column)))
            return place(context, builder, c, of_c, at, vector)

        sums = {tile: cgutils.alloca_once(builder, vector) for tile in tiles}
        for tile in tiles:
            builder.store(builder.load(goal(*tile), align=size), sums[tile])
        with cgutils.for_range(builder, deep) as loop:
            start = offset(from_panel, (loop.index, whole(PANEL * kind.lanes)))
            across = [
                builder.load(place(context, builder, panels, of_panels, at, vector), align=size)
                for at in (offset(start, (whole(kind.lanes), whole(column))) for column in range(PANEL))
            ]
            for row, column in tiles:
                at = offset(from_a, (deep, whole(row)), (loop.index, whole(1)))
                down = spread(builder, builder.load(place(context, builder, a, of_a, at)), vector)
                product = builder.fmul(down, across[column], flags=FUSED)
                builder.store(builder.fadd(product, builder.load(sums[row, column]), flags=FUSED), sums[row, column])
        for tile in tiles:
            builder.store(builder.load(sums[tile]), goal(*tile), align=size)
        return context.get_dummy_value()

    return sig, code
