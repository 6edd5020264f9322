"""The newer text-to-audio pipelines of diffusers, which walk by flow matching, at a width of a few channels."""

from __future__ import annotations

import torch
from diffusers.models.autoencoders.autoencoder_longcat_audio_dit import LongCatAudioDiTVae
from diffusers.models.autoencoders.autoencoder_same import AutoencoderSAME
from diffusers.models.transformers.transformer_longcat_audio_dit import LongCatAudioDiTTransformer
from diffusers.models.transformers.transformer_stable_audio3 import StableAudio3DiTModel
from diffusers.pipelines.longcat_audio_dit import LongCatAudioDiTPipeline
from diffusers.pipelines.stable_audio_3 import StableAudio3Pipeline
from diffusers.pipelines.stable_audio_3.modeling_stable_audio_3 import StableAudio3DurationEmbedder
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from transformers import (
    GemmaTokenizer,
    T5GemmaConfig,
    T5GemmaEncoderModel,
    T5GemmaModuleConfig,
    UMT5Config,
    UMT5EncoderModel,
)

from tests.generation.toy_any_diffusers import AnyToys, t5_tokenizer
from tests.generation.toy_diffusion import WIDTH

_WORDS = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁dark", "▁bass", "▁bright", "▁flute", "▁", *"abdrsk")


def _draw_zeros(network: torch.nn.Module) -> None:
    """Some layers start as zeros and pass nothing on before they are trained: text and noise would not be heard."""
    for weight in network.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.3)


def toy_long_cat() -> LongCatAudioDiTPipeline:
    """Mono at 8 kHz; save_pretrained leaves its scheduler out, since the pipeline makes it itself."""
    torch.manual_seed(0)
    tokenizer = t5_tokenizer()
    text = UMT5Config(vocab_size=len(tokenizer), d_model=WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    vae = LongCatAudioDiTVae(
        in_channels=1, channels=8, c_mults=[1, 2], strides=[2], latent_dim=4, encoder_latent_dim=8,
        downsampling_ratio=4, sample_rate=8000,
    ).eval()  # fmt: skip
    transformer = LongCatAudioDiTTransformer(
        dit_dim=16, dit_depth=1, dit_heads=2, dit_text_dim=WIDTH, latent_dim=4, text_conv=False
    ).eval()
    _draw_zeros(transformer)
    return LongCatAudioDiTPipeline(
        vae=vae, text_encoder=UMT5EncoderModel(text).eval(), tokenizer=tokenizer, transformer=transformer
    )


def toy_stable_audio_3() -> StableAudio3Pipeline:
    """Stereo at 8 kHz, with fresh noise at every step."""
    torch.manual_seed(0)
    text = T5GemmaModuleConfig(
        vocab_size=len(_WORDS), hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=64,
    )  # fmt: skip
    vae = AutoencoderSAME(
        audio_channels=2, patch_size=4, encoder_channels=8, encoder_c_mults=[2], encoder_strides=[2],
        encoder_transformer_depths=[1], latent_dim=4, dim_heads=4, sampling_rate=8000,
    ).eval()  # fmt: skip
    transformer = StableAudio3DiTModel(
        io_channels=4, embed_dim=16, depth=1, num_heads=2, cond_token_dim=WIDTH, global_cond_dim=16,
        local_add_cond_dim=5, timestep_features_dim=8, num_memory_tokens=2,
    ).eval()  # fmt: skip
    _draw_zeros(vae)
    _draw_zeros(transformer)
    whole = T5GemmaConfig(encoder=text, decoder=text, is_encoder_decoder=False, vocab_size=len(_WORDS))
    return StableAudio3Pipeline(
        vae=vae,
        text_encoder=T5GemmaEncoderModel(whole).eval(),
        tokenizer=GemmaTokenizer(
            vocab={word: place for place, word in enumerate(_WORDS)}, merges=[], model_max_length=16
        ),
        duration_embedder=StableAudio3DurationEmbedder(output_dim=16, fourier_dim=8).eval(),
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(stochastic_sampling=True),
    )


FLOW_TOYS: AnyToys = {
    "long-cat": (toy_long_cat, {"sample_rate_hz": 8000, "length_s": 0.1}),
    "stable-audio-3": (toy_stable_audio_3, {"sample_rate_hz": 8000, "length_s": 0.25}),
}
