"""Reading NSynth's format: genuine notes, known defects counted, broken corpora refused in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from generation.corpus.info import CorpusInfo
from generation.corpus.nsynth import (
    NOISE,
    OUTSIDE_RANGE,
    SAME_SOUND_AGAIN,
    SAME_SOUND_OTHER_PITCH,
    read_audio,
    read_corpus,
)
from generation.errors import CorpusError
from generation.prompts.vocabulary import CELLS, FAMILIES, QUALITIES, SOURCES


def entry(note_str: str, **changes: Any) -> dict[str, Any]:
    """One entry as NSynth writes it, its fields read from the name."""
    instrument, pitch, velocity = note_str.rsplit("-", 2)
    family, source, _ = instrument.rsplit("_", 2)
    return {
        "note": 1, "note_str": note_str, "instrument": 2, "instrument_str": instrument, "pitch": int(pitch),
        "velocity": int(velocity), "sample_rate": 16000, "qualities": [0] * 10, "qualities_str": [],
        "instrument_family": FAMILIES.index(family), "instrument_family_str": family,
        "instrument_source": SOURCES.index(source), "instrument_source_str": source, **changes,
    }  # fmt: skip


def write(folder: Path, *entries: dict[str, Any]) -> Path:
    """Write a corpus whose sounds differ from each other."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    (folder / "examples.json").write_text(json.dumps({e["note_str"]: e for e in entries}), "utf-8")
    for number, e in enumerate(entries):
        write_sound(folder, e["note_str"], level=0.1 + 0.01 * number)
    return folder


def write_sound(folder: Path, note_str: str, level: float = 0.5, rate_hz: int = 16_000) -> None:
    wave = level * np.sin(2 * np.pi * 220 * np.arange(800) / rate_hz)
    soundfile.write(folder / "audio" / f"{note_str}.wav", wave, rate_hz, subtype="PCM_16")


def test_notes_are_read_in_order_with_their_fields(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "nsynth-test",
        entry("synth_lead_synthetic_001-060-127", qualities_str=["reverb", "bright"]),
        entry("bass_electronic_018-033-075", instrument_name="slap bass"),
    )
    corpus = read_corpus(folder)
    assert [note.note_str for note in corpus.notes] == [
        "bass_electronic_018-033-075",
        "synth_lead_synthetic_001-060-127",
    ]
    bass, lead = corpus.notes
    assert (bass.family, bass.source, bass.pitch, bass.velocity) == ("bass", "electronic", 33, 75)
    assert (bass.instrument_str, bass.instrument_name, bass.qualities) == ("bass_electronic_018", "slap bass", ())
    assert (lead.family, lead.qualities, lead.instrument_name) == ("synth_lead", ("bright", "reverb"), None)
    assert bass.path == folder / "audio" / "bass_electronic_018-033-075.wav" and bass.sample_rate_hz == 16_000
    assert corpus.dropped == {} and corpus.info == CorpusInfo("nsynth-test")
    wave = read_audio(bass)
    assert wave.dtype == np.float32 and wave.shape == (800,) and 0.1 < np.abs(wave).max() < 0.12


def test_licence_is_read_from_the_folder_or_the_one_above(tmp_path: Path) -> None:
    folder = write(tmp_path / "corpus" / "train", entry("bass_electronic_018-033-075"))
    about = {"name": "mine", "licence": "CC0-1.0", "attribution": "me", "notes": {"train": 1}}
    (tmp_path / "corpus" / "corpus.json").write_text(json.dumps(about), "utf-8")
    assert read_corpus(folder).info == CorpusInfo("mine", "CC0-1.0", "me", None)
    (folder / "corpus.json").write_text('{"name": "nearer"}', "utf-8")
    assert read_corpus(folder).info == CorpusInfo("nearer")
    for text, message in (
        ("{", "is not readable JSON"),
        ("[]", "holds list"),
        ('{"licence": 3}', "licence is 3; a text"),
    ):
        (folder / "corpus.json").write_text(text, "utf-8")
        with pytest.raises(CorpusError, match=message):
            read_corpus(folder)


