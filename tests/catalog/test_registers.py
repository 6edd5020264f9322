"""Words that ask for low or high notes, and those that say low or high of something else."""

from __future__ import annotations

import pytest

from catalog.query import parse_query

LOW, HIGH, NEITHER = -1, 1, 0


@pytest.mark.parametrize(
    ("register", "texts"),
    [
        (
            LOW,
            "low brass; the lowest flute; low-pitched lead; deep pad; sub bass; low dark bass; low and dark bass; lows;"
            "brass, low; low music box; low double bass; low 808; low soft plucked guitar; low brass, not bright;"
            "cuerdas graves; bajo profundo; notas graves de piano; bajo grave",
        ),
        (
            HIGH,
            "high strings; highest flute; high electric guitar; high male choir; upper register strings; high notes;"
            "flauta aguda; cuerdas muy agudas; órgano agudo; high",
        ),
        (
            NEITHER,
            "low pass bass; high quality bass; lo-fi keys; highland pipes; high and low bells; low brass C3; bass;;"
            "high gain guitar; low-key piano; high-end piano; low noise bass; low distortion guitar; deep reverb;"
            "deep house bass; high tech lead; high hat; low velocity keys; high energy bass; contrabajo; saxo alto;"
            "no deep bass; no low notes; anything but high strings; strings, not high; flute -high; not high quality;"
            "flute without high gain; flauta sin agudos",
        ),
    ],
)
def test_words_that_ask_for_it(register: int, texts: str) -> None:
    asked = {text: parse_query(text).register for text in texts.split(";")}
    assert asked == dict.fromkeys(asked, register)
