"""Measured series: tensors of them, files of them, the sets that ship in packages, and what is refused."""

import gzip
import hashlib
import struct
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_bench.errors import UsageError
from lstm_bench.families.series import padded, patched, standardised
from lstm_bench.spec import RunSpec
from lstm_bench.task import make_task
from lstm_bench_tasks.classification import fashion, ucr
from lstm_bench_tasks.classification.fashion import FashionMnist
from lstm_bench_tasks.classification.series_file import SeriesFile
from lstm_bench_tasks.classification.ucr import Archive
from lstm_bench_tasks.synthetic.permuted import Permuted, permutation

lengths_of_series = st.lists(st.integers(1, 9), min_size=2, max_size=6)


def made(lengths: list[int], channels: int = 2) -> list[Any]:
    random = np.random.default_rng(0)
    return [random.normal(3, 2, (steps, channels)).astype(np.float32) for steps in lengths]


@given(lengths_of_series)
def test_padded_series_are_themselves_and_zeros_behind(lengths: list[int]) -> None:
    series = made(lengths)
    whole = padded(series, [0] * len(lengths))
    for at, one in enumerate(series):
        assert torch.equal(whole.inputs[at, : len(one)], torch.from_numpy(one))
        assert not whole.inputs[at, len(one) :].any()
    assert (whole.lengths is None) == (len(set(lengths)) == 1)
    assert whole.timesteps == sum(lengths)


@given(lengths_of_series)
def test_standardising_learns_from_the_valid_steps_of_train_alone(lengths: list[int]) -> None:
    train, other = padded(made(lengths), [0] * len(lengths)), padded(made([5]), [0])
    scaled = standardised({"train": train, "test": other})
    steps = scaled["train"].inputs[train.mask]
    if len(steps) > 1:
        assert steps.mean(0) == pytest.approx(0, abs=1e-5)
        assert steps.std(0, correction=0) == pytest.approx(1, abs=1e-5)
    assert not scaled["train"].inputs[~train.mask].any()
    raw = np.concatenate(made(lengths))
    spread = raw.std(0)
    expected = (other.inputs[0].numpy() - raw.mean(0)) / np.where(spread > 0, spread, 1)
    assert scaled["test"].inputs[0].numpy() == pytest.approx(expected, abs=1e-4)


def test_a_channel_that_never_changes_stays_finite() -> None:
    train = padded([np.full((4, 1), 7, np.float32)] * 3, [0, 1, 0])
    assert not standardised({"train": train})["train"].inputs.any()


@given(lengths_of_series, st.integers(1, 10))
def test_patches_are_the_steps_side_by_side(lengths: list[int], size: int) -> None:
    series = made(lengths)
    whole = patched(padded(series, [0] * len(lengths)), size)
    for at, one in enumerate(series):
        count = -(-len(one) // size)
        flat = whole.inputs[at, :count].flatten()
        assert torch.equal(flat[: one.size], torch.from_numpy(one).flatten())
        assert not flat[one.size :].any()
        assert whole.lengths is None or whole.lengths[at] == count


ARCHIVES: list[type[Archive]] = [
    ucr.Acsf1,
    ucr.ArrowHead,
    ucr.BasicMotions,
    ucr.GunPoint,
    ucr.ItalyPower,
    ucr.JapaneseVowels,
    ucr.OsuLeaf,
    ucr.Plaid,
]


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda archive: archive.name)
def test_an_archive_is_the_one_that_sktime_reads(archive: type[Archive]) -> None:
    import sktime
    from sktime.datasets import load_from_tsfile

    folder = Path(sktime.__file__).parent / "datasets" / "data" / archive.folder
    for part, split in zip(ucr.read(archive.name, archive.folder, archive.sha256), ("TRAIN", "TEST"), strict=True):
        series, labels = load_from_tsfile(folder / f"{archive.folder}_{split}.ts", return_data_type="nested_univ")
        names = sorted(set(labels))
        order = sorted(names, key=float) if names[0].isdigit() else names
        assert [order[label] for label in part.labels.tolist()] == labels.tolist()
        assert len(order) == archive.classes
        for at in (0, len(part) - 1):
            right = np.stack([np.asarray(channel, np.float32) for channel in series.iloc[at]], axis=1)
            steps = part.inputs.shape[1] if part.lengths is None else int(part.lengths[at])
            assert part.inputs[at, :steps].numpy() == pytest.approx(right)


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda archive: archive.name)
def test_valid_is_carved_off_train_and_test_is_the_official_one(archive: type[Archive]) -> None:
    task = archive(patch=1, standardise=False)
    train, test = ucr.read(archive.name, archive.folder, archive.sha256)
    for seed in (0, 1):
        parts = task.parts(seed)
        assert torch.equal(parts["test"].inputs, test.inputs)
        assert len(parts["train"]) + len(parts["valid"]) == len(train)
        both = torch.cat([parts["train"].inputs.sum((1, 2)), parts["valid"].inputs.sum((1, 2))])
        assert torch.equal(both.sort().values, train.inputs.sum((1, 2)).sort().values)
    assert not torch.equal(task.parts(0)["valid"].inputs, task.parts(1)["valid"].inputs)


