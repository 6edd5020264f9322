"""One sound of a user's own as a corpus holds it: read, made mono, cut from its onset to 4 s, its pitch measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from generation.audio import Clip, fade, read_clip, resample
from generation.corpus.nsynth import SAMPLE_RATE_HZ
from generation.corpus.placing import NotPlacedError, Place
from generation.descriptors import raw_facts, sound_facts
from generation.errors import AudioError
from generation.prompts.vocabulary import HIGHEST_NOTE, LOWEST_NOTE, note_name

LENGTH = 4 * SAMPLE_RATE_HZ
LONGEST_S = 60.0
"""A file beyond this is a song or a loop; reading it whole would only cost memory."""
SHORTEST_S = 0.05
MINIMAL_PITCH_CONFIDENCE = 0.5
_HEAD_S = 0.002
"""Kept before the onset, so that the attack stays whole."""
_FADE_S = 0.01
_CANCELLED_SHARE = 0.1
"""Of the louder channel's energy; a sound in one channel alone keeps a quarter of it in the mean."""


def prepared(path: Path, place: Place) -> tuple[Clip, int, bool]:
    """Read, convert and cut a sound; return it (16 kHz, mono, 4 s) with its pitch and whether that was measured.

    Raises NotPlacedError: it cannot be read, is silent, too short or too long, or nobody knows its pitch.
    """
    _check_length(path)
    try:
        clip = read_clip(path)
    except AudioError as error:
        raise NotPlacedError(str(error).removeprefix(f"{path}: ")) from error
    clip = resample(_to_mono(clip), SAMPLE_RATE_HZ)
    facts = raw_facts(clip)
    if facts.silent:
        raise NotPlacedError("is silent")
    head = max(0, round(((facts.onset_s or 0.0) - _HEAD_S) * SAMPLE_RATE_HZ))
    sounding = clip.samples[:, head : head + LENGTH]
    if sounding.shape[1] < SHORTEST_S * SAMPLE_RATE_HZ:
        raise NotPlacedError(f"sounds for {1000 * sounding.shape[1] / SAMPLE_RATE_HZ:.0f} ms only")
    if clip.samples.shape[1] > head + LENGTH:
        sounding = fade(Clip(sounding, SAMPLE_RATE_HZ), 0.0, _FADE_S).samples
    # A steep attack may overshoot full scale when resampled.
    sounding = sounding / max(1.0, float(np.abs(sounding).max()))
    pitch = place.pitch if place.pitch is not None else _measured_pitch(Clip(sounding, SAMPLE_RATE_HZ))
    padded = np.pad(sounding, ((0, 0), (0, LENGTH - sounding.shape[1])))
    return Clip(padded.astype(np.float32), SAMPLE_RATE_HZ), pitch, place.pitch is None


def _to_mono(clip: Clip) -> Clip:
    """Mean of the channels, or the louder channel where they are out of phase and cancel each other."""
    channels = clip.samples.astype(np.float64)
    energies = np.sum(channels**2, axis=1)
    if np.sum(channels.mean(axis=0) ** 2) < _CANCELLED_SHARE * energies.max():
        return Clip(clip.samples[[int(energies.argmax())]], clip.sample_rate_hz)
    return Clip(clip.mono()[None].copy(), clip.sample_rate_hz)


def _check_length(path: Path) -> None:
    if not path.is_file():
        return  # read_clip says so; opening a named pipe would wait for ever
    try:
        # A stream, since soundfile takes no name that is not UTF-8.
        with path.open("rb") as stream, soundfile.SoundFile(stream) as file:
            duration_s = file.frames / file.samplerate
    except (soundfile.LibsndfileError, OSError):
        return  # read_clip says what is wrong with the file
    if duration_s > LONGEST_S:
        raise NotPlacedError(f"lasts {duration_s:.0f} s; a one-shot of at most {LONGEST_S:.0f} s is needed")


def _measured_pitch(clip: Clip) -> int:
    facts = sound_facts(clip)
    if facts.midi_note is None or facts.pitch_confidence < MINIMAL_PITCH_CONFIDENCE:
        raise NotPlacedError(
            f"no note in its name and no clear pitch in its sound (confidence {facts.pitch_confidence:.2f})"
        )
    if not LOWEST_NOTE <= facts.midi_note <= HIGHEST_NOTE:
        raise NotPlacedError(f"its measured pitch {note_name(facts.midi_note)} is outside A0 to C8")
    return facts.midi_note
