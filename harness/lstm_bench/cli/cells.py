"""The command about cells: which there are, and what each costs."""

import inspect
from typing import Annotated

import typer

from lstm_bench.cli.options import console

INPUTS, HIDDEN = 32, 64  # of the layer whose weights are counted


def cells(
    speed: Annotated[bool, typer.Option("--speed", help="Measure a training step of each beside nn.LSTM's.")] = False,
) -> None:
    """List the cells with their weights; --speed measures them, on one thread."""
    from rich.table import Table
    from rich.text import Text

    from lstm_bench import plugins
    from lstm_bench.cells.make import load_cell
    from lstm_bench.speed import SIZES, measured, weights

    screen, names = console(), list(plugins.installed(plugins.CELLS))
    if not speed:
        for name in names:
            about = (inspect.getdoc(inspect.getmodule(load_cell(name))) or "").splitlines()[0]
            screen.print(Text(f"{name:21} {weights(name, INPUTS, HIDDEN):>7,}  {about}"), soft_wrap=True)
        screen.print(f"(weights of a layer of {HIDDEN} units on {INPUTS} inputs)")
        return
    import torch

    torch.set_num_threads(1)
    table = Table("cell", *(f"hidden {hidden}" for hidden in SIZES), title="ms a step (ratio to nn.LSTM)", box=None)
    with console().status("measuring"):
        for name in names:
            found = [measured(name, hidden) for hidden in SIZES]
            table.add_row(name, *(f"{one.milliseconds:.2f} ({one.ratio:.2f})" for one in found))
    screen.print(table)
