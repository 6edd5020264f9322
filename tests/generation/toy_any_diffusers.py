"""diffusers' own text-to-audio pipelines at a width of a few channels, with drawn weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_oobleck import AutoencoderOobleck
from diffusers.models.transformers.stable_audio_transformer import StableAudioDiTModel
from diffusers.pipelines.audioldm2 import AudioLDM2Pipeline, AudioLDM2ProjectionModel, AudioLDM2UNet2DConditionModel
from diffusers.pipelines.stable_audio import StableAudioPipeline, StableAudioProjectionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_edm_dpmsolver_multistep import EDMDPMSolverMultistepScheduler
from transformers import (
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    GPT2Config,
    GPT2LMHeadModel,
    RobertaTokenizer,
    T5Tokenizer,
)

from tests.generation.toy_diffusion import WIDTH, toy_t5, toy_vocoder
from tests.generation.toy_model import write_model_card

_WORDS = ("▁dark", "▁bass", "▁bright", "▁flute", "▁A2", ",")
_LETTERS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", *"abdefhiklrstuA2,Ġ")


def t5_tokenizer() -> T5Tokenizer:
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    return T5Tokenizer(vocab=special + [(word, -3.0) for word in _WORDS], extra_ids=0, model_max_length=12)


def toy_stable_audio(channels: int = 2) -> StableAudioPipeline:
    """Half a second or less at 4 kHz, stereo unless asked otherwise."""
    torch.manual_seed(0)
    tokenizer = t5_tokenizer()
    vae = AutoencoderOobleck(
        encoder_hidden_size=4, downsampling_ratios=[2, 4], channel_multiples=[1, 2], decoder_channels=4,
        decoder_input_channels=3, audio_channels=channels, sampling_rate=4000,
    ).eval()  # fmt: skip
    projection = StableAudioProjectionModel(
        text_encoder_dim=WIDTH, conditioning_dim=4, min_value=0, max_value=32
    ).eval()
    transformer = StableAudioDiTModel(
        sample_size=250, in_channels=3, num_layers=1, attention_head_dim=4, num_attention_heads=2,
        num_key_value_attention_heads=2, out_channels=3, cross_attention_dim=4, time_proj_dim=8,
        global_states_input_dim=8, cross_attention_input_dim=4,
    ).eval()  # fmt: skip
    scheduler = EDMDPMSolverMultistepScheduler(prediction_type="v_prediction", sigma_data=1.0)
    return StableAudioPipeline(
        vae=vae, text_encoder=toy_t5(len(tokenizer)), projection_model=projection, tokenizer=tokenizer,
        transformer=transformer, scheduler=scheduler,
    )  # fmt: skip


def toy_audioldm2() -> AudioLDM2Pipeline:
    """Mono at 16 kHz, 160 samples a frame."""
    torch.manual_seed(0)
    tokenizer, letters = t5_tokenizer(), RobertaTokenizer(
        vocab={letter: place for place, letter in enumerate(_LETTERS)}, merges=[], model_max_length=24
    )  # fmt: skip
    text: dict[str, Any] = {
        "vocab_size": len(letters), "hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2,
        "num_hidden_layers": 1, "max_position_embeddings": 32, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    audio: dict[str, Any] = {
        "spec_size": 64, "window_size": 4, "num_mel_bins": 64, "depths": [1, 1], "num_attention_heads": [1, 1],
        "num_hidden_layers": 2, "hidden_size": 48, "patch_embeds_hidden_size": 24, "patch_size": 2, "patch_stride": 2,
        "patch_embed_input_channels": 1,
    }  # fmt: skip
    language_model = GPT2LMHeadModel(GPT2Config(n_embd=8, n_head=2, n_layer=1, vocab_size=16, n_positions=64)).eval()
    language_model.config.max_new_tokens = 4
    unet = AudioLDM2UNet2DConditionModel(
        in_channels=4, out_channels=4, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=((None, 8, WIDTH),) * 2, attention_head_dim=2,
    ).eval()  # fmt: skip
    vae = AutoencoderKL(
        in_channels=1, out_channels=1, latent_channels=4, block_out_channels=(8, 16), norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    ).eval()  # fmt: skip
    return AudioLDM2Pipeline(
        vae=vae,
        text_encoder=ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=8)).eval(),
        text_encoder_2=toy_t5(len(tokenizer)),
        projection_model=AudioLDM2ProjectionModel(
            text_encoder_dim=8, text_encoder_1_dim=WIDTH, langauge_model_dim=8
        ).eval(),
        language_model=language_model,
        tokenizer=letters,
        tokenizer_2=tokenizer,
        feature_extractor=ClapFeatureExtractor(feature_size=64),
        unet=unet,
        scheduler=DDIMScheduler(clip_sample=False, num_train_timesteps=100),
        vocoder=toy_vocoder(),
    )


ANY_DEFAULTS = {"steps": 3, "guidance_scale": 3.0}
AnyToys = Mapping[str, tuple[Callable[[], Any], dict[str, Any]]]
"""Name -> how to make a toy, and what its card says of it."""

ANY_TOYS: AnyToys = {
    "stable-audio": (toy_stable_audio, {"sample_rate_hz": 4000, "length_s": 0.25}),
    "audioldm2": (toy_audioldm2, {"sample_rate_hz": 16000, "length_s": 0.16}),
}


def write_any_toy_card(folder: Path, name: str, toys: AnyToys = ANY_TOYS, **changes: Any) -> Path:
    """Put the card of a toy into a folder; return the folder."""
    fields = {"name": name, "technique": "diffusers", "defaults": ANY_DEFAULTS, **toys[name][1]}
    return write_model_card(folder, **{**fields, **changes})


def write_any_toys(root: Path, toys: AnyToys = ANY_TOYS) -> Path:
    """Save toys as diffusers saves them, with a card each, below `root`."""
    for name, (make, _) in toys.items():
        make().save_pretrained(root / name)
        write_any_toy_card(root / name, name, toys)
    return root
