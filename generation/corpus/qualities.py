"""Quality words that are true: made audible by an effect, or measured on the finished note; never guessed.

By construction (the effect is applied, so the word holds): distortion, multiphonic, nonlinear_env, reverb,
tempo-synced. By measurement on the finished 4 s note (note-off at 3 s): bright, dark, fast_decay, long_release,
percussive; for these an effect may push the sound, but only the measurement decides. Definitions follow NSynth's
own wording (Engel et al. 2017, table 2); the thresholds are ours, chosen so that each word marks a clear minority.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal

from generation.corpus import effects
from generation.prompts.vocabulary import EXCLUSIVE_PAIRS, QUALITIES

BRIGHT_DB = -8.0  # energy above 2.5 kHz relative to the whole, at or above: bright
DARK_DB = -50.0  # the same figure at or below: dark
FAST_DECAY_DB = -32.0  # level around 1.5 s relative to the loudest 50 ms, at or below: fast_decay
LONG_RELEASE_DB = -24.0  # level around 3.85 s relative to the last 100 ms before note-off, at or above: long_release
PERCUSSIVE_DB = 5.0  # onset's first 25 ms above the level at 80 to 160 ms, at or above (with a sharp attack)
PERCUSSIVE_ATTACK_S = 0.012

# How often each push is tried, before measuring. Exclusive pairs never meet (see `choose`).
PUSHES: dict[str, float] = {
    "bright": 0.13, "dark": 0.13, "distortion": 0.12, "fast_decay": 0.10, "long_release": 0.08,
    "multiphonic": 0.06, "nonlinear_env": 0.07, "percussive": 0.08, "reverb": 0.13, "tempo-synced": 0.05,
}  # fmt: skip
CONSTRUCTED = ("distortion", "multiphonic", "nonlinear_env", "reverb", "tempo-synced")


@dataclass(frozen=True, slots=True)
class Levels:
    """Envelope and spectrum figures of a 4 s note that the measured words rest on; all in dB or seconds."""

    high_db: float
    at_1500_ms_db: float
    release_db: float
    transient_db: float
    attack_s: float


def choose(rng: np.random.Generator, plain_share: float = 0.42) -> tuple[str, ...]:
    """Which pushes a note gets: none for `plain_share` of the notes, else one to three compatible ones."""
    if rng.random() < plain_share:
        return ()
    picked = [q for q, p in PUSHES.items() if rng.random() < 1.6 * p]
    rng.shuffle(picked)
    kept: list[str] = []
    for quality in picked[:3]:
        if not any(quality in pair and other in pair for pair in EXCLUSIVE_PAIRS for other in kept):
            kept.append(quality)
    # A rhythmic gate over a dying sound is silence: only one of the two is audible.
    if "tempo-synced" in kept and "fast_decay" in kept:
        kept.remove("fast_decay")
    return tuple(kept)


def apply(
    wave: np.ndarray,
    pushes: tuple[str, ...],
    second: np.ndarray | None,
    sample_rate_hz: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Push the note towards its words. float64 [n] -> float64 [n].

    `second` is the same instrument at another pitch, needed for "multiphonic". The order is fixed: pitch content,
    shape over time, distortion, colour, room; so reverb is never distorted.
    """
    n = len(wave)
    t = np.arange(n) / sample_rate_hz
    out = wave.astype(np.float64)
    if "multiphonic" in pushes and second is not None:
        out = out + 0.8 * effects.peak_match(second, wave)
    if "percussive" in pushes:
        thump = rng.standard_normal(n) * np.exp(-t / rng.uniform(0.004, 0.012))
        thump = effects.low_pass(thump, sample_rate_hz, rng.uniform(1500, 6500), 1)
        onset = int(np.argmax(np.abs(out) > 0.05 * np.max(np.abs(out), initial=1e-9)))
        out = out * (0.55 + 0.45 * np.exp(-t / 0.05))
        out[onset:] += effects.peak_match(thump, wave)[: n - onset] * rng.uniform(0.9, 1.5)
    if "nonlinear_env" in pushes:
        out = out * _swell(t, rng)
    if "fast_decay" in pushes:
        out = out * np.exp(-t / rng.uniform(0.1, 0.32))
    if "tempo-synced" in pushes:
        out = out * _rhythm(t, rng)
    if "distortion" in pushes:
        out = effects.low_pass(effects.drive(out, rng.uniform(22, 36)), sample_rate_hz, 6500, 2)
    if "dark" in pushes:
        out = effects.low_pass(out, sample_rate_hz, rng.uniform(450, 900), 4)
    if "bright" in pushes:
        out = effects.high_shelf(out, sample_rate_hz, 2500, rng.uniform(10, 18))
    if "long_release" in pushes:
        out = _ring_on(out, t, sample_rate_hz, rng)
    if "reverb" in pushes:
        out = effects.reverb(out, sample_rate_hz, rng.uniform(1.2, 3.0), rng.uniform(0.35, 0.8), rng)
    return effects.peak_match(out, wave)


