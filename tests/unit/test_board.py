import html
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from lstm_bench.analysis.answer import best_trial, chosen, goal_asked, top_trials
from lstm_bench.analysis.board import make_board
from lstm_bench.analysis.front import front, maximizes
from lstm_bench.record.disk import as_json
from lstm_bench.record.files import Results
from lstm_bench.record.study import RunLine, StudyFiles, Trial
from lstm_bench.report.note import escaped, study_note
from lstm_bench.report.table import ordinal, tables
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import RunSpec
from lstm_bench.task import Goal

UP = Goal("accuracy", maximize=True, target=0.9)
DOWN = Goal("mse", maximize=False)
RACE = Goal("mse", maximize=False, target=0.01, ends_run=True)
SPEC = RunSpec(task="adding", options={"length": 10})
FIGURES = {
    "cost/train_seconds": 2.0,
    "cost/eval_seconds": 0.5,
    "speed/timesteps_per_second": 12_000.0,
    "speed/sequences_per_second": 400.0,
    "memory/peak_rss_mib": 300.0,
    "model/parameters": 1000.0,
}
calm = settings(deadline=None)
ENDED = Status.FINISHED


@dataclass
class Study:
    """A study's files, written as its driver and its runs would."""

    results: Results
    goal: Goal
    files: StudyFiles

    def searched(self, number: int, *scores: float, status: Status = ENDED, reused: bool = False, **more: Any) -> None:
        for seed, score in enumerate(scores):
            whole = status if seed == len(scores) - 1 else None
            line = RunLine(
                run=f"s-{number}-{seed}",
                purpose="search",
                number=number,
                seed=seed,
                settings=more.get("settings", {"train.lr": 0.01 * (number + 1)}),
                reused=reused,
            )
            self.files.add(line)
            objective = self.goal.objective(score, more.get("sequences")) if status.complete else None
            measures = more.get("measures", ())
            ends = {"status": status, "trial_status": whole, "objective": objective, "measures": measures}
            self.files.add(replace(line, score=score, **ends))

    def confirmed(
        self, number: int, seed: int, valid: float, test: float, status: Status = ENDED, sequences: float | None = None
    ) -> None:
        run = self.results.run(f"c-{number}-{seed}")
        run.begin(SPEC, {"cpu": "fast"})
        metric = self.goal.metric
        run.log(Reading(10, 20, 40, 1.0, 0, {f"valid/{metric}": valid}))
        hit = {"target/sequences": sequences, "target/seconds": 1.5} if sequences else {}
        metrics = {f"best/{metric}": valid, **hit, **FIGURES} | ({f"test/{metric}": test} if status.complete else {})
        run.end(RunResult(status, metrics, floors={"constant": 0.5} if status.complete else {}))
        objective = self.goal.objective(valid, sequences) if status.complete else None
        self.files.add(
            RunLine(
                run=run.id,
                purpose="confirm",
                number=number,
                seed=seed,
                settings={},
                status=status,
                score=valid,
                objective=objective,
            )
        )

    @property
    def board(self) -> dict[str, Any]:
        return make_board(self.results, self.files, self.goal)


@pytest.fixture
def begin(results: Results):
    def begin(goal: Goal = UP, name: str = "first", **asked: Any) -> Study:
        files = results.study(name)
        base = {"trials": 4, "confirm_seeds": 2, "confirm": {}, "search": {"train.lr": {"low": 1e-6, "high": 1e3}}}
        files.begin(tomli_w.dumps({**SPEC.to_dict(), **base, **asked}))
        return Study(results, goal, files)

    return begin


def shown(*boards: Mapping[str, Any]) -> str:
    screen = io.StringIO()
    Console(file=screen, width=80, highlight=False, markup=False).print(tables([dict(board) for board in boards], 80))
    return screen.getvalue()


def trials(objectives: Sequence[float | None], settings: Sequence[int]) -> list[Trial]:
    def line(number: int, objective: float | None, lr: int) -> RunLine:
        status = Status.FINISHED if objective is not None else Status.CRASHED
        ends = {"status": status, "trial_status": status, "objective": objective}
        return RunLine(run="r", purpose="search", number=number, seed=0, settings={"train.lr": lr}, **ends)

    return [Trial((line(n, *pair),)) for n, pair in enumerate(zip(objectives, settings, strict=True))]


