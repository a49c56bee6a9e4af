"""One number, or one line of a spool, never makes a store unusable, and no paid reply is lost by it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import orjson
import pytest
import typer
from typer.testing import CliRunner

from engine import gate
from engine.backends import anthropic
from engine.backends.http.exchange import count, retry_after
from engine.backends.openai_answers import read
from engine.bounds import LARGEST, SMALLEST
from engine.cli.app import app
from engine.cli.compare import numbers
from engine.errors import EngineError, RecipeError
from engine.operators.definition import Definition
from engine.plan.schema import recipe_schema
from engine.plan.validate import check_recipe
from engine.project import Project
from engine.spec.loader import load
from engine.spec.method import Method
from engine.spec.recipe import TaxonomyFile
from engine.spec.reply_schemas import SchemaLibrary
from engine.store import Store, rows
from engine.store.columns import record_types, table_columns
from engine.store.file import FILE
from engine.store.migrate import create
from engine.store.spool import segments
from tests.security.test_gate import RECIPE, ROWS, line
from tests.store.small import call, example, info, start

BIG = 3_000_000_000

# Numbers of a recipe, and of what it names.


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A recipe with its rows."""
    (tmp_path / "pada.yaml").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train.jsonl").write_text(ROWS, "utf-8")
    return tmp_path / "recipe.yaml"


def problems(recipe: Path) -> list[str]:
    try:
        found = check_recipe(load(recipe))
    except RecipeError as error:
        found = error.problems
    return [str(problem) for problem in found if problem.level == "error"]


@pytest.mark.parametrize(
    ("words", "instead", "said"),
    [
        ("", "seeds: [2147483648]\n", "seeds[0] must be at most 2147483647, not 2147483648"),
        ("", f"seeds: [0, {10**29}]\n", "seeds[1] must be at most 2147483647"),
        ("", f"loop: {{rounds: {BIG}}}\n", "loop.rounds must be at most 100"),
        ("", f"loop: {{stop: {{patience: {BIG}}}}}\n", "patience must be at most 2147483647"),
        ("", f"budget: {{calls: {BIG}}}\n", "budget.calls must be at most 2147483647"),
        ("", f"train: {{steps: {BIG}}}\n", "train.steps must be at most 2147483647"),
        ("", "train: {epochs: 1.0e+308}\n", "train.epochs must be at most 100000"),
        ("", f"patterns: {{diagnose: {BIG}}}\n", "patterns.diagnose must be at most 2147483647"),
        ("", f"failures: {{limit: {BIG}}}\n", "failures.limit must be at most 2147483647"),
        ("augment: {", f"augment: {{rows_per_round: {BIG}, ", "rows_per_round must be at most"),
        ("augment: {", f"augment: {{quotas: [{{by: label, at_least: {BIG}}}], ", "whole number"),
        ("train.jsonl}", f"train.jsonl, limit: {BIG}}}", "data.train.limit must be at most"),
        ("train.jsonl}", f"train.jsonl, sample: {{n: {BIG}}}}}", "sample.n must be at most"),
        ("[accuracy]", f"[{{name: a, judge: {{rubric: A., scale: [1, {BIG}]}}}}]", "at most 100"),
        ("model: student}", f"model: student, fail_every: {BIG}}}", "fail_every must be at most"),
    ],
)  # fmt: skip
def test_a_number_of_a_recipe(words: str, instead: str, said: str, project: Path) -> None:
    text = RECIPE.replace(words, instead, 1) if words else RECIPE + instead
    project.write_text(text, "utf-8")
    found = problems(project)
    assert len(found) == 1
    assert said in found[0]
    assert f"{line(text, instead.strip())}:" in found[0]


