import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from lstm_bench.cells.lstm import LSTM
from lstm_bench.errors import UsageError
from lstm_bench.model import SequenceModel, VariationalDropout, detached
from lstm_bench.spec import ModelSpec, Positive
from lstm_bench.task import Signature

B, T, F, C = 3, 6, 2, 5
EVERY_STEP = Signature(features=F, outputs=C, every_step=True)
AT_THE_END = Signature(features=F, outputs=C, every_step=False)
SPEC = ModelSpec(hidden=4, layers=2)
calm = settings(deadline=None, max_examples=25)


class Elman(nn.Module):
    """A stranger's cell, whose state has one part."""

    def __init__(self, inputs: int, hidden: int, *, slope: Positive = 1.0) -> None:
        super().__init__()
        self.layer, self.slope = nn.RNN(inputs, hidden, batch_first=True), slope

    def forward(self, x_BTF: Tensor, state: tuple[Tensor, ...] | None = None):
        y_BTH, h = self.layer(x_BTF, None if state is None else state[0].unsqueeze(0))
        return y_BTH, (h.squeeze(0),)


def network(signature: Signature = EVERY_STEP, spec: ModelSpec = SPEC) -> SequenceModel:
    torch.manual_seed(0)
    return SequenceModel(signature, spec)


@pytest.fixture
def x_BTF() -> Tensor:
    return torch.randn(B, T, F, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("cell", ["lstm", f"{__name__}:Elman"])
def test_an_output_depends_on_its_past_and_present_alone(cell: str, x_BTF: Tensor) -> None:
    model = network(spec=ModelSpec(cell=cell, hidden=4, layers=2))
    slopes = torch.autograd.functional.jacobian(lambda x: model(x)[0].sum((0, 2)), x_BTF)  # [T, B, T, F]
    depends = slopes.abs().sum((1, 3)) > 0
    assert torch.equal(depends, torch.ones(T, T).tril().bool())


@pytest.mark.parametrize("cell", ["lstm", f"{__name__}:Elman"])
@pytest.mark.parametrize("cut", range(1, T))
def test_a_sequence_is_its_two_halves_with_the_state_carried(cell: str, cut: int, x_BTF: Tensor) -> None:
    model = network(spec=ModelSpec(cell=cell, hidden=4, layers=2))
    whole, end = model(x_BTF)
    left, state = model(x_BTF[:, :cut])
    right, after = model(x_BTF[:, cut:], state)
    assert_close(torch.cat([left, right], dim=1), whole)
    assert_close(after, end)
    forgetful, _ = model(x_BTF[:, cut:])
    assert not torch.allclose(forgetful, right)


@calm
@given(lengths=st.lists(st.integers(1, T), min_size=B, max_size=B), rubbish=st.floats(width=32))
def test_what_lies_after_the_end_of_a_sequence_changes_nothing(lengths: list[int], rubbish: float) -> None:
    x_BTF = torch.randn(B, T, F, generator=torch.Generator().manual_seed(1))
    model = network(AT_THE_END)
    alone = torch.cat([model(x[None, :length])[0] for x, length in zip(x_BTF, lengths, strict=True)])
    for x, length in zip(x_BTF, lengths, strict=True):
        x[length:] = rubbish
    output, _ = model(x_BTF, None, torch.tensor(lengths))
    assert_close(output, alone)


def test_without_lengths_the_last_step_answers(x_BTF: Tensor) -> None:
    output, _ = network(AT_THE_END)(x_BTF)
    assert_close(output, network(EVERY_STEP)(x_BTF)[0][:, -1])


@pytest.mark.parametrize("bias", [0.0, 1.0, 2.5])
def test_the_bias_of_every_forget_gate_is_as_asked_and_all_others_are_zero(bias: float) -> None:
    model = network(spec=ModelSpec(hidden=4, layers=2, forget_bias=bias))
    for layer in model.layers:
        parameters = dict(layer.named_parameters())
        total = parameters["layer.bias_ih_l0"] + parameters["layer.bias_hh_l0"]
        input_gate, forget, candidate, output = total.chunk(4)
        assert torch.equal(forget, torch.full((4,), bias))
        assert not torch.cat([input_gate, candidate, output]).any()


def by_hand(layer: nn.LSTM, x_BTF: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The equations, one step after the other, in float64."""
    w_x, w_h, b_x, b_h = (p.detach().double() for p in layer.parameters())
    h, c, outputs = h.double(), c.double(), []
    for x in x_BTF.double().unbind(1):
        i, f, g, o = (x @ w_x.T + h @ w_h.T + b_x + b_h).chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        outputs.append(h)
    return torch.stack(outputs, dim=1), h, c


@pytest.mark.parametrize("carried", [False, True])
def test_the_lstm_is_its_equations(carried: bool, x_BTF: Tensor) -> None:
    torch.manual_seed(2)
    cell, state = LSTM(F, 4), (torch.randn(B, 4), torch.randn(B, 4))
    y_BTH, (h, c) = cell(x_BTF, state if carried else None)
    expected = by_hand(cell.layer, x_BTF, *(state if carried else (torch.zeros(B, 4),) * 2))
    assert_close((y_BTH, h, c), expected, check_dtype=False, rtol=0, atol=1e-5)


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("inputs", [{"vocab": 7}, {"features": F}])
def test_the_model_is_sized_from_the_signature(every_step: bool, inputs: dict[str, int], x_BTF: Tensor) -> None:
    model = network(Signature(outputs=C, every_step=every_step, **inputs), ModelSpec(hidden=4, embedding=3, layers=2))
    output, state = model(x_BTF if "features" in inputs else torch.arange(7).expand(B, 7)[:, 1:])
    assert output.shape == ((B, T, C) if every_step else (B, C))
    assert [[part.shape for part in layer] for layer in state] == [[(B, 4), (B, 4)]] * 2
    widths = [layer.layer.input_size for layer in model.layers]  # type: ignore[union-attr]
    assert widths == [F if "features" in inputs else 3, 4]


def test_a_cell_can_be_given_as_module_and_attribute(x_BTF: Tensor) -> None:
    model = SequenceModel(EVERY_STEP, ModelSpec(cell=f"{__name__}:Elman", hidden=4), {"slope": 0.5})
    (layer,) = model.layers
    assert type(layer).__name__ == "Elman"
    assert layer.slope == 0.5
    assert [[part.shape for part in found] for found in model(x_BTF)[1]] == [[(B, 4)]]


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("lstn", "Did you mean 'lstm'"),
        ("nowhere:Cell", "nowhere"),
        ("math:tauu", "tauu"),
        ("math:pi", r"is 3\.14.*, expected a class derived from torch\.nn\.Module"),
    ],
)
def test_what_is_no_cell_is_refused_in_one_line(cell: str, found: str) -> None:
    with pytest.raises(UsageError, match=found) as error:
        network(spec=ModelSpec(cell=cell))
    assert "\n" not in str(error.value)


def test_dropout_is_for_training_alone(x_BTF: Tensor) -> None:
    model = network(spec=ModelSpec(hidden=4, dropout=0.5))
    assert not torch.equal(model(x_BTF)[0], model(x_BTF)[0])
    model.eval()
    assert_close(model(x_BTF)[0], network(spec=ModelSpec(hidden=4))(x_BTF)[0])


def test_a_detached_state_has_the_same_values_and_no_history(x_BTF: Tensor) -> None:
    _, state = network()(x_BTF)
    cut = detached(state)
    assert_close(cut, state)
    assert {part.requires_grad for layer in state for part in layer} == {True}
    assert {part.requires_grad for layer in cut for part in layer} == {False}


TOKENS = Signature(vocab=7, outputs=7, every_step=True)


def test_a_tied_head_reads_with_the_weights_of_the_embedding() -> None:
    model = network(TOKENS, ModelSpec(hidden=4, embedding=4, tied=True))
    assert model.head.weight is model.encoder.weight
    assert (
        len(list(model.parameters())) == len(list(network(TOKENS, ModelSpec(hidden=4, embedding=4)).parameters())) - 1
    )
    projected = network(TOKENS, ModelSpec(hidden=6, embedding=4, tied=True))
    x_BTH = torch.randn(2, 3, 6)
    expected = x_BTH @ projected.narrow.weight.T @ projected.encoder.weight.T + projected.head.bias
    assert_close(projected.head(projected.narrow(x_BTH)), expected)
    assert projected(torch.arange(7)[None])[0].shape == (1, 7, 7)


def test_other_outputs_than_tokens_are_not_tied() -> None:
    with pytest.raises(UsageError, match="tied = true: expected false where 7 tokens are read and 2 predicted"):
        network(Signature(vocab=7, outputs=2, every_step=True), ModelSpec(embedding=4, tied=True))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_residual_link_adds_what_a_layer_reads_where_it_is_as_wide(bidirectional: bool, x_BTF: Tensor) -> None:
    spec = ModelSpec(hidden=4, layers=2, bidirectional=bidirectional)
    plain, linked = network(spec=spec), network(spec=dataclasses.replace(spec, residual=True))
    seen: dict[str, Tensor] = {}
    plain.head.register_forward_pre_hook(lambda _, inputs: seen.__setitem__("plain", inputs[0]))
    linked.head.register_forward_pre_hook(lambda _, inputs: seen.__setitem__("linked", inputs[0]))
    plain(x_BTF), linked(x_BTF)
    below = network(spec=dataclasses.replace(spec, layers=1))
    below.load_state_dict({name: p for name, p in plain.state_dict().items() if name in below.state_dict()})
    below.head = nn.Identity()
    assert_close(seen["linked"], seen["plain"] + below(x_BTF)[0])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_residual_link_leaves_what_lies_behind_the_end_alone(bidirectional: bool, x_BTF: Tensor) -> None:
    spec = ModelSpec(hidden=4, layers=2, residual=True, skip=True, bidirectional=bidirectional)
    model, lengths = network(AT_THE_END, spec), torch.tensor([2, T, 1])
    alone = torch.cat([model(x[None, :length])[0] for x, length in zip(x_BTF, lengths.tolist(), strict=True)])
    assert_close(model(x_BTF, None, lengths)[0], alone)


def test_with_a_skip_link_the_head_sees_the_input_of_its_step(x_BTF: Tensor) -> None:
    model = network(spec=ModelSpec(hidden=4, skip=True, head_bias=False))
    assert model.head.weight.shape == (C, 4 + F)
    with torch.no_grad():
        model.head.weight[:, :4] = 0
    assert_close(model(x_BTF)[0], x_BTF @ model.head.weight[:, 4:].T)
    assert model.head.bias is None


def test_variational_dropout_takes_the_same_units_away_at_every_step() -> None:
    dropout = VariationalDropout(0.5)
    kept_BTH = dropout(torch.ones(8, 5, 16))
    assert torch.equal(kept_BTH, kept_BTH[:, :1].expand_as(kept_BTH))
    assert set(kept_BTH.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(kept_BTH[0], kept_BTH[1])
    assert dropout(torch.ones(64, 16)).unique(dim=0).shape[0] > 1
    dropout.eval()
    assert torch.equal(dropout(kept_BTH), kept_BTH)
    assert isinstance(network(spec=ModelSpec(dropout=0.5, variational=True)).dropout, VariationalDropout)


@pytest.mark.parametrize("layers", [1, 2])
def test_with_biases_as_drawn_it_is_the_plain_network_of_the_framework(layers: int, x_BTF: Tensor) -> None:
    """The same seed gives the same weights: those of a script that makes `nn.LSTM` and then `nn.Linear`."""
    ours = network(AT_THE_END, ModelSpec(hidden=4, layers=layers, biases="drawn"))
    torch.manual_seed(0)
    lstm, linear = nn.LSTM(F, 4, layers, batch_first=True), nn.Linear(4, C)
    assert_close(ours(x_BTF)[0], linear(lstm(x_BTF)[0][:, -1]))
