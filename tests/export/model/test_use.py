"""`use.py` as it is typed: one row, plain text, or a file of rows; looked at before the model is loaded."""

from __future__ import annotations

import csv
import io
import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.export.model.task_file import use_file

Typed = Callable[..., str]


def task(kind: str = "classification", *columns: str) -> dict[str, Any]:
    return {
        "recipe": "mail", "run": "r0001", "kind": kind, "columns": list(columns or ["Request"]), "target": "team",
        "turns": [{"role": "user", "template": "{{ row.Request }}"}], "labels": ["a", "b"], "description": "",
        "answer": "likeliest", "answers": ["a", "b"], "per_character": False, "max_tokens": 4, "constrained": False,
        "dtype": "float32", "shown": 0, "shots": [], "system_turn": True, "parts": False, "native_tools": True,
        "control": ["<|end|>"], "told": "%s", "types": {}, "references": 4,
    }  # fmt: skip


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Typed:
    """Type `python use.py …` in a folder with a model that answers with how long what it is asked is."""
    loaded: list[str] = []

    class Llama:
        def __init__(self, *given: Any, **others: Any) -> None:
            loaded.append("model")

        def create_chat_completion(self, messages: Any, **others: Any) -> Any:
            said = str(len(messages[-1]["content"]))
            return {"choices": [{"message": {"content": said}}]}

    monkeypatch.setitem(sys.modules, "llama_cpp", cast("Any", SimpleNamespace(Llama=Llama)))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, of: dict[str, Any] | None = None, loads: bool = True) -> str:
        of = of or task()
        (tmp_path / "task.json").write_text(json.dumps(of), "utf-8")
        (tmp_path / "use.py").write_text(use_file(of, "gguf"), "utf-8")
        monkeypatch.setattr(sys, "argv", ["use.py", *arguments])
        loaded.clear()
        try:
            runpy.run_path(str(tmp_path / "use.py"), run_name="__main__")
        except SystemExit as ended:
            if isinstance(ended.code, str):
                print(ended.code, file=sys.stderr)
        assert bool(loaded) is loads
        shown = capsys.readouterr()
        return cast("str", shown.out + shown.err)

    return run


def test_one_row_is_an_object_or_plain_text(typed: Typed) -> None:
    assert typed('{"Request": "four"}') == "4\n"
    assert typed("My box?") == "7\n"
    assert typed("42") == "2\n"
    assert typed("Hello", of=task("chat", "messages")) == "5\n"


@pytest.mark.parametrize(
    ("arguments", "of", "said"),
    [
        ((), None, "say the row: python use.py '{"),
        (('{"Request": ',), None, "the row is no JSON"),
        (('{"Text": "a"}',), None, "an object of texts with the columns Request"),
        (("plain",), task("generation", "Request", "From"), "as JSON: python use.py '{"),
        (('{"messages": "a"}',), task("chat", "messages"), "messages, a list"),
        (("a", "--in", "new.csv", "--out", "out.csv"), None, "a row or a file, not both"),
        (("--in", "new.csv"), None, "--in and --out belong together"),
        (("--in", "none.csv", "--out", "out.csv"), None, "No such file"),
        (("--in", "new.csv", "--out", "new.csv"), None, "new.csv is there already"),
        (("--in", "new.csv", "--out", "out.jsonl"), None, "both end with .csv"),
        (
            ("--in", "new.csv", "--out", "out.csv"),
            None,
            "one column Request; its columns: Text, From",
        ),
        (("--in", "old.csv", "--out", "out.csv"), None, "not in UTF-8"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_the_model_is_loaded(
    typed: Typed, tmp_path: Path, arguments: tuple[str, ...], of: Any, said: str
) -> None:
    (tmp_path / "new.csv").write_text("Text,From\na,b\n", "utf-8")
    (tmp_path / "old.csv").write_bytes("Request\nB\xfcro\n".encode("latin-1"))
    shown = typed(*arguments, of=of, loads=False)
    assert said in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(("sign", "mark"), [(",", ""), (";", "\ufeff"), ("\t", "")])
def test_a_table_comes_back_with_its_answers(
    typed: Typed, tmp_path: Path, sign: str, mark: str
) -> None:
    rows = [
        ["Request", "From"],
        ['one, two; "x"\nthree', "ada"],
        ["Bü", "bo"],
        ["", "cy"],
        ["<|end|>", "dee"],
    ]
    text = io.StringIO()
    csv.writer(text, delimiter=sign).writerows([*rows, ["short"]])
    (tmp_path / "new.csv").write_text(mark + text.getvalue(), "utf-8", newline="")
    shown = typed("--in", "new.csv", "--out", "answers.csv")
    written = (tmp_path / "answers.csv").read_text("utf-8")
    assert written.startswith(f"{mark}Request{sign}From{sign}answer")
    back = list(csv.reader(io.StringIO(written.removeprefix("\ufeff"), newline=""), delimiter=sign))
    assert [row[:2] for row in back] == [*rows, ["short", ""]]
    assert [row[2] for row in back[1:]] == ["19", "2", "", "", "5"]
    assert "3 of 5 rows answered: answers.csv, column answer" in shown
    assert "2 could not be read, and have no answer:\n  line 5: there is no text in it" in shown
    assert "line 6: the row holds <|end|>" in shown
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".csv", ".json", ".py"]


def test_a_column_of_the_same_name_stays(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("Request,answer\nhello,yes\n", "utf-8")
    assert "column student_answer" in typed("--in", "new.csv", "--out", "out.csv")
    assert (tmp_path / "out.csv").read_text("utf-8").split() == [
        "Request,answer,student_answer", "hello,yes,5",
    ]  # fmt: skip


def test_lines_come_back_with_their_answers(typed: Typed, tmp_path: Path) -> None:
    lines = ['{"Request": "hello", "id": 7}', "{", "[]", '{"Request": 3}', ""]
    (tmp_path / "new.jsonl").write_text("\n".join(lines), "utf-8")
    shown = typed("--in", "new.jsonl", "--out", "out.jsonl")
    got = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert got == [
        {"Request": "hello", "id": 7, "answer": "5"}, {"answer": None}, {"answer": None},
        {"Request": 3, "answer": None},
    ]  # fmt: skip
    assert "1 of 4 rows answered" in shown
    assert "line 3: the line is no JSON object" in shown


def test_conversations_are_asked_from_both_kinds_of_file(typed: Typed, tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "hello"}]
    (tmp_path / "new.jsonl").write_text(
        json.dumps({"messages": talk}) + '\n{"messages": [{"role": "user"}]}\n{"messages": [3]}\n',
        "utf-8",
    )
    shown = typed("--in", "new.jsonl", "--out", "out.jsonl", of=task("chat", "messages"))
    assert "1 of 3 rows answered" in shown
    with (tmp_path / "new.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["messages"], [json.dumps(talk)], ["no JSON"]])
    shown = typed("--in", "new.csv", "--out", "out.csv", of=task("chat", "messages"))
    assert "1 of 2 rows answered" in shown
