"""How often a novelty bank errs: real repeats of its notes against notes that it does not hold.

A repeat is a training note that came back: coded again, trimmed, louder or softer, a little out of tune, and finished
as the product finishes sounds. A different note is one of held-out instruments. Corpora hold the same recording under
several names (two presets of one SoundFont), so a held-out note whose waveform correlates with its nearest training
note at SAME_RECORDING or more is a repeat that nobody made, and is counted apart.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import soundfile

from catalog import fingerprint
from catalog.errors import NoveltyError
from catalog.novelty import NoveltyBank
from flows.novelty import finished
from generation.audio import Clip
from generation.corpus.nsynth import Note
from generation.finish import finish

SAME_RECORDING = 0.8
"""Highest correlation of two waveforms over all lags, from which they are one recording."""
MOST_FALSE_ALARMS = 0.01
"""Share of different notes that may be taken for copies; the threshold is the lowest that keeps to it."""
LOWEST_THRESHOLD = 0.85
"""Below it a likeness says no more than "the same pitch and a similar colour"."""
REPEATED, DIFFERENT = 150, 600
"""Training notes and held-out notes drawn for each half of the work; each of the former comes back in every way."""
_CORRELATED_S = 1.0

Harm = Callable[[np.ndarray, int], np.ndarray]


def coded(wave: np.ndarray, rate_hz: int) -> np.ndarray:
    """Ogg Vorbis at libsndfile's compression level 0.9, there and back."""
    stream = io.BytesIO()
    soundfile.write(stream, wave, rate_hz, format="OGG", subtype="VORBIS", compression_level=0.9)
    stream.seek(0)
    return np.asarray(soundfile.read(stream, dtype="float32")[0])


def quantised(wave: np.ndarray, bits: int) -> np.ndarray:
    """Whole steps of `bits` bits."""
    steps = 2 ** (bits - 1)
    return (np.round(wave * steps) / steps).astype(np.float32)


def detuned(wave: np.ndarray, rate_hz: int, cents: float) -> np.ndarray:
    """Faster or slower by some cents, as a sampler transposes."""
    import soxr

    return np.asarray(soxr.resample(wave, rate_hz * 2 ** (cents / 1200), rate_hz, quality="HQ"), dtype=np.float32)


REPEATS: Mapping[str, Harm] = MappingProxyType(
    {
        "same": lambda wave, rate: wave,
        "16 bit": lambda wave, rate: quantised(wave, 16),
        "8 bit": lambda wave, rate: quantised(wave, 8),
        "vorbis": coded,
        "20 dB softer": lambda wave, rate: 0.1 * wave,
        "3 dB louder, clipped": lambda wave, rate: np.clip(1.41 * wave, -1, 1),
        "10 ms cut off its head": lambda wave, rate: wave[round(0.01 * rate) :],
        "cut to 0.5 s": lambda wave, rate: wave[: round(0.5 * rate)],
        "5 cents up": lambda wave, rate: detuned(wave, rate, 5),
        "10 cents down": lambda wave, rate: detuned(wave, rate, -10),
        "20 cents up": lambda wave, rate: detuned(wave, rate, 20),
        "cut to 1 s, 10 cents down, vorbis, 8 bit": lambda wave, rate: quantised(
            coded(detuned(wave[:rate], rate, -10), rate), 8
        ),
    }
)
"""What happens to a note before it comes back, by its name in the error rates: wave float32 [n], rate -> wave."""


@dataclass(frozen=True, eq=False)
class Trials:
    """Likenesses by kind of repeat, [notes] each; those of different notes; how many held-out notes were repeats."""

    repeats: Mapping[str, np.ndarray]
    different: np.ndarray
    same_recordings: int

    def lowest_threshold(self) -> float:
        """The lowest threshold, in hundredths, with at most MOST_FALSE_ALARMS; not below LOWEST_THRESHOLD."""
        candidates = np.arange(round(100 * LOWEST_THRESHOLD), 101) / 100
        kept = [value for value in candidates if np.mean(self.different >= value) <= MOST_FALSE_ALARMS]
        return float(kept[0]) if kept else 1.0

    def errors(self, threshold: float) -> dict[str, Any]:
        """Miss rate of each kind of repeat and of all, false alarms among different notes, and their numbers."""
        missed = {kind: float(np.mean(values < threshold)) for kind, values in self.repeats.items()}
        return {
            "repeats": sum(len(values) for values in self.repeats.values()),
            "miss_rate": float(np.mean(np.concatenate(list(self.repeats.values())) < threshold)),
            "miss_rates": missed,
            "different": len(self.different),
            "false_alarm_rate": float(np.mean(self.different >= threshold)),
            "held_out_repeats": self.same_recordings,
        }


