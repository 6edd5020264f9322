"""Our own synthesiser voices for the cells that General MIDI lacks or has too few of.

Additive, FM, formant and modal synthesis, band-limited by construction (no partial above 0.45 of the sample rate).
One voice = one instrument: its character is drawn once from a generator seeded by the instrument's name, so every
note of it belongs together. Sources: Chowning 1973 (FM), Klatt 1980 (formants, table of vowels from Peterson and
Barney 1952), Fletcher and Rossing 1998 (bar and string partials).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import signal

HOLD_S = 3.0
LENGTH_S = 4.0
_VOWELS_HZ = {
    "ah": (730, 1090, 2440, 3400), "oo": (300, 870, 2240, 3200), "ee": (270, 2290, 3010, 3700),
    "oh": (570, 840, 2410, 3300), "eh": (530, 1840, 2480, 3500), "uh": (640, 1190, 2390, 3400),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tone:
    """What a voice is asked for: fundamental in Hz, velocity 0..1, sample rate, and the note's own randomness."""

    pitch_hz: float
    velocity: float
    sample_rate_hz: int
    rng: np.random.Generator

    @property
    def time_s(self) -> np.ndarray:
        """Sample times of a 4 s note."""
        return np.arange(int(LENGTH_S * self.sample_rate_hz)) / self.sample_rate_hz


Voice = Callable[[Tone, np.random.Generator], np.ndarray]


def held_envelope(t: np.ndarray, attack_s: float, decay_s: float, sustain: float, release_s: float) -> np.ndarray:
    """Attack, exponential decay to `sustain`, note-off at 3 s, exponential release (time constants)."""
    env = np.minimum(1.0, t / max(attack_s, 1e-4)) * (
        sustain + (1 - sustain) * np.exp(-np.maximum(0, t - attack_s) / decay_s)
    )
    return env * np.where(t > HOLD_S, np.exp(-(t - HOLD_S) / release_s), 1.0)


def vibrato_hz(tone: Tone, depth_cents: float, rate_hz: float, delay_s: float = 0.3) -> np.ndarray:
    """Fundamental in Hz over time with vibrato that sets in after `delay_s`."""
    t = tone.time_s
    depth = depth_cents * np.clip((t - delay_s) / 0.4, 0, 1)
    return tone.pitch_hz * 2 ** (depth * np.sin(2 * np.pi * rate_hz * t + tone.rng.uniform(0, 6.28)) / 1200)


def partials(
    tone: Tone,
    f0_hz: np.ndarray | float,
    ratios: np.ndarray,
    gains: Callable[[int, float], np.ndarray | float],
) -> np.ndarray:
    """Sum of sines at `ratios` times the fundamental; gains(k, ratio) is a number or an envelope [n]."""
    t = tone.time_s
    fs = tone.sample_rate_hz
    phase = 2 * np.pi * (np.cumsum(f0_hz) / fs if isinstance(f0_hz, np.ndarray) else f0_hz * t)
    top_hz = float(np.max(f0_hz))
    out = np.zeros(len(t))
    for k, ratio in enumerate(ratios):
        if ratio * top_hz > min(0.45 * fs, 15000):
            continue
        gain = gains(k, float(ratio))
        if np.max(np.abs(gain)) > 1e-4:
            out += gain * np.sin(ratio * phase + tone.rng.uniform(0, 6.28))
    return out


def swept_filter(ratio: float, pitch_hz: float, cutoff_hz: np.ndarray, resonance: float) -> np.ndarray:
    """Gain over time of one partial behind a resonant 4-pole low-pass whose cutoff moves."""
    x = ratio * pitch_hz / cutoff_hz
    return (1 + resonance * np.exp(-8 * (x - 1) ** 2)) / (1 + x**4)


