"""Audio Diffusion's picture of a sound: an 8-bit mel spectrogram in dB below its loudest point, and the way back.

Audio Diffusion takes 64 x 64 pixels (hop 1024), Audio Latent Diffusion 256 x 256 (hop 256); at 16 kHz both hold
4 s. The forward way is that of diffusers' `Mel` (pipelines/deprecated/audio_diffusion/mel.py), batched in torch.
Row 0 is the lowest band. The picture does not keep the level of the recording.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin  # base name must be bound here, see stft_db.py
from torch import Tensor

from generation.codecs.mel import MelBands
from generation.codecs.phase import griffin_lim
from generation.codecs.waves import DECODED_PEAK, amplitudes, check_transform, fit_waves, to_peak

# librosa.power_to_db: powers below 1e-10 count as 1e-10.
_SMALLEST_POWER = 1e-10
_LEVELS = 255


class MelImageCodec(SchedulerMixin, ConfigMixin):
    """Waveform <-> 8-bit mel picture, a pipeline component without weights.

    64 x 64 pixels lose much of the instrument before any network sees it: the harmonics of a note share bands,
    and Griffin-Lim has only two windows to each point in time. Judge a model beside this round trip. Beyond the
    thesis, n_mels=128, n_frames=128, hop_length=512 holds the same 4 s in a quarter of the larger one's pixels
    and keeps the pitch.
    """

    config_name = "mel_image_config.json"  # type: ignore[assignment]  # diffusers says None

    @register_to_config
    def __init__(
        self,
        sample_rate_hz: int = 16000,
        n_mels: int = 64,
        n_frames: int = 64,
        hop_length: int = 1024,
        n_fft: int = 2048,
        top_db: float = 80.0,
        silence_margin_db: float = 0.0,
    ) -> None:
        """Take the sizes of the picture; the defaults are Audio Diffusion's.

        Args:
            sample_rate_hz: rate of the sound.
            n_mels: rows, bands of Slaney's scale from 0 Hz to half the rate.
            n_frames: columns.
            hop_length: samples between two columns (the thesis' 512 holds 2 s in 64 columns).
            n_fft: window and FFT length in samples.
            top_db: what lies further below the loudest point counts as that floor, dB.
            silence_margin_db: on the way back, all within this distance of the floor is exact silence; the
                floor itself always is. A network's picture may want more than a measured one.

        Raises:
            ConfigError: the sizes give no picture that could be inverted.
        """
        self.bands = MelBands(sample_rate_hz, n_fft, n_mels, 0.0, sample_rate_hz / 2)
        # One sample less than n_frames hops: that many more would make another column.
        self.n_samples = n_frames * hop_length - 1
        # The last column is centred here. Beyond it the squared window falls to 1e-11, and dividing by it, as an
        # inverse transform does, would blow rounding up to a click.
        self.n_decoded_samples = (n_frames - 1) * hop_length
        check_transform(self.n_decoded_samples, n_fft, n_fft, hop_length, reflected=False)

    @property
    def duration_s(self) -> float:
        """Length of every decoded sound, s."""
        return self.n_decoded_samples / self.config["sample_rate_hz"]

    @property
    def phase_shape(self) -> tuple[int, int]:
        """Rows and columns of the initial phase that `decode` asks for."""
        return self.config["n_fft"] // 2 + 1, self.config["n_frames"]

    def band_hz(self) -> Tensor:
        """Centre of each row of a picture, from the first one: float64 [n_mels]."""
        return self.bands.centres_hz()

    def decibels(self, waves: Tensor) -> Tensor:
        """float32 [batch, samples] -> dB re the loudest point, float64 [batch, n_mels, n_frames] in [-top_db, 0].

        Equals librosa.feature.melspectrogram (power, Hann, centred, zero padding) through power_to_db
        (ref=max). Departure: digital silence is the floor throughout; there, librosa says 0 dB everywhere and
        the picture would be white.

        Raises:
            AudioError: the sound is empty, not two-dimensional or holds NaN or infinity.
        """
        n_fft, hop_length = self.config["n_fft"], self.config["hop_length"]
        spectrum = amplitudes(
            fit_waves(waves, self.n_samples), n_fft=n_fft, win_length=n_fft, hop_length=hop_length, pad_mode="constant"
        )
        power = self.bands.project(spectrum.square())
        loudest = power.amax(dim=(1, 2), keepdim=True)
        relative = 10.0 * torch.log10(power.clamp_min(_SMALLEST_POWER) / loudest.clamp_min(_SMALLEST_POWER))
        floor = -self.config["top_db"]
        return torch.where(loudest <= _SMALLEST_POWER, floor, relative.clamp_min(floor))

    def encode(self, waves: Tensor) -> Tensor:
        """Picture a batch of sounds.

        Args:
            waves: float32 [batch, samples] at `sample_rate_hz`, any level, any length above 0.

        Returns:
            float32 [batch, 1, n_mels, n_frames] in [-1, 1] on the grid of 8 bits: the floor is -1, the loudest
            point 1, each step top_db / 255 dB. Digital silence is -1 throughout.

        Raises:
            AudioError: the sound is empty, not two-dimensional or holds NaN or infinity.
        """
        top_db = self.config["top_db"]
        # Half up, as diffusers' Mel rounds.
        grey = ((self.decibels(waves) + top_db) * (_LEVELS / top_db) + 0.5).floor()
        return (grey * (2.0 / _LEVELS) - 1.0).float()[:, None]

    def mel_amplitudes(self, pictures: Tensor) -> Tensor:
        """Square root of the mel power: [batch, 1, n_mels, n_frames] -> float64 [batch, n_mels, n_frames] in [0, 1].

        Values are brought to the grid of 8 bits first. Grey value 0 is exactly zero; read as -80 dB, as the
        published code does, it fills the tail with hum (measured: pitch detection 0.99 -> 0.10).
        """
        grey = ((pictures[:, 0].double() + 1.0) * (_LEVELS / 2.0)).round().clamp(0, _LEVELS)
        below_loudest_db = (grey / _LEVELS - 1.0) * self.config["top_db"]
        silent = below_loudest_db + self.config["top_db"] <= self.config["silence_margin_db"]
        return torch.where(silent, 0.0, torch.pow(10.0, below_loudest_db / 20.0))

    def magnitude(self, pictures: Tensor) -> Tensor:
        """Amplitudes by FFT bin: [batch, 1, n_mels, n_frames] -> float64 [batch, n_fft / 2 + 1, n_frames], at least 0.

        The scale is that of the loudest band, not that of the recording.
        """
        return self.bands.spread(self.mel_amplitudes(pictures).square()).sqrt()

    def decode(self, pictures: Tensor, initial_phase: Tensor, iterations: int = 64) -> Tensor:
        """Sound a batch of pictures.

        Args:
            pictures: float [batch, 1, n_mels, n_frames] in [-1, 1]; what lies beyond is clamped.
            initial_phase: float32 [batch, *phase_shape] in radians (phase.seeded_phase).
            iterations: Griffin-Lim rounds.

        Returns:
            float32 [batch, n_decoded_samples] with peak DECODED_PEAK: the picture has lost the level. A picture
            of the floor alone gives digital silence; one with NaN gives NaN, for that sound only.
        """
        waves = griffin_lim(
            self.magnitude(pictures),
            initial_phase,
            hop_length=self.config["hop_length"],
            length=self.n_decoded_samples,
            iterations=iterations,
        )
        return to_peak(waves, DECODED_PEAK)
