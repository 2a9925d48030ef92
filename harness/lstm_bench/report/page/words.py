"""The answer to a question in three sentences: which setting learns it best, how sure that is, what it cost."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lstm_bench.analysis.answer import Board, chosen, goal_of
from lstm_bench.analysis.verdict import Word
from lstm_bench.report.page.contents import Answer, Study
from lstm_bench.report.table import duration, figure, score, seeds, setting, span

BESIDE = {"better": "better than", "worse": "worse than", "undecided": "not told apart from"}
TOLD = {"worse": "worse", "equivalent": "equivalent", "undecided": "not told apart from it", "better": "better"}


class Sentences(NamedTuple):
    """The answer in words, each a sentence or a few; nothing where there is nothing to say."""

    which: str
    sure: str
    cost: str


def sentences(answer: Answer) -> Sentences:
    """Say what the studies of one question found."""
    study = answer.best
    board, found = study.board, chosen(study.board)
    if not found:
        return Sentences(f"No trial of {study.name} was complete: there is no answer yet.", "", _cost(study))
    who = setting(found["settings"]) or "the setting as asked"
    if not board["confirmed"]:
        led = f"{who} led the search of {study.name} with {score(board, found['score'])} on valid."
        lucky = "The best of many is lucky, and no fresh seed confirms it"
        return Sentences(led, f"{lucky}: `lstm-bench confirm {study.name}`.", _cost(study))
    of = f", the best of {len(answer.studies)} studies" if len(answer.studies) > 1 else ""
    which = f"{who} learns {board['task']} best (study {study.name}{of})."
    if (floor := _strongest(board)) and floor.word != "better":
        which = f"No setting is surely better than the floors of {board['task']}; {who} leads (study {study.name}{of})."
    return Sentences(which, " ".join([*_score(board), *_others(answer)]), _cost(study))


def _score(board: Board) -> Iterator[str]:
    found = board["confirmed"]["score"]
    ends = f", 95 % interval {span(found)}" if found["low"] is not None else ", which says nothing of the spread"
    yield f"On {seeds(found['n'], 'fresh ')} it scores {score(board, found['mean'])} on test{ends}."
    if floor := _strongest(board):
        yield f"It is {BESIDE[floor.word]} the strongest floor, {floor.name} ({figure(floor.score)})."


class _Floor(NamedTuple):
    name: str
    score: float
    word: Word


def _strongest(board: Board) -> _Floor | None:
    """The best floor, and how the confirmed setting stands to it."""
    goal, floors = goal_of(board), board["confirmed"]["floors"]
    if not floors:
        return None
    name, floor = (max if goal.maximize else min)(floors.items(), key=lambda one: one[1]["score"])
    return _Floor(name, floor["score"], against_floor(floor, maximize=goal.maximize))


def against_floor(floor: Mapping[str, Any], *, maximize: bool) -> Word:
    """How a confirmed setting stands to a floor, by the interval of the paired difference."""
    low, high, mean = (floor["difference"][end] for end in ("low", "high", "mean"))
    if low is None or low <= 0 <= high:
        return "undecided"
    return "better" if (mean > 0) == maximize else "worse"


def _others(answer: Answer) -> Iterator[str]:
    """How the others stand to the best by their score."""
    words = Counter(one.findings[0].word for one in answer.verdicts if one.findings)
    counts = [f"{count} {'is' if count == 1 else 'are'} {TOLD[word]}" for word, count in words.most_common()]
    if words.total() == 1:
        yield f"By test score the other study is {TOLD[next(iter(words))]}."
    elif words:
        yield f"By test score, of the other {words.total()} studies {', '.join(counts)}."


def _cost(study: Study) -> str:
    """What finding it took, and what one run of it takes."""
    found, n = study.board["confirmed"], sum(study.board["statuses"].values())
    took = f"Finding it took {n} {'trial' if n == 1 else 'trials'} in {len(study.runs)} runs, "
    took += f"{duration(study.total('cost/train_seconds'))} of training in all."
    if not found:
        return took
    memory = found["memory"].get("memory/peak_private_mib") or found["memory"].get("memory/peak_rss_mib")
    needs = f" and needs {memory:.0f} MiB" if memory else ""
    weights = f"it has {found['parameters']:,.0f} weights"
    return f"{took} One run of it trains for {duration(found['train_seconds'])}{needs}; {weights}."
