"""The tables of a report: how the studies of a question stand, contenders, costs, runs."""

import statistics
from collections.abc import Iterator
from dataclasses import replace

from lstm_bench.analysis.answer import chosen, goal_of
from lstm_bench.analysis.saved import saved_by_pruning
from lstm_bench.record.files import Results
from lstm_bench.record.study import trials_of
from lstm_bench.report.page.cells import Cell, Table, number, time, with_interval
from lstm_bench.report.page.contents import Answer, Report, Run, Study
from lstm_bench.report.table import fresh, ordinal, setting

MOST_RUNS = 3000  # rows: more would make a page that a phone does not open


def standings(answer: Answer) -> Table:
    """The studies of a question, the best first."""
    goal = goal_of(answer.best.board)
    heads = [
        "study",
        "best setting",
        f"test {goal.metric}",
        "valid, fresh seeds",
        "valid, in the search",
        "fresh seeds",
    ]
    heads += ["training of a run", "peak memory, MiB", "weights", "made by"]
    return Table("The studies of this question, the best first", heads, [_standing(one) for one in answer.studies])


def _standing(study: Study) -> list[Cell]:
    board, best = study.board, chosen(study.board)
    found, held = board["confirmed"] or {}, fresh(best)
    memory = found.get("memory", {})
    return [
        Cell(study.name),
        Cell(setting(best["settings"]) or "as asked" if best else "no complete trial"),
        with_interval(found["score"]) if found else Cell("not confirmed"),
        with_interval(held and held["valid"]),
        number(best["score"] if best else None),
        number(found["score"]["n"] if found else 0),
        time(found.get("train_seconds")),
        number(memory.get("memory/peak_private_mib", memory.get("memory/peak_rss_mib"))),
        number(found.get("parameters")),
        _made_by(study),
    ]


def _made_by(study: Study) -> Cell:
    return Cell(" && ".join(study.commands) or "lstm-bench search study.toml --name NEW", look="command")


def contenders(study: Study) -> Table:
    """A study's settings that were run again on fresh seeds, in the search's order."""
    goal, winner = goal_of(study.board), chosen(study.board)
    heads = [
        "place in the search",
        "setting",
        "valid, in the search",
        "valid, fresh seeds",
        f"test {goal.metric}",
        "again",
    ]
    rows = []
    for place, one in enumerate(study.board["contenders"], 1):
        held, won = fresh(one), bool(winner and one["trial"] == winner["trial"])
        rows.append([
            Cell(ordinal(place), "the winner" if won and held else "", sort=place),
            Cell(setting(one["settings"]) or "as asked"),
            number(one["score"]),
            with_interval(held and held["valid"]),
            with_interval(held and held["test"]),
            repro(one["runs"][0]),
        ])  # fmt: skip
    return Table(f"The best settings of {study.name}, and what they did on fresh seeds", heads, rows)


def costs(report: Report) -> Table:
    """What each study took, and a run of its answer."""
    heads = [
        "study",
        "trials",
        "runs",
        "reused",
        "training",
        "pruning saved",
        "evaluating",
        "harness",
        "TFLOP",
        "FLOP/s of peak",
    ]
    heads += ["steps/s", "peak memory, MiB", "target reached", "made by"]
    return Table("What it cost", heads, [_cost(report.results, study) for study in report.studies])


def _cost(results: Results, study: Study) -> list[Cell]:
    found = study.board["confirmed"] or {}
    shares = [share for run in study.runs if (share := run.metric("cost/harness_share")) is not None]
    hits, memory = found.get("target_seconds", []), found.get("memory", {}).values()
    reached = sum(seconds is not None for seconds in hits)
    has_target = bool(hits) and goal_of(study.board).target is not None
    return [
        Cell(study.name),
        number(sum(study.board["statuses"].values())),
        number(len(study.runs)),
        number(study.board["reused"]),
        time(study.total("cost/train_seconds")),
        _saved(results, study),
        time(study.total("cost/eval_seconds")),
        _percent(statistics.median(shares) if shares else None),
        number(study.total("cost/flops") / 1e12 or None),
        _percent(found.get("mfu")),
        number(found.get("timesteps_per_second")),
        number(max(memory, default=None)),
        Cell(f"{reached} of {len(hits)}", sort=reached / len(hits), look="number")
        if has_target
        else Cell(look="number"),
        _made_by(study),
    ]


def _saved(results: Results, study: Study) -> Cell:
    trials = trials_of(run.line for run in study.runs)
    saved = saved_by_pruning(results, trials, study.asked.get("seeds", 1))
    return replace(time(saved.seconds), aside=f"{100 * saved.share:.2g} %") if saved else Cell(look="number")


def _percent(share: float | None) -> Cell:
    return Cell(look="number") if share is None else Cell(f"{100 * share:.2g} %", sort=share, look="number")


def runs(report: Report) -> Table:
    """Every run, as far as a page holds them."""
    heads = ["study", "for", "trial", "seed", "status", "best valid", "test", "setting", "training", "MiB", "again"]
    rows = [row for study in report.studies for row in _runs(study)][:MOST_RUNS]
    return Table("Every run, with the command that runs it again", heads, rows)


def _runs(study: Study) -> Iterator[list[Cell]]:
    metric = goal_of(study.board).metric
    for run in study.runs:
        line = run.line
        yield [
            Cell(study.name),
            Cell(line.purpose),
            number(line.number),
            number(line.seed),
            Cell(_status(run), "reused" if line.reused else ""),
            number(run.metric(f"best/{metric}")),
            number(run.metric(f"test/{metric}")),
            Cell(setting(line.settings) or "as asked"),
            time(run.metric("cost/train_seconds")),
            number(run.metric("memory/peak_private_mib")),
            repro(line.run),
        ]


def _status(run: Run) -> str:
    return run.line.status.value.replace("_", " ") if run.line.status else "goes on"


def repro(run: str) -> Cell:
    """The command that trains a run again."""
    return Cell(f"lstm-bench repro {run}", look="command")
