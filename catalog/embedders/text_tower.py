"""The text tower of a small CLAP in numpy, so that a search waits for neither torch nor transformers.

RoBERTa (Liu et al. 2019, arXiv 1907.11692; layers of Devlin et al. 2019, arXiv 1810.04805, normalised after each sum),
its first token through a tanh layer, and the projection of LAION-CLAP (Wu et al. 2023, arXiv 2211.06687, section 3.2:
linear, ReLU, linear). It reads what transformers' ClapModel.save_pretrained and its fast tokenizer leave in a folder
and gives what ClapModel.get_text_features gives, to rounding; importing those two libraries takes several seconds, this
takes none. Made for networks of a few layers: one sentence at a time, on the CPU.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

# Of a few thousand numbers a sentence; scipy's would take longer to import than a search has time for.
_ERF = np.frompyfunc(math.erf, 1, 1)

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"


class TextTower:
    """Words to vectors by the text half of a ClapModel's folder."""

    def __init__(self, folder: Path) -> None:
        """Read the folder. Raises whatever json, safetensors and tokenizers raise where it holds something else."""
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        self._config = config["text_config"]
        self.dim = int(config["projection_dim"])
        for name, made_for in (("hidden_act", "gelu"), ("projection_hidden_act", "relu")):
            if self._config[name] != made_for:
                raise ValueError(f"{name} is {self._config[name]}, made for {made_for}")
        weights = {name: _widened(array) for name, array in load_file(folder / WEIGHTS).items()}
        self.fingerprint = _fingerprint(weights)
        self._weights = weights
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_padding()
        # RoBERTa counts positions from the number of its padding token on, so two of them are never reached.
        self._tokenizer.enable_truncation(int(self._config["max_position_embeddings"]) - 2)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embed sentences. Returns float32 [n, dim], rows of length 1."""
        rows = [self._embed(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))]
        return np.stack(rows) if rows else np.zeros((0, self.dim), np.float32)

    def _embed(self, tokens: Sequence[int]) -> np.ndarray:
        states = self._embeddings(tokens)
        for number in range(self._config["num_hidden_layers"]):
            states = self._layer(f"text_model.encoder.layer.{number}", states)
        pooled = np.tanh(self._linear("text_model.pooler.dense", states[0]))
        hidden = np.maximum(self._linear("text_projection.linear1", pooled), 0.0)
        vector = self._linear("text_projection.linear2", hidden)
        unit: np.ndarray = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return unit

    def _embeddings(self, tokens: Sequence[int]) -> np.ndarray:
        """The sum of what a token is, where it stands and of which sentence it is: float32 [tokens, width]."""
        at, named, padding = "text_model.embeddings", self._weights, self._config["pad_token_id"]
        told = np.array(tokens) != padding  # a text may say "<pad>"
        places = np.cumsum(told) * told + padding
        total = named[f"{at}.word_embeddings.weight"][list(tokens)] + named[f"{at}.position_embeddings.weight"][places]
        return self._norm(f"{at}.LayerNorm", total + named[f"{at}.token_type_embeddings.weight"][0])

    def _layer(self, at: str, states: np.ndarray) -> np.ndarray:
        heads, (count, width) = int(self._config["num_attention_heads"]), states.shape
        query, key, value = (
            self._linear(f"{at}.attention.self.{part}", states).reshape(count, heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        seen = _softmax(query @ key.swapaxes(1, 2) / math.sqrt(width // heads)) @ value
        attended = self._linear(f"{at}.attention.output.dense", seen.swapaxes(0, 1).reshape(count, width))
        states = self._norm(f"{at}.attention.output.LayerNorm", attended + states)
        wide = _gelu(self._linear(f"{at}.intermediate.dense", states))
        return self._norm(f"{at}.output.LayerNorm", self._linear(f"{at}.output.dense", wide) + states)

    def _linear(self, at: str, states: np.ndarray) -> np.ndarray:
        product: np.ndarray = states @ self._weights[f"{at}.weight"].T + self._weights[f"{at}.bias"]
        return product

    def _norm(self, at: str, states: np.ndarray) -> np.ndarray:
        centred = states - states.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(self._config["layer_norm_eps"]))
        normal: np.ndarray = centred / scale * self._weights[f"{at}.weight"] + self._weights[f"{at}.bias"]
        return normal


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def _gelu(x: np.ndarray) -> np.ndarray:
    """x times the normal distribution up to x (Hendrycks and Gimpel 2016, arXiv 1606.08415, section 2)."""
    below: np.ndarray = 0.5 * (1.0 + np.asarray(_ERF(x / math.sqrt(2.0)), np.float32))
    return x * below


def _widened(array: np.ndarray) -> np.ndarray:
    """Fractions as float32; whole numbers as they are."""
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _fingerprint(weights: Mapping[str, np.ndarray]) -> str:
    """First 12 hex digits of a hash over all weights of the whole model, both towers: clap.TransformersClap's."""
    digest = hashlib.sha256()
    for name, array in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).tobytes() if array.ndim else repr(array.item()).encode())
    return digest.hexdigest()[:12]
