"""What a study's figures say about the next one: each piece of advice is a sentence with its numbers and the way on."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lstm_bench.analysis.answer import chosen, goal_of
from lstm_bench.analysis.difference import of_pairs, seeds_to_decide
from lstm_bench.errors import UsageError
from lstm_bench.goal import Goal
from lstm_bench.result import Status
from lstm_bench.spec import RunSpec

AT_THE_END = 0.05  # of a range, on its own scale: nearer to an end than this lies at it
TRIALS_A_PARAMETER = 10  # fewer say little of which parameter matters


def advice(board: Mapping[str, Any], asked: Mapping[str, Any], differences: Sequence[float] = ()) -> list[str]:
    """All that there is to say of a study.

    Args:
        board: the study's answer so far.
        asked: what was asked, as in `study.toml`.
        differences: of the first contender to the second, by fresh seed, as the goal ranks them.
    """
    goal, winner = goal_of(board), chosen(board)
    if not winner:
        return []
    return [
        *borders(winner["settings"], asked),
        *too_few(board["statuses"], len(asked.get("search", {}))),
        *parting(differences, goal, board["study"]),
        *(rosy(winner, goal) if board["confirmed"] else ()),
    ]


@dataclass(frozen=True, slots=True)
class Border:
    """An end of what was searched.

    Attributes:
        where: in words.
        way: how to get beyond, with a place for a value.
        beyond: such values, the likeliest first.
    """

    where: str
    way: str
    beyond: list[float]


def borders(settings: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[str]:
    """Where the best lies at an end of what was searched, so that better may lie outside.

    Choices count as far as they are numbers. Nothing is said where no run of the study could have a value outside.
    """
    for path, given in asked.get("search", {}).items():
        value: Any = settings.get(path)  # a path with a condition need not have one
        choices = given.get("choices") if isinstance(given, Mapping) else given
        if not all(_is_number(number) for number in (value, *(choices or ()))):
            continue
        border = _of_choices(value, choices) if choices else _of_range(value, given)
        sound = [number for number in border.beyond if _fits(asked, {**settings, path: number})] if border else []
        if border and sound:
            yield f"{path} {_figure(value)} {border.where}: {border.way.format(_figure(sound[0]))}"


def _of_range(value: float, given: Mapping[str, Any]) -> Border | None:
    low, high, log = given["low"], given["high"], given.get("log", False)
    least, here, most = (math.log(x) if log else x for x in (low, value, high))
    share = (here - least) / (most - least)
    if AT_THE_END < share < 1 - AT_THE_END:
        return None
    upper, step = share > 0.5, given.get("step")
    jump = math.ceil((high - low) / 2 / step) * step if step else (high - low) / 2
    beyond = _beyond(high if upper else low, upper=upper, log=log, times=3, jump=jump, whole=isinstance(value, int))
    side, name = ("upper", "high") if upper else ("lower", "low")
    where = f"lies at the {side} end of its range ({_figure(low)} to {_figure(high)})"
    return Border(where, f"widen it, such as {name} = {{}}", beyond)


def _of_choices(value: float, choices: Sequence[float]) -> Border | None:
    found = sorted(choices)
    if found[0] < value < found[-1]:
        return None
    upper = value == found[-1]
    gap = abs(value - found[-2 if upper else 1])
    beyond = _beyond(value, upper=upper, log=True, times=2, jump=gap, whole=isinstance(value, int))
    most, more = ("largest", "larger") if upper else ("smallest", "smaller")
    where = f"is the {most} of its choices ({', '.join(map(_figure, found))})"
    return Border(where, f"add a {more} one, such as {{}}", beyond)


def _beyond(edge: float, *, upper: bool, log: bool, times: float, jump: float, whole: bool) -> list[float]:
    """Values outside of an edge: by a factor and by a jump, first as the scale is."""
    found = [edge * times, edge + jump] if upper else [edge / times, edge - jump]
    found = [round(number) if whole else number for number in (found if log else reversed(found))]
    return [number for number in found if (number > edge if upper else number < edge)]


def _fits(asked: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether a run of the study could have the settings."""
    from lstm_bench.task import make_task

    tables = {key: asked[key] for key in RunSpec.__dataclass_fields__ if key in asked}
    try:
        make_task(RunSpec.from_dict(tables).with_values(settings))
    except UsageError:
        return False
    return True


def too_few(statuses: Mapping[str, int], parameters: int) -> Iterator[str]:
    """Whether there are too few trials to say which of several parameters matters."""
    told = sum(statuses.get(status.value, 0) for status in Status if status.complete or status is Status.PRUNED)
    if said := scarce(told, parameters):
        yield said


def scarce(trials: int, parameters: int) -> str | None:
    """Why so many trials do not say which of several parameters matters; None where they do."""
    wanted = TRIALS_A_PARAMETER * parameters
    if parameters < 2 or trials >= wanted:
        return None
    return f"{trials} trials for {parameters} parameters: too few to say which matters; {wanted} would be a start"


def parting(differences: Sequence[float], goal: Goal, study: str) -> Iterator[str]:
    """How many fresh seeds would part the first two contenders, where those that they had do not."""
    n = len(differences)
    if n < 2:
        return
    wanted = seeds_to_decide(of_pairs(differences))
    # where the target ends the runs, what ranks the contenders has no unit
    apart = "" if goal.ends_run else f", {abs(statistics.fmean(differences)):.3g} {goal.unit or goal.metric} apart"
    who = f"the first two contenders{apart}"
    if wanted is None:
        yield f"{who}: no number of seeds that is worth it parts them: they are equal for practical purposes"
    elif wanted > n:
        way = f"`lstm-bench confirm {study} --seeds {wanted}`"
        yield f"{who}: {n} fresh seeds do not part them, about {wanted} likely would: {way}"


def rosy(winner: Mapping[str, Any], goal: Goal) -> Iterator[str]:
    """Whether the confirmed setting's score in the search was luck, by more than fresh seeds vary: winner's curse."""
    drop, valid = winner["fresh"]["drop"], winner["fresh"]["valid"]
    if drop is None or valid["high"] is None:
        return
    half = valid["high"] - valid["mean"]
    if drop > half:
        yield (
            f"the search's score was {drop:.3g} {goal.unit or goal.metric} too rosy, more than the interval of the "
            f"fresh seeds (+-{half:.2g}) explains: judge each trial on more seeds, "
            f"such as seeds = {max(3, 2 * len(winner['seeds']))}"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _figure(value: float) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
