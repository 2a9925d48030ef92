"""A plugin package for a new task, and the check of any task by `TaskSuite`."""

import os
import re
import subprocess
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from lstm_bench import plugins
from lstm_bench.errors import UsageError
from lstm_bench.task import load_task
from lstm_bench.writing import make_folder, writing

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
CHECKED = "LSTM_BENCH_CHECKED"  # the task that `checked.py` looks at
PASSED = 0


def write_plugin(name: str, into: Path) -> list[Path]:
    """A package of its own for a task called `name`, with a working task and its test.

    Returns:
        The files, which lie in `into / name`.

    Raises:
        UsageError: the name cannot be one, is taken, or something lies there already.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"tasks new {name!r}: expected a name such as my-task: small letters, digits, single hyphens")
    if name in plugins.installed(plugins.TASKS):
        raise UsageError(f"tasks new {name}: a task of this name is installed: take another name")
    folder = into / name
    if folder.exists():
        raise UsageError(f"{folder} exists: move it away, or give another name")
    module = name.replace("-", "_")
    words = {"name": name, "module": module, "cls": "".join(part.capitalize() for part in name.split("-"))}
    templates = {
        "pyproject.toml.txt": folder / "pyproject.toml",
        "README.md.txt": folder / "README.md",
        "task.py.txt": folder / module / "__init__.py",
        "test.py.txt": folder / "tests" / f"test_{module}.py",
    }
    for template, path in templates.items():
        make_folder(path.parent)
        text = files(__name__).joinpath("plugin", template).read_text("utf-8")
        with writing(path):
            path.write_text(Template(text).substitute(words), "utf-8")
    return list(templates.values())


def check(name: str) -> bool:
    """Run `TaskSuite` on any task, installed or `module:attr`; pytest tells what it finds. Whether all passed.

    Raises:
        UsageError: there is no such task, or what the suite needs is not installed.
    """
    load_task(name)
    for needed in ("pytest", "hypothesis"):
        if find_spec(needed) is None:
            raise UsageError(f"tasks check needs {needed}, which is not installed: pip install 'lstm-bench[testing]'")
    suite = str(files(__name__).joinpath("checked.py"))
    # Neither the settings nor the plugins of the folder that one happens to stand in.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "-rs", suite]
    environment = {**os.environ, **plugins.found_alike(), CHECKED: name}
    return subprocess.run(command, env=environment, check=False).returncode == PASSED  # noqa: S603  # our own suite
