from itertools import islice, takewhile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_bench.families import Text
from lstm_bench.task import UNSCORED, Batch, Split

calm = settings(deadline=None)
splits = st.sampled_from(["train", "valid", "test"])
texts = st.text("abcde", min_size=40, max_size=200).map(Text.characters)  # 40: two symbols in the smallest split
sizes, windows = st.integers(1, 7), st.integers(1, 9)


def whole(text: Text) -> np.ndarray:
    return np.concatenate([text.parts[split] for split in ("train", "valid", "test")])


def epoch(text: Text, split: Split, batch_size: int, window: int) -> list[Batch]:
    """All batches until the state is dropped, or there are no more."""
    stream = text.batches(split, batch_size, window)
    return [next(stream), *takewhile(lambda batch: batch.carry, stream)]


def equal(one: Batch, other: Batch) -> bool:
    same = torch.equal(one.inputs, other.inputs) and torch.equal(one.targets, other.targets)
    return same and one.carry == other.carry


@calm
@given(st.text(min_size=1, max_size=200))
def test_symbols_are_the_characters_by_code_point(written: str) -> None:
    text, alphabet = Text.characters(written), sorted(set(written))
    assert text.vocab == len(alphabet)
    assert "".join(alphabet[symbol] for symbol in whole(text)) == written
    assert text.decoded(whole(text).tolist()) == written


@calm
@given(texts)
def test_the_splits_are_the_text_cut_in_three(text: Text) -> None:
    parts = [text.parts[split] for split in ("train", "valid", "test")]
    assert sum(map(len, parts)) == len(whole(text))
    for part, share in zip(parts, (0.9, 0.05, 0.05), strict=True):
        assert abs(len(part) - share * len(whole(text))) <= 1


@calm
@given(texts, splits, sizes, windows)
def test_every_symbol_but_the_first_is_scored_once_an_epoch(
    text: Text, split: Split, batch_size: int, window: int
) -> None:
    batches, part = epoch(text, split, batch_size, window), text.parts[split]
    inputs = torch.cat([batch.inputs for batch in batches], dim=1).flatten()
    targets = torch.cat([batch.targets for batch in batches], dim=1).flatten()
    scored = targets != UNSCORED
    assert targets[scored].tolist() == part[1:].tolist()  # the readers' stretches, one after the other
    assert inputs[scored].tolist() == part[:-1].tolist()
    assert not scored[len(part) - 1 :].any()  # so all that is not scored lies at the end
    assert inputs.dtype == targets.dtype == torch.int64


@calm
@given(texts, splits, sizes, windows)
def test_batches_are_of_one_size_and_windows_whole_but_the_last(
    text: Text, split: Split, batch_size: int, window: int
) -> None:
    *whole, last = epoch(text, split, batch_size, window)
    assert {batch.inputs.shape for batch in whole} <= {(batch_size, window)}
    assert last.inputs.shape[0] == batch_size
    assert 1 <= last.inputs.shape[1] <= window
    assert all((batch.targets != UNSCORED).any() for batch in (*whole, last))  # a mean over nothing is no loss


@calm
@given(texts, sizes, windows, st.integers(0, 20))
def test_train_begins_again_without_state_for_ever(text: Text, batch_size: int, window: int, start: int) -> None:
    batches = epoch(text, "train", batch_size, window)
    for k, batch in enumerate(islice(text.batches("train", batch_size, window, start), 2 * len(batches)), start):
        assert equal(batch, batches[k % len(batches)])
        assert batch.carry == (k % len(batches) > 0)


@calm
@given(texts, st.sampled_from(["valid", "test"]), sizes, windows, st.integers(0, 9))
def test_the_others_end_after_one_epoch(text: Text, split: Split, batch_size: int, window: int, start: int) -> None:
    batches = epoch(text, split, batch_size, window)
    rest = list(text.batches(split, batch_size, window, start))
    assert len(rest) == max(0, len(batches) - start)
    assert all(equal(one, other) for one, other in zip(rest, batches[start:], strict=True))


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_split_worked_by_hand(split: Split) -> None:
    symbols = np.arange(100, dtype=np.uint8)
    pieces = zip(("train", "valid", "test"), np.split(symbols, [90, 95]), strict=True)
    text = Text(dict(pieces), list(map(str, range(100))))
    first = {"train": 0, "valid": 90, "test": 95}[split]
    batch = next(text.batches(split, 2, 2))
    stride = {"train": 45, "valid": 2, "test": 2}[split]  # 89 targets for two readers, or 4
    assert batch.inputs.tolist() == [[first, first + 1], [first + stride, first + stride + 1]]
    assert torch.equal(batch.targets, batch.inputs + 1)
