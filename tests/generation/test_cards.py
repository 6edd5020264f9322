"""Model cards: what they refuse, what a licence chain allows, and that the shipped ones are honest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from generation.cards import (
    Commercial,
    Weights,
    commercial_use,
    list_cards,
    read_card,
    read_card_file,
    strictest,
    write_card,
)
from generation.errors import CardError, ConfigError
from generation.shipped import starter_dir
from tests.generation.toy_model import licence_link, model_card


@pytest.mark.parametrize(
    ("chain", "allowed"),
    [
        ([], "undeclared"),
        (["yes"], "yes"),
        (["yes", "yes"], "yes"),
        (["yes", "undeclared"], "undeclared"),
        (["yes", "no"], "no"),
        (["undeclared", "no", "yes"], "no"),
    ],
)
def test_the_strictest_link_decides(chain: list[Commercial], allowed: Commercial) -> None:
    assert strictest(chain) == allowed
    licences = {"yes": "MIT", "no": "CC-BY-NC-SA-4.0", "undeclared": None}
    links = tuple(licence_link(licence=licences[use], commercial=use) for use in chain)
    assert model_card(licence_chain=links).commercial == allowed


@given(st.lists(st.sampled_from(["yes", "no", "undeclared"]), min_size=1))
def test_one_more_link_never_allows_more(chain: list[Commercial]) -> None:
    order = ["no", "undeclared", "yes"]
    assert order.index(strictest(chain)) <= order.index(strictest(chain[1:] or ["yes"]))


def test_commercial_use_of_a_licence() -> None:
    assert commercial_use("CC-BY-4.0") == "yes"
    assert commercial_use("CC-BY-NC-ND-4.0") == "no"
    assert commercial_use("All rights reserved") == commercial_use(None) == "undeclared"


def test_a_link_that_contradicts_its_licence_is_refused() -> None:
    with pytest.raises(ValidationError, match="commercial is 'yes', but licence CC-BY-NC-SA-4.0 means 'no'"):
        licence_link(licence="CC-BY-NC-SA-4.0")
    with pytest.raises(ValidationError, match="commercial is 'yes', but licence null means 'undeclared'"):
        licence_link(licence=None)
    assert licence_link(licence="Some terms of its own", commercial="no").commercial == "no"


@pytest.mark.parametrize(
    "weights",
    [{}, {"starter": "a", "folder": "b"}, {"hub": "a/b", "folder": "b"}, {"folder": "b", "revision": "c"}],
)
def test_weights_have_one_source(weights: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="name one of starter, folder and hub|revision belongs to hub"):
        Weights(**weights)


def test_a_card_reads_back_as_it_was_written(tmp_path: Path) -> None:
    whole = model_card(
        defaults={"steps": 50, "guidance_scale": 3.0, "scheduler": "ddim"},
        weights=Weights(hub="a/b", revision="1e5"),
        licence_chain=(licence_link(attribution="Copyright © A: B, 'C' # D", url="http://x/#y"),),
        trained_by="nightcrate train toy --set a=1",
    )
    for each in (model_card(), whole):
        assert read_card_file(write_card(tmp_path, each)) == each


def test_an_unknown_model_gets_the_nearest_name_and_the_list() -> None:
    with pytest.raises(CardError, match=r"no model 'chopan-stater'; did you mean 'chopan-starter'\? \(known: .*chopan"):
        read_card("chopan-stater")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("tier: own", "tier: strater", "tier is \"strater\"; it must be 'starter', 'full' or 'own'"),
        ("sample_rate_hz: 16000", "sample_rate: 16000", "unknown key 'sample_rate'; did you mean 'sample_rate_hz'"),
        ("licence: MIT", "licence: CC-BY-NC-4.0", "licence_chain.0: commercial is 'yes', but licence"),
        ("name: toy", "name: ../toy", "name is \"../toy\""),
    ],
)  # fmt: skip
def test_a_broken_card_is_one_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    file = write_card(tmp_path, model_card())
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        read_card_file(file)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_shipped_cards() -> None:
    cards = {each.name: each for each in list_cards()}
    assert {"chopan", "chopan-starter"} <= cards.keys()
    for each in cards.values():
        assert each.licence_chain, f"{each.name} says nothing of its licences"
        for part in each.licence_chain:
            if part.licence is not None and part.licence.startswith("CC-BY"):
                assert part.attribution, f"{each.name}: {part.name} must be attributed"


def test_full_chopan_carries_nsynths_attribution() -> None:
    chopan = read_card("chopan")
    assert chopan.weights is None
    assert {part.name: part.licence for part in chopan.licence_chain} == {
        "NSynth": "CC-BY-4.0",
        "OpenAI CLIP ViT-B/32": "MIT",
    }
    assert "CC BY 4.0" in str(chopan.licence_chain[0].attribution)


def test_starter_models_may_be_sold_and_say_how_they_were_made() -> None:
    for each in list_cards():
        if each.tier != "starter":
            continue
        assert each.commercial == "yes"
        assert each.weights is not None and each.weights.starter is not None
        record = starter_dir() / each.weights.starter / "training.json"
        if record.is_file():
            assert each.trained_by == json.loads(record.read_text())["command"]
