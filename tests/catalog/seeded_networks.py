"""Networks with seeded weights and the clips they hear, by the recipes of data/embedder_examples.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

EXAMPLES: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "embedder_examples.json").read_text(encoding="utf-8")
)


def clip(name: str) -> np.ndarray:
    """Return one of the clips, float64 [samples] at 16 kHz: sine440 or chirp_noise, _4s or _1s."""
    kind, length = name.rsplit("_", 1)
    t = np.arange(64_000) / 16_000
    if kind == "sine440":
        wave = 0.5 * np.sin(2 * np.pi * 440 * t)
    else:
        wave = 0.5 * np.sin(2 * np.pi * (200 * t + 300 * t**2)) * np.exp(-1.5 * t)
        wave = wave + 0.05 * np.random.default_rng(3).standard_normal(64_000)
    return wave[: {"4s": 64_000, "1s": 16_000}[length]]


def seed_weights(net: torch.nn.Module) -> None:
    """Give a network the fan-in weights of the recipe, in place; computed front ends keep their values."""
    rng = np.random.default_rng(0)
    state = net.state_dict()
    for name in sorted(state):
        tensor, module = state[name], name.rpartition(".")[0]
        if name.startswith(("spectrogram_extractor.", "logmel_extractor.")):
            continue
        if name.endswith(("num_batches_tracked", "running_mean", "running_var")):
            tensor.fill_(1 if name.endswith("running_var") else 0)
            continue
        z = rng.standard_normal(tuple(tensor.shape))
        if f"{module}.running_mean" in state:
            z = 0.1 * z + (1 if name.endswith("weight") else 0)
        else:
            z = z * (np.sqrt(2 / np.prod(z.shape[1:])) if z.ndim >= 2 else 0.1)
        tensor.copy_(torch.from_numpy(z.astype(np.float32)))


def shapes(net: torch.nn.Module) -> dict[str, list[int]]:
    """Return the name and shape of every tensor of a network's state dict."""
    return {name: list(tensor.shape) for name, tensor in net.state_dict().items()}


def agrees(values: np.ndarray, expected: dict[str, Any], tolerance: float) -> bool:
    """Whether a row has the first five values, mean and deviation of an example, relative to its peak."""
    limit = tolerance * float(np.abs(values).max())
    wide = values.astype(np.float64).ravel()
    return bool(
        np.abs(wide[:5] - expected["first5"]).max() <= limit
        and abs(wide.mean() - expected["mean"]) <= limit
        and abs(wide.std() - expected["std"]) <= limit
    )