def test_another_file_of_sktime_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ucr.GunPoint, "sha256", ("0" * 64, "0" * 64))
    with pytest.raises(UsageError, match=r"^sktime's GunPoint_TRAIN\.ts has sha256 f84240\w+, expected 0000"):
        ucr.GunPoint().prepare()


ROWS = [
    "series,step,x,y,label",
    *(f"s{n},{t},{n * t},{n - t},{'ab'[n % 2]}" for n in range(10) for t in range(3 + n % 3)),
]


def table(tmp_path: Path, lines: list[str], name: str = "waves.csv") -> SeriesFile:
    path = tmp_path / name
    path.write_text("\n".join(lines))
    return SeriesFile(path=str(path))


def test_a_table_of_long_form_is_read_whatever_the_order_of_its_rows(tmp_path: Path) -> None:
    task = table(tmp_path, ROWS)
    mixed = table(
        tmp_path, [ROWS[0], *sorted(ROWS[1:], key=lambda row: hashlib.sha256(row.encode()).digest())], "mixed.csv"
    )
    for one in (task, mixed):
        assert one.signature.features == 2
        assert one.classes == 2
        parts = one.splits(0)
        assert {split: len(part) for split, part in parts.items()} == {"train": 6, "valid": 2, "test": 2}
        found = {
            tuple(map(tuple, part.inputs[at, : int(part.lengths[at])].tolist()))
            for part in parts.values()
            if part.lengths is not None
            for at in range(len(part))
        }
        assert found == {tuple((float(n * t), float(n - t)) for t in range(3 + n % 3)) for n in range(10)}
    assert task.prepare() != mixed.prepare()


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    task = table(tmp_path, ROWS)
    pd.read_csv(tmp_path / "waves.csv").to_parquet(tmp_path / "waves.parquet")
    other = SeriesFile(path=str(tmp_path / "waves.parquet"))
    for split in ("train", "valid", "test"):
        assert torch.equal(task.parts(3)[split].inputs, other.parts(3)[split].inputs)
        assert torch.equal(task.parts(3)[split].labels, other.parts(3)[split].labels)


def test_columns_may_be_called_anything_and_some_be_left_out(tmp_path: Path) -> None:
    lines = [ROWS[0].replace("series", "who").replace("step", "when").replace("label", "what"), *ROWS[1:]]
    path = table(tmp_path, lines).path
    task = SeriesFile(path=path, series="who", step="when", label="what", channels="y")
    assert task.signature.features == 1


def test_splits_that_a_column_names_are_those(tmp_path: Path) -> None:
    lines = [f"{ROWS[0]},split"]
    for row in ROWS[1:]:
        number = int(row.split(",")[0][1:])
        lines.append(f"{row},{'test' if number > 7 else 'train'}")
    parts = table(tmp_path, lines).splits(0)
    assert sorted(parts["test"].inputs[:, 1, 0].tolist()) == [8.0, 9.0]
    assert len(parts["train"]) + len(parts["valid"]) == 8


TS = ["@timeStamps false", "@classLabel true a b", "@data", *(f"{n},{n + 1},{n + 2}:{'ab'[n % 2]}" for n in range(10))]


def test_a_ts_file_finds_its_test_beside_it(tmp_path: Path) -> None:
    alone = table(tmp_path, TS, "own.ts")
    assert len(alone.splits(0)["test"]) == 2
    train = table(tmp_path, TS, "X_TRAIN.ts")
    table(tmp_path, TS[:5], "X_TEST.ts")
    assert len(train.splits(0)["test"]) == 2
    assert len(train.splits(0)["train"]) + len(train.splits(0)["valid"]) == 10
    assert len(SeriesFile(path=alone.path, test=train.path).splits(0)["test"]) == 10


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    task = table(tmp_path, ROWS)
    before, digest = task.parts(0)["train"].inputs.clone(), task.prepare()
    table(tmp_path, [ROWS[0], *(row.replace(",a", ",b") if row.startswith("s0") else row for row in ROWS[1:-1])])
    assert task.prepare() != digest
    assert task.parts(0)["train"].inputs.shape != before.shape or not torch.equal(task.parts(0)["train"].inputs, before)


