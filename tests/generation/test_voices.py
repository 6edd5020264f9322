"""Our own voices sound at the pitch asked for, keep to their range of levels, and are the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from generation.corpus.programs import HELD_OUT, PROGRAMS
from generation.corpus.roster import HELD_OUT_VOICES, seeded
from generation.corpus.voices import VOICE_CELLS, Tone, VoiceCell
from generation.prompts.vocabulary import CELLS, QUALITIES

RATE_HZ = 32_000


def _play(cell: VoiceCell, number: int, pitch: int) -> np.ndarray:
    tone = Tone(440 * 2 ** ((pitch - 69) / 12), 0.8, RATE_HZ, seeded("tone", cell.name, pitch))
    return cell.voice(tone, seeded("character", cell.family, number))


@pytest.mark.parametrize("cell", VOICE_CELLS, ids=lambda cell: f"{cell.source}-{cell.family}")
def test_a_voice_sounds_at_its_pitch_and_repeats_exactly(cell: VoiceCell) -> None:
    pitch = (cell.low + cell.high) // 2
    wave = _play(cell, 0, pitch)
    assert wave.shape == (4 * RATE_HZ,)
    assert np.all(np.isfinite(wave)) and np.max(np.abs(wave)) > 0.01
    np.testing.assert_array_equal(wave, _play(cell, 0, pitch))
    # Autocorrelation peaks at the period (or a multiple of it): the note asked for is in the sound.
    part = wave[RATE_HZ // 10 : RATE_HZ // 10 + 8192] * np.hanning(8192)
    spectrum = np.abs(np.fft.rfft(part, 32768)) ** 2
    correlation = np.fft.irfft(spectrum)[:4096]
    period = RATE_HZ / (440 * 2 ** ((pitch - 69) / 12))
    near = correlation[int(period * 0.97) : int(period * 1.03) + 2]
    assert near.max() > 0.35 * correlation[0]


def test_two_instruments_of_a_cell_differ() -> None:
    cell = VOICE_CELLS[0]
    first, second = (_play(cell, number, 40) for number in (0, 1))
    first, second = first / np.max(np.abs(first)), second / np.max(np.abs(second))
    assert np.mean((first - second) ** 2) > 1e-3


def test_every_cell_has_four_instruments_and_one_held_out_in_a_full_general_midi_soundfont() -> None:
    rows = {cell: 0 for cell in CELLS}
    held = {cell: 0 for cell in CELLS}
    for row in PROGRAMS:
        rows[(row.source, row.family)] += 1
        held[(row.source, row.family)] += (row.bank, row.preset) in HELD_OUT
    for voice in VOICE_CELLS:
        rows[(voice.source, voice.family)] += voice.count
        held[(voice.source, voice.family)] += HELD_OUT_VOICES
    assert {cell for cell, count in rows.items() if count < 4} == set()
    assert {cell for cell, count in held.items() if count < 1} == set()
    assert all(quality in QUALITIES for row in PROGRAMS for quality in row.nature)
