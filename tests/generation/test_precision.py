"""bfloat16: the denoising network computes in it, everything around it in float32, and the sound is nearly the same."""

from __future__ import annotations

import pickle
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from generation.errors import CardError, GenerationError
from generation.exact import exact_float32
from generation.precision import DTYPES, set_dtype
from generation.registry import LoadedModel, load_model
from generation.sampling import check_sampling
from tests.generation.tones import spectral_distance
from tests.generation.toy_any_diffusers import ANY_TOYS, write_any_toys
from tests.generation.toy_diffusion import LONG, SHORT, TOYS, write_toys

EVERY = [*TOYS, *ANY_TOYS]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every toy saved under its technique's name."""
    return write_any_toys(write_toys(tmp_path_factory.mktemp("toys")))


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
    assert spectral_distance(exact, rounded) < 0.5 * spectral_distance(exact, other)
    assert np.array_equal(wave_of(folders / name, "bfloat16"), rounded)


@pytest.mark.parametrize("name", TOYS)
def test_times_between_whole_numbers_stay_apart(folders: Path, name: str) -> None:
    """Those of euler-ancestral; in 8 bits 93.7 and 93.8 would be one."""
    technique: Any = loaded(folders / name, "bfloat16")._technique
    heard: list[float] = []
    hook = technique.pipeline.unet.time_proj.register_forward_pre_hook(
        lambda _, given: heard.append(float(given[0][0]))
    )
    loaded(folders / name, "bfloat16").generate([SHORT], [1], steps=90, scheduler="euler-ancestral")
    hook.remove()
    assert len(set(heard)) == 90


def test_asked_for_twice_it_is_done_once(folders: Path) -> None:
    technique: Any = load_model(folders / "tango", dtype="bfloat16")._technique
    set_dtype(technique.pipeline, "bfloat16", "toy")
    assert len(technique.pipeline.unet._forward_pre_hooks) == 1
    pickle.dumps(technique.pipeline.unet)


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


def precisions() -> tuple[str, ...]:
    backends: Any = torch.backends
    return backends.cudnn.conv.fp32_precision, backends.cudnn.rnn.fp32_precision, backends.cuda.matmul.fp32_precision


def test_float32_is_not_rounded_to_tf32_while_a_model_makes_sound(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    model = loaded(folders / "tango", "float32")
    technique: Any = model._technique
    inside = []
    hook = technique.pipeline.unet.register_forward_pre_hook(
        lambda _, __: inside.append((*precisions(), torch.backends.cudnn.deterministic))
    )
    usual = precisions()
    model.generate([SHORT], [1], steps=1)
    hook.remove()
    assert inside == [("ieee", "ieee", "ieee", True)] and precisions() == usual != ("ieee",) * 3


def test_the_last_thread_that_leaves_puts_the_usual_precision_back() -> None:
    usual, entered, may_leave = precisions(), threading.Event(), threading.Event()

    def stay() -> None:
        with exact_float32:
            entered.set()
            may_leave.wait()

    thread = threading.Thread(target=stay)
    thread.start()
    entered.wait()
    with exact_float32:
        pass
    assert precisions() == ("ieee",) * 3, "the other one is still inside"
    may_leave.set()
    thread.join()
    assert precisions() == usual


def test_whoever_asked_torch_for_tf32_has_it_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    backends: Any = torch.backends
    usual = backends.fp32_precision
    backends.fp32_precision = "tf32"
    try:
        before = precisions()
        with exact_float32:
            assert precisions() == ("ieee",) * 3
        assert precisions() == before == ("tf32",) * 3
    finally:
        backends.fp32_precision = usual
