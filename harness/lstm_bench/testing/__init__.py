"""Tests that a plugin's author inherits: `TaskSuite` for a task, `CellSuite` for a cell."""

from lstm_bench.testing.cells import CellSuite as CellSuite
from lstm_bench.testing.tasks import TaskSuite as TaskSuite
