"""Run alone: make a small real checkpoint with LAION's own package and record what the package makes of it.

`python laion_reference.py FOLDER`, with HF_HUB_CACHE set to FOLDER/hub, writes
    hub            a Hugging Face cache with toy tokenizers and a toy RoBERTa, so that laion_clap, which asks
                   the hub for them when it is imported, runs without a network
    toy.pt         HTSAT-tiny and a two-layer RoBERTa, random weights, in the layout of LAION's training
    reference.npz  sounds, texts and the vectors that laion_clap.CLAP_Module gives them
It is a program of its own because laion_clap reads the cache's place when it is first imported.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np

TEXTS = ("bass", "flute", "snare", "a warm dark acoustic bass", "bright synthetic lead " * 40)
RATE_HZ = 48_000


def make_sounds() -> list[np.ndarray]:
    """Return sounds of peak 1 at 48 kHz: 0.1 s, 1 s, exactly 10 s, and one that does not divide 10 s."""
    rng = np.random.default_rng(0)
    lengths = (4_800, 48_000, 480_000, 70_001)
    sounds = []
    for number, length in enumerate(lengths):
        time_s = np.arange(length) / RATE_HZ
        sound = np.sin(2 * np.pi * 110 * 2**number * time_s) + 0.3 * number * rng.standard_normal(length)
        sounds.append((sound / np.abs(sound).max()).astype(np.float32))
    return sounds


def make_hub(hub: Path) -> None:
    """Lay out a cache as huggingface_hub does, with the four files laion_clap looks for."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaModel

    words = ByteLevelBPETokenizer()
    words.train_from_iterator(TEXTS, vocab_size=400, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    config = RobertaConfig(
        vocab_size=words.get_vocab_size(), hidden_size=768, num_hidden_layers=2, num_attention_heads=12,
        intermediate_size=128, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5,
    )  # fmt: skip

    def snapshot(name: str, kind: str) -> Path:
        repository = hub / f"models--{name.replace('/', '--')}"
        folder = repository / "snapshots" / ("0" * 40)
        folder.mkdir(parents=True)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("0" * 40)
        (folder / "config.json").write_text(json.dumps({"model_type": kind}))
        return folder

    roberta = snapshot("roberta-base", "roberta")
    RobertaModel(config).save_pretrained(roberta)
    words.save_model(str(roberta))
    words.save_model(str(snapshot("facebook/bart-base", "bart")))
    (snapshot("bert-base-uncased", "bert") / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")


def main(folder: Path) -> None:
    """Write everything into `folder`."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    make_hub(folder / "hub")
    warnings.simplefilter("ignore")
    import laion_clap

    clap = laion_clap.CLAP_Module(enable_fusion=False, device="cpu", amodel="HTSAT-tiny")
    with torch.no_grad():
        # Fresh towers answer anything with nearly one vector; larger weights tell inputs apart.
        for name, weight in clap.model.named_parameters():
            if weight.ndim >= 2 and not name.startswith("audio_branch.spectrogram"):
                weight.mul_(4.0)
    weights = {f"module.{name}": value for name, value in clap.model.state_dict().items()}
    weights["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    record = {"param_groups": [{"lr": np.float64(1e-4)}]}
    torch.save({"epoch": 15, "name": "toy", "state_dict": weights, "optimizer": record}, folder / "toy.pt")

    clap.load_ckpt(str(folder / "toy.pt"), verbose=False)
    sounds = make_sounds()
    np.savez(
        folder / "reference.npz",
        # One at a time: the package cannot stack sounds of unlike length before it has filled them.
        audio=np.concatenate([clap.get_audio_embedding_from_data([sound]) for sound in sounds]),
        text=clap.get_text_embedding(list(TEXTS)),
        texts=np.array(TEXTS),
        **{f"sound_{number}": sound for number, sound in enumerate(sounds)},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
