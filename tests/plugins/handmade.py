"""Studies written by hand, run by run, to be drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tomli_w
from matplotlib.figure import Figure
from matplotlib.text import Text

from lstm_bench.analysis.board import make_board
from lstm_bench.record.files import Results
from lstm_bench.record.study import RunLine, StudyFiles, Trial
from lstm_bench.report.figures import Drawing, study_figures
from lstm_bench.report.figures.learning import learning_curves
from lstm_bench.report.figures.parallel import parallel_coordinates
from lstm_bench.report.figures.tradeoff import trade_off
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import RunSpec
from lstm_bench.task import Goal

UP = Goal("accuracy", maximize=True, target=0.9)
DOWN = Goal("mse", maximize=False)
RACE = Goal("mse", maximize=False, target=0.01, ends_run=True)
SPEC = RunSpec(task="adding", options={"length": 10})
LR = {"train.lr": {"low": 1e-4, "high": 1e-1, "log": True}}


@dataclass
class Study:
    """A study's files, written as its driver and its runs would."""

    results: Results
    goal: Goal
    files: StudyFiles

    def run(self, purpose: Any, number: int, seed: int, curve: Sequence[float], **more: Any) -> None:
        status, metric = more.get("status", Status.FINISHED), self.goal.metric
        run = self.results.run(f"{purpose}-{number}-{seed}")
        run.begin(SPEC, {})
        for k, score in enumerate(curve, 1):
            run.log(Reading(10 * k, 320 * k, 3200 * k, 0.1 * k, 0, {f"valid/{metric}": score}))
        best = (max if self.goal.maximize else min)(curve, default=0.0)
        figures = {"speed/timesteps_per_second": 1.0, "speed/sequences_per_second": 1.0, "model/parameters": 1.0}
        figures |= {"cost/train_seconds": 1.0, "cost/eval_seconds": 0.1, f"best/{metric}": best, f"test/{metric}": best}
        run.end(RunResult(status, figures | more.get("metrics", {}), floors=more.get("floors", {})))
        objective = self.goal.objective(best, more.get("metrics", {}).get("target/sequences"))
        line = RunLine(
            run=run.id,
            purpose=purpose,
            number=number,
            seed=seed,
            settings=more.get("settings", {"train.lr": 0.001 * (number + 1)}),
            status=status,
            trial_status=status,
            score=best,
            objective=objective if status.complete else None,
            measures=more.get("measures", ()),
            reused=more.get("reused", False),
            clock=more.get("clock", 0.0),
        )
        self.files.add(line)

    def searched(self, number: int, *curve: float, **more: Any) -> None:
        self.run("search", number, 0, curve, **more)

    def confirmed(self, number: int, seed: int, *curve: float, **more: Any) -> None:
        self.run("confirm", number, 1000 + seed, curve, **more)

    def drawn(self, **more: Any) -> dict[str, Drawing]:
        return study_figures(self.results, self.files, **more)

    def curves(self) -> Drawing:
        """One figure alone takes a fourth of the time."""
        lines = self.files.lines
        return learning_curves(self.results, lines, make_board(self.results, self.files, self.goal, lines))

    @property
    def complete(self) -> list[Trial]:
        return [trial for trial in self.files.trials if trial.objective is not None]

    def parallel(self) -> Drawing:
        return parallel_coordinates(self.files.name, self.complete, self.files.asked["search"], self.goal)

    def front(self) -> Drawing | None:
        asked = self.files.asked.get("objectives", [])
        fresh: dict[int, list[RunLine]] = {}
        for line in self.files.lines:
            if line.purpose == "confirm":
                fresh.setdefault(line.number, []).append(line)
        return trade_off(self.files.name, self.results, self.complete, asked, self.goal, fresh)


def begin_study(results: Results, goal: Goal = UP, name: str = "first", **asked: Any) -> Study:
    """A study that is asked, and has no runs yet."""
    files = results.study(name)
    stated = {key: getattr(goal, key) for key in Goal.__dataclass_fields__ if getattr(goal, key) is not None}
    base = {"trials": 4, "confirm_seeds": 2, "confirm_top": 1, "confirm": {}, "search": LR, "goal": stated}
    files.begin(tomli_w.dumps({**SPEC.to_dict(), **base, **asked}))
    return Study(results, goal, files)


def words(figure: Figure) -> str:
    """All that is written in a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(Text))