def test_known_defects_are_left_out_and_counted(tmp_path: Path) -> None:
    same_pitches = ["brass_acoustic_046-060-050", "brass_acoustic_046-062-050"]
    same_again = ["mallet_acoustic_047-070-025", "mallet_acoustic_047-070-050", "mallet_acoustic_047-070-127"]
    kept = ["bass_synthetic_009-021-025", "brass_acoustic_046-083-127", "brass_acoustic_046-061-050", same_again[0]]
    bad = ["bass_synthetic_009-020-025", "mallet_acoustic_056-110-050", "brass_acoustic_046-084-025",
           "brass_acoustic_046-097-127", "brass_acoustic_046-108-100"]  # fmt: skip
    folder = write(tmp_path / "c", *(entry(name) for name in {*same_pitches, *same_again, *kept, *bad}))
    for name in same_pitches:
        write_sound(folder, name, 0.7)
    for name in same_again:
        write_sound(folder, name, 0.8)
    # Equal sounds of other instruments are nobody's known defect.
    twins = ["flute_synthetic_000-060-025", "flute_synthetic_000-061-025"]
    rows = json.loads((folder / "examples.json").read_text("utf-8"))
    (folder / "examples.json").write_text(json.dumps({**rows, **{name: entry(name) for name in twins}}), "utf-8")
    for name in twins:
        write_sound(folder, name, 0.9)
    corpus = read_corpus(folder)
    assert [note.note_str for note in corpus.notes] == sorted([*kept, *twins])
    assert corpus.dropped == {OUTSIDE_RANGE: 2, NOISE: 3, SAME_SOUND_OTHER_PITCH: 2, SAME_SOUND_AGAIN: 2}


def test_nsynths_noise_is_not_looked_for_in_a_corpus_of_ones_own(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", entry("brass_acoustic_046-084-025"), entry("brass_acoustic_046-060-025"))
    (folder / "corpus.json").write_text('{"name": "mine"}', "utf-8")
    assert len(read_corpus(folder).notes) == 2


def _without(field: str) -> Callable[[dict[str, Any]], Any]:
    return lambda rows: {k: {f: v for f, v in row.items() if f != field} for k, row in rows.items()}


def _with(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda rows: {k: {**row, **changes} for k, row in rows.items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("pitch"), "note 'bass_electronic_018-033-075' has no field pitch"),
        (_without("note_str"), "note 'bass_electronic_018-033-075' has no field note_str"),
        (_without("instrument_source_str"), "has no field instrument_source_str"),
        (_with(instrument_family_str="bas"), "holds 'bas'; one of bass, brass"),
        (_with(instrument_source_str=1), "holds 1; one of acoustic, electronic, synthetic"),
        (_with(pitch="33"), "holds '33' where a whole number is needed"),
        (_with(pitch=33.5), "holds 33.5 where a whole number is needed"),
        (_with(velocity=128), "holds 128 where a MIDI number from 0 to 127 is needed"),
        (_with(sample_rate=None), "holds None where a whole number is needed"),
        (_with(qualities_str="dark"), "holds qualities_str 'dark'; a list of words is needed"),
        (_with(qualities_str=["drak"]), "holds 'drak'; one of bright, dark"),
        (_with(qualities_str=[[1]]), r"holds '\[1\]'; one of bright"),
        (_with(instrument_str=""), "holds '' where a text is needed"),
        (_with(instrument_name=5), "holds 5 where a text is needed"),
        (_with(note_str="../../etc/x"), "has a slash in its name"),
        (_with(note_str="other"), "calls itself 'other'"),
        (lambda rows: list(rows.values()), "holds list; an object with one entry a note"),
        (lambda rows: next(iter(rows.values())), "holds one note; an object with one entry a note"),
        (lambda rows: {"x": 5}, "note 'x' has no field note_str"),
        (lambda rows: {}, "holds no note"),
        (lambda rows: 7, "holds int"),
    ],
)
def test_wrong_fields_are_named_in_one_line(tmp_path: Path, change: Callable[[Any], Any], message: str) -> None:
    folder = write(tmp_path / "c", entry("bass_electronic_018-033-075"))
    rows = json.loads((folder / "examples.json").read_text("utf-8"))
    (folder / "examples.json").write_text(json.dumps(change(rows)), "utf-8")
    with pytest.raises(CorpusError, match=message) as caught:
        read_corpus(folder)
    assert str(caught.value).startswith(str(folder / "examples.json")) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"a": {"note_str": "a"', b"\xff\xfe\x00", b"hello", b"[" * 100_000], ids=range(6)
)
def test_a_corrupt_examples_json_is_refused_in_one_line(tmp_path: Path, text: bytes) -> None:
    folder = write(tmp_path / "c", entry("bass_electronic_018-033-075"))
    (folder / "examples.json").write_bytes(text)
    with pytest.raises(CorpusError, match="is not readable JSON") as caught:
        read_corpus(folder)
    assert "\n" not in str(caught.value)


