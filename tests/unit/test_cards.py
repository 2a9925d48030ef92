"""`lstm-bench tasks`: the list, the table, a task's card."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import Field
from rich.console import Console

from lstm_bench import plugins
from lstm_bench.cli import main
from lstm_bench.errors import UsageError
from lstm_bench.report.cards import Card, card_lines, card_of, cards_notes, cards_table, option_texts
from lstm_bench.task import load_task


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_list_names_every_task_and_its_package_and_imports_none(capsys, monkeypatch) -> None:
    monkeypatch.setattr(plugins, "load", None)
    code, out, _ = said(capsys, "tasks")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == sorted(plugins.installed(plugins.TASKS))
    assert all("lstm-bench 0." in line for line in out.splitlines())


def test_a_card_says_options_example_floors_and_what_was_published(capsys) -> None:
    code, out, _ = said(capsys, "tasks", "show", "adding", "--set", "options.length=20")
    assert code == 0
    for words in ("int >= 2 and <= 10000, default 100: numbers in", "mse ↓", "-> 1.08", "constant (test, seed 0)"):
        assert words in out
    for words in ("0.164 LSTM, length 600: Bai et al. 2018", "2 values a step, 20 steps; 1 outputs at the end"):
        assert words in out
    assert "lstm-bench 0." in out


def test_a_floor_on_a_card_is_measured() -> None:
    card = card_of("adding", {"length": 10})
    assert card.floors == load_task("adding")(length=10).floors(0)
    assert card.steps == (10, 10)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tasks", "show", "addin"], "Did you mean 'adding'?"),
        (["tasks", "check", "addin"], "Did you mean 'adding'?"),
        (["tasks", "new", "My Task"], "expected a name such as my-task"),
        (["tasks", "new", "adding"], "is installed: take another name"),
        (["tasks", "sho"], "Did you mean 'show'?"),
    ],
)
def test_misuse_is_one_line(capsys, arguments: list[str], words: str) -> None:
    code, _, err = said(capsys, *arguments)
    assert code == UsageError.exit_code
    assert words in err
    assert err.count("\n") == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Has no data.

    Attributes:
        path: where they
            should lie.
    """

    path: str = ""
    kind: Literal["a", "b"] = "a"
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5

    family: ClassVar[str] = "language"
    goal: ClassVar = load_task("adding").goal
    defaults: ClassVar[dict[str, float]] = {"train.steps": 7}
    install: ClassVar[str] = "pip install data"

    def prepare(self) -> str:
        raise UsageError("options.path = '': expected a file")

    def batches(self) -> None: ...


def test_what_cannot_be_read_stands_on_its_card_and_keeps_no_other_from_the_table(monkeypatch) -> None:
    monkeypatch.setattr(
        "lstm_bench.report.cards.load_task", lambda name: {"unread": Unread}.get(name) or load_task(name)
    )
    card = card_of("unread")
    assert card.trouble == "options.path = '': expected a file"
    lines = card_lines(card, "here")
    assert lines["trouble"] == card.trouble
    assert lines["install"] == "pip install data"
    assert lines["options.path"] == "str, default '': where they should lie."
    console = Console(width=120)
    with console.capture() as shown:
        cards = [card, card_of("adding"), Card("gone", trouble="it is not installed")]
        console.print(cards_table(cards))
    for words in ("constant", "gone", "unread", "synthetic", "language"):
        assert words in shown.get()
    assert cards_notes(cards) == [
        "unread: options.path = '': expected a file",
        "gone: it is not installed",
        "pip install data  brings unread",
    ]


def test_ranges_and_choices_are_said_as_they_are_checked() -> None:
    texts = option_texts(Unread)
    assert texts["kind"] == "'a' or 'b', default 'a'"
    assert texts["share"] == "float > 0 and < 1, default 0.5"
