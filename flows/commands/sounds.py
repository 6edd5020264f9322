"""Find sounds and look at one: search, similar, show."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from flows.commands.options import (
    CopiesOption,
    DeviceOption,
    FamilyOption,
    HeardOption,
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

_MINUS_WORD = re.compile(r'-(?!k[= ]?\d*$)(?:["“]|\w[\w#♯♭])')
"""How a query begins that leaves something out. One letter, as in -h, is an option that there may be: -k and -k5."""


class QueryCommand(TyperCommand):
    """A command whose words may begin with one to leave out: `search "-bass"` means no option -b."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; a space before a minus word shows that it is no option, and means nothing in a query."""
        with_value = {name for option in self.params if not getattr(option, "is_flag", True) for name in option.opts}
        end = args.index("--") if "--" in args else len(args)
        shown = [
            f" {word}" if at < end and _MINUS_WORD.match(word) and before not in with_value else word
            for at, (before, word) in enumerate(zip(["", *args], args, strict=False))
        ]
        ctx.allow_extra_args = True  # what is left over is refused here, with how to write it
        left = super().parse_args(ctx, shown)
        if left and not ctx.resilient_parsing:
            apart = " ".join(word.strip() for word in left)
            query = shlex.quote(f"{ctx.params['query'].strip()} {apart}")
            ctx.fail(f"unexpected words: {apart}; write all words of a query as one: {query}")
        return left


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
    heard: HeardOption = False,
    no_fulltext: Annotated[bool, typer.Option("--no-fulltext", help="Rank by sound alone, not by tags.")] = False,
    library: LibraryOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find sounds by words, English or Spanish; -word excludes, "word" demands."""
    where = sound_filter(family, source, quality, model, note, min_score, max_duration, copies, heard)
    with open_library(library) as opened:
        from catalog.search import not_searchable, nothing_known
        from catalog.search import search as find

        check_models(opened, where)
        embedder = library_embedder(opened, device)
        hits = find(opened, embedder, query, where, k, fulltext=not no_fulltext)
        unknown = None if no_fulltext else nothing_known(opened, query)
        if unknown and hits:
            _remark(f"{unknown}; these are the nearest by ear alone")
        _remark(not_searchable(opened, embedder.id))
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
        from catalog.search import not_searchable
        from catalog.search import similar as find
        from generation.audio import read_clip

        check_models(opened, where)
        # A file has an ending or a folder in its name; a number or a key has neither.
        is_file = Path(example).suffix or "/" in example
        wanted = read_clip(example) if is_file else opened.sample(example).id
        embedder = library_embedder(opened, device)
        hits = find(opened, embedder, wanted, where, k)
        _remark(not_searchable(opened, embedder.id))
        _show_hits(opened, hits, as_json)


def show(
    sound: Annotated[str, typer.Argument(help="Number of a sound, or the beginning of its key.")],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell everything that is known about one sound."""
    with open_library(library) as opened:
        from catalog.scores.heard_as import heard_as

        details = opened.details(sound)
        scores = opened.scores(scope="sample", subject=str(details.sample.id))
        heard = heard_as(scores, [details.sample]).get(details.sample.id)
        content = details_json(opened, details)
        text = "\n".join([_details_text(content | _in_words(details.sample)), *([heard.sentence] if heard else [])])
        answer(content | {"heard": heard.as_json if heard else None}, as_json, text)


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


def _remark(sentence: str | None) -> None:
    """Say something about an answer beside it, so that stdout holds the answer alone."""
    if sentence:
        print(f"nightcrate: {sentence}", file=sys.stderr, flush=True)


def _show_hits(library: Library, hits: list[Hit], as_json: bool) -> None:
    content = [
        sound_json(library, hit.sample)
        | {"percentile": hit.percentile, "similarity": hit.similarity, "why": list(hit.why)}
        for hit in hits
    ]
    lines = [f"{hit.percentile:5.1f}  {_line(library, hit.sample)}" for hit in hits]
    answer(content, as_json, "\n".join(lines) or "no sound passes these filters")


def _line(library: Library, sample: SampleRecord) -> str:
    from catalog.gate import in_cents

    note = f"{sample.note} {in_cents(sample.cents)}" if sample.note else "no note"
    score = "unscored" if sample.score is None else f"score {sample.score:.0f}"
    length = "" if sample.duration_s is None else f"{sample.duration_s:.2f} s"
    where = library.path / sample.file if sample.file else "not kept"
    if sample.is_copy:
        where = f"{where}  copy of {sample.nearest_note}"
    return f"#{sample.id:<5d} {sample.prompt:<44s} {note:<11s} {length:>7s}  {score:<9s} {where}"


def _in_words(sample: SampleRecord) -> dict[str, Any]:
    """What people read in another form than machines do: notes by name, cents with their unit."""
    from catalog.gate import in_cents
    from generation.prompts.vocabulary import note_name

    return {
        "cents": None if sample.cents is None else in_cents(sample.cents),
        "note_asked": None if sample.note_asked is None else note_name(sample.note_asked),
    }


def _details_text(content: dict[str, Any]) -> str:
    """The facts of a sound, one a line; nested ones as key and value."""
    lines = []
    for name, value in content.items():
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
