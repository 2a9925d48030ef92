"""Language tasks: the user's own text, the hub, words, and a source whose entropy is known."""

import importlib
import math
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_bench.errors import UsageError
from lstm_bench.families import Text
from lstm_bench.families.language import UNKNOWN
from lstm_bench.families.ngram import witten_bell_bits, witten_bell_table
from lstm_bench.families.scoring import score
from lstm_bench.task import UNSCORED
from lstm_bench_tasks.language import asv, hub
from lstm_bench_tasks.language.asv import AsvWords
from lstm_bench_tasks.language.hub import Hub
from lstm_bench_tasks.language.markov import CHANCES, Markov, chain
from lstm_bench_tasks.language.textfile import TextFile

calm = settings(deadline=None, max_examples=25)
RHYME = "Round and round the rugged rock the ragged rascal ran; how many rs are there in that? " * 60


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(RHYME, "utf-8")
    return path


def test_words_are_numbered_by_how_common_they_are_in_train_alone() -> None:
    text = Text.words({"train": "a b a b a c It's 12 12", "valid": "d a", "test": "b It's!"}, 10)
    assert text.alphabet == [UNKNOWN, "a", "b", "12"]
    assert text.decoded(text.parts["train"].tolist()) == "a b a b a <unk> <unk> 12 12"
    assert text.parts["valid"].tolist() == [0, 1]
    assert text.parts["test"].tolist() == [2, 0, 0]
    assert Text.words({"train": "a b a b a", "valid": "a", "test": "a"}, 2).vocab == 2


def test_the_words_of_the_bible_are_a_vocabulary_from_train_alone() -> None:
    text = asv.words(500)
    assert text.vocab == 500
    assert text.alphabet[1:4] == [",", "the", "and"]
    unknown = {split: float((part == 0).mean()) for split, part in text.parts.items()}
    assert unknown["train"] < unknown["test"]  # another register
    floors = AsvWords(vocabulary=500).floors(0)
    assert list(floors.values()) == sorted(floors.values(), reverse=True)
    assert next(iter(floors)) == "unigram"


def test_a_text_of_ones_own_is_its_characters_or_its_words(book: Path) -> None:
    characters, words = TextFile(path=str(book)), TextFile(path=str(book), by="words", vocabulary=12)
    assert (characters.goal.metric, words.goal.metric) == ("bpc", "perplexity")
    assert characters.signature.vocab == len(set(RHYME))
    assert words.signature.vocab == 12
    parts = characters.text().parts
    assert "".join(characters.text().decoded(parts[split].tolist()) for split in ("train", "valid", "test")) == RHYME
    assert characters.prepare() != words.prepare()


def test_a_file_is_read_again_only_when_it_has_changed(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, reads = TextFile(path=str(book)), []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: reads.append(self) or read(self))
    digest = task.prepare()
    list(task.batches("test", 4, 0))
    assert len(reads) == 1
    book.write_text(RHYME + "!", "utf-8")
    os.utime(book, (1, 1))
    assert task.prepare() != digest
    assert len(reads) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is no file to read (No such file or directory): expected a text file in UTF-8"),
        (b"", "is empty: expected a text file in UTF-8"),
        (b"abc\xff" * 99, "is not UTF-8 at byte 3: expected a text file in UTF-8"),
        (b"short", "the train part has 4 symbols, expected more than options.window = 32: take a longer text"),
    ],
    ids=["missing", "empty", "binary", "short"],
)
def test_a_text_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "text"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as error:
        TextFile(path=str(path)).prepare()
    assert words in str(error.value)
    assert "task 'textfile'" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_or_nothing_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder: expected a text file"):
        TextFile(path=str(tmp_path)).prepare()
    with pytest.raises(UsageError, match=r"options\.path is not given: expected a text file in UTF-8, such as --set"):
        TextFile().prepare()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    datasets = importlib.import_module("datasets")
    rows = {"train": RHYME * 2, "validation": RHYME.upper(), "test": RHYME[::-1]}
    splits = {name: datasets.Dataset.from_dict({"text": [text, ""], "n": [1, 2]}) for name, text in rows.items()}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "set")
    return tmp_path / "set"


def test_the_hubs_official_splits_are_used_as_they_are(saved: Path) -> None:
    text = Hub(dataset=str(saved)).text()
    assert text.decoded(text.parts["valid"].tolist()) == RHYME.upper() + "\n"
    assert text.decoded(text.parts["test"].tolist()) == RHYME[::-1] + "\n"
    assert Hub(dataset=str(saved)).prepare() == Hub(dataset=str(saved)).prepare()


