"""From a cell's name to a layer: found, given its options, and started as the spec asks."""

import inspect
import typing
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lstm_bench import plugins
from lstm_bench.errors import UsageError, unknown
from lstm_bench.spec import ModelSpec, RunSpec, Value, check_value


def load_cell(name: str) -> type[nn.Module]:
    """The cell that a name stands for: see `lstm_bench.cells` for what it must be.

    Raises:
        UsageError: nothing is called so, or what is called so is no cell.
    """
    cell: Any = plugins.load(plugins.CELLS, name)
    if not (isinstance(cell, type) and issubclass(cell, nn.Module)):
        raise UsageError(f"model.cell = '{name}' is {cell!r}, expected a class derived from torch.nn.Module")
    return cell


def settled_options(spec: ModelSpec, given: Mapping[str, Value]) -> dict[str, Value]:
    """Every option of the spec's cell with its value, defaults included. No cell is made for it: that takes a second.

    Raises:
        UsageError: an unknown option, a value of the wrong type or range, one that the cell refuses, or a start of
            which the cell has no part.
    """
    cell = load_cell(spec.cell)
    own = options_of(cell)
    for name in given:
        if name not in own:
            raise unknown(f"option of the cell '{spec.cell}':", f"cell.{name}", [f"cell.{known}" for known in own])
    for name, parameter in own.items():
        if parameter.default is parameter.empty and name not in given:
            raise UsageError(f"cell.{name} is missing: the cell '{spec.cell}' needs it; expected cell.{name} = <value>")
    hints = typing.get_type_hints(cell.__init__, include_extras=True)
    values = {name: given.get(name, parameter.default) for name, parameter in own.items()}
    found = {name: check_value(hints.get(name, Any), value, f"cell.{name}") for name, value in values.items()}
    if spec.chrono and not hasattr(cell, "remember"):
        raise UsageError(f"model.chrono = {spec.chrono}: the cell '{spec.cell}' has no gates to start so; expected 0")
    if spec.recurrent == "orthogonal" and not hasattr(cell, "recurrent"):
        raise UsageError(f"model.recurrent = 'orthogonal': the cell '{spec.cell}' has none such; expected 'uniform'")
    try:
        getattr(cell, "check", nothing)(spec.hidden, **found)
    except ValueError as error:
        raise UsageError(f"the cell '{spec.cell}': {error}") from error
    return found


def nothing(*_: Any, **__: Any) -> None:
    """In place of what a cell does not offer."""


def options_of(cell: type[nn.Module]) -> dict[str, inspect.Parameter]:
    """A cell's own options: what its constructor takes by name alone."""
    parameters = inspect.signature(cell).parameters.values()
    return {parameter.name: parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


def make_cell(inputs: int, spec: ModelSpec, options: Mapping[str, Value]) -> nn.Module:
    """A layer of `spec.hidden` units, started; draws from torch's global generator.

    Args:
        inputs: F, width of the input.
        spec: names the cell, and says how it starts; looked at by `settled_options`.
        options: the cell's own.
    """
    cell: Any = load_cell(spec.cell)(inputs, spec.hidden, **options)
    with torch.no_grad():
        if spec.biases == "zero" and hasattr(cell, "remember"):
            cell.remember(*gate_biases(spec))
        if spec.recurrent == "orthogonal":  # every gate's weights [H, H] by themselves (Saxe et al. 2014)
            for gate_HH in cell.recurrent.split(spec.hidden):
                nn.init.orthogonal_(gate_HH)
    made: nn.Module = cell
    return made


def warm(spec: RunSpec) -> None:
    """Have compiled what a run on a CPU needs of its cell, where that is not done yet."""
    if spec.device == "cpu":
        getattr(load_cell(spec.model.cell), "warm", nothing)()


def kernels(spec: RunSpec) -> dict[str, str]:
    """What works out a run's cell on its device, as `kernels`; nothing where there is but one way."""
    name = getattr(load_cell(spec.model.cell), "kernels", nothing)(spec.device)
    return {"kernels": name} if name else {}


def gate_biases(spec: ModelSpec) -> tuple[Tensor, Tensor]:
    """Those of the gate that keeps and of the gate that writes at the start, [H] each: alike, or each of its own time.

    Chrono initialisation (Tallec and Ollivier 2018, equation 16): a forget gate of bias b keeps what it holds for some
    exp(b) steps, so biases are log u with u uniform in [1, T - 1], T the longest dependency; the input gate's are -b.
    """
    if not spec.chrono:
        return torch.full((spec.hidden,), spec.forget_bias), torch.zeros(spec.hidden)
    forget_H = torch.empty(spec.hidden).uniform_(1, spec.chrono - 1).log()
    return forget_H, -forget_H
