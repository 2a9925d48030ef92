import pickle
import random
from itertools import islice

import pytest
import torch
from torch import Tensor

from lstm_bench.errors import UsageError
from lstm_bench.families import score
from lstm_bench.spec import RunSpec
from lstm_bench.task import UNSCORED, Batch, Tally, generator, make_task
from lstm_bench_tasks.hochreiter1997 import reber
from lstm_bench_tasks.hochreiter1997.adding import H97Adding
from lstm_bench_tasks.hochreiter1997.criteria import REACHED, Criterion, Judged, worst
from lstm_bench_tasks.hochreiter1997.lag import H97Lag, more_than
from lstm_bench_tasks.hochreiter1997.multiplication import H97Multiplication
from lstm_bench_tasks.hochreiter1997.order import ALPHABET, WINDOWS, H97Order
from lstm_bench_tasks.hochreiter1997.reber import H97Reber
from lstm_bench_tasks.hochreiter1997.two_sequence import H97TwoSequence

TASKS: list[Judged] = [
    H97Reber(),
    H97Lag(experiment="2a", p=9),
    H97Lag(experiment="2b", p=9),
    H97Lag(experiment="2c", p=9, q=5),
    H97TwoSequence(length=20),
    H97TwoSequence(experiment="3c", length=20),
    H97Adding(length=30),
    H97Multiplication(length=30),
    H97Order(length=30),
    H97Order(experiment="6b", length=30),
]
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda t: f"{type(t).__name__}-{getattr(t, 'experiment', '')}")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small tensors: more threads only wait for each other where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def drawn(task: Judged, count: int = 600, seed: int = 0) -> Batch:
    return task.draw(count, generator(seed, "train", 0))


def rows(batch: Batch) -> list[tuple[list, list]]:
    """The valid steps of each sequence, and its target, as plain lists."""
    lengths = [batch.inputs.shape[1]] * len(batch.inputs) if batch.lengths is None else batch.lengths.tolist()
    return [(x[:n].tolist(), y.tolist()) for x, y, n in zip(batch.inputs, batch.targets, lengths, strict=True)]


def value(task: Judged, output: Tensor, batch: Batch, name: str = "criterion") -> float:
    return task.tallies(output, batch)[name].value


# Reber: a slow walker, who knows the grammar as a picture of edges.

EDGES = {
    1: {"T": 2, "P": 3}, 2: {"S": 2, "X": 4}, 3: {"T": 3, "V": 5},
    4: {"X": 3, "S": 6}, 5: {"P": 4, "V": 6}, 6: {"E": 7},
}  # fmt: skip


def may_follow(prefix: str) -> set[str]:
    if len(prefix) < 3:
        return {"B": {"T", "P"}, "BT": {"B"}, "BP": {"B"}}[prefix]
    state = 1
    for at, symbol in enumerate(prefix[3:], start=3):
        state = EDGES[state][symbol]
        if state == 7:
            return {prefix[1]} if at == len(prefix) - 1 else {"E"}
    return set(EDGES[state])


def spelled(symbols: list[int]) -> str:
    return "".join(reber.ALPHABET[symbol] for symbol in symbols)


@pytest.mark.parametrize("shortest", [9, 18])
def test_every_reber_string_is_legal_and_legal_says_what_may_follow(shortest: int) -> None:
    for batch in H97Reber(shortest=shortest).batches("test", 64, seed=3):
        legal_BTC = reber.legal(batch.inputs)
        for k, (inputs, targets) in enumerate(rows(batch)):
            assert len(inputs) + 1 >= shortest
            for at, following in enumerate(targets[: len(inputs)]):
                may = may_follow(spelled(inputs[: at + 1]))
                assert {reber.ALPHABET[c] for c in legal_BTC[k, at].nonzero().flatten()} == may
                assert reber.ALPHABET[following] in may
            assert spelled(targets[: len(inputs)])[-1] == "E"
            assert all(symbol == UNSCORED for symbol in targets[len(inputs) :])


