"""What a model takes in floating-point operations: by hand, and by the framework's own counter."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lstm_bench import plugins
from lstm_bench.flops import Flops, count, forward, training
from lstm_bench.model import SequenceModel
from lstm_bench.spec import ModelSpec
from lstm_bench.task import Signature

F, H, C, V, E = 5, 16, 3, 11, 7
SIGNATURES = {
    "features, one answer": (Signature(features=F, outputs=C, every_step=False), {}),
    "features, each step": (Signature(features=F, outputs=C, every_step=True), {}),
    "one-hot": (Signature(vocab=V, outputs=C, every_step=True), {"embedding": 0}),
    "embedding": (Signature(vocab=V, outputs=C, every_step=True), {"embedding": E}),
}
SHAPES: tuple[Mapping[str, Any], ...] = (
    {},
    {"layers": 2, "bidirectional": True},
    {"layers": 2, "residual": True, "skip": True, "dropout": 0.5, "variational": True},
)
PADDED = "full-gate-recurrence"  # multiplies zeros, too, so that a step is one product


def counted(signature: Signature, spec: ModelSpec, steps: int, *, backward: bool) -> int:
    """By torch, of one sequence. On the meta device nothing is fused: it sees each product, and computes none."""
    with torch.device("meta"):
        network = SequenceModel(signature, spec)
        inputs = torch.zeros(1, steps, F) if signature.features else torch.zeros(1, steps, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        output, _ = network(inputs)
        if backward:
            output.sum().backward()
    return int(counter.get_total_flops())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize("cell", sorted(plugins.installed(plugins.CELLS).keys() - {PADDED}))
def test_every_cell_as_torch_counts_it(cell: str, name: str, shape: Mapping[str, Any]) -> None:
    signature, more = SIGNATURES[name]
    spec = ModelSpec(cell=cell, hidden=H, **more, **shape)
    there, whole = forward(signature, spec), training(signature, spec)
    assert there.of(2, 1) == counted(signature, spec, 2, backward=False)
    assert there.of(4, 1) == counted(signature, spec, 4, backward=False)
    # The first step has no gradient to hand on, and some cells go without that product: of the steps after it alone.
    two, four = (counted(signature, spec, steps, backward=True) for steps in (2, 4))
    assert whole.timestep == (four - two) / 2
    assert whole.sequence == 3 * there.sequence


def test_a_tied_head_of_a_language_model_as_torch_counts_it() -> None:
    signature = Signature(vocab=V, outputs=V, every_step=True)
    for spec in (ModelSpec(hidden=H, embedding=E, tied=True), ModelSpec(hidden=E, embedding=E, tied=True)):
        assert forward(signature, spec).of(3, 1) == counted(signature, spec, 3, backward=False)


def test_gates_that_see_all_gates_by_hand() -> None:
    signature = Signature(features=F, outputs=C, every_step=False)
    assert forward(signature, ModelSpec(cell=PADDED, hidden=H)).timestep == 2 * (4 * H * (F + H) + 9 * H * H)


@pytest.mark.parametrize("start", [{"recurrent": "orthogonal"}, {"chrono": 100}, {"biases": "drawn"}], ids=str)
def test_how_a_model_starts_is_nothing_to_count(start: Mapping[str, Any]) -> None:
    signature = Signature(features=F, outputs=C, every_step=False)
    assert training(signature, ModelSpec(hidden=H, **start)) == training(signature, ModelSpec(hidden=H))


def test_a_cell_s_options_count() -> None:
    signature, spec = Signature(features=F, outputs=C, every_step=False), ModelSpec(cell="h97", hidden=H)
    one, shared = (forward(signature, spec, {"block_size": size}).timestep for size in (1, 2))
    assert (one, shared) == (2 * 3 * H * (F + 3 * H), 2 * 2 * H * (F + 2 * H))


def test_an_lstm_by_hand() -> None:
    signature, spec = Signature(features=F, outputs=C, every_step=False), ModelSpec(hidden=H, layers=2)
    first, second, head = 2 * 4 * H * (F + H), 2 * 4 * H * (H + H), 2 * H * C
    assert forward(signature, spec) == Flops(first + second, head)
    assert training(signature, spec) == Flops(3 * (first + second) - 2 * 4 * H * F, 3 * head)
    assert training(signature, spec).of(timesteps=100, sequences=4) == 100 * (
        3 * (first + second) - 2 * 4 * H * F
    ) + 4 * (3 * head)


def test_what_acts_unit_by_unit_is_no_product() -> None:
    signature = Signature(features=F, outputs=C, every_step=False)
    whole, coupled = (forward(signature, ModelSpec(cell=cell, hidden=H)) for cell in ("peephole", "coupled"))
    assert whole == forward(signature, ModelSpec(hidden=H))
    assert coupled.timestep == 3 / 4 * whole.timestep


def test_an_equivalent_network_of_plain_products_on_real_numbers() -> None:
    """The same LSTM as a loop of `nn.Linear` on the CPU, where torch's counter sees no fused `nn.LSTM`."""
    signature, spec = Signature(features=F, outputs=C, every_step=False), ModelSpec(hidden=H)
    from_input, from_before, head = nn.Linear(F, 4 * H), nn.Linear(H, 4 * H), nn.Linear(H, C)
    batch, steps = 3, 6
    x_BTF = torch.randn(batch, steps, F)
    h, c = (torch.zeros(batch, H, requires_grad=True) for _ in range(2))
    with FlopCounterMode(display=False) as counter:
        for x in x_BTF.unbind(1):
            i, f, g, o = (from_input(x) + from_before(h)).chunk(4, dim=-1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        head(h).sum().backward()
    assert training(signature, spec).of(batch * steps, batch) == counter.get_total_flops()


def test_a_model_is_counted_without_being_made() -> None:
    signature = Signature(features=F, outputs=C, every_step=True)
    before = torch.get_rng_state()
    found = count(signature, ModelSpec(hidden=10**6))
    assert found["params"] == sum((4 * 10**6 * (F + 10**6), 2 * 4 * 10**6, C * 10**6 + C))
    assert found["flops"] == 2 * (4 * 10**6 * (F + 10**6) + C * 10**6)
    training(signature, ModelSpec(hidden=H))
    assert torch.equal(torch.get_rng_state(), before)
