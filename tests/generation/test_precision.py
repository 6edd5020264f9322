"""bfloat16: the denoising network computes in it, everything around it in float32, and the sound is nearly the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from generation.errors import CardError, GenerationError
from generation.precision import DTYPES
from generation.registry import LoadedModel, load_model
from generation.sampling import check_sampling
from tests.generation.toy_any_diffusers import toy_audioldm2, toy_stable_audio
from tests.generation.toy_diffusion import LONG, SHORT, TOYS, write_toys
from tests.generation.toy_model import write_model_card

OTHERS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "stable-audio": (toy_stable_audio, {"sample_rate_hz": 4000, "length_s": 0.25}),
    "audioldm2": (toy_audioldm2, {"sample_rate_hz": 16000, "length_s": 0.16}),
}
EVERY = [*TOYS, *OTHERS]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every toy saved under its technique's name."""
    root = write_toys(tmp_path_factory.mktemp("toys"))
    for name, (make, fields) in OTHERS.items():
        make().save_pretrained(root / name)
        write_model_card(root / name, technique="diffusers", defaults={"steps": 3, "guidance_scale": 2.0}, **fields)
    return root


@cache
def loaded(folder: Path, dtype: str) -> LoadedModel:
    return load_model(folder, dtype=dtype)


def wave_of(folder: Path, dtype: str, prompt: str = LONG, seed: int = 3) -> np.ndarray:
    return loaded(folder, dtype).generate([prompt], [seed])[0].samples


@pytest.mark.parametrize("name", EVERY)
def test_only_the_denoising_network_is_rounded(folders: Path, name: str) -> None:
    technique: Any = loaded(folders / name, "bfloat16")._technique
    networks = {
        part: network for part, network in technique.pipeline.components.items() if isinstance(network, torch.nn.Module)
    }
    formats = {part: {weight.dtype for weight in network.parameters()} for part, network in networks.items()}
    low = {part for part, found in formats.items() if found == {torch.bfloat16}}
    assert low in ({"unet"}, {"transformer"})
    assert all(formats[part] <= {torch.float32} for part in formats.keys() - low)


@pytest.mark.parametrize("name", EVERY)
def test_the_sound_is_near_to_float32s_and_the_same_every_time(folders: Path, name: str) -> None:
    exact, rounded = wave_of(folders / name, "float32"), wave_of(folders / name, "bfloat16")
    assert rounded.dtype == np.float32 and rounded.shape == exact.shape
    assert np.isfinite(rounded).all() and rounded.std() > 0
    assert not np.array_equal(exact, rounded)
    other = wave_of(folders / name, "float32", SHORT, 4)
    assert distance(exact, rounded) < 0.5 * distance(exact, other)
    assert np.array_equal(wave_of(folders / name, "bfloat16"), rounded)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Between the magnitudes of two spectra: Griffin-Lim's phase makes much of little."""
    spectra = [np.abs(np.fft.rfft(wave, axis=-1)) for wave in (one, other)]
    return float(np.linalg.norm(spectra[0] - spectra[1]) / np.linalg.norm(spectra[0]))


def test_what_is_no_format_is_refused_in_one_line(folders: Path) -> None:
    with pytest.raises(GenerationError, match="there is no dtype 'bfloat'; did you mean 'bfloat16'") as refused:
        load_model(folders / "tango", dtype="bfloat")
    assert "\n" not in str(refused.value)
    assert all(name in str(refused.value) for name in DTYPES)


def test_a_model_that_does_not_denoise_refuses() -> None:
    with pytest.raises(CardError, match="chopan-starter: dtype: bfloat16 came; it has no denoising network"):
        load_model("chopan-starter", dtype="bfloat16")
    with pytest.raises(CardError, match="chopan-starter: dtype: bfloat16 came; it does not denoise"):
        check_sampling("chopan-starter", dtype="bfloat16")
    check_sampling("chopan-starter", dtype="float32")
    check_sampling("tango-ft-starter", dtype="bfloat16")


# -------------------- float32 on a GPU


def test_float32_is_not_rounded_to_tf32_while_a_model_makes_sound(folders: Path) -> None:
    model = loaded(folders / "tango", "float32")
    technique: Any = model._technique
    allowed = []
    hook = technique.pipeline.unet.register_forward_pre_hook(
        lambda _, __: allowed.append(torch.backends.cudnn.allow_tf32)
    )
    usual = torch.backends.cudnn.allow_tf32
    model.generate([SHORT], [1], steps=2)
    hook.remove()
    assert allowed == [False, False] and torch.backends.cudnn.allow_tf32 == usual
