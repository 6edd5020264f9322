"""Griffin-Lim: the same waves as librosa's, finite on silence, indifferent to the batch."""

from __future__ import annotations

import librosa
import numpy as np
import torch

from generation.codecs.phase import griffin_lim, seeded_phase

N_FFT, HOP, LENGTH = 512, 256, 16128


def tone(frequency_hz: float) -> np.ndarray:
    time_s = np.arange(LENGTH) / 16000
    wave = sum(np.sin(2 * np.pi * frequency_hz * k * time_s) / k for k in (1, 2, 3))
    return (0.2 * wave * np.exp(-3 * time_s)).astype(np.float32)


def magnitudes(*frequencies_hz: float) -> torch.Tensor:
    spectra = [np.abs(librosa.stft(tone(f), n_fft=N_FFT, hop_length=HOP)) for f in frequencies_hz]
    return torch.from_numpy(np.stack(spectra)).float()


def phase(seed: int, rows: int = 257, columns: int = 64) -> torch.Tensor:
    return seeded_phase([torch.Generator().manual_seed(seed)], rows, columns)


class FixedDraws(np.random.RandomState):
    """A random state whose draw is the given initial phase, so that both algorithms start alike."""

    def __init__(self, draws: np.ndarray) -> None:
        super().__init__(0)
        self.draws = draws

    def random(self, size: tuple[int, ...] | None = None) -> np.ndarray:  # type: ignore[override]
        return self.draws.reshape(size)


def test_equals_librosa_from_the_same_initial_phase() -> None:
    magnitude, start = magnitudes(220.0), phase(3)
    ours = griffin_lim(magnitude, start, hop_length=HOP, length=LENGTH, iterations=16)[0].numpy()
    theirs = librosa.griffinlim(
        magnitude[0].double().numpy(),
        n_iter=16,
        hop_length=HOP,
        n_fft=N_FFT,
        momentum=0.99,
        length=LENGTH,
        dtype=np.float64,
        random_state=FixedDraws((start[0] / (2 * np.pi)).double().numpy()),
    )
    assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()


def test_more_rounds_come_closer_and_rebuild_the_spectrogram() -> None:
    magnitude = magnitudes(330.0)

    def misfit(iterations: int) -> float:
        wave = griffin_lim(magnitude, phase(0), hop_length=HOP, length=LENGTH, iterations=iterations)[0]
        rebuilt = np.abs(librosa.stft(wave.numpy(), n_fft=N_FFT, hop_length=HOP))
        return float(np.linalg.norm(rebuilt - magnitude[0].numpy()) / np.linalg.norm(magnitude[0].numpy()))

    assert misfit(64) < 0.2 < misfit(0)


def test_silence_stays_silence() -> None:
    wave = griffin_lim(torch.zeros(1, 257, 64), phase(0), hop_length=HOP, length=LENGTH)
    assert torch.equal(wave, torch.zeros(1, LENGTH))


def test_a_sound_does_not_depend_on_its_batch() -> None:
    magnitude = magnitudes(110.0, 220.0, 523.0)
    generators = [torch.Generator().manual_seed(seed) for seed in (5, 6, 7)]
    together = griffin_lim(magnitude, seeded_phase(generators, 257, 64), hop_length=HOP, length=LENGTH)
    alone = griffin_lim(magnitude[1:2], phase(6), hop_length=HOP, length=LENGTH)
    assert (together[1] - alone[0]).abs().max() < 1e-6
