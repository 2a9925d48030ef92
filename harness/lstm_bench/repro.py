"""A recorded run once more: does it give the same, to the last bit?"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from lstm_bench.analysis.equality import Equality, compare, points
from lstm_bench.errors import BenchError, UsageError, unknown
from lstm_bench.execute import facts, resolve
from lstm_bench.meter import machine
from lstm_bench.once import events_once
from lstm_bench.pool import Heard, Job
from lstm_bench.pool.local import LocalPool
from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles, new_run_id
from lstm_bench.result import RunResult, Status
from lstm_bench.spec import RunSpec

# Ended from outside: its repetition is ended at the same reading. The others end by themselves, and as they did.
CUT_SHORT = (Status.PRUNED, Status.KILLED, Status.TIMED_OUT)
NO_ANSWER = (Status.OUT_OF_MEMORY, Status.CRASHED, Status.TIMED_OUT, Status.KILLED)
BENEATH = {
    "data": "the digest of the data",
    "code": "the digest of the code",
    "torch": "torch",
    "kernels": "the kernels",
}
AROUND = {"commit": "the commit", "cpu": "the processor", "cores": "cores", "gpus": "the cards", "python": "Python"}
NUMERIC = ("numpy", "scikit-learn", "scipy")  # packages that a task may compute its data with
NEAREST = 5  # runs that an unknown one may have been meant to be


def repeat(name: str, *, results: Results, console: Console, run_timeout: float | None = None) -> bool:
    """Train a recorded run again, as a run of its own, and say whether it gave the same.

    Args:
        name: the run's id, or as much of its beginning as no other has.
        results: where it lies.
        console: what differs beneath is printed there first, then the new run's readings, at last the answer, such as
            `bit-equal: 12 readings, 5 metrics each` or `not equal: from step 300 on; valid/mse off by at most 3.1e-07
            (relative 2e-05)`.
        run_timeout: seconds after which the new run counts as hung.

    Returns:
        Whether all is equal to the last bit but the speeds.

    Raises:
        UsageError: there is no such run, or there are several.
        BenchError: it has no reading, or it cannot be run here.
    """
    before = find_run(results, name)
    recorded, result = before.readings, before.result or RunResult(Status.KILLED)
    if not recorded:
        raise BenchError(f"run {before.id} has no reading to compare with: it ended as {_how(result)}")
    was = points(recorded, result)
    spec, last = _spec_here(before), recorded[-1].step if result.status in CUT_SHORT else None
    with LocalPool(spec, 1, run_timeout=run_timeout) as pool:
        beneath = facts(spec, pool.data_digest)
        console.print(f"run {before.id} again: it ended as {_how(result)}", soft_wrap=True)
        for line in differences(before.machine, {**machine(), "facts": beneath}):
            console.print(line, soft_wrap=True)
        again = results.run(new_run_id(spec.task))
        tested = any(name.startswith("test/") for name in result.metrics)
        job = Job(spec, again.path, test=tested, waits=last is not None, facts=beneath)
        for event in events_once(job, pool, results=results, console=console):
            if isinstance(event, Heard) and last is not None:
                if event.reading.step >= last:
                    pool.stop(again.id, Status.PRUNED, f"run {before.id}, which it repeats, has no more readings")
                else:
                    pool.go_on(again.id)
    now = again.result or RunResult(Status.KILLED)
    if now.status in NO_ANSWER and now.status is not result.status:
        raise BenchError(f"run {again.id} ended as {_how(now)}: it cannot be compared with {before.id}")
    return _say(compare(was, points(again.readings, now)), result, now, console)


def find_run(results: Results, name: str) -> RunFiles:
    """The one recorded run whose id is this, or begins so.

    Raises:
        UsageError: there is none, or there are several.
    """
    known = sorted(path.parent.name for path in results.runs.glob("*/spec.toml"))
    found = [name] if name in known else [run for run in known if run.startswith(name)]
    if len(found) == 1:
        return results.run(found[0])
    if found:
        raise UsageError(
            f"run '{name}' may be any of {len(found)}: {found[0]} ... {found[-1]}; expected more of its id"
        )
    near = difflib.get_close_matches(name, known, NEAREST, cutoff=0.0)
    raise unknown("run", name, near, hint=f" and {len(known) - len(near)} more" if len(known) > len(near) else "")


def _spec_here(files: RunFiles) -> RunSpec:
    """What was run, as it can be run here."""
    try:
        return resolve(files.spec)[0]
    except UsageError as error:
        raise BenchError(f"run {files.id} cannot be run here: {error}") from error


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What is not as it was beneath and around a run, a line each: why its repetition may differ.

    Args:
        then: the recorded run's `machine.json`.
        now: the same of here and now.
    """
    if "facts" not in then:
        yield "not known of it: the digests of its data and its code; it was recorded before they were kept"
    pairs = [(label, then.get("facts", {}).get(key), now["facts"].get(key)) for key, label in BENEATH.items()]
    pairs += [(label, then.get(key), now.get(key)) for key, label in AROUND.items()]
    versions = then.get("versions", {})
    pairs += [(name, versions.get(name), now.get("versions", {}).get(name)) for name in NUMERIC if name in versions]
    for label, before, after in pairs:
        if before is not None and before != after:
            yield f"differs: {label}, {before} then, {'not known' if after is None else after} now"


def _say(equality: Equality, before: RunResult, now: RunResult, console: Console) -> bool:
    """Print what came out. Returns whether all is equal."""
    if equality.alone:
        console.print(f"not compared, since one of the two alone has it: {', '.join(sorted(equality.alone))}")
    if equality.off:
        table = Table("metric", "off by at most", "relative", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for name, off in sorted(equality.off.items(), key=lambda item: -item[1].relative):
            table.add_row(name, f"{off.absolute:.2g}", f"{off.relative:.2g}")
        console.print(table)
    ends_alike = before.status in CUT_SHORT or _end(before) == _end(now)
    is_equal = ends_alike and equality.first is None
    words = [] if equality.first is None and not is_equal else [equality.words()]
    if not ends_alike:
        words.append(f"it ended as {_how(before)} then, as {_how(now)} now")
    console.print(f"{'bit-equal' if is_equal else 'not equal'}: {'; '.join(words)}", soft_wrap=True)
    return is_equal


def _end(result: RunResult) -> tuple[Status, str | None]:
    """How a run ended by itself; of one that crashed, why, too."""
    return result.status, result.reason if result.status is Status.CRASHED else None


def _how(result: RunResult) -> str:
    return result.status.value + (f" ({result.reason})" if result.reason else "")
