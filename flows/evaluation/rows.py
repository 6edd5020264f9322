"""`evaluate rows`: every model on the same 280 prompts, and what real notes and shuffled labels give beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from catalog.embedders import Embedder, load_embedder
from catalog.embedders.judge import Judge
from catalog.library import Library
from catalog.scores.reference import STARTER_REFERENCE, Reference
from flows.evaluation.controls import Control, keep_control, notes_key, shuffled, some_notes, untouched
from flows.evaluation.making import MadeRow, Setting, make_rows, settings_of
from flows.evaluation.obedience import Obedience, obedience
from flows.evaluation.own_family import own_family_fad
from flows.evaluation.prompts import evaluation_prompts
from flows.evaluation.rows_table import CONTROL, RowLine, RowsTable, rows_csv, rows_json, rows_markdown
from flows.evaluation.scoring import Ears, score_rows
from flows.evaluation.settings import Evaluation
from flows.making import one_line
from flows.progress import say
from generation.audio import Clip, write_bytes
from generation.corpus.nsynth import Corpus, Note, clip_of, read_corpus
from generation.errors import GenerationError
from generation.portions import free_memory
from generation.registry import LoadedModel, load_model

NOTES_A_CELL, RECORDINGS_A_CELL = 10, 100


@dataclass(frozen=True)
class _Ear:
    """Who listens, and on what."""

    judge: Judge
    reference: Reference
    embedder: Embedder
    device: str


def run_rows(evaluation: Evaluation, folder: Path, out: Path, device: str) -> RowsTable:
    """Make, measure and write rows.md, rows.csv and rows.json below `out`; what is there is not made again.

    The files are written anew after each row. folder: what paths of the evaluation are relative to. Raises a
    GenerationError or a CatalogError, one line.
    """
    notes = read_corpus(folder / evaluation.reference) if evaluation.reference is not None else None
    recordings = read_corpus(folder / evaluation.real) if evaluation.real is not None else None
    ear = _Ear(
        Judge(device=device), Reference.load(STARTER_REFERENCE), load_embedder(evaluation.embedder, device), device
    )
    remarks = []
    if notes is None:
        remarks.append(
            "No reference was given, so the ceilings (held-out notes, untouched and through each model's codec) are "
            "absent; name a folder of notes such as corpus/valid."
        )
    prompts = evaluation_prompts(evaluation.prompts_on(device))
    lines: list[RowLine] = []
    table = RowsTable(evaluation, len(prompts), device, ear.embedder.id, (), tuple(remarks), False)
    (setting,) = settings_of(evaluation)
    with Library.open(out / setting.folder, create=True) as library:
        library.lock()
        for made in make_rows(library, evaluation, setting, prompts, device):
            lines.append(_line(library, setting, made, ear, out))
            table = replace(table, lines=tuple(lines))
            _write(table, out)
    for line, told in _controls(evaluation, notes, recordings, [one.line.made for one in lines], ear, out):
        lines += [line] if line is not None else []
        remarks += [told] if told is not None else []
        table = replace(table, lines=tuple(lines), remarks=tuple(remarks))
        _write(table, out)
    table = replace(table, complete=True)
    _write(table, out)
    return table


def _line(library: Library, setting: Setting, made: MadeRow, ear: _Ear, out: Path) -> RowLine:
    """Score and measure one row whose sounds are made."""
    (line,) = score_rows(library, setting, [made], Ears(ear.embedder), ear.device, out / "real-notes")
    # Without a fingerprint nothing in the library is this row's.
    if made.model is None or made.fingerprint is None:
        return RowLine(line, Obedience())
    own = own_family_fad(library, made.model, ear.reference)
    return RowLine(
        replace(line, figures=line.figures | {own.name: own}), obedience(library, made.model, ear.judge, ear.embedder)
    )


def _controls(
    evaluation: Evaluation,
    corpus: Corpus | None,
    recordings: Corpus | None,
    rows: Sequence[MadeRow],
    ear: _Ear,
    out: Path,
) -> Iterator[tuple[RowLine | None, str | None]]:
    """The lines beside the models', each with what has to be said of it; a control that failed has only that."""
    if corpus is not None:
        notes = some_notes(corpus, NOTES_A_CELL)
        with Library.open(out / "controls" / notes_key(notes), create=True) as library:
            library.lock()
            place = corpus.folder.resolve().name
            for control, told in (
                (untouched("real notes", notes), f"notes of {place}, untouched"),
                (shuffled("real notes, shuffled", notes), f"notes of {place}, families shuffled"),
            ):
                yield _control(library, control, told, ear, out), None
            models = {choice.row: choice.model for choice in evaluation.models}
            for row in rows:
                if row.fingerprint is None:
                    continue
                control = _ceiling(models[row.row], row, notes, ear.device)
                try:
                    yield _control(library, control, f"notes of {place} through {row.row}'s codec", ear, out), None
                except (GenerationError, RuntimeError) as cause:  # a technique without one, or too little memory
                    yield None, f"{row.row} has no ceiling: {one_line(cause)}"
                del control  # it holds the model
                free_memory()
    if recordings is not None:
        notes = some_notes(recordings, RECORDINGS_A_CELL)
        with Library.open(out / "controls" / notes_key(notes), create=True) as library:
            library.lock()
            told = f"real recordings of {recordings.folder.resolve().name}"
            yield _control(library, untouched("real recordings", notes), told, ear, out), None


def _ceiling(model: str, row: MadeRow, notes: tuple[Note, ...], device: str) -> Control:
    """Real notes through one model's codec and autoencoder; the model is loaded only when a note is sent."""
    loaded: list[LoadedModel] = []

    def sound(some: Sequence[Note], seeds: Sequence[int]) -> list[Clip]:
        if not loaded:
            loaded.append(load_model(model, device))
        return loaded[0].through_codec([clip_of(note) for note in some], seeds)

    name = f"{row.model}@{str(row.fingerprint)[:12]} {row.technique_version}"
    return replace(untouched(f"notes through {name}", notes), sound=sound)


def _control(library: Library, control: Control, told: str, ear: _Ear, out: Path) -> RowLine:
    """Keep a control and measure it as a row."""
    say(told)
    keep_control(library, control, ear.device)
    night = next(night for night in library.nights() if night.name == control.name)
    counted = library.summary(night.id)
    made = MadeRow(
        row=CONTROL + told,
        model=control.name,
        reason=None if counted.accepted else next(iter(counted.failures), "none of its sounds can be heard"),
        asked=len(control.notes),
        heard=counted.accepted,
        silent=counted.rejected,
        failed=counted.failed,
        fingerprint=control.name,
    )
    return _line(library, Setting(), made, ear, out)


def _write(table: RowsTable, out: Path) -> None:
    for name, text in (
        ("rows.md", rows_markdown(table)),
        ("rows.csv", rows_csv(table)),
        ("rows.json", rows_json(table)),
    ):
        write_bytes(out / name, text.encode())
