"""New or copied: a training note planted in a library is flagged, shown and kept out of packs; new notes are not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.embedders import STARTER_DIR, Embedder, load_embedder
from catalog.errors import LibraryError, NoveltyError, PackError
from catalog.fingerprint import BANDS, STRETCHES
from catalog.library import Library
from catalog.novelty import COPY_LIKENESS, STARTER_BANK, NoveltyBank, make_bank
from catalog.packs import make_pack
from catalog.records import Kinship, ResultRecord, SampleFilter
from catalog.search import search
from flows.deadline import Deadline
from flows.nightshift import spend_night
from flows.novelty import banks_id, banks_of_library, fingerprint_corpus, finished, flag_copies, read_banks
from flows.order import read_order
from flows.page import as_html
from flows.settings import read_night
from flows.stages import embed_missing
from flows.summary import as_json, as_text, look_back
from generation.audio import Clip
from generation.corpus.nsynth import Corpus, read_audio, read_corpus
from generation.finish import finish
from tests.catalog.toy_library import VERSIONS, accepted, make, toy_job
from tests.flows.command_line import run
from tests.toy_corpus import write_toy_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_corpus(tmp_path_factory.mktemp("novelty") / "corpus")


@pytest.fixture(scope="module")
def training(corpus: Path) -> Corpus:
    return read_corpus(corpus / "train")


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder("starter")


@pytest.fixture(scope="module")
def bank(training: Corpus, embedder: Embedder) -> NoveltyBank:
    return fingerprint_corpus(training, embedder)


def planted(training: Corpus) -> Clip:
    """A training note as a model that learned it by heart would give it back: softer, off centre, in 8 bits."""
    wave = 0.4 * read_audio(training.notes[4]) + 0.01
    return finish(Clip((np.round(wave * 128) / 128).astype(np.float32)[None], 16_000))


def fresh() -> Clip:
    """A note that nobody learned from: two voices of odd partials, 7 semitones from any toy note's colour."""
    time_s = np.arange(24_000) / 16_000
    wave = sum(np.sin(2 * np.pi * 311 * k * time_s) / k for k in (1, 3, 5, 7)) * np.exp(-2 * time_s)
    return finish(Clip((0.2 * wave).astype(np.float32)[None], 16_000))


@pytest.fixture
def stocked(library: Library, training: Corpus, embedder: Embedder, bank: NoveltyBank) -> Iterator[Library]:
    clips = [planted(training), fresh()]
    jobs = [toy_job(seed) for seed in range(2)]

    def outcome(key: str) -> ResultRecord:
        clip = clips[[job.key for job in jobs].index(key)]
        return ResultRecord(key, clip, None, {}, {"duration_s": clip.duration_s}, True, [], 0.1, "cpu", VERSIONS)

    make(library, jobs, outcome)
    embed_missing(library, embedder)
    assert flag_copies(library, embedder, [bank]) == 2
    yield library


def test_a_planted_training_note_is_flagged_and_a_fresh_one_is_not(stocked, training, bank):
    copy, new = stocked.samples()
    assert (copy.is_copy, copy.nearest_note) == (True, training.notes[4].note_str)
    assert copy.likeness > 0.95
    assert copy.clap_note in bank.notes and copy.clap_cosine is not None  # 8-bit noise already moves CLAP to 0.67
    assert new.is_copy is False
    assert new.likeness < bank.threshold


def test_what_was_compared_is_not_compared_again_until_the_banks_change(stocked, embedder, bank):
    assert flag_copies(stocked, embedder, [bank]) == 0
    assert flag_copies(stocked, embedder, [bank.measured(0.99, {})]) == 2
    assert flag_copies(stocked, embedder, []) == 0
    assert stocked.missing_kinships(banks_id([bank])) != []


def test_filters_leave_copies_out_or_ask_for_them(stocked, embedder):
    copy, new = stocked.sample_ids()
    assert stocked.sample_ids(SampleFilter(copies=True)) == [copy]
    assert stocked.sample_ids(SampleFilter(copies=False)) == [new]
    hits = search(stocked, embedder, "bass", SampleFilter(copies=False))
    assert [hit.sample.id for hit in hits] == [new]


def test_a_sound_that_was_never_compared_is_no_copy(library):
    make(library, [toy_job(7)])
    (sample,) = library.samples(SampleFilter(copies=False))
    assert (sample.is_copy, sample.nearest_note, sample.likeness) == (None, None, None)
    assert library.samples(SampleFilter(copies=True)) == []