def test_reber_branches_are_even() -> None:
    inputs = [spelled(x) for x, _ in rows(reber.walk(4000, generator(0, "x", 0)))]
    assert sum(x[1] == "T" for x in inputs) / len(inputs) == pytest.approx(0.5, abs=0.03)
    assert sum(x[3] == "T" for x in inputs) / len(inputs) == pytest.approx(0.5, abs=0.03)
    after = [x[4] for x in inputs if x[3] == "T"]
    assert after.count("S") / len(after) == pytest.approx(0.5, abs=0.04)
    assert sum(x[2:] == "BTXSET"[: len(x) - 2] for x in inputs) / len(inputs) == pytest.approx(1 / 16, abs=0.02)


def test_reber_has_256_strings_in_each_split_and_none_twice() -> None:
    splits = [{tuple(x) for x, _ in rows(part)} for part in reber.drawn(5, 9).values()]
    assert [len(strings) for strings in splits] == [256] * 3
    assert len(set.union(*splits)) == 768


def test_reber_trains_on_its_256_strings_alone_and_on_all_of_them() -> None:
    known = {tuple(x) for x, _ in rows(reber.drawn(1, 9)["train"])}
    seen = [tuple(x) for batch in islice(H97Reber().batches("train", 64, 1), 60) for x, _ in rows(batch)]
    assert set(seen) == known


def test_a_reber_string_is_wrong_where_an_illegal_symbol_ties_with_a_legal_one() -> None:
    task = H97Reber()
    batch = next(task.batches("valid", 64, 0))
    output = task.oracle(batch)
    assert value(task, output, batch) == 0
    output[3, 1] = 0.5  # all alike
    assert value(task, output, batch, "wrong") == 1 / 64
    assert value(task, output, batch, "illegal") == pytest.approx(1 / (batch.targets != UNSCORED).sum())
    output[5, -1] = 7.0 if batch.lengths is not None and batch.lengths[5] < batch.inputs.shape[1] else output[5, -1]
    assert value(task, output, batch, "wrong") == 1 / 64, "what lies behind the end is not scored"


def test_among_two_legal_symbols_the_weaker_counts() -> None:
    task = H97Reber()
    batch = next(task.batches("valid", 64, 0))
    output = task.oracle(batch)
    output[0, 0] = torch.tensor([0.4, 0, 0.3, 0, 1, 0, 0])  # B beats P; T is on top
    assert value(task, output, batch, "wrong") == 1 / 64


# Lag


@pytest.mark.parametrize("experiment", ["2a", "2b"])
def test_the_first_symbol_of_a_lag_comes_again_after_p_steps(experiment: str) -> None:
    batch = drawn(H97Lag(experiment=experiment, p=9))
    found = set()
    for inputs, targets in rows(batch):
        assert inputs[1:] == targets[:-1]
        assert len(inputs) == 9
        assert targets[-1] == inputs[0] < 2
        assert all(2 <= symbol < 10 for symbol in inputs[1:])
        found.add(tuple(inputs))
    assert (len(found) == 2) == (experiment == "2a")
    assert H97Lag(experiment=experiment, p=9).signature.vocab == 10


def test_distractors_come_between_and_their_number_is_q_and_10_on_average() -> None:
    task, more = H97Lag(experiment="2c", p=9, q=5), []
    for inputs, target in rows(drawn(task, 4000)):
        assert (inputs[0], inputs[1], inputs[-1]) == (11, target, 12)
        assert all(2 <= symbol < 11 for symbol in inputs[2:-1])
        more.append(len(inputs) - 3 - 5)
    assert min(more) == 1
    assert sum(more) / len(more) == pytest.approx(10, abs=0.5)
    assert sum(k == 1 for k in more) / len(more) == pytest.approx(0.1, abs=0.02)
    assert (task.signature.vocab, task.signature.outputs) == (13, 2)
    assert more_than()[:2] == pytest.approx([0.1, 0.19])


