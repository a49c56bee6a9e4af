"""Each task kind by itself: what is right for a row, how answers are read, what a well-formed row is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from engine.backends.protocol import (
    LabelAnswer,
    Likelihood,
    Message,
    Progress,
    Sampling,
    Student,
    Written,
)
from engine.metrics import METRICS, Answered
from engine.metrics.numeric_match import Params as NumericParams
from engine.numbers import number_in, written
from engine.operators import find_operators
from engine.rows import Example, Split
from engine.spec.prompts import PromptLibrary
from engine.stages.task_view import PromptedTask, Shots, StudentPrompts
from engine.tasks import TASKS, Asked, Task, TaskKind, answers
from engine.tasks.multiple_choice import LETTERS, SPARE
from engine.tasks.numeric import last_result
from tests.stages.views import view


class Saying(Student):
    """A student that says given texts, whatever it is asked; with `nats` it also compares."""

    def __init__(
        self, *texts: str, nats: Sequence[Sequence[float]] = (), failure: str = ""
    ) -> None:
        self.texts, self.nats, self.failure = texts, nats, failure
        self.schema: Mapping[str, Any] | None = None
        self.max_tokens = 0
        self.asked: list[tuple[int, tuple[str, ...]]] = []
        """How many prompts were given which labels to choose from."""

    @property
    def likelihoods(self) -> bool:
        return bool(self.nats)

    def with_adapter(self, adapter: Path) -> Student:
        return self

    def write(
        self,
        prompts: Iterable[tuple[Message, ...]],
        max_tokens: int,
        schema: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        sampling: Sampling | None = None,
    ) -> list[Written]:
        self.max_tokens, self.schema = max_tokens, schema
        return [Written(text, self.failure) for text in self.texts]

    def compare(
        self,
        prompts: Sequence[tuple[Message, ...]],
        answers: Sequence[Sequence[str]],
        progress: Progress | None = None,
    ) -> list[list[Likelihood]]:
        return [[Likelihood(nats, 3) for nats in each] for each in self.nats]

    def choose(
        self,
        prompts: Sequence[tuple[Message, ...]],
        labels: Sequence[str],
        progress: Progress | None = None,
    ) -> list[LabelAnswer]:
        self.asked.append((len(prompts), tuple(labels)))
        best = [labels[-1]] * len(prompts)
        if self.nats[0]:
            best = [labels[max(range(len(labels)), key=nats.__getitem__)] for nats in self.nats]
        return [LabelAnswer(label, 0.5) for label in best]


def task(kind: str, labels: Sequence[str] = (), **params: Any) -> tuple[TaskKind, Task]:
    found = TASKS[kind]
    return found, Task(tuple(labels), found.params.model_validate(params))


def about(*rows: Mapping[str, str]) -> Asked:
    return Asked(rows, lambda: [(Message("user", "?"),)] * len(rows))


def asked(count: int, **inputs: str) -> Asked:
    return about(*[inputs] * count)


def read(
    kind: str, *texts: str, inputs: Mapping[str, str] | None = None, **params: Any
) -> list[Any]:
    found, one = task(kind, params.pop("labels", ()), **params)
    rows = asked(len(texts), **(inputs or {"text": "x"}))
    return [(a.answer, a.status) for a in answers(found, Saying(*texts), rows, one)]


@pytest.mark.parametrize("kind", TASKS.values(), ids=lambda kind: kind.name)
def test_a_student_that_cannot_be_asked_is_not_wrong(kind: TaskKind) -> None:
    params: dict[str, dict[str, Any]] = {
        "extraction": {"context": "text"},
        "structured": {"json_schema": {"type": "boolean"}},
    }
    found, one = task(kind.name, ["a", "b"], **params.get(kind.name, {}))
    student = Saying("whatever", failure="no connection")
    (answer,) = answers(found, student, asked(1, text="A. x\nB. y"), one)
    assert (answer.answer, answer.status) == (None, "backend_failed")


# Classification.


def test_labels_are_read_apart_from_case_and_what_stands_around() -> None:
    said = read(
        "classification",
        " Balance.\n",
        '"lost_card"',
        "no idea",
        "",
        labels=["balance", "lost_card"],
    )
    assert said == [
        ("balance", "ok"),
        ("lost_card", "ok"),
        (None, "unparsable"),
        (None, "unparsable"),
    ]


def test_many_labels_are_a_set() -> None:
    kind, one = task("classification", ["a", "b", "c"], many=True)
    assert kind.reference({}, ["b", "a", "b"], one.params).references == ('["a", "b"]',)
    assert kind.reference({}, "b, a", one.params).target == '["a", "b"]'
    assert kind.completion({}, '["a", "b"]', one.params) == "a, b"
    assert kind.completion({}, "[]", one.params) == "none"
    said = read("classification", "b, A", "none", "a, d", labels=["a", "b", "c"], many=True)
    assert said == [('["a", "b"]', "ok"), ("[]", "ok"), (None, "unparsable")]
    assert kind.malformed({"text": "x"}, '["a", "d"]', one) == "'d' is not one of the 3 labels"


def test_many_labels_are_a_json_text_or_have_commas_between_them_and_none_in_them() -> None:
    kind, one = task("classification", ["a", "b"], many=True)
    assert kind.reference({}, '["b", "a"]', one.params).target == '["a", "b"]'
    for wrong, why in (["x, y", "b"], "'x, y' has a comma"), ("[a, b]", "is none"):
        with pytest.raises(ValueError, match=why):
            kind.reference({}, wrong, one.params)


def test_labels_that_differ_in_case_or_marks_alone_are_told_apart() -> None:
    labels = ["*", "**", "US", "us"]
    said = read("classification", "**", "*", "us", "US", "", labels=labels)
    assert [answer for answer, _ in said] == ["**", "*", "us", "US", None]
    said = read("classification", "none", "none, US", labels=["none", "US"], many=True)
    assert [answer for answer, _ in said] == ['["none"]', '["US", "none"]']


# Multiple choice.

LIST = ["a red box", "a blue box", "no box"]
BBH = "What is the date?\nOptions:\n(A) 12/11/1937\n(B) 12/25/1937\n(C) 01/04/1938"


def test_options_come_from_a_list_or_stand_in_the_text() -> None:
    kind, one = task("multiple_choice", options="choices")
    shown = kind.shown("choices", LIST, one.params)
    assert shown == "A. a red box\nB. a blue box\nC. no box"
    inputs = {"question": "Which?", "choices": shown}
    for right in ("B", "(b)", "a blue box"):
        assert kind.reference(inputs, right, one.params).references == ("B",)
    text, plain = task("multiple_choice")
    assert text.reference({"input": BBH}, "(C)", plain.params).target == "C"
    windows = BBH.replace("\n", "\r\n")
    assert text.reference({"input": windows}, "12/25/1937", plain.params).target == "B"
    with pytest.raises(ValueError, match="the option B of choices is empty"):
        kind.shown("choices", ["x", " ", "z"], one.params)


@pytest.mark.parametrize(
    ("inputs", "target", "why"),
    [
        ({"text": "no options here"}, "A", "0 options were found"),
        ({"text": "A. x\nB. X"}, "A", "given twice"),
        ({"text": "A. x\nB. y"}, "C", "neither the letter nor the text of one of the 2 options"),
    ],
)
def test_a_choice_without_one_right_option_is_refused(
    inputs: dict[str, str], target: str, why: str
) -> None:
    kind, one = task("multiple_choice")
    with pytest.raises(ValueError, match=why):
        kind.reference(inputs, target, one.params)
    assert kind.malformed(inputs, target, one)


def test_a_written_choice_is_read_from_its_beginning() -> None:
    said = [
        "B",
        "(B) 12/25/1937",
        "The answer is (C).",
        "12/11/1937",
        "a while ago",
        "D",
        "Because B.",
        "**B**",
        "B\n\nBecause it is.",
        "So the correct answer is C.",
        r"The final answer is $\boxed{A}$.",
        "The answer is 12/11/1937.",
        "a, b and c",
    ]
    found = read("multiple_choice", *said, inputs={"input": BBH}, answer="generation")
    right = ["B", "B", "C", "A", None, None, None, "B", "B", "C", "A", "A", None]
    assert [answer for answer, _ in found] == right


@pytest.mark.parametrize(("say", "answer"), [("letter", "A"), ("text", "B")])
def test_a_letter_that_is_an_options_text_too_is_what_the_student_is_to_say(
    say: str, answer: str
) -> None:
    inputs = {"input": "Blood groups:\nA. B\nB. A"}
    found = read("multiple_choice", "A", inputs=inputs, answer="generation", say=say)
    assert found == [(answer, "ok")]


def test_per_character_is_as_acc_norm_whatever_the_script() -> None:
    inputs = {"choices": "A. жук\nB. bugs"}
    kind, one = task("multiple_choice", options="choices", say="text", per_character=True)
    (answer,) = answers(kind, Saying("", nats=[[-3.3, -4.0]]), asked(1, **inputs), one)
    assert answer.answer == "B", "-1.1 and -1.0 a character, as lm-evaluation-harness counts"


def test_texts_are_compared_whole_or_per_character() -> None:
    inputs = {"question": "Which?", "choices": "A. box\nB. a very long box\nC. no"}
    nats = [[-4.0, -9.0, -3.5]]
    for per_character, best in ((False, "C"), (True, "B")):
        kind, one = task(
            "multiple_choice", options="choices", say="text", per_character=per_character
        )
        (answer,) = answers(kind, Saying("", nats=nats), asked(1, **inputs), one)
        assert answer.answer == best
        assert 0 < (answer.confidence or 0) < 1
        # Characters, not bytes: six bytes would make the first the better one.
        inputs_too = {"question": "Which?", "choices": "A. ééé\nB. abcd"}
        (answer,) = answers(kind, Saying("", nats=[[-4.0, -3.9]]), asked(1, **inputs_too), one)
        assert answer.answer == "B"
    assert kind.completion(inputs, "B", one.params) == "a very long box"
    assert TASKS["multiple_choice"].problems(task("multiple_choice", per_character=True)[1].params)


def test_letters_are_compared_among_the_rows_own() -> None:
    kind, one = task("multiple_choice")
    two, three = {"text": "A. x\nB. y"}, {"text": "A. x\nB. y\nC. z"}
    rows = about(two, three, two)
    student = Saying("", nats=[[]])
    assert [a.answer for a in answers(kind, student, rows, one)] == ["B", "C", "B"]
    assert student.asked == [(2, ("A", "B")), (1, ("A", "B", "C"))]


def test_more_options_than_letters_are_no_crash() -> None:
    lines = "\n".join(f"{letter}. option {letter}" for letter in LETTERS)
    kind, one = task("multiple_choice")
    assert kind.reference({"text": f"{lines}\nA. once more"}, "Z", one.params).target == "Z"


def test_the_longest_answer_of_all_rows_has_room() -> None:
    rows = about({"text": "A. x\nB. y"}, {"text": f"A. {'x' * 90}\nB. y"})
    for say, most in (("text", 90 + SPARE), ("letter", SPARE)):
        kind, one = task("multiple_choice", answer="generation", say=say)
        student = Saying("A", "A")
        answers(kind, student, rows, one)
        assert student.max_tokens == most


@pytest.mark.parametrize("kind", TASKS.values(), ids=lambda kind: kind.name)
def test_nothing_is_asked_about_no_rows(kind: TaskKind) -> None:
    assert answers(kind, Saying(nats=[[]]), about(), Task((), None)) == []


# Extraction.


def test_spans_must_stand_in_the_context_and_any_of_them_is_right() -> None:
    kind, one = task("extraction", context="context")
    inputs = {"context": "It was built in 1887 by Gustave Eiffel.", "question": "When?"}
    right = kind.reference(inputs, ["1887", "in 1887", "1887"], one.params)
    assert (right.target, right.references) == ("1887", ("1887", "in 1887"))
    with pytest.raises(ValueError, match="'1888' does not occur in context"):
        kind.reference(inputs, "1888", one.params)
    assert kind.malformed(inputs, "Gustave Eiffel", one) is None
    assert kind.malformed(inputs, "Eiffel, Gustave", one) == "the target does not occur in context"
    assert read("extraction", " 1887\nbecause", "", context="text") == [
        ("1887", "ok"),
        (None, "unparsable"),
    ]


# Numeric.


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Natalia sold 48/2 = <<48/2=24>>24 clips.\n#### 72", "72"),
        ("#### 1,234.50", "1234.5"),
        (r"so \boxed{-3/4} it is, 12", "-0.75"),
        (r"\boxed{\frac{1}{3}}, so", "1/3"),
        ("it takes 1 3/4 hours", "1.75"),
        ("about -2.5e3 units", "-2500"),
        ("1e-05", "0.00001"),
        ("10-12", "12"),
        ("5 - 3 = 2", "2"),
        ("#### ", None),
        ("so #### 18\n\nQuestion: how many?\nThere are #### 5", "18"),
        ("#### Step 1\nadd 3\n#### **7**", "7"),
        ("#### 5\n####", "5"),
        ("#### the answer is 5, not 6", "5"),
        ("It is $5, no, $1,000.", "1000"),
        ("a loss of -$5", "-5"),
        ("a loss of COVID-19", "19"),
        (r"\boxed{3\frac{1}{2}}", "3.5"),
        (r"that is -3\tfrac{1}{2}", "-3.5"),
        ("#### $18.", "18"),
        ("about .5", "0.5"),
        ("none at all", None),
        ("#### many", None),
    ],
)
def test_the_final_number(text: str, number: str | None) -> None:
    status = "unparsable" if number is None else "ok"
    assert read("numeric", text) == [(number, status)]


@pytest.mark.parametrize("number", ["72", "3.5", "1/3", "-0.75", "0", "1/7", "-12/11"])
def test_a_number_is_written_as_it_is_read(number: str) -> None:
    value = number_in(number)
    assert value is not None
    assert written(value) == number


def test_small_numbers_are_written_exactly() -> None:
    for exponent in range(1, 70):
        number = Fraction(-3, 2**exponent)
        assert Fraction(written(number)) == number


@pytest.mark.parametrize("said", ["1e250", "#### 1e-999/1e999", "1/" + str(2**650)])
def test_what_is_read_is_written_and_read_again_however_long(said: str) -> None:
    ((answer, status),) = read("numeric", said)
    assert status == "ok"
    assert METRICS["numeric_match"].score(Answered(answer, (answer,), said), NumericParams()) == 1.0


def test_a_rationale_must_come_to_its_answer() -> None:
    kind, one = task("numeric")
    inputs = {"question": "How many?"}
    right = "He has 3+4 = <<3+4=7>>7 apples.\n#### 7"
    assert kind.reference(inputs, right, one.params).references == ("7",)
    assert kind.completion(inputs, right, one.params) == right
    assert kind.malformed(inputs, right, one) is None
    wrong = "He has 3+4 = <<3+4=7>>7 apples.\n#### 8"
    assert kind.malformed(inputs, wrong, one) == "the reasoning comes to 7, the answer is 8"
    assert kind.malformed(inputs, "He has 2 * 3.50 = 7.0 dollars\n#### 7", one) is None
    assert kind.malformed(inputs, "#### 8", one) is None
    assert kind.malformed(inputs, "3 = 3, of 6 that is 3/6 = 1/2\n#### 1/2", one) is None
    assert kind.malformed(inputs, "46 = 46 bags, 46*7kg = 322kg\n#### 322", one) is None
    assert last_result("nothing is calculated") is None


# Structured.

SLOTS = {
    "type": "object",
    "properties": {
        "people": {"type": "string", "maxLength": 40},
        "date": {"type": "string", "maxLength": 40},
    },
    "additionalProperties": False,
}


def test_objects_are_right_in_any_order_of_their_keys() -> None:
    kind, one = task("structured", json_schema=SLOTS)
    right = kind.reference({}, {"people": "5", "date": "now"}, one.params)
    assert right.references == ('{"date": "now", "people": "5"}',)
    assert kind.reference({}, '{"people":"5","date":"now"}', one.params) == right
    with pytest.raises(ValueError, match="does not fit the schema"):
        kind.reference({}, {"place": "here"}, one.params)
    assert kind.malformed({"text": "x"}, '{"people": 5}', one) is not None
    block = '```json\n{"people": "5"}\n```'
    said = read("structured", ' {"people": "5"} ', block, "people: 5", json_schema=SLOTS)
    assert said == [('{"people": "5"}', "ok")] * 2 + [(None, "unparsable")]


@pytest.mark.parametrize("constrained", [False, True])
def test_the_student_is_constrained_where_the_recipe_says_so(constrained: bool) -> None:
    kind, one = task("structured", json_schema=SLOTS, constrained=constrained)
    student = Saying("{}")
    answers(kind, student, asked(1, text="x"), one)
    assert (student.schema == SLOTS) == constrained


def test_a_schema_without_bounds_or_none_at_all_is_refused() -> None:
    kind, one = task(
        "structured", json_schema={"type": "object", "properties": {"a": {"type": "string"}}}
    )
    said = kind.problems(one.params)
    assert any("$.a: a string without maxLength" in each for each in said)
    for wrong in ({"type": "text"}, {"type": "string", "pattern": "^(a$"}):
        kind, one = task("structured", json_schema=wrong)
        assert "is no JSON Schema" in kind.problems(one.params)[0]


@pytest.mark.parametrize("to", ["#/$defs/none", "http://127.0.0.1:9/x.json", "file:///etc/hosts"])
def test_a_schema_refers_to_nothing_but_its_own_definitions(to: str) -> None:
    own = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string", "maxLength": 5}}}
    kind, one = task("structured", json_schema=own)
    assert kind.problems(one.params) == []
    kind, one = task("structured", json_schema={**own, "$ref": to})
    assert kind.problems(one.params) == [f"json_schema has a $ref to what is not in it: {to}"]


# Generation.


def test_text_is_taken_as_it_is() -> None:
    assert read("generation", " Hello there.\n", "\n") == [
        ("Hello there.", "ok"),
        (None, "unparsable"),
    ]
    kind, one = task("generation")
    assert kind.reference({}, ["one", "two"], one.params).references == ("one", "two")
    with pytest.raises(ValueError, match="empty"):
        kind.reference({}, "", one.params)


@pytest.mark.parametrize("kind", ["classification", "extraction", "numeric", "generation"])
def test_values_with_parts_are_not_texts(kind: str) -> None:
    params = {"context": "c"} if kind == "extraction" else {}
    found, one = task(kind, **params)
    with pytest.raises(ValueError, match="make one of it in `columns`"):
        found.shown("text", {"a": 1}, one.params)
    assert found.shown("text", 5, one.params) == "5"


def test_a_written_target_has_a_schema_that_ends() -> None:
    from engine.backends.structured import unbounded

    for kind in TASKS.values():
        params: dict[str, Any] = {"context": "c"} if kind.name == "extraction" else {}
        if kind.name == "structured":
            params = {"json_schema": SLOTS}
        _, one = task(kind.name, ["a"], **params)
        assert unbounded(kind.target_schema(one, 100)) == [], kind.name
        assert unbounded(kind.input_schema(one, 100)) == [], kind.name


def test_a_solution_may_be_as_long_as_the_student_may_answer() -> None:
    """Bare numbers as targets leave room for the reasoning that is written for them."""
    kind = TASKS["numeric"]
    task = Task((), kind.params.model_validate({"max_tokens": 200}))
    assert kind.target_schema(task, 40)["maxLength"] == 600
    assert kind.target_schema(task, 900)["maxLength"] == 900


def test_json_is_read_as_strictly_as_replies_are() -> None:
    assert read("structured", json.dumps({"a": 1})[:-1] + ', "a": 2}', json_schema=SLOTS) == [
        (None, "unparsable")
    ]


def test_as_many_rows_are_shown_before_each_and_never_one_with_its_inputs() -> None:
    def row(split: Split, text: str, target: str) -> Example:
        return Example(f"{split}{text}{target}", split, {"text": text}, target, {}, "f", 1)

    train = [row("train", f"t{i}", "ab"[i % 2]) for i in range(6)]
    own = [row("validation", t.inputs["text"], "b") for t in train]
    prompt = PromptLibrary(Path(".")).get("tasks/classification.md")
    shown = PromptedTask(task=view("classification"), prompt=prompt.name, shots=Shots(n=2))
    prompts = StudentPrompts(shown, prompt, [*train, *own])
    for example in (*train, *own):
        turns = prompts(example)
        said = [turn.content.strip() for turn in turns if turn.role == "user"]
        assert len(said) == 3
        assert said.count(example.inputs["text"]) == 1


@pytest.mark.parametrize(
    ("name", "params", "target", "kept"),
    [
        ("classification", {}, "yes", ""),
        ("generation", {}, "Good evening.", ""),
        ("multiple_choice", {}, "B", "the options as they are"),
        ("extraction", {"context": "page"}, "in 1912", 'the words "in 1912" in page'),
        ("numeric", {}, "2+2=4\n#### 4", "the numbers and names that the target uses"),
    ],
)
def test_a_rewording_is_told_what_the_answer_needs(
    name: str, params: dict[str, Any], target: str, kept: str
) -> None:
    kind = TASKS[name]
    settings = kind.params.model_validate(params)
    assert kind.kept(target, settings) == kept
    prompt = find_operators(None)["paraphrase"].prompt("small")
    row = {"row": {"text": "x"}, "count": 2, "feedback": ""}
    said = prompt.render({**row, "keep": kept})[-1][1].rstrip().splitlines()[-1]
    wanted = f"2 that say the same, with {kept}:" if kept else "2 short ones that say the same:"
    assert said == wanted
