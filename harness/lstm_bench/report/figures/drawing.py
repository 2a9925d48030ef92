"""What the figures share: a plain style, text that is shown as it is written, equal bytes from equal figures."""

import io
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib import colormaps, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from lstm_bench.goal import Goal

# Okabe and Ito's colours (2008), which the colour-blind tell apart, without those that are faint on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
GREY, INK = "#8c8c8c", "#333333"
SCALE = colormaps["viridis"].reversed().resampled(256)  # uniform to the eye; the best are the darkest
DPI = 100
LEFT = 0.01  # of the width: where the text above a figure begins
CHARACTERS_AN_INCH = 8, 13  # of a title and a note, at their sizes

STYLE = {
    "text.parse_math": False,  # names come from users: a `$` in them begins no formula
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "figure.titlesize": 12,
    "font.size": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "lstm-bench",  # the same bytes each time
}
# Around whatever makes or renders a figure: a user's own matplotlibrc changes nothing.
styled = style.context(["default", STYLE])


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure, and what it shows in a sentence or two, for those who do not see it."""

    figure: Figure
    text: str


def blank(study: str, note: str, width: float = 8.0, height: float = 4.8) -> tuple[Figure, Axes]:
    """An empty figure under its study's name, with a line or two that say what is drawn.

    Args:
        study: its name.
        note: what is drawn, and how much was left out.
        width: inches.
        height: inches.
    """
    figure, panels = panelled(study, note, "A", width, height)
    return figure, panels["A"]


def panelled(
    study: str, note: str, mosaic: str, width: float = 8.0, height: float = 4.8
) -> tuple[Figure, dict[str, Axes]]:
    """As `blank`, with an axes for each letter of a mosaic such as `AB;CC`: two above, one beneath."""
    figure = Figure((width, height), layout="constrained")
    figure.suptitle(textwrap.fill(study, int(width * CHARACTERS_AN_INCH[0])), x=LEFT, ha="left", weight="bold")
    panels: dict[str, Axes] = figure.subplot_mosaic(mosaic)
    panels[mosaic[0]].set_title(textwrap.fill(note, int(width * CHARACTERS_AN_INCH[1])), color=INK)
    return figure, panels


def finished(figure: Figure, text: str) -> Drawing:
    """The drawing of a figure that nothing is added to: its layout is settled, so that each rendering is the same.

    What is drawn is said from the figure's left edge on: beside long names the axes are narrow.
    """
    if engine := figure.get_layout_engine():
        engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        box = axes.get_position()
        axes.set_title(axes.get_title("left"), loc="left", x=(LEFT - box.x0) / box.width, color=INK)
    return Drawing(figure, text)


@styled
def png(figure: Figure) -> bytes:
    """A figure as a PNG file, without date or version: the same bytes each time."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()


@styled
def svg(figure: Figure) -> bytes:
    """A figure as an SVG file on whatever lies beneath it, without date or version: the same bytes each time."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return file.getvalue()


def spans_a_decade(values: Collection[float]) -> bool:
    """Whether values are told apart on a logarithmic scale better than on a linear one."""
    return bool(values) and 0 < 10 * min(values) < max(values)


def make_log(axes: Axes, which: Literal["x", "y"], values: Collection[float], room: int = 3) -> None:
    """Give an axis a logarithmic scale, with ticks as people write numbers.

    Args:
        axes: whose.
        which: axis.
        values: on it.
        room: decades that it has the room to tick at 2 and 5, too.
    """
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    few = max(values) < 10**room * min(values)
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
    if few:
        axis.set_minor_locator(NullLocator())  # each tick takes a part of a millisecond


def score_name(goal: Goal) -> str:
    """The valid score with its unit: `valid/bpc (bits)`."""
    return f"valid/{short(goal.metric, 20)}" + (f" ({short(goal.unit, 12)})" if goal.unit else "")


def value_name(goal: Goal) -> str:
    """What `analysis.progress.value_of` gives, and which way is better."""
    name = "training sequences to the target" if goal.ends_run else score_name(goal)
    return f"{name}, {'more' if goal.search_maximizes else 'less'} is better"


def short(text: str, most: int = 24) -> str:
    """A user's text in one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def capital(text: str) -> str:
    """A text that begins a sentence."""
    return text[0].upper() + text[1:]


def spread(n: int, most: int) -> Sequence[int]:
    """At most so many of the numbers below n, evenly, the first and the last among them."""
    return range(n) if n <= most else [round(k * (n - 1) / (most - 1)) for k in range(most)]