def test_packs_leave_copies_out_unless_asked(stocked, tmp_path):
    copy, new = stocked.samples()
    pack = make_pack(stocked, [copy, new], tmp_path / "new.zip")
    assert [item.sample_id for item in pack.items] == [new.id]
    assert (pack.left_out, pack.copies_left_out) == (1, 1)
    both = make_pack(stocked, [copy, new], tmp_path / "both.zip", include_copies=True)
    assert sorted(item.sample_id for item in both.items) == [copy.id, new.id]
    with pytest.raises(PackError, match=r"all 1 are copies of training notes .*--include-copies"):
        make_pack(stocked, [copy], tmp_path / "none.zip")
    assert not (tmp_path / "none.zip").exists()


def test_the_morning_tells_of_copies_in_text_json_and_page(stocked):
    morning = look_back(stocked, stocked.nights()[-1].id, None, {}, None)
    name = stocked.samples()[0].nearest_note
    assert "copies of training notes, left out of packs: 1" in as_text(morning)
    content = as_json(morning)
    assert content["copies"] == 1
    assert [(sound["copy"], sound["nearest_note"] == name) for sound in content["sounds"]][0] == (True, True)
    page = as_html(morning)
    assert f"copy of {name}" in page and "nearest training note" in page


def test_the_recordings_that_a_sound_is_built_from_are_kept_and_shown(library):
    make(library, [toy_job(7)])
    (sample,) = library.samples()
    assert sample.sources == ("bass_acoustic_000-033-100",)
    assert "built from bass_acoustic_000-033-100" in as_html(look_back(library, 1, None, {}, None))


def answered(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    code, out, err = run(capsys, *arguments)
    assert code == 0, err
    return json.loads(out)


def test_the_commands_make_a_bank_compare_show_and_search(capsys, stocked, corpus, tmp_path):
    copy, new = stocked.sample_ids()
    place = stocked.path
    stocked.close()
    out = tmp_path / "toy.safetensors"
    made = answered(capsys, "corpus", "fingerprint", "--corpus", corpus, "--out", out, "--unmeasured", "--json")
    assert (made["notes"], made["threshold"], made["errors"]) == (12, COPY_LIKENESS, None)
    told = answered(capsys, "novelty", "--bank", out, "--library", place, "--json")
    assert [sound["id"] for sound in told["copies"]] == [copy]
    shown = answered(capsys, "show", copy, "--library", place, "--json")
    assert shown["copy"] is True and shown["likeness"] > 0.95
    found = answered(capsys, "search", "bass", "--no-copies", "--library", place, "--json")
    assert [hit["id"] for hit in found] == [new]


def test_a_bank_is_read_back_as_it_was_and_its_bytes_repeat(bank, tmp_path):
    measured = bank.measured(0.93, {"miss_rate": 0.1})
    measured.save(tmp_path / "bank.safetensors")
    again = NoveltyBank.load(tmp_path / "bank.safetensors")
    assert (again.id, again.notes, again.errors, again.origin) == (
        measured.id, measured.notes, measured.errors, measured.origin,
    )  # fmt: skip
    assert np.array_equal(again.prints, bank.prints) and np.array_equal(again.vectors, bank.vectors)
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "bank.safetensors").read_bytes()


def test_banks_that_answer_with_other_names_are_others(bank):
    renamed = replace(bank, notes=tuple(f"{note}b" for note in bank.notes))
    assert renamed.id != bank.id
    assert replace(bank).id == bank.id


def test_an_ear_that_the_bank_does_not_know_names_no_clap_note(bank, training, embedder):
    clip = finished(training.notes[0])
    vector = embedder.embed_audio([clip])[0]
    kinship = bank.kinship(clip, vector, "another@1")
    assert (kinship.clap_note, kinship.cosine, kinship.is_copy) == (None, None, True)
    near = bank.kinship(clip, vector, embedder.id)
    assert near.clap_note == training.notes[0].note_str and near.cosine == pytest.approx(1.0, abs=0.01)


def test_files_that_are_no_bank_are_refused_in_one_line(bank, tmp_path):
    with pytest.raises(NoveltyError, match=r"nowhere: there is no novelty bank here.*corpus fingerprint"):
        read_banks(["nowhere"], tmp_path)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(NoveltyError, match="text: this is no novelty bank"):
        NoveltyBank.load(tmp_path / "text")
    with pytest.raises(NoveltyError, match="at least one"):
        make_bank([], np.zeros((0, STRETCHES, BANDS), np.uint8), np.zeros((0, 2), np.float32), "x@1", {})


