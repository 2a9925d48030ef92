"""Every installed cell passes the suite that a cell's author inherits; the gated ones are their equations."""

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from lstm_bench import plugins
from lstm_bench.cells import sequence
from lstm_bench.cells.engine import Variant
from lstm_bench.cells.gated import Gated
from lstm_bench.cells.make import load_cell
from lstm_bench.cells.vectors import BYTES, NARROW, first, load, load_narrow, picked, sigmoid, store, tanh, tanh_beyond
from lstm_bench.execute import facts
from lstm_bench.spec import RunSpec
from lstm_bench.testing import CellSuite

CELLS = sorted(plugins.installed(plugins.CELLS))
GATED = [name for name in CELLS if issubclass(load_cell(name), Gated)]
KINDS = [torch.float32, torch.float64]


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


def check_against_the_slow_one(
    variant: Variant, kind: torch.dtype, batch: int = 3, hidden: int = 6, *, seed: int = 0, device: str = "cpu"
) -> None:
    cell, near = made(variant, seed, hidden=hidden), 1e-13 if kind == torch.float64 else 1e-5
    x_BTF, h, c = torch.randn(batch, 9, 4), torch.randn(batch, hidden), torch.randn(batch, hidden)
    weights = [torch.randn(batch, 9, hidden), torch.randn(batch, hidden), torch.randn(batch, hidden)]

    def outcome(kind: torch.dtype, path: Callable[..., Any], device: str = "cpu") -> list[Tensor]:
        own = cell.to(device, kind)
        leaves = [t.detach().to(device, kind).requires_grad_() for t in (x_BTF, h, c)]
        outputs = path(own, *leaves)
        total = sum((out * weight.to(device, kind)).sum() for out, weight in zip(outputs, weights, strict=True))
        inputs = [*leaves, *own.parameters()]
        return [*outputs, *torch.autograd.grad(total, inputs, materialize_grads=True)]

    def fast(own: Gated, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (h, c) = own(x, (h, c))
        return y, h, c

    found, right = outcome(kind, fast, device), outcome(torch.float64, slow)
    for one, other in zip(found, right, strict=True):
        assert_close(one.cpu().double(), other, rtol=near, atol=near * 10)


@pytest.mark.parametrize("variant", variants(), ids=repr)
@pytest.mark.parametrize("kind", KINDS)
def test_in_pytorch_it_is_the_slow_loop(variant: Variant, kind: torch.dtype) -> None:
    with sequence.plain():
        check_against_the_slow_one(variant, kind)


@pytest.mark.parametrize("cell", GATED)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("batch", "hidden"), [(3, 6), (13, 64)], ids=["filled up", "whole panels, and rows left over"])
def test_its_kernels_are_the_slow_loop(cell: str, kind: torch.dtype, batch: int, hidden: int) -> None:
    assert sequence.path_of(torch.empty(0, dtype=kind)) is sequence.kernels() is not None
    check_against_the_slow_one(load_cell(cell).variant, kind, batch, hidden)


@pytest.mark.slow  # a second each to compile
@pytest.mark.parametrize("variant", variants(), ids=repr)
@pytest.mark.parametrize("kind", KINDS)
def test_the_kernels_of_every_variant_are_the_slow_loop(variant: Variant, kind: torch.dtype) -> None:
    check_against_the_slow_one(variant, kind)


