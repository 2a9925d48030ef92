"""Whether two studies can be set against each other, and whether their clocks can."""

from collections.abc import Iterator, Mapping
from typing import Any

GOAL = ("metric", "maximize", "target", "ends_run")  # what makes a score another score
PLACE = ("cpu", "cores", "gpus", "system", "allocator")  # what a timing hangs on


def why_not(first: Mapping[str, Any], second: Mapping[str, Any]) -> str | None:
    """Why the scores of two boards cannot be compared, in one line; None where they can.

    What an older board does not say is not held against it.
    """
    return next(_reasons(first, second), None)


def _reasons(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[str]:
    for board in (first, second):
        if not board["confirmed"]:
            yield f"{board['study']} is not confirmed on fresh seeds: `lstm-bench confirm {board['study']}`"
    if first["task"] != second["task"]:
        yield f"{first['study']} is of task {first['task']}, {second['study']} of {second['task']}"
    options = [board.get("options") for board in (first, second)]
    if None not in options:
        yield from apart("options.", *options)
    yield from apart("goal ", *({key: board["goal"].get(key) for key in GOAL} for board in (first, second)))
    data = [board.get("facts", {}).get("data") for board in (first, second)]
    if None not in data and data[0] != data[1]:
        yield f"their data differ: digest or generator {data[0]}, not {data[1]}"


def unlike_machines(first: Mapping[str, Any], second: Mapping[str, Any]) -> str | None:
    """How the machines differ that two confirmed studies ran on; None where their timings can be compared."""
    places = [_place(board["confirmed"]["machine"]) for board in (first, second)]
    return next(apart("", *places), None)


def _place(machine: Mapping[str, Any]) -> dict[str, Any]:
    return {**{key: machine.get(key) for key in PLACE}, "torch": machine.get("versions", {}).get("torch")}


def apart(what: str, one: Any, other: Any) -> Iterator[str]:
    """The first of some facts that differ, both told."""
    for key in dict.fromkeys([*one, *other]):
        if one.get(key) != other.get(key):
            yield f"{what}{key} {_told(one.get(key))}, not {_told(other.get(key))}"


def _told(value: Any) -> str:
    return "unknown" if value is None else str(value)