def test_a_note_that_stands_twice_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", entry("bass_electronic_018-033-075"))
    row = json.dumps(entry("bass_electronic_018-033-075"))
    name = '"bass_electronic_018-033-075"'
    (folder / "examples.json").write_text(f"{{{name}: {row}, {name}: {row}}}", "utf-8")
    with pytest.raises(CorpusError, match="stands twice"):
        read_corpus(folder)


def test_missing_places_and_sounds_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", *(entry(f"bass_electronic_018-{pitch:03d}-075") for pitch in range(30, 40)))
    for pitch in (33, 35):
        (folder / "audio" / f"bass_electronic_018-{pitch:03d}-075.wav").unlink()
    with pytest.raises(CorpusError, match=r"audio: 2 of 10 sound files are missing, the first is bass_.*-033-075\.wav"):
        read_corpus(folder)
    for file in (folder / "audio").iterdir():
        file.unlink()
    (folder / "audio").rmdir()
    with pytest.raises(CorpusError, match="audio: cannot be opened .* unpack the sounds beside examples.json"):
        read_corpus(folder)
    (folder / "examples.json").unlink()
    with pytest.raises(CorpusError, match="examples.json: is missing; give a folder in NSynth's format"):
        read_corpus(folder)
    with pytest.raises(CorpusError, match="is no folder"):
        read_corpus(tmp_path / "nowhere")


def test_a_corpus_of_nothing_but_defects_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", entry("bass_electronic_018-010-075"))
    with pytest.raises(CorpusError, match="none of its 1 notes can be used .pitch outside 21 to 108: 1"):
        read_corpus(folder)


def test_sounds_that_are_none_are_refused_when_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", entry("bass_electronic_018-033-075"))
    note = read_corpus(folder).notes[0]
    write_sound(folder, note.note_str, rate_hz=44_100)
    with pytest.raises(CorpusError, match="has 44100 Hz; 16000 Hz is needed"):
        read_audio(note)
    soundfile.write(note.path, np.zeros((0, 1)), 16_000)
    with pytest.raises(CorpusError, match="holds no sound"):
        read_audio(note)
    soundfile.write(note.path, np.array([[0.5, -0.5], [0.5, 0.5]]), 16_000, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(note), [0.0, 0.5])
    for broken in (b"no sound at all", b""):
        note.path.write_bytes(broken)
        with pytest.raises(CorpusError, match="cannot be read as sound"):
            read_audio(note)
    note.path.unlink()
    with pytest.raises(CorpusError, match="cannot be read as sound"):
        read_audio(note)


def test_thirty_genuine_nsynth_notes_read(oneshots: Path) -> None:
    if not (oneshots / "nsynth" / "examples.json").is_file():
        pytest.skip(f"{oneshots} holds no nsynth/examples.json")
    corpus = read_corpus(oneshots / "nsynth")
    assert len(corpus.notes) == 30 and corpus.dropped == {}
    for note in corpus.notes:
        assert (note.source, note.family) in CELLS and note.pitch == 60
        assert note.note_str == f"{note.instrument_str}-{note.pitch:03d}-{note.velocity:03d}"
        assert note.instrument_str.startswith(f"{note.family}_{note.source}_")
        wave = read_audio(note)
        assert wave.shape == (64_000,) and wave.dtype == np.float32 and 0.001 < np.abs(wave).max() <= 1


@pytest.mark.slow
def test_all_of_nsynth_is_read_within_ten_seconds_and_a_gigabyte(tmp_path: Path) -> None:
    rows: dict[str, Any] = {}
    for number in range(700):
        source, family = CELLS[number % len(CELLS)]
        for pitch in range(21, 109):
            for velocity in (25, 50, 75, 100, 127):
                name = f"{family}_{source}_{number:03d}-{pitch:03d}-{velocity:03d}"
                said = [q for i, q in enumerate(QUALITIES) if (number + pitch * i) % 9 == 0]
                rows[name] = entry(name, qualities_str=said)
    (tmp_path / "audio").mkdir()
    (tmp_path / "examples.json").write_text(json.dumps(rows, indent=1), "utf-8")
    for name in rows:
        (tmp_path / "audio" / f"{name}.wav").touch()
    # VmHWM begins with the program; getrusage would count the memory of the process that started it.
    code = (
        "import re, sys, time; from generation.corpus.nsynth import read_corpus; started = time.process_time();"
        "notes = read_corpus(sys.argv[1]).notes; print(len(notes), time.process_time() - started,"
        " int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1e6)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    count, seconds, gigabytes = map(float, done.stdout.split())
    assert count == len(rows) == 308_000
    assert seconds < 10 and gigabytes < 1
