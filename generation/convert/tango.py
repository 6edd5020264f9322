"""TANGO's original files -> a folder of diffusers components that loads as a model.

A T5 folder is needed beside them: TANGO's files hold the weights of its FLAN-T5, but neither its configuration
nor its tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from safetensors import SafetensorError
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    T5Config,
    T5EncoderModel,
)

from generation.cards import Defaults, ModelCard, Weights, write_card
from generation.codecs.log_mel import LogMelCodec
from generation.convert import ConversionError
from generation.convert.naming import named_card
from generation.convert.tango_layout import (
    FILES,
    MAIN_CONFIG,
    MAIN_WEIGHTS,
    STFT_CONFIG,
    VAE_CONFIG,
    VAE_WEIGHTS,
    MainSettings,
    StftSettings,
    VaeSettings,
    read_settings,
    text_encoder_name,
    unet_config,
    unet_name,
    vae_name,
    vocoder_name,
)
from generation.convert.torch_files import Network, fill_networks, read_tensors
from generation.convert.whole_folder import refuse_existing, whole_folder
from generation.models.full_size import TANGO_NOISE, TANGO_VOCODER
from generation.pipelines.tango import TangoPipeline
from generation.published_parts import published_links

_TANGO = "declare-lab/tango"
_TIED = ("text_encoder.shared.weight", "text_encoder.encoder.embed_tokens.weight")


def convert_tango(
    folder: Path,
    out: Path,
    text_encoder: Path,
    name: str = "tango",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ModelCard:
    """Convert TANGO's original files to a folder that `generation.load_model` loads.

    The networks are those of the files, weight by weight, in the same precision; nothing of the weights is held
    in memory beyond what the disk cache does. The scheduler is Stable Diffusion 2.1's, which TANGO took from a
    hub repository since withdrawn.

    Args:
        folder: holds tango_layout.FILES.
        out: folder to make; it appears whole or not at all.
        text_encoder: folder of the FLAN-T5 that the main file was trained with, for its config.json and its
            tokenizer; for its weights too (safetensors) where the main file has none.
        name: of the model, on its card.
        progress: told of the bytes written and of all there are.

    Returns:
        The card that lies in the folder; what the model makes may not be sold.

    Raises:
        ConversionError: `out` exists, a file is missing, cut short or of another kind, a key or a shape is not
            as its configuration says, or the disk refuses.
        ConfigError: a settings file says what cannot be converted.
    """
    refuse_existing(out)
    missing = [file for file in FILES if not (folder / file).is_file()]
    if missing:
        raise ConversionError(f"{folder}: lacks {', '.join(missing)}; TANGO's original files are needed")
    main = read_settings(folder / MAIN_CONFIG, MainSettings)
    codec = LogMelCodec(**read_settings(folder / STFT_CONFIG, StftSettings).codec_config())
    card = _card(name, main, codec)
    config, tokenizer = _read_t5(text_encoder)
    unet, encoder = _read_main(folder, main, text_encoder, config)
    vae, vocoder = _read_vae(folder)
    scheduler = DDPMScheduler(**TANGO_NOISE)
    _write(out, TangoPipeline(encoder, tokenizer, unet, vae, vocoder, scheduler, codec), card, progress)
    return card


def _read_t5(folder: Path) -> tuple[T5Config, PreTrainedTokenizerBase]:
    try:
        if not (folder / "config.json").is_file():  # transformers would take another name for one of the hub
            raise OSError("no config.json is there")
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # whatever transformers and tokenizers meet in files that are none
        reason = str(error).strip().partition("\n")[0]
        raise ConversionError(f"{folder}: configuration and tokenizer of a T5 are needed here ({reason})") from error
    if not isinstance(config, T5Config):
        raise ConversionError(f"{folder}: holds a {config.model_type}; the T5 that TANGO was trained with is needed")
    return config, tokenizer


def _read_main(
    folder: Path, main: MainSettings, t5_folder: Path, t5_config: T5Config
) -> tuple[UNet2DConditionModel, T5EncoderModel]:
    """The denoising network and the text encoder."""
    settings = unet_config(folder, main)
    path = folder / MAIN_WEIGHTS
    tensors = read_tensors(path)
    with torch.device("meta"):
        try:
            unet = cast(UNet2DConditionModel, UNet2DConditionModel.from_config(settings))
        except (TypeError, ValueError) as error:
            raise ConversionError(f"{folder / main.unet_model_config_path}: makes no network ({error})") from error
        encoder = T5EncoderModel(t5_config)
    networks = [Network(unet, unet_name)]
    if any(name.startswith("text_encoder.") for name in tensors):
        networks.append(Network(encoder, text_encoder_name))
        fill_networks(path, _untied(path, tensors), networks)
        encoder.tie_weights()
    else:
        fill_networks(path, tensors, networks)
        encoder = _load_t5(t5_folder)
    if encoder.config.d_model != unet.config["cross_attention_dim"]:
        raise ConversionError(
            f"{t5_folder}: its text has {encoder.config.d_model} channels, the denoising network takes "
            f"{unet.config['cross_attention_dim']}; give the T5 that TANGO was trained with"
        )
    return unet, encoder


def _untied(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with T5's one table of words under both of its names, where the file has one or both of them."""
    tables = [tensors[name] for name in _TIED if name in tensors]
    if len(tables) == 2 and not torch.equal(*tables):
        raise ConversionError(f"{path}: {' and '.join(_TIED)} differ; T5 has one table of words")
    return {**tensors, **dict.fromkeys(_TIED, tables[0])} if tables else dict(tensors)


