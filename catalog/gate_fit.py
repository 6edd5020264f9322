"""What the gate can learn from reviewers: which threshold to move, how far, and what that would change.

A review is a label: keep means that the gate should have accepted the sound, drop that it should have rejected it.
One threshold moves at a time, the one whose move makes most verdicts agree with the labels, and each at most once; a
verdict is monotone in every threshold, so a move can be read as "from here on". Agreement is told for reviews that
had no part in the fit (cross-validation), and nothing moves unless those speak for it surely enough (`_sign_test`).
NaN, silence and a missing note are no matter of taste: they are never fitted, and no threshold becomes looser than
LOOSEST or tighter than TIGHTEST.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from types import MappingProxyType

import numpy as np

from catalog.errors import GateFitError
from catalog.gate import RHYTHMIC, GateSettings, Verdict, gate
from generation.descriptors import RawFacts, SoundFacts

MIN_REVIEWS, MIN_OF_EACH = 20, 5
"""Reviews that a fit needs, and how many of them must be keeps and how many drops."""
MIN_GAIN = 2.0
"""Verdicts more that must agree before a threshold moves: one review moves nothing."""
FOLDS = 5
MAX_P = 0.05
"""Nothing moves unless the p of the sign test on held-out reviews is below this."""
SCORE_WEIGHT = 0.1
"""What an unreviewed sound counts against a reviewed one when scores take part."""
LOW_SCORE, HIGH_SCORE = 10.0, 90.0
"""Score percentiles up to which a sound counts as a drop, and from which as a keep, when scores take part."""
LOOSEST: Mapping[str, float] = MappingProxyType(
    {
        "max_clipped_share": 0.01,
        "max_dc_offset": 0.1,
        "max_clicks": 3,
        "max_onset_s": 0.5,
        "min_duration_s": 0.02,
        "max_onsets": 4,
        "max_note_error_cents": 100.0,  # the next note
    }
)
"""How loose a fitted threshold may become; beyond it a sound is broken, whatever anybody says."""
TIGHTEST: Mapping[str, float] = MappingProxyType(
    {
        "max_clipped_share": 0.00015,  # what real one-shots show (configs/gate/default.yaml)
        "max_dc_offset": 0.001,  # -60 dB of the peak, where the default gate hears nothing
        "max_clicks": 0,
        "max_onset_s": 0.03,  # what real one-shots show
        "max_onsets": 1,
        "max_note_error_cents": 5.0,  # about the smallest difference of pitch that is heard (hyperphysics, "Cents")
    }
)
"""How tight a fitted threshold may become; beyond it nobody hears a fault. How long a sound must be is taste alone."""


@dataclass(frozen=True)
class GatedSound:
    """One sound with all that its verdict follows from, and what people say of it.

    review: keep, drop or None. score: percentile within its family, 0 to 100, None for an unscored sound.
    """

    id: int
    raw: RawFacts
    sound: SoundFacts | None
    qualities: tuple[str, ...]
    note: int | None
    accepted: bool
    review: str | None
    score: float | None

    def verdict(self, settings: GateSettings) -> Verdict:
        """The gate's verdict under these settings."""
        return gate(self.raw, self.sound, self.qualities, settings, self.note)


@dataclass(frozen=True)
class Move:
    """One threshold that moves, and how many more labels (weighted) agree by that move."""

    threshold: str
    before: float
    after: float
    gain: float


@dataclass(frozen=True)
class Proposal:
    """New thresholds and what they would change.

    moves: none when held-out reviews do not speak for them surely enough. agreement_before, agreement_after: share of
    reviews that the present gate agrees with, and that gates fitted without them agree with. better, worse: reviews
    that only the fitted gates agree with, and only the present one; p: of the sign test on these. accepted: sounds
    that the library accepts now. newly_rejected, newly_accepted: ids.
    """

    settings: GateSettings
    moves: tuple[Move, ...]
    reviews: int
    keeps: int
    agreement_before: float
    agreement_after: float
    better: int
    worse: int
    p: float
    accepted: int
    newly_rejected: tuple[int, ...]
    newly_accepted: tuple[int, ...]

    @property
    def newly_rejected_share(self) -> float:
        """Share of the accepted sounds that would be rejected, 0 to 1; 0 where none is accepted."""
        return len(self.newly_rejected) / max(1, self.accepted)