def test_in_2b_the_end_alone_is_judged_and_in_2a_every_step() -> None:
    for experiment, wrong in {"2a": 1.0, "2b": 0.0}.items():
        task = H97Lag(experiment=experiment, p=9)
        batch = drawn(task)
        output = task.oracle(batch)
        output[:, 2] += 0.25
        assert value(task, output, batch, "wrong") == wrong
        output[:, -1] += 0.25
        assert value(task, output, batch, "wrong") == 1


# Two sequences


def test_two_sequences_begin_with_their_class_and_go_on_with_noise() -> None:
    batch = drawn(H97TwoSequence(length=50, n=3), 2000)
    noise = []
    for inputs, (target,) in rows(batch):
        assert inputs[:3] == [[2 * target - 1]] * 3
        assert 50 <= len(inputs) <= 55
        noise += [x for (x,) in inputs[3:]]
    assert batch.targets.mean() == pytest.approx(0.5, abs=0.04)
    assert torch.tensor(noise).mean() == pytest.approx(0, abs=0.01)
    assert torch.tensor(noise).var() == pytest.approx(0.2, abs=0.005)
    assert batch.lengths is not None
    assert set(batch.lengths.tolist()) == set(range(50, 56))


def test_in_3b_the_informative_numbers_are_noisy_too() -> None:
    batch = drawn(H97TwoSequence(experiment="3b", length=20, n=1), 20_000)
    first = batch.inputs[:, 0, 0] * (2 * batch.targets[:, 0] - 1)
    assert first.mean() == pytest.approx(1, abs=0.02)
    assert first.var() == pytest.approx(0.2, abs=0.01)


def test_in_3c_targets_are_noisy_and_judged_without_their_noise() -> None:
    task = H97TwoSequence(experiment="3c", length=20)
    batch = drawn(task, 20_000)
    clean = torch.where(batch.inputs[:, 0] > 0, 0.8, 0.2)
    assert (batch.targets - clean).var() == pytest.approx(0.1, abs=0.005)
    assert (batch.targets - clean).mean() == pytest.approx(0, abs=0.01)
    assert value(task, clean, batch) == 0
    assert value(task, clean + 0.03, batch) == pytest.approx(2)


@pytest.mark.parametrize(
    ("options", "criterion"),
    [
        ({"experiment": "3a"}, Criterion(0.2, 1, 0.01)),
        ({"experiment": "3a", "stop": "ST1"}, Criterion(0.2, 1)),
        ({"experiment": "3b"}, Criterion(0.2, 6, 0.04)),
        ({"experiment": "3b", "stop": "ST1"}, Criterion(0.2, 6)),
        ({"experiment": "3c"}, Criterion(0.1, 1, 0.015)),
    ],
)
def test_each_two_sequence_experiment_has_its_bounds(options: dict[str, str], criterion: Criterion) -> None:
    assert H97TwoSequence(**options).criterion == criterion  # type: ignore[arg-type]


# Adding and multiplication


