"""ChopAN's picture of a sound: 256 x 64 linear log-STFT, scaled to [0, 1] per sound, and the way back.

The forward way is librosa's (stft, drop the Nyquist bin, amplitude_to_db, min-max), batched in torch.
Row 0 is the lowest bin. The range in dB that the scaling took away is kept beside each picture, so the
way back restores the level of the recording.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin  # base name must be bound here, see below
from torch import Tensor

from generation.codecs.phase import griffin_lim
from generation.codecs.waves import fit_waves

# librosa.amplitude_to_db: amplitudes below 1e-5 count as 1e-5 (-100 dB).
_SMALLEST_AMPLITUDE = 1e-5


class StftDbCodec(SchedulerMixin, ConfigMixin):
    """Waveform <-> picture, a pipeline component without weights.

    It is a SchedulerMixin only because diffusers saves and loads no plain ConfigMixin component; the
    module must therefore bind that name, and its path is part of the checkpoint format.
    """

    config_name = "stft_db_config.json"  # type: ignore[assignment]  # diffusers says None

    @register_to_config
    def __init__(
        self,
        sample_rate_hz: int = 16000,
        n_fft: int = 512,
        hop_length: int = 256,
        n_frames: int = 64,
        top_db: float = 80.0,
        silence_margin_db: float = 4.0,
    ) -> None:
        """Take the sizes of the picture.

        Args:
            sample_rate_hz: rate of the sound.
            n_fft: window and FFT length in samples; the picture has n_fft / 2 rows.
            hop_length: samples between two columns.
            n_frames: columns of the picture.
            top_db: what lies further below the loudest point counts as that floor, dB.
            silence_margin_db: on the way back, all within this distance of the floor is exact silence:
                a floor decoded as -80 dB hums through the tail.
        """
        self.n_rows = n_fft // 2
        self.n_samples = (n_frames - 1) * hop_length
        self.window = torch.hann_window(n_fft, dtype=torch.float64)

    @property
    def duration_s(self) -> float:
        """Length of every decoded sound, s."""
        return self.n_samples / self.config["sample_rate_hz"]

    def fit(self, waves: Tensor) -> Tensor:
        """Crop or pad with zeros on the right: float32 [batch, samples] -> [batch, n_samples].

        Raises:
            AudioError: the sound is empty, not two-dimensional or holds NaN or infinity.
        """
        return fit_waves(waves, self.n_samples)

    def magnitude_db(self, waves: Tensor) -> Tensor:
        """float32 [batch, samples] -> dB re 1.0, [batch, rows, columns], at most `top_db` deep.

        Equals librosa's stft (n_fft, hop, hann, centred, zero padding), without the last bin, through
        amplitude_to_db (ref 1.0), per sound. Worked out in float64: at -80 dB below the loudest point
        the rounding of a float32 FFT is already hundredths of a dB.
        """
        spectrum = torch.stft(
            self.fit(waves).double(),
            self.config["n_fft"],
            self.config["hop_length"],
            window=self.window.to(waves.device),
            center=True,
            pad_mode="constant",
            return_complex=True,
        )[:, :-1]
        decibels = 20.0 * torch.log10(spectrum.abs().clamp_min(_SMALLEST_AMPLITUDE))
        loudest = decibels.amax(dim=(1, 2), keepdim=True)
        return torch.maximum(decibels, loudest - self.config["top_db"]).float()

    def encode(self, waves: Tensor) -> tuple[Tensor, Tensor]:
        """Picture a batch of sounds.

        Args:
            waves: float32 [batch, samples] in [-1, 1] at `sample_rate_hz`, any length above 0.

        Returns:
            pictures, float32 [batch, 1, rows, columns] in [0, 1], and ranges, float32 [batch, 2]: the
            smallest and largest dB of each. Digital silence gives a picture of zeros.
        """
        decibels = self.magnitude_db(waves)
        low, high = decibels.amin(dim=(1, 2)), decibels.amax(dim=(1, 2))
        span = (high - low).clamp_min(torch.finfo(torch.float32).eps)
        pictures = (decibels - low[:, None, None]) / span[:, None, None]
        return pictures[:, None], torch.stack([low, high], dim=1)

    def magnitude(self, pictures: Tensor, ranges: Tensor) -> Tensor:
        """Amplitudes of pictures: [batch, 1, rows, columns] and [batch, 2] -> [batch, rows + 1, columns].

        The dropped Nyquist row comes back as zeros; the floor and `silence_margin_db` above it are
        exactly zero.
        """
        low, high = ranges[:, 0, None, None], ranges[:, 1, None, None]
        decibels = pictures[:, 0] * (high - low) + low
        amplitudes = torch.pow(10.0, decibels / 20.0)
        amplitudes = torch.where(decibels - low <= self.config["silence_margin_db"], 0.0, amplitudes)
        return torch.nn.functional.pad(amplitudes, (0, 0, 0, 1))

    def decode(self, pictures: Tensor, ranges: Tensor, initial_phase: Tensor, iterations: int = 64) -> Tensor:
        """Sound a batch of pictures.

        Args:
            pictures: float32 [batch, 1, rows, columns] in [0, 1].
            ranges: float32 [batch, 2], smallest and largest dB.
            initial_phase: float32 [batch, rows + 1, columns] in radians (phase.seeded_phase).
            iterations: Griffin-Lim rounds.

        Returns:
            float32 [batch, n_samples], at the level that the ranges say; not normalised.
        """
        return griffin_lim(
            self.magnitude(pictures, ranges),
            initial_phase,
            hop_length=self.config["hop_length"],
            length=self.n_samples,
            iterations=iterations,
        )
