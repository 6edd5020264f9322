"""Placing a user's sounds: by folder and file names, by manifest.csv, and every refusal with its reason."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.corpus.placing import NotPlacedError, Place, place_by_names, place_by_row, read_manifest
from generation.errors import CorpusError
from generation.prompts.vocabulary import HIGHEST_NOTE, LOWEST_NOTE, note_name

FLATS = {"C#": "Db", "D#": "Eb", "F#": "Gb", "G#": "Ab", "A#": "Bb"}


def place(file: str, folder: str = "/music/sounds") -> Place:
    return place_by_names(Path(folder), PurePosixPath(file))


def refusal(file: str) -> str:
    with pytest.raises(NotPlacedError) as refused:
        place(file)
    return str(refused.value)


# -------------------- names


@pytest.mark.parametrize(
    ("file", "source", "family", "pitch", "instrument"),
    [
        ("808 bass/C1.wav", "synthetic", "bass", 24, "808 bass"),
        ("Acoustic Guitar/PalmMuted_Guitar01-E2.wav", "acoustic", "guitar", 40, "acoustic guitar"),
        ("Synth Bass/Sub_A1_v2.wav", "synthetic", "bass", 33, "sub bass"),
        ("ACOUSTIC PIANO/PIANO_F#4.WAV", "acoustic", "keyboard", 66, "piano"),
        ("violin_Bb3.wav", "acoustic", "string", 58, "violin"),
        ("Synth Leads/saw lead c5.wav", "synthetic", "synth_lead", 72, "saw lead"),
        ("órgano de iglesia/do.wav", "acoustic", "organ", None, "church organ"),
        ("woodwinds/bass clarinet D2.wav", "acoustic", "reed", 38, "bass clarinet"),
        ("Electric/Guitars/clean A2.wav", "electronic", "guitar", 45, None),
        ("Synth/808 Drums/Bass G1.wav", "synthetic", "bass", 31, "808 bass"),
        ("rhodes C4 E4.wav", "electronic", "keyboard", None, "rhodes"),
    ],
)
def test_folders_and_file_name_place_a_sound(file, source, family, pitch, instrument):
    placed = place(file)
    assert (placed.source, placed.family, placed.pitch, placed.instrument_name) == (source, family, pitch, instrument)


def test_the_most_specific_name_decides_the_family():
    assert place("acoustic guitars/nylon guitar E2.wav").family == "guitar"
    assert place("acoustic guitars/upright bass E1.wav").family == "bass"
    # What is said of another family's sounds does not hold here.
    assert place("dark electric guitars/violin A4.wav").qualities == ()
    assert place("dark electric guitars/violin A4.wav").source == "acoustic"


def test_the_folder_that_was_given_counts_as_a_name():
    placed = place("C1.wav", folder="/music/808 bass")
    assert (placed.source, placed.family, placed.pitch) == ("synthetic", "bass", 24)
    # Folders above it are none of the user's names.
    with pytest.raises(NotPlacedError):
        place("C1.wav", folder="/music/808 bass/new")


def test_qualities_come_from_all_names_that_agree():
    assert place("dark acoustic guitar/distorted reverb E2.wav").qualities == ("dark", "distortion", "reverb")
    assert place("marimba no reverb C4.wav").qualities == ()


def test_accents_may_be_one_character_or_two():
    name = "órgano eléctrico C3.wav"
    assert place(unicodedata.normalize("NFD", name)).family == place(name).family == "organ"


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("bass or guitar C2.wav", "bass and guitar"),
        ("new folder/untitled 7.wav", "no instrument family"),
        ("bass/C1.wav", "whether the bass is acoustic, electronic or synthetic"),
        ("synth bass/C0.wav", "C0 is outside A0 to C8"),
        ("synth bass/C9.wav", "C9 is outside A0 to C8"),
        ("bright synth bass/dark C1.wav", "bright and dark, which exclude each other"),
        ("808 Kick.wav", "kick"),
        ("808/Snares 03.wav", "snare"),
        ("synth bass/hi hat C1.wav", "hi hat"),
    ],
)
def test_what_names_do_not_settle_is_refused_with_the_reason(file, told):
    reason = refusal(file)
    assert told in reason and "\n" not in reason


@pytest.mark.parametrize(
    "takes",
    [
        ("Upright Bass C1.wav", "Upright Bass C#2 take2.wav", "UprightBass_Db3_v12.wav", "upright-bass-G1-rr3.wav"),
        ("cello/01 A2.wav", "cello/02 Bb2.wav", "cello/C3 vel127.wav", "cello/cello 7.wav"),
    ],
)
def test_notes_and_takes_of_one_instrument_share_a_kit(takes):
    assert len({place(take).kit for take in takes}) == 1


def test_other_words_make_another_kit():
    files = ("violin/solo A4.wav", "violin/section A4.wav", "violin/muted/solo A4.wav")
    assert len({place(file).kit for file in files}) == 3


@given(
    midi=st.integers(LOWEST_NOTE, HIGHEST_NOTE),
    instrument=st.sampled_from(["Acoustic Piano", "SynthBass", "electric_guitar", "Church-Organ", "trompeta"]),
    gap=st.sampled_from([" ", "_", "-", " - ", "_("]),
    take=st.sampled_from(["", "_02", " v3", "-rr1", ")", " take 2", " long"]),
    flat=st.booleans(),
    lower=st.booleans(),
)
def test_a_note_in_a_file_name_is_read_back(midi, instrument, gap, take, flat, lower):
    name = note_name(midi)
    if flat:
        name = FLATS.get(name[:2], name[:2]) + name[2:]
    placed = place(f"{instrument}{gap}{name.lower() if lower else name}{take}.wav")
    assert placed.pitch == midi


# -------------------- manifest.csv


def manifest(folder: Path, text: str | bytes) -> Path:
    (folder / "manifest.csv").write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return folder


def row(**words: str) -> Place:
    return place_by_row({"file": "a.wav", "family": "bass", "source": "synthetic", **words})


def test_a_folder_without_manifest_has_no_rows(tmp_path):
    assert read_manifest(tmp_path) is None


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
def test_rows_are_found_by_file(tmp_path, mark):
    text = 'file, family,source\r\nlow\\C1.wav,bass,synthetic\r\n"./a, b.wav", organ, acoustic \r\n,,\r\n\r\n'
    rows = read_manifest(manifest(tmp_path, mark + text))
    assert rows is not None
    assert list(rows) == ["low/C1.wav", "a, b.wav"]
    placed = place_by_row(rows["low/C1.wav"])
    assert (placed.family, placed.pitch, placed.kit) == ("bass", 24, "low")
    assert place_by_row(rows["a, b.wav"]).source == "acoustic"


def test_columns_beyond_those_needed_are_let_be(tmp_path):
    rows = read_manifest(manifest(tmp_path, "id,file,family,source,bpm\n1,a.wav,reed,acoustic,120,more,words\n"))
    assert rows is not None and place_by_row(rows["a.wav"]).family == "reed"


def test_a_row_cut_short_is_refused_for_the_word_it_lacks(tmp_path):
    rows = read_manifest(manifest(tmp_path, "file,family,source\na.wav,bass\n"))
    assert rows is not None
    with pytest.raises(NotPlacedError, match="source ''"):
        place_by_row(rows["a.wav"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no column file, family, source"),
        ("file;family;source\na.wav;bass;synthetic\n", "no column file, family, source"),
        ("file,family\na.wav,bass\n", "no column source"),
        ("file,family,source\na.wav,bass,synthetic\n./a.wav,reed,acoustic\n", "line 3: a.wav stands twice"),
        ("file,family,source\n,bass,synthetic\n", "line 2: names no file"),
        ("file,family,source\nbaño.wav,bass,synthetic\n".encode("latin-1"), "UTF-8"),
        ('file,family,source\n"' + "a" * 200_000, "cannot be read"),
    ],
    ids=["empty", "semicolons", "a column less", "twice", "no file", "Latin-1", "one endless field"],
)
def test_a_bad_manifest_is_refused_in_one_line(tmp_path, text, told):
    with pytest.raises(CorpusError) as refused:
        read_manifest(manifest(tmp_path, text))
    assert told in str(refused.value) and "manifest.csv" in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(("asked", "midi"), [("40", 40), ("E2", 40), ("eb3", 51), ("21", 21), ("108", 108), ("", None)])
def test_a_row_gives_the_pitch_as_number_or_name(asked, midi):
    assert row(midi_pitch=asked).pitch == midi


def test_a_row_without_pitch_leaves_it_to_the_file_name():
    assert row(file="x/sub A1.wav").pitch == 33
    assert row(file="x/sub A1.wav", midi_pitch="40").pitch == 40


@pytest.mark.parametrize("apart", [";", "|", ",", " ", " ; "])
def test_a_row_gives_qualities_in_any_usual_way(apart):
    assert row(qualities=f"reverb{apart}dark").qualities == ("dark", "reverb")


def test_instruments_of_a_manifest_are_told_apart_by_name_or_folder():
    assert row(file="a/C1.wav").kit != row(file="b/C1.wav").kit
    assert row(file="a/C1.wav", instrument="reese").kit == row(file="b/D1.wav", instrument="reese").kit
    assert row(instrument="reese").instrument_name == "reese bass"
    assert row(instrument="violin").instrument_name is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"family": "kazoo"}, "family 'kazoo'; one of bass, brass"),
        ({"source": "analog"}, "source 'analog'; one of acoustic"),
        ({"qualities": "loud"}, "quality 'loud'"),
        ({"qualities": "bright;dark"}, "exclude each other"),
        ({"midi_pitch": "H2"}, "midi_pitch 'H2'; a MIDI number is needed"),
        ({"midi_pitch": "36.5"}, "midi_pitch '36.5'"),
        ({"midi_pitch": "20"}, "G#0 is outside A0 to C8"),
        ({"midi_pitch": "999"}, "999 is outside A0 to C8"),
    ],
)
def test_a_row_in_other_words_is_refused_with_the_reason(words, told):
    with pytest.raises(NotPlacedError) as refused:
        row(**words)
    assert told in str(refused.value)
