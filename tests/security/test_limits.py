"""Nothing that a recipe says computes without end: it is told where it stands, and no process is left behind."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine import cli, sandbox
from engine.backends.local import chat_templates
from engine.backends.protocol import Message
from engine.backends.structured import invalid_schema, is_costly, read_reply, unbounded
from engine.errors import EngineError, ModelError
from engine.operators.making import ROW_FUNCTIONS
from engine.sandbox import workers
from engine.sandbox.templates import is_plain
from engine.spec import yaml
from engine.spec.prompts import parse_prompt
from engine.spec.templates import JINJA
from engine.sql.connection import closed_off
from engine.sql.expressions import Tree, parse
from engine.sql.patterns import replace_matches
from engine.system import platforms
from tests.security import costly

SECONDS = 0.1
RECIPE = f"""recipe: 1
name: shared
limits: {{seconds: {SECONDS}, memory: 0.3, rows: 1000}}
task: {{kind: classification, input: [text], target: label, description: Mail.}}
data:
  train: {{path: train.jsonl}}
  validation: {{path: train.jsonl}}
  test: {{path: train.jsonl}}
models:
  student: {{backend: scripted, model: student}}
  teacher: {{backend: scripted, model: teacher}}
  judge: {{backend: scripted, model: judge}}
  embedder: {{backend: scripted, model: embedder}}
