"""What is asked of a model by `generate` works, or is refused in one line that says what came and what is needed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from generation import load_model
from generation.errors import CardError, GenerationError
from generation.registry import LoadedModel
from tests.generation.toy_diffusion import LONG, SHORT, TOYS, write_toys


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every toy saved under its technique's name."""
    return write_toys(tmp_path_factory.mktemp("toys"))


@pytest.fixture(scope="module")
def toys(folders: Path) -> dict[str, LoadedModel]:
    return {technique: load_model(folders / technique) for technique in TOYS}


@pytest.fixture
def tango(toys: dict[str, LoadedModel]) -> LoadedModel:
    return toys["tango"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"prompts": SHORT}, "prompts came as 'bass'; a list is needed"),
        ({"prompts": b"bass"}, "prompts came as b'bass'; a list is needed"),
        ({"prompts": None}, "prompts came as None; a list is needed"),
        ({"prompts": [None]}, "prompt None is no text"),
        ({"prompts": [["bass"]]}, r"prompt \['bass'\] is no text"),
        ({"prompts": ["bass \ud83d"]}, r"prompt 'bass \\ud83d' holds half a character; a text of whole ones is needed"),
        ({"seeds": 1}, "seeds came as 1; a list is needed"),
        ({"seeds": None}, "seeds came as None; a list is needed"),
        ({"seeds": [2**64]}, r"seed 18446744073709551616 came; a whole number from -2\^63 to 2\^64 - 1 is needed"),
        ({"seeds": [-(2**63) - 1]}, "seed -9223372036854775809 came"),
        ({"seeds": [1.0]}, "seed 1.0 came; a whole number"),
        ({"seeds": ["1"]}, "seed '1' came; a whole number"),
        ({"seeds": [None]}, "seed None came; a whole number"),
        ({"seeds": [True]}, "seed True came; a whole number"),
        ({"seeds": [1, 2]}, "1 prompts, 2 seeds"),
        ({"steps": 0}, "steps 0 came; a whole number of at least 1 is needed"),
        ({"steps": -1}, "steps -1 came"),
        ({"steps": 2.5}, "steps 2.5 came"),
        ({"steps": "4"}, "steps '4' came"),
        ({"steps": 1001}, "1001 steps were asked for; this model was trained on 100"),
        ({"guidance_scale": float("nan")}, r"guidance nan came; a number of at least 0 is needed \(1: none\)"),
        ({"guidance_scale": float("inf")}, "guidance inf came"),
        ({"guidance_scale": -1}, "guidance -1 came"),
        ({"guidance_scale": "3"}, "guidance '3' came"),
        ({"notes": 45}, "notes came as 45; a list is needed"),
        ({"notes": "A2"}, "notes came as 'A2'; a list is needed"),
        ({"notes": [128]}, "note 128 came; a MIDI number from 0 to 127, a name such as A2, or None is needed"),
        ({"notes": [-1]}, "note -1 came"),
        ({"notes": [45.0]}, "note 45.0 came"),
        ({"notes": ["H2"]}, "'H2' is no note name"),
        ({"notes": [45, 46]}, "1 prompts, 1 seeds, 2 notes"),
        ({"scheduler": "ddmp"}, "there is no scheduler 'ddmp'; did you mean 'ddpm'"),
        ({"scheduler": 5}, "there is no scheduler '5'"),
    ],
)
def test_what_cannot_be_is_one_line(tango: LoadedModel, change: dict[str, Any], told: str) -> None:
    with pytest.raises(GenerationError, match=told) as refused:
        tango.generate(**{"prompts": [SHORT], "seeds": [3], "steps": 2, **change})
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": (SHORT, LONG)},
        {"prompts": (text for text in (SHORT, LONG))},
        {"seeds": np.array([3, 4])},
        {"seeds": (np.int64(3), np.uint8(4))},
        {"seeds": range(3, 5)},
        {"steps": np.int64(2)},
        {"guidance_scale": np.float32(2)},
        {"guidance_scale": 2},
        {"notes": ["C4", None]},
        {"notes": np.array([60, 60])},
    ],
)
def test_other_words_for_the_same_give_the_same_sound(tango: LoadedModel, change: dict[str, Any]) -> None:
    asked: dict[str, Any] = {
        "prompts": [SHORT, LONG],
        "seeds": [3, 4],
        "steps": 2,
        "guidance_scale": 2.0,
        "notes": [60, None],
    }
    if isinstance(change.get("notes"), np.ndarray):
        asked["notes"] = [60, 60]
    plain = tango.generate(**asked)
    for one, other in zip(plain, tango.generate(**{**asked, **change}), strict=True):
        assert np.array_equal(one.samples, other.samples)


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": [""]},
        {"prompts": ["dark bass " * 250]},
        {"prompts": ["低音 🎸 ñandú\n"]},
        {"prompts": [""], "notes": [45]},
        {"seeds": [-1]},
        {"seeds": [2**64 - 1]},
        {"seeds": [np.uint64(2**63 + 1)]},
        {"steps": 1},
        {"guidance_scale": 0},
        {"guidance_scale": 0.5},
    ],
)
@pytest.mark.parametrize("technique", TOYS)
def test_what_is_odd_but_can_be_makes_sound(
    toys: dict[str, LoadedModel], technique: str, change: dict[str, Any]
) -> None:
    clips = toys[technique].generate(**{"prompts": [SHORT], "seeds": [3], "steps": 2, **change})
    assert len(clips) == 1 and np.isfinite(clips[0].samples).all() and clips[0].samples.std() > 0


def test_threads_load_at_the_same_time(folders: Path, toys: dict[str, LoadedModel]) -> None:
    together = Barrier(len(TOYS))

    def sound(technique: str) -> np.ndarray:
        together.wait()
        return load_model(folders / technique).generate([SHORT], [3], steps=1)[0].samples

    with ThreadPoolExecutor(len(TOYS)) as pool:
        for _ in range(3):
            for technique, made in zip(TOYS, pool.map(sound, TOYS), strict=True):
                assert np.array_equal(made, toys[technique].generate([SHORT], [3], steps=1)[0].samples)


@pytest.mark.parametrize("name", ["", None, 5, b"chopan-starter"])
def test_what_is_no_models_name_is_one_line(name: Any) -> None:
    with pytest.raises(CardError, match="came; a model's name or a folder is needed"):
        load_model(name)
