"""The name that a converted model has on its card."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from generation.cards import ModelCard
from generation.convert import ConversionError


def named_card(name: str, facts: dict[str, Any]) -> ModelCard:
    """Make a card of this name and of the other facts. Raises ConversionError, one line, for what cannot be a name."""
    try:
        return ModelCard(**facts | {"name": name})
    except ValidationError as error:
        told = "lower-case letters, digits, '.', '_' and '-' are needed, a letter or digit first"
        raise ConversionError(f"the name '{name}' cannot be a model's: {told}") from error
