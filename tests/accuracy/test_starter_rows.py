"""The starter techniques obey their prompts: family, note, and more of both once trained on single notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from catalog.embedders.judge import Judge
from flows.settings import read_night
from generation import load_model
from generation.audio import Clip
from generation.descriptors import SoundFacts, sound_facts
from generation.finish import finish
from generation.prompts.prompt import Prompt
from generation.prompts.vocabulary import FAMILIES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
AT_ONCE = 14


@dataclass(frozen=True)
class Made:
    """Sounds of one model for the same prompts, as it makes them: only finished, not tuned."""

    prompts: Sequence[Prompt]
    clips: Sequence[Clip]
    facts: Sequence[SoundFacts]

    def in_tune(self) -> float:
        """Share within 50 cents of the note asked for."""
        off = [
            np.inf if fact.midi_note is None else abs(fact.midi_note + (fact.cents or 0) / 100 - (prompt.note or 0))
            for fact, prompt in zip(self.facts, self.prompts, strict=True)
        ]
        return float(np.mean(np.array(off) <= 0.5))

    def family(self, families: Sequence[str] | None = None) -> float:
        """Share whose family the judge hears, against the prompts' or other ones."""
        wanted = families or [prompt.family for prompt in self.prompts]
        heard = Judge().posteriors(self.clips)[0]["family"].argmax(axis=1)
        return float(np.mean([FAMILIES[index] == family for index, family in zip(heard, wanted, strict=True)]))


@cache
def made(model: str, every: int = 1) -> Made:
    """What a model makes of each `every`-th prompt of the starter night, by its card's defaults."""
    config, folder = read_night("starter")
    prompts = config.prompts.prompts_in(folder)[::every]
    loaded = load_model(model)
    clips: list[Clip] = []
    for start in range(0, len(prompts), AT_ONCE):
        part = prompts[start : start + AT_ONCE]
        seeds = list(range(start, start + len(part)))
        clips += loaded.generate([each.caption for each in part], seeds, notes=[each.note for each in part])
    finished = [finish(clip) for clip in clips]
    return Made(prompts, finished, [sound_facts(clip) for clip in finished])


@pytest.mark.parametrize("model", ["audio-latent-diffusion-starter", "tango-ft-starter"])
def test_prompts_are_obeyed(model: str) -> None:
    sounds = made(model)
    families = [prompt.family for prompt in sounds.prompts]
    # Half the list on, so that no sound meets its own cell or its neighbour.
    shuffled = families[len(families) // 2 :] + families[: len(families) // 2]
    told = sounds.family(), sounds.family(shuffled), sounds.in_tune()
    print(f"{model}: family {told[0]:.0%}, under other prompts {told[1]:.0%}, within 50 cents {told[2]:.0%}")
    # 64 % and 61 % when they were made, of 56 sounds, whose 95 % interval is 13 points to each side: half of either,
    # well met, stays below this bound, and either, badly met, above it. Wanted is 0.8 of what real notes reach through
    # the codec, 55 % and 53 %, which so few sounds cannot tell from less.
    assert told[0] >= 0.45
    assert told[1] < 0.2
    assert told[2] >= 0.9


@pytest.mark.parametrize("technique", ["riffusion", "tango"])
def test_trained_on_single_notes_a_model_beats_its_base(technique: str) -> None:
    base, tuned = made(f"{technique}-starter", 2), made(f"{technique}-ft-starter", 2)
    print(
        f"{technique}: family {base.family():.0%}, fine-tuned {tuned.family():.0%}; "
        f"within 50 cents {base.in_tune():.0%}, fine-tuned {tuned.in_tune():.0%}"
    )
    assert tuned.family() > base.family()
    assert tuned.in_tune() > base.in_tune()
