"""Find sounds and look at one: search, similar, show."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.options import (
    CopiesOption,
    DeviceOption,
    FamilyOption,
    JsonOption,
    LibraryOption,
    MaxDurationOption,
    MinScoreOption,
    ModelOption,
    NoteOption,
    QualityOption,
    SourceOption,
    answer,
    check_models,
    library_embedder,
    open_library,
    sound_filter,
)

if TYPE_CHECKING:
    from catalog.library import Library
    from catalog.records import SampleDetails, SampleRecord
    from catalog.search import Hit

CountOption = Annotated[int, typer.Option("-k", min=1, help="How many sounds to show.")]


def search(
    query: Annotated[str, typer.Argument(help='Words, such as "dark plucked bass -reverb".')],
    k: CountOption = 10,
    family: FamilyOption = None,
    source: SourceOption = None,
    quality: QualityOption = None,
    model: ModelOption = None,
    note: NoteOption = None,
    min_score: MinScoreOption = None,
    max_duration: MaxDurationOption = None,
    copies: CopiesOption = None,
    no_fulltext: Annotated[bool, typer.Option("--no-fulltext", help="Rank by sound alone, not by tags.")] = False,
    library: LibraryOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find sounds by words, English or Spanish; -word excludes, "word" demands."""
    where = sound_filter(family, source, quality, model, note, min_score, max_duration, copies)
    with open_library(library) as opened:
        from catalog.search import nothing_known
        from catalog.search import search as find

        check_models(opened, where)
        hits = find(opened, library_embedder(opened, device), query, where, k, fulltext=not no_fulltext)
        unknown = None if no_fulltext else nothing_known(opened, query)
        if unknown and hits:
            print(f"nightcrate: {unknown}; these are the nearest by ear alone", file=sys.stderr, flush=True)
        _show_hits(opened, hits, as_json)


def similar(
    example: Annotated[str, typer.Argument(help="Number or key of a sound of the library, or a sound file.")],
    k: CountOption = 10,
    family: FamilyOption = None,
    source: SourceOption = None,
    quality: QualityOption = None,
    model: ModelOption = None,
    note: NoteOption = None,
    min_score: MinScoreOption = None,
    max_duration: MaxDurationOption = None,
    copies: CopiesOption = None,
    library: LibraryOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find sounds that sound like one of the library, or like a sound file."""
    where = sound_filter(family, source, quality, model, note, min_score, max_duration, copies)
    with open_library(library) as opened:
        from catalog.search import similar as find
        from generation.audio import read_clip

        check_models(opened, where)
        # A file has an ending or a folder in its name; a number or a key has neither.
        is_file = Path(example).suffix or "/" in example
        wanted = read_clip(example) if is_file else opened.sample(example).id
        hits = find(opened, library_embedder(opened, device), wanted, where, k)
        _show_hits(opened, hits, as_json)


def show(
    sound: Annotated[str, typer.Argument(help="Number of a sound, or the beginning of its key.")],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell everything that is known about one sound."""
    with open_library(library) as opened:
        details = opened.details(sound)
        answer(details_json(opened, details), as_json, _details_text(opened, details))


def sound_json(library: Library, sample: SampleRecord) -> dict[str, Any]:
    """A sound for machines; `file` is absolute, None when a reject's raw clip is no longer kept."""
    return {
        "id": sample.id,
        "file": str((library.path / sample.file).resolve()) if sample.file else None,
        "model": sample.model,
        "prompt": sample.prompt,
        "source": sample.source,
        "family": sample.family,
        "qualities": list(sample.qualities),
        "seed": sample.seed,
        "note": sample.note,
        "cents": sample.cents,
        "duration_s": sample.duration_s,
        "score": sample.score,
        "nearest_note": sample.nearest_note,
        "likeness": sample.likeness,
        "copy": sample.is_copy,
        "status": sample.status,
        "review": sample.review,
        "key": sample.job_key,
    }


def details_json(library: Library, details: SampleDetails) -> dict[str, Any]:
    """Everything about a sound for machines."""
    sample = details.sample
    return sound_json(library, sample) | {
        "note_asked": sample.note_asked,
        "sample_rate_hz": sample.sample_rate_hz,
        "sha256": sample.sha256,
        "commercial": sample.commercial,
        "reasons": list(sample.reasons),
        "sources": list(sample.sources),
        "clap_note": sample.clap_note,
        "clap_cosine": sample.clap_cosine,
        "created_at": sample.created_at.isoformat(),
        "settings": details.settings,
        "raw_facts": details.raw_facts,
        "sound_facts": details.sound_facts,
        "seconds": details.seconds,
        "device": details.device,
        "versions": details.versions,
        "reviews": [
            {
                "verdict": review.verdict,
                "why": review.why,
                "who": review.who,
                "at": review.at.isoformat(),
                "undone_at": review.undone_at.isoformat() if review.undone_at else None,
            }
            for review in details.reviews
        ],
    }


def _show_hits(library: Library, hits: list[Hit], as_json: bool) -> None:
    content = [
        sound_json(library, hit.sample)
        | {"percentile": hit.percentile, "similarity": hit.similarity, "why": list(hit.why)}
        for hit in hits
    ]
    lines = [f"{hit.percentile:5.1f}  {_line(library, hit.sample)}" for hit in hits]
    answer(content, as_json, "\n".join(lines) or "no sound passes these filters")


def _line(library: Library, sample: SampleRecord) -> str:
    note = f"{sample.note} {sample.cents or 0:+.0f} ct" if sample.note else "no note"
    score = "unscored" if sample.score is None else f"score {sample.score:.0f}"
    length = "" if sample.duration_s is None else f"{sample.duration_s:.2f} s"
    where = library.path / sample.file if sample.file else "not kept"
    if sample.is_copy:
        where = f"{where}  copy of {sample.nearest_note}"
    return f"#{sample.id:<5d} {sample.prompt:<44s} {note:<11s} {length:>7s}  {score:<9s} {where}"


def _details_text(library: Library, details: SampleDetails) -> str:
    """The facts of a sound, one a line; nested ones as key and value."""
    lines = []
    for name, value in details_json(library, details).items():
        if isinstance(value, dict):
            lines.append(f"{name}:")
            lines += [f"  {inner}: {_plain(content)}" for inner, content in value.items()]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"{name}:")
            lines += ["  " + ", ".join(f"{key} {_plain(inner)}" for key, inner in row.items()) for row in value]
        else:
            lines.append(f"{name}: {_plain(value)}")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(str, value)) or "-" if isinstance(value, list) else str(value)
