"""Render a training corpus in NSynth's own layout from SoundFonts and from our own voices.

    OUT/train/examples.json, OUT/train/audio/*.wav     instruments to learn from
    OUT/valid/examples.json, OUT/valid/audio/*.wav     instruments that no training note shares a recording with
    OUT/corpus.json                                    what it was made of, under which licences, by which command

NSynth's recipe (Engel et al. 2017, section 4): 16 kHz mono, the note held 3 s and released for 1 s, five velocities.
A note's pitch is the one that sounds (see sounding.py). Everything random is seeded by names, so the same SoundFonts
give the same corpus byte for byte.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile
import soxr

from generation.audio import file_sha256
from generation.corpus import effects, qualities
from generation.corpus.roster import Instrument, instruments, pitches, seeded
from generation.corpus.soundfont import RENDER_RATE_HZ, SoundFontPlayer, soundfont_info
from generation.corpus.sounding import octave_offset_semitones
from generation.corpus.voices import VOICE_CELLS, Tone
from generation.errors import CorpusError
from generation.prompts.vocabulary import CELLS, FAMILIES, HIGHEST_NOTE, LOWEST_NOTE, QUALITIES, SOURCES

SAMPLE_RATE_HZ = 16_000
PEAK = 0.75
_SILENT = 10 ** (-50 / 20)
_PROBES, _PROBE_VELOCITY = 7, 100


def dry_note(instrument: Instrument, player: SoundFontPlayer | None, pitch: int, velocity: int) -> np.ndarray:
    """One note without any quality push. float64 [64000]."""
    if instrument.program is not None:
        if player is None:
            raise CorpusError(f"{instrument.instrument_str} needs its SoundFont")
        row = instrument.program
        wave = player.note(row.bank, row.preset, pitch, velocity, SAMPLE_RATE_HZ)
        if row.process:
            # The process is drawn once per instrument, so all its notes share one character.
            wave = effects.PROCESSES[row.process](wave, SAMPLE_RATE_HZ, seeded("process", instrument.seed_name))
        return wave
    cell = VOICE_CELLS[instrument.cell or 0]
    tone = Tone(
        440 * 2 ** ((pitch - 69) / 12),
        velocity / 127,
        RENDER_RATE_HZ,
        seeded("tone", instrument.seed_name, pitch, velocity),
    )
    wave = cell.voice(tone, seeded("character", instrument.seed_name))
    wave = soxr.resample(wave, RENDER_RATE_HZ, SAMPLE_RATE_HZ)
    peak = float(np.max(np.abs(wave), initial=1e-9))
    return wave / peak * (0.35 + 0.65 * velocity / 127)


def render_instrument(
    instrument: Instrument, notes: int, folder: Path, players: dict[str, SoundFontPlayer]
) -> tuple[dict, int]:
    """Render all notes of one instrument into folder/audio; returns its examples and how many were silent.

    Keys whose sound lies outside NSynth's range (see sounding.py) are left out.
    """
    player = players.get(instrument.soundfont) if instrument.soundfont else None
    if instrument.soundfont and player is None:
        player = players[instrument.soundfont] = SoundFontPlayer(Path(instrument.soundfont))
    offset = _octave_offset(instrument, player)
    keys = [pair for pair in pitches(instrument, notes) if LOWEST_NOTE <= pair[0] + offset <= HIGHEST_NOTE]
    rendered = {pair: found for pair in keys if (found := _pushed_note(instrument, player, *pair)) is not None}
    loudest = max((float(np.max(np.abs(wave), initial=0.0)) for wave, _ in rendered.values()), default=1.0)
    examples = {}
    nature = instrument.program.nature if instrument.program else ()
    for (key, velocity), (wave, pushes) in rendered.items():
        out = (wave * (PEAK / loudest)).astype(np.float32)
        label = f"{instrument.instrument_str}-{key + offset:03d}-{velocity:03d}"
        held = qualities.words(qualities.measure(out, SAMPLE_RATE_HZ), pushes, nature)
        soundfile.write(str(folder / "audio" / f"{label}.wav"), out, SAMPLE_RATE_HZ, subtype="PCM_16")
        examples[label] = _example(instrument, label, key + offset, velocity, held)
    return examples, len(keys) - len(rendered)


def _octave_offset(instrument: Instrument, player: SoundFontPlayer | None) -> int:
    """Measure on keys that do not depend on how many notes are rendered."""
    low, high = instrument.span
    keys = [round(key) for key in np.linspace(low, high, _PROBES + 2)[1:-1]]
    return octave_offset_semitones(keys, [dry_note(instrument, player, key, _PROBE_VELOCITY) for key in keys])


def _pushed_note(
    instrument: Instrument, player: SoundFontPlayer | None, key: int, velocity: int
) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """One note with its pushes applied, and which they are; None for a key that gives no sound."""
    rng = seeded("push", instrument.seed_name, key, velocity)
    wave = dry_note(instrument, player, key, velocity)
    if float(np.max(np.abs(wave), initial=0.0)) < _SILENT:
        return None
    pushes = qualities.choose(rng)
    second = None
    if "multiphonic" in pushes:
        up = int(rng.choice([5, 7, 12 + 7, 4]))
        second = dry_note(instrument, player, key + up if key + up <= HIGHEST_NOTE else key - 5, velocity)
    return qualities.apply(wave, pushes, second, SAMPLE_RATE_HZ, rng), pushes


def _example(instrument: Instrument, note_str: str, pitch: int, velocity: int, held: tuple[str, ...]) -> dict:
    """One entry of examples.json with NSynth's keys, and instrument_name besides."""
    return {
        "note_str": note_str, "instrument_str": instrument.instrument_str, "pitch": pitch, "velocity": velocity,
        "sample_rate": SAMPLE_RATE_HZ, "qualities": [int(q in held) for q in QUALITIES], "qualities_str": list(held),
        "instrument_family": FAMILIES.index(instrument.family), "instrument_family_str": instrument.family,
        "instrument_source": SOURCES.index(instrument.source), "instrument_source_str": instrument.source,
        "instrument_name": instrument.name,
    }  # fmt: skip


