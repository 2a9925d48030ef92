"""A task's card, and the table of all of them: what is asked, how it is scored, what is known of it, and from where."""

import inspect
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from rich import box
from rich.table import Table
from rich.text import Text

from lstm_bench.errors import BenchError
from lstm_bench.execute import one_line
from lstm_bench.goal import Goal
from lstm_bench.report.table import figure
from lstm_bench.spec import checked
from lstm_bench.task import Published, Signature, Task, load_task, told

AT_ONCE = 256  # sequences that are looked at to see how long they are


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a task with its own options.

    Attributes:
        name: as it is installed.
        task: None where it cannot be made.
        trouble: why its data cannot be read, or it cannot be made; one line.
        signature: None where the data cannot be read.
        steps: the fewest and the most time steps of its test sequences.
        floors: measured scores on the test split of seed 0, by name, weakest first.
    """

    name: str
    task: Task | None = None
    trouble: str = ""
    signature: Signature | None = None
    steps: tuple[int, int] | None = None
    floors: Mapping[str, float] = field(default_factory=dict)

    @property
    def goal(self) -> Goal | None:
        """Its one score."""
        return self.task.goal if self.task else None


def card_of(name: str, options: Mapping[str, Any] | None = None) -> Card:
    """Read a task's data and measure its floors; what goes wrong stands on the card."""
    task: Task | None = None
    try:
        task = typing.cast(Task, checked(load_task(name), options or {}, "options."))
        task.prepare()
        batch = next(iter(task.batches("test", AT_ONCE, 0)))
        lengths = [batch.inputs.shape[1]] if batch.lengths is None else batch.lengths.tolist()
        return Card(name, task, "", task.signature, (min(lengths), max(lengths)), task.floors(0))
    except BenchError as error:
        return Card(name, task, str(error))
    except Exception as error:  # noqa: BLE001  # a stranger's task may raise anything
        return Card(name, task, one_line(error))


