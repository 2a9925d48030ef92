"""Synthetic tasks: each definition against a slow and obvious one, oracles, chance, floors, and what is refused."""

import math
from collections import Counter
from dataclasses import replace
from itertools import combinations, islice
from typing import Any

import pytest
import torch
from torch import Tensor

from lstm_bench.errors import UsageError
from lstm_bench.families import score
from lstm_bench.spec import checked
from lstm_bench.task import UNSCORED, Batch
from lstm_bench_tasks.synthetic.copying import Copying
from lstm_bench_tasks.synthetic.counting import AnBn, AnBnCn
from lstm_bench_tasks.synthetic.dyck import Dyck
from lstm_bench_tasks.synthetic.parity import Parity
from lstm_bench_tasks.synthetic.recall import Mqar
from lstm_bench_tasks.synthetic.selective import SelectiveCopy, places

U = UNSCORED
TASKS: list[Any] = [Copying(), SelectiveCopy(), Parity(), AnBn(), AnBnCn(), Dyck(), Mqar()]
ODD: list[Any] = [  # options at their edges
    Copying(length=1),
    SelectiveCopy(symbols=5, length=5),
    Parity(length=1),
    Parity(length=9, shortest=9),
    AnBn(most=1),
    AnBnCn(most=7, least=7),
    Dyck(length=2, depth=1),
    Dyck(length=30, kinds=2, depth=15),
    Mqar(pairs=1, keys=1, values=2),
    Mqar(pairs=9, keys=9),
]


def name(task: Any) -> str:
    return repr(task)


def drawn(task: Any, count: int = 300, seed: int = 0) -> Batch:
    batch: Batch = task.draw(count, torch.Generator().manual_seed(seed))
    return batch


def rows(batch: Batch) -> list[tuple[list[int], list[int]]]:
    """Inputs and targets of each sequence, without padding."""
    lengths = [batch.inputs.shape[1]] * len(batch.inputs) if batch.lengths is None else batch.lengths.tolist()
    pairs = zip(batch.inputs.tolist(), batch.targets.tolist(), lengths, strict=True)
    return [(read[:steps], due[:steps]) for read, due, steps in pairs]


def constant(task: Any, answer: int) -> float:
    """The score of one who always says the same class."""

    def say(batch: Batch) -> Tensor:
        shape = batch.inputs.shape[:2] if task.signature.every_step else batch.inputs.shape[:1]
        return torch.nn.functional.one_hot(torch.tensor(answer), task.signature.outputs).float().expand(*shape, -1)

    return score(task, say, seed=0)


@pytest.mark.parametrize("task", TASKS + ODD, ids=name)
def test_the_true_answer_scores_the_ceiling_at_every_length(task: Any) -> None:
    for one in (task, *task.longer.values()):
        assert score(one, one.oracle, seed=3) == pytest.approx(one.goal.ceiling, abs=1e-6)


@pytest.mark.parametrize("task", TASKS, ids=name)
def test_batches_go_on_where_a_run_was_stopped_across_what_is_drawn_together(task: Any) -> None:
    whole = list(islice(task.batches("train", 5, 7), 70))
    for start in (1, 31, 32, 65):
        for one, other in zip(whole[start:], task.batches("train", 5, 7, start), strict=False):
            assert torch.equal(one.inputs, other.inputs)
            assert torch.equal(one.targets, other.targets)
    assert not torch.equal(whole[0].targets, whole[32].targets)


def test_what_was_read_first_is_copied_after_length_steps_and_a_delimiter() -> None:
    for length in (1, 2, 13):
        for read, due in rows(drawn(Copying(length=length))):
            symbols = read[:10]
            assert all(1 <= symbol <= 8 for symbol in symbols)
            assert read == [*symbols, *[0] * (length - 1), 9, *[0] * 10]
            assert due == [0] * (length + 10) + symbols
    seen = Counter(symbol for read, _ in rows(drawn(Copying(), 2000)) for symbol in read[:10])
    assert all(abs(seen[symbol] / 20_000 - 1 / 8) < 0.01 for symbol in range(1, 9))


def test_a_copy_without_memory_scores_the_formula_and_a_constant_is_worse() -> None:
    for length, published in ((100, 0.1733), (500, 0.0400), (1000, 0.0204)):
        assert Copying(length=length).goal.chance == pytest.approx(published, abs=5e-5)
    for task in (Copying(), Copying(length=100)):
        floors = task.floors(0)
        assert list(floors) == ["memoryless"]
        assert floors["memoryless"] == pytest.approx(task.goal.chance, rel=0.01)
        assert floors["memoryless"] > task.goal.chance  # what is learnt from a sample is no better than what is true


