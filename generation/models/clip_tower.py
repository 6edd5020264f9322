"""CLIP over sound pictures: an open_clip network as a diffusers component, and how a picture is shown to it.

CLIP: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021). The
full tier is OpenAI's ViT-B/32 by open_clip's own names; the starter tier is a small open_clip architecture
of ours. Both keep the whole architecture in config.json, so a saved tower loads without a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import open_clip
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin  # base name must be bound for pipeline loading
from torch import Tensor
from torch.nn.functional import interpolate, normalize
from transformers import PreTrainedTokenizerBase

# Part of a named open_clip architecture, but not of the network itself.
_NOT_NETWORK = ("custom_text",)


class ClipTower(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers types config_name in two ways
    """Text and picture encoders with a shared, L2-normalised embedding space."""

    @register_to_config
    def __init__(
        self,
        architecture: Mapping[str, Any],
        quick_gelu: bool = False,
        image_mean: Sequence[float] = open_clip.OPENAI_DATASET_MEAN,
        image_std: Sequence[float] = open_clip.OPENAI_DATASET_STD,
        render_size: Sequence[int] | None = None,
    ) -> None:
        """Build an untrained network.

        Args:
            architecture: open_clip's embed_dim, vision_cfg and text_cfg.
            quick_gelu: the activation that OpenAI's weights were trained with.
            image_mean: what is taken from each of the three colour channels, in [0, 1].
            image_std: what each channel is divided by afterwards.
            render_size: height and width of the images; None is the architecture's image_size. Any size
                with as many positions in the network's last layer will do.
        """
        super().__init__()
        self.clip = open_clip.CLIP(**architecture, quick_gelu=quick_gelu)
        size = render_size or architecture["vision_cfg"].get("image_size", 224)
        self.image_size = (size, size) if isinstance(size, int) else tuple(size)
        self.context_length = int(architecture["text_cfg"].get("context_length", 77))

    @classmethod
    def from_open_clip(cls, name: str = "ViT-B-32-quickgelu", pretrained: str = "openai") -> ClipTower:
        """Take over published weights.

        Args:
            name: an architecture that open_clip knows.
            pretrained: open_clip's tag of the weights (fetched from the hub once) or a local file.
        """
        published = open_clip.create_model(name, pretrained=pretrained)
        architecture = {k: v for k, v in open_clip.get_model_config(name).items() if k not in _NOT_NETWORK}
        quick_gelu = architecture.pop("quick_gelu", False)
        tower = cls(architecture=architecture, quick_gelu=quick_gelu)
        tower.clip.load_state_dict(published.state_dict())
        return tower.eval()

    @property
    def embedding_size(self) -> int:
        """Numbers in an embedding."""
        return int(self.config["architecture"]["embed_dim"])

    def render(self, pictures: Tensor) -> Tensor:
        """Show sound pictures as images: low notes at the bottom, every row kept, no crop.

        Args:
            pictures: float [batch, 1, rows, columns] in [0, 1], row 0 the lowest frequency.

        Returns:
            float [batch, 3, height, width], normalised as the network expects.
        """
        images = pictures.flip(2)
        if images.shape[2:] != self.image_size:
            images = interpolate(images, self.image_size, mode="bilinear", antialias=True)
        mean = images.new_tensor(self.config["image_mean"])[:, None, None]
        std = images.new_tensor(self.config["image_std"])[:, None, None]
        return (images.expand(-1, 3, -1, -1) - mean) / std

    def encode_pictures(self, pictures: Tensor) -> Tensor:
        """float [batch, 1, rows, columns] in [0, 1] -> L2-normalised float [batch, embedding_size]."""
        return normalize(self.clip.encode_image(self.render(pictures)), dim=-1)

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        """int64 [batch, context_length] of a tokenizer -> L2-normalised float [batch, embedding_size]."""
        return normalize(self.clip.encode_text(tokens), dim=-1)

    def forward(self, pictures: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embed both sides for training.

        Returns:
            picture embeddings and text embeddings [batch, embedding_size], and the scale (a scalar, at
            most 100 as in the paper) that turns their cosines into logits.
        """
        scale = self.clip.logit_scale.exp().clamp(max=100.0)
        return self.encode_pictures(pictures), self.encode_tokens(tokens), scale


def token_ids(tower: ClipTower, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> Tensor:
    """Texts through a tokenizer of generation.models.clip_words: int64 [texts, context_length]."""
    encoded = tokenizer(
        list(texts),
        padding="max_length",
        truncation=True,
        max_length=tower.context_length,
        return_tensors="pt",
    )
    return encoded["input_ids"].to(tower.device)


@torch.no_grad()
def embed_texts(tower: ClipTower, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> Tensor:
    """L2-normalised embeddings of texts: float32 [texts, embedding_size], on the tower's device."""
    return tower.encode_tokens(token_ids(tower, tokenizer, texts)).float()