_players: dict[str, SoundFontPlayer] = {}


def _work(instrument: Instrument, notes: int, folder: str) -> tuple[str, dict, int]:
    """One unit of a worker process; its SoundFonts stay loaded between units."""
    examples, silent = render_instrument(instrument, notes, Path(folder) / instrument.split, _players)
    return instrument.split, examples, silent


def render_corpus(
    soundfonts: Sequence[Path], out: Path, *, licence: str | None = None, licence_file: Path | None = None,
    notes_per_instrument: int = 28, workers: int | None = None, command: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> dict:  # fmt: skip
    """Render the whole corpus into `out`, which must not exist; it appears complete or not at all.

    `licence` and `licence_file` (a text with the attribution) describe the SoundFonts and travel in corpus.json,
    beside what the SoundFonts say of themselves. Returns corpus.json's content. Raises CorpusError.
    """
    if out.exists():
        raise CorpusError(f"{out} already exists; choose a new folder or remove it")
    if not soundfonts:
        raise CorpusError("no SoundFont given; name at least one .sf2 or .sf3 file")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for split in ("train", "valid"):
        (partial / split / "audio").mkdir(parents=True)
    wanted = instruments(soundfonts)
    missing = [f"{s} {f}" for s, f in CELLS if not any(i.source == s and i.family == f for i in wanted)]
    if missing:
        raise CorpusError(
            f"these SoundFonts leave cells empty: {', '.join(missing)}; add a fuller General MIDI SoundFont"
        )
    examples, silent = _render_all(wanted, notes_per_instrument, partial, workers, progress)
    for split, rows in examples.items():
        ordered = {key: {"note": i, **rows[key]} for i, key in enumerate(sorted(rows))}
        _number_instruments(ordered)
        (partial / split / "examples.json").write_text(json.dumps(ordered, indent=1), encoding="utf-8")
    info = _corpus_info(soundfonts, licence, licence_file, command, examples, silent, notes_per_instrument)
    (partial / "corpus.json").write_text(json.dumps(info, indent=1), encoding="utf-8")
    os.replace(partial, out)
    return info


def _render_all(
    wanted: list[Instrument],
    notes: int,
    folder: Path,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[dict[str, dict], int]:
    """Render every instrument in worker processes; results do not depend on their order."""
    examples: dict[str, dict] = {"train": {}, "valid": {}}
    silent = 0
    with ProcessPoolExecutor(workers or os.cpu_count() or 1, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_work, instrument, notes, str(folder)) for instrument in wanted]
        for done, future in enumerate(as_completed(futures), 1):
            split, rows, quiet = future.result()
            examples[split].update(rows)
            silent += quiet
            if progress:
                progress(done, len(wanted))
    return examples, silent


def _number_instruments(rows: dict[str, dict]) -> None:
    """Give each instrument its number, as NSynth's key `instrument` has it."""
    order = {name: i for i, name in enumerate(sorted({row["instrument_str"] for row in rows.values()}))}
    for row in rows.values():
        row["instrument"] = order[row["instrument_str"]]


def _corpus_info(
    soundfonts: Sequence[Path], licence: str | None, licence_file: Path | None, command: str,
    examples: dict[str, dict], silent: int, notes_per_instrument: int,
) -> dict:  # fmt: skip
    """The content of corpus.json: origin, licence and attribution of every part, and the counts."""
    text = licence_file.read_text(encoding="utf-8", errors="replace").strip() if licence_file else None
    fonts = [
        {
            "file": path.name,
            "sha256": file_sha256(path),
            "licence": licence,
            **{f"info_{k}": v for k, v in soundfont_info(path).items()},
        }
        for path in soundfonts
    ]
    return {
        "name": "nightcrate rendered corpus",
        "licence": licence,
        "attribution": text,
        "parts": [
            *fonts,
            {"file": None, "name": "nightcrate voices (generation/corpus/voices.py)", "licence": "MIT"},
        ],
        "command": command,
        "notes": {split: len(rows) for split, rows in examples.items()},
        "instruments": {split: len({r["instrument_str"] for r in rows.values()}) for split, rows in examples.items()},
        "silent_notes_left_out": silent,
        "notes_per_instrument": notes_per_instrument,
        "effects": {
            "pushes": qualities.PUSHES,
            "thresholds_db": {k: v for k, v in vars(qualities).items() if k.endswith("_DB")},
        },
    }
