import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.backends import BACKENDS
from engine.backends.batch import BatchFile
from engine.backends.files.requests import asked_ids, read_asked, sidecar
from engine.backends.files.results import completion_of, read_results
from engine.backends.protocol import Completion, Message, PendingRequest, Request
from engine.backends.replies import completion
from engine.backends.structured import Reply
from engine.errors import BackendError

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string", "maxLength": 20}},
    "required": ["colour"],
    "additionalProperties": False,
}
GOOD = '{"colour": "red"}'


def request(text: str = "Which colour?") -> Request:
    turns = (Message("system", "Be brief."), Message("user", text))
    return Request(turns, SCHEMA, 100, 0.5, "batch:oracle", attempt=7)


def failed(error: str, text: str = "", detail: str = "") -> Completion:
    return completion(request(), Reply(None, error, detail), text=text, method="batch:hand")


def backend(**settings: Any) -> BatchFile:
    opened = BACKENDS["batch"].open("generator", None, "oracle", settings)
    assert isinstance(opened, BatchFile)
    return opened


def write_batch(
    folder: Path, *asks: PendingRequest, **settings: Any
) -> tuple[Path, list[dict[str, Any]]]:
    file = folder / "batch" / "r0001" / "requests.jsonl"
    file.parent.mkdir(parents=True)
    backend(**settings).write_batch(asks, "r0001", file)
    # At line feeds only: a text may hold other characters that end lines.
    return file, [json.loads(line) for line in file.read_bytes().splitlines()]


def results(path: Path, *lines: str | bytes | Mapping[str, Any]) -> Path:
    parts = [
        line
        if isinstance(line, bytes)
        else (line if isinstance(line, str) else json.dumps(line)).encode()
        for line in lines
    ]
    path.write_bytes(b"\n".join(parts))
    return path


def answered(body: Any, status: int = 200, error: Any = None) -> dict[str, Any]:
    return {"custom_id": "x", "response": {"status_code": status, "body": body}, "error": error}


def said(text: str | None, finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": text, **message}, "finish_reason": finish}]}


def test_a_request_is_written_in_the_batch_format(tmp_path: Path) -> None:
    file, [line] = write_batch(
        tmp_path, PendingRequest("node", "teacher", request()), extra={"top_p": 0.9}
    )
    assert line["custom_id"] == f"{request().id}-1"
    assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
    body = line["body"]
    assert body["model"] == "oracle"
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Which colour?"},
    ]
    assert (body["max_tokens"], body["temperature"], body["top_p"]) == (100, 0.5, 0.9)
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert asked_ids(tmp_path) == {line["custom_id"]: file}


def test_vllm_takes_the_schema_by_its_own_parameter_and_others_other_names(tmp_path: Path) -> None:
    settings = {
        "structured": "structured_outputs",
        "token_limit": "max_completion_tokens",
        "url": "/v2/chat",
    }
    _, [line] = write_batch(tmp_path, PendingRequest("node", "teacher", request()), **settings)
    assert line["body"]["structured_outputs"] == {"json": SCHEMA}
    assert "response_format" not in line["body"]
    assert line["body"]["max_completion_tokens"] == 100
    assert line["url"] == "/v2/chat"


def test_what_a_service_does_not_take_is_left_out(tmp_path: Path) -> None:
    settings = {"seed": False, "extra": {"temperature": None}}
    _, [line] = write_batch(tmp_path, PendingRequest("node", "teacher", request()), **settings)
    assert not {"seed", "temperature"} & line["body"].keys()


def test_a_schema_with_a_number_beyond_64_bits_comes_back_as_it_was(tmp_path: Path) -> None:
    amount = {"type": "integer", "maximum": 10**30 + 1}
    schema = {**SCHEMA, "properties": {"amount": amount}, "required": ["amount"]}
    asked = Request(request().messages, schema, 100, 0.5, "batch:oracle")
    extra = {"ceiling": 10**30 + 1}
    file, [line] = write_batch(tmp_path, PendingRequest("n1", "teacher", asked), extra=extra)
    assert line["body"]["response_format"]["json_schema"]["schema"] == schema
    assert line["body"]["ceiling"] == 10**30 + 1
    assert read_asked(file)[0].request == asked


