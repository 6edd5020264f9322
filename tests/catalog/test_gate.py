"""The gate: every fault by its name, with figure and limit; and the canary."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from catalog.gate import Canary, CanarySettings, Verdict, gate, in_cents
from flows.judging import read_judging
from generation.audio import Clip
from generation.descriptors import raw_facts, sound_facts
from generation.finish import finish
from tests.generation.tones import RATE_HZ, clip, plucked, steady

JUDGING = read_judging("default")
NOISE = np.random.default_rng(0).standard_normal(RATE_HZ) / 5


def judge(raw: Clip, note: int | None = None, qualities: tuple[str, ...] = ()) -> Verdict:
    facts = raw_facts(raw)
    sound = sound_facts(finish(raw)) if facts.finite and not facts.silent else None
    return gate(facts, sound, qualities, JUDGING.gate, note)


def with_click(wave: np.ndarray) -> np.ndarray:
    wave[len(wave) // 2] += 0.4
    return wave


def twice(wave: np.ndarray) -> np.ndarray:
    return np.concatenate([wave[:6_000], wave])


FAULTS = {
    "not_finite": clip(np.where(np.arange(RATE_HZ) == 500, np.nan, plucked())),
    "silence": clip(np.zeros(RATE_HZ)),
    "clipping": clip(np.clip(4 * steady(), -1, 1)),
    "dc_offset": clip(plucked() + 0.1),
    "clicks": clip(with_click(plucked())),
    "late_start": clip(np.concatenate([np.zeros(RATE_HZ // 2), plucked()])),
    "too_short": clip(np.concatenate([plucked(seconds=0.02), np.zeros(RATE_HZ)])),
    "several_onsets": clip(twice(plucked())),
    "wrong_note": clip(plucked(57.8)),
    "no_note": clip(NOISE),
}


def test_a_clean_note_passes_and_may_be_half_a_semitone_off() -> None:
    for wave in (plucked(57.4), plucked(56.6), steady(57)):
        assert judge(clip(wave), note=57).accepted
    assert judge(clip(NOISE)).accepted, "a drum has no note, and nobody asked for one"


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_is_rejected_for_the_right_reason_in_one_sentence(code: str) -> None:
    verdict = judge(FAULTS[code], note=57 if code.endswith("_note") else None)
    assert not verdict.accepted
    assert [reason.code for reason in verdict.reasons] == [code]
    (reason,) = verdict.reasons
    assert len(reason.sentence) > 10 and "\n" not in reason.sentence
    assert set(asdict(reason)) == {"code", "sentence", "measured", "limit"}


def test_cents_are_written_whole_with_their_sign_and_nothing_is_below_zero() -> None:
    raw = FAULTS["wrong_note"]
    sound = replace(sound_facts(finish(raw)), midi_note=58, cents=-0.3)
    (reason,) = gate(raw_facts(raw), sound, (), JUDGING.gate, note=57).reasons
    assert reason.sentence == "A3 was asked for, A#3 +0 ct was measured"
    written = {-0.5: "+0 ct", -0.0: "+0 ct", 0.4: "+0 ct", None: "+0 ct", -0.6: "-1 ct", 3.2: "+3 ct", -49.8: "-50 ct"}
    assert {cents: in_cents(cents) for cents in written} == written


def test_a_barely_audible_peak_is_silence_and_says_how_low() -> None:
    (reason,) = judge(clip(5e-4 * plucked(peak=1.0))).reasons
    assert reason.code == "silence" and reason.measured == pytest.approx(-66, abs=0.1) and reason.limit == -60.0


def test_a_rhythm_that_was_asked_for_is_no_fault() -> None:
    rhythm = FAULTS["several_onsets"]
    assert judge(rhythm, qualities=("tempo-synced",)).accepted


def test_every_reason_is_given_not_only_the_first() -> None:
    verdict = judge(clip(np.concatenate([np.zeros(RATE_HZ // 2), with_click(plucked(60))])), note=57)
    assert {reason.code for reason in verdict.reasons} == {"late_start", "clicks", "wrong_note"}


def test_the_same_facts_can_be_judged_again_under_other_limits() -> None:
    raw = FAULTS["late_start"]
    facts, sound = raw_facts(raw), sound_facts(finish(raw))
    looser = JUDGING.gate.model_copy(update={"max_onset_s": 1.0})
    assert gate(facts, sound, (), looser).accepted and not gate(facts, sound, (), JUDGING.gate).accepted


def test_a_sound_that_was_not_measured_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="finished"):
        gate(raw_facts(clip(plucked())), None, (), JUDGING.gate)


# -------------------- the canary


def fed(verdicts: list[bool], model: str = "m", family: str = "bass") -> Canary:
    canary = Canary(CanarySettings(min_sounds=20, max_rejected_share=0.95))
    for accepted in verdicts:
        canary.add(model, family, accepted)
    return canary


def test_the_canary_waits_for_enough_sounds() -> None:
    assert fed([False] * 19).sick("m", "bass") is None
    assert fed([False] * 20).sick("m", "bass") == "m bass was stopped: 20 of its first 20 sounds were rejected"


def test_the_canary_lets_a_poor_cell_live() -> None:
    assert fed([False] * 19 + [True]).sick("m", "bass") is not None, "19 of 20 is nearly everything"
    assert fed([False] * 18 + [True] * 2).sick("m", "bass") is None


def test_the_canary_keeps_cells_apart() -> None:
    canary = fed([False] * 30)
    assert canary.sick("m", "flute") is None and canary.sick("other", "bass") is None
