"""The one door to VGGish, Cnn14, CLAP and the starter judge: what each clip gives, in which order, prepared how."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from catalog.embedders import VGGish, panns, vggish
from catalog.embedders.panns import Cnn14
from catalog.embedders.published_weights import PublishedFile
from catalog.embedders.waveforms import prepare_as_vendored_tango
from catalog.errors import EmbedderError
from catalog.scores.extractors import Cnn14Extractor, Extractor, Heard, VGGishExtractor, as_extractor, hear
from catalog.scores.extractors import load_extractor as load
from generation.audio import Clip, resample
from tests.catalog.test_league import CELLS, LevelJudge, note

RATE_HZ = 16_000


def clip(seconds: float, seed: int, rate_hz: int = RATE_HZ, channels: int = 1) -> Clip:
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, round(seconds * rate_hz)))
    return Clip(noise.astype(np.float32), rate_hz)


@pytest.fixture(scope="module")
def cnn14() -> Cnn14:
    torch.manual_seed(0)
    return Cnn14().eval()


@pytest.fixture(scope="module")
def the_vggish() -> VGGish:
    torch.manual_seed(0)
    return VGGish()


def test_vggish_gives_a_row_for_each_whole_096_s_and_none_for_a_short_clip(the_vggish: VGGish) -> None:
    clips = [clip(2.0, 0), clip(0.5, 1), clip(1.0, 2, rate_hz=32_000, channels=2), clip(1.0, 3)]
    heard = VGGishExtractor(the_vggish).embed(clips)
    assert heard.counts.tolist() == [2, 0, 1, 1]
    assert heard.posteriors is None and heard.logits is None
    alone = [clips[0].mono(), resample(clips[2], RATE_HZ).mono(), clips[3].mono()]
    expected = np.concatenate([the_vggish.embed(wave) for wave in alone])
    assert heard.features == pytest.approx(expected, abs=1e-5 * float(np.abs(expected).max()))


def test_cnn14_hears_without_dc_and_at_least_two_seconds(cnn14: Cnn14) -> None:
    short, shifted = clip(1.0, 0), Clip(clip(1.0, 0).samples + np.float32(0.2), RATE_HZ)
    heard = Cnn14Extractor(cnn14).embed([short, clip(2.5, 1), shifted])
    features, logits = cnn14.embed(prepare_as_vendored_tango(short.mono()))
    assert heard.counts.tolist() == [1, 1, 1]
    assert heard.features[0] == pytest.approx(features, abs=1e-4 * float(features.max()))
    assert heard.logits is not None and heard.posteriors is not None
    assert heard.logits[0] == pytest.approx(logits, abs=1e-4 * float(np.abs(logits).max()))
    assert heard.features[2] == pytest.approx(features, abs=1e-3 * float(features.max()))
    assert not np.allclose(heard.features[1], features, rtol=1e-2)
    assert heard.posteriors.sum(axis=1) == pytest.approx(np.ones(3))


def test_a_starter_judge_is_an_extractor_with_a_joint_posterior() -> None:
    extractor = as_extractor(LevelJudge())
    assert (extractor.name, extractor.id, extractor.distance) == ("levels", "levels@1", "FAD")
    assert as_extractor(extractor) is extractor
    heard = hear(extractor, [note(CELLS[0], np.random.default_rng(0))])
    assert heard.posteriors is not None and heard.posteriors.shape == (1, 33)


def test_hearing_cuts_only_when_a_length_is_given() -> None:
    class Lengths:
        name, id, distance, protocol = "lengths", "lengths@1", "FD", "as it is"

        def embed(self, clips: Sequence[Clip]) -> Heard:
            rows = np.array([[one.duration_s] for one in clips], np.float32)
            return Heard(rows, np.ones(len(clips), np.int64))

    extractor: Extractor = Lengths()  # type: ignore[assignment]
    clips = [clip(0.1 * (1 + i % 3), i) for i in range(40)]
    assert hear(extractor, clips).features[:3, 0] == pytest.approx([0.1, 0.2, 0.3])
    assert set(hear(extractor, iter(clips), 0.15).features[:, 0].tolist()) == {np.float32(0.15)}
    assert len(hear(extractor, []).counts) == 0


@pytest.mark.parametrize(
    ("kind", "file", "holds"),
    [
        ("vggish", "vggish-10086976.pth", "18 tensors of 288.6 MB"),
        ("cnn14", "Cnn14_16k_mAP=0.438.pth", "84 tensors of 324.2 MB"),
    ],
)
def test_missing_weights_are_described(tmp_path: Path, kind: str, file: str, holds: str) -> None:
    for place in (tmp_path, tmp_path / file):
        with pytest.raises(EmbedderError) as told:
            load(kind, place)
        assert file in str(told.value) and holds in str(told.value)
        assert f"nightcrate models fetch {kind}, or get https://" in str(told.value) and "\n" not in str(told.value)


def test_another_extractor_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="'pann' is not known; use vggish or cnn14"):
        load("pann", tmp_path)


@pytest.mark.parametrize(
    ("network", "published"), [(VGGish, vggish.PUBLISHED), (Cnn14, panns.PUBLISHED)], ids=["vggish", "cnn14"]
)
def test_the_description_is_that_of_the_network(network: type[torch.nn.Module], published: PublishedFile) -> None:
    with torch.device("meta"):
        state = {name: tensor.shape for name, tensor in network().state_dict().items()}
    told = re.match(r"(\d+) tensors of ([\d.]+) MB.*such as (\S+) (\[.*\])$", published.holds)
    assert told is not None
    assert int(told[1]) == len(state)
    # All float32 but the batch counters, int64 and one number each.
    size = sum(8 if name.endswith("num_batches_tracked") else 4 * shape.numel() for name, shape in state.items())
    assert float(told[2]) == pytest.approx(size / 1e6, abs=0.05)
    assert str(list(state[told[3]])) == told[4]
