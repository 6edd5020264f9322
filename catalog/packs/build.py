"""Sounds of a library into one zip: 24-bit WAV files with names, a manifest, licence and credits.

The samples of the masters are kept bit for bit at their native rate: nothing is resampled or levelled, since
a 16 kHz sound does not become a better one by being written at 44.1 kHz.
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile

from catalog.errors import PackError
from catalog.packs.licence import (
    NotForSale,
    attribution_text,
    check_allowed,
    counted,
    left_out_line,
    licence_text,
    not_for_sale,
)
from catalog.packs.naming import name_sounds
from catalog.packs.zip import write_zip
from catalog.records import ACCEPTED, DROP, ModelRecord, PackItem, SampleRecord

if TYPE_CHECKING:
    from catalog.library import Library

logger = logging.getLogger(__name__)

MANIFEST, LICENCE, ATTRIBUTION = "manifest.csv", "LICENSE.txt", "ATTRIBUTION.txt"
COLUMNS = (
    ("file", "sha256", "id", "model", "fingerprint", "prompt", "source", "family", "qualities", "note")
    + ("cents", "duration_s", "lufs", "peak_dbfs", "bandwidth_hz", "sample_rate_hz", "seed", "score")
    + ("built_from",)
)


@dataclass(frozen=True)
class PackResult:
    """A finished pack: its file and sha256, what lies in it, and how many sounds were left out as not fit.

    Of a pack of the first k only what came before the last one taken was left out; the others were not in reach.
    copies_left_out: how many of those left out are accepted sounds, left out for being copies of training notes;
    uncompared_left_out: for being compared with none yet; not_for_sale: for their licences, by model.
    """

    path: Path
    sha256: str
    items: tuple[PackItem, ...]
    left_out: int
    copies_left_out: int = 0
    uncompared_left_out: int = 0
    not_for_sale: tuple[NotForSale, ...] = ()


@dataclass(frozen=True)
class _Sifted:
    """The sounds that go into a pack, in the order they came, and how many on the way to the last may not and why."""

    fit: list[SampleRecord]
    left_out: int
    copies: int
    uncompared: int
    not_for_sale: tuple[NotForSale, ...]


def make_pack(
    library: Library,
    samples: Sequence[SampleRecord],
    out: Path,
    allow_noncommercial: Collection[str] = (),
    include_copies: bool = False,
    only_compared: bool = False,
    k: int | None = None,
) -> PackResult:
    """Write the chosen sounds, at most the first k that may go in, into the zip file `out`; record it in the library.

    Sounds that were rejected, or dropped by a reviewer, are left out; so are copies of training notes, which are not
    ours to sell as new, unless `include_copies`; with `only_compared` so are sounds of which nobody knows yet whether
    they are copies; and sounds whose licence chain does not allow selling them or does not say, unless
    `allow_noncommercial` names their model. The same sounds always give the same bytes. Raises PackError, and leaves
    no part of a zip, when nothing remains, an allowance names a model that needs none, a master is missing or
    damaged, or the disk refuses.
    """
    if k is not None and k < 1:
        raise PackError(f"a pack of {k} sounds was asked for; at least 1 is needed")
    all_models = library.models()
    check_allowed(all_models.values(), allow_noncommercial)
    sifted = _sift(samples, all_models, allow_noncommercial, include_copies, only_compared, k)
    chosen = sifted.fit
    used = {id: all_models[id] for id in sorted({sample.model_id for sample in chosen})}
    models = sorted(used.values(), key=lambda model: (model.name, model.fingerprint))

    stems = name_sounds(chosen)
    names = {id: f"{stem}.wav" for id, stem in stems.items()}
    ordered = sorted(chosen, key=lambda sample: names[sample.id])
    digests: dict[int, str] = {}

    def entries() -> Iterator[tuple[str, partial[bytes]]]:
        for sample in ordered:
            yield names[sample.id], partial(_wav, library, sample, digests)
        # After the sounds, since it holds their checksums.
        yield MANIFEST, partial(_manifest, ordered, names, digests, used)
        yield LICENCE, partial(_text, licence_text(models))
        yield ATTRIBUTION, partial(_text, attribution_text(models, ordered, names))

    sha256 = write_zip(out, entries())
    items = tuple(PackItem(sample.id, names[sample.id], digests[sample.id]) for sample in ordered)
    if library.read_only:
        logger.warning("%s: the library is read-only and does not remember this pack", out)
    else:
        library.add_pack(out.name, sha256, items)
    return PackResult(
        out, sha256, items, sifted.left_out, sifted.copies, sifted.uncompared, sifted.not_for_sale
    )  # fmt: skip


def _sift(
    samples: Sequence[SampleRecord],
    models: Mapping[int, ModelRecord],
    allow_noncommercial: Collection[str],
    include_copies: bool,
    only_compared: bool,
    k: int | None,
) -> _Sifted:
    """Take the first k that may go into a pack; PackError, with the reason, when none may."""
    barred = not_for_sale(models, allow_noncommercial)
    fit: list[SampleRecord] = []
    unfit, uncompared, copies, unsaleable = 0, 0, [], []
    for sample in {sample.id: sample for sample in samples}.values():
        if sample.status != ACCEPTED or sample.review == DROP:
            unfit += 1
        elif only_compared and sample.is_copy is None:
            uncompared += 1
        elif sample.is_copy and not include_copies:
            copies.append(sample)
        elif sample.model_id in barred:
            unsaleable.append(sample)
        else:
            fit.append(sample)
            if len(fit) == k:
                break
    left = counted(unsaleable, barred)
    if not fit:
        raise PackError(f"no sound to pack: {_why_none(unfit, uncompared, copies, left)}")
    return _Sifted(fit, unfit + uncompared + len(copies) + len(unsaleable), len(copies), uncompared, left)


def _why_none(unfit: int, uncompared: int, copies: Sequence[SampleRecord], left: Sequence[NotForSale]) -> str:
    """The last hurdle that some of the sounds came to, and how to take it."""
    if left:
        return left_out_line(left)
    if copies:
        return (
            f"all {len(copies)} are copies of training notes (the first of {copies[0].nearest_note}); "
            "--include-copies lets them in"
        )
    if uncompared:
        return (
            f"none of {uncompared} was compared with training notes yet; wait for the night that makes them, or run "
            "`nightcrate rebuild`"
        )
    return f"{unfit} came, an accepted one that nobody dropped is needed; widen the query or its filters"


def _wav(library: Library, sample: SampleRecord, digests: dict[int, str]) -> bytes:
    """Return a master as a 24-bit WAV file with the same samples, and note its checksum."""
    path = library.audio_path(sample)
    try:
        master = path.read_bytes()
    except OSError as error:
        raise PackError(f"{path}: cannot be read ({error.strerror}); run `nightcrate verify`") from error
    if hashlib.sha256(master).hexdigest() != sample.sha256:
        raise PackError(f"{path}: is not the sound that was stored; run `nightcrate verify`")
    # As integers, so that no bit is lost on the way through floating point.
    samples, rate = soundfile.read(io.BytesIO(master), dtype="int32", always_2d=True)
    wav = io.BytesIO()
    soundfile.write(wav, samples, rate, format="WAV", subtype="PCM_24")
    digests[sample.id] = hashlib.sha256(wav.getvalue()).hexdigest()
    return wav.getvalue()


def _manifest(
    samples: Sequence[SampleRecord],
    names: Mapping[int, str],
    digests: Mapping[int, str],
    models: Mapping[int, ModelRecord],
) -> bytes:
    """Return manifest.csv: one line per sound; what nobody measured is empty."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, lineterminator="\r\n", extrasaction="ignore")
    table.writeheader()
    for sample in samples:
        row = {column: getattr(sample, column, None) for column in COLUMNS}
        row |= {"file": names[sample.id], "sha256": digests[sample.id]}
        row |= {"fingerprint": models[sample.model_id].fingerprint}
        row |= {"qualities": " ".join(sample.qualities), "built_from": " ".join(sample.sources)}
        table.writerow({column: "" if value is None else value for column, value in row.items()})
    return text.getvalue().encode("utf-8")


def _text(text: str) -> bytes:
    """Return a text for every system: UTF-8 with Windows line ends."""
    return text.replace("\n", "\r\n").encode("utf-8")
