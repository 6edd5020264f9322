"""Do the scores say what ears say? Real one-shots, spoilt step by step and asked for by the wrong name.

By the starter judge (FAD) and in the starter CLAP's space (FD) the Frechet distance from the untouched half grows with
every step of every kind of damage, and the sounds of the family that was asked for score better than those of other
families, also by KL. Figures with -s.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from catalog.embedders import load_embedder
from catalog.embedders.judge import Judge
from catalog.scores.extractors import ClapExtractor, Extractor, Heard, as_extractor, hear
from catalog.scores.frechet import frechet_distance
from catalog.scores.kl import label_matched_kls
from generation.audio import Clip, resample
from generation.codecs.varispeed import varispeed
from tests.accuracy.real_oneshots import recorded

pytestmark = pytest.mark.slow
RATE_HZ, LENGTH_S = 16_000, 1.0
FEWEST = 12  # recordings of a family, or it is left out of the comparison of families

Damage = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def wave_of(clip: Clip) -> np.ndarray:
    """The first second at 16 kHz, float32, peak 0.5."""
    wave = resample(clip, RATE_HZ).mono()[: round(LENGTH_S * RATE_HZ)]
    wave = np.pad(wave, (0, round(LENGTH_S * RATE_HZ) - len(wave)))
    return (0.5 * wave / max(1e-9, float(np.abs(wave).max()))).astype(np.float32)


def noise(wave: np.ndarray, level_db: float, rng: np.random.Generator) -> np.ndarray:
    return wave + 0.5 * 10 ** (level_db / 20) * rng.standard_normal(len(wave))


def low_pass(wave: np.ndarray, hz: float, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(sosfilt(butter(6, hz, fs=RATE_HZ, output="sos"), wave))


def pitch_jitter(wave: np.ndarray, semitones: float, rng: np.random.Generator) -> np.ndarray:
    """Every note off by up to so many semitones, played at another speed."""
    moved = varispeed(wave, float(rng.uniform(-semitones, semitones)), RATE_HZ)[: len(wave)]
    return np.pad(moved, (0, len(wave) - len(moved)))


def few_bits(wave: np.ndarray, bits: float, rng: np.random.Generator) -> np.ndarray:
    return np.round(wave * 2 ** (bits - 1)) / 2 ** (bits - 1)


def guessed_phase(wave: np.ndarray, iterations: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitudes kept, phases found by so many rounds of Griffin and Lim from random ones."""
    from librosa import griffinlim, stft

    magnitude = np.abs(stft(wave, n_fft=512, hop_length=256))
    return griffinlim(magnitude, n_iter=int(iterations), hop_length=256, n_fft=512, length=len(wave), random_state=0)


KINDS: dict[str, tuple[Damage, tuple[float, ...]]] = {
    "noise, dB re peak": (noise, (-50.0, -40.0, -30.0, -20.0)),
    "low-pass, Hz": (low_pass, (4000.0, 2000.0, 1000.0, 500.0)),
    "pitch jitter, semitones": (pitch_jitter, (6.0, 12.0, 18.0)),
    "bits": (few_bits, (8.0, 6.0, 4.0)),
    "Griffin-Lim rounds": (guessed_phase, (32.0, 4.0, 0.0)),
}


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@pytest.fixture(scope="module", params=["judge", "clap"])
def listener(request: pytest.FixtureRequest) -> Extractor:
    return as_extractor(Judge()) if request.param == "judge" else ClapExtractor(load_embedder("starter"))


@pytest.fixture(scope="module")
def halves(oneshots: Path) -> tuple[list[np.ndarray], list[str], list[np.ndarray], list[str]]:
    """Waves and families of the half to compare with, and of the half that is spoilt."""
    real, tried = recorded(oneshots, "development"), recorded(oneshots, "once")
    return (
        [wave_of(s.clip()) for s in real], [s.family for s in real],
        [wave_of(s.clip()) for s in tried], [s.family for s in tried],
    )  # fmt: skip


def listen(judge: Judge | Extractor, waves: list[np.ndarray]) -> Heard:
    return hear(judge, (Clip(wave.astype(np.float32)[None], RATE_HZ) for wave in waves), LENGTH_S)


@pytest.mark.parametrize("kind", KINDS)
def test_the_distance_grows_with_every_step_of_damage(listener: Extractor, halves, kind: str) -> None:  # type: ignore[no-untyped-def]
    damage, steps = KINDS[kind]
    reference = listen(listener, halves[0]).features
    figures = [frechet_distance(listen(listener, halves[2]).features, reference)]
    for amount in steps:
        rng = np.random.default_rng(5)
        spoilt = [damage(wave, amount, rng) for wave in halves[2]]
        figures.append(frechet_distance(listen(listener, spoilt).features, reference))
    told = ", ".join(f"{amount:g}: {value:.3g}" for amount, value in zip(steps, figures[1:], strict=True))
    name = f"{listener.distance} [{listener.name}]"
    print(f"\n{name} of {len(halves[2])} one-shots, untouched {figures[0]:.3g}; {kind} {told}")
    assert all(later > earlier for earlier, later in zip(figures, figures[1:], strict=False))


def test_sounds_of_the_family_that_was_asked_for_score_better(judge: Judge, halves) -> None:  # type: ignore[no-untyped-def]
    real, real_families, tried, tried_families = halves
    real_heard, tried_heard = listen(judge, real), listen(judge, tried)
    ear = ClapExtractor(load_embedder("starter"))
    in_clap = listen(ear, real).features, listen(ear, tried).features
    real_names, tried_names = np.array(real_families), np.array(tried_families)
    families = [
        family for family in sorted(set(real_families))
        if min((real_names == family).sum(), (tried_names == family).sum()) >= FEWEST
    ]  # fmt: skip

    def distances(real_features: np.ndarray, tried_features: np.ndarray) -> np.ndarray:
        return np.array([
            [
                frechet_distance(tried_features[tried_names == made], real_features[real_names == asked])
                for made in families
            ]
            for asked in families
        ])  # fmt: skip

    kls = np.array([
        [
            label_matched_kls(
                np.tile(real_heard.posteriors[real_names == asked].mean(axis=0), ((tried_names == made).sum(), 1)),
                tried_heard.posteriors[tried_names == made],
            ).mean()
            for made in families
        ]
        for asked in families
    ])  # fmt: skip
    tables = {
        "FAD [starter]": distances(real_heard.features, tried_heard.features),
        f"FD [{ear.name}]": distances(*in_clap),
        "KL [starter]": kls,
    }
    for name, table in tables.items():
        own, rest = np.diag(table), table[~np.eye(len(families), dtype=bool)].reshape(len(families), -1)
        better = (own[:, None] < rest).mean()
        print(
            f"\n{name}, {len(families)} families: own {own.mean():.3g}, others {rest.mean():.3g}; "
            f"own beats another in {100 * better:.1f} % of {rest.size} pairs, is the best of all in "
            f"{int((own < rest.min(axis=1)).sum())} of {len(families)}"
        )
        assert own.mean() < rest.mean()
        assert better >= 0.85
