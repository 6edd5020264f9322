"""The gate learns: what reviewers drop moves the threshold that explains it, and nothing moves without reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from catalog.errors import GateFitError
from catalog.gate_fit import LOOSEST, TIGHTEST, GatedSound, fit_gate
from flows.judging import read_judging
from generation.descriptors import RawFacts, SoundFacts

SETTINGS = read_judging("default").gate
RAW = RawFacts(True, False, 1.0, peak_dbfs=-3.0, dc_offset=0.001, clipped_share=0.0, clicks=0, onset_s=0.01)
SOUND = SoundFacts(57, 2.0, 0.9, -18.0, -1.0, 0.01, 0.5, 1.0, 5_000.0, 900.0, 1)


def gated(id: int, review: str | None = None, score: float | None = None, **facts: object) -> GatedSound:
    raw = replace(RAW, **{name: value for name, value in facts.items() if hasattr(RAW, name) and name != "duration_s"})
    sound = replace(SOUND, **{name: value for name, value in facts.items() if hasattr(SOUND, name)})
    made = GatedSound(id, raw, sound, (), None, True, review, score)
    return replace(made, accepted=made.verdict(SETTINGS).accepted)


def late_ones_dropped(reviews: int = 40) -> list[GatedSound]:
    """Reviewers keep what starts within 100 ms and drop what starts later, which the gate lets through until 250."""
    sounds = []
    for id in range(reviews):
        onset_s = 0.005 * (id + 1)
        sounds.append(gated(id, "keep" if onset_s <= 0.1 else "drop", onset_s=onset_s))
    return sounds


def test_the_threshold_that_explains_the_drops_moves_and_no_other():
    unreviewed = [gated(100, onset_s=0.15), gated(101, onset_s=0.05)]
    proposal = fit_gate([*late_ones_dropped(), *unreviewed], SETTINGS)
    (move,) = proposal.moves
    assert (move.threshold, move.before, move.gain) == ("max_onset_s", 0.25, 20)
    assert proposal.settings.max_onset_s == pytest.approx(0.1)
    assert proposal.agreement_before == 0.5
    assert proposal.agreement_after > 0.9
    assert 100 in proposal.newly_rejected and 101 not in proposal.newly_rejected
    assert len(proposal.newly_rejected) == 21 and proposal.newly_accepted == ()
    assert proposal.settings.model_dump(exclude={"max_onset_s"}) == SETTINGS.model_dump(exclude={"max_onset_s"})


def test_a_gate_that_rejects_what_people_keep_is_loosened_but_only_to_the_limit():
    kept = [gated(id, "keep", cents=0.0, onset_s=0.3 + 0.01 * id) for id in range(30)]
    dropped = [gated(id, "drop", onset_s=0.8) for id in range(50, 60)]
    proposal = fit_gate([*kept, *dropped], SETTINGS)
    assert proposal.settings.max_onset_s == pytest.approx(LOOSEST["max_onset_s"])
    assert proposal.newly_accepted == tuple(range(21)), "what starts later than half a second stays rejected"


def test_a_gate_that_is_wrong_about_every_review_is_loosened():
    kept = [gated(id, "keep", onset_s=0.3 + 0.005 * id) for id in range(30)]
    dropped = [gated(id, "drop", onset_s=0.02) for id in range(50, 60)]
    proposal = fit_gate([*kept, *dropped], SETTINGS)
    assert proposal.agreement_before == 0
    assert [move.threshold for move in proposal.moves] == ["max_onset_s"]


def test_what_is_broken_stays_rejected_whatever_reviewers_say():
    broken = RawFacts(False, False, 1.0)
    silent = RawFacts(True, True, 1.0, peak_dbfs=None)
    loved = [GatedSound(id, raw, None, (), None, False, "keep", None) for id, raw in enumerate([broken, silent] * 15)]
    proposal = fit_gate([*loved, *(gated(id, "drop") for id in range(100, 110))], SETTINGS)
    assert proposal.moves == () and proposal.newly_accepted == ()
    assert proposal.settings == SETTINGS


def test_reviews_that_no_measure_explains_move_nothing():
    sounds = [gated(id, "keep" if id * 7919 % 13 < 8 else "drop", onset_s=0.001 * (id % 40)) for id in range(80)]
    proposal = fit_gate(sounds, SETTINGS)
    assert proposal.moves == ()
    assert proposal.agreement_after <= proposal.agreement_before
    assert (proposal.newly_rejected, proposal.newly_accepted) == ((), ())


def night(sounds: int = 200) -> list[GatedSound]:
    """Accepted sounds with figures like those of a real night: a tenth to five seconds, hardly any offset."""
    rng = np.random.default_rng(3)
    return [
        gated(
            id,
            dc_offset=float(10 ** rng.uniform(-8, -2.5)),
            onset_s=float(rng.exponential(0.005)),
            duration_s=float(rng.uniform(0.1, 5)),
        )
        for id in range(sounds)
    ]


@pytest.mark.parametrize("keep_share", [0.5, 0.3])
@pytest.mark.parametrize("reviews", [24, 80])
def test_coin_tosses_propose_hardly_ever(reviews: int, keep_share: float):
    """However many of them are drops: a gate that rejects more at random agrees with a reviewer who drops most."""
    sounds, draws, proposed = night(), 20, 0
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        for_review = set(rng.choice(len(sounds), reviews, replace=False).tolist())
        tossed = ["keep" if toss < keep_share else "drop" for toss in rng.random(len(sounds))]
        labelled = [replace(s, review=tossed[s.id]) if s.id in for_review else s for s in sounds]
        try:
            proposed += bool(fit_gate(labelled, SETTINGS).moves)
        except GateFitError:
            continue
    assert proposed <= 0.1 * draws


def test_a_few_reviews_that_one_cause_explains_propose_it():
    sounds = [
        replace(s, review="drop" if s.sound and s.sound.duration_s < 2.5 else "keep") if s.id < 24 else s
        for s in night()
    ]
    proposal = fit_gate(sounds, SETTINGS)
    assert [move.threshold for move in proposal.moves] == ["min_duration_s"]
    assert proposal.p < 0.05 and proposal.worse <= 2
    assert proposal.accepted == 200
    assert proposal.newly_rejected_share == len(proposal.newly_rejected) / 200


@pytest.mark.parametrize(
    ("name", "figure", "kept", "dropped"),
    [
        ("max_dc_offset", "dc_offset", 1e-6, 0.01),
        ("max_clipped_share", "clipped_share", 1e-5, 0.0004),
        ("max_onset_s", "onset_s", 0.002, 0.2),
        ("max_note_error_cents", "cents", 0.1, 40.0),
    ],
)
def test_no_threshold_becomes_tighter_than_can_be_heard(name: str, figure: str, kept: float, dropped: float):
    asked = [
        replace(gated(id, "keep" if id % 2 else "drop", **{figure: kept if id % 2 else dropped}), note=57)
        for id in range(40)
    ]
    proposal = fit_gate(asked, SETTINGS)
    assert [(move.threshold, move.after) for move in proposal.moves] == [(name, TIGHTEST[name])]
    only_inaudible = [replace(sound, review=None) for sound in asked] + [
        replace(gated(id, "keep" if id % 2 else "drop", **{figure: kept / (2 if id % 2 else 1)}), note=57)
        for id in range(100, 140)
    ]
    assert fit_gate(only_inaudible, SETTINGS).moves == ()


def test_a_gate_that_is_tighter_than_that_already_stays_as_it_is():
    settings = SETTINGS.model_copy(update={"max_dc_offset": 0.0005})
    sounds = [gated(id, "keep" if id % 2 else "drop", dc_offset=1e-6 if id % 2 else 0.0004) for id in range(40)]
    assert fit_gate(sounds, settings).moves == ()


def test_several_thresholds_move_one_after_the_other():
    short = [gated(id, "drop", duration_s=0.06) for id in range(100, 110)]
    proposal = fit_gate([*late_ones_dropped(), *short], SETTINGS)
    assert [move.threshold for move in proposal.moves] == ["max_onset_s", "min_duration_s"]
    assert proposal.settings.min_duration_s > 0.06


def test_scores_of_unreviewed_sounds_count_only_when_asked():
    low = [gated(id, None, 5.0, dc_offset=0.015) for id in range(200, 260)]
    high = [gated(id, None, 95.0) for id in range(300, 320)]
    reviews = late_ones_dropped()
    assert [move.threshold for move in fit_gate([*reviews, *low, *high], SETTINGS).moves] == ["max_onset_s"]
    moves = fit_gate([*reviews, *low, *high], SETTINGS, with_scores=True).moves
    assert [move.threshold for move in moves] == ["max_onset_s", "max_dc_offset"]
    assert moves[1].gain == pytest.approx(6.0)


@pytest.mark.parametrize(("keeps", "drops"), [(0, 0), (10, 9), (30, 4), (4, 30)])
def test_too_few_reviews_are_told_in_one_line(keeps: int, drops: int):
    sounds = [gated(id, "keep" if id < keeps else "drop") for id in range(keeps + drops)]
    with pytest.raises(
        GateFitError, match=rf"^{keeps} sounds were kept and {drops} dropped; 20 reviews with at least 5"
    ):
        fit_gate(sounds, SETTINGS)
