"""Importing a folder of one-shots: what becomes a note, what is left out and why, and never half a corpus."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from generation.corpus.importer import ImportReport, import_folder
from generation.corpus.nsynth import SAMPLE_RATE_HZ, Note, read_audio, read_corpus
from generation.errors import CorpusError
from tests.generation.tones import plucked

ROOT = Path(__file__).resolve().parents[2]
TERMS = {"licence": "CC0-1.0", "attribution": "Ana Ruiz"}
LENGTH = 64_000


def sound(path: Path, wave: np.ndarray | None = None, rate_hz: int = 16_000, subtype: str | None = None) -> Path:
    """Write a sound file, by default a plucked tone whose pitch and decay differ with its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if wave is None:
        number = zlib.crc32(os.fsencode(path.name))
        wave = plucked(40 + number % 20, rate_hz=rate_hz, decay_s=0.1 + number % 97 / 100)
    with path.open("wb") as stream:
        soundfile.write(stream, wave, rate_hz, format="WAV", subtype=subtype)
    return path


def imported(folder: Path, out: Path | None = None, **more: Any) -> tuple[ImportReport, tuple[Note, ...]]:
    report = import_folder(folder, out or folder.parent / "corpus", **{**TERMS, **more})
    return report, read_corpus(report.out).notes


