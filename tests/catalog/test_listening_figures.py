"""What follows from answers: intervals that hold, published agreement, correlations only where there is enough."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.library import Library
from catalog.listening.agreement import agreements, interval_alpha
from catalog.listening.correlation import model_correlations, sound_correlations
from catalog.listening.means import Mean, crossed_interval, maker_means
from catalog.listening.records import REAL, Answer, ListeningTest
from catalog.records import ScoreRecord
from tests.catalog.toy_listening import toy_test

NAN = float("nan")
# Four observers, twelve units: K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011).
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)


def test_alpha_is_krippendorffs_own() -> None:
    assert interval_alpha(OBSERVERS.T) == pytest.approx(0.849, abs=0.0005)
    assert interval_alpha(np.array([[10.0, 10.0], [90.0, 90.0]])) == 1.0
    assert interval_alpha(np.array([[50.0, 50.0], [50.0, 50.0]])) is None
    noise = np.random.default_rng(0).uniform(0, 100, (2_000, 3))
    assert abs(interval_alpha(noise) or 1.0) < 0.05


def test_the_interval_counts_sounds_and_listeners() -> None:
    # By hand: sound means 40, 60; listener means 45, 55; s2/n = 200/2 + 50/2 = 125; both with 1 degree of freedom:
    # df = 125^2 / (100^2 + 25^2) = 1.47059.
    mean, low, high = crossed_interval(np.array([[35.0, 45.0], [55.0, 65.0]]))
    from scipy.stats import t

    reach = t.ppf(0.975, 125**2 / (100**2 + 25**2)) * 125**0.5
    assert (mean, low, high) == pytest.approx((50.0, 50 - reach, 50 + reach))
    assert crossed_interval(np.full((3, 2), 70.0)) == (70.0, 69.5, 70.5), "answers are whole numbers"


@pytest.mark.parametrize(("sounds", "listeners"), [(4, 5), (8, 3), (15, 10)])
def test_nineteen_intervals_of_twenty_hold_the_truth(sounds: int, listeners: int) -> None:
    rng = np.random.default_rng(1)
    held, trials = 0, 400
    for _ in range(trials):
        table = 50 + rng.normal(0, 12, (sounds, 1)) + rng.normal(0, 8, (1, listeners))
        table = table + rng.normal(0, 10, (sounds, listeners))
        table[rng.random((sounds, listeners)) < 0.05] = np.nan
        table = table[~np.isnan(table).all(axis=1)][:, ~np.isnan(table).all(axis=0)]
        _, low, high = crossed_interval(table)
        held += low <= 50 <= high
    print(f"{sounds} sounds, {listeners} listeners: {held / trials:.1%} of intervals hold the truth")
    assert 0.935 <= held / trials <= 0.995


def answered(test: ListeningTest, scores: dict[str, float], listeners: int = 3) -> list[Answer]:
    """Every listener answers every sound: the maker's score, a little higher for each listener and next sound."""
    found = []
    for maker, score in scores.items():
        sounds = [sound for sound in test.sounds if sound.candidate.maker == maker]
        found += [
            Answer(who, sound.id, round(score + who + row), 50 + row + who, 1)
            for who in range(1, listeners + 1)
            for row, sound in enumerate(sounds)
        ]
    return found


def test_makers_are_ranked_only_as_far_as_their_intervals_lie_apart(library: Library) -> None:
    test = toy_test(library, count=12)
    means = maker_means(test, answered(test, {"alpha-net": 20, "beta-net": 22, REAL: 80}))
    cag = {one.maker: one for one in means if one.scale == "CAG"}
    assert [one.maker for one in means][:3] == [REAL, "alpha-net", "beta-net"]
    assert [cag[maker].rank for maker in (REAL, "alpha-net", "beta-net")] == [1, 2, 2]
    assert (cag[REAL].sounds, cag[REAL].listeners, cag[REAL].answers) == (4, 3, 12)
    assert all(one.low < one.value < one.high for one in means)  # type: ignore[operator]
    assert {one.rank for one in means if one.scale == "REL"} == {1}


def test_one_unit_of_the_scale_tells_no_makers_apart(library: Library) -> None:
    """However well all agree: an answer is a whole number, and the next one may stand for nearly the same."""
    test = toy_test(library)

    def cag_of(scores: dict[str, int]) -> dict[str, Mean]:
        answers = [
            Answer(who, sound.id, scores[sound.candidate.maker], 0, 1) for who in (1, 2) for sound in test.sounds
        ]
        return {one.maker: one for one in maker_means(test, answers) if one.scale == "CAG"}

    near = cag_of({"alpha-net": 50, "beta-net": 51, REAL: 100})
    assert {maker: one.rank for maker, one in near.items()} == {REAL: 1, "alpha-net": 2, "beta-net": 2}
    assert (near["alpha-net"].low, near["alpha-net"].high) == (49.5, 50.5)
    assert (near[REAL].low, near[REAL].high) == (99.5, 100.0)
    far = cag_of({"alpha-net": 50, "beta-net": 52, REAL: 100})
    assert (far["beta-net"].rank, far["alpha-net"].rank) == (2, 3)


