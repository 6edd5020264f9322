"""One prompt: NSynth's terms plus the user's wording, read from a line of text and checked.

A prompt is refused with one line when no model could make it: no family named, a cell NSynth has no sound of,
qualities that exclude each other, a note beyond the piano.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from generation.errors import ConfigError
from generation.prompts.captions import tag_caption
from generation.prompts.vocabulary import (
    CELLS,
    EMPTY_CELLS,
    FAMILIES,
    HIGHEST_NOTE,
    LOWEST_NOTE,
    QUALITIES,
    SOURCES,
    exclusive_pair,
    in_order,
    note_name,
    understand,
)


@dataclass(frozen=True)
class Prompt:
    """One thing to ask a model for, in NSynth's terms; `text` holds the user's own wording, if any.

    qualities are kept in index order; note is a MIDI number or None. Raises ConfigError for a word that is
    not NSynth's.
    """

    family: str
    source: str | None
    qualities: tuple[str, ...]
    note: int | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        """Refuse words NSynth does not have and bring the qualities into index order."""
        known_word("family", self.family, FAMILIES)
        if self.source is not None:
            known_word("source", self.source, SOURCES)
        for quality in self.qualities:
            known_word("quality", quality, QUALITIES)
        object.__setattr__(self, "qualities", in_order(self.qualities))

    @property
    def caption(self) -> str:
        """The text a model reads: the user's, or the tag caption, with the note when one is asked."""
        if self.text is None:
            return tag_caption(self.source, self.qualities, self.family, self.note)
        if self.note is None or understand(self.text).note == self.note:
            return self.text
        return f"{self.text}, {note_name(self.note)}"

    @property
    def cell(self) -> str:
        """Source and family ("synthetic keyboard"), or the family alone when any source will do."""
        return self.family if self.source is None else f"{self.source} {self.family}"

    def as_dict(self) -> dict[str, Any]:
        """Fields in their order, for JSON."""
        return {
            "family": self.family,
            "source": self.source,
            "qualities": list(self.qualities),
            "note": self.note,
            "text": self.text,
        }


def read_prompt(text: str, origin: str = "prompt") -> Prompt:
    """Read one prompt in NSynth's words or the user's own; `origin` opens the error ("list.txt, line 3").

    Raises ConfigError when it names no family (or several), a cell that NSynth does not have, qualities
    that exclude each other, or a note outside A0 to C8.
    """
    text = " ".join(unicodedata.normalize("NFC", text).split())
    told = understand(text)
    if told.family is None:
        raise ConfigError(f"{origin}: {text!r} {_family_trouble(told.families)}")
    trouble = cell_trouble(told.source, told.family) or _pair_trouble(told.qualities)
    if told.note is not None and not LOWEST_NOTE <= told.note <= HIGHEST_NOTE:
        trouble = f"asks for {note_name(told.note)}; write a note from A0 to C8"
    if trouble:
        raise ConfigError(f"{origin}: {text!r} {trouble}")
    prompt = Prompt(told.family, told.source, told.qualities, told.note)
    return prompt if prompt.caption == text else replace(prompt, text=text)


def read_prompt_file(path: Path) -> list[Prompt]:
    """Read a text file (UTF-8) with one prompt a line; "#" before a line or between spaces starts a comment.

    Raises ConfigError naming file, line number, text and what to write.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); a text file with one prompt a line is needed"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8, one prompt a line") from error
    # "A#1" is a note: only a # at the start or between spaces is a comment.
    texts = [re.split(r"(?:^|\s)#(?:\s|$)", line.strip())[0].strip() for line in lines]
    prompts = [
        read_prompt(text, f"{path}, line {number}")
        for number, text in enumerate(texts, start=1)
        if text and not text.startswith("#")
    ]
    if not prompts:
        raise ConfigError(f"{path}: holds no prompt; write one a line, such as: warm electric bass, A1")
    return prompts


def known_word(what: str, word: str, words: Sequence[str]) -> None:
    """Raise ConfigError with the nearest word unless the word is one of these."""
    if word not in words:
        raise ConfigError(unknown_word(what, word, words, f"one of {', '.join(words)}"))


def unknown_word(what: str, word: str, words: Sequence[str], needed: str) -> str:
    """Return the line for an unknown word: what came, what to write, and the nearest word there is."""
    near = difflib.get_close_matches(word, words, n=1)
    return f"unknown {what} {word!r}; write {needed}" + (f" (did you mean {near[0]!r}?)" if near else "")


def _family_trouble(families: tuple[str, ...]) -> str:
    if families:
        return f"names several instruments ({', '.join(families)}); write one a prompt"
    names = ", ".join(FAMILIES)
    return f"names no instrument family of NSynth; write one of {names}, or an instrument such as rhodes"


def cell_trouble(source: str | None, family: str) -> str | None:
    """Return why no model can make this cell, None when NSynth has it or the source is open."""
    if source is None or (source, family) not in EMPTY_CELLS:
        return None
    there = " or ".join(f"{other} {family}" for other, f in CELLS if f == family)
    return f"asks for {source} {family}, of which NSynth has no sound, so no model learnt it; write {there}"


def _pair_trouble(qualities: Sequence[str]) -> str | None:
    pair = exclusive_pair(qualities)
    return pair and f"asks for {pair[0]} and {pair[1]}, which exclude each other; write one of them"