def test_what_was_asked_comes_back_whole_from_the_file_beside(tmp_path: Path) -> None:
    asks = [
        PendingRequest("n1", "teacher", request("Ünïcode \x00 \u2028")),
        PendingRequest(
            "n2", "judge", request(), (failed("schema", "[1]", "$: [1] is not of type 'object'"),)
        ),
    ]
    file, lines = write_batch(tmp_path, *asks, price={"prompt": 1, "completion": 2})
    found = read_asked(file)
    assert [ask.request for ask in found] == [ask.request for ask in asks]
    assert [(ask.node, ask.role, ask.number) for ask in found] == [
        ("n1", "teacher", 0),
        ("n2", "judge", 1),
    ]
    assert [ask.custom_id for ask in found] == [line["custom_id"] for line in lines]
    assert [m.content for m in found[1].sent] == [
        m["content"] for m in lines[1]["body"]["messages"]
    ]
    assert found[0].header.price is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("Which colour?", "Which number?"),
        lambda text: text.replace('"node":', '"knot":'),
        lambda text: text.replace('"custom_id":', '"id":'),
        lambda text: "\n".join(text.splitlines()[:1]),
        lambda text: text[:-20],
        lambda _: "",
    ],
    ids=["other words", "other key", "no id", "line lost", "cut", "empty"],
)
def test_a_changed_file_beside_the_requests_is_found_out(tmp_path: Path, change: Any) -> None:
    file, _ = write_batch(tmp_path, PendingRequest("node", "teacher", request()))
    beside = sidecar(file)
    beside.write_text(change(beside.read_text("utf-8")), "utf-8")
    with pytest.raises(BackendError, match="is damaged") as caught:
        read_asked(file)
    assert "run the recipe again" in caught.value.hint


def test_wrong_json_is_asked_again_with_what_was_wrong(tmp_path: Path) -> None:
    again = PendingRequest(
        "n", "teacher", request(), (failed("schema", '{"color": 1}', "$: 'colour' is required"),)
    )
    _, [line] = write_batch(tmp_path, again)
    assert line["custom_id"].endswith("-2")
    *_, told, wish = line["body"]["messages"]
    assert told == {"role": "assistant", "content": '{"color": 1}'}
    assert "'colour' is required" in wish["content"]
    assert line["body"]["max_tokens"] == 100


@pytest.mark.parametrize("kind", ["length", "thinking"])
def test_a_reply_that_was_cut_gets_twice_the_tokens_each_time(tmp_path: Path, kind: str) -> None:
    cut = failed(kind, '{"colour": "re')
    _, [line] = write_batch(
        tmp_path, PendingRequest("n", "teacher", request(), (cut, failed("refusal"), cut))
    )
    assert line["custom_id"].endswith("-4")
    assert line["body"]["max_tokens"] == 400
    assert len(line["body"]["messages"]) == 2


def test_files_that_cannot_be_written_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        BackendError, match=r"cannot write .*requests\.jsonl: No such file"
    ) as caught:
        backend().write_batch(
            [PendingRequest("n", "teacher", request())], "r1", tmp_path / "no" / "requests.jsonl"
        )
    assert "nothing was asked" in caught.value.hint


