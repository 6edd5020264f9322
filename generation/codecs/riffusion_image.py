"""Riffusion's picture of a sound: a mel spectrogram by the fourth root, dark on white, low notes at the bottom.

The forward way is that of the MIT-licensed riffusion-hobby (riffusion/spectrogram_converter.py and
util/image_util.py), batched in torch and at 16 kHz: a column every 10 ms, windows of 100 ms, FFT bins of 2.5 Hz,
as the published checkpoint has them at 44.1 kHz. The picture does not keep the level of the recording.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin  # base name must be bound here, see stft_db.py
from torch import Tensor

from generation.codecs.mel import MelBands
from generation.codecs.phase import griffin_lim
from generation.codecs.waves import DECODED_PEAK, amplitudes, check_transform, fit_waves, to_peak

_LEVELS = 255
_PAD_MODE = "reflect"


class RiffusionImageCodec(SchedulerMixin, ConfigMixin):
    """Waveform <-> 8-bit RGB picture, a pipeline component without weights.

    The range of 0 to 10 kHz goes beyond half of 16 kHz: 37 of 512 rows stay white, and the pixels mean what
    they mean to the published checkpoint. A smaller picture keeps the range in Hz and in ms by
    n_mels=128, n_frames=128, hop_length=640 (5.08 s) or, rows only, n_mels=256. At 44.1 kHz:
    sample_rate_hz=44100, hop_length=441, win_length=4410, n_fft=17640.
    """

    config_name = "riffusion_image_config.json"  # type: ignore[assignment]  # diffusers says None

    @register_to_config
    def __init__(
        self,
        sample_rate_hz: int = 16000,
        n_mels: int = 512,
        n_frames: int = 512,
        hop_length: int = 160,
        win_length: int = 1600,
        n_fft: int = 6400,
        low_hz: float = 0.0,
        high_hz: float = 10000.0,
        power: float = 0.25,
    ) -> None:
        """Take the sizes of the picture; the defaults are the checkpoint's at 16 kHz.

        Args:
            sample_rate_hz: rate of the sound.
            n_mels: rows, bands of HTK's scale with peak 1.
            n_frames: columns.
            hop_length: samples between two columns.
            win_length: samples of a window.
            n_fft: samples of the FFT; the window is padded with zeros to it.
            low_hz, high_hz: range of the rows.
            power: exponent by which amplitudes become darkness.

        Raises:
            ConfigError: the sizes give no picture that could be inverted.
        """
        self.bands = MelBands(sample_rate_hz, n_fft, n_mels, low_hz, high_hz, htk=True, equal_area=False)
        self.n_samples = (n_frames - 1) * hop_length
        check_transform(self.n_samples, n_fft, win_length, hop_length, reflected=True)

    @property
    def duration_s(self) -> float:
        """Length of every decoded sound, s."""
        return self.n_samples / self.config["sample_rate_hz"]

    @property
    def phase_shape(self) -> tuple[int, int]:
        """Rows and columns of the initial phase that `decode` asks for."""
        return self.config["n_fft"] // 2 + 1, self.config["n_frames"]

    def band_hz(self) -> Tensor:
        """Centre of each row of a picture, from the first one, the highest: float64 [n_mels]."""
        return self.bands.centres_hz().flip(0)

    def darkness(self, waves: Tensor) -> Tensor:
        """float32 [batch, samples] -> float64 [batch, n_mels, n_frames] in [0, 1], lowest band first.

        (amplitude / loudest amplitude) ** power of the mel bands; digital silence is 0. The published code
        scales to 16 bits first, which this division takes away again.

        Raises:
            AudioError: the sound is empty, not two-dimensional or holds NaN or infinity.
        """
        spectrum = amplitudes(
            fit_waves(waves, self.n_samples),
            n_fft=self.config["n_fft"],
            win_length=self.config["win_length"],
            hop_length=self.config["hop_length"],
            pad_mode=_PAD_MODE,
        )
        bands = self.bands.project(spectrum)
        loudest = bands.amax(dim=(1, 2), keepdim=True)
        return torch.where(loudest == 0, 0.0, bands / torch.where(loudest == 0, 1.0, loudest)) ** self.config["power"]

    def encode(self, waves: Tensor) -> Tensor:
        """Picture a batch of sounds.

        Args:
            waves: float32 [batch, samples] at `sample_rate_hz`, any level, any length above 0; shorter ones are
                padded with silence to exactly n_frames columns.

        Returns:
            float32 [batch, 3, n_mels, n_frames] in [-1, 1] on the grid of 8 bits, three equal channels: silence
            is white (1), the loudest point black (-1), the last row is the lowest band.

        Raises:
            AudioError: the sound is empty, not two-dimensional or holds NaN or infinity.
        """
        # Inverted, then cut to whole numbers, in the published order: all but exact silence is at most 254.
        grey = (_LEVELS - self.darkness(waves) * _LEVELS).floor()
        return (grey * (2.0 / _LEVELS) - 1.0).float().flip(1)[:, None].repeat(1, 3, 1, 1)

    def mel_amplitudes(self, pictures: Tensor) -> Tensor:
        """Amplitudes by band, lowest first: [batch, 3, n_mels, n_frames] -> float64 [batch, n_mels, n_frames].

        In [0, 1], relative to the loudest. Values are brought to the grid of 8 bits first, so white is exactly
        zero. The red channel alone is read, as the published code reads mono pictures.
        """
        grey = ((pictures[:, 0].double().flip(1) + 1.0) * (_LEVELS / 2.0)).round().clamp(0, _LEVELS)
        return (1.0 - grey / _LEVELS) ** (1.0 / self.config["power"])

    def magnitude(self, pictures: Tensor) -> Tensor:
        """Amplitudes by FFT bin: [batch, 3, n_mels, n_frames] -> float64 [batch, n_fft / 2 + 1, n_frames], at least 0.

        The scale is that of the loudest band, not that of the recording.
        """
        return self.bands.spread(self.mel_amplitudes(pictures))

    def decode(self, pictures: Tensor, initial_phase: Tensor, iterations: int = 32) -> Tensor:
        """Sound a batch of pictures.

        Args:
            pictures: float [batch, 3, n_mels, n_frames] in [-1, 1]; what lies beyond is clamped.
            initial_phase: float32 [batch, *phase_shape] in radians (phase.seeded_phase).
            iterations: Griffin-Lim rounds, momentum 0.99.

        Returns:
            float32 [batch, n_samples] with peak DECODED_PEAK: the picture has lost the level. A white picture
            gives digital silence; one with NaN gives NaN, for that sound only. A black one is noise at full
            level: darkness is energy, so never show these pictures to a safety checker that blackens.
        """
        waves = griffin_lim(
            self.magnitude(pictures),
            initial_phase,
            hop_length=self.config["hop_length"],
            length=self.n_samples,
            win_length=self.config["win_length"],
            pad_mode=_PAD_MODE,
            iterations=iterations,
        )
        return to_peak(waves, DECODED_PEAK)