def swapped(number: int, line: str) -> list[str]:
    return [*ROWS[:number], line, *ROWS[number + 1 :]]


@pytest.mark.parametrize(
    ("lines", "name", "said"),
    [
        ([], "a.csv", r"a\.csv is no table: No columns to parse"),
        (ROWS[:1], "a.csv", r"a\.csv has no rows: expected one for each step"),
        (["a,b", "1,2"], "a.csv", r"a\.csv has no column 'series': expected it, or its name .*there are 'a', 'b'"),
        (["series,step,label", "1,2,3"], "a.csv", r"a\.csv has no column of values besides"),
        (swapped(2, "s0,1,oops,0,a"), "a.csv", r"a\.csv, row 2: x = oops: expected a finite number"),
        (swapped(2, "s0,1,,0,a"), "a.csv", r"a\.csv, row 2: x = nan: expected a finite number"),
        (swapped(2, "s0,1,inf,0,a"), "a.csv", r"a\.csv, row 2: x = inf: expected a finite number"),
        (swapped(2, "s0,1,1,0,"), "a.csv", r"a\.csv, row 2 has no label: expected one in every row"),
        (swapped(2, "s0,0,1,0,a"), "a.csv", r"a\.csv, series 's0' has two rows of the same step"),
        (swapped(2, "s0,1,1,0,b"), "a.csv", r"a\.csv, series 's0' has 'a' and 'b' as label: expected one"),
        ([row.replace(",b", ",a") for row in ROWS], "a.csv", r"a\.csv has only the label 'a' in train: expected two"),
        ([*ROWS, "s99,0,1,1,c"], "a.csv", r"a\.csv has 1 series of class 'c' in train: expected 3 or more"),
        ([ROWS[0] + ",split", *(f"{row},tset" for row in ROWS[1:])], "a.csv",
         r"a\.csv, series 's0' is in split 'tset': expected one of train, valid, test"),
        ([ROWS[0] + ",split", *(f"{row},test" for row in ROWS[1:])], "a.csv", r"a\.csv has no series in train, only"),
        ([ROWS[0] + ",split", *(f"{row},train" for row in ROWS[1:]), "z,0,1,1,q,test"], "a.csv",
         r"a\.csv, series 'z' has the label 'q', never seen in train: expected one of a, b"),
        (ROWS, "a.txt", r"a\.txt is of no known kind: expected a file \.ts, \.csv"),
        ([], "a.ts", r"a\.ts has no line @data: expected a \.ts file"),
        (["1,2:a"], "a.ts", r"a\.ts, line 1: '1,2:a' stands before @data"),
        (["@timeStamps true", "@data", "1:a"], "a.ts", r"a\.ts has time stamps"),
        (["@targetLabel true", "@data", "1:2.5"], "a.ts", r"a\.ts has no class labels"),
        ([*TS, "1,2,3"], "a.ts", r"a\.ts, line 14: no colon: expected values, a colon and a label"),
        ([*TS, "1,two,3:a"], "a.ts", r"a\.ts, line 14: could not convert string to float: .*two.*expected numbers"),
        ([*TS, "1,?,3:a"], "a.ts", r"a\.ts, line 14 has no finite number at step 2, channel 1: fill it in"),
        ([*TS, "1,2:1:a"], "a.ts", r"a\.ts, line 14: channels of 2, 1 steps: expected as many in each"),
        ([*TS, "1,2:1,2:a"], "a.ts", r"a\.ts, line 14 has 2 channels: expected 1, as a\.ts, line 4 has"),
        (TS[:3], "a.ts", r"a\.ts has no series in train: expected two classes or more"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_learnt_from_is_refused_in_one_line(
    lines: list[str], name: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        table(tmp_path, lines, name).prepare()
    assert "\n" not in str(caught.value)


def test_what_is_no_file_or_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"options\.path is not given: expected a file \(\.ts, \.csv"):
        SeriesFile().prepare()
    with pytest.raises(UsageError, match=r"no file .*nowhere\.csv to read \(No such file"):
        SeriesFile(path=str(tmp_path / "nowhere.csv")).prepare()
    for name in ("bytes.csv", "bytes.ts"):
        (tmp_path / name).write_bytes(b"series,step\xff\xfe\n1,2")
        with pytest.raises(UsageError, match=r"is not UTF-8 at byte 11"):
            SeriesFile(path=str(tmp_path / name)).prepare()
    (tmp_path / "bytes.parquet").write_bytes(b"no parquet")
    with pytest.raises(UsageError, match=r"^bytes\.parquet is no table: "):
        SeriesFile(path=str(tmp_path / "bytes.parquet")).prepare()
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError, match=r"folder\.csv cannot be read: Is a directory"):
        SeriesFile(path=str(tmp_path / "folder.csv")).prepare()


def test_test_has_the_channels_of_train(tmp_path: Path) -> None:
    train = table(tmp_path, TS, "X_TRAIN.ts")
    table(tmp_path, [*TS[:3], "1,2:3,4:a"], "X_TEST.ts")
    with pytest.raises(UsageError, match=r"^X_TEST\.ts, line 4 has 2 channels: expected 1, as train has"):
        train.prepare()


@settings(max_examples=20)
@given(st.integers(1, 60), st.integers(0, 5))
def test_a_permutation_has_every_step_once_and_depends_on_its_order_alone(steps: int, order: int) -> None:
    found = permutation(steps, order)
    assert sorted(found.tolist()) == list(range(steps))
    assert torch.equal(found, permutation(steps, order))


def test_permuted_is_the_other_task_with_its_steps_in_one_order() -> None:
    plain = make_task(RunSpec(task="digits", options={"by": "pixels"}))
    task = Permuted(of="digits", options="by = pixels", order=3)
    order = permutation(64, 3)
    for split in ("train", "valid", "test"):
        for one, other in zip(*(islice(each.batches(split, 16, 5), 3) for each in (task, plain)), strict=True):
            assert torch.equal(one.inputs, other.inputs[:, order])
            assert torch.equal(one.targets, other.targets)
    assert not torch.equal(order, permutation(64, 4))
    assert task.goal == plain.goal
    assert type(task.wraps[0]) is type(plain)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"of": "asv-words", "options": ""}, "'asv-words' answers at every step"),
        ({"of": "japanese-vowels", "options": ""}, "'japanese-vowels' differ in length"),
        ({"of": "permuted", "options": ""}, "'permuted': expected another task"),
        ({"of": "digitz", "options": ""}, "digitz.*Did you mean 'digits'"),
        ({"of": "digits", "options": "by"}, "options.options = 'by': expected names with values"),
        ({"of": "digits", "options": "by = columns"}, "options.by"),
    ],
)
def test_what_cannot_be_permuted_is_refused_in_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Permuted(**options).prepare()
    assert "\n" not in str(caught.value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four files in MNIST's format: 40 training images and 10 others."""
    random = np.random.default_rng(0)
    digests = {}
    for part, count in (("train", 40), ("t10k", 10)):
        for name, values in (
            (f"{part}-images-idx3-ubyte", random.integers(0, 256, (count, 28, 28), np.uint8)),
            (f"{part}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10),
        ):
            shape = struct.pack(f">{values.ndim}I", *values.shape)
            content = bytes([0, 0, 8, values.ndim]) + shape + values.tobytes()
            digests[name] = hashlib.sha256(content).hexdigest()
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setattr(fashion, "SHA256", digests)
    monkeypatch.setattr(fashion, "FLOOR", 20)
    fashion.read.cache_clear()
    return tmp_path


def test_fashion_is_read_from_any_folder_packed_or_not(folder: Path) -> None:
    rows = FashionMnist(path=str(folder))
    packed = rows.parts(0)["test"].inputs.clone()
    for file in folder.glob("*.gz"):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()
    fashion.read.cache_clear()
    fashion.split.cache_clear()
    assert torch.equal(rows.parts(0)["test"].inputs, packed)
    pixels = FashionMnist(path=str(folder), by="pixels").parts(0)
    permuted = FashionMnist(path=str(folder), by="permuted").parts(0)
    assert torch.equal(pixels["test"].inputs[..., 0], packed.flatten(1))
    assert torch.equal(permuted["test"].inputs[..., 0], packed.flatten(1)[:, permutation(784, 0)])
    batch = next(rows.batches("test", 4, 0))
    assert batch.inputs.dtype == torch.float32
    assert batch.inputs.shape == (4, 28, 28)
    assert float(batch.inputs.max()) <= 1.0
    assert len(rows.parts(0)["train"]) == 40 - 10 * round(0.1 * 4)


def test_fashion_that_is_missing_or_another_is_refused_with_the_way_out(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be read \(No such file.*apt-get install dataset-fashion-mnist"):
        FashionMnist(path=str(folder / "nowhere")).prepare()
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\0"))
    with pytest.raises(UsageError, match=r"train-labels-idx1-ubyte has sha256"):
        FashionMnist(path=str(folder)).prepare()
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(b"no gzip")
    with pytest.raises(UsageError, match=r"train-labels-idx1-ubyte\[\.gz\] cannot be read \(Not a gzipped file"):
        FashionMnist(path=str(folder)).prepare()
