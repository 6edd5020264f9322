"""The clip, the one form in which sound travels through nightcrate, and its ways to and from a file."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import stat
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from generation.errors import AudioError

MAX_CHANNELS = 2
TEMPORARY_SUFFIX = ".tmp"
"""Files under construction end so (and start with a dot): whatever a kill leaves behind is safe to delete."""

_SUBTYPES = {".flac": ("PCM_24",), ".wav": ("PCM_24", "FLOAT")}


@dataclass(frozen=True, eq=False)
class Clip:
    """One sound held in memory.

    samples: float32 [channels, n], nominally in [-1, 1]. Raw model output may go beyond that or hold
    NaN: `generation.descriptors.raw_facts` judges it, the clip only carries it.
    sample_rate_hz: whole number of samples a second, above 0.
    sources: ids of the recordings the sound is built from, for attribution (empty: none).

    Raises AudioError when samples have another shape or type, or the rate is not above 0.
    """

    samples: np.ndarray
    sample_rate_hz: int
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is not float32 [channels, n] at a positive rate."""
        samples = self.samples
        if not isinstance(samples, np.ndarray) or samples.ndim != 2 or samples.dtype != np.float32:
            came = (
                f"{samples.dtype} {list(samples.shape)}" if isinstance(samples, np.ndarray) else type(samples).__name__
            )
            raise AudioError(f"a clip needs a float32 array [channels, n], got {came}")
        if samples.shape[0] < 1:
            raise AudioError("a clip needs at least one channel, got none")
        if self.sample_rate_hz <= 0:
            raise AudioError(f"a clip needs a sample rate above 0 Hz, got {self.sample_rate_hz}")

    @property
    def channels(self) -> int:
        """Number of channels, 1 or more."""
        return int(self.samples.shape[0])

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples.shape[1] / self.sample_rate_hz

    def mono(self) -> np.ndarray:
        """Mean of the channels, float32 [n]."""
        if self.channels == 1:
            return self.samples[0]
        return self.samples.mean(axis=0, dtype=np.float32)


