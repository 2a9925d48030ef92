"""Every installed cell passes the suite that a cell's author inherits; the gated ones are their equations."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from lstm_bench import plugins
from lstm_bench.cells.engine import Variant
from lstm_bench.cells.gated import Gated
from lstm_bench.cells.make import load_cell
from lstm_bench.testing import CellSuite

CELLS = sorted(plugins.installed(plugins.CELLS))
GATED = [name for name in CELLS if issubclass(load_cell(name), Gated)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "installed" in metafunc.fixturenames:
        metafunc.parametrize("installed", CELLS, indirect=True, scope="class")


@pytest.fixture
def installed(request: pytest.FixtureRequest) -> None:
    request.cls.cell = request.param


@pytest.mark.usefixtures("installed")
class TestInstalled(CellSuite): ...


def variants() -> list[Variant]:
    """Every way to have gates, at least one of them."""
    yes = (True, False)
    return [
        Variant(
            input_gate=i, forget_gate=f, output_gate=o, peepholes=p, input_activation=a, output_activation=b
        )
        for i in yes for f in ("own", "coupled", "none") for o in yes for p in yes for a in yes for b in yes
        if i or f != "coupled"
    ]  # fmt: skip


def slow(cell: Gated, x_BTF: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The equations as they are written, step by step, for autograd to differentiate."""
    variant, outputs = cell.variant, []
    p_o, p_i, p_f = cell.peepholes if variant.peepholes else (0.0, 0.0, 0.0)
    for x in x_BTF.unbind(1):
        z = x @ cell.weight_input.t() + h @ cell.weight_hidden.t() + cell.bias.flatten()
        gate = dict(zip(variant.gates, z.chunk(len(variant.gates), dim=1), strict=True))
        i = torch.sigmoid(gate["i"] + p_i * c) if variant.input_gate else torch.ones_like(c)
        kept: dict[str, Callable[[], Any]] = {
            "own": lambda gate=gate, c=c: torch.sigmoid(gate["f"] + p_f * c),
            "coupled": lambda i=i: 1 - i,
            "none": lambda: 1.0,
        }
        f = kept[variant.forget_gate]()
        c = f * c + i * (torch.tanh(gate["g"]) if variant.input_activation else gate["g"])
        o = torch.sigmoid(gate["o"] + p_o * c) if variant.output_gate else 1.0
        h = o * (torch.tanh(c) if variant.output_activation else c)
        outputs.append(h)
    return torch.stack(outputs, dim=1), h, c


def made(variant: Variant, seed: int = 0, inputs: int = 4, hidden: int = 6) -> Gated:
    torch.manual_seed(seed)
    cell = type("Made", (Gated,), {"variant": variant})(inputs, hidden)
    with torch.no_grad():
        cell.remember(torch.full((hidden,), 0.5), torch.full((hidden,), -0.25))
    return cell


@pytest.mark.parametrize("variant", variants(), ids=repr)
@pytest.mark.parametrize(("kind", "near"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
def test_the_fast_path_is_the_slow_one(variant: Variant, kind: torch.dtype, near: float) -> None:
    cell = made(variant)
    x_BTF, h, c = torch.randn(3, 9, 4), torch.randn(3, 6), torch.randn(3, 6)
    weights = [torch.randn(3, 9, 6), torch.randn(3, 6), torch.randn(3, 6)]

    def outcome(kind: torch.dtype, path: Callable[..., Any]) -> list[Tensor]:
        own = cell.to(kind)
        leaves = [t.detach().to(kind).requires_grad_() for t in (x_BTF, h, c)]
        outputs = path(own, *leaves)
        total = sum((out * weight.to(kind)).sum() for out, weight in zip(outputs, weights, strict=True))
        inputs = [*leaves, *own.parameters()]
        return [*outputs, *torch.autograd.grad(total, inputs, materialize_grads=True)]

    def fast(own: Gated, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (h, c) = own(x, (h, c))
        return y, h, c

    found, right = outcome(kind, fast), outcome(torch.float64, slow)
    for one, other in zip(found, right, strict=True):
        assert_close(one.double(), other, rtol=near, atol=near * 10)


def test_without_options_it_is_the_lstm_of_the_framework() -> None:
    cell = made(Variant())
    reference = load_cell("lstm")(4, 6)
    torch.nn.init.zeros_(reference.layer.bias_hh_l0)
    order = [cell.variant.gates.index(name) for name in "ifgo"]
    with torch.no_grad():
        for name, own in (("weight_ih_l0", cell.weight_input), ("weight_hh_l0", cell.weight_hidden)):
            getattr(reference.layer, name).copy_(own.view(4, 6, -1)[order].flatten(0, 1))
        reference.layer.bias_ih_l0.copy_(cell.bias[order].flatten())
    x_BTF = torch.randn(3, 9, 4)
    for one, other in zip(cell(x_BTF)[0], reference(x_BTF)[0], strict=True):
        assert_close(one, other)


def test_the_biases_begin_where_they_are_asked() -> None:
    assert made(Variant()).bias[:, 0].tolist() == [0.0, -0.25, 0.5, 0.0]  # o, i, f, g
    assert made(Variant(forget_gate="coupled")).bias[:, 0].tolist() == [0.0, -0.5, 0.0]
    assert made(Variant(forget_gate="none")).bias[:, 0].tolist() == [0.0, -0.25, 0.0]
