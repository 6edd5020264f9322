"""Waveform in, searchable library out: gate, store, index, search, scores and packs of nightcrate."""

from __future__ import annotations


def __getattr__(name: str) -> object:
    """Load the public doors on first use, so that importing the package costs nothing."""
    if name == "Library":
        from catalog.library import Library

        return Library
    raise AttributeError(f"module 'catalog' has no attribute {name!r}")