metrics: [accuracy]
failure: accuracy < 1
augment: {{operators: [{{name: paraphrase}}]}}
quality: {{judge: advises}}
"""
ROWS = "".join(
    f"{json.dumps({'text': f'a mail, number {n} ' * 20, 'label': 'ab'[n % 2]})}\n" for n in range(4)
)
TIME, MEMORY, COUNT = (
    f"takes more than {SECONDS:g} seconds of computing",
    "takes more than 0.3 GB of memory",
    "gives more than 1,000 rows",
)
LIST = "len(list_transform(range(500000000), lambda x: x + 1)) > 0"
LONG = "length(repeat(text, 5000000)) > 0"
ENDLESS = (
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) AS text FROM t"
)


LONG_CASES = {"a query with text", "a query of SQLite's", "doubling", "macros"}
"""Each ends a process, and the next one has to load its libraries anew."""


def marked(case: str) -> Any:
    """Return a case for `parametrize`, with its marks."""
    return pytest.param(case, marks=[pytest.mark.long] if case in LONG_CASES else [], id=case)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "train.jsonl").write_text(ROWS, "utf-8")
    return tmp_path


@pytest.fixture(autouse=True, scope="module")
def nothing_is_left() -> Iterator[None]:
    yield
    sandbox.use(sandbox.Limits())
    workers.end_all()
    assert not computing(), "a process was left behind"


@pytest.fixture(autouse=True)
def short_limits() -> Iterator[None]:
    sandbox.use(sandbox.Limits(SECONDS, 0.3, 1000))
    yield
    sandbox.use(sandbox.Limits())
    idle = {worker.process.pid for worker in workers._idle}
    assert set(computing()) == idle, "what is not at work waits for work"
    assert len(idle) <= 2, "what waits for work is used again"


def computing() -> list[int]:
    """Return the processes that compute for this one."""
    return [
        child.pid
        for child in psutil.Process().children(recursive=True)
        if "engine.sandbox.child" in " ".join(child.cmdline())
    ]


def write(project: Path, *changes: tuple[str, str]) -> Path:
    text = RECIPE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (project / "recipe.yaml").write_text(text, "utf-8")
    return project / "recipe.yaml"


def validate(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """Return what `pada validate` says against a recipe; it must be a message, and exit code 2."""
    monkeypatch.chdir(recipe.parent)
    monkeypatch.setattr(sys, "argv", ["pada", "validate", "recipe.yaml"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == 2, said
    text = " ".join((said.out + said.err).split())
    assert "Traceback" not in text
    return text


TRAIN = "train: {path: train.jsonl}"
SQL = {
    "a list": (("failure: accuracy < 1", f'failure: "{LIST}"'), "failure", MEMORY),
    "a metric": (
        ("metrics: [accuracy]", f'metrics: [accuracy, {{name: m, sql: "avg(({LONG})::int)"}}]'),
        "metrics[1].sql",
        MEMORY,
    ),
    "a slice": (
        ("failure: accuracy", f'slices: [{{name: s, sql: "{LIST}"}}]\nfailure: accuracy'),
        "slices[0].sql",
        MEMORY,
    ),
    "where": ((TRAIN, f'train: {{path: train.jsonl, where: "{LONG}"}}'), "data.train.where", MEMORY),
    "columns": (
        (TRAIN, f'train: {{path: train.jsonl, columns: {{more: "{LIST}"}}}}'),
        "data.train.columns.more",
        MEMORY,
    ),
    "a query": ((TRAIN, f'train: {{sql: "{ENDLESS}"}}'), "data.train.sql", TIME),
    "a query of SQLite's": (
        (TRAIN, f'train: {{sql: "{ENDLESS}", database: rows.db}}'),
        "data.train.sql",
        TIME,
    ),
    "a query with rows": (
        (TRAIN, "train: {sql: \"SELECT range AS text, 'a' AS label FROM range(10000000000)\"}"),
        "data.train.sql",
        COUNT,
    ),
    "a query with text": (
        (TRAIN, 'train: {sql: "SELECT hex(zeroblob(300000000)) AS text FROM t", database: rows.db}'),
        "data.train.sql",
        "",
    ),
    "a quota": (
        ("augment: {", f'augment: {{quotas: [{{sql: "{LONG}", at_most: 0.5}}], '),
        "augment.quotas[0].sql",
        MEMORY,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", [marked(case) for case in SQL])
def test_sql_ends(
    case: str,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with sqlite3.connect(project / "rows.db") as database:
        database.execute("CREATE TABLE t AS SELECT 1 AS n")
    change, key, why = SQL[case]
    recipe = write(project, change)
    text = validate(recipe, monkeypatch, capsys)
    name = key.rpartition(".")[2].partition("[")[0]
    before = recipe.read_text("utf-8").partition(f"{name}: ")[0]
    assert f"recipe.yaml:{before.count(chr(10)) + 1}:" in text
    assert f"{key}: this {why or 'takes more than'}" in text
    assert "raise `limits: {" in text


def test_what_is_in_a_file_of_categories_is_told_there(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "kinds.yaml").write_text(
        "taxonomy: 1\nmode: hybrid\ncategories:\n"
        f'  - {{id: odd, description: Odd., where: "{LONG}"}}\n  - {{id: x, description: Y.}}\n',
        "utf-8",
    )
    change = ("augment: {", "patterns: {taxonomy: {file: kinds.yaml}}\naugment: {")
    text = validate(write(project, change), monkeypatch, capsys)
    assert f"kinds.yaml:4:41: error: categories[0].where: this {MEMORY}" in text


PROMPTS = {
    "loops": (
        "{% set t = 'x' * 99999 %}{% for a in t %}{% for b in t %}{% endfor %}{% endfor %}",
        TIME,
    ),
    "a product": ("{{ 'x' * 10 ** 10 }}", MEMORY),
    "wordwrap": ("{{ ('x ' * 5000000) | wordwrap(1, wrapstring='y' * 1000) }}", f"({MEMORY}|{TIME})"),
    "padding": ("{{ row.text.ljust(10 ** 10) }}", MEMORY),
    "a format": ("{{ '%10000000000d' % 1 }}", MEMORY),
    "doubling": ("{% set t = 'x' * 99999999 %}" + "{% set t = t ~ t %}" * 40 + "{{ t }}", "takes more than"),
    "macros": ("{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}", TIME),
}  # fmt: skip


@pytest.mark.parametrize("case", [marked(case) for case in PROMPTS])
def test_prompts_end(case: str, tmp_path: Path) -> None:
    template, why = PROMPTS[case]
    file = tmp_path / "mine.md"
    file.write_text(f"{{# purpose: x #}}\n[[user]]\n{template}\n", "utf-8")
    with pytest.raises(EngineError, match=f"mine.md:3:1: error: this prompt {why}"):
        parse_prompt("mine.md", file).render({"row": {"text": "x"}})


def test_a_prompt_of_a_recipe_is_told_of(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "prompts").mkdir()
    (project / "prompts" / "mine.md").write_text("[[user]]\n\n{{ 7 ** 99999999 % 3 }}", "utf-8")
    change = ("target: label,", "target: label, prompt: mine.md,")
    text = validate(write(project, change), monkeypatch, capsys)
    assert f"prompts/mine.md:3:1: error: this prompt {TIME}" in text


def test_prompts_say_the_same_here_and_apart(tmp_path: Path) -> None:
    file = tmp_path / "mine.md"
    file.write_text("[[user]]\n{% set n = row.text | length %}{{ n }}: {{ row.text }}\n", "utf-8")
    prompt = parse_prompt("mine.md", file)
    assert prompt.apart
    assert prompt.variables == {"row"}
    rows = [{"row": {"text": text}} for text in ("a", "bc")]
    assert prompt.render_all(rows) == [(("user", "1: a"),), (("user", "2: bc"),)]
    with pytest.raises(EngineError, match=r"mine.md:2:1: error: .*no attribute 'text'"):
        prompt.render({"row": {}})


class Tokenizer:
    """As much of one as a chat template needs."""

    special_tokens_map: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, template: str) -> None:
        self.template = template

    def get_chat_template(self, template: None, tools: None) -> str:
        return self.template


def test_chat_templates_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_templates, "_load_transformers", costly.nothing)
    monkeypatch.setattr(chat_templates, "_with_transformers", costly.too_much)
    turns = [Message("user", "?")._asdict()]
    with pytest.raises(ModelError, match=f"the model's chat template {MEMORY}"):
        chat_templates.written(Tokenizer("{{ 'x' * 10 }}"), turns, prompt=True)


def dag(depth: int) -> dict[str, Any]:
    """Return a schema that stands for twice as many parts with each level."""
    parts: dict[str, Any] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(depth)
    }
    return {
        "$defs": parts | {f"d{depth}": {"type": "string", "maxLength": 3}},
        "$ref": "#/$defs/d0",
    }


def test_schemas_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_costly(dag(40))
    assert not is_costly(dag(5))
    assert unbounded(dag(40)) == ["$: through $ref it stands for more than 10,000 parts"]
    schema, asked, call = dag(40), [], sandbox.call

    def counted(*arguments: Any, **keywords: Any) -> Any:
        asked.append(arguments)
        return call(*arguments, **keywords)

    monkeypatch.setattr(sandbox, "call", counted)
    for _ in range(3):
        assert TIME in read_reply('"x"', schema).detail
    assert len(asked) == 1, "what took too much once is not tried again"
    assert read_reply('"x"', dag(5)).value == "x"


def test_schemas_that_go_in_circles_are_used() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}
    assert invalid_schema(tree) is None
    assert read_reply('{"left": {"right": {}}}', tree).error is None
    assert read_reply('{"left": {"right": 3}}', tree).detail.startswith("$.left.right: 3 is not")


def test_patterns_of_schemas_end() -> None:
    schema = {"type": "string", "pattern": "^(a+)+$"}
    assert "does not match" in read_reply(json.dumps("a" * 60 + "b"), schema).detail
    named = {"type": "object", "patternProperties": {"^(a+)+$": False}}
    assert read_reply(json.dumps({"a" * 60: 1}), named).error == "schema"


def test_vars_do_not_multiply(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uses = ", ".join(f"c{n}: '${{a}}'" for n in range(60))
    change = (
        "description: Mail.}",
        f"description: Mail., columns: {{{uses}}}}}\nvars: {{a: '{'x' * 300_000}'}}",
    )
    text = validate(write(project, change), monkeypatch, capsys)
    assert "recipe.yaml:4:" in text
    assert "vars stand for more than 10 million characters" in text


SIZES: dict[str, tuple[Callable[[], str], str]] = {
    "a recipe": (lambda: RECIPE + "# " + "x" * yaml.LARGEST, "this file is larger than 1 MB"),
    "values": (lambda: RECIPE + f"vars: [{'a,' * 600}]", "more than 500 values stand"),
    "aliases": (lambda: RECIPE + "vars: {a: &a x, b: *a}", "the alias '*a' is not allowed"),
    "limits": (lambda: RECIPE.replace(f"seconds: {SECONDS}", "seconds: 1e9"), "limits.seconds"),
    "SQL": (
        lambda: RECIPE.replace("accuracy < 1", f"accuracy IN ({'1,' * 60_000}1)"),
        "this SQL is longer than 100,000 characters",
    ),
    "a name": (
        lambda: RECIPE.replace("kind: classification", f"kind: {'class' * 100_000}"),
        "choose one of: ",
    ),
    "seeds": (
        lambda: RECIPE + f"seeds: [{', '.join(map(str, range(1100)))}]",
        "there are more than 1000 seeds",
    ),
    "a pattern of files": (
        lambda: RECIPE.replace(TRAIN, f"train: {{path: '{'**/' * 40}*.jsonl'}}"),
        "`**` stands in this pattern more than once",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SIZES)
def test_what_a_recipe_is_made_of_is_small(
    case: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made, why = SIZES[case]
    if case == "values":
        monkeypatch.setattr(yaml, "_MAX_VALUES", 500)
    (project / "recipe.yaml").write_text(made(), "utf-8")
    assert why in validate(project / "recipe.yaml", monkeypatch, capsys)


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mine.md")
    with pytest.raises(EngineError, match="this is not a file"):
        parse_prompt("mine.md", tmp_path / "mine.md")
    with pytest.raises(EngineError, match="this is not a file"):
        yaml.read_bytes(Path("/dev/zero"))


def test_redaction_ends() -> None:
    sandbox.use(sandbox.Limits(10, 0.2))
    with pytest.raises(sandbox.Overrun, match=r"`\[a-z\]` takes more than"):
        replace_matches("[a-z]", "x" * 100_000, ["word" * 1000] * 10)
    assert replace_matches("[0-9]{4}", "x" * 100_000, ["1234"])[0] == "x" * 100_000


def test_templates_of_rows_end(tmp_path: Path) -> None:
    file = tmp_path / "templates.yaml"
    template = f'{{inputs: {{text: "{{{LONG.replace("text", "n")}}}"}}, target: a, slots: {{n: [{"x" * 400}]}}}}'
    file.write_text(f"templates:\n  - {template}\n", "utf-8")
    make = ROW_FUNCTIONS["template"]
    assert make.read is not None
    material = costly.material(make.read(file))
    with pytest.raises(EngineError, match=r"templates\.yaml: the template of 'a' takes more than"):
        make.make(material)


@pytest.mark.parametrize(
    "sql",
    [
        "accuracy < 1",
        "length(text) > 40 AND label IN ('a', 'b')",
        "text LIKE '%card%' OR text IS NULL",
        "avg(accuracy) FILTER (length(text) > 200)",
        "try_cast(n AS DOUBLE) * 2 + 1 > abs(m)",
        "CASE WHEN n > 1 THEN 'many' ELSE 'one' END",
    ],
)
def test_usual_sql_costs_no_process(sql: str) -> None:
    with closed_off() as connection:
        tree = parse(sql, connection)
    assert isinstance(tree, Tree)
    assert tree.plain


@pytest.mark.parametrize(
    "sql",
    [
        "repeat(text, n)",
        "replace(replace(text, 'a', 'aa'), 'a', 'aa')",
        "list_transform(parts, lambda x: x)",
        "text LIKE '%a%a%a%'",
        "contains(text, other)",
        "text::BLOB::VARCHAR",
        "lpad(text, 1000000000, 'x')",
        "range(n)",
        "regexp_replace(text, 'a', 'aa', 'g')",
        f"text = '{'x' * 3000}'",
    ],
)
def test_other_sql_is_computed_apart(sql: str) -> None:
    with closed_off() as connection:
        tree = parse(sql, connection)
    assert isinstance(tree, Tree)
    assert not tree.plain


@pytest.mark.parametrize(
    "template",
    [
        "{{ row.text }}",
        "{% for label in labels %}- {{ label }}\n{% endfor %}",
        "{% for k, v in row.items() %}{{ k }}: {{ v | tojson }}{{ ', ' if not loop.last }}{% endfor %}",
        "{% if description is defined and description != 'x' %}{{ description }}{% endif %}",
        "{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}x{% endif %}"
        "{{ '<' + m['role'] + '>' + m['content'] }}{% endfor %}",
        "{% for a in b %}{% for c in a.parts %}{{ c }}{% endfor %}{% endfor %}",
    ],
)
def test_usual_templates_cost_no_process(template: str) -> None:
    assert is_plain(template, JINJA)


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 10 }}",
        "{{ 2 ** 9 }}",
        "{% set x = 1 %}{{ x }}",
        "{% for a in range(9) %}{% endfor %}",
        "{% for a in b %}{{ description }}{% endfor %}",
        "{% for a in b %}{% for c in d %}{{ c }}{% endfor %}{% endfor %}",
        "{% for a in b %}{% for c in [a, a] %}{{ c }}{% endfor %}{% endfor %}",
        "{% for a in b %}{% for c in a %}{% for d in a %}{{ d }}{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in b %}{% if c ~ c %}{% endif %}{% endfor %}",
        "{% for a in b recursive %}{{ loop(a) }}{% endfor %}",
        "{{ row.text | center(1000) }}",
        "{{ row.text | join('a long text between letters') }}",
        "{{ row.text | tojson | tojson }}",
        "{{ labels | map('upper') | list }}",
        "{{ lipsum(n=9) }}",
        "{{ row.text.ljust(9) }}",
        "{% macro m() %}{% endmacro %}",
        "{{ row.text ~ '" + "x" * 5000 + "' }}",
    ],
)
def test_other_templates_are_rendered_apart(template: str) -> None:
    assert not is_plain(template, JINJA)


def test_one_process_is_used_again_until_it_is_killed() -> None:
    first = sandbox.call(os.getpid, text="")
    assert sandbox.call(os.getpid, text="") == first != os.getpid()
    with pytest.raises(ValueError, match="no such thing"):
        sandbox.call(costly.wrong, text="")
    assert sandbox.call(os.getpid, text="") == first
    with pytest.raises(sandbox.Overrun, match="`for ever` takes more than"):
        sandbox.call(costly.for_ever, text="for ever")
    assert not psutil.pid_exists(first)
    assert sandbox.call(os.getpid, text="") != first


def test_what_is_read_halfway_ends() -> None:
    numbers = sandbox.stream(costly.numbers, text="")
    assert [next(numbers), next(numbers)] == [0, 1]
    (pid,) = computing()
    numbers.close()
    assert not psutil.pid_exists(pid)


def test_it_knows_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    workers.end_all()
    monkeypatch.setenv("TEACHER_KEY", "secret")
    assert sandbox.call(os.getenv, "TEACHER_KEY", text="") is None
    assert sandbox.call(os.getenv, "PATH", text="") == os.environ["PATH"]


def test_memory_is_watched_where_the_system_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platforms, "memory_is_bounded", lambda: False)
    sandbox.use(sandbox.Limits(SECONDS, 0.1))
    with pytest.raises(sandbox.Overrun, match=r"0.1 GB of memory"):
        sandbox.call(costly.hold, 95_000_000, text="")


def test_no_more_is_promised_than_the_machine_has() -> None:
    assert platforms.sure_memory(1e6) * 1e9 <= psutil.virtual_memory().total


def test_ctrl_c_is_answered_at_once() -> None:
    # Where the tests run in the background, Ctrl-C is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    sandbox.use(sandbox.Limits(60))
    pid = sandbox.call(os.getpid, text="")
    pressed = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    pressed.start()
    try:
        # Not at its limit: that is told as such.
        with pytest.raises(KeyboardInterrupt):
            sandbox.call(costly.for_ever, text="")
    finally:
        signal.signal(signal.SIGINT, before)
    assert not psutil.pid_exists(pid)


def test_it_ends_with_the_process_that_asks() -> None:
    code = (
        "from engine import sandbox; from tests.security import costly; import os\n"
        "print(sandbox.call(os.getpid, text=''), flush=True)\n"
        "sandbox.use(sandbox.Limits(60)); sandbox.call(costly.for_ever, text='')"
    )
    root = Path(__file__).resolve().parents[2]
    asking = subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert asking.stdout is not None
    pid = int(asking.stdout.readline())
    asking.kill()
    asking.wait()
    asking.stdout.close()
    until = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)