def subtractive(tone: Tone, own: np.random.Generator, bass: bool = False) -> np.ndarray:
    """Saw, pulse or triangle oscillators, slightly detuned, behind a filter with an envelope."""
    t = tone.time_s
    shape, width = own.choice(["saw", "pulse", "triangle"], p=[0.5, 0.35, 0.15]), own.uniform(0.12, 0.5)
    detune, octave = own.uniform(0, 9), own.random() < 0.3
    base, amount, sweep_s = own.uniform(1.5, 6), own.uniform(2, 22), own.uniform(0.05, 0.9)
    resonance, attack_s = own.uniform(0, 2.5), own.uniform(0.001, 0.012 if bass else 0.05)
    sustain, decay_s = own.choice([0.0, own.uniform(0.4, 0.9)]), own.uniform(0.25, 1.2)
    cutoff_hz = (120 + tone.pitch_hz * base) * (1 + amount * tone.velocity * np.exp(-t / sweep_s))
    ratios = np.arange(1, 49, dtype=float)

    def gain(k: int, ratio: float) -> np.ndarray:
        n = ratio
        level = 1 / n if shape == "saw" else (2 / n) * np.sin(np.pi * n * width) if shape == "pulse" else (n % 2) / n**2
        return level * swept_filter(ratio, tone.pitch_hz, cutoff_hz, resonance)

    out = partials(tone, tone.pitch_hz * 2 ** (detune / 2400), ratios, gain)
    if detune > 2:
        out = out + partials(tone, tone.pitch_hz * 2 ** (-detune / 2400), ratios[:24], gain)
    if octave:
        out = out + 0.5 * partials(tone, tone.pitch_hz / 2, ratios[:16], gain)
    return out * held_envelope(t, attack_s, decay_s, float(sustain), own.uniform(0.05, 0.3))


def synth_bass(tone: Tone, own: np.random.Generator) -> np.ndarray:
    """Subtractive bass, every third one an FM bass."""
    if own.random() < 0.35:
        return fm_tone(tone, own, ratios=(1.0, 0.5, 2.0), index=(1.0, 5.0), decay_s=(0.15, 1.2), sustain=0.35)
    return subtractive(tone, own, bass=True)


def fm_tone(
    tone: Tone, own: np.random.Generator, ratios: tuple[float, ...], index: tuple[float, float],
    decay_s: tuple[float, float], sustain: float,
) -> np.ndarray:  # fmt: skip
    """Two-operator FM (Chowning 1973, eq. 1) with a decaying modulation index, plus a quiet second pair."""
    t = tone.time_s
    ratio = float(own.choice(ratios))
    depth = own.uniform(*index) * (0.4 + 0.6 * tone.velocity)
    # Carson's rule keeps the sidebands below Nyquist: high notes get a smaller index.
    depth = min(depth, max(0.2, (0.4 * tone.sample_rate_hz / tone.pitch_hz - 1) / max(ratio, 1) - 1))
    tau = own.uniform(*decay_s)
    w = 2 * np.pi * tone.pitch_hz * t
    out = np.sin(w + depth * np.exp(-t / tau) * np.sin(ratio * w))
    tine = own.uniform(0, 0.35) * np.exp(-t / 0.12) * np.sin(w * own.choice([4.0, 7.0, 11.0, 14.0]))
    if tone.pitch_hz * 14 < 0.45 * tone.sample_rate_hz:
        out = out + tine
    return out * held_envelope(t, 0.002, own.uniform(*decay_s) * 1.6, sustain, own.uniform(0.08, 0.35))


def synth_keyboard(tone: Tone, own: np.random.Generator) -> np.ndarray:
    """FM electric pianos and plucked polysynth keys."""
    if own.random() < 0.55:
        return fm_tone(tone, own, ratios=(1.0, 2.0, 3.0, 14.0), index=(0.4, 2.4), decay_s=(0.3, 1.4), sustain=0.1)
    t = tone.time_s
    return subtractive(tone, own) * np.exp(-t / own.uniform(0.5, 1.6))


def synth_mallet(tone: Tone, own: np.random.Generator) -> np.ndarray:
    """Bars, bells and toy chimes: decaying partials of a free bar or a bell, with a strike."""
    t = tone.time_s
    sets = (
        (1, 2.76, 5.40, 8.93),
        (1, 4.0, 10.1),
        (0.5, 1, 1.2, 1.5, 2, 2.5, 3.0),
        (1, 3.0, 6.3),
        (1, 3.5, 7.1, 11.0),
    )
    ratios = np.array(sets[own.integers(len(sets))], dtype=float)
    tau = own.uniform(0.15, 1.5) * (440 / tone.pitch_hz) ** 0.3
    tilt, hardness = own.uniform(0.7, 1.9), own.uniform(0.05, 0.4)

    def gain(k: int, ratio: float) -> np.ndarray:
        return (1 + k) ** -tilt * (0.5 + 0.5 * tone.velocity) * np.exp(-t * (1 + 0.9 * k) / tau)

    strike = tone.rng.standard_normal(len(t)) * np.exp(-t / 0.004) * hardness * tone.velocity
    return partials(tone, tone.pitch_hz, ratios, gain) + strike


