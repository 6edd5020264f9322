"""The judge's network: a small PANNs-style convolutional classifier of source, family and qualities.

Design after the CNNs of Kong et al. 2020 (PANNs, arXiv 1912.10211): blocks of two 3x3 convolutions with batch
norm and ReLU, average pooling between blocks, mean over frequency, then the sum of mean and maximum over time, one
fully connected layer whose ReLU output is the embedding. It departs in size and in having three output layers.
"""

from __future__ import annotations

import torch
from torch import nn

from catalog.embedders.frontend import FLOOR_DB


class JudgeNet(nn.Module):
    """log-mel [n, frames, mels] in dB -> (logits per head, embedding [n, embedding_dim], at least 0)."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128, 256), embedding_dim: int = 128, mels: int = 64) -> None:
        """`widths`: channels of the blocks; each but the last halves both axes (time once more at the start)."""
        super().__init__()
        self.config: dict[str, object] = {"widths": list(widths), "embedding_dim": embedding_dim, "mels": mels}
        self.norm = nn.BatchNorm1d(mels)
        self.blocks = nn.ModuleList(_block(i, o) for i, o in zip((1, *widths[:-1]), widths, strict=True))
        self.pool = nn.AvgPool2d(2)
        self.dropout = nn.Dropout(0.2)
        self.embedding = nn.Linear(widths[-1], embedding_dim)
        self.heads = nn.ModuleDict(
            {
                "source": nn.Linear(embedding_dim, 3),
                "family": nn.Linear(embedding_dim, 11),
                "qualities": nn.Linear(embedding_dim, 10),
            }
        )

    def forward(self, picture: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Classify: softmax for source and family logits, sigmoid for quality logits (they are not exclusive)."""
        # Only the upper 80 dB carry sound; below that a recording's floor would tell the recording, not the instrument.
        top = picture.amax(dim=(1, 2), keepdim=True)
        x = torch.maximum(picture, torch.clamp(top - 80, min=FLOOR_DB)) - top
        x = self.norm(x.transpose(1, 2)).transpose(1, 2).unsqueeze(1)
        x = nn.functional.avg_pool2d(x, (2, 1), ceil_mode=True).contiguous(memory_format=torch.channels_last)
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number < len(self.blocks) - 1:
                x = self.pool(x)
        x = x.float().mean(dim=3)
        x = x.mean(dim=2) + x.amax(dim=2)
        embedding = torch.relu(self.embedding(self.dropout(x)))
        return {name: head(self.dropout(embedding)) for name, head in self.heads.items()}, embedding


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
    )  # fmt: skip
