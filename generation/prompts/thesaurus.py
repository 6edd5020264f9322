"""What producers' words mean in NSynth's terms: the word tables read into one lookup of phrases.

`lookup` maps a phrase (a tuple of plain tokens) to its Meaning, `entry` gives all names of a term or of an
instrument. The tables themselves are instruments.py, timbre.py and searched.py; how a whole sentence is understood
is vocabulary.understand.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from generation.prompts.instruments import INSTRUMENT_TABLE
from generation.prompts.searched import SEARCHED_TABLE
from generation.prompts.timbre import QUALITY_TABLE, SEARCH_ONLY, SOURCE_TABLE, THINGS

Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one phrase says for certain; every field empty means understood for search only.

    `source` is what the phrase names or implies; `source_weight` orders contradicting words: 3 names the
    source ("electric"), 2 implies it ("moog"), 1 is what the instrument is by itself ("violin"); `says_source` is
    also true of an instrument whose name says the source ("electric guitar"). `weak` families hold only where no
    other instrument is mentioned. `spanish` phrases put the head noun first. A `thing` sounds or is what a sound
    has (timbre.THINGS).
    """

    family: str | None = None
    instrument: str | None = None
    source: str | None = None
    source_weight: int = 0
    quality: str | None = None
    says_source: bool = False
    weak: bool = False
    spanish: bool = False
    thing: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """All names of one NSynth term or instrument, each tuple with the most usual first.

    term: the NSynth term, or the instrument's English name. english and spanish are adjectives for a
    source or quality (Spanish ones in both genders, masculine first) and nouns for a family or instrument;
    phrases follow "with" ("con"). other words are understood and not written in captions. implied_by are
    words that settle the source without meaning it; feminine is the gender of the first Spanish noun. searched and
    searched_spanish are names and misspellings of searched.py, which captions and their misspellings never draw.
    """

    term: str
    meaning: Meaning
    english: tuple[str, ...]
    spanish: tuple[tuple[str, str], ...]
    phrases: tuple[str, ...] = ()
    spanish_phrases: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    misspelled: tuple[str, ...] = ()
    implied_by: tuple[str, ...] = ()
    feminine: bool = False
    searched: tuple[str, ...] = ()
    searched_spanish: tuple[str, ...] = ()

    def words(self) -> tuple[str, ...]:
        """Every word that means the term, English first, without misspellings and what is only searched for."""
        spanish = (form for forms in self.spanish for form in forms)
        phrases = self.bare_phrases()
        return tuple(dict.fromkeys((*self.english, *self.other, *phrases, *spanish, *self.spanish_phrases)))

    def bare_phrases(self) -> tuple[str, ...]:
        """The phrases without their article."""
        return tuple(words.removeprefix("a ").removeprefix("an ") for words in self.phrases)


def plain(text: str) -> str:
    """Lower case without accents, with # and b for sharp and flat signs: what tokens are made of."""
    if text.isascii():
        return text.lower()
    text = text.replace("♯", "#").replace("♭", "b").casefold()
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def phrase(words: str) -> Phrase:
    """Split a table's words into plain tokens: "Fast_decay" and "fast-decay" are both ("fast", "decay")."""
    return tuple("".join(c if c.isalnum() or c in "#'" else " " for c in plain(words)).split())


@cache
def entries() -> tuple[Entry, ...]:
    """Every entry of the tables: sources, qualities, families and instruments in the tables' order."""
    searched = _searched()
    return tuple(
        replace(item, searched=found[0], searched_spanish=found[1]) if (found := searched.get(item.term)) else item
        for item in (*_source_entries(), *_quality_entries(), *_instrument_entries())
    )


@cache
def entry(name: str) -> Entry | None:
    """Return the entry of an NSynth term or an instrument's name ("keyboard", "tempo-synced", "rhodes")."""
    wanted = phrase(name)
    return next((e for e in entries() if phrase(e.term) == wanted), None)


@cache
def lookup() -> dict[Phrase, Meaning]:
    """Every phrase of the tables with its meaning; an earlier line wins over a later one."""
    found: dict[Phrase, Meaning] = {}
    for item in entries():
        spanish = {*(form for forms in item.spanish for form in forms), *item.searched_spanish} - set(item.english)
        for words in (item.term, *item.words(), *item.misspelled, *item.searched, *item.searched_spanish):
            found.setdefault(phrase(words), replace(item.meaning, spanish=words in spanish))
        for words in item.implied_by:
            found.setdefault(phrase(words), replace(item.meaning, source_weight=2))
    for words in _split(SEARCH_ONLY):
        found.setdefault(phrase(words), Meaning())
    says_source = {words for words, meaning in found.items() if meaning.source_weight == 3}
    things = _things()
    return {
        words: replace(
            meaning,
            says_source=meaning.source is not None and any((token,) in says_source for token in words),
            thing=meaning.family is not None or words in things,
        )
        for words, meaning in found.items()
    }