def test_the_cross_entropy_of_a_copy_is_over_all_steps_and_its_accuracy_over_the_recalled() -> None:
    task = Copying(length=3)
    batch = drawn(task, 4)
    blank = torch.zeros(4, 23, 9)
    blank[..., 0] = math.log(9.0)
    found = task.tallies(blank, batch)
    right, wrong = math.log(17 / 9), math.log(17)
    assert found["ce"].value == pytest.approx((13 * right + 10 * wrong) / 23, rel=1e-5)
    assert float(task.loss(blank, batch)) == pytest.approx(found["ce"].value, rel=1e-5)
    assert found["accuracy"].value == 0
    blank[:, :13] = 0
    blank[:, 13:] = 20.0 * torch.nn.functional.one_hot(batch.targets[:, 13:], 9)
    assert task.tallies(blank, batch)["accuracy"].value == 1


def test_scattered_symbols_are_asked_for_in_their_order() -> None:
    task = SelectiveCopy(symbols=3, length=9)
    for read, due in rows(drawn(task)):
        symbols = [symbol for symbol in read[:9] if symbol]
        assert len(symbols) == 3
        assert all(1 <= symbol <= 8 for symbol in symbols)
        assert read[9:] == [9, 9, 9]
        assert due == [U] * 9 + [symbol - 1 for symbol in symbols]


def test_every_set_of_places_is_equally_likely() -> None:
    found = Counter(
        tuple(row.nonzero().flatten().tolist()) for row in places(6000, 2, 4, torch.Generator().manual_seed(1))
    )
    assert set(found) == set(combinations(range(4), 2))
    assert all(abs(count - 1000) < 120 for count in found.values())  # four standard deviations


def test_parity_is_that_of_the_ones_before_the_end() -> None:
    batch = drawn(Parity(length=6), 3000)
    assert batch.lengths is not None
    for bits, odd, steps in zip(batch.inputs.tolist(), batch.targets.tolist(), batch.lengths.tolist(), strict=True):
        assert odd == bits[:steps].count(1) % 2
        assert not any(bits[steps:])
    seen = Counter(batch.lengths.tolist())
    assert set(seen) == set(range(1, 7))
    assert all(abs(count - 500) < 90 for count in seen.values())
    assert abs(batch.inputs[batch.lengths == 6].float().mean() - 0.5) < 0.05


def test_longer_parities_have_lengths_that_were_never_trained_on() -> None:
    for short, low, high in (("2x", 11, 20), ("4x", 21, 40)):
        longer: Any = Parity(length=10).longer[short]
        lengths = drawn(longer, 2000).lengths
        assert lengths is not None
        assert (int(lengths.min()), int(lengths.max())) == (low, high)


@pytest.mark.parametrize(("cls", "letters"), [(AnBn, "ab"), (AnBnCn, "abc")])
def test_a_string_has_each_letter_n_times_and_is_scored_from_the_second_on(cls: Any, letters: str) -> None:
    task = cls(most=6, least=2)
    seen: Counter[int] = Counter()
    for read, due in rows(drawn(task, 2500)):
        n = (len(read) - 1) // len(letters)
        string = "#" + "".join(letter * n for letter in letters)
        assert "".join("#abc"[symbol] for symbol in read) == string
        after = string[1:] + "#"
        assert due == [U if step <= n else "#abc".index(symbol) for step, symbol in enumerate(after)]
        seen[n] += 1
    assert set(seen) == set(range(2, 7))
    assert all(abs(count - 500) < 80 for count in seen.values())


@pytest.mark.parametrize("task", [AnBn(most=5), AnBnCn(most=5)], ids=name)
def test_a_string_counts_only_if_every_determined_step_is_right(task: Any) -> None:
    batch = drawn(task, 40)
    output = task.oracle(batch)
    assert task.tallies(output, batch)["strings"].value == 1
    padding = torch.arange(output.shape[1]) >= batch.lengths[:, None]
    free = batch.targets == UNSCORED
    output[free] = -output[free]  # what is not scored may be anything
    assert bool(padding.any())
    assert task.tallies(output, batch)["strings"].value == 1
    steps = int(batch.lengths[0])
    output[0, steps - 1] = torch.eye(task.letters + 1)[1]  # an a in place of the end
    found = task.tallies(output, batch)
    assert found["strings"].value == pytest.approx(39 / 40)
    assert found["accuracy"].value == pytest.approx(1 - 1 / int((~free).sum()))