@pytest.mark.parametrize(
    ("line", "text", "error"),
    [
        ({"custom_id": "x", "reply": {"colour": "red"}}, GOOD, None),
        ({"custom_id": "x", "text": GOOD}, GOOD, None),
        ({"custom_id": "x", "text": "red"}, "red", "invalid_json"),
        ({"custom_id": "x", "reply": None}, "null", "schema"),
        (answered(said(GOOD)), GOOD, None),
        (answered(said(GOOD, "length")), GOOD, None),
        (answered(said('{"colour": "re', "length")), '{"colour": "re', "length"),
        (answered(said("", "length")), "", "thinking"),
        (answered(said("<think>red", "length")), "<think>red", "thinking"),
        (answered(said(f"<think>red</think>{GOOD}")), f"<think>red</think>{GOOD}", None),
        ({"custom_id": "x", "text": f"<think>red</think>{GOOD}"}, f"<think>red</think>{GOOD}", None),
        (answered(said('{"colour": 1}')), '{"colour": 1}', "schema"),
        (answered(said('{"colour": "a", "colour": "b"}')), '{"colour": "a", "colour": "b"}', "invalid_json"),
        (answered(said('{"colour": "\\ud83d"}')), '{"colour": "\\ud83d"}', "invalid_json"),
        (answered(said('{"colour": "\ud83d"}')), '{"colour": "\\ud83d"}', "invalid_json"),
        (answered(said(None, refusal="I will not.")), "", "refusal"),
        (answered(said("no", "content_filter")), "no", "refusal"),
        (answered({"choices": []}), "", "empty"),
        (answered(said("")), "", "empty"),
        (answered(None), "", "empty"),
        (answered("text"), "", "error"),
        (answered({"error": {"message": "slow down"}}, 429), "", "rate_limit"),
        (answered({"error": {"message": "oops"}}, 503), "", "server_error"),
        (answered({"error": {"message": "Invalid schema for response_format"}}, 400), "", "schema_refused"),
        (answered(None, 400, "context length exceeded"), "", "too_long"),
        (answered(None, 200, "the worker died"), "", "error"),
        ({"custom_id": "x", "response": None, "error": {"code": "batch_expired"}}, "", "expired"),
        ({"custom_id": "x", "response": None, "error": {"code": "batch_cancelled"}}, "", "cancelled"),
        ({"custom_id": "x", "error": None}, "", "empty"),
    ],
)  # fmt: skip
def test_each_line_is_a_reply_or_a_failure_of_a_kind(
    tmp_path: Path, line: dict[str, Any], text: str, error: str | None
) -> None:
    [answer] = read_results(results(tmp_path / "r.jsonl", line))
    file, _ = write_batch(tmp_path, PendingRequest("node", "teacher", request()))
    [asked] = read_asked(file)
    done = completion_of(asked, answer)
    assert (done.text, done.error) == (text, error)
    assert (done.value is None) == (error is not None)
    assert done.request == request().id
    assert done.method == (
        "batch:hand" if "response" not in line and "error" not in line else "batch:json_schema"
    )
    assert done.final is (error is None)


def test_tokens_server_and_money_are_kept(tmp_path: Path) -> None:
    body = {
        **said(GOOD), "model": "oracle-7", "system_fingerprint": "fp",
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 400}},
    }  # fmt: skip
    price = {"prompt": 1.0, "completion": 10.0, "cached": 0.5}
    file, _ = write_batch(
        tmp_path, PendingRequest("node", "teacher", request()), price=price, attempts=1
    )
    [answer] = read_results(results(tmp_path / "r.jsonl", answered(body)))
    done = completion_of(read_asked(file)[0], answer)
    assert (done.usage.prompt_tokens, done.usage.completion_tokens, done.usage.cached_tokens) == (
        1000,
        100,
        400,
    )
    assert done.server == "oracle-7 fp"
    assert done.cost == pytest.approx((600 * 1.0 + 400 * 0.5 + 100 * 10.0) / 1e6)
    assert completion_of(read_asked(file)[0], answer._replace(by_hand=True)).cost is None


LONG = "max_tokens is too large: 5000. This model supports at most 4096 completion tokens"


def asking(*before: Completion) -> PendingRequest:
    return PendingRequest("n", "teacher", replace(request(), max_tokens=5000), before)