def fit_gate(sounds: Sequence[GatedSound], settings: GateSettings, with_scores: bool = False) -> Proposal:
    """Fit thresholds to the reviews of sounds; with_scores lets very low and very high scores count a little too.

    Raises GateFitError when there are fewer reviews than MIN_REVIEWS, or than MIN_OF_EACH of one kind.
    """
    reviewed = [sound for sound in sounds if sound.review is not None]
    keeps = sum(sound.review == "keep" for sound in reviewed)
    drops = len(reviewed) - keeps
    if len(reviewed) < MIN_REVIEWS or min(keeps, drops) < MIN_OF_EACH:
        raise GateFitError(
            f"{keeps} sounds were kept and {drops} dropped; {MIN_REVIEWS} reviews with at least {MIN_OF_EACH} of each "
            "are needed, go on with `nightcrate review`"
        )
    scored = [s for s in sounds if with_scores and s.review is None and _score_label(s) is not None]
    before = _agrees(reviewed, settings)
    after = _held_out(reviewed, scored, settings)
    better, worse = int((after & ~before).sum()), int((before & ~after).sum())
    p = _sign_test(better, worse, _chance(reviewed, before, after))
    fitted, moves = _fit([*reviewed, *scored], settings) if p < MAX_P else (settings, [])
    changed = [(sound, sound.verdict(fitted).accepted) for sound in sounds] if moves else []
    return Proposal(
        settings=fitted,
        moves=tuple(moves),
        reviews=len(reviewed),
        keeps=keeps,
        agreement_before=float(before.mean()),
        agreement_after=float(after.mean()),
        better=better,
        worse=worse,
        p=p,
        accepted=sum(sound.accepted for sound in sounds),
        newly_rejected=tuple(sound.id for sound, accepted in changed if sound.accepted and not accepted),
        newly_accepted=tuple(sound.id for sound, accepted in changed if accepted and not sound.accepted),
    )


def _held_out(reviewed: Sequence[GatedSound], scored: Sequence[GatedSound], settings: GateSettings) -> np.ndarray:
    """Whether a gate fitted without its fold agrees with each review, bool [reviewed]."""
    agrees = np.zeros(len(reviewed), bool)
    fold_of = np.array(_folds(reviewed))
    for fold in range(FOLDS):
        out = [sound for sound, its in zip(reviewed, fold_of, strict=True) if its == fold]
        rest = [sound for sound, its in zip(reviewed, fold_of, strict=True) if its != fold]
        fitted, _ = _fit([*rest, *scored], settings)
        agrees[fold_of == fold] = _agrees(out, fitted)
    return agrees


def _chance(reviewed: Sequence[GatedSound], before: np.ndarray, after: np.ndarray) -> float:
    """How often a verdict that changes is better by luck: a half, or as often as reviewers drop what the gate accepts.

    Where they drop most, a gate that rejects anything at random wins. Between verdicts that become stricter and looser
    the mean is taken, which makes no small p smaller (W. Hoeffding, Ann. Math. Stat. 27, 1956). before, after:
    whether the gate agrees with each review, bool [reviewed].
    """
    accepted = before == np.array([sound.review == "keep" for sound in reviewed])
    dropped = float(np.mean(~before[accepted])) if accepted.any() else 0.0
    stricter, differ = int((accepted & (before != after)).sum()), int((before != after).sum())
    return 0.5 + max(0.0, dropped - 0.5) * stricter / max(1, differ)


def _sign_test(better: int, worse: int, chance: float) -> float:
    """One-sided p that fitted gates win so many of the reviews on which they and the present gate differ.

    The exact sign test of two classifiers (S. Salzberg, On Comparing Classifiers, Data Mining and Knowledge Discovery
    1, 1997); chance: of a win by luck, 0.5 in the plain test.
    """
    differ = better + worse
    return float(sum(comb(differ, n) * chance**n * (1 - chance) ** (differ - n) for n in range(better, differ + 1)))


def _fit(labelled: Sequence[GatedSound], settings: GateSettings) -> tuple[GateSettings, list[Move]]:
    """Move one threshold after the other while a move gains MIN_GAIN; each moves at most once."""
    wanted, weights = _labels(labelled)
    moves: list[Move] = []
    asked = [name for name in LOOSEST if getattr(settings, name) is not None]
    while free := [name for name in asked if name not in {move.threshold for move in moves}]:
        best = max((_best_move(name, labelled, wanted, weights, settings) for name in free), key=lambda m: m.gain)
        if best.gain < MIN_GAIN:
            break
        moves.append(best)
        settings = _with(settings, best.threshold, best.after)
    return settings, moves


