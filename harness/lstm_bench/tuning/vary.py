"""An ablation: each value of one path as a study of its own, with an equal budget and the same draws to begin with."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lstm_bench.errors import UsageError, unknown
from lstm_bench.execute import spec_of
from lstm_bench.flops import count
from lstm_bench.spec import RunSpec, Value, parse_setting, parse_value
from lstm_bench.suites import StudyTable
from lstm_bench.suites.names import arm_name
from lstm_bench.task import make_task
from lstm_bench.tuning.space import DEFAULT
from lstm_bench.tuning.study import Question

SIZES = ("params", "flops")
HIDDEN = "model.hidden"
LARGEST = 8192  # units a layer that are tried
CLOSE = 0.02  # arms whose sizes differ by no more are equal

Vary = tuple[str, list[Value]]  # a path and its values


def parse_vary(text: str) -> Vary:
    """`model.cell=lstm,gru` to the path and its values.

    Raises:
        UsageError: fewer than two values, or one twice.
    """
    path, raw = parse_setting(text)
    return _checked(path, [parse_value(part.strip()) for part in str(raw).split(",")], f"--vary {text}")


def vary_of(table: StudyTable) -> Vary | None:
    """What a study's file varies: `vary = { "model.cell" = ["lstm", "gru"] }`; None where it says nothing of it.

    Raises:
        UsageError: several paths, fewer than two values, or one twice.
    """
    found = [_checked(path, values, f"vary {path} = {values}") for path, values in table.vary.items()]
    if len(found) > 1:
        raise UsageError(f"vary: found {' and '.join(table.vary)}, expected one path; search the others")
    return found[0] if found else None


def _checked(path: str, values: Any, told: str) -> Vary:
    if not isinstance(values, list) or len(values) < 2 or any(values.count(value) > 1 for value in values):
        raise UsageError(f"{told}: expected two values or more, each once, such as --vary model.layers=1,2")
    return path, values


def questions(
    table: StudyTable, settings: Mapping[str, Value], *, vary: str | None, match: str | None, workers: int
) -> dict[str, Question]:
    """The one question that is asked, under an empty name; or one for each value that is varied, by its name.

    Args:
        table: what is asked of each; what it varies gives way to `vary`.
        settings: of `--set`.
        vary: `PATH=VALUE,VALUE`; None: as the table says.
        match: what is to be equal in all arms: `params` or `flops`.
        workers: runs at once.

    Raises:
        UsageError: see `arms`; or there is nothing to match.
    """
    if match is not None and match not in SIZES:
        raise unknown("size to match,", match, SIZES)
    varied = vary_of(table) if vary is None else parse_vary(vary)
    if varied is not None:
        return arms(table, settings, varied, workers=workers, match=match)
    if match is not None:
        raise UsageError(
            f"--match {match}: it makes the arms of --vary equal; add --vary, such as --vary model.layers=1,2"
        )
    return {"": Question.of(table, settings, workers=workers)}


def arms(
    table: StudyTable, settings: Mapping[str, Value], vary: Vary, *, workers: int, match: str | None = None
) -> dict[str, Question]:
    """The question of each value, by a name for it.

    Args:
        table: what is asked of each.
        settings: of `--set`.
        vary: a path and its values.
        workers: runs at once.
        match: what is to be equal: the hidden size of every arm but the first is fitted to it.

    Raises:
        UsageError: the path is searched or set too, a value does not fit it, or no hidden size makes arms equal.
    """
    path, values = vary
    searched = table.search or DEFAULT
    if path in searched and table.search:
        raise UsageError(f"--vary {path}: it is in the search space too; take it out of one of them")
    if path in settings:
        raise UsageError(f"--vary {path}: --set {path} says one value; leave that out")
    space = {key: given for key, given in searched.items() if key != path and not (match and key == HIDDEN)}
    if match and HIDDEN in table.search:
        raise UsageError(f"--match fits {HIDDEN}, which is in the search space: take it out there")
    if not space:
        raise UsageError(f"--vary {path}: nothing is left to search; give a search space in a study file")
    table = replace(table, search=space)
    found, target = {}, None
    for value in values:
        own = {**settings, path: value}
        if match:
            base, _ = spec_of(table.run, own)
            target = target or measured(base, match)
            own[HIDDEN] = fitted(base, target, match)
        arm = arm_name(path, value)
        if arm in found:
            raise UsageError(f"--vary {path}: two of its values would both be called {arm}: leave one out")
        found[arm] = Question.of(table, own, workers=workers)
    return found


def fitted(base: RunSpec, target: int, what: str) -> int:
    """The hidden size at which a model has the size `target`, within 2 %.

    Sizes grow with the hidden size, so the two nearest lie where bisection ends.

    Raises:
        UsageError: none comes so close; the line says which is nearest.
    """

    def size(hidden: int) -> int:
        return measured(base.with_values({HIDDEN: hidden}), what)

    below, above = 0, LARGEST
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if size(middle) <= target else (below, middle)
    nearest = min((hidden for hidden in (below, above) if hidden), key=lambda hidden: abs(size(hidden) - target))
    off = size(nearest) / target - 1
    if abs(off) > CLOSE:
        raise UsageError(
            f"--match {what}: {HIDDEN} = {nearest} is nearest to {target:,} {what}, {off:+.1%} off; expected within "
            f"{CLOSE:.0%}: choose another size for the first arm, such as --set {HIDDEN}=128"
        )
    return nearest


def measured(spec: RunSpec, what: str) -> int:
    """A model's weights, or the floating-point operations that a time step forward takes."""
    return count(make_task(spec).signature, spec.model, spec.cell)[what]