def synth_guitar(tone: Tone, own: np.random.Generator) -> np.ndarray:
    """A modelled plucked string: comb of the plucking point, losses that grow with frequency, stiffness."""
    t = tone.time_s
    point, pickup = own.uniform(0.08, 0.35), own.uniform(0.05, 0.3)
    loss, top_loss, stiffness = own.uniform(0.4, 1.6), own.uniform(0.02, 0.12), own.uniform(0, 4e-4)
    orders = np.arange(1, 41, dtype=float)
    ratios = orders * np.sqrt(1 + stiffness * orders**2)
    brightness = 0.3 + 0.7 * tone.velocity

    def gain(k: int, ratio: float) -> np.ndarray:
        n = k + 1
        level = np.sin(np.pi * n * point) * np.sin(np.pi * n * pickup) * np.exp(-n * 0.09 / brightness)
        return level * np.exp(-t * (loss + top_loss * n) * (1 + tone.pitch_hz / 500))

    out = partials(tone, tone.pitch_hz, ratios, gain)
    pick = tone.rng.standard_normal(len(t)) * np.exp(-t / 0.003) * own.uniform(0.02, 0.2) * tone.velocity
    return (out + pick) * np.where(t > HOLD_S, np.exp(-(t - HOLD_S) / 0.08), 1.0)


def synth_reed(tone: Tone, own: np.random.Generator) -> np.ndarray:
    """Blown reeds: odd harmonics (clarinet) or all of them behind two formants (sax, oboe), breath and a soft onset."""
    t = tone.time_s
    closed = own.random() < 0.45
    formants = (own.uniform(500, 1100), own.uniform(1300, 2600))
    slope, edge = own.uniform(0.6, 1.3), own.uniform(0.02, 0.06)
    f0 = vibrato_hz(tone, own.uniform(3, 14), own.uniform(4.5, 6))
    env = held_envelope(t, own.uniform(0.02, 0.07), 0.3, 0.85, 0.07)

    def gain(k: int, ratio: float) -> np.ndarray:
        hz = ratio * tone.pitch_hz
        body = 0.35 + sum(np.exp(-(((hz - f) / 500) ** 2)) for f in formants)
        level = ratio**-slope * body * ((0.06 if ratio % 2 == 0 else 1.0) if closed else 1.0)
        return level * (1 - np.exp(-t / (edge * (1 + 0.15 * k)))) * (0.5 + 0.5 * tone.velocity) ** (0.15 * k)

    breath = band_noise(tone, 1200, 6000) * own.uniform(0.004, 0.02)
    return (partials(tone, f0, np.arange(1, 31, dtype=float), gain) + breath) * env


def synth_flute(tone: Tone, own: np.random.Generator) -> np.ndarray:
    """Few harmonics, breath around them and a chiff at the onset."""
    t = tone.time_s
    slope = own.uniform(1.6, 3.2)
    f0 = vibrato_hz(tone, own.uniform(4, 18), own.uniform(4.5, 6))
    env = held_envelope(t, own.uniform(0.03, 0.1), 0.4, 0.9, own.uniform(0.05, 0.2))
    chiff = band_noise(tone, tone.pitch_hz * 0.9, tone.pitch_hz * 3) * np.exp(-t / 0.035) * own.uniform(0.05, 0.5)
    breath = band_noise(tone, tone.pitch_hz * 0.7, tone.pitch_hz * 5) * own.uniform(0.01, 0.06)
    return (partials(tone, f0, np.arange(1, 9, dtype=float), lambda k, r: r**-slope) + chiff + breath) * env