def test_splits_that_a_data_set_lacks_are_cut_from_the_end_of_train(tmp_path: Path) -> None:
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines/train.txt").write_text(RHYME, "utf-8")
    text = Hub(dataset=str(tmp_path / "lines")).text()
    joined = "".join(text.decoded(text.parts[split].tolist()) for split in ("train", "valid", "test"))
    assert joined == RHYME
    assert len(text.parts["test"]) == pytest.approx(0.05 * len(RHYME), abs=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "options.dataset is not given: expected a name on the Hugging Face hub or a folder"),
        ({"column": "n"}, "options.column = 'n': expected one that holds text: text"),
        ({"dataset": "nobody/nothing-of-this-name"}, "cannot be had: expected a name on the Hugging Face hub"),
    ],
)
def test_what_the_hub_does_not_have_is_one_line(saved: Path, options: dict[str, str], words: str, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # no network in tests
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    given = {"dataset": str(saved), **options} if options else {}
    with pytest.raises(UsageError) as error:
        Hub(**given).prepare()
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_without_the_package_the_hub_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    load = importlib.import_module

    def missing(name: str, *rest: str):
        if name == "datasets":
            raise ImportError(name)
        return load(name, *rest)

    monkeypatch.setattr(hub.importlib, "import_module", missing)
    with pytest.raises(UsageError, match=r"is not installed: pip install 'lstm-bench\[hub\]'"):
        Hub(dataset="a").prepare()


@calm
@given(st.integers(2, 5), st.integers(1, 3), st.integers(0, 5), st.floats(0, 4))
def test_a_chain_is_walked_as_its_table_says(symbols: int, order: int, table: int, sharpness: float) -> None:
    source = chain(symbols, order, sharpness, table)
    torch.testing.assert_close(source.logs.exp().sum(1), torch.ones(symbols**order, dtype=torch.float64))
    after = source.after.view(symbols**order, CHANCES) // CHANCES
    for context in range(symbols**order):
        counts = Counter((after[context] % symbols).tolist())
        chances = [counts[symbol] / CHANCES for symbol in range(symbols)]
        np.testing.assert_allclose(chances, source.logs[context].exp())
        assert set((after[context] // symbols).tolist()) == {context % symbols ** (order - 1)}


def test_what_follows_a_context_is_as_often_as_its_chance() -> None:
    task = Markov(symbols=3, order=2, length=200)
    batch = next(task.batches("test", 1024, 0))
    assert (batch.targets[:, :2] == UNSCORED).all()
    assert torch.equal(batch.targets[:, 2:-1], batch.inputs[:, 3:])
    for context in range(9):
        here = (batch.inputs[:, 1:-1] * 3**0 + 3 * batch.inputs[:, :-2] == context) & (batch.targets[:, 1:-1] >= 0)
        shares = torch.bincount(batch.targets[:, 1:-1][here], minlength=3) / here.sum()
        torch.testing.assert_close(shares.double(), task.chain.logs[context].exp(), atol=0.01, rtol=0)


def test_the_excess_is_the_cross_entropy_less_the_entropy() -> None:
    task = Markov(symbols=4, order=1, length=3000)
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    batch = next(task.batches("test", 256, 0))
    output = logits[batch.inputs]
    tallies = task.tallies(output, batch)
    crossed = float(task.loss(output, batch))
    assert crossed == pytest.approx(tallies["excess"].value + tallies["entropy"].value, rel=0.005)
    assert task.tallies(task.oracle(batch), batch)["excess"].value == 0


def test_the_floors_of_a_chain_fall_with_the_order_they_count() -> None:
    floors = Markov(symbols=4, order=3).floors(0)
    assert list(floors) == ["uniform", "unigram", "n-gram 0-1", "n-gram 0-2"]
    assert list(floors.values()) == sorted(floors.values(), reverse=True)
    flat = Markov(symbols=4, order=1, sharpness=0.0)
    assert score(flat, lambda batch: torch.zeros(*batch.inputs.shape, 4), seed=0) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"symbols": 64, "order": 3}, "make 262144 contexts: expected at most 4096"),
        ({"order": 4, "symbols": 2, "length": 4}, "expected more than order = 4"),
    ],
)
def test_a_chain_too_large_or_too_short_is_refused(options: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Markov(**options)


@calm
@given(st.lists(st.integers(0, 2), min_size=6, max_size=60), st.integers(0, 2))
def test_a_table_of_n_grams_is_the_model_that_scores_a_text(symbols: list[int], order: int) -> None:
    train, test = np.array([symbols]), np.array([2, 0, 1, 1, 0, 2, 0])
    table = witten_bell_table(train, 3, order)
    np.testing.assert_allclose(table.sum(1), 1)
    bits = {
        n: witten_bell_bits(np.array(symbols, np.uint8), test.astype(np.uint8), 3, [n])[n] for n in range(order + 1)
    }
    whole = sum(
        -math.log2(
            witten_bell_table(train, 3, min(at, order))[
                int("0" + "".join(map(str, test[max(0, at - order) : at])), 3), test[at]
            ]
        )
        for at in range(1, len(test))
    )
    assert bits[order] == pytest.approx(whole / (len(test) - 1))