def _things() -> set[Phrase]:
    """Phrases of the tables that name a thing without being instruments."""
    said = [words for item in _quality_entries() for words in (*item.bare_phrases(), *item.spanish_phrases)]
    return {phrase(words) for words in (*said, *_split(THINGS))}


@cache
def longest_from() -> dict[str, int]:
    """Number of tokens in the longest known phrase that starts with a token."""
    longest: dict[str, int] = {}
    for words in lookup():
        longest[words[0]] = max(len(words), longest.get(words[0], 0))
    return longest


@cache
def known_tokens() -> frozenset[str]:
    """Every token that occurs in a known phrase."""
    return frozenset(token for words in lookup() for token in words)


@cache
def instrument_words() -> tuple[tuple[str, str], ...]:
    """Single words of six letters or more that name an instrument, with its family: what a typo may mean."""
    return tuple(
        (words[0], meaning.family)
        for words, meaning in lookup().items()
        if meaning.family and len(words) == 1 and len(words[0]) >= 6
    )


def _split(words: str) -> list[str]:
    return [word for part in words.split(",") if (word := " ".join(part.split()))]


def genders(words: str) -> Iterator[tuple[str, str]]:
    """Read "cálido/a" as (cálido, cálida); other words serve both genders."""
    for word in _split(words):
        yield (word.removesuffix("/a"), word[:-3] + "a") if word.endswith("o/a") else (word, word)


def _fields(block: str) -> dict[str, str]:
    """Read the lines "key: words" of a block; a deeper indented line continues the one before."""
    fields: dict[str, str] = {}
    key = ""
    for line in block.splitlines():
        name, colon, words = line.partition(":")
        if colon:
            key = name.strip()
            fields[key] = words
        elif line.strip():
            fields[key] += " " + line
    return fields


def _searched() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Term -> its names and misspellings of searched.py, and the Spanish names."""
    found = {}
    for line in SEARCHED_TABLE.replace("\n" + 8 * " ", " ").split("\n"):
        if line.strip():
            term, english, spanish, misspelled = (part.strip() for part in line.split(";"))
            typos = [form for forms in genders(misspelled) for form in dict.fromkeys(forms)]
            found[term] = ((*_split(english), *typos), tuple(_split(spanish)))
    return found


def _source_entries() -> Iterator[Entry]:
    for term, block in SOURCE_TABLE.items():
        fields = _fields(block)
        implied = [form for forms in genders(fields["implies"]) for form in forms]
        yield Entry(
            term=term,
            meaning=Meaning(source=term, source_weight=3),
            english=tuple(_split(fields["adjectives"])),
            spanish=tuple(genders(fields["spanish"])),
            other=tuple(_split(fields["other"])),
            misspelled=tuple(_split(fields["misspelled"])),
            implied_by=tuple(implied),
        )


def _quality_entries() -> Iterator[Entry]:
    for term, block in QUALITY_TABLE.items():
        fields = _fields(block)
        spanish_other = [form for forms in genders(fields["spanish other"]) for form in forms]
        yield Entry(
            term=term,
            meaning=Meaning(quality=term),
            english=tuple(_split(fields["adjectives"])),
            spanish=tuple(genders(fields["spanish"])),
            phrases=tuple(_split(fields["phrases"])),
            spanish_phrases=tuple(_split(fields["spanish phrases"])),
            other=(*_split(fields["other"]), *spanish_other),
            misspelled=tuple(_split(fields["misspelled"])),
        )


def _instrument_entries() -> Iterator[Entry]:
    for family, block in INSTRUMENT_TABLE.items():
        # A deeper indented line continues the one before.
        for line in block.replace("\n" + 12 * " ", " ").split("\n"):
            if not line.strip():
                continue
            name, source, english, spanish, misspelled = (part.strip() for part in line.split(";"))
            weak, name = name.startswith("~"), name.removeprefix("~")
            generic = weak or phrase(name) == phrase(family)
            nouns = _split(spanish)
            feminine = bool(nouns) and nouns[0].endswith("/f")
            yield Entry(
                term=family if phrase(name) == phrase(family) else name,
                meaning=Meaning(
                    family=family,
                    instrument=None if generic else name,
                    source=source or None,
                    source_weight=1 if source else 0,
                    weak=weak,
                ),
                english=(name, *_split(english)),
                spanish=tuple((noun.removesuffix("/f"),) * 2 for noun in nouns),
                misspelled=tuple(_split(misspelled)),
                feminine=feminine,
            )
