"""Choose and hand on: review, pack."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.options import (
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
    from catalog.records import SampleFilter, SampleRecord


def review(
    sound: Annotated[str, typer.Argument(help="Number of a sound, or the beginning of its key.")],
    verdict: Annotated[str | None, typer.Argument(help="keep or drop.", show_default=False)] = None,
    why: Annotated[str | None, typer.Option("--why", help="The reason, kept with the verdict.")] = None,
    who: Annotated[str | None, typer.Option("--who", help="Who says so [the user of this machine].")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the newest verdict back.")] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep or drop a sound, or take the last verdict back; every verdict stays in the history."""
    from catalog.errors import LibraryError
    from catalog.records import REJECTED

    if undo == (verdict is not None):
        raise LibraryError("say keep or drop, or --undo to take the last verdict back, not both and not neither")
    with open_library(library, to_write=True) as opened:
        sample = opened.sample(sound)
        if verdict is not None:
            opened.review(sample.id, verdict, why, who or _user())
            in_force: str | None = verdict
        else:
            in_force = opened.undo_review(sample.id)
        told = f"#{sample.id} {sample.prompt}: {in_force or 'not reviewed'}"
        if sample.status == REJECTED and in_force is not None:
            told += "; it stays rejected: `nightcrate gate fit` learns from this, `gate apply` may let it in"
        answer({"id": sample.id, "review": in_force}, as_json, told)


def pack(
    out: Annotated[Path, typer.Option("--out", help="The zip file to write.", show_default=False)],
    query: Annotated[str | None, typer.Argument(help="Words; without them all that passes the filters.")] = None,
    k: Annotated[int | None, typer.Option("-k", min=1, help="At most so many, the best of the query.")] = None,
    family: FamilyOption = None,
    source: SourceOption = None,
    quality: QualityOption = None,
    model: ModelOption = None,
    note: NoteOption = None,
    min_score: MinScoreOption = None,
    max_duration: MaxDurationOption = None,
    heard: HeardOption = False,
    allow_noncommercial: Annotated[
        list[str] | None,
        typer.Option("--allow-noncommercial", help="Let sounds of this model in although they may not be sold."),
    ] = None,
    include_copies: Annotated[
        bool, typer.Option("--include-copies", help="Let copies of training notes in; they are left out otherwise.")
    ] = False,
    library: LibraryOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write sounds into a zip: WAV files named in words, a manifest, licence and credits."""
    where = sound_filter(family, source, quality, model, note, min_score, max_duration, heard=heard)
    with open_library(library) as opened:
        from catalog.packs.build import make_pack
        from catalog.packs.licence import left_out_line
        from catalog.packs.zip import check_place
        from flows.stages import finish_what_was_left

        check_place(out)
        only_compared = not include_copies and finish_what_was_left(opened, lambda: library_embedder(opened, device))
        samples = _ranked(opened, query, where, k, device)
        made = make_pack(opened, samples, out, allow_noncommercial or (), include_copies, only_compared, k)
        if made.not_for_sale:
            print(f"nightcrate: {left_out_line(made.not_for_sale)}", file=sys.stderr, flush=True)
        content = {
            "path": str(made.path.resolve()),
            "sha256": made.sha256,
            "asked": k,
            "left_out": made.left_out,
            "copies_left_out": made.copies_left_out,
            "uncompared_left_out": made.uncompared_left_out,
            "not_for_sale": [asdict(left) for left in made.not_for_sale],
            "items": [asdict(item) for item in made.items],
        }
        without = f", {made.copies_left_out} copies of training notes left out" if made.copies_left_out else ""
        if made.uncompared_left_out:
            without += f", {made.uncompared_left_out} not compared with training notes yet left out"
        if made.not_for_sale:
            without += f", {sum(left.sounds for left in made.not_for_sale)} not for sale left out"
        short = f" ({k} were asked for, {len(samples)} fit)" if k and len(made.items) < k else ""
        answer(content, as_json, f"{made.path}: {len(made.items)} sounds{short}{without}, sha256 {made.sha256}")


def _ranked(
    library: Library, query: str | None, where: SampleFilter, k: int | None, device: str | None
) -> list[SampleRecord]:
    """All sounds that a pack may be made of: those that fit a query, or that pass; best first where it is cut at k."""
    check_models(library, where)
    if query is not None:
        from catalog.search import fitting

        return [hit.sample for hit in fitting(library, library_embedder(library, device), query, where)]
    samples = library.samples(where)
    return samples if k is None else sorted(samples, key=lambda sample: (-(sample.score or 0.0), sample.id))


def _user() -> str:
    import getpass

    from generation.errors import ConfigError

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user entry
        raise ConfigError("this machine does not say who you are; add --who NAME") from None