def cards_table(cards: Sequence[Card]) -> Table:
    """A line a task, by family; the floors are measured here and now, and the strongest is shown."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("task", "score", "steps", "floor", "ceiling", "licence"):
        table.add_column(name, no_wrap=name in ("task", "score", "steps"))
    for family in ("classification", "language", "synthetic", ""):
        members = [card for card in cards if (card.task.family if card.task else "") == family]
        if not members:
            continue
        table.add_row(Text(family or "not to be had", style="bold"), end_section=False)
        for card in members:
            table.add_row(*(Text(cell) for cell in _row(card)))
    return table


def _row(card: Card) -> list[str]:
    if card.task is None or card.goal is None:
        return [card.name, "", "", "", "", ""]
    floor = next((f"{figure(value)} {name}" for name, value in reversed(list(card.floors.items()))), "")
    ceiling = "" if card.goal.ceiling is None else figure(card.goal.ceiling)
    return [card.name, scored(card.goal), _steps(card), floor, ceiling, told(card.task, "licence", "")]


def cards_notes(cards: Sequence[Card]) -> list[str]:
    """What stands below the table: which tasks have no data here, and why; and what installs them."""
    troubles = [f"{card.name}: {card.trouble}" for card in cards if card.trouble]
    commands: dict[str, list[str]] = {}
    for card in cards:
        if command := told(card.task, "install", ""):
            commands.setdefault(command, []).append(card.name)
    return [*troubles, *(f"{command}  brings {', '.join(names)}" for command, names in commands.items())]


def scored(goal: Goal) -> str:
    """A score and its direction: `accuracy ↑`."""
    unit = f", {goal.unit}" if goal.unit else ""
    return f"{goal.metric}{unit} {'↑' if goal.maximize else '↓'}"


def _steps(card: Card) -> str:
    if card.steps is None:
        return ""
    low, high = card.steps
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def card_lines(card: Card, origin: str) -> dict[str, str]:
    """A card as labels and texts, in the order in which one reads it; a text may have several lines."""
    gathered: dict[str, list[str]] = {}
    for label, text in _lines(card, origin):
        gathered.setdefault(label, []).append(text)
    return {label: "\n".join(texts) for label, texts in gathered.items()}


def _lines(card: Card, origin: str) -> Iterator[tuple[str, str]]:
    task, goal = card.task, card.goal
    if task is None or goal is None:
        yield "trouble", card.trouble
        return
    yield "", _about(type(task))
    yield "family", f"{task.family}, from {origin}"
    yield from ((f"options.{name}", text) for name, text in option_texts(type(task)).items())
    yield "score", scored(goal)
    known = {"chance": goal.chance, "ceiling": goal.ceiling, "target": goal.target}
    yield from ((name, figure(value)) for name, value in known.items() if value is not None)
    if card.signature:
        yield "inputs", _inputs(card)
        if example := told(task, "example", None):
            yield "example", example()
    yield from (("floor", f"{figure(value)} {name} (test, seed 0)") for name, value in card.floors.items())
    if card.trouble:
        yield "trouble", card.trouble
    yield from _published(task)
    for name in ("source", "licence", "install"):
        if text := told(task, name, ""):
            yield name, text
    yield "defaults", ", ".join(f"{path} {figure(value)}" for path, value in task.defaults.items())
    yield "try it", f"lstm-bench search {card.name}"


def _about(cls: type) -> str:
    """The docstring without its list of options, each paragraph on one line: the terminal breaks it."""
    text = (inspect.getdoc(cls) or "").partition("\nAttributes:")[0]
    return "\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip())


def _published(task: Task) -> Iterator[tuple[str, str]]:
    """Scores of others, and sequences to a criterion where that is what a paper counts."""
    scores: Sequence[Published] = told(task, "published", ())
    yield from (("published", f"{figure(one.score)} {one.model}: {one.source}") for one in scores)
    counts: Mapping[str, float] = told(task, "sequences", {})
    yield from (("published", f"{count:,.0f} sequences to the criterion: {what}") for what, count in counts.items())


def _inputs(card: Card) -> str:
    """What goes in and comes out."""
    signature = card.signature
    assert signature is not None, "asked for where there is one"
    kind = (
        f"{signature.vocab} symbols"
        if signature.vocab is not None
        else f"{signature.features} value{'s'[: signature.features != 1]} a step"
    )
    where = "at every step" if signature.every_step else "at the end"
    return f"{kind}, {_steps(card)} steps; {signature.outputs} outputs {where}"


def option_texts(cls: type) -> dict[str, str]:
    """What each option of a task is: type, range, default, and what the docstring says of it."""
    hints = typing.get_type_hints(cls, include_extras=True)
    described: dict[str, str] = {}
    for base in reversed(cls.__mro__):  # an option may be described where it is inherited from
        described |= _described(inspect.cleandoc(base.__dict__.get("__doc__") or ""))
    texts = {}
    for option in fields(cls):
        kind = f"{_kind(hints[option.name])}, default {option.default!r}"
        texts[option.name] = f"{kind}: {described[option.name]}" if option.name in described else kind
    return texts


def _kind(annotation: Any) -> str:
    """`Annotated[int, Field(ge=2)]` as `int >= 2`."""
    bounds: list[str] = []
    if typing.get_origin(annotation) is Annotated:
        annotation, *notes = typing.get_args(annotation)
        signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
        for note in notes:
            for bound in getattr(note, "metadata", [note]):
                bounds += [f"{sign} {getattr(bound, name)}" for name, sign in signs.items() if hasattr(bound, name)]
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(map(repr, typing.get_args(annotation)))
    return " ".join([getattr(annotation, "__name__", str(annotation)), " and ".join(bounds)]).strip()


def _described(doc: str) -> dict[str, str]:
    """The lines under `Attributes:` of a Google docstring, by name."""
    found: dict[str, str] = {}
    last = ""
    for line in doc.partition("\nAttributes:\n")[2].splitlines():
        text = line.strip()
        if line.startswith("    ") and not line.startswith("     ") and ":" in text:
            last, _, text = text.partition(": ")
            found[last] = text
        elif last and text:
            found[last] += f" {text}"
    return found
