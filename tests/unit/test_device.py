import os
from contextlib import suppress
from typing import Any

import pytest
import torch

from lstm_bench import device
from lstm_bench.device import FASTER_FROM, deterministic, resolved_device, resolved_precision
from lstm_bench.errors import UsageError
from lstm_bench.evaluation import autocast
from lstm_bench.model import SequenceModel
from lstm_bench.spec import ModelSpec, RunSpec, TrainSpec
from lstm_bench.task import Signature

CARD = {"driver": "1", "gpus": ["a card"]}


@pytest.mark.parametrize(
    ("cuda", "mps", "cards", "visible", "expected"),
    [
        (False, False, CARD, None, "cpu"),
        (True, False, {}, None, "cpu"),
        (True, False, {"driver": "1", "gpus": []}, None, "cpu"),
        (True, False, CARD, None, "cuda"),
        (True, False, CARD, "0,1", "cuda"),
        (True, False, CARD, "", "cpu"),
        (True, False, CARD, "-1", "cpu"),
        (False, True, {}, None, "mps"),
    ],
)
def test_auto_is_a_card_where_there_is_one(
    cuda: bool, mps: bool, cards: Any, visible: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: mps)
    monkeypatch.setattr(device, "cards", lambda: cards)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert resolved_device("auto") == expected
    assert not torch.cuda.is_initialized()


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_torch_is_built_without_is_refused(name: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getattr(torch.backends, name), "is_built", lambda: False)
    with pytest.raises(UsageError, match=f"^device = '{name}': torch .* is built without {name.upper()}: install"):
        resolved_device(name)


@pytest.mark.parametrize(
    ("asked", "native", "model", "expected"),
    [
        ("auto", True, ModelSpec(hidden=64), "bfloat16"),
        ("auto", True, ModelSpec(hidden=63), "float32"),
        ("auto", False, ModelSpec(hidden=512), "float32"),
        ("auto", True, ModelSpec(cell="gru", hidden=256), "float32"),
        ("auto", True, ModelSpec(cell="gru", hidden=512), "bfloat16"),
        ("auto", True, ModelSpec(cell="peephole", hidden=512), "float32"),
        ("auto", True, ModelSpec(cell="mine:Cell", hidden=512), "float32"),
        ("auto", True, None, "float32"),
        ("bfloat16", False, None, "bfloat16"),
        ("float32", True, ModelSpec(hidden=512), "float32"),
    ],
)
def test_auto_is_bfloat16_where_that_is_known_to_be_faster(
    asked: Any, native: bool, model: ModelSpec | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "has_native_bfloat16", lambda _: native)
    assert resolved_precision(asked, "cpu", model) == expected


@pytest.mark.parametrize("kind", ["seeded", "strict"])
def test_strict_lasts_as_long_as_the_run(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    inside = []
    with suppress(RuntimeError), deterministic(RunSpec(task="adding", determinism=kind)):
        inside.append(torch.are_deterministic_algorithms_enabled())
        raise RuntimeError("the run broke")
    assert (inside, torch.are_deterministic_algorithms_enabled()) == ([kind == "strict"], False)
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == (":4096:8" if kind == "strict" else None)


@pytest.mark.parametrize("cell", sorted(FASTER_FROM))
def test_what_auto_takes_to_bfloat16_learns_the_same_in_it(cell: str) -> None:
    torch.manual_seed(0)
    model = SequenceModel(Signature(features=3, outputs=2, every_step=True), ModelSpec(cell=cell, hidden=32, layers=2))
    x_BTF, found = torch.randn(8, 20, 3), []
    for precision in ("float32", "bfloat16"):
        model.zero_grad()
        with autocast(torch.device("cpu"), TrainSpec(precision=precision)):  # type: ignore[arg-type]
            output, _ = model(x_BTF)
        output.float().square().mean().backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        found.append((output.detach().float().flatten(), gradient))
    for exact, rounded in zip(*found, strict=True):
        assert exact.dtype == rounded.dtype == torch.float32
        assert not torch.equal(exact, rounded)
        assert torch.cosine_similarity(exact, rounded, dim=0) > 0.99
