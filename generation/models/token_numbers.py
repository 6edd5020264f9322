"""Token numbers in the place of a text encoder: the literal conditioning of Audio Diffusion in the thesis.

It "uses only the tokenisation stage" (section 3.3.1) with texts padded to 100 tokens, and a network with a
cross-attention width of 100: each text is one vector of 100 features, the numbers themselves. Attention over a
single position weighs nothing, and a token's number says nothing of its meaning; kept for reproduction only.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput


class TokenNumbers(ModelMixin, ConfigMixin):  # type: ignore[misc]  # the two disagree on config_name
    """Gives token numbers as features; a pipeline component with nothing to learn."""

    @register_to_config
    def __init__(self, max_position_embeddings: int = 100) -> None:
        """Take the number of tokens that texts are padded or cut to, which is the width of the features."""
        super().__init__()
        # A component without any tensor has no device, and no file to be saved in.
        self.register_buffer("scale", torch.ones(()))

    def forward(self, input_ids: Tensor) -> BaseModelOutput:
        """Token numbers int64 [batch, tokens] -> last_hidden_state, float32 [batch, 1, tokens]."""
        return BaseModelOutput(last_hidden_state=input_ids.float()[:, None, :])
