"""Small heads that say what a caption says: family, source, note, each or that it is not said, and the qualities.

A text encoder that is trained with them keeps apart what a denoising network will ask of its states, the note above
all, which a contrast with sounds teaches slowly. One head says how high the note is: without it each note is a word
of its own, and what a denoising network learns of A2 tells it nothing of A#2. They are not part of what is exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from generation.prompts.vocabulary import FAMILIES, HIGHEST_NOTE, LOWEST_NOTE, QUALITIES, SOURCES
from generation.training.claims import Claim

NOTES = HIGHEST_NOTE - LOWEST_NOTE + 1
_SEMITONES = 12.0
_MIDDLE = 0.5 * (LOWEST_NOTE + HIGHEST_NOTE)


@dataclass(frozen=True)
class Said:
    """What captions say: indices int64 [captions], the last one is "not said"; qualities, float32 [captions, 10]."""

    family: Tensor
    source: Tensor
    note: Tensor
    qualities: Tensor

    def to(self, device: str) -> Said:
        """Return the same on a device."""
        return Said(*(part.to(device) for part in (self.family, self.source, self.note, self.qualities)))


def said_by(claims: Sequence[Claim]) -> Said:
    """Gather what claims say."""
    return Said(
        torch.tensor([len(FAMILIES) if c.family is None else FAMILIES.index(c.family) for c in claims]),
        torch.tensor([len(SOURCES) if c.source is None else SOURCES.index(c.source) for c in claims]),
        torch.tensor([NOTES if c.pitch is None else c.pitch - LOWEST_NOTE for c in claims]),
        torch.tensor([[float(quality in c.qualities) for quality in QUALITIES] for c in claims]),
    )


class CaptionHeads(nn.Module):
    """One linear layer for each of the four, and one for the height of a note that is said."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.family = nn.Linear(width, len(FAMILIES) + 1)
        self.source = nn.Linear(width, len(SOURCES) + 1)
        self.note = nn.Linear(width, NOTES + 1)
        self.qualities = nn.Linear(width, len(QUALITIES))
        self.height = nn.Linear(width, 1)

    def losses(self, states: Tensor, said: Said) -> dict[str, Tensor]:
        """Losses of float [captions, width], head by head.

        Cross-entropy; of the qualities the sum of ten binary ones, of the height the mean error in octaves.
        """
        quality = functional.binary_cross_entropy_with_logits(self.qualities(states).float(), said.qualities)
        chosen = {
            name: functional.cross_entropy(getattr(self, name)(states).float(), getattr(said, name))
            for name in ("family", "source", "note")
        }
        return {
            **chosen,
            "qualities": len(QUALITIES) * quality,
            "height": self._errors(states, said).mean() / _SEMITONES,
        }

    def accuracies(self, states: Tensor, said: Said) -> dict[str, float]:
        """Share of captions read rightly, head by head: all ten qualities at once, the height to a semitone."""
        chosen = {name: getattr(self, name)(states).argmax(dim=1) for name in ("family", "source", "note")}
        right = {name: found == getattr(said, name) for name, found in chosen.items()}
        right["qualities"] = ((self.qualities(states) > 0) == (said.qualities > 0.5)).all(dim=1)
        if (said.note < NOTES).any():
            right["height"] = self._errors(states, said) < 1
        return {name: float(hits.float().mean()) for name, hits in right.items()}

    def _errors(self, states: Tensor, said: Said) -> Tensor:
        """By how many semitones the height is missed, of those captions that say a note."""
        named = said.note < NOTES
        heights = _MIDDLE + _SEMITONES * self.height(states[named]).float()[:, 0]
        return (heights - (said.note[named] + LOWEST_NOTE)).abs()
