"""The facts beneath every figure: machine, versions, source, command."""

import functools
import os
import platform
import re
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import torch

from lstm_bench.command import NAME, command
from lstm_bench.meter.nvml import cards
from lstm_bench.meter.source import commit, source_diff


@functools.cache
def machine() -> dict[str, Any]:
    """`cpu`, `cores`, `system`, `python`, `versions`, `gpus`, `driver`, `cuda`, `cudnn`, `commit`, `diff`, `command`.

    Read once a process, without starting CUDA. A fact that is not known here is absent.
    """
    changed = source_diff()
    facts: dict[str, Any] = {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions(),
        **cards(),
        "cuda": torch.version.cuda,
        "cudnn": _cudnn(),
        "commit": commit(),
        "diff": changed[0] if changed else None,
        "command": command() or None,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def versions() -> dict[str, str]:
    """The versions of lstm-bench and of what it declares to need; of what it only may use, where that is installed."""
    declared = {name for line in requires(NAME) or () for name in re.findall(r"^[\w.-]+", line)}
    found = {}
    for name in [NAME, *sorted(declared)]:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def has_native_bfloat16(device: str) -> bool:
    """Whether products in bfloat16 are faster than in float32 there: by the processor's own instructions."""
    if device == "cuda":
        return True  # every card since 2020; asking would start CUDA in this process
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def precisions(device: str) -> list[str]:
    """Those that products are quick in there, which are those that `auto` may be."""
    return ["float32", "bfloat16"] if has_native_bfloat16(device) else ["float32"]


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _cudnn() -> int | None:
    """What `torch.backends.cudnn.version()` gives, from beneath it: that one starts CUDA, to check the cards."""
    bindings = getattr(torch._C, "_cudnn", None)  # noqa: SLF001  # see above
    return int(bindings.getVersionInt()) if torch.version.cuda and bindings else None