def synth_vocal(tone: Tone, own: np.random.Generator) -> np.ndarray:
    """A sung vowel: a glottal pulse through four formants, vibrato, two or three singers."""
    t = tone.time_s
    vowel = _VOWELS_HZ[str(own.choice(sorted(_VOWELS_HZ)))]
    scale, singers, slope = own.uniform(0.95, 1.25), int(own.integers(1, 4)), own.uniform(0.8, 1.4)
    env = held_envelope(t, own.uniform(0.05, 0.25), 0.5, 0.9, own.uniform(0.08, 0.3))

    def gain(k: int, ratio: float) -> float:
        hz = ratio * tone.pitch_hz
        levels = (1.0, 0.6, 0.25, 0.12)
        width = (80, 110, 150, 200)
        body = sum(a / (1 + ((hz - f * scale) / w) ** 2) for a, f, w in zip(levels, vowel, width, strict=True))
        return (body + 0.012) * ratio ** -(slope - 0.6)

    out = np.zeros(len(t))
    for _ in range(singers):
        f0 = vibrato_hz(tone, own.uniform(12, 35), own.uniform(4.8, 6.2)) * 2 ** (tone.rng.normal(0, 4) / 1200)
        out = out + partials(tone, f0, np.arange(1, 41, dtype=float), gain)
    return (out + band_noise(tone, 2000, 7000) * own.uniform(0.001, 0.01) * np.max(np.abs(out))) * env


def synth_lead(tone: Tone, own: np.random.Generator) -> np.ndarray:
    """A held lead: bright subtractive tone with glide-free vibrato, or a hollow FM lead."""
    t = tone.time_s
    if own.random() < 0.25:
        return fm_tone(tone, own, ratios=(1.0, 2.0, 3.0), index=(1.5, 5.0), decay_s=(1.5, 6.0), sustain=0.8)
    width, detune, slope = own.uniform(0.08, 0.5), own.uniform(0, 14), own.uniform(0.0, 0.4)
    saw = own.random() < 0.55
    cutoff_hz = np.full(len(t), tone.pitch_hz * own.uniform(6, 30) + 800)
    f0 = vibrato_hz(tone, own.uniform(0, 20), own.uniform(4.5, 6.5))

    def gain(k: int, ratio: float) -> np.ndarray:
        level = 1 / ratio if saw else (2 / ratio) * np.sin(np.pi * ratio * width)
        return level * ratio**-slope * swept_filter(ratio, tone.pitch_hz, cutoff_hz, 0.8)

    out = partials(tone, f0, np.arange(1, 41, dtype=float), gain)
    out = out + partials(tone, f0 * 2 ** (detune / 1200), np.arange(1, 25, dtype=float), gain)
    return out * held_envelope(t, own.uniform(0.002, 0.03), 0.6, own.uniform(0.6, 0.95), own.uniform(0.04, 0.25))


def band_noise(tone: Tone, low_hz: float, high_hz: float) -> np.ndarray:
    """White noise between two frequencies, clipped to what the sample rate can hold."""
    top = 0.45 * tone.sample_rate_hz
    sos = signal.butter(1, [min(low_hz, 0.8 * top), min(high_hz, top)], "band", fs=tone.sample_rate_hz, output="sos")
    return signal.sosfilt(sos, tone.rng.standard_normal(len(tone.time_s)))


@dataclass(frozen=True, slots=True)
class VoiceCell:
    """One cell that our voices fill: how many instruments, in which range, and what producers call them."""

    source: str
    family: str
    voice: Voice
    low: int
    high: int
    count: int
    name: str


VOICE_CELLS: tuple[VoiceCell, ...] = (
    VoiceCell("synthetic", "bass", synth_bass, 24, 57, 8, "synth bass"),
    VoiceCell("synthetic", "flute", synth_flute, 55, 93, 8, "synth flute"),
    VoiceCell("synthetic", "guitar", synth_guitar, 40, 82, 8, "modelled guitar"),
    VoiceCell("synthetic", "keyboard", synth_keyboard, 31, 96, 10, "synth keys"),
    VoiceCell("synthetic", "mallet", synth_mallet, 53, 98, 10, "synth bell"),
    VoiceCell("synthetic", "reed", synth_reed, 46, 82, 8, "synth reed"),
    VoiceCell("synthetic", "vocal", synth_vocal, 45, 81, 10, "synth choir"),
    VoiceCell("synthetic", "synth_lead", synth_lead, 45, 92, 10, "synth lead"),
)
