"""Which prompts a night makes: all 12,096, some cells, some qualities, a list or a text file.

Prompts of cells go from plain to rich and through all cells in turn, so that a night cut short has something
of everything.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from generation.errors import ConfigError
from generation.prompts.prompt import (
    Prompt,
    cell_trouble,
    known_word,
    read_prompt,
    read_prompt_file,
    unknown_word,
)
from generation.prompts.vocabulary import (
    CELLS,
    EMPTY_CELLS,
    FAMILIES,
    HIGHEST_NOTE,
    LOWEST_NOTE,
    QUALITIES,
    exclusive_pair,
    in_order,
    parse_note,
)


@dataclass(frozen=True)
class Selection:
    """Which prompts to make.

    cells: "all", or cells ("synthetic keyboard") and families ("keyboard": each of its cells); None stands
    for "all", or for no cell when `prompts` or `text_file` say what to make. max_qualities and qualities
    (the allowed ones, None for all ten) cut the cells' prompts. prompts are captions in NSynth's or the
    user's own words; text_file holds one a line, "#" starts a comment. notes (MIDI numbers or names) asks
    each prompt once for each note; a prompt that names its own note keeps it.
    """

    cells: Literal["all"] | Sequence[str] | None = None
    max_qualities: int | None = None
    qualities: Sequence[str] | None = None
    prompts: Sequence[str] = ()
    text_file: Path | None = None
    notes: Sequence[int | str] = ()


def all_prompts() -> list[Prompt]:
    """Every prompt of NSynth's words: 28 cells x 432 quality sets without exclusive pairs = 12,096."""
    return _cell_prompts(CELLS, QUALITIES, len(QUALITIES))


def select_prompts(selection: Selection) -> list[Prompt]:
    """Return the selected prompts, cells first, then the explicit ones, then the text file's; each once.

    Raises ConfigError, one line that says what came and what to write, for an unknown or empty cell, an
    unknown quality or note, a prompt that no model could make, and when nothing is left.
    """
    explicit = [read_prompt(text) for text in selection.prompts]
    if selection.text_file is not None:
        explicit += read_prompt_file(selection.text_file)
    cells = selection.cells
    if cells is None and not explicit:
        cells = "all"
    chosen = [*_from_cells(cells or (), selection), *explicit]
    if not chosen:
        raise ConfigError("no prompt is selected; name cells (or all), prompts or a text file")
    notes = [_note(note) for note in selection.notes]
    return list(dict.fromkeys(asked for prompt in chosen for asked in _with_notes(prompt, notes)))


def _cell_prompts(cells: Iterable[tuple[str, str]], allowed: Sequence[str], most: int) -> list[Prompt]:
    """Plain prompts of all cells first, then those with one quality, and so on up to `most`."""
    cells = list(cells)
    return [
        Prompt(family, source, qualities)
        for count in range(min(most, len(allowed)) + 1)
        for qualities in itertools.combinations(in_order(allowed), count)
        if exclusive_pair(qualities) is None
        for source, family in cells
    ]


def _from_cells(cells: Literal["all"] | Sequence[str], selection: Selection) -> list[Prompt]:
    allowed = QUALITIES if selection.qualities is None else tuple(selection.qualities)
    for quality in allowed:
        known_word("quality", quality, QUALITIES)
    most = len(QUALITIES) if selection.max_qualities is None else selection.max_qualities
    if not 0 <= most <= len(QUALITIES):
        raise ConfigError(f"max_qualities {most} is not possible; write 0 to {len(QUALITIES)}")
    if isinstance(cells, str) and cells != "all":
        raise ConfigError(f"cells {cells!r} is no list; write all, or a list such as [{cells}]")
    wanted = set(CELLS if cells == "all" else [cell for name in cells for cell in _cells_named(name)])
    return _cell_prompts([cell for cell in CELLS if cell in wanted], allowed, most)


def _cells_named(name: str) -> list[tuple[str, str]]:
    """Cells of "synthetic keyboard", or all of a family's. Raises ConfigError for another name."""
    family_cells = [cell for cell in CELLS if cell[1] == name]
    if family_cells:
        return family_cells
    source, _, family = " ".join(name.split()).partition(" ")
    if (source, family) in EMPTY_CELLS:
        raise ConfigError(f"cell {name!r} {cell_trouble(source, family)}")
    if (source, family) not in CELLS:
        names = [*FAMILIES, *(" ".join(cell) for cell in CELLS)]
        raise ConfigError(unknown_word("cell", name, names, "a source and a family such as synthetic keyboard"))
    return [(source, family)]


def _with_notes(prompt: Prompt, notes: Sequence[int]) -> list[Prompt]:
    if prompt.note is not None or not notes:
        return [prompt]
    return [replace(prompt, note=note) for note in notes]


def _note(note: int | str) -> int:
    midi = parse_note(note) if isinstance(note, str) else note
    if not LOWEST_NOTE <= midi <= HIGHEST_NOTE:
        raise ConfigError(f"note {note} is outside NSynth's range; write A0 to C8 (MIDI 21 to 108)")
    return midi
