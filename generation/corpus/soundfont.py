"""A SoundFont as an instrument: notes through FluidSynth, and what the file says about its author and licence."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import soxr

from generation.errors import CorpusError

RENDER_RATE_HZ = (
    48_000  # the SoundFonts' own recordings are 44.1 kHz: rendering above that and resampling avoids aliasing
)
_INFO_KEYS = {b"INAM": "name", b"IENG": "engineer", b"ICOP": "copyright", b"ICMT": "comment"}


def soundfont_info(path: Path) -> dict[str, str]:
    """Name, engineer, copyright and comment from the INFO list of an .sf2 or .sf3 file.

    Raises CorpusError when the file is not a SoundFont.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:12] != b"sfbk":
            raise CorpusError(f"{path} is not a SoundFont (no RIFF sfbk header); give an .sf2 or .sf3 file")
        kind, size, form = struct.unpack("<4sI4s", file.read(12))
        if kind != b"LIST" or form != b"INFO":
            return {}
        data = file.read(size - 4)
    out, at = {}, 0
    while at + 8 <= len(data):
        key, length = struct.unpack("<4sI", data[at : at + 8])
        if key in _INFO_KEYS:
            out[_INFO_KEYS[key]] = data[at + 8 : at + 8 + length].rstrip(b"\0").decode("latin-1").strip()
        at += 8 + length + length % 2
    return out


class SoundFontPlayer:
    """One loaded SoundFont. Notes come out as float64 [n] mono at 16 kHz, held 3 s with 1 s of release."""

    def __init__(self, path: Path) -> None:
        """Load `path`; raises CorpusError when FluidSynth or the file is missing."""
        try:
            import fluidsynth
        except (ImportError, OSError) as error:
            raise CorpusError(
                "FluidSynth is not installed; install the Debian package libfluidsynth3"
                " and the Python package pyfluidsynth"
            ) from error
        if not path.is_file():
            raise CorpusError(f"no SoundFont at {path}; Debian's package musescore-general-soundfont-small brings one")
        soundfont_info(path)
        self.path = path
        self._synth = fluidsynth.Synth(gain=0.5, samplerate=float(RENDER_RATE_HZ))
        self._synth.setting("synth.reverb.active", 0)
        self._synth.setting("synth.chorus.active", 0)
        self._font = self._synth.sfload(str(path))
        if self._font < 0:
            raise CorpusError(f"FluidSynth cannot load {path}; the file may be damaged")

    def has(self, bank: int, preset: int) -> bool:
        """Whether the SoundFont holds this preset itself (FluidSynth would otherwise fall back to another bank)."""
        return self._synth.sfpreset_name(self._font, bank, preset) is not None

    def note(self, bank: int, preset: int, pitch: int, velocity: int, sample_rate_hz: int = 16_000) -> np.ndarray:
        """Play one note: MIDI pitch, velocity 1..127. Returns float64 [4 * sample_rate_hz]."""
        self._synth.system_reset()
        self._synth.program_select(0, self._font, bank, preset)
        self._synth.noteon(0, pitch, velocity)
        held = self._synth.get_samples(3 * RENDER_RATE_HZ)
        self._synth.noteoff(0, pitch)
        rest = self._synth.get_samples(RENDER_RATE_HZ)
        stereo = np.concatenate([held, rest]).reshape(-1, 2).astype(np.float64) / 32768
        mono = soxr.resample(stereo.mean(axis=1), RENDER_RATE_HZ, sample_rate_hz)
        return mono[: 4 * sample_rate_hz]

    def close(self) -> None:
        """Free the synthesiser."""
        self._synth.delete()
