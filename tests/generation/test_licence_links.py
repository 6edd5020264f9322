"""Licence chains of trained models: corpus, parents and grandparents, and what the strictest of them allows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from generation.cards import LicenceLink, read_card, strictest
from generation.corpus.info import CorpusInfo
from generation.errors import ConfigError
from generation.published_parts import is_hub_id, published_links
from generation.training.licence_links import corpus_link, parent_links, whole_chain
from tests.generation.toy_model import write_model_card

TONES = {"name": "tones", "licence": "CC0-1.0", "attribution": None, "url": None}
NSYNTH = {"name": "NSynth", "licence": "CC-BY-4.0", "attribution": "NSynth, Google", "url": "http://x/"}


def run(folder: Path, corpus: dict[str, Any] | None = TONES, parents: list[dict[str, Any]] | None = None) -> str:
    """Make what a run leaves of its origin; return its folder."""
    model = folder / "model"
    model.mkdir(parents=True)
    (model / "training.json").write_text(json.dumps({"recipe": "vae", "corpus": corpus, "parents": parents or []}))
    return str(folder)


def parent(corpus: dict[str, Any], *parents: dict[str, Any], recipe: str = "clip") -> dict[str, Any]:
    return {"fingerprint": "0" * 64, "recipe": recipe, "command": "x", "corpus": corpus, "parents": list(parents)}


def told(links: tuple[LicenceLink, ...]) -> list[tuple[str, str, str]]:
    return [(link.part, link.name, link.commercial) for link in links]


def test_a_corpus_is_told_by_its_info_or_by_a_record() -> None:
    link = corpus_link("training data", NSYNTH)
    assert link == corpus_link("training data", CorpusInfo(**NSYNTH))
    assert (link.licence, link.commercial, link.attribution, link.url) == (
        "CC-BY-4.0", "yes", "NSynth, Google", "http://x/",
    )  # fmt: skip
    assert corpus_link("training data", CorpusInfo("found sounds")).commercial == "undeclared"


def test_a_run_brings_its_corpus_its_parents_and_theirs(tmp_path: Path) -> None:
    source = run(tmp_path / "vae", TONES, [parent(NSYNTH, parent({"name": "grandma"}, recipe="words"))])
    links = parent_links("autoencoder", source)
    assert told(links) == [
        ("autoencoder, trained on", "tones", "yes"),
        ("autoencoder, built on clip, trained on", "NSynth", "yes"),
        ("autoencoder, built on clip, built on words, trained on", "grandma", "undeclared"),
    ]
    assert parent_links("autoencoder", source + "/model") == links


@pytest.mark.parametrize(
    ("grandparent", "allowed"),
    [
        (parent(TONES), "yes"),
        (parent({"name": "found sounds"}), "undeclared"),
        (parent({"name": "theirs", "licence": "CC-BY-NC-4.0", "attribution": "them"}), "no"),
        ({"hub": "declare-lab/tango"}, "no"),
        ({"hub": "someone/unread"}, "undeclared"),
        ({"hub": "openai/clip-vit-base-patch32"}, "yes"),
    ],
)
def test_the_strictest_grandparent_decides(tmp_path: Path, grandparent: dict[str, Any], allowed: str) -> None:
    source = run(tmp_path / "run", TONES, [parent(NSYNTH, grandparent)])
    links = whole_chain((corpus_link("training data", TONES), *parent_links("autoencoder", source)))
    assert strictest(link.commercial for link in links) == allowed


def test_a_card_speaks_for_its_folder(tmp_path: Path) -> None:
    chain = (*published_links("declare-lab/tango"), corpus_link("training data", NSYNTH))
    write_model_card(tmp_path, licence_chain=chain)
    links = parent_links("network it started from", str(tmp_path))
    assert links[0].part == "network it started from"
    assert ("network it started from, training data", "NSynth", "yes") in told(links)
    assert strictest(link.commercial for link in links) == "no"


def test_what_says_nothing_is_undeclared(tmp_path: Path) -> None:
    assert told(parent_links("vocoder", "someone/unread")) == [("vocoder", "someone/unread", "undeclared")]
    (tmp_path / "loose").mkdir()
    assert told(parent_links("vocoder", str(tmp_path / "loose"))) == [("vocoder", "loose", "undeclared")]
    source = run(tmp_path / "run", corpus=None)
    assert told(parent_links("vocoder", source)) == [("vocoder, trained on", "run", "undeclared")]


def test_published_parts_say_what_their_cards_say() -> None:
    assert strictest(link.commercial for link in published_links("declare-lab/tango")) == "no"
    assert published_links("cvssp/audioldm-s-full-v2")[0].licence == "CC-BY-NC-SA-4.0"
    riffusion = published_links("riffusion/riffusion-model-v1")[0]
    assert (riffusion.licence, riffusion.commercial) == ("CreativeML-OpenRAIL-M", "yes")
    assert "restrictions" in str(riffusion.attribution)
    assert published_links("google-t5/t5-base")[0].licence == "Apache-2.0"
    assert published_links("somebody/t5-base")[0].commercial == "undeclared"


def test_a_hub_id_is_no_path_and_no_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_hub_id("google/flan-t5-large") and is_hub_id("openai")
    assert not is_hub_id("cosine") and not is_hub_id("./runs/clip") and not is_hub_id("a/b/c")
    (tmp_path / "runs/clip").mkdir(parents=True)
    assert not is_hub_id("runs/clip")


def test_no_link_stands_twice(tmp_path: Path) -> None:
    source = run(tmp_path / "run", TONES, [parent(NSYNTH), parent(NSYNTH)])
    assert len(parent_links("autoencoder", source)) == 2
    assert len(whole_chain(parent_links("autoencoder", source) * 2)) == 2


def test_a_record_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    source = run(tmp_path / "run")
    (tmp_path / "run/model/training.json").write_text("{")
    with pytest.raises(ConfigError, match=r"training\.json: is not the JSON that nightcrate wrote"):
        parent_links("autoencoder", source)


def test_the_published_autoencoder_of_audio_diffusion_is_undeclared() -> None:
    links = published_links("teticio/latent-audio-diffusion-256")
    assert [(link.licence, link.commercial) for link in links] == [(None, "undeclared")]
    assert strictest(link.commercial for link in (*read_card("audio-latent-diffusion").licence_chain, *links)) == (
        "undeclared"
    )