@calm
@given(
    pairs=st.lists(st.tuples(st.none() | st.integers(0, 5).map(float), st.integers(0, 4)), max_size=12),
    k=st.integers(1, 5),
    maximize=st.booleans(),
)
def test_the_top_are_the_best_complete_ones_of_distinct_settings(pairs, k: int, maximize: bool) -> None:
    goal = Goal("score", maximize=maximize)
    found = trials([objective for objective, _ in pairs], [lr for _, lr in pairs])
    top = top_trials(found, goal, k)
    complete = [trial for trial in found if trial.objective is not None]
    distinct = {trial.settings["train.lr"] for trial in complete}
    assert len(top) == min(k, len(distinct)) == len({trial.settings["train.lr"] for trial in top})
    order = [((-1 if maximize else 1) * trial.objective, trial.number) for trial in top]
    assert order == sorted(order)  # best first, the earliest first among equals
    for trial in complete:  # whoever is out is no better than the last, or the setting's own better trial is in
        better = [other for other in top if other.settings == trial.settings or len(top) == k]
        assert any(not goal.better(trial.objective, other.objective) for other in better)
    assert best_trial(found, goal) == (top[0] if top else None)


def test_the_best_has_the_mean_over_its_seeds(begin) -> None:
    study = begin(seeds=3)
    study.searched(0, 0.9, 0.5, 0.7)
    study.searched(1, 0.8, 0.8, 0.8)
    study.searched(2, 0.99, status=Status.PRUNED)
    best = study.board["best"]
    assert best == {
        "trial": 1,
        "runs": ["s-1-0", "s-1-1", "s-1-2"],
        "seeds": [0, 1, 2],
        "settings": {"train.lr": 0.02},
        "score": pytest.approx(0.8),
    }
    assert study.board["statuses"] == {"finished": 2, "pruned": 1}
    assert "3 seeds" in shown(study.board)
    assert "3 seeds" in study_note(study.board)


def test_a_trial_that_goes_on_is_none_yet(begin) -> None:
    study = begin(seeds=2)
    study.searched(0, 0.5, 0.5)
    first = RunLine(run="s", purpose="search", number=1, seed=0, settings={}, status=ENDED, score=0.9, objective=0.9)
    study.files.add(first)
    assert study.board["statuses"] == {"finished": 1}
    assert study.board["best"]["trial"] == 0


def test_without_a_complete_trial_there_is_no_answer(begin) -> None:
    study = begin()
    study.searched(0, 0.5, status=Status.CRASHED)
    board = study.board
    assert (board["best"], board["confirmed"], board["contenders"], board["front"], board["advice"]) == (
        None, None, [], [], [],
    )  # fmt: skip
    assert "no complete trial" in shown(board)
    assert "no trial was complete" in study_note(board)


def test_a_study_that_is_not_confirmed_says_so(begin) -> None:
    study = begin(confirm_top=2)
    study.searched(0, 0.5)
    study.searched(1, 0.6)
    assert [one["fresh"] for one in study.board["contenders"]] == [None, None]
    table = shown(study.board)
    assert "lr 0.02" in table
    assert table.count("not confirmed") == 2  # the best, and the second
    assert "2nd: lr 0.01" in table


def test_the_winner_is_the_best_on_fresh_valid_and_never_by_test(begin) -> None:
    study = begin(confirm_top=2)
    study.searched(0, 0.80)
    study.searched(1, 0.90)  # the search's best was lucky
    for seed in (1000, 1001):
        study.confirmed(1, seed, valid=0.7, test=0.99)
        study.confirmed(0, seed, valid=0.79, test=0.6)
    board = study.board
    assert [one["trial"] for one in board["contenders"]] == [1, 0]  # in the search's order
    assert board["best"]["trial"] == 1
    assert (board["confirmed"]["trial"], board["confirmed"]["settings"]) == (0, {"train.lr": 0.01})
    assert board["confirmed"]["scores"] == [0.6, 0.6]
    assert chosen(board) == board["contenders"][1]
    table = shown(board)
    assert "best setting   lr 0.01 " in table
    assert "1st: lr 0.02" in table
    assert "trial 0 (the winner)" in study_note(board)


@pytest.mark.parametrize(("goal", "sign"), [(UP, 1), (DOWN, -1)])
def test_the_drop_is_positive_where_the_search_was_too_rosy(begin, goal: Goal, sign: int) -> None:
    study = begin(goal)
    study.searched(0, 0.5 + sign * 0.2)
    for seed, valid in ((1000, 0.5), (1001, 0.6)):
        study.confirmed(0, seed, valid, test=0.4)
    fresh = study.board["contenders"][0]["fresh"]
    assert fresh["drop"] == pytest.approx(sign * (0.5 + sign * 0.2 - 0.55))
    assert (fresh["seeds"], fresh["valid_scores"], fresh["test_scores"]) == ([1000, 1001], [0.5, 0.6], [0.4, 0.4])
    assert fresh["valid"]["mean"] == pytest.approx(0.55)
    assert fresh["valid"]["low"] < min(fresh["valid_scores"])
    assert fresh["valid"]["high"] > max(fresh["valid_scores"])
    assert "search was too rosy" in " ".join(shown(study.board).split())