@pytest.mark.gpu
@pytest.mark.parametrize("cell", GATED)
@pytest.mark.parametrize(("batch", "hidden"), [(3, 6), (33, 128)], ids=["part of a tile", "tiles"])
def test_on_a_card_it_is_the_slow_loop_started_recorded_and_played(cell: str, batch: int, hidden: int) -> None:
    assert sequence.path_of(torch.empty(0, device="cuda")) is sequence.kernels("cuda") is not None
    for seed in range(4):
        check_against_the_slow_one(load_cell(cell).variant, torch.float32, batch, hidden, seed=seed, device="cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("cell", GATED)
def test_on_a_card_layers_of_one_shape_keep_apart_what_they_play(cell: str) -> None:
    layers, x_BTF = [made(load_cell(cell).variant, seed, 32, 32) for seed in range(3)], torch.randn(8, 50, 32)
    here = nn.ModuleList(layers)
    there = copy.deepcopy(here).cuda()
    found = []
    for own, x in ((here, x_BTF), *[(there, x_BTF.cuda())] * 3):
        own.zero_grad()
        y_BTH = x
        for layer in own:
            y_BTH, _ = layer(y_BTH)
        y_BTH.pow(2).mean().backward()
        found.append([y_BTH.detach().cpu(), *(weight.grad.cpu() for weight in own.parameters())])
    for right, *others in zip(*found, strict=True):
        for other in others:
            assert_close(other, right, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("path", [nullcontext, sequence.plain], ids=["kernels", "plain"])
def test_autocast_does_not_round_what_is_carried_on(path: Callable[[], AbstractContextManager[None]]) -> None:
    cell, x_BTF = made(Variant(peepholes=True)), torch.randn(3, 9, 4)

    def outcome(inputs: Tensor, *, autocast: bool) -> list[Tensor]:
        with path(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            y_BTH, state = cell(inputs)
            return [y_BTH, *state, *torch.autograd.grad(y_BTH.sum(), list(cell.parameters()))]

    rounded = x_BTF.bfloat16()
    for one, other in zip(outcome(rounded, autocast=True), outcome(rounded.float(), autocast=False), strict=True):
        assert torch.equal(one, other)


def test_without_numba_pytorch_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sequence.kernels.cache_clear()
    monkeypatch.delitem(sys.modules, "lstm_bench.cells.kernels", raising=False)
    monkeypatch.delattr("lstm_bench.cells.kernels", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    try:
        assert Gated.kernels("cpu") == "PyTorch"
        Gated.warm()
        check_against_the_slow_one(Variant(), torch.float32)
    finally:
        sequence.kernels.cache_clear()


def test_what_works_a_cell_out_is_a_fact_where_there_are_two_ways() -> None:
    asked = RunSpec(task="adding").with_values({"model.cell": "peephole"})
    assert facts(asked, "data")["kernels"].startswith("numba ")
    assert "kernels" not in facts(asked.with_values({"model.cell": "lstm"}), "data")
    there = facts(asked.with_values({"device": "cuda"}), "data")["kernels"]
    assert there.startswith("triton ") if sequence.kernels("cuda") else there == "PyTorch"


COMPILED = """
from lstm_bench.cells.engine import Variant
from lstm_bench.cells.kernels import compiled
import torch
both = [compiled(variant, torch.float32).forward.stats for variant in (Variant(), Variant(peepholes=True))]
print([sum(one.cache_hits.values()) for one in both], [one.cache_path is None for one in both])
"""


def test_what_is_compiled_is_found_on_the_disk_each_variant_in_a_file_of_its_own(tmp_path: Path) -> None:
    own = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    said = [subprocess.check_output([sys.executable, "-c", COMPILED], env=own, text=True).strip() for _ in range(2)]
    assert said == ["[0, 0] [False, False]", "[1, 1] [False, False]"]
    assert len(list(tmp_path.rglob("*forward*.nbi"))) == 2


def test_where_nothing_can_be_written_it_is_compiled_all_the_same() -> None:
    nowhere = os.environ | {"NUMBA_CACHE_LOCATOR_CLASSES": "_UserProvidedCacheLocator"}
    nowhere.pop("NUMBA_CACHE_DIR", None)
    assert (
        subprocess.check_output([sys.executable, "-c", COMPILED], env=nowhere, text=True).strip()
        == "[0, 0] [True, True]"
    )


@pytest.mark.parametrize(("kind", "lanes"), [(np.float32, BYTES // 4), (np.float64, BYTES // 8)])
def test_the_kernels_squash_to_the_last_bits_and_leave_nan(kind: type, lanes: int) -> None:
    @numba.njit
    def both(x: Any, s: Any, t: Any) -> None:
        for at in range(0, len(x), lanes):
            store(s, at, sigmoid(load(x, at)))
            store(t, at, tanh(load(x, at)))

    wide = np.concatenate(
        [np.linspace(-80, 80, 64 * 50), np.geomspace(1e-30, 1, 64 * 50), [np.nan, np.inf, -np.inf] + [0] * 61]
    )
    x = wide.astype(kind)
    s, t = np.empty_like(x), np.empty_like(x)
    both(x, s, t)
    exact, near = x[:-64].astype(np.longdouble), 4 * np.finfo(kind).eps
    assert np.all(np.abs(s[:-64] * (1 + np.exp(-exact)) - 1) < near)
    assert np.all(np.abs(t[:-64] - np.tanh(exact)) <= near * np.abs(np.tanh(exact)))
    assert np.isnan(s[-64])
    assert np.isnan(t[-64])
    assert (s[-63], t[-63], t[-62], t[-61]) == (1, 1, -1, 0)
    assert 0 < s[-62] < 1e-37


@pytest.mark.parametrize(("kind", "lanes"), [(np.float32, BYTES // 4), (np.float64, BYTES // 8)])
def test_the_kernels_know_tanh_beyond_where_it_is_known(kind: type, lanes: int) -> None:
    @numba.njit
    def beyond(t: Any, x: Any, y: Any) -> None:
        for at in range(0, len(x), lanes):
            store(y, at, tanh_beyond(load(t, at), load(x, at)))

    a, x = (some.flatten().astype(kind) for some in np.meshgrid(np.linspace(-20, 20, 256), np.linspace(-1, 1, 256)))
    exact = a.astype(np.longdouble)
    t, y = np.tanh(exact).astype(kind), np.empty_like(x)
    beyond(t, x, y)
    assert np.all(np.abs(y - np.tanh(exact + x)) < 12 * np.finfo(kind).eps)  # as much as t's own last bit can do
    t[0] = np.nan
    beyond(t, x, y)
    assert np.isnan(y[0])
    assert not np.isnan(y[1:]).any()


def test_the_kernels_pick_numbers_from_anywhere() -> None:
    lanes = NARROW // 8

    @numba.njit
    def pick(x: Any, places: Any, beyond: int, y: Any) -> None:
        for at in range(0, len(places), lanes):
            store(y, at, -picked(x, places, at, beyond))

    random, count = np.random.default_rng(0), 4 * lanes
    x, places, y = random.random(9), random.integers(0, 7, count), np.empty(count)
    for beyond in (0, 2):
        pick(x, places, beyond, y)
        assert np.array_equal(y, -x[places + beyond])


@pytest.mark.parametrize("count", range(-1, NARROW // 8 + 2))
def test_the_kernels_take_the_first_of_one_vector_and_the_rest_of_another(count: int) -> None:
    @numba.njit
    def take(count: int, x: Any, y: Any, z: Any) -> None:
        store(z, 0, first(count, load_narrow(x, 0), load_narrow(y, 0)))

    lanes = np.arange(NARROW // 8)
    x, y, z = lanes + 1.0, -lanes - 1.0, np.empty(len(lanes))
    take(count, x, y, z)
    assert np.array_equal(z, np.where(lanes < count, x, y))


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
