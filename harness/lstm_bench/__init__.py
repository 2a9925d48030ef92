"""lstm-bench: which LSTM setting learns this kind of sequence best, how sure are we, and what did it cost?"""

from importlib.metadata import version

__version__ = version("lstm-bench")