def test_a_longer_confirmation_says_nothing_of_the_searchs_luck(begin) -> None:
    study = begin(confirm={"train.steps": 8000})
    study.searched(0, 0.9)
    study.confirmed(0, 1000, 0.5, 0.5)
    assert study.board["contenders"][0]["fresh"]["drop"] is None
    assert "rosy" not in shown(study.board) + study_note(study.board)


def test_a_contender_that_diverged_on_a_fresh_seed_does_not_win(begin) -> None:
    study = begin(confirm_top=2)
    study.searched(0, 0.9)
    study.searched(1, 0.8)
    study.confirmed(0, 1000, 0.9, 0.9)
    study.confirmed(0, 1001, 0.1, 0.1, Status.DIVERGED)
    study.confirmed(1, 1000, 0.7, 0.7)
    assert study.board["confirmed"]["trial"] == 0  # none is whole yet
    study.confirmed(1, 1001, 0.7, 0.7)
    assert study.board["confirmed"]["trial"] == 1
    assert study.board["contenders"][0]["fresh"]["seeds"] == [1000]


def test_where_the_target_ends_runs_the_winner_gets_there_on_the_fewest_sequences(begin) -> None:
    study = begin(RACE, confirm_top=2)
    for number in (0, 1):
        study.searched(number, 0.005, status=Status.SOLVED, sequences=1000.0 * (number + 1))
        for seed in (1000, 1001):
            study.confirmed(number, seed, 0.001 * (number + 1), 0.01, Status.SOLVED, sequences=900.0 - 500 * number)
    assert study.board["best"]["trial"] == 0
    assert study.board["confirmed"]["trial"] == 1
    assert study.board["confirmed"]["target_sequences"] == [400.0, 400.0]


def test_reused_runs_are_counted_and_shown(begin) -> None:
    study = begin()
    study.searched(0, 0.9, reused=True)
    study.searched(1, 0.8)
    assert study.board["reused"] == 1
    assert "1 reused" in shown(study.board)
    assert "1 reused" in study_note(study.board)


def test_the_front_holds_what_no_trial_beats(begin) -> None:
    study = begin(objectives=["valid/accuracy", "speed/sequences_per_second"])
    for number, measures in enumerate([(0.9, 10.0), (0.8, 30.0), (0.8, 20.0), (0.7, 25.0), (0.9, 10.0)]):
        study.searched(number, measures[0], measures=measures)
    study.searched(5, 0.99, status=Status.PRUNED)
    board = study.board
    assert [one["trial"] for one in board["front"]] == [0, 1]
    assert board["front"][1]["values"] == {"valid/accuracy": 0.8, "speed/sequences_per_second": 30.0}
    assert "2 not dominated" in shown(board)
    assert ["1", "lr 0.02", "0.8", "30"] in [
        [cell.strip() for cell in line.strip("|").split("|")] for line in study_note(board).splitlines()
    ]


@pytest.mark.parametrize(
    ("name", "goal", "more_is_better"),
    [
        ("valid/accuracy", UP, True),
        ("valid/mse", DOWN, False),
        ("speed/timesteps_per_second", DOWN, True),
        ("memory/peak_rss_mib", UP, False),
        ("cost/train_seconds", UP, False),
        ("model/parameters", UP, False),
        ("target/sequences", UP, False),
        ("valid/accuracy", replace(UP, ends_run=True), False),  # ranked by sequences
    ],
)
def test_which_way_an_objective_is_good(name: str, goal: Goal, more_is_better: bool) -> None:
    assert maximizes(name, goal) is more_is_better


def dominates(one: Sequence[float], other: Sequence[float], maximize: Sequence[bool]) -> bool:
    signs = [1 if more else -1 for more in maximize]
    pairs = [(s * a, s * b) for s, a, b in zip(signs, one, other, strict=True)]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


clouds = st.integers(1, 3).flatmap(
    lambda n: st.tuples(
        st.lists(st.tuples(*[st.integers(-3, 3).map(float)] * n), max_size=15),
        st.tuples(*[st.booleans()] * n),
        st.randoms(use_true_random=False),
    )
)