@pytest.mark.parametrize("task", [H97Adding(length=40), H97Multiplication(length=40)], ids=["adding", "multiplication"])
def test_marks_lie_where_1997_puts_them_and_the_target_follows(task: Judged) -> None:
    adds = isinstance(task, H97Adding)
    places: list[list[int]] = []
    for inputs, (target,) in rows(drawn(task, 3000)):
        numbers, marks = zip(*inputs, strict=True)
        assert 40 <= len(inputs) <= 44
        assert marks[0] == marks[-1] == -1
        at = [k for k, mark in enumerate(marks) if mark == 1]
        places.append(at)
        assert set(marks[1:-1]) <= {0, 1}
        read = [numbers[k] for k in at] + [0.0 if adds else 1.0] * (2 - len(at))
        assert target == pytest.approx(0.5 + sum(read) / 4 if adds else read[0] * read[1], abs=1e-6)
        assert min(numbers) >= (-1 if adds else 0)
        assert max(numbers) < 1
    assert all(1 <= len(at) <= 2 and at[-1] < 40 // 2 - 1 for at in places)
    assert all(at[0] < 10 for at in places if len(at) == 2)
    assert {k for at in places for k in at} == set(range(1, 19))
    unread = 0.1 + 0.9 / 18  # the first pair is chosen first, or else second
    assert sum(len(at) == 1 for at in places) / len(places) == pytest.approx(unread, abs=0.02)


def test_always_saying_a_half_gets_15_percent_of_adding_right() -> None:
    task = H97Adding()
    found = score(task, lambda batch: torch.full((len(batch.inputs), 1), 0.5), seed=0)
    assert found / 2000 == pytest.approx(1 - 0.154, abs=0.02)
    assert 0.97 * 2000 * 0.846 < task.floors(0)["constant"] < 1.03 * 2000 * 0.846


@pytest.mark.parametrize("n", [13, 140])
def test_multiplication_is_learnt_with_fewer_than_n_wrong(n: int) -> None:
    task = H97Multiplication(n=n)
    batches = list(task.batches("valid", 250, 0))

    def found(wrong: int) -> float:
        off = iter([0.04] * wrong + [0.0] * (2000 - wrong))
        tallies = []
        for batch in batches:
            offs = torch.tensor([next(off) for _ in batch.targets])[:, None]
            tallies.append(task.tallies(task.oracle(batch) + 1.01 * offs, batch)["criterion"])
        return sum(tallies[1:], tallies[0]).value

    assert task.goal.reached(found(n - 1))
    assert not task.goal.reached(found(n))


# Order


@pytest.mark.parametrize("experiment", ["6a", "6b"])
def test_order_is_that_of_x_and_y_in_their_windows(experiment: str) -> None:
    seen: list[set[int]] = [set() for _ in WINDOWS[experiment]]
    for inputs, target in rows(drawn(H97Order(experiment=experiment), 3000)):
        word = "".join(ALPHABET[symbol] for symbol in inputs)
        assert 100 <= len(word) <= 110
        assert (word[0], word[-1]) == ("E", "B")
        at = [k for k, symbol in enumerate(word) if symbol in "XY"]
        assert set(word[1:-1]) <= set("abcdXY")
        assert len(at) == len(seen)
        assert target == int("".join(word[k] for k in at).replace("X", "0").replace("Y", "1"), base=2)
        for places, k in zip(seen, at, strict=True):
            places.add(k + 1)
    assert [(min(places), max(places), len(places)) for places in seen] == [
        (low, high, high - low + 1) for low, high in WINDOWS[experiment]
    ]


# All


@each_task
def test_the_oracle_reaches_the_criterion_and_the_constant_does_not(task: Judged) -> None:
    best = score(task, task.oracle, seed=1)
    assert best == pytest.approx(0, abs=1e-4)
    assert task.goal.reached(best)
    constant = task.floors(1)["constant"]
    assert not task.goal.reached(constant)
    if task.goal.chance is not None:
        assert constant == pytest.approx(task.goal.chance, rel=0.15)


@each_task
def test_a_sequence_that_is_no_number_is_wrong(task: Judged) -> None:
    batch = next(task.batches("valid", 16, 0))
    assert value(task, torch.full_like(task.oracle(batch), torch.nan), batch, "wrong") == 1


@each_task
def test_tallies_of_batches_add_up_and_can_be_sent(task: Judged) -> None:
    mixed = random.Random(0)
    tallies: list[Tally] = []
    for size in (64, 17):
        batch = next(task.batches("valid", size, 0))
        output = task.oracle(batch)
        output[[k for k in range(size) if mixed.random() < 0.3]] += torch.randn(output.shape[1:])
        tallies.append(pickle.loads(pickle.dumps(task.tallies(output, batch)["criterion"])))  # noqa: S301
    both = tallies[0] + tallies[1]
    wrong = round(sum(float(tally.total[0]) for tally in tallies))
    assert both.value >= round(wrong / 81 * task.eval_sequences) / task.criterion.allowed > 0


@each_task
def test_the_criterion_wants_as_many_sequences_as_valid_has(task: Judged) -> None:
    assert sum(len(batch.inputs) for batch in task.batches("valid", 1000, 0)) == task.eval_sequences


@each_task
def test_batch_k_is_the_same_wherever_reading_starts(task: Judged) -> None:
    whole = list(islice(task.batches("train", 8, 3), 36))
    for start in (5, 33):
        again = next(task.batches("train", 8, 3, start=start))
        assert torch.equal(again.inputs, whole[start].inputs)
        assert torch.equal(again.targets, whole[start].targets)


@each_task
def test_twice_and_four_times_as_long_is_the_same_task(task: Judged) -> None:
    for longer, factor in zip(task.longer.values(), (1.25, 1.75), strict=False):
        shape = [(s.vocab, s.features, s.outputs) for s in (task.signature, longer.signature)]
        assert shape[0] == shape[1]
        batch, long = (next(one.batches("test", 100, 0)) for one in (task, longer))
        assert long.timesteps > factor * batch.timesteps
    if isinstance(task, H97Reber):
        assert len(task.longer) == 1 if task.shortest == 9 else not task.longer
    elif task.longer:
        assert list(task.longer) == ["2x", "4x"]
    else:
        assert isinstance(task, H97Lag)
        assert task.experiment != "2c"


def test_the_worst_condition_is_the_score() -> None:
    criterion = Criterion(error=0.04, allowed=4, mean=0.01)
    assert worst(torch.tensor([3 / 2000, 0.002]), criterion, 2000) == 0.75
    assert worst(torch.tensor([3 / 2000, 0.02]), criterion, 2000) == pytest.approx(2)
    goal = H97Adding().goal
    assert [goal.reached(score) for score in (1.0, REACHED, 0.0)] == [False, True, True]


def test_bounds_are_those_of_the_paper() -> None:
    assert H97Adding().criterion == Criterion(error=0.04, allowed=1, mean=0.01)
    assert H97Order().criterion == Criterion(error=0.3, allowed=1, mean=0.1)
    assert [H97Lag(experiment=e).criterion.error for e in ("2a", "2b", "2c")] == [0.25, 0.25, 0.2]
    assert [task.eval_sequences for task in TASKS] == [256, *[10_000] * 3, 256, 256, *[2000] * 4]


def test_the_loss_is_the_squared_error_over_all_outputs() -> None:
    task = H97Order(length=20)
    batch = drawn(task, 5)
    assert task.loss(torch.zeros(5, 4), batch) == pytest.approx(1)
    assert task.loss(task.oracle(batch) + 0.5, batch) == pytest.approx(1)


@pytest.mark.parametrize(
    ("task", "options", "line"),
    [
        ("two_sequence:H97TwoSequence", {"n": 200}, "n = 200: expected at most length = 100"),
        (
            "two_sequence:H97TwoSequence",
            {"experiment": "3c", "stop": "ST1"},
            "stop = 'ST1': experiment 3c has one criterion, expected 'ST2'",
        ),
        ("adding:H97Adding", {"length": 21}, "options.length = 21: expected greater than or equal to 22"),
        ("multiplication:H97Multiplication", {"n": 14}, "options.n = 14: expected 13 or 140"),
        ("lag:H97Lag", {"experiment": "2d"}, "options.experiment = '2d': expected '2a', '2b' or '2c'"),
        ("lag:H97Lag", {"q": 0}, "options.q = 0: expected greater than or equal to 1"),
        ("order:H97Order", {"length": 10**9}, "options.length = 1000000000: expected less than or equal to 4000"),
        ("reber:H97Reber", {"shortest": 8}, "options.shortest = 8: expected greater than or equal to 9"),
    ],
)
def test_a_wrong_option_is_one_line(task: str, options: dict[str, int | str], line: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_task(RunSpec(task=f"lstm_bench_tasks.hochreiter1997.{task}", options=options))
    assert str(caught.value).endswith(line)
