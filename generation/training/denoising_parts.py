"""The parts of a denoising pipeline, found in the folders that other runs exported or in hub snapshots.

Every weight is read from safetensors; a folder without the part that is needed is refused in one line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors import SafetensorError
from transformers import AutoTokenizer, CLIPTextModel, PreTrainedTokenizerBase, SpeechT5HifiGan, T5EncoderModel

from generation.cards import LicenceLink, read_card
from generation.errors import TrainingError
from generation.folder_parts import load_network
from generation.hub import open_source
from generation.models.token_numbers import TokenNumbers
from generation.pipelines.network import aids_config
from generation.registry import model_folder
from generation.shared_parts import load_shared
from generation.shipped import config_names
from generation.strict_yaml import StrictModel
from generation.training.denoising_settings import PictureSettings, UNetSettings
from generation.training.licence_links import parent_links

TEXT_ENCODER, TOKENIZER, VAE, VOCODER, CODEC = "text_encoder", "tokenizer", "vae", "vocoder", "codec"
TOKEN_NUMBERS = "token-numbers"
"""In place of a text encoder: the thesis' literal conditioning of Audio Diffusion."""

# Which configurations a class reads; a whole CLIP holds its text tower.
_TEXT_KINDS: dict[type[Any], tuple[str, ...]] = {
    T5EncoderModel: ("t5",),
    CLIPTextModel: ("clip_text_model", "clip"),
}
Loaded = TypeVar("Loaded")


def load_text_side(
    source: str, kind: type[T5EncoderModel] | type[CLIPTextModel], tokenizer: str | None = None
) -> tuple[Any, PreTrainedTokenizerBase]:
    """Load a text encoder of one kind and its tokenizer, or `tokenizer`, another source's.

    Raises TrainingError: the folder holds no such encoder or no tokenizer.
    """
    if source == TOKEN_NUMBERS:
        if tokenizer is None:
            raise TrainingError(f"text_encoder={TOKEN_NUMBERS}: has no tokenizer; set tokenizer to a folder or hub id")
        return TokenNumbers(), _tokenizer(tokenizer, "tokenizer")
    where = f"text_encoder={source}"
    folder = _below(open_source(source), TEXT_ENCODER)
    config = folder / "config.json"
    found = json.loads(config.read_text(encoding="utf-8")).get("model_type") if config.is_file() else None
    if found not in _TEXT_KINDS[kind]:
        holds = f"a {found} model" if found else "no text encoder"
        raise TrainingError(f"{where}: holds {holds}; a {kind.__name__} is needed, such as 'train text-encoder' makes")
    encoder: Any = _loaded(where, lambda: load_network(kind, folder))
    return encoder, _tokenizer(tokenizer or source, "tokenizer" if tokenizer else "text_encoder")


@dataclass(frozen=True)
class Base:
    """A pipeline to train further: its folder, its terms, and loaded, the parts that lie outside its folder."""

    folder: Path
    links: tuple[LicenceLink, ...]
    shared: Mapping[str, Any]


def open_base(base: str) -> Base:
    """Find a pipeline to train further: a shipped name, a folder or a hub id."""
    if base not in config_names("models"):
        return Base(open_source(base), parent_links("base", base), {})
    card, folder = read_card(base), model_folder(base)
    chain = (link.model_copy(update={"part": f"base, {link.part}"}) for link in card.licence_chain)
    return Base(folder, tuple(chain), load_shared(card, folder))


def links_of(settings: StrictModel, names: Sequence[str]) -> tuple[LicenceLink, ...]:
    """Return the terms of the parts that some settings name: ("text_encoder", "autoencoder")."""
    sources = [(name.replace("_", " "), getattr(settings, name)) for name in names]
    return tuple(link for part, source in sources if source is not None for link in parent_links(part, source))


