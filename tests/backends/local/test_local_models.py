"""The embedded models in their roles; everything about shapes and masks that needs none is elsewhere."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pytest
import torch

from engine import models
from engine.backends import BACKENDS
from engine.backends.local.chat import encode_prompt, turn_end
from engine.backends.protocol import Completion, Embedder, Message, Request, Sampling
from engine.backends.transformers import LocalGenerator, LocalStudent
from engine.errors import BackendError

pytestmark = pytest.mark.models

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "mood": {"enum": ["glad", "angry", "neutral"]},
        "words": {"type": "array", "items": {"type": "string", "maxLength": 8}, "maxItems": 2},
    },
    "required": ["mood", "words"],
    "additionalProperties": False,
}
TEXTS = ["my parcel is late again", "thank you so much!", "change my address", "hello", "why?"]
LABELS = ["complaint", "thanks", "address_change", "greeting"]


def opened(kind: Literal["generator", "student"], **settings: Any) -> Any:
    folder = models.fetch("embedded/smollm2-135m-instruct")
    return BACKENDS["transformers"].open(kind, folder, "e", settings)


def open_student(**settings: Any) -> LocalStudent:
    return cast(LocalStudent, opened("student", **settings))


@pytest.fixture(scope="module")
def model() -> LocalGenerator:
    return cast(LocalGenerator, opened("generator", batch_size=3))


def requests(max_tokens: int = 60, temperature: float = 0.0) -> list[Request]:
    return [
        Request((Message("user", f"{text}\nMood as JSON?"),), SCHEMA, max_tokens, temperature, "m")
        for text in TEXTS
    ]


def complete(
    model: LocalGenerator, asked: list[Request], answered: Collection[str] = ()
) -> dict[str, Completion]:
    groups = list(model.complete_many(asked, answered))
    assert all(len(group) <= 3 for group in groups)
    found = {done.request: done for group in groups for done in group}
    assert set(found) == {request.id for request in asked} - set(answered)
    return found


def test_every_reply_keeps_to_its_schema_without_white_space_to_spare(
    model: LocalGenerator,
) -> None:
    asked = requests()
    found = complete(model, asked)
    assert set(found) == {request.id for request in asked}
    for done in found.values():
        assert done.error is None, done
        assert json.loads(done.text) == done.value
        assert done.text == json.dumps(done.value, ensure_ascii=False)
        assert done.finish_reason == "stop"
        assert done.method == "outlines:llguidance"
        assert 2 < (done.usage.completion_tokens or 0) <= len(done.text)
        assert (done.usage.prompt_tokens or 0) > 20


def test_properties_come_in_the_schemas_order(model: LocalGenerator) -> None:
    number = {"type": "integer", "minimum": 1, "maximum": 5}
    keys = ["zest", "mood", "age"]
    schema = {"type": "object", "properties": dict.fromkeys(keys, number), "required": keys,
              "additionalProperties": False}  # fmt: skip
    asked = [Request((Message("user", "Three numbers."),), schema, 60, 0.0, "m")]
    (done,) = complete(model, asked).values()
    assert list(done.value or ()) == keys


def test_what_is_answered_does_not_change_the_rest(model: LocalGenerator) -> None:
    asked = requests(temperature=0.9)
    whole = complete(model, asked)
    longest = max(asked, key=lambda request: len(request.messages[0].content))
    rest = complete(model, asked, {longest.id})
    assert set(rest) == set(whole) - {longest.id}
    assert all(rest[id].text == whole[id].text for id in rest)
    assert complete(model, asked, set(whole)) == {}


def test_sampling_leaves_the_callers_random_numbers_alone(model: LocalGenerator) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = complete(model, requests(temperature=0.9)[:2])
    assert torch.equal(torch.rand(3), expected)
    again = complete(model, requests(temperature=0.9)[:2])
    assert [done.text for done in first.values()] == [done.text for done in again.values()]


def test_a_cut_reply_is_its_own_kind_of_failure(model: LocalGenerator) -> None:
    for done in complete(model, requests(max_tokens=6)).values():
        assert (done.error, done.finish_reason, done.value) == ("length", "length", None)
        assert done.usage.completion_tokens == 6
        assert done.text.startswith('{"')


def test_a_prompt_that_does_not_fit_is_not_sent(model: LocalGenerator) -> None:
    long = Request((Message("user", "parcel " * 9000),), SCHEMA, 60, 0.0, "m")
    short = requests()[0]
    found = complete(model, [long, short])
    assert (found[long.id].error, found[long.id].usage.completion_tokens) == ("too_long", 0)
    assert "do not fit into a context of 8,192" in found[long.id].detail
    assert found[short.id].error is None


def test_a_schema_that_no_grammar_knows_is_refused(model: LocalGenerator) -> None:
    bad = Request((Message("user", "x"),), {"type": "strange"}, 9, 0.0, "m")
    with pytest.raises(BackendError, match="cannot be made into a grammar"):
        complete(model, [bad])


def test_a_prompt_is_templated_once(model: LocalGenerator) -> None:
    tokenizer = model._base.loaded.tokenizer
    tokens = encode_prompt(tokenizer, (Message("system", "s"), Message("user", "u")))
    expected = (
        "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n"
    )
    assert tokenizer.decode(tokens) == expected
    assert turn_end(tokenizer) == 2


def test_the_student_scores_whole_turns_as_the_model_says_them() -> None:
    student = open_student(dtype="float32")
    prompts = [(Message("system", "Label it."), Message("user", text)) for text in TEXTS]
    found = torch.zeros((len(prompts), len(LABELS)))
    for rows, scores in student.label_scores(prompts, LABELS):
        found[rows] = scores
    loaded = student._loaded
    for row, prompt in enumerate(prompts[:2]):
        start = encode_prompt(loaded.tokenizer, prompt)
        for column, label in enumerate(LABELS):
            said = [*loaded.tokenizer.encode(label, add_special_tokens=False), 2]
            with torch.inference_mode():
                logits = loaded.model(torch.tensor([[*start, *said]])).logits[0].log_softmax(-1)
            expected = sum(float(logits[len(start) - 1 + at, t]) for at, t in enumerate(said))
            assert abs(found[row, column] - expected) < 1e-3
    answers = student.choose(prompts, LABELS)
    assert [answer.label for answer in answers] == [LABELS[i] for i in found.argmax(-1)]
    rough = open_student(dtype="bfloat16").choose(prompts, LABELS)
    assert sum(a.label == b.label for a, b in zip(answers, rough, strict=True)) >= 4


def test_a_student_without_prompts_has_no_answers() -> None:
    assert open_student().choose([], LABELS) == []


def test_embeddings_are_unit_length_in_order_and_alike_for_like_texts() -> None:
    folder = models.fetch("embedded/all-minilm-l6-v2")
    backend = BACKENDS["sentence-transformers"]
    embedder = cast(Embedder, backend.open("embedder", folder, "e", {"batch_size": 2}))
    texts = ["cancel my order", "a", "I want to cancel what I ordered", "the sun is hot"]
    seen: list[int] = []
    found = embedder.embed(texts, seen.append)
    assert found.shape == (4, 384)
    assert found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert found[0] @ found[2] > 0.7 > found[0] @ found[3]
    assert seen == [2, 2]
    assert np.array_equal(found, embedder.embed(texts))
    assert embedder.embed([]).shape == (0, 384)


def test_a_folder_without_an_embedding_model_is_named(tmp_path: Path) -> None:
    from engine.errors import ModelError

    (tmp_path / "config.json").write_text("{}")
    embedder = cast(Embedder, BACKENDS["sentence-transformers"].open("embedder", tmp_path, "e", {}))
    with pytest.raises(ModelError, match="cannot load the embedding model"):
        embedder.embed(["x"])


def test_a_prompts_own_answers_are_compared_as_labels_are() -> None:
    student = open_student(dtype="float32")
    prompts = [(Message("user", text),) for text in TEXTS[:2]]
    own = [LABELS[:2], LABELS[1:]]
    found = student.compare(prompts, own)
    for prompt, answers, likely in zip(prompts, own, found, strict=True):
        ((_, nats),) = student.label_scores([prompt], LABELS)
        whole = dict(zip(LABELS, nats[0].tolist(), strict=True))
        assert [each.nats for each in likely] == pytest.approx(
            [whole[a] for a in answers], abs=1e-3
        )
        assert all(each.nats < 0 and each.tokens >= 2 for each in likely)


def test_a_student_draws_the_same_turns_for_the_same_attempts() -> None:
    prompts = [(Message("user", TEXTS[0]),)] * 4
    student = open_student(batch_size=4)

    def drawn(*attempts: int) -> list[str]:
        return [turn.text for turn in student.write(prompts, 8, sampling=Sampling(1.5, attempts))]

    first = drawn(1, 2, 3, 4)
    assert len(set(first)) > 1, "turns are drawn, not the likeliest"
    assert drawn(1, 2, 3, 4) == first
    assert drawn(5, 6, 7, 8) != first


def test_a_constrained_student_writes_what_fits() -> None:
    prompts = [(Message("user", f"{text}\nMood as JSON?"),) for text in TEXTS[:2]]
    said = open_student(batch_size=3).write(prompts, 60, SCHEMA)
    assert len(said) == len(prompts)
    for turn in said:
        assert json.loads(turn.text).keys() == SCHEMA["properties"].keys()
        assert not turn.failure
