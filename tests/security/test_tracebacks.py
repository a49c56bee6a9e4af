"""Whatever is wrong outside ends in a message with a place and a remedy; a mistake of the engine in a report of it."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import stat
import sys
import zipfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from engine.backends.local.chat import rendered
from engine.backends.structured import read_reply
from engine.cli import main, recipes
from engine.cli.terminal.ending import report_of
from engine.errors import EngineError, InternalError, ModelError, boundary, reason_of
from engine.models import read_adapter
from engine.rehearsal import tokens
from engine.sql import check_expression
from engine.turns import Message
from tests.security.fuzz.recipes import KINDS, recipe_of

Change = Callable[[dict[str, Any]], None]
DEEP_SQL = "1" + " + 1" * 950
NOTS = "NOT " * 950 + "true"
TURNS = "[[user]]\n"


class Ended:
    """How a command ended."""

    def __init__(self, *arguments: object) -> None:
        """Run `pada` in this process."""
        out, errors = io.StringIO(), io.StringIO()
        before, self.code = sys.argv, 0
        sys.argv = ["pada", *map(str, arguments)]
        try:
            with redirect_stdout(out), redirect_stderr(errors):
                main()
        except SystemExit as end:
            self.code = int(end.code or 0)
        finally:
            sys.argv = before
        self.out, self.errors = out.getvalue(), errors.getvalue()


def validated(folder: Path, recipe: Any, kind: str = "classification") -> Ended:
    """Check a recipe whose rows lie beside it."""
    text = "".join(json.dumps(row) + "\n" for row in KINDS[kind][1])
    (folder / "rows.jsonl").write_text(text, "utf-8")
    written = recipe if isinstance(recipe, str) else json.dumps(recipe, indent=1)
    (folder / "recipe.yaml").write_text(written, "utf-8")
    return Ended("validate", folder)


def plain(kind: str = "classification") -> dict[str, Any]:
    """Return a recipe without mistakes and without files beside it."""
    recipe = recipe_of(kind)
    recipe["task"].pop("prompt", None)
    return recipe


def assert_said(ended: Ended, words: str, place: str = "recipe.yaml:") -> None:
    """Require an error with these words, at a place, with something to do, and exit code 2."""
    assert ended.code == 2, ended.errors
    assert "internal error" not in ended.errors
    assert "Traceback" not in ended.errors
    found = re.search(rf"^\S*{re.escape(place)}\S* error: .*({words})", ended.errors, re.MULTILINE)
    assert found, ended.errors


def at(*path: Any) -> Callable[[Any], Change]:
    """Return what puts a value at a place of a recipe."""

    def with_value(value: Any) -> Change:
        def change(recipe: dict[str, Any]) -> None:
            holder: Any = recipe
            for step in path[:-1]:
                holder = holder[step] if isinstance(holder, list) else holder.setdefault(step, {})
            holder[path[-1]] = value

        return change

    return with_value


TOO_DEEP = "nested too deeply"
CYCLE = {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
RECIPES: dict[str, tuple[Change, str]] = {
    "deep failure": (at("failure")(NOTS), TOO_DEEP),
    "deep metric": (at("metrics")(["accuracy", {"name": "m", "sql": f"avg({DEEP_SQL})"}]), TOO_DEEP),
    "deep slice": (at("slices")([{"name": "s", "sql": NOTS}]), TOO_DEEP),
    "deep where": (at("data", "train", "where")(NOTS), TOO_DEEP),
    "deep column": (at("data", "train", "columns")({"extra": DEEP_SQL}), TOO_DEEP),
    "deep query": (at("data", "train")({"sql": f"SELECT *, {DEEP_SQL} AS x FROM 'rows.jsonl'"}), TOO_DEEP),
    "deep category": (at("patterns", "taxonomy", "categories")(
        [{"id": "a", "description": "A.", "where": NOTS}]), TOO_DEEP),
    "deep quota": (at("augment", "quotas")([{"sql": NOTS, "at_least": 1}]), TOO_DEEP),
    "port": (at("models", "teacher")(
        {"backend": "openai", "model": "m", "base_url": "http://localhost:99999/v1"}), "must be an address"),
    "open bracket": (at("models", "teacher")(
        {"backend": "openai", "model": "m", "base_url": "http://[::1/v1"}), "must be an address"),
    "data of nobody": (at("data", "train", "path")("~nobody-here/rows.jsonl"), "no (data )?file|cannot|there is no"),
    "model of nobody": (at("models", "embedder")(
        {"backend": "sentence-transformers", "model": "~nobody-here/model"}), "no model folder"),
    "adapter of nobody": (at("models", "student")(
        {"backend": "transformers", "model": "embedded/smollm2-135m-instruct", "adapter": "~nobody-here/a"}),
        "no folder"),
    "zero byte in a path": (at("data", "train", "path")("rows\0.jsonl"), "no path|null byte|zero"),
    "zero byte in a model": (at("models", "embedder")(
        {"backend": "sentence-transformers", "model": "./m\0"}), "no path|null byte"),
    "zero byte in replies": (at("models", "teacher", "replies")("r\0.jsonl"), "no path|null byte"),
    "zero byte in a taxonomy": (at("patterns", "taxonomy")("t\0.yaml"), "no path|null byte"),
    "zero byte in a query": (at("data", "train")({"sql": "SELECT * FROM 'a\0b.csv'"}), ""),
    "long path": (at("data", "train", "path")("x" * 5000), "too long"),
    "long taxonomy": (at("patterns", "taxonomy")("x" * 5000), "too long"),
    "long model": (at("models", "embedder")(
        {"backend": "sentence-transformers", "model": "./" + "x" * 5000}), "too long"),
    "replies are a folder": (at("models", "teacher", "replies")("."), "directory"),
    "data are a folder": (at("data", "train", "path")("."), "file"),
    "a number of 400 digits": (at("data", "train", "limit")(10**400), "too long"),
}  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_a_broken_recipe_is_told_at_its_place(name: str, tmp_path: Path) -> None:
    change, words = RECIPES[name]
    recipe = plain()
    change(recipe)
    assert_said(validated(tmp_path, recipe), words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('recipe: 1\nname: "a\\ud800b"\n', "half a character"),
        ('recipe: 1\n"\\udfff": 1\n', "half a character"),
        ('recipe: 1\nname: "\\U00110000"\n', "no character"),
        (f"recipe: 1\nname: {'[' * 900}{']' * 900}\n", "nested more than"),
        (f"recipe: 1\n{'? ' * 900}x\n", "nested more than"),
        ("recipe: 1\nname: \x01\n", "control character"),
    ],
)
def test_yaml_that_no_file_should_hold(text: str, words: str, tmp_path: Path) -> None:
    assert_said(validated(tmp_path, text), words, "recipe.yaml:2:")


SCHEMAS = {
    "refers to itself": (CYCLE, "refers to itself|grow without end"),
    "pattern": ({"type": "object", "properties": {"a": {"type": "string", "pattern": "(", "maxLength": 9}},
                 "additionalProperties": False}, "JSON Schema|regex|pattern"),
    "of no type": ({"type": "nothing"}, "nothing"),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_of_answers(name: str, tmp_path: Path) -> None:
    schema, words = SCHEMAS[name]
    recipe = plain("structured")
    recipe["task"]["params"]["json_schema"] = schema
    assert_said(validated(tmp_path, recipe, "structured"), words)


TEMPLATES = {
    "deep brackets": ("{{ " + "(" * 900 + "1" + ")" * 900 + " }}", "nested too deeply"),
    "deep blocks": ("{% if row %}" * 150 + "{% endif %}" * 150, "mistake"),
    "deep loops": ("{% for a in row %}" * 30 + "{% endfor %}" * 30, "mistake"),
    "unknown filter": ("{{ row|nosuch }}", "nosuch"),
    "unknown test": ("{{ row is nosuch }}", "nosuch"),
    "open": ("{{ row", "mistake"),
    "a block": ("{% block %}{% endblock %}", "mistake"),
    "assigned twice": ("{% macro m(a, a) %}{% endmacro %}", "mistake"),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_that_cannot_be_compiled(name: str, tmp_path: Path) -> None:
    text, words = TEMPLATES[name]
    recipe = plain()
    recipe["task"]["prompt"] = "mine.md"
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/mine.md").write_text(TURNS + text, "utf-8")
    assert_said(validated(tmp_path, recipe), words, "mine.md:2:")


OWN_FILES = {
    "operators/mine/operator.yaml": "operator.yaml",
    "methods/mine.yaml": "mine.yaml",
    "schemas/diagnosis.schema.json": "diagnosis.schema.json",
    "prompts/small/diagnose.md": "diagnose.md",
}


@pytest.mark.parametrize("name", OWN_FILES)
def test_a_file_that_cannot_be_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text("recipe: 1", "utf-8")
    recipe = plain()
    recipe["models"] = {
        **recipe["models"],
        "teacher": {**recipe["models"]["teacher"], "pack": "small"},
    }
    if name.startswith("methods"):
        recipe["loop"] = {"method": "mine"}
    opened = os.open

    def refused(place: Any, *arguments: Any, **keywords: Any) -> int:
        if os.fspath(place) == str(file):
            raise OSError(errno.EIO, "Input/output error", str(file))
        return opened(place, *arguments, **keywords)

    monkeypatch.setattr(os, "open", refused)
    assert_said_somewhere(validated(tmp_path, recipe), "Input/output error")


def assert_said_somewhere(ended: Ended, words: str) -> None:
    """Require a message with these words, and exit code 2."""
    assert ended.code == 2, ended.errors
    assert "internal error" not in ended.errors
    assert words in ended.errors


def test_a_recipe_that_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").mkdir()
    for name in (tmp_path / "recipe.yaml", tmp_path / ("x" * 5000), "a\0b"):
        ended = Ended("validate", name)
        assert ended.code == 2, ended.errors
        assert "internal error" not in ended.errors


def test_an_argument_that_is_no_text(tmp_path: Path) -> None:
    recipe = {**plain(), "vars": {"x": "y"}}
    validated(tmp_path, recipe)
    ended = Ended("validate", tmp_path, "--var", "x=\udcff")
    assert_said_somewhere(ended, "--var")


def _features(metadata: Any) -> Callable[[Path], None]:
    """Return what writes a Parquet file with what the `datasets` library would say of its columns."""

    def write(file: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = KINDS["classification"][1]
        table = pa.table({"text": [r["text"] for r in rows], "kind": [r["kind"] for r in rows]})
        text = metadata if isinstance(metadata, str) else json.dumps(metadata)
        pq.write_table(table.replace_schema_metadata({"huggingface": text}), file)

    return write


def _class_label(**feature: Any) -> dict[str, Any]:
    return {"info": {"features": {"kind": {"_type": "ClassLabel", **feature}}}}


def _zone(zone: str) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = KINDS["classification"][1]
        times = pa.array([0] * len(rows), pa.timestamp("s", zone))
        pq.write_table(pa.table({"text": [r["text"] for r in rows], "kind": times}), file)

    return write


def _bytes(data: bytes) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        file.write_bytes(data)

    return write


def _workbook(name: str, text: str | None) -> Callable[[Path], None]:
    """Write an Excel file in which a part is missing, or is something else."""

    def write(file: Path) -> None:
        import openpyxl

        book = openpyxl.Workbook()
        book.active.append(["text", "kind"])
        whole = io.BytesIO()
        book.save(whole)
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(file, "w") as new:
            for part in old.namelist():
                if part != name:
                    new.writestr(part, old.read(part))
                elif text is not None:
                    new.writestr(part, text)

    return write


DATA: dict[str, tuple[str, Callable[[Path], None]]] = {
    "features are a list": ("x.parquet", _features({"info": {"features": ["ClassLabel"]}})),
    "info is a text": ("x.parquet", _features({"info": "ClassLabel"})),
    "features of no kind": ("x.parquet", _features({"info": {"features": {"kind": {"_type": "ClassLabelX"}}}})),
    "names are a number": ("x.parquet", _features(_class_label(names=3))),
    "features are no JSON": ("x.parquet", _features('{"ClassLabel"')),
    "features are deep": ("x.parquet", _features('{"info": ' + "[" * 5000 + '"ClassLabel"' + "]" * 5000 + "}")),
    "no zone": ("x.parquet", _zone("Mars/Olympus")),
    "no offset": ("x.parquet", _zone("+99:99")),
    "cut parquet": ("x.parquet", _bytes(b"PAR1" + b"\0" * 40)),
    "400 digits": ("x.jsonl", _bytes(b'{"text": "a", "kind": ' + b"9" * 400 + b"}\n")),
    "5,000 digits": ("x.jsonl", _bytes(b'{"text": "a", "kind": ' + b"9" * 5000 + b"}\n")),
    "deep JSON": ("x.jsonl", _bytes(b'{"text": "a", "kind": ' + b"[" * 900 + b"]" * 900 + b"}\n")),
    "deep list of rows": ("x.json", _bytes(b"[" * 5000)),
    "half a character": ("x.jsonl", _bytes(b'{"text": "\\ud800", "kind": "a"}\n')),
    "cut gzip": ("x.jsonl.gz", _bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03")),
    "gzip of nothing known": ("x.csv.gz", _bytes(b"\x1f\x8b\x09\xff\xff\xff\xff\xff\xff\xff")),
    "workbook without styles": ("x.xlsx", _workbook("xl/styles.xml", "<x/>")),
    "workbook with a cut sheet": ("x.xlsx", _workbook("xl/worksheets/sheet1.xml", "<worksheet><sheetData><row r='x'>")),
    "workbook without a sheet": ("x.xlsx", _workbook("xl/worksheets/sheet1.xml", None)),
    "workbook that is no workbook": ("x.xlsx", _workbook("xl/workbook.xml", "<nothing/>")),
    "workbook with odd types": ("x.xlsx", _workbook("[Content_Types].xml", "<Types/>")),
}  # fmt: skip


READ = [(name, "path") for name in DATA]
# A query reads no other files.
READ += [(name, "sql") for name, (file, _) in DATA.items() if not file.endswith((".xlsx", ".gz"))]


@pytest.mark.parametrize(("name", "how"), READ)
def test_a_broken_data_file(name: str, how: str, tmp_path: Path) -> None:
    file, write = DATA[name]
    write(tmp_path / file)
    recipe = plain()
    recipe["data"] = {
        **recipe["data"],
        "train": {"path": file} if how == "path" else {"sql": f"SELECT * FROM '{file}'"},
    }
    ended = validated(tmp_path, recipe)
    assert ended.code in {0, 2}, ended.errors
    assert "internal error" not in ended.errors
    if ended.code == 2:
        assert re.search(r"^.+: error: .+\n    \S", ended.errors, re.MULTILINE), ended.errors


def _adapter(folder: Path, config: bytes, weights: bytes) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_bytes(config)
    (folder / "adapter_model.safetensors").write_bytes(weights)
    return folder


def _tensors(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


CONFIG = b'{"peft_type": "LORA", "r": 1}'


@pytest.mark.parametrize(
    ("config", "weights"),
    [
        (b"[" * 5000, b""),
        (b'{"peft_type": ' + b"9" * 5000 + b"}", b""),
        (b"\xff", b""),
        (CONFIG, b""),
        (CONFIG, b"\xff" * 8),
        (CONFIG, (50).to_bytes(8, "little") + b"{"),
        (CONFIG, _tensors(b"[" * 5000)),
        (CONFIG, _tensors(b'{"a": {"shape": [1e999], "dtype": "F32", "data_offsets": [0, 0]}}')),
        (CONFIG, _tensors(b'{"a": {"shape": 1, "dtype": "F32", "data_offsets": [0, 0]}}')),
        (CONFIG, _tensors(b'{"a": {"shape": [1], "dtype": "F32", "data_offsets": [0, "x"]}}')),
        (CONFIG, _tensors(b'{"a": {"shape": [1], "dtype": "F32", "data_offsets": [0, 4]}}')),
    ],
)
def test_a_broken_adapter(config: bytes, weights: bytes, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        read_adapter(_adapter(tmp_path / "a", config, weights))
    assert error.value.hint


def test_a_broken_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"version": 1', "utf-8")
    with pytest.raises(ModelError, match=r"tokenizer\.json") as error:
        tokens._tokenizer(tmp_path)
    assert error.value.hint


@pytest.mark.parametrize(
    "error", [RecursionError(), ZeroDivisionError(), AttributeError("x"), OverflowError()]
)
def test_a_chat_template_that_breaks(error: Exception) -> None:
    def template(turns: list[dict[str, Any]]) -> str:
        raise error

    with pytest.raises(ModelError, match="chat template refuses"):
        rendered(template, [Message("user", "x")])


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "9" * 5000,
        '"\\ud800"',
        "1e999",
        '{"a": 1, "a": 2}',
        "\ud800",
        "[" * 99 + "]" * 99,
    ],
)
def test_a_reply_is_never_more_than_wrong(text: str) -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#"}}, "additionalProperties": False}
    assert read_reply(text, schema).error in {"invalid_json", "schema"}


def test_sql_that_people_write_is_not_too_deep() -> None:
    columns = ["text", "kind"]
    joined = " || ".join(["text"] * 120)
    assert check_expression(f"length({joined}) > 3", columns) is None
    assert check_expression(" OR ".join(f"text = '{n}'" for n in range(2000)), columns) is None
    assert (
        check_expression("replace(" * 100 + "text" + ", 'a', 'b')" * 100 + " = 'x'", columns)
        is None
    )


@pytest.fixture
def ends_by(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Exception], Ended]:
    """Have `pada list tasks` end by an error that nobody foresaw."""
    monkeypatch.setenv("PADA_CACHE", str(tmp_path / "cache"))

    def run(error: Exception, *options: str) -> Ended:
        def show(*_: object, **__: object) -> None:
            row = "a customer's words"  # noqa: F841
            raise error

        monkeypatch.setattr(recipes, "show_list", show)
        return Ended("list", "tasks", *options)

    return run


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/x/rows"),
            "/x/rows: Permission denied",
        ),
        (IsADirectoryError(errno.EISDIR, "Is a directory", b"/x/y"), "/x/y: Is a directory"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "/x: No space left"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "Connection reset"),
        (MemoryError(), "more memory than there is"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_the_machine_refuses_is_no_bug(
    error: Exception, words: str, ends_by: Callable[..., Ended]
) -> None:
    ended = ends_by(error)
    assert ended.code == 2
    assert ended.errors.startswith("error: ")
    assert words in ended.errors


@pytest.mark.parametrize(
    "error",
    [
        KeyError("a customer's words"),
        InternalError("3 came in, 2 are told: a customer's words"),
        RecursionError("a customer's words"),
        OSError("Arrow's own: a customer's words"),
        UnicodeEncodeError("utf-8", "a customer's words \udcff", 0, 1, "no"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_bug_ends_with_a_report(
    error: Exception, ends_by: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = ends_by(error)
    assert ended.code == 1
    assert ended.errors.startswith(f"internal error: {type(error).__name__}: ")
    assert "mistake of PaDA Engine, not yours" in ended.errors
    assert "Traceback" not in ended.errors
    [report] = (tmp_path / "cache/bugs").iterdir()
    assert str(report) in ended.errors
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert stat.S_IMODE(report.parent.stat().st_mode) == 0o700
    text = report.read_text("utf-8")
    assert "pada-engine" in text
    assert "command: pada list" in text
    assert "engine/cli/app.py, line" in text
    assert type(error).__name__ in text
    assert "customer" not in text


def test_a_report_holds_no_key_and_no_word_of_the_command_line(
    ends_by: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHER_KEY", "sk-0123456789")
    ended = ends_by(ValueError("denied: sk-0123456789"), "my/secret/recipe")
    assert "sk-0123456789" not in ended.errors
    [report] = (tmp_path / "cache/bugs").iterdir()
    text = report.read_text("utf-8")
    assert "sk-0123456789" not in text
    assert "my/secret" not in text


def test_a_report_that_cannot_be_written_is_printed(
    ends_by: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("no folder", "utf-8")
    ended = ends_by(KeyError("x"))
    assert ended.code == 1
    assert "engine/cli/app.py, line" in ended.errors


def test_endless_recursion_and_causes_in_a_circle_are_told_shortly() -> None:
    def deeper() -> None:
        deeper()

    try:
        deeper()
    except RecursionError as error:
        first = error
    second = ValueError()
    second.__cause__, first.__cause__ = first, second
    text = report_of(second)
    assert "more …" in text
    assert len(text.splitlines()) < 600


def test_a_bug_in_a_logged_command_names_the_log_too(
    ends_by: Callable[..., Ended], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    ended = ends_by(KeyError("x"), "--log-file", str(log))
    assert ended.code == 1
    assert f"its whole traceback is at the end of {log}" in ended.errors
    last = json.loads(log.read_text("utf-8").splitlines()[-1])
    assert last["exit_code"] == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device is Linux's")
@pytest.mark.parametrize("verb", [["list", "tasks"], ["--help"], ["schema", "recipe"]])
def test_a_full_standard_output(verb: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    errors = io.StringIO()
    with Path("/dev/full").open("w", encoding="utf-8") as full, redirect_stderr(errors):
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "argv", ["pada", *verb])
        with pytest.raises(SystemExit) as end:
            main()
        monkeypatch.undo()
    assert end.value.code == 2
    assert re.match(
        r"error: (standard output: )?No space left on device\n    \w", errors.getvalue()
    )


def test_a_boundary_lets_our_own_errors_through_and_keeps_what_was_raised() -> None:
    def refuse(reason: str) -> EngineError:
        return EngineError(f"the file: {reason}", "mend it")

    for ours in (InternalError("x"), ModelError("x"), KeyboardInterrupt()):
        with pytest.raises(type(ours)), boundary(refuse):
            raise ours
    with pytest.raises(EngineError, match=r"the file: KeyError: 'a'") as error, boundary(refuse):
        raise KeyError("a")
    assert isinstance(error.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("a\n  b."), "a b"),
        (ValueError(), "ValueError"),
        (KeyError("x"), "KeyError: 'x'"),
        (RecursionError("maximum"), "it is nested too deeply"),
        (FileNotFoundError(2, "No such file or directory", "/x"), "No such file or directory"),
        (ValueError("x" * 500), "x" * 300 + " …"),
    ],
)
def test_a_reason_is_one_line(error: Exception, words: str) -> None:
    assert reason_of(error) == words
