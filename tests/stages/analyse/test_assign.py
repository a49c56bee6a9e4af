"""assign: rows fall under the pattern whose members they are like, with the embedder that recipes use."""

import json
from typing import cast

import pytest

from engine import models
from engine.backends import BACKENDS
from engine.backends.protocol import Embedder
from engine.rows import Example
from engine.spec.package_data import shipped
from engine.stages.analyse.assign import assign, text_with_answer
from tests.stages.scripted_context import embed_words
from tests.stages.views import view


def test_members_fall_under_their_own_and_strangers_under_none() -> None:
    texts = [f"late parcel street number{i}" for i in range(6)]
    texts += [f"broken jar glass number{i}" for i in range(6)]
    texts += ["a wholly different thing"]
    found = assign(embed_words(texts), {"late": [0, 1, 2, 3], "broken": [6, 7, 8, 9]})
    assert [found[i].pattern for i in range(6)] == ["late"] * 6
    assert [found[i].pattern for i in range(6, 12)] == ["broken"] * 6
    assert 12 not in found
    assert 0 < found[5].similarity < found[0].similarity <= 1


def test_two_members_do_not_say_how_near_is_near() -> None:
    vectors = embed_words(["late parcel one", "late parcel two", "late parcel three"])
    assert set(assign(vectors, {"late": [0, 1]})) == {0, 1}
    assert assign(vectors, {}) == {}


@pytest.mark.models
def test_most_rows_that_fall_under_a_pattern_of_one_intent_are_of_that_intent() -> None:
    file = shipped("recipes") / "quickstart" / "data" / "validation.jsonl"
    rows = [
        Example(f"{i}", "validation", {"text": row["text"]}, row["intent"], {}, "f", i)
        for i, row in enumerate(map(json.loads, file.read_text("utf-8").splitlines()))
    ]
    folder = models.fetch("embedded/all-minilm-l6-v2")
    embedder = cast(Embedder, BACKENDS["sentence-transformers"].open("embedder", folder, "e", {}))
    vectors = embedder.embed([text_with_answer(view("classification"), row) for row in rows])
    members: dict[str, list[int]] = {
        intent: [i for i, row in enumerate(rows) if row.target == intent][:8]
        for intent in ("account_update", "damaged_item", "missing_item")
    }
    seen = {place for places in members.values() for place in places}
    found = {place: one for place, one in assign(vectors, members).items() if place not in seen}
    right = [place for place, one in found.items() if rows[place].target == one.pattern]
    others = [i for i, row in enumerate(rows) if row.target in members and i not in seen]
    assert len(right) > 0.6 * len(found), "three of ten intents: by chance it is one of six"
    assert len(right) > 0.6 * len(others)
