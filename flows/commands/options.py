"""Options that several commands share, and how they answer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from catalog.embedders import Embedder
    from catalog.library import Library
    from catalog.records import SampleFilter


def _fetched(named: Path | None) -> Path | None:
    """See `judge_place`."""
    from flows.judge_weights import judge_place

    return judge_place(named)


LibraryOption = Annotated[
    Path | None,
    typer.Option("--library", help="Folder of the library [NIGHTCRATE_LIBRARY, else ./library].", show_default=False),
]
VggishOption = Annotated[
    Path | None,
    typer.Option(
        "--vggish",
        help='Published weights of VGGish, a file or its folder, or "fetched": FAD.',
        callback=_fetched,
        show_default=False,
    ),
]
Cnn14Option = Annotated[
    Path | None,
    typer.Option(
        "--cnn14",
        help='Published weights of Cnn14 at 16 kHz, a file or its folder, or "fetched": FD, KL.',
        callback=_fetched,
        show_default=False,
    ),
]


def _csv(path: Path | None) -> Path | None:
    """A table may replace an older table, and nothing else."""
    from flows.outputs import only_replacing

    return path and only_replacing(path, ".csv")


CsvOption = Annotated[
    Path | None,
    typer.Option("--csv", help="Write the table into this file too.", callback=_csv, show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON, for machines.")]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="auto, cpu, cuda or cuda:N [NIGHTCRATE_DEVICE, else auto].", show_default=False),
]
FamilyOption = Annotated[list[str] | None, typer.Option("--family", help="Only this family; may be repeated.")]
SourceOption = Annotated[list[str] | None, typer.Option("--source", help="Only acoustic, electronic, synthetic.")]
QualityOption = Annotated[
    list[str] | None, typer.Option("--quality", help="Only with this quality; repeated: with all of them.")
]
ModelOption = Annotated[list[str] | None, typer.Option("--model", help="Only by this model; may be repeated.")]
NoteOption = Annotated[
    list[str] | None,
    typer.Option("--note", help="Only with this measured note, such as A1; may be repeated."),
]
MinScoreOption = Annotated[
    float | None, typer.Option("--min-score", min=0, max=100, help="Only with at least this score, 0 to 100.")
]
MaxDurationOption = Annotated[
    float | None, typer.Option("--max-duration", min=0, help="Only up to this many seconds long.")
]

CopiesOption = Annotated[
    bool | None,
    typer.Option("--only-copies/--no-copies", help="Only copies of training notes, or none of them [both]."),
]

HeardOption = Annotated[
    bool,
    typer.Option(
        "--heard", help="Without sounds whose family is not among the three that the judge hears likeliest; a hint."
    ),
]


def sound_filter(
    family: list[str] | None,
    source: list[str] | None,
    quality: list[str] | None,
    model: list[str] | None,
    note: list[str] | None,
    min_score: float | None,
    max_duration: float | None,
    copies: bool | None = None,
    heard: bool = False,
) -> SampleFilter:
    """The filter that the options ask for; ConfigError for a word that is not NSynth's or no note."""
    from catalog.records import SampleFilter
    from generation.prompts.vocabulary import FAMILIES, QUALITIES, SOURCES, parse_note

    return SampleFilter(
        families=_known("family", family, FAMILIES),
        sources=_known("source", source, SOURCES),
        qualities=_known("quality", quality, QUALITIES),
        models=tuple(model or ()),
        midi_notes=tuple(parse_note(name) for name in note or ()),
        min_score=min_score,
        max_duration_s=max_duration,
        copies=copies,
        heard_as_asked=heard,
    )


def _known(what: str, words: list[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    from generation.errors import ConfigError
    from generation.strict_yaml import unknown_name

    for word in words or ():
        if word not in known:
            raise ConfigError(unknown_name(what, word, known))
    return tuple(words or ())


def open_library(folder: Path | None, to_write: bool = False) -> Library:
    """Open the library that a command works on; LibraryError when there is none.

    A command that only reads also works on a library that cannot be written; where it can, reading keeps the
    index up to date.
    """
    from catalog.library import CATALOG_NAME, Library
    from flows.place import library_folder

    root = library_folder(folder)
    needed = (root, root / CATALOG_NAME)
    locked = any(path.exists() and not os.access(path, os.W_OK) for path in needed)
    return Library.open(root, read_only=locked and not to_write)


def check_models(library: Library, where: SampleFilter) -> None:
    """Raise ConfigError for a model of the filter that this library does not know, with those that it knows."""
    _known("model", list(where.models), tuple(sorted({model.name for model in library.models().values()})))


def library_embedder(library: Library, device: str | None) -> Embedder:
    """The embedder that this library was heard with: that of its newest night, else the starter's.

    Which device is the best is asked where a sound is heard: that takes torch, and a search by words does not.
    """
    from catalog.embedders import load_embedder
    from flows.place import device_name, newest_config, read_environment

    named = device or read_environment().device
    place = None if named in (None, "auto") else device_name(named)
    return load_embedder(str(newest_config(library).get("embedder", "starter")), lambda: place or device_name("auto"))


def answer(content: Any, as_json: bool, text: str) -> None:
    """Print a command's answer on stdout: `content` as JSON, or `text` for people."""
    print(json.dumps(content, indent=1, ensure_ascii=False) if as_json else text)
