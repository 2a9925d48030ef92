"""Where an interpreter of ours begins: it ends with its driver from here on, and imports, for seconds, after that.

Started as `python -m lstm_bench.begin MODULE FD DRIVER`; see `interpreter`.
"""

import ctypes
import os
import signal
import sys
from importlib import import_module

SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>


def main() -> None:
    """Be the module that is named."""
    die_with_parent(int(sys.argv[3]))
    import_module(sys.argv.pop(1)).main()


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent ends: one whose interpreter hangs hears nothing else.

    Args:
        parent: its process id; if that has ended before, this process does so here. Linux alone knows this signal.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, ctypes.c_ulong(signal.SIGKILL))
        if os.getppid() != parent:
            os._exit(1)


if __name__ == "__main__":
    main()
