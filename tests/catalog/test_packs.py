"""Packs: the very samples of the masters, names, licences and credits; whole or absent, and repeatable."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from catalog.errors import LibraryError, PackError
from catalog.library import Library
from catalog.packs import make_pack
from catalog.packs.licence import attribution_text, hindering_licences, licence_text, obstacle
from catalog.packs.zip import write_zip
from catalog.records import DROP, REJECTED, Kinship, ModelRecord, SampleFilter
from tests.catalog.toy_library import accepted, make, rejected, toy_clip, toy_job, toy_model
from tests.flows.command_line import run

FREE: dict[str, Any] = {
    "part": "weights",
    "name": "toy weights",
    "licence": "MIT",
    "commercial": "yes",
    "attribution": "Toy weights by the toy makers",
    "url": "https://example.org/toy",
}
PAID: dict[str, Any] = {
    "part": "vocoder",
    "name": "their vocoder",
    "licence": "CC-BY-NC-4.0",
    "commercial": "no",
    "attribution": None,
    "url": None,
}
SILENT: dict[str, Any] = {
    "part": "training data",
    "name": "some corpus",
    "licence": None,
    "commercial": "undeclared",
    "attribution": None,
    "url": None,
}


def model(name: str, *chain: dict[str, Any], commercial: str = "yes") -> ModelRecord:
    return toy_model(name, licence_chain=list(chain), commercial=commercial)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four free sounds and a rejected one of "toy", one sound each of "paid" and "silent"; made once."""
    path = tmp_path_factory.mktemp("packs") / "library"
    with Library.open(path, create=True) as library:
        make(library, [toy_job(seed) for seed in range(3)] + [toy_job(3, family="flute")])
        make(library, [toy_job(4)], rejected)
        make(library, [toy_job(5, model="paid")])
        make(library, [toy_job(6, model="silent")])
        chains = (model("toy", FREE), model("paid", FREE, PAID, commercial="no"))
        library.add_models([*chains, model("silent", FREE, SILENT, commercial="undeclared")])
    return path


@pytest.fixture
def stocked(made: Path, library_path: Path) -> Iterator[Library]:
    shutil.copytree(made, library_path)
    with Library.open(library_path) as library:
        yield library


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "pack.zip"


TOY = SampleFilter(models=("toy",))


