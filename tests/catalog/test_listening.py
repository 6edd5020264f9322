"""Listening tests: the draw is even and repeatable, the copies tell nothing, no answer is lost or mixed up."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from catalog.errors import LibraryError, ListeningError
from catalog.library import Library
from catalog.listening.book import listening_order
from catalog.listening.choice import choose
from catalog.listening.copies import LOUDEST_LUFS, level_copies
from catalog.listening.records import REAL, Candidate, ChosenSound
from generation.audio import Clip
from generation.descriptors import loudness_lufs
from tests.catalog.toy_library import toy_clip
from tests.catalog.toy_listening import FAMILIES, MODELS, candidates, toy_test


def some(makers: dict[str | None, int], families: tuple[str, ...] = FAMILIES) -> list[Candidate]:
    return [
        Candidate(f"{maker}-{n}", None if maker is None else n, maker, families[n % len(families)], "a sound")
        for maker, count in makers.items()
        for n in range(count)
    ]


def test_every_maker_and_every_family_is_heard_as_often() -> None:
    there = some({"a": 50, "b": 12, "c": 300, None: 1000})
    chosen = choose(there, 30, seed=3)
    assert len({one.origin for one in chosen}) == 30
    makers = Counter(one.maker for one in chosen)
    assert sorted(makers.values()) == [7, 7, 8, 8] and REAL in makers
    for maker in makers:
        families = Counter(one.family for one in chosen if one.maker == maker)
        assert max(families.values()) - min(families.values()) <= 1
    assert Counter(one.maker for one in choose(some({"a": 50, "b": 2}), 10, seed=0)) == {"a": 8, "b": 2}


def test_the_draw_follows_from_the_seed_alone() -> None:
    there = some({"a": 40, "b": 40, None: 40})
    mixed = list(there)
    random.Random(5).shuffle(mixed)
    assert choose(there, 30, seed=1) == choose(mixed, 30, seed=1)
    assert set(choose(there, 30, seed=1)) != set(choose(there, 30, seed=2))
    # These very sounds, on every machine and with every version of Python.
    assert [one.origin for one in choose(there, 6, seed=1)] == PINNED


PINNED = ["a-9", "b-27", "None-24", "a-37", "b-31", "None-19"]


def test_too_few_sounds_or_too_small_a_set_is_refused() -> None:
    with pytest.raises(ListeningError, match="^5 sounds are there, 6 are wanted"):
        choose(some({"a": 5}), 6, seed=1)
    with pytest.raises(ListeningError, match="of 3 models and real notes"):
        choose(some({"a": 5, "b": 5, None: 5}), 2, seed=1)


def test_copies_are_alike_but_for_what_they_sound_like() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 96_000).astype(np.float32)
    click = np.zeros(48_000, np.float32)
    click[100:140] = 0.9
    sounds = [
        ChosenSound(Candidate(name, None, None, None, "a sound"), clip)
        for name, clip in (
            ("quiet", Clip(noise[None, :16_000] * 0.01, 16_000)),
            ("loud", Clip(np.stack([noise, noise]), 44_100)),
            ("click", Clip(click[None], 48_000)),
            ("long", Clip(np.tile(noise * 0.2, 5)[None], 48_000)),
        )
    ]
    copies, lufs = level_copies(sounds)
    assert {(copy.sample_rate_hz, copy.samples.shape) for copy in copies} == {(48_000, (2, 4 * 48_000))}
    assert lufs < LOUDEST_LUFS  # the click's peak would not fit at -23
    assert max(float(np.abs(copy.samples).max()) for copy in copies) <= 10 ** (-1 / 20) + 1e-4
    for copy, sounding_s in zip(copies, (1.0, 96_000 / 44_100, 1.0, 4.0), strict=True):
        heard = Clip(copy.samples[:, : round(sounding_s * 48_000)], 48_000)
        assert loudness_lufs(heard) == pytest.approx(lufs, abs=0.1)
    silent = ChosenSound(
        Candidate("nothing.wav", None, None, None, "a sound"), Clip(np.zeros((1, 9_000), np.float32), 16_000)
    )
    with pytest.raises(ListeningError, match="^nothing.wav is silent"):
        level_copies([*sounds, silent])


def test_a_test_is_kept_with_files_of_one_size_and_names_that_say_nothing(library: Library) -> None:
    test = toy_test(library)
    paths = [library.listening.audio_path(test, sound) for sound in test.sounds]
    assert {path.stat().st_size for path in paths} == {paths[0].stat().st_size}
    assert len({soundfile.info(path).samplerate for path in paths}) == 1
    assert [sound.token for sound in test.sounds] == sorted(sound.token for sound in test.sounds)
    assert Counter(sound.candidate.maker for sound in test.sounds) == dict.fromkeys((*MODELS, REAL), 2)
    with pytest.raises(ListeningError, match="there is a listening test 'toy' already"):
        library.listening.add("toy", 2, [])
    assert all(path.is_file() for path in paths)
    with pytest.raises(ListeningError, match="is no name for a test"):
        library.listening.add("../up", 1, [])
    assert library.verify() == []
    paths[0].unlink()
    paths[1].write_bytes(paths[2].read_bytes())
    assert [problem.kind for problem in library.verify()] == ["missing_file", "wrong_sha256"]


def test_a_test_that_cannot_be_kept_leaves_nothing(library: Library, library_path: Path) -> None:
    wrong = ChosenSound(Candidate("x", 999, "ghost", None, "a sound"), toy_clip("00000001"))
    with pytest.raises(Exception, match="FOREIGN KEY"):
        library.listening.add("toy", 1, [wrong])
    assert library.listening.tests() == [] and not (library_path / "listening" / "toy").exists()
    with pytest.raises(ListeningError, match=r"no listening test \(known: none; nightcrate listen make\)"):
        library.listening.test()


def test_answers_outlive_the_program_and_a_repeated_one_replaces(library_path: Path) -> None:
    with Library.open(library_path, create=True) as library:
        test = toy_test(library)
        ana = library.listening.start(test, " ana  maria ", rehearsal=False)
        library.listening.keep(test, ana, test.sounds[0].token, 10, 20, 1)
        library.listening.keep(test, ana, test.sounds[0].token, 30, 40, 2)
    with Library.open(library_path) as library:
        test = library.listening.test("toy")
        again = library.listening.start(test, "ana maria", rehearsal=False)
        assert again == ana == library.listening.listener(test, ana.code, rehearsal=False)
        (kept,) = library.listening.answers(test, rehearsal=False)
        assert (kept.cag, kept.rel, kept.plays) == (30, 40, 2)
        assert library.listening.answered(again) == {test.sounds[0].id}


def test_rehearsals_stay_apart(library: Library) -> None:
    test = toy_test(library)
    book = library.listening
    real, tried = book.start(test, "ana", rehearsal=False), book.start(test, "ana", rehearsal=True)
    assert real.code != tried.code
    book.keep(test, tried, test.sounds[0].token, 10, 20, 1)
    assert book.answers(test, rehearsal=False) == []
    assert [answer.listener_id for answer in book.answers(test, rehearsal=True)] == [tried.id]
    with pytest.raises(ListeningError, match="nobody has this code"):
        book.listener(test, tried.code, rehearsal=False)
    other = toy_test_again(library)
    with pytest.raises(ListeningError, match="nobody has this code"):
        book.listener(other, real.code, rehearsal=False)


def toy_test_again(library: Library):
    origin = Candidate("flute_009", None, None, "flute", "acoustic flute")
    return library.listening.add("other", 1, [ChosenSound(origin, toy_clip("00000009"))])


@pytest.mark.parametrize(
    ("cag", "rel", "plays", "told"),
    [(101, 0, 1, "CAG and REL are 0 to 100"), (0, -1, 1, "CAG and REL"), (50, 50, 0, "after it was heard")],
)
def test_an_answer_beyond_the_scale_or_before_hearing_is_refused(
    library: Library, cag: int, rel: int, plays: int, told: str
) -> None:
    test = toy_test(library)
    ana = library.listening.start(test, "ana", rehearsal=False)
    with pytest.raises(ListeningError, match=told):
        library.listening.keep(test, ana, test.sounds[0].token, cag, rel, plays)
    with pytest.raises(ListeningError, match="no sound 'nothing'"):
        library.listening.keep(test, ana, "nothing", 50, 50, 1)
    assert library.listening.answers(test, rehearsal=False) == []


def test_everybody_hears_another_order_and_the_same_one_each_time(library: Library) -> None:
    test = toy_test(library)
    listeners = [library.listening.start(test, None, rehearsal=False) for _ in range(6)]
    assert len({one.name for one in listeners}) == 6
    orders = [tuple(sound.token for sound in listening_order(test, who)) for who in listeners]
    assert len(set(orders)) > 3
    assert {tuple(sorted(order)) for order in orders} == {tuple(sound.token for sound in test.sounds)}
    assert orders[0] == tuple(sound.token for sound in listening_order(library.listening.test(), listeners[0]))
    for name in ("", "x" * 61, "a\x00b"):
        with pytest.raises(ListeningError, match="a name has 1 to 60"):
            library.listening.start(test, name, rehearsal=False)


def test_a_library_that_is_only_read_takes_no_answer(library_path: Path) -> None:
    with Library.open(library_path, create=True) as library:
        toy_test(library)
    with Library.open(library_path, read_only=True) as library:
        test = library.listening.test()
        with pytest.raises(LibraryError, match="for reading only"):
            library.listening.start(test, "ana", rehearsal=False)
        with pytest.raises(LibraryError):
            library.listening.add("more", 1, [ChosenSound(candidates_of(test), toy_clip("00000001"))])


def candidates_of(test) -> Candidate:
    return test.sounds[0].candidate


def test_candidates_of_a_toy_library_are_of_every_maker(library: Library) -> None:
    assert Counter(one.maker for one in candidates(library)) == dict.fromkeys((*MODELS, REAL), 6)