def _swell(t: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An amplitude course that is not one monotonic decay: a late swell, or a slow double hump."""
    if rng.random() < 0.5:
        return np.clip(t / rng.uniform(0.6, 1.6), 0, 1) ** 2 + 0.03
    rate = rng.uniform(0.35, 0.9)
    return 0.12 + 0.88 * (0.5 - 0.5 * np.cos(2 * np.pi * rate * t + rng.uniform(0.3, 1.2))) ** 2


def _rhythm(t: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A gate in eighths or sixteenths at 100 to 140 beats a minute."""
    step_s = 60 / rng.uniform(100, 140) / float(rng.choice([2, 4]))
    place = np.mod(t, step_s) / step_s
    edge = 0.004 / step_s
    gate = np.clip(place / edge, 0, 1) * np.clip((rng.uniform(0.4, 0.65) - place) / edge, 0, 1)
    return 0.02 + 0.98 * np.clip(gate, 0, 1)


def _ring_on(wave: np.ndarray, t: np.ndarray, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Let the last half second before note-off ring on: it is looped with a crossfade and fades slowly."""
    off = int(3.0 * sample_rate_hz)
    size = int(0.5 * sample_rate_hz)
    body = wave[off - size : off]
    fade = signal.windows.hann(2 * (size // 2))
    grain = np.zeros(size)
    grain[: len(fade)] = fade
    tail = np.zeros(len(wave))
    for start in range(off - size // 2, len(wave), size // 2):
        room = min(size, len(wave) - start)
        tail[start : start + room] += (body * grain)[:room]
    tail *= np.where(t > 3.0, np.exp(-(t - 3.0) / rng.uniform(0.6, 2.0)), np.clip((t - 2.75) / 0.25, 0, 1))
    return np.where(t > 3.0, 0.3 * wave, wave) + np.where(t > 2.75, tail, 0.0) * np.where(t > 3.0, 1.0, 0.0)


def measure(wave: np.ndarray, sample_rate_hz: int) -> Levels:
    """Figures behind the measured words, of one float [n] note with note-off at 3 s."""
    hop = int(0.005 * sample_rate_hz)
    frames = wave[: len(wave) // hop * hop].reshape(-1, hop)
    energy = np.mean(frames.astype(np.float64) ** 2, axis=1) + 1e-14
    level_db = 10 * np.log10(energy)
    smooth = 10 * np.log10(np.convolve(energy, np.ones(10) / 10, "same"))
    loudest = float(np.max(smooth))
    start = int(np.argmax(level_db > loudest - 30))
    peak = int(np.argmax(level_db[start : start + 200])) if len(level_db) > start else 0

    def level(a_s: float, b_s: float) -> float:
        part = energy[int(a_s / 0.005) : max(int(b_s / 0.005), int(a_s / 0.005) + 1)]
        return float(10 * np.log10(np.mean(part))) if len(part) else -140.0

    spectrum = np.abs(np.fft.rfft(wave * (np.abs(wave) > 0))) ** 2
    hz = np.fft.rfftfreq(len(wave), 1 / sample_rate_hz)
    high = float(np.sum(spectrum[hz >= 2500]) / max(np.sum(spectrum[hz >= 30]), 1e-20))
    begin = start * 0.005
    return Levels(
        high_db=10 * np.log10(max(high, 1e-12)),
        at_1500_ms_db=level(1.4, 1.6) - loudest,
        release_db=level(3.8, 3.9) - level(2.9, 3.0) if level(2.9, 3.0) > loudest - 40 else -140.0,
        transient_db=level(begin, begin + 0.025) - level(begin + 0.08, begin + 0.16),
        attack_s=peak * 0.005,
    )


def words(levels: Levels, pushes: tuple[str, ...], nature: tuple[str, ...]) -> tuple[str, ...]:
    """The qualities of a note, in NSynth's index order: what was constructed, what is its nature, what is measured."""
    held = {q for q in pushes if q in CONSTRUCTED} | set(nature)
    if levels.high_db >= BRIGHT_DB:
        held.add("bright")
    if levels.high_db <= DARK_DB:
        held.add("dark")
    if levels.at_1500_ms_db <= FAST_DECAY_DB:
        held.add("fast_decay")
    elif levels.release_db >= LONG_RELEASE_DB:
        held.add("long_release")
    if levels.transient_db >= PERCUSSIVE_DB and levels.attack_s <= PERCUSSIVE_ATTACK_S:
        held.add("percussive")
    return tuple(q for q in QUALITIES if q in held)