def test_too_few_answers_are_unscored_with_the_reason(library: Library) -> None:
    test = toy_test(library)
    one_listener = maker_means(test, answered(test, dict.fromkeys(("alpha-net", "beta-net", REAL), 50), listeners=1))
    assert {(one.value, one.low, one.rank) for one in one_listener} == {(None, None, None)}
    assert one_listener[0].reason == "2 sounds answered by 1 listeners, at least 2 sounds and 2 listeners are needed"
    assert [one.reason for one in maker_means(test, [])][0].startswith("0 sounds answered by 0 listeners")
    assert [one.alpha for one in agreements(test, [])] == [None, None]
    assert "at least 2 are needed" in str(agreements(test, [])[0].reason)


def test_agreement_counts_sounds_that_two_answered(library: Library) -> None:
    test = toy_test(library)
    answers = answered(test, {"alpha-net": 10, "beta-net": 50, REAL: 90}, listeners=2)[:-1]
    cag, rel = agreements(test, answers)
    assert (cag.sounds, cag.listeners) == (5, 2)
    assert cag.alpha is not None and cag.alpha > 0.99
    assert rel.alpha is not None and rel.alpha < cag.alpha


def means_of(values: dict[str, float]) -> list[Mean]:
    return [Mean("CAG", maker, value, value, value, 1, 4, 5, 20, None) for maker, value in values.items()]


def test_models_are_correlated_with_each_figure_of_the_league() -> None:
    means = means_of({f"m{n}": 10.0 * n for n in range(6)} | {REAL: 99.0})
    scores = [ScoreRecord("model", f"m{n}", "FAD [j]", 50.0 - n, None, "j@1", "notes", 60) for n in range(6)]
    scores += [ScoreRecord("model", "m0", "KL [j]", None, "few", "j@1", "notes", 1)]
    scores += [ScoreRecord("model", f"m{n}", "KL [j]", 1.0 + n, None, "j@1", "notes", 60) for n in range(1, 5)]
    scores += [ScoreRecord("model_family", "m1/bass", "FAD [j]", 3.0, None, "j@1", "notes", 60)]
    found = {(one.scale, one.figure): one for one in model_correlations(means, scores)}
    fad = found["CAG", "FAD [j]"]
    assert (fad.rho, fad.n, fad.over, fad.embedder) == (pytest.approx(-1.0), 6, "models", "j@1")
    assert fad.p == pytest.approx(2 / 720)
    kl = found["CAG", "KL [j]"]
    assert (kl.rho, kl.n, kl.reason) == (None, 4, "4 models have both, at least 5 are needed")
    assert found["REL", "FAD [j]"].reason == "0 models have both, at least 5 are needed"


def test_distances_of_too_different_numbers_of_sounds_are_not_correlated() -> None:
    means = means_of({f"m{n}": 10.0 * n for n in range(6)})

    def rho(figure: str, counts: list[int]) -> tuple[float | None, str | None]:
        scores = [
            ScoreRecord("model", f"m{n}", figure, 50.0 - n, None, "j@1", "notes", count, {"dimensions": 128})
            for n, count in enumerate(counts)
        ]
        found = {one.scale: one for one in model_correlations(means, scores)}
        return found["CAG"].rho, found["CAG"].reason

    few = [50, 60, 60, 60, 60, 3000]
    assert rho("FAD [j]", few) == (None, "of 50 to 3000 sounds a model, which do not compare")
    assert rho("KL [j]", few)[0] == rho("FAD [j]", [200] * 5 + [3000])[0] == pytest.approx(-1.0)


def test_sounds_are_correlated_with_their_clap_score(library: Library) -> None:
    test = toy_test(library, count=12)
    answers = [
        Answer(who, sound.id, 20 + 3 * row + who, 50, 1) for who in (1, 2) for row, sound in enumerate(test.sounds)
    ]
    made = [sound for sound in test.sounds if sound.candidate.sample_id is not None]
    clap = {int(str(sound.candidate.sample_id)): 5.0 * row for row, sound in enumerate(made)}
    cag, rel = sound_correlations(test, answers, clap)
    assert cag.n == rel.n == 8 and cag.rho == pytest.approx(1.0)
    assert rel.reason == "all sounds have the same figure"
    assert sound_correlations(test, answers, dict.fromkeys(clap, 3.0))[0].reason == "all sounds have the same figure"
