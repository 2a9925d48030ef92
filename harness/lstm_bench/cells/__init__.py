"""One recurrent layer a file: what a cell is.

A cell is an `nn.Module` made as `Cell(inputs, hidden)`; what its constructor takes by name alone are options of its
own: `cell.*` in a spec, checked against the annotation, searched as everything else. Its
`forward(x_BTF, state) -> (y_BTH, state)` takes the whole sequence, so that fused kernels stay possible.
The state is a tuple of [B, ...] parts; None stands for zeros.

It may offer more; each of these is optional:
    remember(forget_H, input_H): start its biases: those of the gate that keeps, those of the gate that writes, all
        others zero. Without it a cell's biases start as its constructor leaves them.
    recurrent: a property: the weights [G H, H] from the output before to the G gates, which
        `model.recurrent = "orthogonal"` draws anew.
    kernels(device): a class method: what works it out on a `cpu` or on `cuda`, by name and version: a fact beneath its
        runs, whose last bits depend on it.
    warm(): a class method: have that compiled before a run is timed, where possible in what its process forks from.
    check(hidden, **options): a static method that raises ValueError where these do not go together, before any run.
"""

from torch import Tensor

State = tuple[Tensor, ...]