def integers(schema: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the places of a JSON Schema where whole numbers may stand."""
    if isinstance(schema, dict):
        if schema.get("type") == "integer":
            yield place, schema
        for key, part in schema.items():
            yield from integers(part, f"{place}/{key}")
    elif isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from integers(part, f"{place}/{index}")


@pytest.mark.parametrize(
    "schema",
    [recipe_schema, *(kind.model_json_schema for kind in (Method, Definition, TaxonomyFile))],
)
def test_every_whole_number_of_a_schema_has_a_largest_one(
    schema: Callable[[], dict[str, Any]],
) -> None:
    wide = {"/$defs/Budget/properties/tokens/anyOf/0/anyOf/0"}
    found = list(integers(schema()))
    assert found
    for place, part in found:
        if not {"const", "enum"} & part.keys() and place not in wide:
            assert part.get("maximum", 2**63) <= LARGEST, place


def test_the_columns_of_the_store_take_what_the_bounds_let_pass(
    tmp_path: Path, empty_store: Path
) -> None:
    columns = rows(planted(tmp_path), "SELECT * FROM duckdb_columns()")
    types = {(row["table_name"], row["column_name"]): row["data_type"] for row in columns}
    for table in record_types():
        for column in table_columns(table):
            if column.kind == "int":
                assert types[table, column.name] in {"INTEGER", "BIGINT"}
    assert types["example", "line"] == "BIGINT"


def _verbs(of: typer.Typer) -> Iterator[Callable[..., Any]]:
    """Yield the functions of an app's verbs, and of the apps in it."""
    callbacks = [command.callback for command in of.registered_commands]
    for group in of.registered_groups:
        if (inner := group.typer_instance) is not None:
            yield from _verbs(inner)
            callbacks += [inner.registered_callback.callback] if inner.registered_callback else []
    yield from (inspect.unwrap(callback) for callback in callbacks if callback is not None)


def test_every_whole_number_of_the_command_line_has_a_largest_one() -> None:
    options = [
        (verb.__name__, name, option)
        for verb in _verbs(app)
        for name, hint in get_type_hints(verb, include_extras=True).items()
        if get_origin(hint) is Annotated
        and int in (get_args(hint)[0], *get_args(get_args(hint)[0]))
        for option in get_args(hint)[1:]
    ]
    assert len(options) > 10
    for verb, name, option in options:
        assert option.max is not None, (verb, name)
        assert option.max <= LARGEST


@pytest.mark.parametrize(
    "words",
    [["run", "r.yaml", "--limit", str(BIG)], ["plan", "r.yaml", "--limit", "9" * 5000],
     ["clean", "--keep", str(BIG)], ["calls", "--limit", str(BIG)]],
)  # fmt: skip
def test_a_number_of_the_command_line(words: list[str]) -> None:
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 2
    assert words[-2] in said.output
    assert "Traceback" not in said.output


@pytest.mark.parametrize("text", ["0,2147483648", "9" * 5000])
def test_seeds_of_a_comparison(text: str) -> None:
    with pytest.raises(EngineError, match=f"larger than {LARGEST}") as error:
        numbers(text, "--seeds")
    assert error.value.hint
    assert len(error.value.message) < 200


@pytest.mark.parametrize("limit", [BIG, 0, -1])
def test_a_limit_from_python(limit: int, project: Path) -> None:
    project.write_text(RECIPE, "utf-8")
    with pytest.raises(EngineError, match=f"limit={limit}"):
        Project.open(project, limit=limit)


@pytest.mark.parametrize(
    "confidence",
    [
        {"type": "integer"},
        {"type": "integer", "minimum": 1, "maximum": BIG},
        {"type": "string"},
        {"type": "integer", "minimum": 1},
    ],
)
def test_a_reply_s_number_by_a_schema_of_the_recipe_s_own(
    confidence: dict[str, Any], tmp_path: Path
) -> None:
    library = SchemaLibrary(tmp_path)
    schema = json.loads(json.dumps(library.get("diagnosis", "standard")))
    schema["properties"]["diagnoses"]["items"]["properties"]["confidence"] = confidence
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/diagnosis.schema.json").write_text(json.dumps(schema), "utf-8")
    with pytest.raises(
        RecipeError, match=r"'diagnoses\[\]\.confidence' be other than a whole"
    ) as e:
        SchemaLibrary(tmp_path).get("diagnosis", "standard")
    assert "schemas/diagnosis.schema.json" in str(e.value)


# Numbers of replies.


@pytest.mark.parametrize(
    ("said", "counted"),
    [(LARGEST, LARGEST), (BIG, None), (10**400, None), (-1, None), (1.5, None), (True, None), ("7", None), (0, 0)],
)  # fmt: skip
def test_a_number_of_tokens(said: object, counted: int | None) -> None:
    assert count({"n": said}, "n") == counted


def test_a_reply_with_impossible_usage_is_a_reply() -> None:
    usage = {
        "prompt_tokens": BIG,
        "completion_tokens": 10**30,
        "prompt_tokens_details": {"cached_tokens": BIG},
        "completion_tokens_details": {"reasoning_tokens": BIG},
    }
    answer = {
        "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}],
        "usage": usage,
    }
    exchange = read(200, {}, json.dumps(answer).encode())
    assert (exchange.kind, exchange.text) == ("reply", "yes")
    assert set(exchange.usage) == {None}


def test_numbers_that_are_too_many_together() -> None:
    usage = dict.fromkeys(
        ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"), LARGEST
    )
    answer = {
        "content": [{"type": "text", "text": "yes"}],
        "stop_reason": "end_turn",
        "usage": {**usage, "output_tokens": 1},
    }
    exchange = anthropic.read(200, {}, json.dumps(answer).encode())
    assert exchange.text == "yes"
    assert (exchange.usage.prompt_tokens, exchange.usage.completion_tokens) == (None, 1)


@pytest.mark.parametrize(
    "header",
    ["Mon, 01 Jan 2024 00:00:00 +99999999999999", "Mon, 01 Jan 99999999999 00:00:00 GMT", "nan"],
)
def test_when_to_come_back(header: str) -> None:
    assert not retry_after({"Retry-After": header})


# Lines of the spool.


def planted(tmp_path: Path) -> Path:
    """Return a state folder with a store."""
    state = tmp_path / ".pada"
    gate.own_state(state)
    create(state / FILE)
    return state


def call_line(number: int, **changed: Any) -> bytes:
    from engine.store.columns import line as written
    from engine.store.columns import values_of

    names = [column.name for column in table_columns("llm_call")]
    values = values_of(call(number))
    for name, value in changed.items():
        values[names.index(name)] = value
    return written("llm_call", values)


def _short(text: bytes, kept: int) -> bytes:
    return orjson.dumps(orjson.loads(text)[:kept]) + b"\n"


BROKEN = {
    "a count": (call_line(9, prompt_tokens=BIG), "llm_call.prompt_tokens is 3000000000, which is more"),
    "a small count": (call_line(9, cached_tokens=SMALLEST - 1), "llm_call.cached_tokens is -2147483649"),
    "text for a number": (call_line(9, seconds="long"), 'llm_call.seconds is not a number: "long"'),
    "no value": (call_line(9, max_tokens=None), "llm_call.max_tokens has no value"),
    "no time": (call_line(9, created="tomorrow"), 'llm_call.created is not a time: "tomorrow"'),
    "no JSON inside": (call_line(9, messages="[{"), "llm_call.messages is not a JSON text"),
    "true for a number": (call_line(9, attempt=True), "llm_call.attempt is not a whole number: true"),
    "too few values": (_short(call_line(9), 4), "llm_call.role has no value"),
    "no values": (b'["llm_call"]\n', "this is not as the engine writes a row"),
    "another table": (b'["secrets","x",1]\n', 'there is no table "secrets"'),
    "a table of SQL": (b'["llm_call\\";DROP TABLE run;--",1]\n', "there is no table"),
    "broken JSON": (b'["llm_call","a",{broken]\n', "this is not JSON"),
    "no JSON": (b"Traceback (most recent call last):\n", "this is not JSON"),
    "no list": (b'{"llm_call": 1}\n', "this is no list that begins with a table's name"),
    "other spaces": (b" " + call_line(9), "this is not as the engine writes a row"),
    "bytes": (call_line(9).replace(b"stop", b"\xff"), "this is not JSON"),
    "depth": (b'["llm_call",' + b"[" * 2000 + b"]" * 2000 + b"]\n", "this is not JSON"),
    "a node of nothing": (b'["node","x"]\n', "node.name has no value"),
}  # fmt: skip


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A state folder whose spool had a segment for each kind of broken line, and what was said when it was opened."""
    state = planted(tmp_path_factory.mktemp("broken"))
    folder = state / "spool/r0001"
    folder.mkdir(parents=True)
    for number, (text, _) in enumerate(BROKEN.values(), 1):
        file = folder / f"{number:06d}-00000000.jsonl"
        file.write_bytes(call_line(100 + number) + text + call_line(200 + number))
    said: list[str] = []
    Store.open(state, notice=said.append)
    return state, said


@pytest.mark.parametrize(("number", "kind"), [*enumerate(BROKEN, 1)])
def test_a_line_that_no_table_takes_is_set_aside(
    number: int, kind: str, opened: tuple[Path, list[str]]
) -> None:
    text, why = BROKEN[kind]
    state, said = opened
    message = said[number - 1]
    segment = state / f"spool/r0001/{number:06d}-00000000.jsonl"
    aside = state / f"aside/r0001/{number:06d}-00000000-aside.jsonl"
    assert f"{segment} has what cannot be stored: line 2: {why}" in message
    assert f"nothing is lost: these lines are in {aside}" in message
    assert f"move it back into {segment.parent}" in message
    assert aside.read_bytes() == text
    assert why in aside.with_suffix(".why.txt").read_text("utf-8")
    for place, mode in ((aside, 0o600), (aside.parent, 0o700), (aside.parent.parent, 0o700)):
        assert place.stat().st_mode & 0o777 == mode


def test_everything_else_is_stored_and_it_is_said_once(opened: tuple[Path, list[str]]) -> None:
    state, said = opened
    assert len(said) == len(BROKEN)
    assert not segments(state / "spool")
    assert rows(state, "SELECT count(*) AS n FROM llm_call") == [{"n": 2 * len(BROKEN)}]
    Store.open(state, notice=pytest.fail)


def test_a_line_that_is_mended_can_be_moved_back(tmp_path: Path) -> None:
    state = planted(tmp_path)
    segment = state / "spool/r0001/000001-00000000.jsonl"
    segment.parent.mkdir(parents=True)
    segment.write_bytes(call_line(1) + call_line(2, prompt_tokens=BIG))
    Store.open(state, notice=lambda _: None)
    (aside,) = (state / "aside").rglob("*.jsonl")
    segment.parent.mkdir(exist_ok=True)
    moved = segment.parent / aside.name
    moved.write_bytes(aside.read_bytes().replace(str(BIG).encode(), b"30"))
    aside.unlink()
    Store.open(state, notice=pytest.fail)
    found = rows(state, "SELECT prompt_tokens AS n FROM llm_call ORDER BY id")
    assert [row["n"] for row in found] == [300, 30]


@pytest.fixture(scope="module")
def spooled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A segment of a run with a reply and two nodes of two rows each."""
    state = planted(tmp_path_factory.mktemp("run"))
    store = Store.open(state)
    with store.lock_run():
        run = start(store)
        store.record_calls([call(1, run)])
        for node in ("a", "b"):
            store.write_node(run, info(node), [example(1), example(2)], "c")
        store.flush()
        (segment,) = segments(state / "spool")
        return segment.path.read_bytes()


@pytest.mark.parametrize(
    ("wrong", "instead"),
    [
        (b'"train.jsonl",2,', b'"train.jsonl","two",'),
        (b'["example","b","r0001",0,-1,1,', b'["example","b","r0001",0,-1,3000000000,'),
        (b'\\"example\\":2', b'\\"rumour\\":2'),
    ],
)
def test_a_node_is_stored_whole_or_not_at_all(
    wrong: bytes, instead: bytes, spooled: bytes, tmp_path: Path
) -> None:
    state = planted(tmp_path)
    file = state / "spool/r0001/000007-00000000.jsonl"
    file.parent.mkdir(parents=True)
    before, found, last = spooled.rpartition(wrong)
    assert found
    file.write_bytes(before + instead + last)
    said: list[str] = []
    store = Store.open(state, notice=said.append)
    assert set(store.finished(["a", "b"])) == {"a"}
    assert len(store.load_output("a")) == 2
    assert store.replies([f"{1:024x}"]), "the reply is there"
    assert rows(state, "SELECT count(*) AS n FROM example") == [{"n": 2}]
    assert len(said) == 1


def test_replies_behind_zeros_of_a_power_cut_are_kept(tmp_path: Path) -> None:
    state = planted(tmp_path)
    file = state / "spool/r0001/000001-00000000.jsonl"
    file.parent.mkdir(parents=True)
    behind = b"\0" * 50 + b'"]\n' + call_line(2)
    file.write_bytes(call_line(1) + behind)
    said: list[str] = []
    store = Store.open(state, notice=said.append)
    assert set(store.replies([f"{n:024x}" for n in (1, 2)])) == {f"{1:024x}"}
    assert "line 2: the file has zeros before it" in said[0]
    (aside,) = (state / "aside").rglob("*.jsonl")
    assert aside.read_bytes() == behind


def test_what_a_run_itself_spools_too_large_costs_only_itself(tmp_path: Path) -> None:
    """The last net: should a number get past its source, the run goes on and keeps its replies."""
    state = planted(tmp_path)
    said: list[str] = []
    store = Store.open(state, notice=said.append)
    with store.lock_run():
        run = start(store)
        store.record_calls([call(1, run), replace(call(2, run), completion_tokens=BIG)])
        store.write_node(run, info("n"), [replace(example(1), line=2**40)], "c")
        store.ingest(force=True)
        store.record_calls([call(3, run)])
    assert len(said) == 1
    assert rows(state, "SELECT count(*) AS n FROM llm_call") == [{"n": 2}]
    assert rows(state, "SELECT line FROM example") == [{"line": 2**40}]


def test_other_files_in_the_spool(tmp_path: Path) -> None:
    state = planted(tmp_path)
    folder = state / "spool/r0001"
    (folder / "folder.jsonl").mkdir(parents=True)
    for name in ("notes", "9" * 200):
        (folder / f"{name}.jsonl").write_bytes(call_line(len(name)))
    store = Store.open(state, notice=pytest.fail)
    with store.lock_run():
        run = start(store)
        store.record_calls([call(1, run)])
    assert rows(state, "SELECT count(*) AS n FROM llm_call") == [{"n": 3}]


def test_the_commands_go_on(tmp_path: Path) -> None:
    state = planted(tmp_path)
    file = state / "spool/r0001/000001-00000000.jsonl"
    file.parent.mkdir(parents=True)
    file.write_bytes(call_line(1) + call_line(2, prompt_tokens=BIG) + b"gibberish\n")
    for words in (["clean", "--yes"], ["sql", "SELECT count(*) AS n FROM llm_call"]):
        said = CliRunner().invoke(app, [*words, "--state", str(state)], catch_exceptions=False)
        assert said.exit_code == 0, said.output
    (aside,) = (state / "aside").rglob("*.jsonl")
    assert aside.read_bytes().endswith(b"gibberish\n")
    assert rows(state, "SELECT count(*) AS n FROM llm_call") == [{"n": 1}]
