"""The judge saves, loads and judges; batch size and neighbours do not change a verdict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from catalog.embedders.judge import Judge, save_judge
from catalog.embedders.judge_net import JudgeNet
from catalog.errors import EmbedderError
from generation.audio import Clip


def _clips(count: int) -> list[Clip]:
    t = np.arange(16_000) / 16_000
    return [Clip(np.sin(2 * np.pi * (200 + 90 * i) * t)[None].astype(np.float32), 16_000) for i in range(count)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_judge(JudgeNet((4, 8, 8), embedding_dim=6).eval(), tmp_path / "judge")
    return tmp_path / "judge"


def test_posteriors_are_probabilities_in_nsynths_order(folder: Path) -> None:
    heads, embedding = Judge(folder).posteriors(_clips(3))
    assert heads["source"].shape == (3, 3) and heads["family"].shape == (3, 11) and heads["qualities"].shape == (3, 10)
    np.testing.assert_allclose(heads["source"].sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(heads["family"].sum(axis=1), 1, atol=1e-5)
    assert np.all((heads["qualities"] > 0) & (heads["qualities"] < 1))
    assert embedding.shape == (3, 6) and embedding.dtype == np.float32 and np.all(embedding >= 0)


def test_a_clip_is_judged_alike_alone_and_among_others(folder: Path) -> None:
    judge = Judge(folder)
    clips = _clips(40)
    together = judge.posteriors(clips)[0]["family"]
    alone = judge.posteriors(clips[37:38])[0]["family"]
    np.testing.assert_allclose(together[37:38], alone, atol=1e-5)


def test_a_gpu_would_not_round_to_tf32(folder: Path) -> None:
    judge, allowed = Judge(folder), []
    judge._net.register_forward_pre_hook(lambda _, __: allowed.append(torch.backends.cudnn.conv.fp32_precision))
    usual = torch.backends.cudnn.conv.fp32_precision
    judge.posteriors(_clips(2))
    assert allowed == ["ieee"] and torch.backends.cudnn.conv.fp32_precision == usual


def test_no_clips_give_empty_arrays(folder: Path) -> None:
    heads, embedding = Judge(folder).posteriors([])
    assert heads["family"].shape == (0, 11) and embedding.shape == (0, 6)


def test_the_name_changes_with_the_weights(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    save_judge(JudgeNet((4, 8, 8), embedding_dim=6), tmp_path / "other")
    assert Judge(folder).id == Judge(folder).id != Judge(tmp_path / "other").id


def test_a_missing_or_damaged_judge_is_named_in_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="no judge at"):
        Judge(tmp_path / "nowhere")
    (folder / "model.safetensors").write_bytes(b"garbage")
    with pytest.raises(EmbedderError, match="nightcrate train judge"):
        Judge(folder)
