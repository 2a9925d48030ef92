"""Tests that a cell's author inherits: derive from `CellSuite`, name the cell, and let pytest find it.

class TestMine(CellSuite):
    cell = "my-cell"  # its name, its class, or module:attr
"""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from hypothesis import HealthCheck, settings
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from lstm_bench.cells.make import load_cell

BATCH, STEPS, WIDTH, HIDDEN = 3, 7, 4, 6
calm = settings(
    deadline=None,
    max_examples=4,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class CellSuite:
    """What the model relies on in a cell.

    Attributes:
        cell: a name, a class, or `module:attr`.
        hidden: units, where not any number will do.
        options: the cell's own.
    """

    cell: ClassVar[Any]
    hidden: ClassVar[int] = HIDDEN
    options: ClassVar[Mapping[str, Any]] = {}

    @hypothesis_given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 9), st.integers(1, 5))
    @calm
    def test_shapes_are_those_of_the_contract(self, seed: int, batch: int, steps: int, width: int) -> None:
        """Outputs [B, T, H] and a state of parts [B, ...]; any batch, length and width."""
        cell = self._made(seed, width)
        y_BTH, state = cell(torch.randn(batch, steps, width))
        assert y_BTH.shape == (batch, steps, self.hidden)
        assert isinstance(state, tuple)
        assert all(part.shape[0] == batch for part in state)

    @hypothesis_given(st.integers(0, 2**32), st.integers(0, STEPS - 1))
    @calm
    def test_an_output_depends_on_its_past_and_present_alone(self, seed: int, at: int) -> None:
        """By the gradient: none flows back from a step to those after it."""
        x_BTF = drawn(seed).requires_grad_()
        y_BTH, _ = self._made(seed)(x_BTF)
        y_BTH[:, at].sum().backward()
        assert x_BTF.grad is not None
        assert not x_BTF.grad[:, at + 1 :].any()
        assert x_BTF.grad[:, at].any()

    @hypothesis_given(st.integers(0, 2**32), st.integers(1, STEPS - 1))
    @calm
    def test_a_sequence_is_its_two_halves_with_the_state_carried(self, seed: int, cut: int) -> None:
        """Outputs and gradients: language models read on so."""
        cell = self._made(seed).double()
        x_BTF = drawn(seed).double().requires_grad_()
        whole, _ = cell(x_BTF)
        first, state = cell(x_BTF[:, :cut])
        second, _ = cell(x_BTF[:, cut:], state)
        halves = torch.cat([first, second], dim=1)
        assert_close(halves, whole)
        weights = torch.randn_like(whole)
        inputs = (x_BTF, *cell.parameters())
        for one, other in zip(gradients(halves, weights, inputs), gradients(whole, weights, inputs), strict=True):
            assert_close(one, other)

    @hypothesis_given(st.integers(0, 2**32))
    @calm
    def test_without_a_state_it_begins_with_zeros(self, seed: int) -> None:
        """None stands for them."""
        cell, x_BTF = self._made(seed), drawn(seed)
        y_BTH, state = cell(x_BTF)
        assert_close(cell(x_BTF, tuple(map(torch.zeros_like, state)))[0], y_BTH)

    @hypothesis_given(st.integers(0, 2**32))
    @calm
    def test_sequences_of_a_batch_do_not_see_each_other(self, seed: int) -> None:
        """A batch is its sequences."""
        cell, x_BTF = self._made(seed), drawn(seed)
        whole, _ = cell(x_BTF)
        assert_close(torch.cat([cell(x[None])[0] for x in x_BTF]), whole)

    @hypothesis_given(st.integers(0, 2**32))
    @calm
    def test_its_gradient_is_that_of_small_differences(self, seed: int) -> None:
        """In float64: of the inputs, of what came before and of every weight, through outputs and state."""
        cell = self._made(seed).double()
        x_BTF = drawn(seed).double()[:2, :4].requires_grad_()
        _, state = cell(x_BTF)
        before = [torch.randn_like(part, requires_grad=True) for part in state]
        names, weights = zip(*cell.named_parameters(), strict=True)

        def outputs(x_BTF: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
            parts, values = rest[: len(before)], rest[len(before) :]
            call = torch.func.functional_call(cell, dict(zip(names, values, strict=True)), (x_BTF, tuple(parts)))
            return call[0], *call[1]

        assert torch.autograd.gradcheck(outputs, (x_BTF, *before, *weights))

    @hypothesis_given(st.integers(0, 2**32))
    @calm
    def test_every_weight_is_of_use(self, seed: int) -> None:
        """Each has a gradient that is finite and not zero; a copy is its equal."""
        cell = self._made(seed)
        y_BTH, _ = cell(drawn(seed))
        y_BTH.pow(2).sum().backward()
        for name, weight in cell.named_parameters():
            assert weight.grad is not None, name
            assert bool(weight.grad.isfinite().all()), name
            assert bool(weight.grad.any()), name
        assert torch.equal(copy.deepcopy(cell)(drawn(seed))[0], y_BTH)

    def _made(self, seed: int, width: int = WIDTH) -> nn.Module:
        torch.manual_seed(seed)
        make = load_cell(self.cell) if isinstance(self.cell, str) else self.cell
        cell = make(width, self.hidden, **self.options)
        if remember := getattr(cell, "remember", None):
            with torch.no_grad():
                remember(torch.full((self.hidden,), 0.5), torch.zeros(self.hidden))
        return cell


def drawn(seed: int) -> Tensor:
    """Inputs [B, T, F]."""
    return torch.randn(BATCH, STEPS, WIDTH, generator=torch.Generator().manual_seed(seed))


def gradients(y: Tensor, weights: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Of a weighted sum of the outputs."""
    return torch.autograd.grad(y, inputs, weights, retain_graph=True)