def test_a_likeness_that_is_no_share_or_an_unknown_sound_is_refused(stocked):
    before = stocked.samples()
    good = Kinship("a", 0.5, None, None, False)
    for found, told in (
        ({before[0].id: Kinship("a", float("nan"), None, None, False)}, "0 to 1"),
        ({before[0].id: good, 99: good}, "no sound 99"),
    ):
        with pytest.raises(LibraryError, match=told):
            stocked.add_kinships("toy@1", found)
    assert stocked.samples() == before


def test_the_shipped_bank_is_heard_by_the_shipped_ear_and_says_how_often_it_errs(embedder):
    bank = NoveltyBank.load(STARTER_BANK)
    assert bank.embedder == embedder.id, "the ear was trained again: run nightcrate corpus fingerprint"
    assert STARTER_BANK.is_relative_to(STARTER_DIR) and STARTER_BANK.stat().st_size < 3_000_000
    assert bank.errors is not None and bank.errors["repeats"] > 1000
    assert len(bank.notes) == len(set(bank.notes)) > 8_000


def test_a_night_that_names_a_bank_that_is_not_there_stops_before_it_begins(tmp_path):
    path = tmp_path / "night.yaml"
    path.write_text("name: test\nmodels: [{model: chopan-starter}]\nprompts: {prompts: [bass]}\nnovelty: [gone.st]\n")
    config, folder = read_night(str(path))
    with pytest.raises(NoveltyError, match=r"gone\.st: there is no novelty bank"):
        spend_night(tmp_path / "library", config, folder, Deadline(), "cpu")
    assert not (tmp_path / "library").exists()


def test_a_bank_beside_the_night_is_found_again_from_another_folder(library, bank, tmp_path, monkeypatch):
    bank.save(tmp_path / "night" / "toy.st")
    (tmp_path / "night" / "night.yaml").write_text(
        "name: test\nmodels: [{model: chopan-starter}]\nprompts: {prompts: [bass]}\nnovelty: [starter, toy.st]\n"
    )
    monkeypatch.chdir(tmp_path / "night")
    config, folder = read_night("night.yaml")
    library.start_night("test", read_order(config, folder).identity())
    monkeypatch.chdir(tmp_path)
    assert [one.id for one in banks_of_library(library)] == [NoveltyBank.load(STARTER_BANK).id, bank.id]


def test_a_pack_first_compares_what_a_killed_night_left(library, tmp_path, capsys, caplog):
    jobs = [toy_job(seed) for seed in range(2)]
    make(library, jobs, lambda key: replace(accepted(key), clip=fresh(), raw=None))
    out = tmp_path / "new.zip"
    line = ("pack", "--out", out, "--library", library.path)
    library.lock()  # as while the night still works: nobody else may compare now
    with pytest.raises(PackError, match="none of 2 was compared with training notes yet"):
        make_pack(library, library.samples(), out, only_compared=True)
    code, _, err = run(capsys, *line)
    assert code == 1 and "is writing to this library" in caplog.text and not out.exists()
    assert "none of 2 was compared with training notes yet" in err.splitlines()[-1]
    library.close()
    code, told, _ = run(capsys, *line, "--json")
    assert code == 0 and len(json.loads(told)["items"]) == 2 and json.loads(told)["uncompared_left_out"] == 0
    with Library.open(library.path) as opened:
        assert [sample.is_copy for sample in opened.samples()] == [False, False]


def test_a_pack_of_compared_sounds_needs_neither_ear_nor_banks(stocked, tmp_path, capsys, caplog):
    away = {"embedder": "transformers:/nowhere", "novelty": ["/nowhere/bank.safetensors"]}
    stocked.start_night("elsewhere", away)
    stocked.close()
    line = ("pack", "--library", stocked.path, "--json", "--out")
    code, told, _ = run(capsys, *line, tmp_path / "a.zip")
    assert code == 0 and (len(json.loads(told)["items"]), json.loads(told)["copies_left_out"]) == (1, 1)
    with Library.open(stocked.path) as opened:
        make(opened, [toy_job(9)])
        opened.start_night("elsewhere again", away | {"again": True})
    code, told, _ = run(capsys, *line, tmp_path / "b.zip")
    assert code == 0 and (len(json.loads(told)["items"]), json.loads(told)["uncompared_left_out"]) == (1, 1)
    assert "not compared with training notes: no CLAP model at /nowhere" in caplog.text


def test_a_pack_says_how_many_were_not_compared(stocked, tmp_path):
    make(stocked, [toy_job(9)])
    pack = make_pack(stocked, stocked.samples(), tmp_path / "new.zip", only_compared=True)
    assert (len(pack.items), pack.left_out, pack.copies_left_out, pack.uncompared_left_out) == (1, 2, 1, 1)