def measure(
    bank: NoveltyBank,
    training: Sequence[Note],
    held_out: Sequence[Note],
    repeated: int = REPEATED,
    different: int = DIFFERENT,
    progress: Callable[[int, int], None] | None = None,
) -> NoveltyBank:
    """Give a bank its threshold, and the error rates of it on notes that had no part in choosing it.

    training: all notes of the bank. repeated, different: how many of them and of the held-out ones are drawn for the
    choice, and again for the measuring. Raises NoveltyError when the notes are not those of the bank, or too few.
    """
    steps = 2 * (repeated + different)

    def half(part: int) -> Trials:
        before = part * (repeated + different)
        told = None if progress is None else lambda done, _: progress(before + done, steps)
        drawn, unseen = _drawn(training, repeated, part), _drawn(held_out, different, part)
        return try_bank(bank, training, drawn, unseen, told)

    threshold = half(0).lowest_threshold()
    return bank.measured(threshold, half(1).errors(threshold))


def try_bank(
    bank: NoveltyBank,
    training: Sequence[Note],
    repeated: Sequence[Note],
    held_out: Sequence[Note],
    progress: Callable[[int, int], None] | None = None,
) -> Trials:
    """Put repeats of the `repeated` training notes, and the `held_out` notes, to a bank made of `training`.

    Raises NoveltyError when the bank holds a note that `training` lacks, or when there is nothing to try.
    """
    by_name = {note.note_str: note for note in training}
    strange = next((name for name in bank.notes if name not in by_name), None)
    if strange or not repeated or not held_out:
        what = f"holds {strange}, which the corpus lacks" if strange else "needs notes of the corpus and held-out ones"
        raise NoveltyError(f"{bank.id} {what}; give the corpus that the bank was made from, with train and valid")
    total = len(repeated) + len(held_out)
    repeats: dict[str, list[float]] = {kind: [] for kind in REPEATS}
    for done, note in enumerate(repeated, start=1):
        wave, rate = finished(note).samples[0], note.sample_rate_hz
        for kind, harm in REPEATS.items():
            again = finish(Clip(np.ascontiguousarray(harm(wave, rate), np.float32)[None], rate))
            repeats[kind].append(fingerprint.nearest(again, bank.prints)[1])
        if progress is not None:
            progress(done, total)
    different: list[float] = []
    for done, note in enumerate(held_out, start=len(repeated) + 1):
        row, alike = fingerprint.nearest(finished(note), bank.prints)
        near = alike >= LOWEST_THRESHOLD  # nothing below can ever be called a copy
        if not (near and correlation(note, by_name[bank.notes[row]]) >= SAME_RECORDING):
            different.append(alike)
        if progress is not None:
            progress(done, total)
    values = {kind: np.array(found) for kind, found in repeats.items()}
    return Trials(values, np.array(different), len(held_out) - len(different))


def _drawn(notes: Sequence[Note], count: int, part: int) -> list[Note]:
    """Draw `count` notes for one part of the work; the parts 0 and 1 share none. NoveltyError for too few notes."""
    if 2 * count > len(notes):
        raise NoveltyError(f"{len(notes)} notes came, {2 * count} are needed to measure error rates on; give more")
    order = np.random.default_rng(0).permutation(len(notes))
    return [notes[row] for row in sorted(order[part * count : (part + 1) * count])]


def correlation(one: Note, other: Note) -> float:
    """Highest normalised cross-correlation of two notes over all lags, 0 to 1, in their first second."""
    waves = [finished(note).samples[0].astype(np.float64) for note in (one, other)]
    first, second = (wave[: round(_CORRELATED_S * one.sample_rate_hz)] for wave in waves)
    size = 2 ** int(np.ceil(np.log2(len(first) + len(second))))
    crossed = np.fft.irfft(np.fft.rfft(first, size) * np.conj(np.fft.rfft(second, size)), size)
    return float(np.abs(crossed).max() / np.sqrt(np.sum(first**2) * np.sum(second**2)))
