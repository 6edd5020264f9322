"""New or copied: the fingerprints of a corpus, and the comparison of a library with them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.options import (
    DeviceOption,
    JsonOption,
    LibraryOption,
    answer,
    library_embedder,
    open_library,
)

BANK_HELP = "Novelty bank: starter, or a file of `nightcrate corpus fingerprint`; may be repeated [the night's]."


def fingerprint(
    corpus: Annotated[Path, typer.Option("--corpus", help="Corpus folder with train and valid.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="The bank to write, *.safetensors.", show_default=False)],
    embedder: Annotated[str, typer.Option("--embedder", help="CLAP that hears the notes.")] = "starter",
    unmeasured: Annotated[
        bool, typer.Option("--unmeasured", help="Do not measure error rates; keep the usual threshold.")
    ] = False,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the novelty bank of a training corpus, with a threshold for copies and its measured error rates."""
    from catalog.embedders import load_embedder
    from flows.novelty import fingerprint_corpus
    from flows.novelty_errors import measure
    from flows.outputs import only_replacing
    from flows.place import device_name
    from flows.progress import progress
    from generation.corpus.nsynth import read_corpus

    only_replacing(out, ".safetensors")
    training = read_corpus(corpus / "train")
    held_out = None if unmeasured else read_corpus(corpus / "valid")
    ear = load_embedder(embedder, device_name(device))
    with progress("notes") as bar:
        bank = fingerprint_corpus(training, ear, bar.show)
    if held_out is not None:
        with progress("error rates") as bar:
            bank = measure(bank, training.notes, held_out.notes, progress=bar.show)
    bank.save(out)
    facts = {
        "bank": bank.id,
        "notes": len(bank.notes),
        "embedder": bank.embedder,
        "threshold": bank.threshold,
        "errors": dict(bank.errors) if bank.errors is not None else None,
        "origin": dict(bank.origin),
    }
    answer(facts | {"out": str(out)}, as_json, f"{out}: {len(bank.notes)} notes; {errors_line(facts)}")


def novelty(
    bank: Annotated[list[str] | None, typer.Option("--bank", help=BANK_HELP)] = None,
    library: LibraryOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a library's sounds with training notes, and list the copies."""
    from catalog.records import SampleFilter
    from flows.commands.sounds import sound_json
    from flows.novelty import banks_of_library, flag_copies, read_banks

    with open_library(library, to_write=True) as opened:
        banks = read_banks(bank, Path()) if bank else banks_of_library(opened)
        compared = flag_copies(opened, library_embedder(opened, device), banks)
        copies = opened.samples(SampleFilter(copies=True))
        content = {
            "banks": [asked.id for asked in banks],
            "compared": compared,
            "copies": [sound_json(opened, sample) for sample in copies],
        }
        lines = [f"#{s.id:<5d} {s.prompt:<44s} copy of {s.nearest_note}, likeness {s.likeness:.2f}" for s in copies]
        lines.append(f"{compared} sounds compared, {len(copies)} of {opened.count()} are copies of training notes")
        answer(content, as_json, "\n".join(lines))


def errors_line(facts: dict[str, Any]) -> str:
    """The threshold of a bank with its error rates, in words."""
    threshold, errors = facts["threshold"], facts["errors"]
    if errors is None:
        return f"a copy from likeness {threshold:g}, error rates not measured"
    return (
        f"a copy from likeness {threshold:g}: {100 * errors['miss_rate']:.1f} % of {errors['repeats']} repeats missed, "
        f"{100 * errors['false_alarm_rate']:.1f} % of {errors['different']} different notes taken for copies"
    )
