"""Parts of a folder, one by one: of what kind they may be, and what threads that load at once leave behind."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from pathlib import Path

import pytest
from diffusers import DDIMScheduler, DDPMPipeline, DDPMScheduler, DiffusionPipeline, UNet2DModel
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin

from generation.errors import CardError
from generation.folder_parts import load_part, load_whole


@pytest.fixture(scope="module")
def pickled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole pipeline whose weights are pickles, which any pipeline's own loading would open."""
    folder = tmp_path_factory.mktemp("pickled") / "part"
    blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
    net = UNet2DModel(8, 1, 1, block_out_channels=(8,), norm_num_groups=4, layers_per_block=1, **blocks)
    DDPMPipeline(net, DDPMScheduler()).save_pretrained(folder, safe_serialization=False)
    assert (folder / "unet" / "diffusion_pytorch_model.bin").is_file()
    return folder


@pytest.mark.parametrize(
    "kind",
    [["diffusers", "DDPMPipeline"], ["diffusers", "DiffusionPipeline"], ["transformers", "pipeline"], ["json", "load"]],
)
def test_a_part_that_may_load_what_it_likes_is_refused(pickled: Path, kind: list[str]) -> None:
    with pytest.raises(CardError, match=r"which is no network, tokenizer, scheduler or feature extractor") as caught:
        load_part(pickled, kind, "toy")
    assert str(caught.value).startswith("toy: part (model_index.json names ") and "\n" not in str(caught.value)


class Sampler(DiffusionPipeline):
    """One scheduler it needs, one it makes where it is given none, and what it can be without."""

    def __init__(
        self,
        scheduler: DDPMScheduler,
        made: DDIMScheduler | None = None,
        spare: DDIMScheduler | None = None,
        unet: UNet2DModel | None = None,
    ) -> None:
        super().__init__()
        made = made if isinstance(made, DDIMScheduler) else DDIMScheduler(num_train_timesteps=7)
        self.register_modules(scheduler=scheduler, made=made, spare=spare, unet=unet)


def indexed(folder: Path, **named: str) -> Path:
    """A folder of a scheduler and an index that names more."""
    DDPMScheduler().save_pretrained(folder / "scheduler")
    parts = {name: ["diffusers", kind] for name, kind in named.items()}
    index = {"_class_name": "Sampler", "scheduler": ["diffusers", "DDPMScheduler"], **parts}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def test_a_part_without_a_folder_may_be_the_pipelines_own(tmp_path: Path) -> None:
    """save_pretrained names what has a default in the index and writes no folder of it."""
    folder = indexed(tmp_path / "toy", made="DDIMScheduler")
    assert load_whole(Sampler, folder, "toy").made.config["num_train_timesteps"] == 7
    DDIMScheduler(num_train_timesteps=9).save_pretrained(folder / "made")
    assert load_whole(Sampler, folder, "toy").made.config["num_train_timesteps"] == 9


@pytest.mark.parametrize(
    ("part", "kind"),
    [("unet", "UNet2DModel"), ("spare", "DDIMScheduler"), ("made", "DDPMScheduler"), ("scheduler", "DDPMScheduler")],
    ids=["a network", "nothing is made", "another is made", "needed"],
)
def test_any_other_part_without_a_folder_is_missed(tmp_path: Path, part: str, kind: str) -> None:
    folder = indexed(tmp_path / "toy", **{part: kind})
    if part == "scheduler":
        shutil.rmtree(folder / part)
    with pytest.raises(CardError, match=rf"^toy: {part} \(its folder is missing\)$"):
        load_whole(Sampler, folder, "toy")


def test_a_part_whose_package_is_not_here_names_the_package(tmp_path: Path) -> None:
    """diffusers has a stand-in for such a class; Stable Audio Open's scheduler needs torchsde."""
    with pytest.raises(CardError, match=r"^toy: part \(OnnxRuntimeModel requires the onnxruntime library") as caught:
        load_part(tmp_path / "part", ["diffusers", "OnnxRuntimeModel"], "toy")
    assert "\n" not in str(caught.value)


class Meeting(SchedulerMixin, ConfigMixin):
    """A part that takes as long to load as another one needs: the first until the second has begun, which stays."""

    config_name = "meeting_config.json"  # type: ignore[assignment]  # diffusers says None
    begun = (threading.Event(), threading.Event())
    over = threading.Event()

    @register_to_config
    def __init__(self, turn: int = 0) -> None:
        self.begun[turn].set()
        (self.over if turn else self.begun[1]).wait(10)


def test_threads_that_load_at_once_leave_the_libraries_as_loud_as_before(tmp_path: Path) -> None:
    libraries = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    before = [library.level for library in libraries]
    threads = []
    for turn in (0, 1):
        (tmp_path / f"{turn}").mkdir()
        (tmp_path / f"{turn}" / Meeting.config_name).write_text(f'{{"turn": {turn}}}')
        threads.append(threading.Thread(target=load_part, args=(tmp_path / f"{turn}", [__name__, "Meeting"], "toy")))
        threads[turn].start()
        assert Meeting.begun[turn].wait(10)
    threads[0].join()
    assert {library.level for library in libraries} == {logging.CRITICAL}, "the second one still loads"
    Meeting.over.set()
    threads[1].join()
    assert [library.level for library in libraries] == before
