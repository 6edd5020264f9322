"""TANGO's picture of a sound: natural logarithm of 64 mel bands, time first, and a way back without a vocoder.

The forward way is AudioLDM's and TANGO's front end (TacotronSTFT of audioldm/audio/stft.py and the wave
preparation of tools/torch_tools.py), batched in torch. The way back is ours: TANGO itself sounds these pictures
with a HiFi-GAN, and 64 bands need it (measured on recordings, Griffin-Lim in its place loses the pitch of one
sound in six or more). 128 bands, beyond the thesis, do without.
"""

from __future__ import annotations

import math

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin  # base name must be bound here, see stft_db.py
from torch import Tensor

from generation.codecs.mel import MelBands
from generation.codecs.phase import griffin_lim
from generation.codecs.waves import amplitudes, check_transform, check_waves, fit_waves, to_peak

SMALLEST_AMPLITUDE = 1e-5
"""Mel amplitudes below it count as it: the floor of every picture is its logarithm, -11.513."""

_PEAK = 0.5
# A float32 picture holds the floor to 1e-6; a hundredth of a dB above it is still the floor.
_FLOOR_TOLERANCE = 1e-3
_PAD_MODE = "reflect"


class LogMelCodec(SchedulerMixin, ConfigMixin):
    """Waveform <-> float picture [1, time, bands], a pipeline component without weights.

    n_frames=1024 is TANGO's 10.24 s, n_frames=416 holds a one-shot of 4 s with latents that three halvings
    divide; n_mels=128 is the preset beyond the thesis.
    """

    config_name = "log_mel_config.json"  # type: ignore[assignment]  # diffusers says None

    @register_to_config
    def __init__(
        self,
        sample_rate_hz: int = 16000,
        n_mels: int = 64,
        n_frames: int = 1024,
        hop_length: int = 160,
        n_fft: int = 1024,
        low_hz: float = 0.0,
        high_hz: float = 8000.0,
    ) -> None:
        """Take the sizes of the picture; the defaults are TANGO's.

        Args:
            sample_rate_hz: rate of the sound.
            n_mels: bands of Slaney's scale, each of area 1.
            n_frames: points in time.
            hop_length: samples between two of them.
            n_fft: window and FFT length in samples.
            low_hz, high_hz: range of the bands.

        Raises:
            ConfigError: the sizes give no picture that could be inverted.
        """
        self.bands = MelBands(sample_rate_hz, n_fft, n_mels, low_hz, high_hz)
        self.n_samples = n_frames * hop_length
        check_transform(self.n_samples, n_fft, n_fft, hop_length, reflected=True)

    @property
    def duration_s(self) -> float:
        """Length of every decoded sound, s."""
        return self.n_samples / self.config["sample_rate_hz"]

    @property
    def phase_shape(self) -> tuple[int, int]:
        """Rows and columns of the initial phase that `decode` asks for."""
        return self.config["n_fft"] // 2 + 1, self.config["n_frames"] + 1

    def band_hz(self) -> Tensor:
        """Centre of each column of a picture, from the first one: float64 [n_mels]."""
        return self.bands.centres_hz()

    def prepare(self, waves: Tensor) -> Tensor:
        """Level and length as TANGO was trained: [batch, samples] -> float32 [batch, n_samples] with peak 0.5.

        Each sound loses its mean and is scaled to peak 0.5, then cut or padded with zeros, then scaled again,
        since the cut may have taken the peak. Digital silence stays silence (the published code divides by
        its peak of 0), and so does a constant.

        Raises:
            AudioError: the sound is empty, not two-dimensional or holds NaN or infinity.
        """
        check_waves(waves)
        centred = waves.double()
        centred = centred - centred.mean(dim=1, keepdim=True)
        loudest = centred.abs().amax(dim=1, keepdim=True)
        # 1e-8 as published: what is quieter than that is rounding of the mean, not sound.
        centred = torch.where(loudest < 1e-8, 0.0, centred * (_PEAK / (loudest + 1e-8)))
        return to_peak(fit_waves(centred, self.n_samples), _PEAK)

    def log_mel(self, waves: Tensor) -> Tensor:
        """Picture sounds as they are, without `prepare`.

        Args:
            waves: float32 [batch, samples]; cut or padded with zeros to `n_samples`.

        Returns:
            ln(max(mel amplitude, 1e-5)), float32 [batch, 1, n_frames, n_mels]. Equals abs(librosa.stft) with
            reflection at both ends through librosa's Slaney filters; the last of the n_frames + 1 columns
            is dropped, as TANGO does.

        Raises:
            AudioError: the sound is empty, not two-dimensional or holds NaN or infinity.
        """
        n_fft, hop_length = self.config["n_fft"], self.config["hop_length"]
        spectrum = amplitudes(
            fit_waves(waves, self.n_samples), n_fft=n_fft, win_length=n_fft, hop_length=hop_length, pad_mode=_PAD_MODE
        )
        bands = self.bands.project(spectrum)[:, :, : self.config["n_frames"]]
        return bands.clamp_min(SMALLEST_AMPLITUDE).log().transpose(1, 2).float()[:, None]

    def encode(self, waves: Tensor) -> Tensor:
        """Picture a batch of sounds: `prepare`, then `log_mel`.

        Args:
            waves: float32 [batch, samples] at `sample_rate_hz`, any level, any length above 0.

        Returns:
            float32 [batch, 1, n_frames, n_mels], time first, natural logarithm, from -11.513 (silence) to about
            1.5; not scaled any further.

        Raises:
            AudioError: the sound is empty, not two-dimensional or holds NaN or infinity.
        """
        return self.log_mel(self.prepare(waves))

    def mel_amplitudes(self, pictures: Tensor) -> Tensor:
        """Amplitudes by band: [batch, 1, n_frames, n_mels] -> float64 [batch, n_mels, n_frames], lowest first.

        The floor is exactly zero.
        """
        logarithms = pictures[:, 0].double().transpose(1, 2)
        silent = logarithms <= math.log(SMALLEST_AMPLITUDE) + _FLOOR_TOLERANCE
        return torch.where(silent, 0.0, logarithms.exp())

    def magnitude(self, pictures: Tensor) -> Tensor:
        """Amplitudes by FFT bin: [batch, 1, n_frames, n_mels] -> float64 [batch, n_fft / 2 + 1, n_frames + 1].

        At least 0. The column that `log_mel` dropped comes back as a copy of its neighbour.
        """
        bands = self.mel_amplitudes(pictures)
        return self.bands.spread(torch.cat([bands, bands[:, :, -1:]], dim=2))

    def decode(self, pictures: Tensor, initial_phase: Tensor, iterations: int = 64) -> Tensor:
        """Sound a batch of pictures without a vocoder.

        Args:
            pictures: float [batch, 1, n_frames, n_mels], natural logarithms.
            initial_phase: float32 [batch, *phase_shape] in radians (phase.seeded_phase).
            iterations: Griffin-Lim rounds.

        Returns:
            float32 [batch, n_samples] at the level that the picture says, about peak 0.5 for encoded sounds;
            not normalised. A picture of the floor gives digital silence; one with NaN gives NaN, for that sound.
        """
        return griffin_lim(
            self.magnitude(pictures),
            initial_phase,
            hop_length=self.config["hop_length"],
            length=self.n_samples,
            pad_mode=_PAD_MODE,
            iterations=iterations,
        )
