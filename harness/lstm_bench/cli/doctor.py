"""The command that looks whether all is well."""

import json
from typing import Annotated

import typer

from lstm_bench.cli.options import console, results_of
from lstm_bench.errors import BenchError


def doctor(
    context: typer.Context,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out what is measured for seconds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines: all of it as JSON.")] = False,
) -> None:
    """Look at machine, packages and stores: is all well, what is a timing worth, and what mends what is wrong?"""
    from rich.console import Console

    from lstm_bench.doctor.examination import CHECKS, examined
    from lstm_bench.doctor.finding import State
    from lstm_bench.doctor.shown import as_line, verdict
    from lstm_bench.meter import machine

    results, findings = results_of(context), {}
    screen = Console(stderr=True) if as_json else console()
    for check in CHECKS:
        if quick and check.takes_long:
            continue
        with screen.status(f"looking at: {check.name}"):
            findings[check.name] = examined(check, results)
        if not as_json:
            screen.print(as_line(check.name, findings[check.name]))
    if as_json:
        checks = {name: finding.to_dict() for name, finding in findings.items()}
        print(json.dumps({"machine": machine(), "checks": checks}, indent=2))
    else:
        screen.print(verdict(findings))
    if any(finding.state is State.FAILED for finding in findings.values()):
        raise typer.Exit(BenchError.exit_code)