def rows(archive: zipfile.ZipFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8"), newline="")))


# -------------------- what lies in a pack


def test_a_pack_holds_named_sounds_a_manifest_and_the_texts(stocked: Library, out: Path) -> None:
    result = make_pack(stocked, stocked.samples(TOY), out)
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        manifest = rows(archive)
    assert names == [
        *sorted(n for n in names if n.endswith(".wav")),
        "manifest.csv",
        "LICENSE.txt",
        "ATTRIBUTION.txt",
    ]
    assert {"dark_bass_A1.wav", "dark_acoustic_bass_A1.wav", "dark_flute_A1.wav"} <= set(names)
    assert [row["file"] for row in manifest] == [name for name in names if name.endswith(".wav")]
    assert (result.path, result.left_out, len(result.items)) == (out, 0, 4)
    assert result.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()


def test_the_samples_are_those_of_the_masters_bit_for_bit(stocked: Library, out: Path) -> None:
    make_pack(stocked, stocked.samples(TOY), out)
    with zipfile.ZipFile(out) as archive:
        for row in rows(archive):
            data = archive.read(row["file"])
            assert hashlib.sha256(data).hexdigest() == row["sha256"]
            sample = stocked.sample(int(row["id"]))
            with soundfile.SoundFile(io.BytesIO(data)) as wav:
                assert (wav.format, wav.subtype, wav.samplerate) == ("WAV", "PCM_24", 16_000)
                packed = wav.read(dtype="int32")
            master, _ = soundfile.read(stocked.audio_path(sample), dtype="int32")
            assert np.array_equal(packed, master)


def test_the_manifest_says_what_is_known_and_nothing_else(stocked: Library, out: Path) -> None:
    make_pack(stocked, stocked.samples(TOY), out)
    with zipfile.ZipFile(out) as archive:
        row = next(row for row in rows(archive) if row["file"] == "dark_flute_A1.wav")
    sample = stocked.samples(SampleFilter(families=("flute",)))[0]
    assert (row["model"], row["fingerprint"], row["prompt"]) == ("toy", "f" * 16, "acoustic dark flute")
    assert (row["note"], row["qualities"], row["seed"]) == ("A1", "dark", str(sample.seed))
    assert float(row["duration_s"]) == pytest.approx(sample.duration_s)
    assert row["lufs"] == ""  # nobody measured it
    assert row["built_from"] == "bass_acoustic_000-033-100"


def test_the_same_sounds_give_the_same_bytes(stocked: Library, tmp_path: Path) -> None:
    sounds = stocked.samples(TOY)
    first = make_pack(stocked, sounds, tmp_path / "a.zip")
    second = make_pack(stocked, [*sounds[::-1], *sounds], tmp_path / "b.zip")
    assert first.sha256 == second.sha256
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_the_library_remembers_the_pack(stocked: Library, out: Path) -> None:
    result = make_pack(stocked, stocked.samples(TOY), out)
    (pack,) = stocked.packs()
    assert (pack.name, pack.sha256, pack.items) == ("pack.zip", result.sha256, result.items)
    assert pack.made_at.tzinfo is not None


def test_an_empty_pack_is_not_remembered(stocked: Library) -> None:
    with pytest.raises(LibraryError, match="pack empty.zip holds no sound"):
        stocked.add_pack("empty.zip", "0" * 64, [])
    assert stocked.packs() == []


def test_a_read_only_library_gives_packs_it_does_not_remember(stocked: Library, out: Path) -> None:
    with Library.open(stocked.path, read_only=True) as reading:
        make_pack(reading, reading.samples(TOY), out)
        assert reading.packs() == []
    assert zipfile.is_zipfile(out)


def test_dropped_and_rejected_sounds_stay_out(stocked: Library, out: Path) -> None:
    dropped = stocked.samples(TOY)[0]
    stocked.review(dropped.id, DROP, "clicks", "ana")
    result = make_pack(stocked, stocked.samples(replace(TOY, statuses=("accepted", REJECTED))), out)
    assert result.left_out == 2
    assert dropped.id not in {item.sample_id for item in result.items}
    with pytest.raises(PackError, match="no sound to pack: 1 came"):
        make_pack(stocked, [stocked.sample(dropped.id)], out)


# -------------------- licences


def test_noncommercial_and_undeclared_sounds_stay_out_and_are_named(stocked: Library, out: Path) -> None:
    result = make_pack(stocked, stocked.samples(), out)
    assert (len(result.items), result.left_out) == (4, 2)
    assert [(left.model, left.sounds) for left in result.not_for_sale] == [("paid", 1), ("silent", 1)]
    assert result.not_for_sale[0].why == "vocoder their vocoder (CC-BY-NC-4.0) forbids commercial use"
    assert result.not_for_sale[1].why.startswith("training data some corpus (no licence given) declares no terms")
    with zipfile.ZipFile(out) as archive:
        assert {row["model"] for row in rows(archive)} == {"toy"}
        licence, credits = archive.read("LICENSE.txt").decode(), archive.read("ATTRIBUTION.txt").decode()
    assert "royalty-free" in licence and "NOT CLEARED" not in licence
    for absent in ("paid", "silent", "their vocoder", "some corpus"):
        assert absent not in licence + credits


def test_what_stays_out_makes_room_for_what_may_go_in(stocked: Library, out: Path) -> None:
    dropped = stocked.samples(TOY)[0]
    stocked.review(dropped.id, DROP, "clicks", "ana")
    ranked = [*stocked.samples(SampleFilter(models=("paid", "silent"))), *stocked.samples(TOY)]
    result = make_pack(stocked, ranked, out, k=3)
    assert {item.sample_id for item in result.items} == {s.id for s in ranked[3:]}
    best = make_pack(stocked, ranked, out, allow_noncommercial=("paid",), k=1)
    assert [item.sample_id for item in best.items] == [ranked[0].id]
    with pytest.raises(PackError, match="a pack of 0 sounds was asked for"):
        make_pack(stocked, ranked, out, k=0)


def test_only_what_stood_above_the_last_one_taken_was_left_out(stocked: Library, out: Path) -> None:
    copied, dropped, *fit = stocked.samples(TOY)
    stocked.review(dropped.id, DROP, "clicks", "ana")
    stocked.add_kinships("bank", {copied.id: Kinship("note", 0.99, None, None, True)})
    paid, silent = stocked.samples(SampleFilter(models=("paid", "silent")))
    copied, dropped = stocked.sample(copied.id), stocked.sample(dropped.id)
    best = make_pack(stocked, [fit[0], paid, silent, copied, dropped, fit[1]], out, only_compared=False, k=1)
    assert (best.left_out, best.copies_left_out, best.not_for_sale) == (0, 0, ())
    more = make_pack(stocked, [paid, fit[0], copied, dropped, fit[1], silent], out, k=2)
    assert (len(more.items), more.left_out, more.copies_left_out) == (2, 3, 1)
    assert [(left.model, left.sounds) for left in more.not_for_sale] == [("paid", 1)]
    short = make_pack(stocked, [paid, fit[0], copied, dropped, fit[1], silent], out, k=3)
    assert (len(short.items), short.left_out) == (2, 4), "all of them were looked at"


def test_a_pack_of_sounds_that_may_not_be_sold_is_refused(stocked: Library, out: Path) -> None:
    with pytest.raises(PackError) as error:
        make_pack(stocked, stocked.samples(SampleFilter(models=("paid", "silent"))), out)
    sentence = str(error.value)
    assert sentence.startswith("no sound to pack: left out, not for sale: 1 of paid: vocoder their vocoder (CC-BY-NC-")
    assert "1 of silent: training data some corpus (no licence given) declares no terms" in sentence
    assert sentence.endswith("they come in with --allow-noncommercial paid --allow-noncommercial silent")
    assert "\n" not in sentence
    assert not out.exists()
    assert stocked.packs() == []


def test_each_model_has_to_be_allowed_by_name(stocked: Library, out: Path) -> None:
    some = make_pack(stocked, stocked.samples(), out, allow_noncommercial=("paid",))
    assert [left.model for left in some.not_for_sale] == ["silent"]
    whole = make_pack(stocked, stocked.samples(), out, allow_noncommercial=("paid", "silent"))
    assert (len(whole.items), whole.left_out, whole.not_for_sale) == (6, 0, ())
    with zipfile.ZipFile(out) as archive:
        licence = archive.read("LICENSE.txt").decode()
    assert licence.startswith("NOT CLEARED FOR COMMERCIAL USE")
    assert "paid: vocoder their vocoder (CC-BY-NC-4.0)" in licence


def test_an_allowance_may_name_a_model_of_which_nothing_was_chosen(stocked: Library, out: Path) -> None:
    assert len(make_pack(stocked, stocked.samples(TOY), out, allow_noncommercial=("paid",)).items) == 4


def test_a_misspelt_or_needless_allowance_is_refused(stocked: Library, out: Path) -> None:
    with pytest.raises(PackError, match=r"piad: this library has no such model; it is for paid, silent$"):
        make_pack(stocked, stocked.samples(), out, allow_noncommercial=("piad",))
    with pytest.raises(PackError, match=r"toy: its sounds may be sold without it; it is for paid, silent$"):
        make_pack(stocked, stocked.samples(), out, allow_noncommercial=("paid", "toy"))
    assert not out.exists()


def test_where_all_may_be_sold_no_model_is_offered_for_allowing(library: Library, out: Path) -> None:
    make(library, [toy_job()])
    with pytest.raises(PackError, match=r"piad: this library has no such model; no model here needs it$"):
        make_pack(library, library.samples(), out, allow_noncommercial=("piad",))


def test_a_chain_without_links_is_undeclared() -> None:
    bare = model("bare", commercial="undeclared")
    assert obstacle(bare) == "the model declares no terms for commercial use"
    assert hindering_licences(bare) == "no licence given"


def test_the_licence_of_free_sounds_lists_the_chain() -> None:
    text = licence_text([model("toy", FREE)])
    assert "royalty-free" in text
    assert "NOT CLEARED" not in text
    assert "weights toy weights: MIT, https://example.org/toy" in text


def test_credits_name_the_makers_the_sources_and_that_sounds_are_generated(stocked: Library) -> None:
    sounds = stocked.samples(TOY)
    names = {sample.id: f"sound{sample.id}.wav" for sample in sounds}
    text = attribution_text([model("toy", FREE)], sounds, names)
    assert text.startswith("AI-GENERATED AUDIO")
    assert "Toy weights by the toy makers" in text
    assert f"sound{sounds[0].id}.wav: bass_acoustic_000-033-100" in text
    without = attribution_text([model("toy", FREE)], [replace(s, sources=()) for s in sounds], names)
    assert "SOURCE RECORDINGS" not in without


def test_the_command_fills_k_and_tells_what_stays_out(
    stocked: Library, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stocked.set_sample_scores({s.id: 99.0 if s.model == "paid" else 50.0 for s in stocked.samples()})
    line = ("pack", "--include-copies", "--library", stocked.path, "--out", out)
    code, told, warned = run(capsys, *line, "-k", 4, "--json")
    assert code == 0
    assert warned == (
        "nightcrate: left out, not for sale: 1 of paid: vocoder their vocoder (CC-BY-NC-4.0) forbids commercial use; "
        "they come in with --allow-noncommercial paid\n"
    )
    facts = json.loads(told)
    assert len(facts["items"]) == 4
    assert [(left["model"], left["sounds"]) for left in facts["not_for_sale"]] == [("paid", 1)], "silent comes last"
    code, told, warned = run(capsys, *line, "-k", 5)
    assert ": 4 sounds (5 were asked for, 6 fit), 2 not for sale left out" in told
    assert warned.endswith(
        "; 1 of silent: training data some corpus (no licence given) declares no terms for commercial use; they come "
        "in with --allow-noncommercial paid --allow-noncommercial silent\n"
    )
    code, told, warned = run(capsys, *line, "--model", "toy")
    assert (code, warned) == (0, "") and "not for sale" not in told


# -------------------- whole or absent


def _vanish(path: Path) -> None:
    path.unlink()


def _spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"!")


@pytest.mark.parametrize(("harm", "words"), [(_vanish, "cannot be read"), (_spoil, "is not the sound that was stored")])
def test_a_bad_master_leaves_no_zip(harm: Callable[[Path], None], words: str, stocked: Library, out: Path) -> None:
    write_zip(out, [("sound.wav", lambda: b"an older pack")])
    older = out.read_bytes()
    sounds = stocked.samples(TOY)
    harm(stocked.audio_path(sounds[-1]))
    with pytest.raises(PackError, match=words):
        make_pack(stocked, sounds, out)
    assert out.read_bytes() == older
    assert [path.name for path in out.parent.glob("*pack*")] == ["pack.zip"]
    assert stocked.packs() == []


def test_no_other_file_is_overwritten(stocked: Library, tmp_path: Path) -> None:
    sounds = stocked.samples(TOY)
    for precious in (stocked.path / "catalog.sqlite", stocked.audio_path(sounds[0])):
        before = precious.read_bytes()
        with pytest.raises(PackError, match="is there already and is no zip file; choose another --out"):
            make_pack(stocked, sounds, precious)
        assert precious.read_bytes() == before


def test_a_full_disk_leaves_no_zip(tmp_path: Path) -> None:
    def full() -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(PackError, match="No space left on device"):
        write_zip(tmp_path / "a.zip", [("one", lambda: b"1"), ("two", full)])
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_hold_a_zip_are_named(stocked: Library, tmp_path: Path) -> None:
    sounds = stocked.samples(TOY)
    with pytest.raises(PackError, match="nowhere does not exist"):
        make_pack(stocked, sounds, tmp_path / "nowhere" / "a.zip")
    with pytest.raises(PackError, match="is a folder"):
        make_pack(stocked, sounds, tmp_path)


@pytest.mark.parametrize("name", ["pack.wav", "pack", ".zip"])
def test_a_pack_is_named_as_the_zip_that_it_is(name: str, stocked: Library, tmp_path: Path) -> None:
    place = tmp_path / name
    with pytest.raises(PackError, match=r"a pack is a zip file; choose an --out that ends in \.zip"):
        make_pack(stocked, stocked.samples(TOY), place)
    assert not place.exists()
    assert stocked.packs() == []


def test_zip_entries_carry_no_date_and_no_machine(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", [("b.wav", lambda: b"2"), ("a.txt", lambda: b"1")])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert [info.filename for info in archive.infolist()] == ["b.wav", "a.txt"]
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.create_system == 3
            assert info.compress_type == zipfile.ZIP_STORED


def test_stereo_masters_stay_stereo(library: Library, out: Path) -> None:
    clip = toy_clip("0" * 32)
    stereo = replace(clip, samples=np.vstack([clip.samples, -clip.samples]))
    make(library, [toy_job()], lambda key: replace(accepted(key), clip=stereo))
    library.add_models([model("toy", FREE)])
    make_pack(library, library.samples(), out)
    with zipfile.ZipFile(out) as archive:
        data, _ = soundfile.read(io.BytesIO(archive.read("dark_bass_A1.wav")), dtype="int32")
    assert data.shape[1] == 2
    assert np.array_equal(data[:, 0], -data[:, 1])
