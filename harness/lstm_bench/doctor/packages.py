"""What is installed: the versions that were tested together, and the extras."""

import re
from collections.abc import Mapping
from importlib.metadata import metadata, requires
from importlib.resources import files

from lstm_bench.command import NAME
from lstm_bench.doctor.finding import Finding, State
from lstm_bench.meter.machine import versions
from lstm_bench.record.files import Results

CONSTRAINTS = files("lstm_bench") / "constraints.txt"
OURS = ("dev", "testing")  # extras for those who work at lstm-bench


def tested() -> dict[str, str]:
    """The one version of each dependency that was tested."""
    lines = CONSTRAINTS.read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def tested_versions(_: Results) -> Finding:
    """Whether what is installed is what was tested."""
    return compared(versions(), tested())


def compared(installed: Mapping[str, str], expected: Mapping[str, str]) -> Finding:
    """The versions that differ; what a build adds to one (`+cpu`) is none of it."""
    both = {name: version for name, version in expected.items() if name in installed}
    other = {name: version for name, version in both.items() if installed[name].partition("+")[0] != version}
    figures = {"compared": len(both), "differing": len(other)}
    if not other:
        return Finding(State.WELL, f"{len(both)} packages, each in the version that was tested", figures=figures)
    found = ", ".join(f"{name} {installed[name]} ({version} was tested)" for name, version in other.items())
    fix = "pip install " + " ".join(f"{name}=={version}" for name, version in other.items())
    return Finding(State.NOTE, found, fix, figures)


def extras(_: Results) -> Finding:
    """Which extras are whole."""
    return told_extras(parts_of_extras(), versions())


def parts_of_extras() -> dict[str, set[str]]:
    """The packages of each extra."""
    found: dict[str, set[str]] = {name: set() for name in metadata(NAME).get_all("Provides-Extra") or ()}
    for line in requires(NAME) or ():
        if extra := re.search(r"""extra == ["']([\w-]+)""", line):
            found[extra[1]] |= set(re.findall(r"^[\w.-]+", line))
    return {name: parts for name, parts in found.items() if name not in OURS}


def told_extras(extras: Mapping[str, set[str]], installed: Mapping[str, str]) -> Finding:
    """Those that are there, and how the others are had: nothing needs them."""
    lacking = [name for name, parts in extras.items() if not parts <= installed.keys()]
    there = ", ".join(name for name in extras if name not in lacking) or "none"
    fix = f"pip install '{NAME}[{','.join(lacking)}]', should you want them" if lacking else None
    found = there + (f"; not {', '.join(lacking)}" if lacking else "")
    return Finding(State.WELL, found, fix)
