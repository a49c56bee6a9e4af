from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from engine.backends import BACKENDS
from engine.backends.protocol import Completion, Embedder, Generator, Message, Request, Student
from engine.errors import BackendError

SCRIPTED = BACKENDS["scripted"]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
        "share": {"type": "number", "minimum": 0, "maximum": 1},
        "kind": {"enum": ["a", "b"]},
        "text": {"type": "string", "minLength": 3, "maxLength": 30},
        "rows": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"$ref": "#/$defs/row"}},
        "maybe": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
    },
    "required": ["score", "share", "kind", "text", "rows", "maybe"],
    "additionalProperties": False,
    "$defs": {"row": {"type": "string", "maxLength": 12}},
}


def request(text: str, attempt: int = 0) -> Request:
    return Request((Message("user", text),), SCHEMA, 100, 0.0, "m", attempt)


def complete(
    requests: list[Request],
    settings: dict[str, Any] | None = None,
    base: Path | None = None,
    answered: Collection[str] = (),
) -> list[Completion]:
    generator = cast(Generator, SCRIPTED.open("generator", base, "s", settings or {}))
    return [done for group in generator.complete_many(requests, answered) for done in group]


def test_invented_replies_keep_to_the_schema_and_never_change() -> None:
    requests = [request(f"please move my parcel number {n} to Friday") for n in range(200)]
    first = complete(requests)
    assert [done.error for done in first] == [None] * 200
    assert [done.value for done in first] == [done.value for done in complete(requests[::-1])][::-1]
    assert len({done.text for done in first}) > 190
    value = first[0].value
    assert value is not None
    assert value["text"].split()[0] in requests[0].messages[0].content


def test_answered_requests_are_not_answered_again() -> None:
    requests = [request(str(n)) for n in range(40)]
    done = complete(requests, answered={r.id for r in requests[:30]})
    assert [c.request for c in done] == [r.id for r in requests[30:]]


def test_replies_come_from_the_file_where_an_entry_matches(tmp_path: Path) -> None:
    (tmp_path / "replies.jsonl").write_text(
        '{"match": "parcel", "text": "no JSON"}\n\n{"regex": "bill|invoice", "reply": {"score": 9}}\n'
    )
    parcel, bill, other = complete(
        [request("my parcel"), request("the invoice"), request("neither")],
        {"replies": "replies.jsonl"},
        tmp_path,
    )
    assert (parcel.text, parcel.error) == ("no JSON", "invalid_json")
    assert (bill.text, bill.error) == ('{"score": 9}', "schema")
    assert other.error is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"match": "a", "reply": 1}\n{"match": "b"}', r"replies\.json:2: .*either reply or text"),
        ('{"reply": 1}', r"replies\.json:1: .*either match or regex"),
        ('{"regex": "(", "reply": 1}', r"replies\.json:1: .*regex: missing \)"),
        ('{"match": "a", "reply": 1, "x": 1}', r"replies\.json:1: x: Extra inputs"),
        ("[1", r"replies\.json: not JSON"),
        ("nonsense", r"replies\.json:1: not JSON"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "replies.json").write_text(content)
    with pytest.raises(BackendError, match=message):
        complete([request("x")], {"replies": "replies.json"}, tmp_path)


def test_a_missing_file_of_replies_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="cannot read the replies in"):
        complete([request("x")], {"replies": "none.jsonl"}, tmp_path)
    with pytest.raises(BackendError, match="cannot read the replies in"):
        SCRIPTED.identity("s", tmp_path, {"replies": "none.jsonl"})


def test_the_identity_follows_the_file_of_replies(tmp_path: Path) -> None:
    settings = {"replies": "replies.jsonl"}
    (tmp_path / "replies.jsonl").write_text('{"match": "a", "reply": 1}')
    before = SCRIPTED.identity("s", tmp_path, settings)
    assert before == SCRIPTED.identity("s", tmp_path, settings)
    (tmp_path / "replies.jsonl").write_text('{"match": "a", "reply": 2}')
    assert SCRIPTED.identity("s", tmp_path, settings) != before


@pytest.mark.parametrize("kind", ["invalid_json", "schema", "length", "refusal", "error"])
def test_faults_come_about_as_often_as_asked_and_pass_on_a_second_attempt(kind: str) -> None:
    settings = {"fail_every": 4, "fail_with": kind}
    requests = [request(str(n)) for n in range(400)]
    failed = [done for done in complete(requests, settings) if done.error]
    assert 70 < len(failed) < 130
    assert {done.error for done in failed} == {kind}
    assert all(done.value is None for done in failed)
    ids = {done.request for done in failed}
    again = [request(r.messages[0].content, attempt=1) for r in requests if r.id in ids]
    assert any(done.error is None for done in complete(again, settings))


def test_the_student_takes_the_label_whose_words_it_reads() -> None:
    student = cast(Student, SCRIPTED.open("student", None, "s", {}))
    labels = ["cancel_order", "change_address", "billing"]
    texts = ["I want to cancel my order", "new address please", "what is this bill"]
    listing = f"One of {', '.join(labels)}."
    prompts = [(Message("user", f"{listing} Message: {text}"),) for text in texts]
    seen: list[int] = []
    answers = student.choose(prompts, labels, seen.append)
    assert [answer.label for answer in answers] == labels
    assert all(1 / 3 < answer.probability <= 1 for answer in answers)
    assert sum(seen) == 3
    assert student.with_adapter(Path("anywhere")).choose(prompts, labels) == answers


def test_a_student_says_what_the_file_of_replies_says(tmp_path: Path) -> None:
    (tmp_path / "said.jsonl").write_text('{"match": "parcel", "text": "billing"}\n')
    student = cast(Student, SCRIPTED.open("student", tmp_path, "s", {"replies": "said.jsonl"}))
    prompts = [(Message("user", text),) for text in ("cancel my parcel", "cancel my order")]
    assert [written.text for written in student.write(prompts, 9)] == ["billing", "cancel my order"]
    labels = ["cancel_order", "billing"]
    answers = student.choose(prompts, labels)
    assert [answer.label for answer in answers] == ["billing", "cancel_order"]
    (own, other), _ = student.compare(prompts, [labels[::-1]] * 2)
    assert own.nats > other.nats


def test_texts_that_share_words_lie_close() -> None:
    embedder = cast(Embedder, SCRIPTED.open("embedder", None, "s", {}))
    found = embedder.embed(["cancel my order", "please cancel my order", "sunny weather", ""])
    assert found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
    assert found[0] @ found[1] > 0.7 > 0.3 > found[0] @ found[2]
    assert embedder.embed([]).shape == (0, found.shape[1])
