"""Plain audio effects over one mono note: what turns a preset into another instrument or makes a quality audible.

Every function takes and returns float64 [n] at `sample_rate_hz` and keeps the length. They are textbook filters and
waveshapers (Zoelzer, DAFX, 2nd ed., chapters 2 to 5); randomness comes only from the generator that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import signal

Wave = np.ndarray


def peak_match(wave: Wave, reference: Wave) -> Wave:
    """Scale `wave` to the peak of `reference`, so that an effect changes the timbre and not the level."""
    peak = float(np.max(np.abs(wave), initial=0.0))
    return wave * (float(np.max(np.abs(reference), initial=0.0)) / peak) if peak > 0 else wave


def low_pass(wave: Wave, sample_rate_hz: int, cutoff_hz: float, order: int = 2) -> Wave:
    """Butterworth low-pass."""
    sos = signal.butter(order, min(cutoff_hz, 0.45 * sample_rate_hz), "low", fs=sample_rate_hz, output="sos")
    return signal.sosfilt(sos, wave)


def high_shelf(wave: Wave, sample_rate_hz: int, corner_hz: float, gain_db: float) -> Wave:
    """First-order shelf: the part above `corner_hz` is raised by `gain_db`."""
    sos = signal.butter(1, min(corner_hz, 0.45 * sample_rate_hz), "high", fs=sample_rate_hz, output="sos")
    return wave + (10 ** (gain_db / 20) - 1) * signal.sosfilt(sos, wave)


def drive(wave: Wave, gain_db: float) -> Wave:
    """Tanh waveshaper at the clip's own peak (DAFX section 4.3), so that soft and loud notes distort alike."""
    peak = float(np.max(np.abs(wave), initial=0.0))
    if peak == 0:
        return wave
    return peak * np.tanh(10 ** (gain_db / 20) * wave / peak)


def reverb(wave: Wave, sample_rate_hz: int, decay_s: float, wet: float, rng: np.random.Generator) -> Wave:
    """Convolution with exponentially decaying noise of `decay_s` (time to -60 dB), 12 ms behind the dry sound."""
    n = int(min(decay_s * 1.1, 3.0) * sample_rate_hz)
    t = np.arange(n) / sample_rate_hz
    impulse = rng.standard_normal(n) * 10 ** (-3 * t / decay_s)
    impulse = low_pass(impulse, sample_rate_hz, 5500, 1)
    impulse = np.concatenate([np.zeros(int(0.012 * sample_rate_hz)), impulse])
    tail = signal.fftconvolve(wave, impulse)[: len(wave)]
    energy = float(np.sqrt(np.sum(impulse**2)))
    return (1 - 0.4 * wet) * wave + wet * 2.2 * tail / max(energy, 1e-9)


def varispeed(wave: Wave, sample_rate_hz: int, depth_cents: float, rate_hz: float, phase: float) -> Wave:
    """Periodic pitch wobble by reading the wave at a moving position (vibrato, wow, flutter)."""
    n = len(wave)
    t = np.arange(n) / sample_rate_hz
    depth_s = (2 ** (depth_cents / 1200) - 1) / (2 * np.pi * rate_hz)
    position = np.arange(n) + depth_s * sample_rate_hz * np.sin(2 * np.pi * rate_hz * t + phase)
    return np.interp(position, np.arange(n), wave)


def chorus(wave: Wave, sample_rate_hz: int, rng: np.random.Generator) -> Wave:
    """Three detuned copies behind the dry sound."""
    out = wave.copy()
    for _ in range(3):
        copy = varispeed(wave, sample_rate_hz, rng.uniform(6, 12), rng.uniform(0.6, 1.6), rng.uniform(0, 6.28))
        delay = int(rng.uniform(0.008, 0.02) * sample_rate_hz)
        out += 0.6 * np.concatenate([np.zeros(delay), copy[: len(copy) - delay]])
    return out / 2


def tape(wave: Wave, sample_rate_hz: int, rng: np.random.Generator) -> Wave:
    """A tape-replay keyboard: wow and flutter, saturation, a narrow band and a little hiss."""
    out = varispeed(wave, sample_rate_hz, rng.uniform(5, 11), rng.uniform(0.5, 1.1), rng.uniform(0, 6.28))
    out = varispeed(out, sample_rate_hz, rng.uniform(2, 5), rng.uniform(5, 8), rng.uniform(0, 6.28))
    out = drive(out, rng.uniform(4, 9))
    out = low_pass(out, sample_rate_hz, rng.uniform(2800, 4500), 2)
    hiss = low_pass(rng.standard_normal(len(out)), sample_rate_hz, 6000, 1)
    return peak_match(out, wave) + 4e-4 * float(np.max(np.abs(wave), initial=0.0)) * hiss


def amp(wave: Wave, sample_rate_hz: int, rng: np.random.Generator) -> Wave:
    """A pickup into a valve amplifier and its loudspeaker: mild asymmetry, 90 Hz to about 5 kHz."""
    peak = float(np.max(np.abs(wave), initial=0.0)) or 1.0
    out = np.tanh(1.6 * wave / peak + 0.18) - np.tanh(0.18)
    band = [rng.uniform(70, 110), rng.uniform(3800, 5200)]
    sos = signal.butter(1, band, "band", fs=sample_rate_hz, output="sos")
    presence = signal.butter(1, [1500, 3200], "band", fs=sample_rate_hz, output="sos")
    out = signal.sosfilt(sos, out)
    return peak_match(out + 0.5 * signal.sosfilt(presence, out), wave)


def damped(wave: Wave, sample_rate_hz: int, rng: np.random.Generator) -> Wave:
    """A hand or mute on the string: the sound dies away early and its top with it."""
    t = np.arange(len(wave)) / sample_rate_hz
    out = low_pass(wave, sample_rate_hz, rng.uniform(1400, 2600), 1)
    return peak_match(out * np.exp(-t / rng.uniform(0.12, 0.3)), wave)


def mellow(wave: Wave, sample_rate_hz: int, rng: np.random.Generator) -> Wave:
    """Felt, a soft mute or a curtain: a gentle low-pass and a slower attack."""
    t = np.arange(len(wave)) / sample_rate_hz
    out = low_pass(wave, sample_rate_hz, rng.uniform(1000, 1800), 1) * (1 - np.exp(-t / rng.uniform(0.004, 0.012)))
    return peak_match(out, wave)


def box(wave: Wave, sample_rate_hz: int, rng: np.random.Generator) -> Wave:
    """A small wooden room: early reflections and two resonances, no audible tail."""
    out = wave.copy()
    for _ in range(7):
        delay = int(rng.uniform(0.002, 0.028) * sample_rate_hz)
        out[delay:] += rng.uniform(-0.35, 0.35) * wave[: len(wave) - delay]
    for centre_hz in (rng.uniform(180, 420), rng.uniform(700, 1800)):
        b, a = signal.iirpeak(centre_hz, 2.0, fs=sample_rate_hz)
        out = out + 0.6 * signal.lfilter(b, a, wave)
    return peak_match(out, wave)


def overdrive(wave: Wave, sample_rate_hz: int, rng: np.random.Generator) -> Wave:
    """A pushed amplifier: 18 to 28 dB into the waveshaper, then the loudspeaker."""
    return peak_match(low_pass(drive(wave, rng.uniform(18, 28)), sample_rate_hz, 5000, 2), wave)


PROCESSES: dict[str, Callable[[Wave, int, np.random.Generator], Wave]] = {
    "tape": tape, "amp": amp, "chorus": chorus, "damped": damped, "mellow": mellow, "box": box, "drive": overdrive,
}  # fmt: skip
