"""What can go wrong while making sound; each message is the one line a user reads."""

from __future__ import annotations


class GenerationError(Exception):
    """Base of every error that generation raises on bad input."""


class AudioError(GenerationError):
    """A sound file cannot be read, or a clip cannot be written."""


class ConfigError(GenerationError):
    """A configuration file does not say what is needed."""


class CorpusError(GenerationError):
    """A corpus folder is not what its examples.json promises."""


class CardError(GenerationError):
    """A model card is unknown, or its weights are not where it says."""


class TrainingError(GenerationError):
    """A training run cannot start or must stop."""


class HubError(GenerationError):
    """A repository of the hub cannot be had: no network, no permission, no room, or nothing safe in it."""


class HubUnreachableError(HubError):
    """The hub gave no answer, so nobody knows what a repository holds."""
