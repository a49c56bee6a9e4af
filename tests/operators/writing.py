"""A good operator's folder, and ways to write it with changes."""

from __future__ import annotations

from pathlib import Path

OPERATOR = """\
operator: 1
name: shorten
version: 1
description: Say it in fewer words; the label stays.
label: keep
params:
  variants: {type: integer, default: 2, minimum: 1, maximum: 10, description: Rows asked for in one call.}
  words: {type: integer, default: 5, minimum: 1, maximum: 20, description: Most words of a row.}
  style: {type: choice, default: plain, choices: [plain, curt], description: How it sounds.}
rows: variants
sees: [row, rejected]
"""
PROMPT = """\
{# purpose: say it in fewer words; variables: row, count, params, rejected #}
[[system]]
Shorten messages in JSON.
[[user]]
{{ row | tojson }}
{{ rejected }}
{{ count }} {{ params.style }} ones of at most {{ params.words }} words:
"""


def write_operator(
    home: Path,
    text: str = OPERATOR,
    *,
    prompt: str | None = PROMPT,
    schema: str | None = None,
    name: str = "shorten",
) -> Path:
    """Write an operator's folder into `home` and return it; a file that is None is left out."""
    folder = home / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "operator.yaml").write_text(text, "utf-8")
    if prompt is not None:
        (folder / "small.md").write_text(prompt, "utf-8")
    if schema is not None:
        (folder / "rows.schema.json").write_text(schema, "utf-8")
    return folder


def changed(*changes: tuple[str, str], text: str = OPERATOR) -> str:
    """Return a text with parts replaced; each must be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text
