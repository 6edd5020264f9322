"""What a listening test says: means with intervals, agreement and correlations, as text, JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from catalog.listening.agreement import Agreement, agreements
from catalog.listening.correlation import Correlation, model_correlations, sound_correlations
from catalog.listening.means import SCALES, Mean, maker_means
from catalog.records import SampleFilter

if TYPE_CHECKING:
    from catalog.library import Library
    from catalog.listening.records import ListeningTest

REHEARSAL = "REHEARSAL: answers that tried the test out, no result"
_NAMES = {"CAG": "CAG, quality of the sound", "REL": "REL, relevance to the words"}


@dataclass(frozen=True)
class Report:
    """All figures of one test. complete: listeners who answered every sound, of those who answered any."""

    test: ListeningTest
    rehearsal: bool
    listeners: int
    complete: int
    answers: int
    means: tuple[Mean, ...]
    agreements: tuple[Agreement, ...]
    correlations: tuple[Correlation, ...]


def report(library: Library, name: str | None, rehearsal: bool) -> Report:
    """Sum up a test (None: the newest), or its rehearsal; ListeningError when there is no such test."""
    book = library.listening
    test = book.test(name)
    answers = book.answers(test, rehearsal)
    means = maker_means(test, answers)
    ids = tuple(sound.candidate.sample_id for sound in test.sounds if sound.candidate.sample_id is not None)
    heard = library.samples(SampleFilter(ids=ids, statuses=()))
    clap = {sample.id: sample.score for sample in heard if sample.score is not None}
    each = Counter(answer.listener_id for answer in answers)
    return Report(
        test=test,
        rehearsal=rehearsal,
        listeners=len(each),
        complete=sum(1 for count in each.values() if count == len(test.sounds)),
        answers=len(answers),
        means=tuple(means),
        agreements=tuple(agreements(test, answers)),
        correlations=(
            *model_correlations(means, library.scores(scope="model")),
            *sound_correlations(test, answers, clap),
        ),
    )


def report_json(made: Report) -> dict[str, Any]:
    """The report as plain JSON."""
    return {
        "test": made.test.name,
        "seed": made.test.seed,
        "made_at": made.test.made_at.isoformat(),
        "rehearsal": made.rehearsal,
        "sounds": len(made.test.sounds),
        "listeners": made.listeners,
        "complete": made.complete,
        "answers": made.answers,
        "means": [asdict(one) for one in made.means],
        "agreement": [asdict(one) for one in made.agreements],
        "correlations": [asdict(one) for one in made.correlations],
    }


def report_csv(made: Report) -> str:
    """The means, the agreement and the correlations as one table; empty cells where there is nothing."""
    shared = {"test": made.test.name, "rehearsal": made.rehearsal}
    rows: list[dict[str, Any]] = [{"kind": "mean", **asdict(one)} for one in made.means]
    for alpha in made.agreements:
        rows.append({"kind": "agreement", **asdict(alpha), "figure": "Krippendorff's alpha", "value": alpha.alpha})
    for pair in made.correlations:
        rows.append({"kind": "correlation", **asdict(pair), "value": pair.rho})
    columns = (
        "test", "rehearsal", "kind", "scale", "maker", "figure", "over", "value", "low", "high", "rank", "p", "n",
        "sounds", "listeners", "answers", "embedder", "reference", "reason",
    )  # fmt: skip
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(shared | row for row in rows)
    return out.getvalue()


def report_text(made: Report) -> str:
    """The report for a terminal."""
    lines = [REHEARSAL] if made.rehearsal else []
    lines.append(
        f"Listening test {made.test.name}: {len(made.test.sounds)} sounds, {made.listeners} listeners "
        f"({made.complete} to the end), {made.answers} answers"
    )
    for scale in SCALES:
        lines += ["", f"{_NAMES[scale]}, 0 to 100"]
        lines += _mean_lines([one for one in made.means if one.scale == scale])
    lines += ["", "Agreement between listeners (Krippendorff's alpha, interval data; 1 is full, 0 is chance)"]
    for alpha in made.agreements:
        value = f"unscored: {alpha.reason}" if alpha.alpha is None else f"{alpha.alpha:.2f}"
        lines.append(f"  {alpha.scale} {value} ({alpha.sounds} sounds, {alpha.listeners} listeners)")
    lines += ["", "Rank correlation (Spearman's rho) of people's means with figures of machines"]
    lines += [_correlation_line(one) for one in made.correlations]
    if not any(one.over == "models" for one in made.correlations):
        lines.append("  FAD and KL of models: unscored: the library has no league; nightcrate league --refresh")
    lines += [
        "",
        "Higher is better. Intervals are of 95 %, for other sounds and other listeners; what shares a rank is not told "
        "apart. FAD, KL and FD fall as sounds get better: agreement with people is a negative rho.",
    ]
    return "\n".join(lines)


def _mean_lines(means: Sequence[Mean]) -> list[str]:
    members = Counter(one.rank for one in means)
    lines = []
    for one in means:
        rank = "" if one.rank is None else f"{one.rank}=" if members[one.rank] > 1 else f"{one.rank}"
        figure = f"unscored: {one.reason}"
        if one.value is not None:
            figure = (
                f"{one.value:.1f} ({one.low:.1f} to {one.high:.1f}; {one.sounds} sounds, {one.listeners} listeners)"
            )
        lines.append(f"  {rank:>5s}  {one.maker:<24s} {figure}")
    return lines


def _correlation_line(one: Correlation) -> str:
    about = f"  {one.scale} with {one.figure} over {one.over}"
    against = f", judge {one.embedder}, against {one.reference}" if one.embedder else ""
    if one.rho is None:
        return f"{about}: unscored: {one.reason}{against}"
    return f"{about}: {one.rho:+.2f} (n {one.n}, p {one.p:.3f}{against})"
