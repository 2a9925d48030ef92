"""The command about cells: which there are, and what each costs."""

import inspect
import os
from typing import Annotated, Literal

import typer

from lstm_bench.cli.options import console

INPUTS, HIDDEN = 32, 64  # of the layer whose weights are counted


def cells(
    speed: Annotated[bool, typer.Option("--speed", help="Measure a training step of each beside nn.LSTM's.")] = False,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where --speed measures.")] = "cpu",
) -> None:
    """List the cells with their weights; --speed measures them, on one thread or on a card."""
    from rich.table import Table
    from rich.text import Text

    from lstm_bench import allocator, plugins
    from lstm_bench.cells.make import load_cell
    from lstm_bench.device import resolved_device
    from lstm_bench.speed import SIZES, all_measured, weights

    screen, names = console(), list(plugins.installed(plugins.CELLS))
    if not speed:
        for name in names:
            about = (inspect.getdoc(inspect.getmodule(load_cell(name))) or "").splitlines()[0]
            screen.print(Text(f"{name:21} {weights(name, INPUTS, HIDDEN):>7,}  {about}"), soft_wrap=True)
        screen.print(f"(weights of a layer of {HIDDEN} units on {INPUTS} inputs)")
        return
    title = f"ms a step (ratio to nn.LSTM), allocator {allocator.told(os.environ | allocator.added())}"
    table = Table("cell", "by", *(f"hidden {hidden}" for hidden in SIZES), title=title, box=None)
    place = resolved_device(device)
    with console().status("measuring"):
        for row in all_measured(names, device=place):
            table.add_row(row.cell, row.path, *(str(speed) for speed in row.speeds.values()))
    screen.print(table)