@pytest.mark.parametrize(
    "body", [LONG, json.dumps({"error": {"message": LONG, "param": "max_tokens"}})]
)
def test_the_next_file_asks_for_no_longer_replies_than_the_service_gives(
    tmp_path: Path, body: str
) -> None:
    refused = failed("bad_request", detail=body)
    _, lines = write_batch(tmp_path, asking(), asking(refused), max_reply=None)
    assert [line["body"]["max_tokens"] for line in lines] == [4096, 4096]


def test_a_reply_cut_at_the_most_that_is_asked_for_is_final(tmp_path: Path) -> None:
    file, lines = write_batch(tmp_path, asking(), asking(failed("length")), max_reply=4096)
    assert [line["body"]["max_tokens"] for line in lines] == [4096, 4096]
    [cut] = read_results(results(tmp_path / "r.jsonl", answered(said('{"colour": "re', "length"))))
    done = completion_of(read_asked(file)[0], cut)
    assert (done.error, done.final) == ("length", True)
    assert "no more can be had" in done.detail


def test_the_last_attempt_is_final(tmp_path: Path) -> None:
    file, _ = write_batch(
        tmp_path, PendingRequest("n", "teacher", request(), (failed("refusal"),)), attempts=2
    )
    [asked] = read_asked(file)
    wrong = read_results(results(tmp_path / "r.jsonl", {"custom_id": "x", "text": "red"}))[0]
    assert completion_of(asked, wrong).final


def test_lines_may_have_windows_ends_a_mark_and_gaps(tmp_path: Path) -> None:
    line = json.dumps({"custom_id": "x", "text": GOOD}).encode()
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\r\n" + line + b"\r\n")
    found = read_results(path)
    assert [(answer.line, answer.exchange.text) for answer in found] == [(1, GOOD), (3, GOOD)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"custom_id": "x", "text": "a"}, '{"custom_id": '], r"r\.jsonl:2: not JSON"),
        (["[" * 100_000], r"r\.jsonl:1: not JSON"),
        ([{"custom_id": "x", "text": "a"}, b'{"custom_id": "\xff"}'], r"r\.jsonl:2: not UTF-8.*at byte 15"),
        (['"text"'], r"r\.jsonl:1: no custom_id"),
        ([{"text": "a"}], r"r\.jsonl:1: no custom_id"),
        ([{"custom_id": 3, "text": "a"}], r"r\.jsonl:1: no custom_id"),
        ([{"custom_id": "x"}], r"r\.jsonl:1: no reply for x"),
        ([{"custom_id": "x", "reply": {}, "text": "a"}], r"r\.jsonl:1: reply and text for x"),
        ([{"custom_id": "x", "reply": {}, "response": {}}], r"r\.jsonl:1: reply and response for x"),
        ([{"custom_id": "x", "text": 3}], r"r\.jsonl:1: the text is not a string"),
        (['{"custom_id": "x", "text": "a", "text": "b"}'], r"r\.jsonl:1: not JSON: the key 'text' is given twice"),
        (["", "  "], r"r\.jsonl: there is no answer in it"),
    ],
)  # fmt: skip
def test_a_broken_result_file_says_where(tmp_path: Path, lines: list[Any], message: str) -> None:
    with pytest.raises(BackendError, match=message) as caught:
        read_results(results(tmp_path / "r.jsonl", *lines))
    assert "nothing was imported" in caught.value.hint


def test_a_result_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"cannot read .*none\.jsonl: No such file"):
        read_results(tmp_path / "none.jsonl")


def test_a_revision_is_another_model() -> None:
    identity = BACKENDS["batch"].identity
    plain = identity("oracle", Path(), {})
    assert plain == "batch:oracle"
    assert identity("oracle", Path(), {"revision": "2026-01"}) != plain
    assert (
        identity("oracle", Path(), {"attempts": 9, "price": {"prompt": 1, "completion": 1}})
        == plain
    )
