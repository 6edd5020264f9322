"""Text in, waveform out: prompts, codecs, networks, pipelines, corpus and training of nightcrate."""

from __future__ import annotations


def __getattr__(name: str) -> object:
    """Load the public doors on first use, so that importing the package costs nothing."""
    if name == "load_model":
        from generation.registry import load_model

        return load_model
    raise AttributeError(f"module 'generation' has no attribute {name!r}")
