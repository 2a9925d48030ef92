"""lstm-bench: which LSTM setting learns this kind of sequence best, how sure are we, and what did it cost?

From Python: `load_results`, `compare`, `verdicts`, `train`, `run`, `search`. Each is imported when it is first asked
for, since torch and pandas take seconds.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lstm_bench.analysis.frames import Frames, load_results
    from lstm_bench.api import Run, run, search, train
    from lstm_bench.report.comparison import compare, verdicts

__all__ = ["Frames", "Run", "__version__", "compare", "load_results", "run", "search", "train", "verdicts"]

try:
    __version__ = version("lstm-bench")
except PackageNotFoundError:  # a copy of the code that is not installed: a model in MLflow carries one
    __version__ = "unknown"

_ROOMS = {
    "Frames": "analysis.frames",
    "load_results": "analysis.frames",
    "compare": "report.comparison",
    "verdicts": "report.comparison",
    "Run": "api",
    "run": "api",
    "search": "api",
    "train": "api",
}

if not TYPE_CHECKING:  # a type checker is to complain of a name that is not there

    def __getattr__(name: str) -> Any:
        """What is exported, from its room (PEP 562)."""
        if name not in _ROOMS:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)

    def __dir__() -> list[str]:
        """The names, those too that nobody has asked for yet."""
        return sorted({*globals(), *__all__})
