"""All checks, in order, and what each needs."""

from collections.abc import Callable
from typing import NamedTuple

from lstm_bench.doctor import machine, packages, stores, timings
from lstm_bench.doctor.finding import Finding, failed
from lstm_bench.record.files import Results


class Check(NamedTuple):
    """One thing that is looked at.

    Attributes:
        name: a word.
        examine: looks.
        takes_long: whether `--quick` leaves it out.
    """

    name: str
    examine: Callable[[Results], Finding]
    takes_long: bool = False


CHECKS = (
    Check("device", machine.device),
    Check("threads", machine.threads),
    Check("timer", machine.timer),
    Check("versions", packages.tested_versions),
    Check("extras", packages.extras),
    Check("results", stores.folder),
    Check("disk", stores.space),
    Check("mlflow", stores.mlflow),
    Check("optuna", stores.optuna),
    Check("peak", timings.peak, takes_long=True),
    Check("noise", timings.noise, takes_long=True),
    Check("allocator", timings.allocator, takes_long=True),
    Check("cudnn", timings.cudnn, takes_long=True),
)


def examined(check: Check, results: Results) -> Finding:
    """What a check finds; one that breaks has failed."""
    try:
        return check.examine(results)
    except Exception as error:  # noqa: BLE001  # the others are worth hearing all the same
        return failed(error, "if what the other checks say does not mend it, report it with `doctor --json`")
