"""The data of whole recipes: splits taken from others, bad rows left out, queries, places given by the user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.data.splits import Splits
from engine.errors import Problem, RecipeError
from engine.plan.validate import examine
from engine.rows import SPLITS
from engine.spec.loader import load
from tests.plan.test_validate import GOOD

HEAD = GOOD[: GOOD.index("data:")]
TAIL = GOOD[GOOD.index("models:") :]
ROWS = [{"text": f"row number {n} of many", "label": "abcd"[n % 4]} for n in range(80)]


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / name).write_text(text, encoding="utf-8")


def read(
    folder: Path, sources: str, head: str = HEAD, **given: str
) -> tuple[Splits, list[Problem]]:
    folder.mkdir(exist_ok=True)
    (folder / "recipe.yaml").write_text(f"{head}data:\n{sources}{TAIL}", encoding="utf-8")
    problems, found = examine(load(folder, given))
    return found, problems


def counts(found: Splits) -> dict[str, int]:
    return {split: len(rows.records) for split, rows in found.rows.items()}


def test_splits_that_are_not_there_are_taken_from_one_that_is(tmp_path: Path) -> None:
    write(tmp_path, "data/all.jsonl", ROWS)
    found, problems = read(
        tmp_path,
        "  train: {path: data/all.jsonl}\n"
        "  validation: {split_from: {split: train, share: 0.1}}\n"
        "  test: {split_from: {split: train, rows: 12, seed: 3}}\n",
    )
    assert not problems
    assert counts(found) == {"train": 60, "validation": 8, "test": 12}
    texts = [{r.values["text"] for r in rows.records} for rows in found.rows.values()]
    assert set.union(*texts) == {row["text"] for row in ROWS}
    assert sum(map(len, texts)) == 80
    for rows in found.rows.values():
        assert {record.values["label"] for record in rows.records} == set("abcd")
        assert all(ROWS[r.line - 1] == r.values and rows.at(r).line == r.line for r in rows.records)


def test_how_files_are_written_is_detected_and_said_once_for_each(tmp_path: Path) -> None:
    lines = "".join(f"{row['text']};{row['label']}\r\n" for row in ROWS)
    text = f"text;label\r\n{lines}" + "süß, nicht?;a\r\n"
    (tmp_path / "a.CSV").write_bytes(text.encode("cp1252"))
    data = "".join(
        f'  {split}: {{path: a.CSV, where: "label {condition}"}}\n'
        for split, condition in zip(SPLITS, ("<> ''", "= 'a'", "= 'b'"), strict=True)
    )
    found, problems = read(tmp_path, data)
    assert counts(found) == {"train": 81, "validation": 21, "test": 20}
    assert [p.message for p in problems if p.code == "format"] == [
        "fields are separated by ';' here, not by ',': the file is read that way",
        "this is not UTF-8: it is read as cp1252",
    ]
    settled = data.replace("a.CSV", 'a.CSV, format: {encoding: cp1252, delimiter: ";"}')
    found, problems = read(tmp_path, settled)
    assert counts(found) == {"train": 81, "validation": 21, "test": 20}
    assert not [p for p in problems if p.code == "format"]


def test_a_format_is_for_files(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="format is for the files of a path"):
        read(
            tmp_path,
            "  train: {sql: \"FROM 'a.csv'\", format: {header: false}}\n"
            "  validation: {path: a.csv}\n  test: {path: a.csv}\n",
        )


def test_decimal_commas_are_said_once(tmp_path: Path) -> None:
    head = HEAD.replace("target: label, ", "target: label, params: {decimal: comma}, ")
    with pytest.raises(RecipeError, match="leave one of the two out"):
        read(
            tmp_path,
            "  train: {path: a.csv, format: {decimal: ','}}\n"
            "  validation: {path: a.csv}\n  test: {path: a.csv}\n",
            head,
        )


def test_a_chat_log_is_told_and_read_by_its_turns(tmp_path: Path) -> None:
    def log(*turns: str) -> dict[str, Any]:
        roles = ("user", "assistant")
        return {"messages": [{"role": roles[n % 2], "content": t} for n, t in enumerate(turns)]}

    write(tmp_path, "a.jsonl", [log(f"Q{n}?", "x", "And?", "ab"[n % 2]) for n in range(8)])
    write(
        tmp_path, "b.jsonl", [log("Q9?", "x", "Is that all?"), log("Q10?", "a"), log("Q11?", "b")]
    )
    data = "".join(f"  {s}: {{path: {f}.jsonl}}\n" for s, f in zip(SPLITS, "aba", strict=True))
    _, problems = read(tmp_path, data)
    [hint] = [p.hint for p in problems if p.message.startswith("task.target:")]
    assert '`columns: {label: "messages[-1].content"}`' in hint
    made = (
        """.jsonl, where: "messages[-1].role = 'assistant'", columns: {label: "messages[-1].content", """
        """text: "array_to_string([m.role || ': ' || m.content for m in messages[:-2]], '\\n')"}"""
    )
    found, problems = read(tmp_path, data.replace(".jsonl", made))
    assert [(r.line, r.values["text"]) for r in found.rows["validation"].records] == [
        (2, "user: Q10?"),
        (3, "user: Q11?"),
    ]
    first = found.rows["train"].records[0].values
    assert (first["text"], first["label"]) == ("user: Q0?\nassistant: x\nuser: And?", "a")


def test_a_query_is_a_source_like_a_file(tmp_path: Path) -> None:
    write(tmp_path, "data/part-1.jsonl", ROWS[:40])
    write(tmp_path, "data/part-2.jsonl", ROWS[40:])
    query = "SELECT text AS body, label FROM 'data/part-*.jsonl' ORDER BY text"
    found, problems = read(
        tmp_path,
        f'  train: {{sql: "{query}", where: "label <> \'x\'", rename: {{text: body}}}}\n'
        "  validation: {path: data/part-1.jsonl}\n"
        "  test: {path: data/part-2.jsonl}\n",
    )
    assert {problem.code for problem in problems} == {"shared-row"}
    assert counts(found) == {"train": 80, "validation": 40, "test": 40}


def test_rows_of_a_query_are_told_by_their_number_and_not_by_a_line_of_its_file(
    tmp_path: Path,
) -> None:
    rows: list[dict[str, Any]] = [*ROWS, {"text": "", "label": "a"}, {"text": None, "label": "b"}]
    rows.append(ROWS[1])
    write(tmp_path, "all.jsonl", rows)
    write(tmp_path, "test.jsonl", [{"text": "x", "label": "a"}])
    data = (
        "  train: {sql: \"SELECT * FROM 'all.jsonl' WHERE label <> 'c'\"}\n"
        "  validation: {split_from: {rows: 8}}\n  test: {path: test.jsonl}\n"
    )
    _, problems = read(tmp_path, data)
    place = f"query over {tmp_path}/all.jsonl"
    (bad,) = [problem for problem in problems if problem.level == "error"]
    assert str(bad).startswith(f"row 62 of the {place}: error: the column 'text' has no value")
    _, problems = read(tmp_path, data + "  on_bad_row: drop\n")
    told = [str(problem) for problem in problems]
    assert any(text.startswith(f"row 62 of the {place}: warning: left out") for text in told)
    assert any(
        text.startswith(f"row 61 of the {place}: warning: the column 'text' is blank")
        for text in told
    )
    assert any(" row repeats row 2" in text for text in told)
    assert not any("all.jsonl:" in text.replace("all.jsonl: ", "") for text in told)


def test_files_of_a_query_that_the_user_gave_count_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "elsewhere", "x.jsonl", ROWS)
    data = (
        "  train: {sql: \"FROM '${data}/x.jsonl'\", where: \"label <> '${label}'\"}\n"
        "  validation: {split_from: {rows: 8}}\n  test: {split_from: {rows: 8}}\n"
    )
    head = HEAD.replace("name: good", "name: good\nvars: {data: '../elsewhere', label: d}")
    _, problems = read(tmp_path / "recipe", data, head)
    assert [problem.code for problem in problems] == ["outside"]
    monkeypatch.chdir(tmp_path)
    found, problems = read(tmp_path / "recipe", data, head, data="elsewhere", label="c")
    assert not problems
    assert counts(found)["train"] == 44


def test_bad_rows_that_are_left_out_are_warnings_and_counted(tmp_path: Path) -> None:
    bad: list[dict[str, Any]] = [{"text": None, "label": "a"}] * 14
    write(tmp_path, "all.jsonl", [*ROWS, *bad])
    write(tmp_path, "test.jsonl", [{"text": "x", "label": "a"}, {"text": "y", "label": "new"}])
    data = "  train: {path: all.jsonl}\n  validation: {split_from: {rows: 8}}\n  test: {path: test.jsonl}\n"
    _, problems = read(tmp_path, data)
    [error] = [problem for problem in problems if problem.level == "error"]
    assert "(the first of 14 such rows: 81, 82, 83, 84, 85, …)" in error.message
    assert "`where: 'text is not null'`" in error.hint
    found, problems = read(tmp_path, data + "  on_bad_row: drop\n")
    assert {problem.level for problem in problems} == {"warning"}
    assert counts(found) == {"train": 72, "validation": 8, "test": 1}
    assert found.left_out == {"train": 14, "test": 1}
    [said] = [problem.message for problem in problems if "no value" in problem.message]
    assert said.startswith("left out: ")
    assert "14 such rows" in said


def test_where_nothing_but_bad_rows_is_left_that_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "all.jsonl", ROWS)
    (tmp_path / "bad.jsonl").write_text("x\n" * 30, encoding="utf-8")
    _, problems = read(
        tmp_path,
        "  train: {path: all.jsonl}\n  validation: {path: bad.jsonl}\n  test: {path: all.jsonl}\n"
        "  on_bad_row: drop\n",
    )
    [problem] = [problem for problem in problems if problem.level == "error"]
    assert problem.message == "data.validation has no rows"
    assert problem.hint == "all 30 rows of " + f"{tmp_path}/bad.jsonl are bad and left out"


def test_rows_of_several_files_are_told_by_their_file(tmp_path: Path) -> None:
    write(tmp_path, "parts/a.jsonl", ROWS[:4])
    write(tmp_path, "parts/b.jsonl", [ROWS[1]])
    write(tmp_path, "test.jsonl", [ROWS[1], ROWS[6]])
    _, problems = read(
        tmp_path,
        "  train: {path: 'parts/*.jsonl'}\n"
        "  validation: {path: test.jsonl}\n"
        "  test: {path: test.jsonl, where: \"label = 'c'\"}\n",
    )
    said = {(Path(p.where.file).name, p.where.line, p.message.split(" (")[0]) for p in problems}
    assert ("b.jsonl", 1, f"this train row repeats line 2 of {tmp_path}/parts/a.jsonl") in said
    assert any("parts/a.jsonl:2" in problem.message for problem in problems)


def test_a_row_that_redaction_takes_the_answer_from_is_a_bad_row(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"c": f"Clerk {n} is Frau Meier.", "a": "Meier"} for n in range(3)
    ]
    rows += [{"c": f"City {n} is Bonn, says Frau Meier.", "a": ["Bonn", "City"]} for n in range(5)]
    write(tmp_path, "all.jsonl", rows)
    data = "".join(f"  {split}: {{path: all.jsonl}}\n" for split in ("train", "validation", "test"))
    head = HEAD.replace(
        "{kind: classification, input: [text], target: label, description: Mail.}",
        "{kind: extraction, input: [c], target: a, params: {context: c}}\n"
        "privacy: {redact: [{pattern: 'Frau \\w+'}]}",
    )
    _, problems = read(tmp_path, data, head)
    wrong = [problem.message for problem in problems if problem.code == "redact"]
    more = "after privacy.redact the row's inputs do not fit its answer any more (the first of 3 such rows)"
    assert wrong == [more]  # once: the three splits are one file
    found, problems = read(tmp_path, data + "  on_bad_row: drop\n", head)
    assert [p.message for p in problems if p.code == "bad-row"] == [f"left out: {more}"]
    assert counts(found) == {"train": 5, "validation": 5, "test": 5}
    assert found.left_out == {"train": 3, "validation": 3, "test": 3}
    assert found.redacted == 15


def test_one_column_has_one_new_name(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", ROWS)
    sources = "".join(
        f"  {split}: {{path: a.jsonl, rename: {{x: text, text: text}}}}\n" for split in SPLITS
    )
    with pytest.raises(RecipeError, match="rename gives 'text' two names"):
        read(tmp_path, sources)


def test_what_is_wrong_with_a_file_of_two_splits_is_said_once(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", [*ROWS, {"text": 5, "label": "a"}])
    write(
        tmp_path, "b.jsonl", [{"text": "other words", "label": "a"}, {"text": None, "label": "a"}]
    )
    _, problems = read(
        tmp_path,
        "  train: {path: a.jsonl}\n  validation: {split_from: {rows: 8}}\n  test: {split_from: {rows: 8}}\n",
    )
    assert [problem.code for problem in problems] == ["mixed"]
    _, problems = read(
        tmp_path,
        "  train: {path: a.jsonl}\n  validation: {path: b.jsonl}\n  test: {path: b.jsonl}\n",
    )
    assert [problem.where.line for problem in problems if problem.level == "error"] == [2]
