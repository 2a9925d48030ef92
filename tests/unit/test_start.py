"""How a cell starts: what the spec asks of its gates and of its recurrent weights, and what is refused."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from lstm_bench import plugins
from lstm_bench.cells.make import load_cell, make_cell, settled_options
from lstm_bench.errors import UsageError
from lstm_bench.execute import spec_of
from lstm_bench.spec import ModelSpec, RunSpec, Value

CELLS = sorted(plugins.installed(plugins.CELLS))
STARTED = [name for name in CELLS if hasattr(load_cell(name), "remember")]
ORTHOGONAL = [name for name in CELLS if hasattr(load_cell(name), "recurrent")]


class Sloped(nn.RNN):
    """A stranger's cell that needs an option."""

    def __init__(self, inputs: int, hidden: int, *, slope: float, kind: str = "plain") -> None:
        super().__init__(inputs, hidden, batch_first=True)
        self.about = (slope, kind)


SLOPED = f"{__name__}:Sloped"


def gates(name: str, spec: ModelSpec) -> dict[str, torch.Tensor]:
    """The biases of a cell by gate, [H] each."""
    torch.manual_seed(0)
    cell = make_cell(3, spec, {})
    orders = {"lstm": "ifgo", "gru": "rzn", "min-lstm": "fig", "layernorm-lstm": "ifog", "full-gate-recurrence": "ifog"}
    biases = [p.flatten() for key, p in cell.named_parameters() if "bias" in key and "norm" not in key]
    order = orders.get(name) or cell.variant.gates
    return dict(zip(order, sum(biases).chunk(len(order)), strict=True))


@pytest.mark.parametrize("name", STARTED)
def test_chrono_gives_every_unit_a_time_of_its_own(name: str) -> None:
    found = gates(name, ModelSpec(cell=name, hidden=200, chrono=50))
    keeps = found["z"] if name == "gru" else found.get("f")
    writes = found.get("i")
    if keeps is not None:
        assert 0 <= keeps.min() < math.log(5) < math.log(40) < keeps.max() <= math.log(49)
        assert 20 < keeps.exp().mean() < 30  # uniform in [1, 49]: 25 +- 1
    if writes is not None:
        assert writes.max() <= 0
        if keeps is not None:
            assert_close(writes, -keeps)
    for gate, bias_H in found.items():
        assert gate in "fiz" or not bias_H.any()


@pytest.mark.parametrize("name", STARTED)
def test_else_all_units_start_alike(name: str) -> None:
    for gate, bias_H in gates(name, ModelSpec(cell=name, hidden=4, forget_bias=2.5)).items():
        asked = {"f": 2.5, "z": 2.5}.get(gate, -2.5 if name == "coupled" and gate == "i" else 0.0)
        assert bias_H.tolist() == [asked] * 4


@pytest.mark.parametrize("name", ORTHOGONAL)
def test_orthogonal_weights_keep_the_length_of_what_came_before(name: str) -> None:
    cell = make_cell(3, ModelSpec(cell=name, hidden=8, recurrent="orthogonal"), {})
    for gate_HH in cell.recurrent.split(8):
        assert_close(gate_HH @ gate_HH.T, torch.eye(8))


@pytest.mark.parametrize("name", CELLS)
def test_what_a_cell_has_no_part_of_is_refused_in_one_line(name: str) -> None:
    for lacking, spec in (
        (name not in STARTED, ModelSpec(cell=name, chrono=9)),
        (name not in ORTHOGONAL, ModelSpec(cell=name, recurrent="orthogonal")),
    ):
        if lacking:
            with pytest.raises(UsageError, match=f"the cell '{name}' has no.*; expected") as error:
                settled_options(spec, {})
            assert "\n" not in str(error.value)
        else:
            settled_options(spec, {})


@settings(deadline=None)
@given(st.integers(1, 64), st.integers(1, 8))
def test_the_cells_of_h97_fill_whole_blocks_or_are_refused(hidden: int, block_size: int) -> None:
    spec = ModelSpec(cell="lstm_bench.cells.h97:H97", hidden=hidden)
    if hidden % block_size:
        with pytest.raises(UsageError, match=f"hidden = {hidden} is no multiple of cell.block_size = {block_size}"):
            settled_options(spec, {"block_size": block_size})
    else:
        assert settled_options(spec, {"block_size": block_size})["block_size"] == block_size
        assert make_cell(2, spec, {"block_size": block_size})(torch.zeros(1, 3, 2))[0].shape == (1, 3, hidden)


def test_the_options_of_a_cell_stand_in_the_spec_and_leave_with_it() -> None:
    spec, _ = spec_of({"task": "adding"}, {"model.cell": "lstm_bench.cells.h97:H97", "cell.block_size": 2})
    assert spec.flat()["cell.block_size"] == 2
    assert spec.flat()["cell.biases"] == "all"
    assert spec.with_values({"model.hidden": 32}).cell["block_size"] == 2
    assert spec.with_values({"model.cell": "lstm"}).cell == {}
    assert RunSpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("cell", "options", "expected"),
    [
        ("lstm", {"blocks": 2}, r"unknown option of the cell 'lstm': 'cell\.blocks'\. None is available"),
        (SLOPED, {"slop": 2}, r"unknown option of the cell .*'cell\.slop'\. Did you mean 'cell\.slope'\?"),
        (SLOPED, {}, r"cell\.slope is missing: the cell .* needs it; expected cell\.slope = <value>"),
        (SLOPED, {"slope": "steep"}, r"cell\.slope = 'steep': expected a valid number"),
    ],
)
def test_an_option_that_cannot_be_is_refused_in_one_line(cell: str, options: dict[str, Value], expected: str) -> None:
    settings = {f"cell.{name}": value for name, value in options.items()}
    with pytest.raises(UsageError, match=expected) as error:
        spec_of({"task": "adding"}, {"model.cell": cell, **settings})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("task", ["markov", "anbn", "anbncn", "dyck", "h97-reber"])
def test_no_model_reads_both_ways_where_the_next_symbol_is_asked(task: str) -> None:
    expected = f"model.bidirectional = true: expected false for '{task}': it would read what it predicts"
    with pytest.raises(UsageError, match=expected):
        spec_of({"task": task}, {"model.bidirectional": True})


@pytest.mark.parametrize("experiment", ["2a", "2b"])
def test_of_the_lags_those_asked_at_every_step_are_refused(experiment: str) -> None:
    both = {"model.bidirectional": True}
    assert spec_of({"task": "h97-lag"}, both)[0].model.bidirectional
    with pytest.raises(UsageError, match="expected false for 'h97-lag'"):
        spec_of({"task": "h97-lag"}, {**both, "options.experiment": experiment})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"model.chrono": 1}, "chrono = 1: expected 0, or the longest dependency in steps, from 2 on"),
        ({"model.chrono": 9, "model.biases": "drawn"}, "expected biases = 'zero' with it"),
        ({"model.tied": True, "model.embedding": 0}, "tied = true: expected an embedding"),
        ({"model.tied": True}, "model.tied = true: expected false for 'adding'"),
    ],
)
def test_a_model_that_cannot_be_is_refused_in_one_line(values: dict[str, Value], expected: str) -> None:
    with pytest.raises(UsageError, match=expected) as error:
        spec_of({"task": "adding"}, values)
    assert "\n" not in str(error.value)
