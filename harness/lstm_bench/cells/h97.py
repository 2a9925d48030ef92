"""The memory cell block of 1997: no forget gate, gates shared by a block's cells and fed by all units."""

from typing import Literal

import torch
from torch import Tensor, nn

from lstm_bench.cells import State
from lstm_bench.spec import Count, Positive


class H97(nn.Module):
    """Hochreiter and Schmidhuber 1997, equations 3 to 7 and appendix A.1.

    s' = s + y_in g(net), y = y_out h(s'), with gates y_in, y_out of a block in (0, 1), g = 4 sigma - 2 and
    h = 2 sigma - 1 (the text's ranges, [-2, 2] and [-1, 1]; the caption of its table 10 has them swapped). Every cell
    and every gate of every block sees the inputs and what all cells and all gates gave a step before.

    Weights and biases are drawn uniformly within 0.1, as in the paper's experiments 3 to 6; biases of gates may be
    given block by block, so that blocks come into use one after the other (its experiments 1 and 3 to 6).

    Args:
        inputs: F, width of the input.
        hidden: H, cells of all blocks.
        block_size: cells that share a pair of gates.
        output_gate: whether a block has one, else y = h(s') (experiment 2a).
        recurrent: whether units see the step before (experiment 2a: no).
        biases: which units have one: all, gates alone (experiment 1), or none (experiment 2c).
        truncated: whether errors leave a unit backward in time through its state alone, the paper's own gradient.
        init_range: what weights and biases are drawn within.
        input_gate_biases: of each block at the start, such as "-1 -3 -5"; empty: drawn.
        output_gate_biases: likewise.

    Raises:
        ValueError: the cells do not fill blocks, or biases are not one number a block with a gate that has one.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        *,
        block_size: Count = 1,
        output_gate: bool = True,
        recurrent: bool = True,
        biases: Literal["all", "gates", "none"] = "all",
        truncated: bool = False,
        init_range: Positive = 0.1,
        input_gate_biases: str = "",
        output_gate_biases: str = "",
    ) -> None:
        super().__init__()
        given = {"input_gate_biases": input_gate_biases, "output_gate_biases": output_gate_biases}
        self.check(hidden, block_size=block_size, output_gate=output_gate, biases=biases, **given)
        self.hidden, self.block_size, self.output_gate, self.truncated = hidden, block_size, output_gate, truncated
        gates = (2 if output_gate else 1) * (hidden // block_size)
        units = hidden + gates  # in the order cells, input gates, output gates
        biased = {"all": units, "gates": gates, "none": 0}[biases]

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape).uniform_(-init_range, init_range))

        self.weight_input = drawn(units, inputs)
        self.weight_hidden = drawn(units, units) if recurrent else None
        self.bias = drawn(biased) if biased else None
        if self.bias is not None:
            begun_B = [numbers(text) for text in given.values()]
            for bias_B, begin_B in zip(self.bias[-gates:].detach().split(hidden // block_size), begun_B, strict=False):
                if begin_B:
                    bias_B.copy_(torch.tensor(begin_B))

    @staticmethod
    def check(
        hidden: int,
        *,
        block_size: int,
        output_gate: bool = True,
        biases: str = "all",
        input_gate_biases: str = "",
        output_gate_biases: str = "",
        **_: object,
    ) -> None:
        """Raises ValueError where the cells do not fill blocks, or gates' biases are not those of the blocks' gates."""
        if hidden % block_size:
            raise ValueError(
                f"model.hidden = {hidden} is no multiple of cell.block_size = {block_size}: expected whole blocks"
            )
        blocks = hidden // block_size
        for gate, text, there in (("input", input_gate_biases, True), ("output", output_gate_biases, output_gate)):
            if not text:
                continue
            if biases == "none" or not there:
                raise ValueError(f"cell.{gate}_gate_biases = {text!r}: expected '', since no {gate} gate has a bias")
            if len(numbers(text)) != blocks:
                raise ValueError(f"cell.{gate}_gate_biases = {text!r}: expected {blocks} numbers, one for each block")

    def forward(self, x_BTF: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs [B, T, H] and the state after the last step: (all units' outputs [B, U], cells' states [B, H])."""
        y_BU, s_BH = state or (x_BTF.new_zeros(len(x_BTF), n) for n in (len(self.weight_input), self.hidden))
        outputs = []
        for net_BU in self._from_input(x_BTF).unbind(1):
            y_BU, s_BH = self._step(net_BU, y_BU.detach() if self.truncated else y_BU, s_BH)
            outputs.append(y_BU[:, : self.hidden])
        return torch.stack(outputs, dim=1), (y_BU, s_BH)

    def _from_input(self, x_BTF: Tensor) -> Tensor:
        """What the inputs and the biases give every unit, [B, T, U]."""
        net_BTU = x_BTF @ self.weight_input.t()
        if self.bias is None:
            return net_BTU
        return net_BTU + nn.functional.pad(self.bias, (len(self.weight_input) - len(self.bias), 0))

    def _step(self, net_BU: Tensor, before_BU: Tensor, s_BH: Tensor) -> tuple[Tensor, Tensor]:
        """All units' outputs and the cells' states after a step."""
        if self.weight_hidden is not None:
            net_BU = net_BU + before_BU @ self.weight_hidden.t()
        gates = net_BU[:, self.hidden :].sigmoid()
        opened = gates.repeat_interleave(self.block_size, dim=1).split(self.hidden, dim=1)
        s_BH = s_BH + opened[0] * (4 * net_BU[:, : self.hidden].sigmoid() - 2)
        y_BH = 2 * s_BH.sigmoid() - 1
        if self.output_gate:
            y_BH = opened[1] * y_BH
        return torch.cat([y_BH, gates], dim=1), s_BH


def numbers(text: str) -> list[float]:
    """What a text of numbers has.

    Raises:
        ValueError: a word of it is none.
    """
    try:
        return [float(word) for word in text.split()]
    except ValueError:
        raise ValueError(f"{text!r}: expected numbers with spaces between them, such as '-1 -3 -5'") from None
