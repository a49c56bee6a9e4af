"""The kind `chat`: messages as people have them, calls as models write them, rows that a teacher writes."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.backends.structured import read_reply, unbounded
from engine.metrics import METRICS, Answered
from engine.metrics.protocol import MetricParams
from engine.rows import Example
from engine.spec.prompts import PromptLibrary
from engine.sql import evaluate_condition
from engine.stages.blocks import row_block
from engine.stages.evaluate.measure import UsedMetric
from engine.stages.task_view import PromptedTask, Shots, StudentPrompts
from engine.tasks import TASKS, Task
from engine.tasks.chat import Params
from engine.tasks.conversation import tools_in
from engine.tasks.tool_calls import call_schema, invalid, settled, signature
from engine.turns import Message, transcript, turns_in
from engine.turns.calls import spoken_in
from engine.turns.tools import in_words, native
from tests.stages.views import view

CHAT, PARAMS = TASKS["chat"], Params()


def tool(name: str, required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS = [
    tool("find", ("title",), title={"type": "string"}, kind={"type": "string", "default": "book"}),
    tool("hours", ("day",), day={"enum": ["mon", "tue"]}, count={"type": "integer"}),
]
CALL = {"name": "find", "arguments": {"title": "Emma"}}
CALLED = {
    "id": "c1",
    "type": "function",
    "function": {"name": "find", "arguments": '{"title": "Emma"}'},
}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str | None = None, *calls: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **({"tool_calls": [*calls]} if calls else {})}


def answer_of(number: int | None, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"c{number}", "content": text}


def read(
    messages: Any, tools: Any = None, *, answered: bool = True, **columns: Any
) -> dict[str, Any]:
    """Return a row of the data as the kind makes it; raises ValueError with what is wrong."""
    values = {"messages": messages, **({"tools": tools} if tools else {}), **columns}
    if why := CHAT.spread(values, ["messages"], "answer", PARAMS, answered=answered):
        raise ValueError(why)
    values["messages"] = CHAT.shown("messages", values["messages"], PARAMS)
    if answered:
        inputs = {"messages": values["messages"]}
        right = CHAT.reference(inputs, values["answer"], PARAMS)
        values["answer"], values["references"] = right.target, right.references
        assert CHAT.malformed(inputs, right.target, task(inputs)) is None
    return values


def task(*rows: Mapping[str, str]) -> Task:
    return Task((), PARAMS, CHAT.seen(rows))


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([], "the conversation is empty"),
        ("so, hello", "the conversation is neither a list of messages nor JSON"),
        ([user("a"), {"role": "usr", "content": "b"}, assistant("c")], "turn 2: there is no role 'usr'"),
        ([user("a"), {"content": "b"}, assistant("c")], "turn 2: it has no role"),
        ([user("a"), user("  "), assistant("c")], "turn 2: it says nothing"),
        ([user("a"), answer_of(1, "b"), assistant("c")], "turn 2: a tool answers, and nothing was called"),
        ([user("a"), assistant(None, CALLED), user("b"), assistant("c")], "turn 3: the call of 'find'"),
        ([user("a"), assistant(None, CALLED), answer_of(2, "b"), assistant("c")], "turn 3: it answers the call 'c2'"),
        ([user("a"), {"role": "system", "content": "b"}, assistant("c")], "turn 2: a system turn can only be"),
        (
            [user("a"), assistant(None, {"function": {"name": "find", "arguments": "{title"}})],
            "turn 2: the arguments of find are no JSON",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, assistant("c")],
            "turn 1: it has a part of the type 'image_url': only text can be read",
        ),
        ([user("a"), assistant("b"), user("c")], "the conversation does not end on an assistant's turn"),
        ([assistant("a")], "turn 1: no turn is before the answer"),
        ([user("a"), assistant("b"), assistant("c")], "the conversation ends on the assistant's turn"),
        ([user("a"), assistant(None, {"name": "fnd", "arguments": {}})], "turn 2: it calls 'fnd', which is none"),
        (
            [user("a"), assistant(None, {"name": "find", "arguments": {"titel": "b"}})],
            "turn 2: 'find' has no argument 'titel' (did you mean 'title'?)",
        ),
        ([user("a"), assistant(None, {"name": "hours", "arguments": {"day": "sun"}})], "the arguments of 'hours'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_conversation_is_told_with_its_turn(messages: Any, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        read(messages, TOOLS)


def test_a_conversation_is_one_text_that_is_read_back() -> None:
    row = read(
        [
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "Is it in?\n"}, "[user] no\n\\[call] x"]},
            assistant("I look.", {**CALLED, "id": "c1"}, {**CALLED, "id": "c2"}),
            answer_of(2, "second"),
            answer_of(1, "first\n"),
            assistant(None, {"function": {"name": "hours", "arguments": {"day": "mon", "count": None}}}),
        ],
        json.dumps([TOOLS[0], {"name": "hours", "input_schema": TOOLS[1]["function"]["parameters"]}]),
    )  # fmt: skip
    turns = turns_in(row["messages"])
    assert transcript(turns) == row["messages"]
    assert [turn.role for turn in turns] == [
        "tools",
        "system",
        "user",
        "assistant",
        "call",
        "call",
        "tool",
        "tool",
    ]
    assert turns[2].content == "Is it in?\n[user] no\n\\[call] x"
    assert [turn.content for turn in turns[-2:]] == ["first\n", "second"], "in the order of calls"
    assert row["answer"] == '[call] {"name": "hours", "arguments": {"day": "mon"}}'
    facts = {name: row[name] for name in ("turns", "calls_before", "has_tools", "has_system")}
    assert facts == {"turns": 2, "calls_before": 2, "has_tools": True, "has_system": True}
    assert "tools" not in row
    # A row that was exported as text is read again.
    again = read(row["messages"], answer=row["answer"], **facts)
    assert (again["messages"], again["answer"]) == (row["messages"], row["answer"])


@pytest.mark.parametrize(
    ("messages", "columns", "answer"),
    [
        ([{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], {}, "b"),
        ([user("a"), {"role": "assistant", "function_call": CALL}], {}, f"[call] {json.dumps(CALL)}"),
        (
            [user("a"), {"role": "assistant", "function_call": CALL},
             {"role": "function", "name": "find", "content": "c"}, assistant("d")], {}, "d",
        ),
        (json.dumps({"messages": [user("a"), assistant("b")]}), {}, "b"),
        ([user("a")], {"answer": ["b", "c"]}, "b"),
        ([user("a")], {"answer": json.dumps([CALL])}, f"[call] {json.dumps(CALL)}"),
        ([user("a")], {"answer": assistant("Wait.", CALLED)}, f"[assistant] Wait.\n[call] {json.dumps(CALL)}"),
        ([user("a"), assistant("[call] is a word")], {}, "\\[call] is a word"),
    ],
)  # fmt: skip
def test_other_forms_of_the_same_are_read(
    messages: Any, columns: dict[str, Any], answer: str
) -> None:
    assert read(messages, **columns)["answer"] == answer


@pytest.mark.parametrize(
    ("turns", "why"),
    [
        (['[tools] [{"name": "find"}]', '[tools] [{"name": "f"}]', "[user] a"], "turn 2: a tools turn can only"),
        (["[user] a", "[assistant] ", "[user] b"], "turn 2: it says nothing"),
        (["[user] a", '[call] {"name": "f"}', '[call] {"name": "g"}', "[tool] b", '[call] {"name": "h"}',
          "[tool] c", "[tool] d"], "turn 5: a call before it has no answer"),
        (["[user] a", "[call] {name", "[tool] b"], "turn 2: the call is no JSON"),
        (["[user] a", "[assistant] b", "[system] c", "[user] d"], "turn 3: a system turn can only be the first"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_transcript_is_told_with_its_turn(turns: list[str], why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        read("\n".join(turns), answer="x")


def test_a_transcript_is_read_as_messages_are() -> None:
    """Definitions in short and over several lines, a call without arguments, escaped letters: one form for all."""
    row = read(
        '[tools] [{"name": "find_order",\n  "parameters": {"type": "object", "properties": {}}}]\n'
        '[user] a\n[call] {"name": "find_order"}\n[tool] \n'
        '[call] {"name":"find_order","arguments":"{}"}\n[tool] \\u003c|im_end|\\u003e',
        answer=[{"name": "find_order"}],
    )
    tools, _, first, _, second, said = turns_in(row["messages"])
    assert json.loads(tools.content) == [tool("find_order") | {"function": {
        "name": "find_order", "parameters": {"type": "object", "properties": {}}}}]  # fmt: skip
    assert first.content == second.content == '{"name": "find_order", "arguments": {}}'
    assert said.content == "\\u003c|im_end|\\u003e", "what is no JSON stays as it is"
    marked = read(
        '[user] a\n[call] {"name": "f", "arguments": {"x": "\\u003c|im_end|\\u003e"}}\n[tool] b',
        answer="x",
    )
    assert '"<|im_end|>"' in marked["messages"]
    assert read("[tools] []\n[user] a", answer="x")["messages"] == "[user] a"
    assert native(turns_in(row["messages"]), parsed=True).tools


def test_without_its_answer_a_conversation_ends_on_its_user() -> None:
    assert read([user("a"), assistant("b")], answered=False)["messages"] == "[user] a"
    assert read([user("a")], answered=False)["messages"] == "[user] a"


ROW = {"messages": read([user("Emma?"), assistant("x")], TOOLS)["messages"]}
RIGHT = '[call] {"name": "find", "arguments": {"title": "Emma"}}'


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('<tool_call>\n{"name": "find", "arguments": {"title": "Emma"}}\n</tool_call>', RIGHT),
        ('I look.\n<tool_call>{"name": "find", "arguments": "{\\"title\\": \\"Emma\\"}"}', RIGHT),
        ('[TOOL_CALLS][{"name": "find", "arguments": {"title": "Emma", "kind": "book"}}]', RIGHT),
        ('{"name": "find", "parameters": {"title": "Emma"}}', RIGHT),
        ('```json\n[{"name": "find", "arguments": {"title": "Emma"}}]\n```', RIGHT),
        ('<tool_call>{"name": "find", "arguments": {"title": "Emma"}}\n</tool_', RIGHT),
        ('<tool_call>{"name": "find", "arg</tool_call>', None),
        ('{"name": "other", "arguments": {}}', '{"name": "other", "arguments": {}}'),
        ('<function=find>{"title": "Emma"}</function>', RIGHT),
        (
            "<tool_call>\n<function=find>\n<parameter=title>\nEmma\n</parameter>\n</function>\n</tool_call>",
            RIGHT,
        ),
        ('[TOOL_CALLS]find[ARGS]{"title": "Emma"}', RIGHT),
        (
            '[TOOL_CALLS]find[ARGS]{"title": "Emma"}[TOOL_CALLS]hours[ARGS]{"day": "mon", "count": null}',
            f'{RIGHT}\n[call] {{"name": "hours", "arguments": {{"day": "mon"}}}}',
        ),
        ("<function=find>title: Emma</function>", None),
        ("[TOOL_CALLS]find[ARGS]Emma", None),
        (" It is in. ", "It is in."),
        ("[user] now me", "\\[user] now me"),
        ("", None),
    ],
)
def test_calls_are_read_as_models_write_them(text: str, answer: str | None) -> None:
    assert CHAT.read(text, ROW, task(ROW)) == answer


def test_arguments_in_xml_have_the_types_of_their_definition() -> None:
    text = {"type": "string"}
    nullable = {"type": ["string", "null"]}
    typed: dict[str, Any] = {
        "a": text,
        "b": {"type": "integer"},
        "c": {"type": "boolean"},
        "d": {},
        "e": nullable,
    }
    tools = [tool("f", **typed, f={"enum": ["7", "8"]}, g={"$ref": "#/$defs/g"}, h=nullable)]
    tools[0]["function"]["parameters"]["$defs"] = {"g": text}
    given = {
        "a": "7",
        "b": "7",
        "c": "True",
        "d": '{"x": [1]}',
        "e": "7",
        "f": "7",
        "g": "7",
        "h": "None",
    }
    parts = "\n".join(f"<parameter={name}>\n{text}\n</parameter>" for name, text in given.items())
    said = spoken_in(f"I look.\n<function=f>\n{parts}\n</function>", tools)
    assert said is not None
    (call,) = said.calls
    assert call["arguments"] == given | {"b": 7, "c": True, "d": {"x": [1]}, "h": None}
    assert said.text == "I look."
    assert spoken_in("<function=f> is XML", ()) == ("<function=f> is XML", ())


STRICT = tool(
    "look",
    ("title", "year", "of"),
    title={"type": "string"},
    year={"type": ["integer", "null"]},
    kind={"type": "string"},
    of={"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "b": {"type": "string"}, "c": {"$ref": "#/$defs/c"}}},
    more={"type": "object", "additionalProperties": {"type": ["string", "null"]}},
)  # fmt: skip
STRICT["function"]["parameters"]["$defs"] = {"c": {"type": ["number", "null"]}}


def test_a_null_stays_where_its_definition_wants_it_and_goes_where_parquet_filled_it_in() -> None:
    given = {
        "title": "Emma", "year": None, "kind": None, "of": {"a": None, "b": None, "c": None, "d": None},
        "more": {"x": None}
    }  # fmt: skip
    kept = {"title": "Emma", "year": None, "of": {"a": None, "c": None}, "more": {"x": None}}
    asks = {"role": "assistant", "tool_calls": [{"function": {"name": "look", "arguments": given}}]}
    row = read([user("a"), asks, answer_of(None, "b"), user("c"), asks], [STRICT])
    assert row["answer"] == call("look", **kept)
    assert call("look", **kept) in row["messages"]
    # Null is as good as left out.
    without = call("look", more={}, of={}, title="Emma")
    assert CHAT.read(f"<tool_call>{without[7:]}</tool_call>", row, task(row)) == without
    assert row["references"] == (without,)


def test_a_tool_whose_schema_refers_to_its_arguments_is_as_one_that_has_them_itself() -> None:
    (flat,) = tools_in(
        [tool("f", ("a",), a={"type": "string"}, b={"type": "integer", "default": 3})]
    )
    arguments = flat["function"]["parameters"]
    of = {"$ref": "#/$defs/of"}
    parameters = of | {"$defs": {"of": {"$ref": "#/$defs/a~1b"}, "a/b": arguments}}
    (one,) = tools_in([{"name": "f", "parameters": parameters}])
    assert signature(one) == signature(flat) == "f(a: string, b?: integer)"
    given = {"name": "f", "arguments": {"a": "x", "b": 3}}
    assert settled(given, [one]) == settled(given, [flat])
    assert "no argument 'z'" in (
        invalid({"name": "f", "arguments": {"a": "x", "z": 1}}, [one]) or ""
    )
    assert call_schema([one]) == call_schema([flat])
    # Further down it stands in its place; one without an end is written as text.
    deep = [tool("f", x={"$ref": "#/$defs/x"})]
    deep[0]["function"]["parameters"]["$defs"] = {"x": {"type": "integer"}}
    assert call_schema(deep) == call_schema([tool("f", x={"type": "integer"})])
    tree = {"type": "object", "properties": {"of": {"type": "array", "items": {"$ref": "#"}}}}
    written = call_schema(tools_in([{"name": "f", "parameters": tree}]))
    assert written["properties"]["arguments"]["type"] == "string"


def test_a_column_of_the_data_that_is_called_as_one_of_the_conversations_is_refused() -> None:
    talk = [user("a"), {"role": "assistant", "content": "b"}]
    for name, own in (("turns", 7), ("Turns", [1]), ("has_system", "no")):
        values = {"messages": talk, name: own}
        why = CHAT.spread(values, ["messages"], "answer", Params())
        assert why is not None
        assert f"its column '{name}' says" in why
        assert f"`rename: {{own_{name.lower()}: {name}}}`" in why
    same: dict[str, Any] = {
        "messages": talk,
        "Turns": "1",
        "has_tools": "False",
        "calls_before": None,
    }
    assert CHAT.spread(same, ["messages"], "answer", Params()) is None
    assert (same["Turns"], same["calls_before"], "turns" in same) == ("1", 0, False)
    # A recipe knows its own columns.
    assert CHAT.spread({"turns": talk}, ["turns"], "answer", Params()) is None


def test_calls_are_right_in_any_order_to_every_metric() -> None:
    other = {"name": "hours", "arguments": {"day": "mon"}}
    asks = {"role": "assistant", "tool_calls": [{"function": CALL}, {"function": other}]}
    row = read([user("a"), asks], TOOLS)
    said = "\n".join(f"<tool_call>{json.dumps(one)}</tool_call>" for one in (other, CALL))
    answer = CHAT.read(said, row, task(row))
    assert score("accuracy", answer, *row["references"]) == 1
    assert row["answer"].index("find") < row["answer"].index("hours"), (
        "trained on as the data has it"
    )


def score(name: str, answer: str | None, *references: str) -> float | None:
    return METRICS[name].score(Answered(answer, references, ""), MetricParams())


def call(name: str, **arguments: Any) -> str:
    return f"[call] {json.dumps({'name': name, 'arguments': arguments})}"


def test_calls_are_compared_as_the_leaderboard_does() -> None:
    right = f"{call('find', title='Emma', n=1)}\n{call('hours', day='mon')}"
    other_order = f"{call('hours', day='mon')}\n{call('find', n=1, title='Emma')}"
    loose = f"{call('find', title='EM-ma', n=1)}\n{call('hours', day='mon')}"
    assert [score(m, other_order, right) for m in ("tool_call", "tool_call_exact")] == [1, 1]
    assert [score(m, loose, right) for m in ("tool_call", "tool_call_exact")] == [1, 0]
    assert score("tool_name", loose, right) == 1
    assert score("arguments_f1", loose, right) == pytest.approx(2 / 3)
    assert (
        score("tool_call", call("find", title="Emma", n=True), call("find", title="Emma", n=1)) == 0
    )
    assert score("tool_call", call("find", title="Emma"), right) == 0
    assert score("tool_call", "I found it.", right) == score("tool_call", None, right) == 0
    assert score("arguments_f1", call("now"), call("now")) == 1
    assert score("arguments_f1", call("then"), call("now")) == 0


def test_an_empty_object_is_no_empty_list() -> None:
    right = '[call] {"name": "f", "arguments": {"a": {}}}'
    for name in ("tool_call", "tool_call_exact"):
        assert score(name, right, right) == 1
        assert score(name, right.replace("{}", "[]"), right) == 0


def test_a_row_that_wants_words_has_no_score_of_calls_and_the_other_way_round() -> None:
    def values(answer: str | None, right: str) -> dict[str, float | None]:
        item = Answered(answer, (right,), "")
        settings = {name: METRICS[name].params() for name in CHAT.metrics}
        used = [UsedMetric(name=n, version=1, settings=s, of="chat") for n, s in settings.items()]
        return {one.name: one.value_of(item) for one in used}

    said, called = "It is in at Central.", RIGHT
    rows = [
        values(a, r) for a, r in ((said, said), (called, said), (called, called), (said, called))
    ]
    assert [row["tool_name"] for row in rows] == [1, 0, 1, 0]
    assert [row["tool_call"] for row in rows] == [None, None, 1, 0]
    assert [row["rouge_l"] is None for row in rows] == [False, False, True, True]
    assert evaluate_condition(CHAT.failure, rows) == [False, True, False, True]
    assert evaluate_condition(CHAT.failure, [values(None, said), values("No!", said)]) == [
        True,
        True,
    ]


def test_the_student_sees_turns_and_the_rows_own_system_turn_before_the_prompts() -> None:
    def example(name: str, messages: list[Any], tools: Any = None) -> Example:
        row = read(messages, tools)
        return Example(
            name,
            "train",
            {"messages": row["messages"]},
            row["answer"],
            {},
            "f",
            1,
            row["references"],
        )

    talk = [user("hi"), assistant("yes?"), user("Emma?"), assistant(None, CALLED)]
    own = example("a", [{"role": "system", "content": "Own."}, *talk], TOOLS)
    plain = example("b", [user("bye"), assistant("Bye.")])
    prompt = PromptLibrary(Path(".")).get("tasks/chat.md")
    asked = PromptedTask(task=view("chat", description="Desk."), prompt=prompt.name)
    prompts = StudentPrompts(asked, prompt, [own, plain])
    assert [turn.role for turn in prompts(own)] == ["tools", "system", "user", "assistant", "user"]
    assert prompts(own)[1].content == "Own."
    assert prompts(plain) == (Message("system", "Desk."), Message("user", "bye"))
    assert prompts.said(own) == ("", (json.dumps(CALL),))
    assert "<tool_call>" in prompts.completion(own)
    shown = PromptedTask(task=asked.task, prompt=prompt.name, shots=Shots(n=1))
    dialogue = StudentPrompts(shown, prompt, [own, plain])(plain)
    assert [turn.role for turn in dialogue] == [
        "system",
        "user",
        "assistant",
        "user",
        "call",
        "user",
    ]
    assert dialogue[0].content == "Desk."


def test_what_is_compared_and_shown_leaves_the_setting_out() -> None:
    row = read([{"role": "system", "content": "Be kind."}, user("Emma?"), assistant("x")], TOOLS)
    inputs = {"messages": row["messages"]}
    assert TASKS["chat"].text_of(inputs) == "Emma?"
    assert (
        row_block(inputs)
        == "<row>\nmessages: [tools] find, hours\n[system] Be kind.\n[user] Emma?\n</row>"
    )
    assert "- find(title: string, kind?: string)" in CHAT.answer_form(task(inputs))


def test_a_written_conversation_stands_under_the_setting_of_its_row() -> None:
    row = read([{"role": "system", "content": "Be kind."}, user("Emma?"), assistant("x")], TOOLS)
    seed = {"messages": row["messages"]}
    one = task(seed)
    schema = {
        "type": "object",
        "properties": {"m": CHAT.input_schema(one, 900), "t": CHAT.target_schema(one, 90)},
    }
    written = [
        user("Hi"),
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "content": "in"},
    ]
    assert read_reply(json.dumps({"m": written, "t": [CALL]}), schema).error is None
    for wrong in ({"name": "fly", "arguments": {}}, {"name": "hours", "arguments": {"day": "sun"}}):
        bad = [user("Hi"), {"role": "assistant", "tool_calls": [wrong]}]
        assert read_reply(json.dumps({"m": bad, "t": [wrong]}), schema).error == "schema"
    assert unbounded({**schema, "additionalProperties": False}) == []
    inputs = CHAT.inputs_read({"messages": written}, seed)
    assert [turn.role for turn in turns_in(inputs["messages"])] == [
        "tools",
        "system",
        "user",
        "call",
        "tool",
    ]
    assert CHAT.inputs_as_written(inputs) == {"messages": written}
    assert CHAT.malformed(inputs, "It is in.", one) is None
    for messages, why in (
        ([user("Hi"), assistant("Yes?")], "ends on the assistant's turn"),
        ([user("Hi"), {"role": "tool", "content": "in"}], "nothing was called"),
        (
            [user("Hi"), assistant(None, {"name": "fly", "arguments": {}}), answer_of(None, "x")],
            "none of its tools",
        ),
    ):
        made = CHAT.inputs_read({"messages": messages}, seed)
        assert why in str(CHAT.malformed(made, "Fine.", one))
    assert "is none of its tools" in str(CHAT.malformed(inputs, call("fly"), one))


def test_only_what_users_say_may_be_changed_and_no_word_of_a_call() -> None:
    seed = read([user("is emma there?"), assistant(None, CALLED)], TOOLS)
    fixed = CHAT.fixed({"messages": seed["messages"]}, seed["answer"], PARAMS)["messages"]
    assert "emma" in fixed
    assert not any("there" in part for part in fixed)
    wrong = CHAT.corrupted(
        {"messages": seed["messages"]}, seed["answer"], [call("find", title="Ulysses")], task()
    )
    assert wrong not in (None, seed["answer"])


def test_tools_are_told_in_words_where_nothing_else_is_known() -> None:
    turns = [
        Message("tools", json.dumps(TOOLS)),
        Message("user", "Emma?"),
        Message("assistant", "I look."),
        Message("call", json.dumps(CALL)),
        Message("tool", "in"),
        Message("user", "Thanks"),
    ]
    told = in_words(turns)
    assert [turn.role for turn in told] == ["system", "user", "assistant", "user", "user"]
    assert json.dumps(TOOLS[1]) in told[0].content
    assert told[2].content == f"I look.\n<tool_call>\n{json.dumps(CALL)}\n</tool_call>"
    assert told[3].content == "<tool_response>\nin\n</tool_response>"
    messages = native(turns, parsed=False).messages
    assert messages[1]["tool_calls"][0]["function"] == {
        "name": "find",
        "arguments": '{"title": "Emma"}',
    }
    (called,) = messages[1]["tool_calls"]
    assert messages[2] == {
        "role": "tool", "tool_call_id": called["id"], "name": "find", "content": "in"
    }  # fmt: skip


def test_reading_changes_no_message() -> None:
    messages = [user("Emma?"), assistant(None, CALLED)]
    before = copy.deepcopy(messages)
    read(messages, TOOLS)
    assert messages == before


@pytest.mark.parametrize(("title", "fits"), [("Emma", True), (3, False)])
def test_arguments_that_a_definition_has_elsewhere_are_known(title: Any, fits: bool) -> None:
    of_find = {"type": "object", "properties": {"title": {"type": "string"}}}
    parameters = {"$ref": "#/$defs/find", "$defs": {"find": of_find}}
    tools = [{"type": "function", "function": {"name": "find", "parameters": parameters}}]
    why = invalid({"name": "find", "arguments": {"title": title}}, tools)
    assert (why is None) == fits
