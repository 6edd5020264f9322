"""From published checkpoints in formats of their own to folders that load as any other model does."""

from __future__ import annotations

from generation.errors import GenerationError


class ConversionError(GenerationError):
    """Original files are not what they should be, or the converted folder cannot be written."""
