"""What a library says of its models, and of the sounds that fit worst: league."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.options import (
    Cnn14Option,
    CsvOption,
    DeviceOption,
    JsonOption,
    LibraryOption,
    VggishOption,
    answer,
    library_embedder,
    open_library,
)

if TYPE_CHECKING:
    from catalog.library import Library
    from catalog.scores.league import OddSound

DEFAULT_LENGTH_S, LEAST_LENGTH_S, LONGEST_LENGTH_S = 4.0, 1.0, 60.0


def league(
    refresh: Annotated[bool, typer.Option("--refresh", help="Measure again before showing; only new sounds cost.")] = (
        False
    ),
    infinity: Annotated[
        bool, typer.Option("--infinity", help="When measuring: also FAD continued to infinitely many sounds.")
    ] = False,
    worst: Annotated[
        int, typer.Option("--worst", min=0, help="Also list so many sounds that lie farthest from real notes.")
    ] = 0,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            help="Measure now against the real notes of this folder (examples.json, audio/): FD of the library's "
            "vectors, and what --vggish and --cnn14 add.",
            show_default=False,
        ),
    ] = None,
    vggish: VggishOption = None,
    cnn14: Cnn14Option = None,
    length: Annotated[
        float | None,
        typer.Option(
            "--length",
            help="Seconds that VGGish and Cnn14 hear of every sound and note, 1 to 60 [4].",
            show_default=False,
        ),
    ] = None,
    csv: CsvOption = None,
    plots: Annotated[Path | None, typer.Option("--plots", help="Write pictures of it into this folder too.")] = None,
    library: LibraryOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how near each model, each family and each quality of it comes to real notes, and how sure that is."""
    from catalog.errors import LibraryError, ScoreError
    from catalog.scores.extractors import load_extractor
    from catalog.scores.stale import stale_scores
    from flows.league_table import league_csv, league_rows, league_text
    from flows.place import device_name
    from flows.stages import score_against, score_models
    from flows.stale_league import stale_json, stale_lines
    from generation.audio import write_bytes
    from generation.corpus.nsynth import read_corpus

    published = {kind: file for kind, file in (("vggish", vggish), ("cnn14", cnn14)) if file is not None}
    if infinity and not refresh and reference is None:
        raise LibraryError("--infinity is measured, not kept in every league; add --refresh")
    if published and reference is None:
        raise ScoreError(
            f"--{next(iter(published))} measures against real notes; add --reference FOLDER, such as corpus/valid"
        )
    if length is not None and not published:
        raise ScoreError("--length is what VGGish and Cnn14 hear; add --vggish or --cnn14, or leave it out")
    if length is not None and not LEAST_LENGTH_S <= length <= LONGEST_LENGTH_S:  # NaN is not within either
        raise ScoreError(f"--length {length:g} came; {LEAST_LENGTH_S:g} to {LONGEST_LENGTH_S:g} seconds are needed")
    length_s = DEFAULT_LENGTH_S if length is None else length
    corpus = read_corpus(reference) if reference is not None else None
    with open_library(library, to_write=refresh or reference is not None) as opened:
        extractors = [load_extractor(kind, file, device_name(device)) for kind, file in published.items()]
        if refresh:
            unscored = score_models(opened, device_name(device), infinity)
            if unscored:
                raise LibraryError(f"{opened.path}: no league: {unscored}")
        if corpus is not None:
            embedder = library_embedder(opened, device)
            score_against(opened, extractors, embedder, corpus, length_s, infinity)
        rows = league_rows(opened.scores())
        stale = stale_scores(opened)
        odd = _worst(opened, worst) if worst else None
    if csv is not None:
        write_bytes(csv, league_csv(rows).encode())
    if plots is not None:
        from flows.league_plots import write_plots

        write_plots(rows, plots)
    text = league_text(rows) or "no scores yet; nightcrate league --refresh"
    text = "\n".join([text, *stale_lines(stale)])
    content: dict[str, Any] = {"scores": [asdict(row) for row in rows], "stale": stale_json(stale)}
    if odd is not None:
        content["worst"], text = odd[0], f"{text}\n\n{odd[1]}"
    answer(content, as_json, text)


def _worst(library: Library, count: int) -> tuple[dict[str, Any], str]:
    """The sounds farthest from real notes, for machines and for people."""
    from catalog.scores.league import odd_sounds
    from catalog.scores.reference import STARTER_REFERENCE, Reference

    reference = Reference.load(STARTER_REFERENCE)
    odd = odd_sounds(library, reference, count)
    against = {"embedder": reference.judge, "reference": reference.name, "length_s": reference.length_s}
    lines = [
        f"Farthest from real notes of their cells, each sound alone (FAD; against {reference.name} cut to "
        f"{reference.length_s:g} s, judge {reference.judge}; times that of an average real note):"
    ]
    lines += [
        f"  {one.fad / one.real:6.2f} x  #{one.sample.id:<5d} {one.sample.model}: {one.sample.prompt}" for one in odd
    ]
    if not odd:
        lines = ["no sound was heard yet; nightcrate league --refresh --worst N"]
    sounds = [_odd_json(library.path, one) for one in odd]
    return against | {"sounds": sounds}, "\n".join(lines)


def _odd_json(folder: Path, odd: OddSound) -> dict[str, Any]:
    sample = odd.sample
    return {
        "id": sample.id,
        "file": str((folder / str(sample.file)).resolve()),
        "model": sample.model,
        "prompt": sample.prompt,
        "fad_alone": odd.fad,
        "real_notes": odd.real,
        "times": odd.fad / odd.real,
    }