def test_no_rule_without_counting_gets_a_string_right_but_the_shortest() -> None:
    assert AnBn().floors(0) == {"constant": 0.0}
    assert AnBnCn().floors(0) == {"constant": 0.0}
    assert constant(AnBnCn(), 0) == 0
    assert constant(AnBn(), 0) == pytest.approx(0.1, abs=0.03)  # n = 1: the end alone is scored


def test_longer_counts_have_an_n_that_was_never_trained_on() -> None:
    for task in (AnBn(most=4), AnBnCn(most=4)):
        for short, low, high in (("2x", 5, 8), ("4x", 9, 16)):
            longer: Any = task.longer[short]
            assert (longer.least, longer.most) == (low, high)
            assert longer.signature == task.signature


def matched(read: list[int], kinds: int, last: int) -> list[int]:
    """The kinds of closing brackets by a stack; fails where a string is not balanced."""
    stack, due = [], []
    for bracket in [*read, last]:
        if bracket < kinds:
            stack.append(bracket)
            due.append(U)
        else:
            assert stack.pop() == bracket - kinds
            due.append(bracket - kinds)
    assert not stack
    return due


@pytest.mark.parametrize("task", [Dyck(), Dyck(length=12, kinds=2, depth=3), Dyck(length=6, depth=1)], ids=name)
def test_brackets_are_balanced_and_only_closing_ones_are_due(task: Any) -> None:
    deepest = 0
    for read, due in rows(drawn(task)):
        assert len(read) == task.length - 1
        assert due == matched(read, task.kinds, task.kinds + due[-1])[1:]
        assert sum(kind != U for kind in due) == task.length // 2
        heights = torch.tensor([1 if bracket < task.kinds else -1 for bracket in read]).cumsum(0)
        deepest = max(deepest, int(heights.max()))
    assert deepest == min(task.depth, task.length // 2)


def test_a_bracket_opens_or_closes_by_the_toss_of_a_coin_and_every_kind_as_often() -> None:
    """For four brackets the words are (()) and ()(), each with a chance of 1/2."""
    batch = drawn(Dyck(length=4, kinds=2, depth=2), 4000)
    nested = (batch.inputs[:, 1] < 2).float().mean()
    assert nested == pytest.approx(0.5, abs=0.04)
    kinds = Counter((row[0], row[1]) for row in batch.inputs.tolist() if row[1] < 2)
    assert len(kinds) == 4
    assert all(abs(count - 500) < 110 for count in kinds.values())


def test_the_floors_of_dyck_are_a_guess_and_the_bracket_just_read() -> None:
    task = Dyck()
    floors = task.floors(0)
    assert list(floors) == ["constant", "bracket just read"]
    assert floors["constant"] == pytest.approx(task.goal.chance, abs=0.02)
    right = count = 0
    for batch in task.batches("test", 64, 0):
        for read, due in rows(batch):
            right += sum(kind == bracket % 4 for bracket, kind in zip(read, due, strict=True) if kind != U)
            count += sum(kind != U for kind in due)
    assert floors["bracket just read"] == pytest.approx(right / count)
    assert Dyck(depth=1).floors(0)["bracket just read"] == 1  # a stack of one is no stack


def test_each_key_is_asked_for_once_and_its_value_is_due() -> None:
    task = Mqar(pairs=3, keys=5, values=4)
    orders = set()
    for read, due in rows(drawn(task, 500)):
        shown = dict(zip(read[:6:2], read[1:6:2], strict=True))
        assert len(shown) == 3
        assert all(key < 5 <= value < 9 for key, value in shown.items())
        assert sorted(read[6:]) == sorted(shown)
        assert due == [U] * 6 + [shown[key] - 5 for key in read[6:]]
        orders.add(tuple(list(shown).index(key) for key in read[6:]))
    assert len(orders) == 6
    keys = Counter(key for read, _ in rows(drawn(task, 2000)) for key in read[:6:2])
    assert all(abs(keys[key] - 1200) < 100 for key in range(5))


def test_the_floors_of_recall_are_a_guess_and_the_value_shown_most_often() -> None:
    floors = Mqar(pairs=3, values=4).floors(0)
    assert list(floors) == ["constant", "commonest shown"]
    # of 64 triples: 4 all equal (right 3 of 3), 36 with two equal (2 of 3), 24 without (1 of 3)
    assert floors["commonest shown"] == pytest.approx((4 + 36 * 2 / 3 + 24 / 3) / 64, abs=0.02)


def test_recall_is_tested_longer_as_far_as_there_are_keys() -> None:
    assert {short: one.pairs for short, one in Mqar(pairs=4, keys=16).longer.items()} == {"2x": 8, "4x": 16}  # type: ignore[attr-defined]
    assert list(Mqar(pairs=4, keys=15).longer) == ["2x"]
    assert not Mqar(pairs=4, keys=7).longer


@pytest.mark.parametrize(
    ("task", "chance"),
    [(SelectiveCopy(), 1 / 8), (Parity(), 1 / 2), (Dyck(kinds=3), 1 / 3), (Mqar(values=5), 1 / 5)],
    ids=name,
)
def test_any_constant_scores_about_chance(task: Any, chance: float) -> None:
    assert task.goal.chance == pytest.approx(chance)
    for answer in range(task.signature.outputs):
        assert constant(task, answer) == pytest.approx(chance, abs=0.05)
    assert next(iter(task.floors(0).values())) == pytest.approx(chance, abs=0.05)


def test_the_constant_is_learnt_from_train_and_not_from_test() -> None:
    task = SelectiveCopy()
    train = next(task.batches("train", task.eval_sequences, 5)).targets
    commonest = int(torch.bincount(train[train != UNSCORED]).argmax())
    assert task.floors(5)["constant"] == score(
        task, lambda b: torch.eye(8)[commonest].expand(*b.inputs.shape, -1), seed=5
    )


@pytest.mark.parametrize(
    ("cls", "options", "line"),
    [
        (Copying, {"length": 0}, "options.length = 0: expected greater than or equal to 1"),
        (Copying, {"length": 10**9}, "options.length = 1000000000: expected less than or equal to 4096"),
        (SelectiveCopy, {"symbols": 0}, "options.symbols = 0: expected greater than or equal to 1"),
        (SelectiveCopy, {"symbols": 9, "length": 8}, "options: symbols = 9: expected at most length = 8, one a step"),
        (Parity, {"length": 4097}, "options.length = 4097: expected less than or equal to 4096"),
        (Parity, {"shortest": 9, "length": 8}, "options: shortest = 9: expected at most length = 8"),
        (AnBn, {"most": 0}, "options.most = 0: expected greater than or equal to 1"),
        (AnBnCn, {"most": 5, "least": 6}, "options: least = 6: expected at most most = 5"),
        (Dyck, {"length": 7}, "options.length = 7: expected a multiple of 2"),
        (Dyck, {"kinds": 1}, "options.kinds = 1: expected greater than or equal to 2"),
        (Dyck, {"depth": 0}, "options.depth = 0: expected greater than or equal to 1"),
        (Mqar, {"values": 1}, "options.values = 1: expected greater than or equal to 2"),
        (Mqar, {"pairs": 9, "keys": 8}, "options: pairs = 9: expected at most keys = 8, which are distinct"),
    ],
)
def test_what_no_sequence_can_be_drawn_from_is_refused_in_one_line(cls: Any, options: Any, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked(cls, options, "options.")
    assert str(caught.value) == line


@pytest.mark.parametrize("task", TASKS, ids=name)
def test_an_example_is_short_and_whatever_the_options_the_same_kind(task: Any) -> None:
    lines = task.example().splitlines()
    assert 1 <= len(lines) <= 2
    assert "->" in lines[0]
    assert all(len(line) <= 60 for line in lines)


def test_examples_are_decoded_as_their_tasks_define_them() -> None:
    copied, due = Copying().example().split(" ->\n")
    assert due == "." * 14 + copied[:10]
    read, told = Parity().example().split(" -> ", 1)
    ones = read.count("1")
    assert told == f"{ones} ones ({'odd' if ones % 2 else 'even'}) -> {ones % 2}"
    assert AnBn(most=20).example() == "#aaabbb ->\n....bb#"
    assert replace(AnBnCn(), most=2).example() == "#aaabbbccc ->\n....bbccc#"
    read, told = SelectiveCopy().example().split(" -> ")
    assert told.split() == [symbol for symbol in read if symbol.isdigit()]
    read, told = Mqar().example().split(" -> ")
    shown, asked = read.split(" | ")
    values = dict(zip(shown.split()[::2], shown.split()[1::2], strict=True))
    assert told.split() == [values[key] for key in asked.split()]
