"""Recipes that use every way of choosing rows, on made-up files: what is drawn from them must never change."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

_WORDS = ("amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "inlet", "jetty")
_MODELS = """\
models:
  student: {backend: transformers, model: embedded/smollm2-135m-instruct}
  teacher: {backend: transformers, model: embedded/smollm2-135m-instruct}
  judge: {backend: transformers, model: embedded/smollm2-135m-instruct}
  embedder: {backend: sentence-transformers, model: embedded/all-minilm-l6-v2}
augment: {operators: [{name: paraphrase}]}
"""


class Case(NamedTuple):
    """One recipe: its task and data, and the rows per split that a run keeps."""

    recipe: str
    limit: int | None = None

    def write(self, folder: Path) -> Path:
        """Write the recipe and all files; return the recipe's path."""
        write_files(folder)
        path = folder / "recipe.yaml"
        path.write_text(f"recipe: 1\nname: drawn\n{self.recipe}{_MODELS}", "utf-8")
        return path


CASES = {
    "labels_sampled_and_split": Case("""\
task: {kind: classification, input: [text], target: label}
data:
  train:
    path: labels.jsonl
    where: "n % 7 <> 3"
    columns: {short: "left(text, 9)"}
    sample: {n: 12, per: label, seed: 4}
  validation: {split_from: {split: train, share: 0.25, seed: 3}}
  test: {split_from: {split: train, rows: 9, seed: 1}}
"""),
    "numbers_sampled": Case("""\
task: {kind: numeric, input: [question], target: answer}
data:
  train: {path: numbers.jsonl, sample: {n: 20, seed: 2}}
  validation: {path: numbers.jsonl, rename: {text: note}, sample: {n: 10, seed: 7}, limit: 6}
  test: {split_from: {rows: 5}}
"""),
    "spans_in_groups": Case("""\
task: {kind: extraction, input: [question, context], target: answers, params: {context: context}}
data:
  train: {path: spans.json, sample: {n: 40, seed: 5}}
  validation: {split_from: {rows: 8, group: page, seed: 2}}
  test: {split_from: {share: 0.2, group: page}}
"""),
    "bad_rows_left_out": Case("""\
task: {kind: classification, input: [text, more], target: label}
data:
  train: {path: "parts/*.csv", columns: {n: "number::int"}}
  validation: {path: parts/b.csv, where: "label <> 'x'"}
  test: {path: other.tsv}
  on_bad_row: drop
privacy: {redact: [{pattern: '\\d{3}-\\d{4}', with: '[phone]'}, {pattern: 'Anna|Otto', with: '[name]'}]}
"""),
    "several_labels": Case("""\
task: {kind: classification, input: [text], target: labels, params: {many: true}}
data:
  train: {path: many.jsonl.gz, limit: 60}
  validation: {split_from: {share: 0.3}}
  test: {path: many.jsonl.gz, where: "n >= 60"}
""", 15),
    "a_query": Case("""\
task: {kind: generation, input: [text], target: reply}
data:
  train: {sql: "SELECT text, label AS kind, upper(label) || ' ' || n AS reply FROM 'labels.jsonl' ORDER BY n DESC"}
  validation: {split_from: {rows: 11, seed: 9}}
  test: {path: labels.parquet, columns: {reply: "[label, text]"}, sample: {n: 3, per: label}}
""", 25),
    "answers_that_redaction_takes": Case("""\
task: {kind: extraction, input: [context], target: answers, params: {context: context}}
data:
  train: {path: spans.json}
  validation: {path: spans.json, where: "page % 2 = 0"}
  test: {split_from: {rows: 4}}
  on_bad_row: drop
privacy: {redact: [{pattern: 'fjord \\w+'}]}
"""),
    "choices": Case("""\
task: {kind: multiple_choice, input: [question, options], target: right, params: {options: options}}
data:
  train: {path: choices.jsonl}
  validation: {split_from: {rows: 6}}
  test: {path: choices.jsonl, sample: {n: 2, per: right, seed: 1}}
""", 10),
}  # fmt: skip


def _text(n: int) -> str:
    return " ".join(_WORDS[(n * step + n // 10) % 10] for step in (1, 3, 7)) + f" {n % 83}"


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _gzip(content: bytes) -> bytes:
    """Return a gzip file of one stored block (RFC 1952, RFC 1951): what a compressor writes differs by its version."""
    size = len(content)
    block = struct.pack("<BHH", 1, size, size ^ 0xFFFF) + content
    header = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    return header + block + struct.pack("<II", zlib.crc32(content), size)


def write_files(folder: Path) -> None:
    """Write the files of all cases."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    labels = [{"n": n, "text": _text(n), "label": "abcd"[n * n % 11 % 4]} for n in range(180)]
    (folder / "labels.jsonl").write_text(_lines(labels), "utf-8")
    pq.write_table(pa.Table.from_pylist(labels), folder / "labels.parquet")
    numbers = [
        {"question": f"How many {_text(n)}?", "answer": f"{n} + 1 = {n + 1}\n#### {n + 1}", "note": n % 5}
        for n in range(90)
    ]  # fmt: skip
    (folder / "numbers.jsonl").write_text(_lines(numbers), "utf-8")
    spans = [
        {"page": n // 4, "question": f"which {_WORDS[n % 10]}?", "context": f"{_text(n)} by {_text(n + 1)}",
         "answers": [_text(n).split()[0], _text(n)] if n % 3 else _text(n).split()[1]}
        for n in range(80)
    ]  # fmt: skip
    (folder / "spans.json").write_text(json.dumps(spans, indent=1), "utf-8")
    (folder / "parts").mkdir()
    for name, start in (("a", 0), ("b", 30)):
        rows = [
            f'"{_text(n)}, call {"Anna" if n % 4 else "Otto"} at 555-{1000 + n % 9}",'
            f"{'' if n % 13 == 5 else _WORDS[n % 10]},{'xyz'[n % 3]},{'none' if n % 11 == 4 else n}"
            for n in range(start, start + 40)
        ]
        rows.insert(7, "too,many,fields,in,here")
        text = "text,more,label,number\n" + "\n".join(rows) + "\n"
        (folder / "parts" / f"{name}.csv").write_text(text, "utf-8")
    rows = [f"{_text(n)}\tOtto\t{'xyzw'[n % 4]}" for n in range(20)]
    (folder / "other.tsv").write_text("text\tmore\tlabel\n" + "\n".join(rows) + "\n", "utf-8")
    many = [
        {"n": n, "text": _text(n), "labels": ["red", "blue", "green"][n % 4 : n % 3 + 1]}
        for n in range(90)
    ]
    (folder / "many.jsonl.gz").write_bytes(_gzip(_lines(many).encode()))
    choices = [
        {"question": f"{_text(n)}?", "options": [f"{_WORDS[(n + k) % 10]} {n % 6}" for k in range(3 + n % 2)],
         "right": "ABC"[n % 3]}
        for n in range(40)
    ]  # fmt: skip
    (folder / "choices.jsonl").write_text(_lines(choices), "utf-8")