def reasons(report: ImportReport) -> dict[str, str]:
    return {item.file: item.reason for item in report.left_out}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two named notes: enough for a corpus."""
    sound(tmp_path / "sounds" / "808 bass" / "C1.wav")
    sound(tmp_path / "sounds" / "Acoustic Guitar" / "PalmMuted_Guitar01-E2.wav")
    return tmp_path / "sounds"


# -------------------- what is made


def test_named_sounds_become_notes_that_the_reader_understands(folder):
    report, notes = imported(folder, name="two notes", url="https://example.org/sounds")
    assert [
        (n.note_str, n.instrument_str, n.family, n.source, n.pitch, n.velocity, n.qualities, n.instrument_name)
        for n in notes
    ] == [
        ("bass_synthetic_000-024-127", "bass_synthetic_000", "bass", "synthetic", 24, 127, (), "808 bass"),
        (
            "guitar_acoustic_000-040-127", "guitar_acoustic_000", "guitar", "acoustic", 40, 127, ("fast_decay",),
            "acoustic guitar",
        ),
    ]  # fmt: skip
    assert (report.notes, report.instruments, report.pitches_measured, report.left_out) == (2, 2, 0, ())
    assert report.cells == {"acoustic guitar": 1, "synthetic bass": 1}
    info = read_corpus(report.out).info
    assert asdict(info) == {"name": "two notes", "url": "https://example.org/sounds", **TERMS}
    for note in notes:
        wave = read_audio(note)
        assert wave.shape == (LENGTH,) and 0.1 < np.abs(wave).max() <= 1


def test_an_entry_has_all_fields_of_nsynth_and_its_origin(folder):
    report, _ = imported(folder)
    entry = json.loads((report.out / "examples.json").read_text())["guitar_acoustic_000-040-127"]
    assert entry == {
        "note": 1, "note_str": "guitar_acoustic_000-040-127", "instrument": 1, "instrument_str": "guitar_acoustic_000",
        "pitch": 40, "velocity": 127, "sample_rate": 16_000, "qualities": [0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        "qualities_str": ["fast_decay"], "instrument_family": 3, "instrument_family_str": "guitar",
        "instrument_source": 0, "instrument_source_str": "acoustic", "instrument_name": "acoustic guitar",
        "origin": "Acoustic Guitar/PalmMuted_Guitar01-E2.wav",
    }  # fmt: skip


def test_a_manifest_places_what_names_do_not(tmp_path):
    for name in ("x1.wav", "x2.wav", "stray.wav"):
        sound(tmp_path / "sounds" / "in" / name)
    (tmp_path / "sounds" / "manifest.csv").write_text(
        "file,family,source,instrument,midi_pitch,qualities\n"
        "in/x1.wav,brass,acoustic,trumpet,60,bright;reverb\n"
        "in/x2.wav,kazoo,acoustic,,61,\n"
        "gone.wav,bass,synthetic,,40,\n"
    )
    report, notes = imported(tmp_path / "sounds")
    assert [(n.note_str, n.qualities, n.instrument_name) for n in notes] == [
        ("brass_acoustic_000-060-127", ("bright", "reverb"), "trumpet")
    ]
    assert reasons(report) == {
        "gone.wav": "named in manifest.csv, but not a sound file there",
        "in/stray.wav": "has no row in manifest.csv",
        "in/x2.wav": "manifest.csv gives family 'kazoo'; one of bass, brass, flute, guitar, keyboard, mallet, organ, "
        "reed, string, synth_lead, vocal is needed",
    }


@pytest.mark.parametrize("midi", [33, 57, 76])
def test_a_pitch_that_is_not_named_is_measured(tmp_path, midi):
    sound(tmp_path / "sounds" / "synth bass.wav", plucked(midi, rate_hz=44_100), 44_100)
    report, notes = imported(tmp_path / "sounds")
    assert [note.pitch for note in notes] == [midi]
    assert report.pitches_measured == 1


def test_the_named_pitch_is_believed_and_not_measured(tmp_path):
    sound(tmp_path / "sounds" / "synth bass C1.wav", plucked(57))
    report, notes = imported(tmp_path / "sounds")
    assert (notes[0].pitch, report.pitches_measured) == (24, 0)


@pytest.mark.parametrize(
    ("rate_hz", "subtype"),
    [(8_000, "PCM_U8"), (22_050, "PCM_16"), (44_100, "PCM_24"), (96_000, "FLOAT"), (192_000, "PCM_24")],
)
def test_any_rate_and_depth_becomes_sixteen_kilohertz_of_the_same_pitch(tmp_path, rate_hz, subtype):
    sound(tmp_path / "sounds" / "synth bass.wav", plucked(57, rate_hz=rate_hz, decay_s=1.0), rate_hz, subtype)
    report, notes = imported(tmp_path / "sounds")
    assert [(note.pitch, note.sample_rate_hz) for note in notes] == [(57, SAMPLE_RATE_HZ)]
    assert np.abs(read_audio(notes[0])).max() == pytest.approx(0.5, abs=0.05)


def test_stereo_becomes_mono_even_where_its_channels_cancel(tmp_path):
    wave = plucked(57)
    sound(tmp_path / "sounds" / "synth bass one side.wav", np.stack([wave, 0 * wave], axis=1))
    sound(tmp_path / "sounds" / "synth bass inverted.wav", np.stack([wave, -wave], axis=1))
    _, notes = imported(tmp_path / "sounds")
    assert [note.pitch for note in notes] == [57, 57]
    assert sorted(round(float(np.abs(read_audio(note)).max()), 2) for note in notes) == [0.25, 0.5]


def test_silence_before_the_sound_goes_and_a_long_tail_is_faded(tmp_path):
    steady = 0.5 * np.sin(2 * np.pi * 220 * np.arange(6 * 16_000) / 16_000)
    sound(tmp_path / "sounds" / "church organ A3.wav", np.concatenate([np.zeros(16_000), steady]))
    _, notes = imported(tmp_path / "sounds")
    wave = read_audio(notes[0])
    assert np.abs(wave[:200]).max() > 0.3
    assert np.abs(wave[-2_000:-1_000]).max() > 0.45
    assert np.abs(wave[-3:]).max() < 0.01


def test_a_sound_beyond_full_scale_is_brought_down_and_a_soft_one_left(tmp_path):
    sound(tmp_path / "sounds" / "synth bass C2.wav", plucked(36, peak=4.0), subtype="FLOAT")
    sound(tmp_path / "sounds" / "synth bass D2.wav", plucked(38, peak=0.05))
    _, notes = imported(tmp_path / "sounds")
    assert [round(float(np.abs(read_audio(note)).max()), 2) for note in notes] == [1.0, 0.05]


# -------------------- numbers and names


def test_instruments_are_numbered_within_their_cell(tmp_path):
    for file in ("cello C3", "cello D3", "violin A4", "viola/C4", "808 bass C1", "acid bass C1", "cello E3 take2"):
        sound(tmp_path / "sounds" / f"{file}.wav")
    report, notes = imported(tmp_path / "sounds")
    entries = json.loads((report.out / "examples.json").read_text())
    by_origin = {entry["origin"]: entry["instrument_str"] for entry in entries.values()}
    assert by_origin == {
        "808 bass C1.wav": "bass_synthetic_000",
        "cello C3.wav": "string_acoustic_000",
        "cello D3.wav": "string_acoustic_000",
        "cello E3 take2.wav": "string_acoustic_000",
        "acid bass C1.wav": "bass_synthetic_001",
        "viola/C4.wav": "string_acoustic_001",
        "violin A4.wav": "string_acoustic_002",
    }
    assert report.instruments == len({note.instrument_str for note in notes}) == 5
    numbers = {entry["instrument_str"]: entry["instrument"] for entry in entries.values()}
    assert sorted(numbers.values()) == list(range(5))
    assert sorted(entry["note"] for entry in entries.values()) == list(range(7))


def test_takes_of_one_note_get_names_of_their_own(tmp_path):
    for take in (1, 2, 3):
        sound(tmp_path / "sounds" / f"cello C3 take{take}.wav", plucked(48, decay_s=0.1 * take))
    _, notes = imported(tmp_path / "sounds")
    assert [note.note_str for note in notes] == [
        "string_acoustic_000-048-127",
        "string_acoustic_000-048-127-t2",
        "string_acoustic_000-048-127-t3",
    ]
    assert len({read_audio(note).tobytes() for note in notes}) == 3


def test_the_same_sound_is_imported_once(tmp_path):
    wave = plucked(48)
    sound(tmp_path / "sounds" / "a" / "cello C3.wav", wave)
    sound(tmp_path / "sounds" / "b" / "cello C3 copy.wav", wave)
    sound(tmp_path / "sounds" / "b" / "violin D4.wav", np.concatenate([wave, np.zeros(500)]))
    report, notes = imported(tmp_path / "sounds")
    assert [note.note_str for note in notes] == ["string_acoustic_000-048-127"]
    assert reasons(report) == {
        "b/cello C3 copy.wav": "is the same sound as a/cello C3.wav",
        "b/violin D4.wav": "is the same sound as a/cello C3.wav",
    }


def test_importing_twice_gives_equal_bytes_but_for_the_time(folder, tmp_path):
    sound(folder / "synth bass.wav")
    sound(folder / "untitled.wav")
    contents = []
    for out in (tmp_path / "one", tmp_path / "two"):
        imported(folder, out)
        info = json.loads((out / "corpus.json").read_text())
        assert info.pop("imported_at").endswith("+00:00")
        files = {path.relative_to(out): path.read_bytes() for path in out.rglob("*.*") if path.name != "corpus.json"}
        contents.append((info, files))
    assert contents[0] == contents[1]
    assert len(contents[0][1]) == 4


# -------------------- what is left out


def unusable(folder: Path) -> dict[str, str]:
    """Files that are no usable one-shot, each with the words that its reason must hold."""
    wave = plucked(57)
    with_nan = np.where(np.arange(len(wave)) == 9, np.nan, wave)
    sound(folder / "synth bass empty.wav", np.zeros(0))
    sound(folder / "synth bass NaN.wav", with_nan, subtype="FLOAT")
    sound(folder / "synth bass six.wav", np.stack([wave] * 6, axis=1))
    sound(folder / "synth bass silent.wav", np.zeros(8_000))
    sound(folder / "synth bass dither.wav", 1e-5 * np.sign(wave), subtype="FLOAT")
    sound(folder / "synth bass click C2.wav", np.concatenate([np.zeros(8_000), wave[:500]]))
    sound(folder / "synth bass one sample.wav", np.ones(1), 192_000)
    sound(folder / "synth bass song.wav", np.zeros(61 * 8_000), 8_000)
    sound(folder / "synth bass noise.wav", np.random.default_rng(1).uniform(-0.5, 0.5, 16_000))
    sound(folder / "untitled.wav")
    sound(folder / "808 Kick.wav")
    (folder / "synth bass text.wav").write_text("RIFF? no, a letter")
    (folder / "synth bass nothing.aif").touch()
    (folder / "synth bass tape.m4a").write_bytes(b"\0\0\0 ftypM4A " + bytes(100))
    (folder / "synth bass gone.wav").symlink_to(folder / "nowhere.wav")
    os.mkfifo(folder / "synth bass pipe.wav")
    return {
        "synth bass empty.wav": "length 0", "synth bass NaN.wav": "NaN", "synth bass six.wav": "6 channels",
        "synth bass silent.wav": "is silent", "synth bass dither.wav": "is silent",
        "synth bass click C2.wav": "sounds for", "synth bass one sample.wav": "is silent",
        "synth bass song.wav": "lasts 61 s", "synth bass noise.wav": "no clear pitch",
        "untitled.wav": "no instrument family", "808 Kick.wav": "kick",
        "synth bass text.wav": "not a sound file", "synth bass nothing.aif": "0 bytes",
        "synth bass tape.m4a": "not a sound file", "synth bass gone.wav": "does not exist",
        "synth bass pipe.wav": "does not exist",
    }  # fmt: skip


def test_what_cannot_be_used_is_listed_with_its_reason(folder):
    expected = unusable(folder)
    steps: list[tuple[int, int]] = []
    report, notes = imported(folder, progress=lambda done, total: steps.append((done, total)))
    assert len(notes) == 2
    told = reasons(report)
    assert sorted(told) == sorted(expected)
    assert {file: told[file] for file in told if expected[file] not in told[file]} == {}
    assert not any("\n" in reason or str(folder) in reason for reason in told.values())
    assert steps == [(done, len(expected) + 2) for done in range(1, len(expected) + 3)]
    kept = json.loads((report.out / "corpus.json").read_text())["left_out"]
    assert kept == [asdict(item) for item in report.left_out]


def test_hidden_and_other_files_are_passed_over(folder):
    sound(folder / ".trash" / "808 bass D1.wav")
    sound(folder / "._808 bass E1.wav")
    (folder / "readme.txt").write_text("my sounds")
    (folder / "808 bass F1.wav").mkdir()
    report, notes = imported(folder)
    assert (len(notes), report.left_out) == (2, ())


def test_names_that_are_not_utf8_are_imported_and_can_be_printed(folder):
    sound(folder / os.fsdecode(b"synth bass b\xe9b\xe9 C2.wav"), plucked(36))
    sound(folder / os.fsdecode(b"untitled \xe9.wav"))
    sound(folder / os.fsdecode(b"z synth bass \xe9 C2.wav"), plucked(36))
    report, notes = imported(folder)
    assert len(notes) == 3
    told = reasons(report)
    assert sorted(told) == ["untitled \ufffd.wav", "z synth bass \ufffd C2.wav"]
    assert told["z synth bass \ufffd C2.wav"] == "is the same sound as synth bass b\ufffdb\ufffd C2.wav"


# -------------------- refused as a whole


def everything_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def refused(tmp_path: Path, folder: Path, out: Path | None = None, **more: Any) -> str:
    """The one line of an import that must fail and must change nothing on disk."""
    before = everything_below(tmp_path)
    with pytest.raises(CorpusError) as error:
        import_folder(folder, out or tmp_path / "corpus", **{**TERMS, **more})
    assert everything_below(tmp_path) == before
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("term", ["licence", "attribution"])
@pytest.mark.parametrize("text", ["", "  "])
def test_licence_and_attribution_are_required(tmp_path, folder, term, text):
    assert f"no {term} given" in refused(tmp_path, folder, **{term: text})


def test_a_folder_that_is_none_or_holds_no_sound_is_refused(tmp_path, folder):
    assert "is no folder" in refused(tmp_path, tmp_path / "none")
    assert "is no folder" in refused(tmp_path, folder / "808 bass" / "C1.wav")
    (tmp_path / "empty").mkdir()
    assert "holds no sound file" in refused(tmp_path, tmp_path / "empty")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_an_existing_out_is_refused_and_left_as_it_is(tmp_path, folder, kind):
    out = tmp_path / "corpus"
    if kind == "folder":
        out.mkdir()
        (out / "letter.txt").write_text("a letter")
    else:
        out.write_text("a letter")
    assert "already exists" in refused(tmp_path, folder, out)
    assert (out / "letter.txt" if kind == "folder" else out).read_text() == "a letter"


def test_a_folder_of_which_nothing_can_be_placed_is_refused(tmp_path):
    sound(tmp_path / "sounds" / "a.wav")
    sound(tmp_path / "sounds" / "b.wav")
    line = refused(tmp_path, tmp_path / "sounds")
    assert "none of 2 sounds" in line and "a.wav: its names say no instrument family" in line


def test_a_bad_manifest_is_refused(tmp_path, folder):
    (folder / "manifest.csv").write_text("name,kind\nC1.wav,bass\n")
    assert "has no column file, family, source" in refused(tmp_path, folder)


def test_an_import_that_is_interrupted_leaves_nothing(tmp_path, folder):
    def interrupt(done: int, total: int) -> None:
        assert (tmp_path / ".corpus.partial" / "audio").is_dir()
        raise KeyboardInterrupt

    before = everything_below(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        import_folder(folder, tmp_path / "corpus", progress=interrupt, **TERMS)
    assert everything_below(tmp_path) == before


def test_what_a_killed_import_left_is_cleared_away(tmp_path, folder):
    sound(tmp_path / ".corpus.partial" / "audio" / "old.wav")
    report, notes = imported(folder)
    assert len(notes) == len(list((report.out / "audio").iterdir())) == 2
    assert not (tmp_path / ".corpus.partial").exists()


def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(tmp_path, folder):
    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    script = (
        "import sys\nfrom pathlib import Path\nfrom generation.corpus.importer import import_folder\n"
        "from generation.errors import CorpusError\n"
        f"try: import_folder(Path({str(folder)!r}), Path({str(tmp_path / 'corpus')!r}), "
        "licence='CC0-1.0', attribution='Ana')\n"
        "except CorpusError as error: print(error)\n"
    )
    before = everything_below(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=small_disk
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"{tmp_path / 'corpus'}: cannot be written (File too large)\n"
    assert everything_below(tmp_path) == before


def test_an_out_below_a_file_is_told(tmp_path, folder):
    (tmp_path / "letter").write_text("a letter")
    assert "cannot be written" in refused(tmp_path, folder, tmp_path / "letter" / "corpus")