def load_autoencoder(source: str, codec_class: type[Any], picture: PictureSettings) -> tuple[AutoencoderKL, Any]:
    """Load an autoencoder and the codec of its pictures, perhaps with another number of frames.

    Raises TrainingError: the folder holds none, or one of other pictures.
    """
    where = f"autoencoder={source}"
    folder = open_source(source)
    if not (folder / VAE / "config.json").is_file():
        raise TrainingError(f"{where}: holds no autoencoder; give the model folder of a 'train autoencoder' run")
    if not (folder / CODEC / codec_class.config_name).is_file():
        raise TrainingError(
            f"{where}: was not trained on pictures of {codec_class.__name__}; "
            "give an autoencoder that was ('train autoencoder' has a setting for them)"
        )
    vae = _loaded(where, lambda: load_network(AutoencoderKL, folder / VAE))
    return vae, resized(codec_class.from_pretrained(folder / CODEC), picture, where)


def load_vocoder(source: str) -> SpeechT5HifiGan:
    """Load a HiFi-GAN. Raises TrainingError: the folder holds none."""
    folder = open_source(source) / VOCODER
    if not (folder / "config.json").is_file():
        raise TrainingError(f"vocoder={source}: holds no vocoder; give the model folder of a 'train vocoder' run")
    return _loaded(f"vocoder={source}", lambda: load_network(SpeechT5HifiGan, folder))


def resized(codec: Any, picture: PictureSettings, where: str) -> Any:
    """A codec with another number of frames. Raises TrainingError when another size is to differ."""
    own = {key: value for key, value in codec.config.items() if not key.startswith("_")}
    wanted = {**own, **picture.changes()}
    fixed = [name for name in wanted if name != "n_frames" and wanted[name] != own.get(name)]
    if fixed:
        raise TrainingError(
            f"{where}: was trained with {fixed[0]} {own.get(fixed[0])}, not {wanted[fixed[0]]}; leave it out"
        )
    return type(codec)(**wanted)


def build_unet(
    published: Mapping[str, Any],
    settings: UNetSettings,
    channels: int,
    size: tuple[int, int],
    text_width: int,
    reduction: int,
) -> UNet2DConditionModel:
    """Make an untrained network: the published one, changed where the settings say so.

    Args:
        published: one of generation.models.full_size.
        settings: what differs.
        channels: of the samples.
        size: rows and columns of the samples.
        text_width: numbers of a text state.
        reduction: pixels of a picture in one cell of a sample, on each side.

    Raises:
        TrainingError: diffusers knows no such network.
    """
    config = {
        **published,
        "in_channels": channels,
        "out_channels": channels,
        "sample_size": size,
        "cross_attention_dim": text_width,
    }
    changes = settings.model_dump(exclude_none=True, exclude={"aids"})
    if settings.aids:
        config |= aids_config(channels, reduction, text_width)
    attention = changes.pop("attention", None)
    # diffusers reads this name as the number of heads.
    config |= {"attention_head_dim" if name == "heads" else name: value for name, value in changes.items()}
    if settings.block_out_channels:
        attends = attention or (*[True] * (len(settings.block_out_channels) - 1), False)
        down = tuple("CrossAttnDownBlock2D" if each else "DownBlock2D" for each in attends)
        up = tuple("CrossAttnUpBlock2D" if each else "UpBlock2D" for each in reversed(attends))
        config |= {"down_block_types": down, "up_block_types": up}
    try:
        return UNet2DConditionModel(**config)
    except ValueError as error:
        raise TrainingError(f"unet: there is no such network ({str(error).splitlines()[0]})") from error


def text_width(encoder: Any) -> int:
    """Numbers of one state of a text encoder."""
    if isinstance(encoder, TokenNumbers):
        return int(encoder.config["max_position_embeddings"])
    return int(encoder.config.hidden_size)


def _tokenizer(source: str, setting: str) -> PreTrainedTokenizerBase:
    folder = _below(open_source(source), TOKENIZER)
    if not (folder / "tokenizer.json").is_file():
        raise TrainingError(f"{setting}={source}: holds no tokenizer.json; give a folder that has one")
    return _loaded(f"{setting}={source}", lambda: AutoTokenizer.from_pretrained(folder, local_files_only=True))


def _below(folder: Path, name: str) -> Path:
    """The part's own folder in an exported model; a hub repository may be the part itself."""
    return folder / name if (folder / name).is_dir() else folder


def _loaded(where: str, load: Callable[[], Loaded]) -> Loaded:
    try:
        return load()
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(f"{where}: cannot be loaded ({reason})") from error