def read_clip(path: str | os.PathLike[str]) -> Clip:
    """Read a sound file of any rate and depth that libsndfile knows, with 1 or 2 channels.

    Returns samples in [-1, 1] (float files may exceed it) at the file's own rate.
    Raises AudioError, one line with the file's name, when it is missing, no sound file, empty, has
    more than two channels or holds NaN or infinite samples.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise AudioError(f"{path}: {what}; a sound file is needed")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes); a sound file is needed")
    try:
        with path.open("rb") as stream, soundfile.SoundFile(stream) as file:
            channels, rate = file.channels, file.samplerate
            if channels > MAX_CHANNELS:
                raise AudioError(f"{path}: has {channels} channels; mix it down to mono or stereo before use")
            samples = file.read(dtype="float32", always_2d=True)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (soundfile.LibsndfileError, TypeError) as error:
        # TypeError: soundfile takes a name ending in .raw for headerless data.
        raise AudioError(
            f"{path}: not a sound file this program can read; WAV, FLAC, OGG, MP3 or AIFF is needed"
        ) from error
    if samples.shape[0] == 0:
        raise AudioError(f"{path}: holds no sound (length 0); a file with at least one sample is needed")
    if not np.isfinite(samples).all():
        raise AudioError(f"{path}: holds NaN or infinite samples; export it again from its source")
    return Clip(np.ascontiguousarray(samples.T), int(rate))


def write_clip(path: str | os.PathLike[str], clip: Clip, subtype: str | None = None) -> str:
    """Write a clip atomically as .flac (PCM_24) or .wav (PCM_24, or FLOAT by `subtype`).

    Equal clips give equal bytes. PCM files hold [-1, 1]: samples beyond are clipped to it; only a
    FLOAT file keeps them, and NaN and infinities too. Missing parent folders are made.
    Returns the sha256 of the file, 64 hex characters.
    Raises AudioError for another ending or subtype, an empty clip, non-finite samples in PCM, or a
    disk that refuses; then no file is left behind.
    """
    path = Path(path)
    data = _encode(clip, path, subtype)
    write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Put `data` into `path` whole or not at all: temporary name in the same folder, fsync, rename.

    Raises AudioError when the disk refuses (full, read-only, not a folder).
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_path(path.parent)
    except OSError as error:
        raise AudioError(f"{path}: cannot be written ({error.strerror or error})") from error


def resample(clip: Clip, sample_rate_hz: int) -> Clip:
    """Convert to another rate with soxr's HQ (20-bit) filter; the same clip when it has the rate already.

    Raises AudioError when the rate is not above 0.
    """
    if sample_rate_hz <= 0:
        raise AudioError(f"cannot resample to {sample_rate_hz} Hz; a rate above 0 is needed")
    if sample_rate_hz == clip.sample_rate_hz:
        return clip
    import soxr

    resampled = soxr.resample(clip.samples.T, clip.sample_rate_hz, sample_rate_hz, quality="HQ")
    samples = np.ascontiguousarray(resampled.T, dtype=np.float32)
    return replace(clip, samples=samples, sample_rate_hz=sample_rate_hz)


def fade(clip: Clip, in_s: float, out_s: float) -> Clip:
    """Fade the first `in_s` and the last `out_s` seconds with half a raised cosine each (0: none).

    A fade longer than the clip is shortened to it. Raises AudioError for a negative time.
    """
    if in_s < 0 or out_s < 0:
        raise AudioError(f"a fade lasts 0 s or more, got in {in_s} s and out {out_s} s")
    length = clip.samples.shape[1]
    fade_in = min(length, round(in_s * clip.sample_rate_hz))
    fade_out = min(length, round(out_s * clip.sample_rate_hz))
    samples = clip.samples.copy()
    if fade_in:
        samples[:, :fade_in] *= _rising_ramp(fade_in)
    if fade_out:
        samples[:, length - fade_out :] *= _rising_ramp(fade_out)[::-1]
    return replace(clip, samples=samples)


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Digest of a file's bytes, 64 hex characters; AudioError when it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror or error})") from error


def _rising_ramp(length: int) -> np.ndarray:
    """Half a raised cosine from exactly 0 towards 1, float32 [length]."""
    return (0.5 - 0.5 * np.cos(np.pi * np.arange(length) / length)).astype(np.float32)


def _encode(clip: Clip, path: Path, subtype: str | None) -> bytes:
    """Turn the clip into the bytes of the format that the path's ending names."""
    ending = path.suffix.lower()
    if ending not in _SUBTYPES:
        raise AudioError(f"{path}: cannot write {ending or 'a file without ending'}; use .flac or .wav")
    subtype = subtype or _SUBTYPES[ending][0]
    if subtype not in _SUBTYPES[ending]:
        raise AudioError(f"{path}: {ending} is written as {' or '.join(_SUBTYPES[ending])}, not {subtype}")
    if clip.samples.shape[1] == 0:
        raise AudioError(f"{path}: the clip holds no sound (length 0); nothing was written")
    if clip.channels > MAX_CHANNELS:
        raise AudioError(f"{path}: the clip has {clip.channels} channels; mono or stereo is needed")
    stream = io.BytesIO()
    if subtype == "FLOAT":
        # libsndfile stamps the time of day into float WAV files (PEAK chunk); scipy's bytes repeat.
        from scipy.io import wavfile

        wavfile.write(stream, clip.sample_rate_hz, np.ascontiguousarray(clip.samples.T))
        return stream.getvalue()
    if not np.isfinite(clip.samples).all():
        raise AudioError(f"{path}: the clip holds NaN or infinite samples; only WAV FLOAT can keep them")
    try:
        soundfile.write(stream, clip.samples.T, clip.sample_rate_hz, format=ending[1:].upper(), subtype=subtype)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: {clip.sample_rate_hz} Hz cannot be written as {ending}") from error
    return stream.getvalue()


def sync_path(path: Path) -> None:
    """Force a closed file or a folder to the disk; a rename is durable when its folder is (POSIX alone)."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def settle_folder(folder: Path) -> None:
    """Make the files below a folder like any new file there, and force them to the disk.

    safetensors writes its files so that only their owner can read them, whatever the umask says.
    """
    probe = folder / f".{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    probe.touch()
    mode = stat.S_IMODE(probe.stat().st_mode)
    probe.unlink()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            path.chmod(mode)
            sync_path(path)
