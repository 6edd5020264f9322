"""What the accuracy tests measure on: notes of instruments that no starter was trained on, rendered once."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from generation.corpus.nsynth import Corpus, read_corpus
from generation.corpus.render import render_instrument
from generation.corpus.roster import Instrument, instruments

NOTES_PER_INSTRUMENT = 28


def render(instrument: Instrument, folder: Path) -> dict[str, dict[str, Any]]:
    return render_instrument(instrument, NOTES_PER_INSTRUMENT, folder, {})[0]


def render_split(soundfonts: list[Path], split: str, folder: Path) -> Corpus:
    """A split of the starters' corpus, as `nightcrate corpus render` makes it."""
    (folder / "audio").mkdir(parents=True)
    wanted = [one for one in instruments(soundfonts) if one.split == split]
    rows: dict[str, dict[str, Any]] = {}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for examples in pool.map(render, wanted, [folder] * len(wanted), chunksize=8):
            rows |= examples
    ordered = {name: {"note": number, "instrument": 0, **rows[name]} for number, name in enumerate(sorted(rows))}
    (folder / "examples.json").write_text(json.dumps(ordered), encoding="utf-8")
    return read_corpus(folder)


@pytest.fixture(scope="session")
def held_out(soundfont: Path, second_soundfont: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Give the held-out split."""
    return render_split([soundfont, second_soundfont], "valid", tmp_path_factory.mktemp("corpus") / "valid")