@calm
@given(clouds)
def test_the_front_is_what_nothing_dominates(cloud) -> None:
    points, maximize, random = cloud
    found = front(points, maximize)
    assert len(set(found)) == len(found)
    assert not any(dominates(one, other, maximize) for one in points for other in found)
    for point in {*points} - {*found}:
        assert any(dominates(one, point, maximize) for one in found)
    shuffled = random.sample(points, len(points))
    assert front(shuffled, maximize) == found


def test_a_board_is_the_same_from_lines_that_are_known(begin) -> None:
    study = begin()
    study.searched(0, 0.9)
    study.confirmed(0, 1000, 0.8, 0.8)
    assert make_board(study.results, study.files, UP, study.files.lines) == study.board
    assert json.loads(as_json(study.board)) == study.board  # plain values


def test_three_full_boards_fit_eighty_columns(begin) -> None:
    boards = []
    for name in ("one", "two", "three"):
        study = begin(name=name, confirm_top=3, objectives=["valid/accuracy", "speed/sequences_per_second"])
        for number, score in enumerate((0.9123, 0.8123, 0.7123)):
            setting = {"train.lr": 0.012345678 * (number + 1), "model.hidden": 160, "model.forget_bias": 2.25526}
            study.searched(number, score, settings=setting, measures=(score, 10.0 * number), reused=number == 0)
            for seed in (1000, 1001):
                study.confirmed(number, seed, score - 0.1 + 0.01 * (seed % 2), score - 0.1 - 0.01 * (seed % 2))
        boards.append(study.board)
    table = shown(*boards)
    assert max(len(line.rstrip()) for line in table.splitlines()) <= 80
    assert table.count("best setting") == 1  # side by side
    assert table.count("2nd: ") == table.count("3rd: ") == 3


def test_no_name_breaks_out_of_the_note(begin) -> None:
    study = begin(confirm_top=2, objectives=["valid/accuracy", "speed/sequences_per_second"])
    for number, evil in enumerate(["<b>|\n# boo", "`x` *y*"]):
        study.searched(number, 0.9, settings={"options.kind": evil}, measures=(0.9 - number / 10, 10.0 * number))
    note = study_note(study.board)
    assert "<b>" not in note
    assert "\n# " not in note
    assert "`x`" not in note
    rows = [line for line in note.splitlines() if line.startswith("| ")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {5}


@calm
@given(st.text())
def test_an_escaped_text_is_one_line_without_markup(text: str) -> None:
    found = escaped(text)
    assert len(found.splitlines()) <= 1
    assert "<" not in found
    assert all(found[at - 1] == "\\" for at, char in enumerate(found) if char in "`*_|[]#")
    read = html.unescape(re.sub(r"\\(.)", r"\1", found))  # as a reader of Markdown does
    assert read == " ".join(text.split()) or "&" in text


def test_places_are_said_as_a_person_does() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 21, 112)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "112th",
    ]  # fmt: skip


def test_the_goal_that_was_asked_is_stated_or_the_tasks(begin) -> None:
    stated = {key: value for key, value in asdict(DOWN).items() if value is not None}
    assert goal_asked(begin(goal=DOWN, name="new").files.asked | {"goal": stated}) == DOWN
    assert goal_asked(begin(name="old").files.asked).metric == "mse"


def test_the_advice_is_in_the_board_and_the_note(begin) -> None:
    study = begin(search={"train.lr": {"low": 0.001, "high": 0.02}, "model.hidden": [8, 16, 32]}, confirm_top=2)
    study.searched(0, 0.80, settings={"train.lr": 0.01, "model.hidden": 16})
    study.searched(1, 0.90, settings={"train.lr": 0.02, "model.hidden": 16})
    for seed, luck in ((1000, 0.0), (1001, 0.01)):
        study.confirmed(1, seed, 0.75 + luck, 0.7)
        study.confirmed(0, seed, 0.74 - luck / 2, 0.7)
    advice = study.board["advice"]
    assert advice[0].startswith("train.lr 0.02 lies at the upper end of its range (0.001 to 0.02)")
    assert advice[1].startswith("2 trials for 2 parameters")
    assert advice[2].startswith("the first two contenders, 0.0175 accuracy apart: 2 fresh seeds do not part them")
    assert advice[3].startswith("the search's score was 0.145 accuracy too rosy")
    assert len(advice) == 4
    assert f"\n- {escaped(advice[3])}\n" in study_note(study.board)
