"""What `lstm-bench tasks check` has pytest run: the suite, on the task that the environment names."""

import os

from lstm_bench.scaffold import CHECKED
from lstm_bench.testing import TaskSuite


class TestTask(TaskSuite):
    """Is it all that the engine relies on?"""

    task = os.environ.get(CHECKED, "")