def _load_t5(folder: Path) -> T5EncoderModel:
    try:
        loaded: Any = T5EncoderModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True, dtype=torch.float32
        )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConversionError(
            f"{folder}: {MAIN_WEIGHTS} holds no text encoder, and none can be loaded here ({reason})"
        ) from error
    encoder, told = loaded
    if told["missing_keys"]:
        raise ConversionError(f"{folder}: lacks {', '.join(sorted(told['missing_keys'])[:3])}; fetch it again")
    return encoder


def _read_vae(folder: Path) -> tuple[AutoencoderKL, SpeechT5HifiGan]:
    """The autoencoder and the vocoder, which lie in one file."""
    config = read_settings(folder / VAE_CONFIG, VaeSettings).autoencoder_config()
    path = folder / VAE_WEIGHTS
    tensors = read_tensors(path)
    with torch.device("meta"):
        vae = AutoencoderKL(**config)
        vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(**TANGO_VOCODER))
    # SpeechT5's vocoder can shift and stretch its input; TANGO's does not.
    bands = TANGO_VOCODER["model_in_dim"]
    neutral = {vocoder_name("mean"): torch.zeros(bands), vocoder_name("scale"): torch.ones(bands)}
    networks = [
        Network(vae, partial(vae_name, levels=len(config["block_out_channels"]))),
        Network(vocoder, vocoder_name),
    ]
    fill_networks(path, {**neutral, **tensors}, networks)
    return vae, vocoder


def _card(name: str, main: MainSettings, codec: LogMelCodec) -> ModelCard:
    (text_encoder,) = published_links(main.text_encoder_name)
    facts = {
        "technique": "tango",
        "description": "TANGO, converted from its original files: any sound, in plain sentences.",
        "tier": "full",
        "weights": Weights(folder=Path(".")),
        "sample_rate_hz": codec.config["sample_rate_hz"],
        "length_s": codec.duration_s,
        "defaults": Defaults(steps=100, guidance_scale=3.0),
        "prompt_style": "caption",
        "licence_chain": (*published_links(_TANGO), text_encoder.model_copy(update={"part": "text encoder"})),
    }
    return named_card(name, facts)


def _write(out: Path, pipeline: TangoPipeline, card: ModelCard, progress: Callable[[int, int], None]) -> None:
    """Save the components one by one."""
    components: dict[str, Any] = pipeline.components
    sizes = {name: _size(part) for name, part in components.items()}
    written = 0
    with whole_folder(out) as building:
        for name, part in components.items():
            progress(written, sum(sizes.values()))
            part.save_pretrained(building / name)
            written += sizes[name]
        pipeline.save_config(building)
        write_card(building, card)


def _size(part: Any) -> int:
    """Bytes of a component's weights; 0 for one without."""
    return sum(each.nbytes for each in part.parameters()) if isinstance(part, torch.nn.Module) else 0