def _best_move(
    name: str, labelled: Sequence[GatedSound], wanted: np.ndarray, weights: np.ndarray, settings: GateSettings
) -> Move:
    """The value of one threshold with the most agreement; of equal ones the nearest to the present value."""
    present = float(getattr(settings, name))
    figures = np.array([_figure(name, sound) for sound in labelled])  # NaN: nothing to compare
    others = np.array([_passes_others(name, sound, settings) for sound in labelled])

    def agreement(limit: float) -> float:
        failed = figures < limit if _is_minimum(name) else figures > limit
        return float(weights[(others & ~failed) == wanted].sum())

    now = agreement(present)
    values = sorted(
        _candidates(name, figures[others & wanted], present),
        key=lambda value: (-agreement(value), abs(value - present)),
    )
    return Move(name, present, values[0], agreement(values[0]) - now)


def _candidates(name: str, figures: np.ndarray, present: float) -> list[float]:
    """Values worth trying: the present one, and the figures of sounds to be kept, within what a threshold may be.

    A limit between two kept sounds rejects as many kept ones as that at the nearer and spares more of the others; and
    where nothing is kept, nothing says how strict to be.
    """
    known = figures[np.isfinite(figures)]
    if _is_minimum(name):
        known = known[known >= min(LOOSEST[name], present)]
    else:
        known = np.maximum(known[known <= max(LOOSEST[name], present)], min(TIGHTEST[name], present))
    return [present, *(float(value) for value in np.unique(known))]


def _figure(name: str, sound: GatedSound) -> float:
    """What a threshold is compared with; NaN where the gate does not ask."""
    if name in _RAW_FIGURES:
        return float(getattr(sound.raw, _RAW_FIGURES[name]) or 0.0)
    if sound.sound is None:
        return float("nan")
    if name == "min_duration_s":
        return sound.sound.duration_s
    if name == "max_onsets":
        return float("nan") if RHYTHMIC in sound.qualities else float(sound.sound.onsets)
    if sound.note is None or sound.sound.midi_note is None:
        return float("nan")
    return abs(100 * (sound.sound.midi_note - sound.note) + (sound.sound.cents or 0.0))


def _passes_others(name: str, sound: GatedSound, settings: GateSettings) -> bool:
    """Whether nothing but this threshold can reject a sound."""
    return all(reason.code == _CODES[name] for reason in sound.verdict(settings).reasons)


_RAW_FIGURES = {
    "max_clipped_share": "clipped_share",
    "max_dc_offset": "dc_offset",
    "max_clicks": "clicks",
    "max_onset_s": "onset_s",
}
_CODES = {
    "max_clipped_share": "clipping",
    "max_dc_offset": "dc_offset",
    "max_clicks": "clicks",
    "max_onset_s": "late_start",
    "min_duration_s": "too_short",
    "max_onsets": "several_onsets",
    "max_note_error_cents": "wrong_note",
}


def _is_minimum(name: str) -> bool:
    return name.startswith("min_")


def _with(settings: GateSettings, name: str, value: float) -> GateSettings:
    whole = isinstance(getattr(settings, name), int)
    return GateSettings(**settings.model_dump() | {name: int(value) if whole else value})


def _labels(labelled: Sequence[GatedSound]) -> tuple[np.ndarray, np.ndarray]:
    """Whether each sound should be accepted, bool [n], and how much that counts, float [n]."""
    wanted = [sound.review == "keep" if sound.review else bool(_score_label(sound)) for sound in labelled]
    return np.array(wanted), np.array([1.0 if sound.review else SCORE_WEIGHT for sound in labelled])


def _score_label(sound: GatedSound) -> bool | None:
    """Keep or drop by the score alone; None for one in between, or without a score."""
    if sound.score is None or LOW_SCORE < sound.score < HIGH_SCORE:
        return None
    return sound.score >= HIGH_SCORE


def _agrees(reviewed: Collection[GatedSound], settings: GateSettings) -> np.ndarray:
    """Whether the gate agrees with each review, bool [n]."""
    return np.array([sound.verdict(settings).accepted == (sound.review == "keep") for sound in reviewed], bool)


def _folds(reviewed: Sequence[GatedSound]) -> list[int]:
    """A fold for each sound, keeps and drops spread evenly, the same ones whenever asked."""

    def drawn(row: int) -> tuple[str, str]:
        sound = reviewed[row]
        return str(sound.review), hashlib.sha256(str(sound.id).encode()).hexdigest()

    folds = [0] * len(reviewed)
    for place, row in enumerate(sorted(range(len(reviewed)), key=drawn)):
        folds[row] = place % FOLDS
    return folds
