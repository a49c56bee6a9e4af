"""The card of a data set: where its rows are from, what became of those that were written, who stands for labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.export.cards import card, fenced
from engine.export.data.labels import LABEL_STATUSES
from engine.export.data.layouts import LAYOUTS, Layout
from engine.export.licences import front_licence, licences
from engine.export.run import FinishedRun
from engine.report.formatting import count
from engine.report.markdown import escaped, table
from engine.report.tables.table import Table, titled

_FUNNEL = (
    "SELECT what, coalesce(reason, '') AS reason, sum(rows)::BIGINT AS rows FROM all_funnel WHERE run = ?"
    " GROUP BY step, what, reason ORDER BY step, rows DESC, reason"
)
COLUMNS = {
    "pada_id": "hash of the row's inputs and target",
    "pada_origin": "`original`, `synthetic` (written) or `mined` (from the recipe's pool)",
    "pada_label": "what stands for the label, see above",
    "pada_label_source": "who gave it: data, writer, neighbours, teacher, judge, or column (a person, in the pool)",
    "pada_seed, pada_round": "the loop's seed, and the round that wrote or mined the row",
    "pada_operator, pada_pattern": "how it was made (`mine`: found in the pool), and the failure pattern it is for",
    "pada_parent": "the training row that it was made from; of a mined row the nearest one",
    "pada_source": "file and line of an original or a mined row",
    "pada_pair": "`student_error`, `blind_answer` or `writer`: what a pair is made of",
    "pada_reason": "why the rejected row was rejected",
}


_OF_PAIRS = {"pada_pair", "pada_reason"}
_OF_ROWS = {"pada_origin", "pada_parent", "pada_source", "pada_label_source"}


class CardRow(NamedTuple):
    """Rows of one origin whose labels have one status."""

    what: str
    """original, synthetic, or what a pair is made of."""
    label: str
    rows: int


def data_card(
    run: FinishedRun, layout: Layout, format: str, counts: Sequence[CardRow], licence: str | None
) -> str:
    """Return the card, Markdown with the front matter by which `datasets` finds the file."""
    total = sum(row.rows for row in counts)
    pairs = layout.endswith("preference")
    tags = ["synthetic"] if any(row.what not in ("original", "mined") for row in counts) else []
    file = {"split": "train", "path": f"data/train.{format}"}
    front = {
        **front_licence(licence),
        "pretty_name": run.name,
        "tags": [*tags, "pada-engine"],
        "configs": [{"config_name": "default", "data_files": [file]}],
    }
    return card(
        front,
        f"# {escaped(run.name)}: {'pairs' if pairs else 'training rows'} of run {run.id}",
        escaped(str(run.recipe.get("description", ""))),
        f"{count(total)} {'pairs' if pairs else 'rows'} of a run of PaDA Engine that ended on {run.ended}"
        f" ({run.status}). Layout `{layout}`: {LAYOUTS[layout]}.",
        '```python\nfrom datasets import load_dataset\n\nrows = load_dataset("FOLDER", split="train")\n```',
        "## Rows",
        _counts(counts),
        "\n".join(
            f"- **{name}**: {told}"
            for name, told in LABEL_STATUSES.items()
            if any(row.label == name for row in counts)
        ),
        _columns(layout),
        "## How rows were made and lost",
        _funnel(run),
        "## Licences",
        licences(
            run,
            licence,
            base=False,
            written=any(row.what not in ("original", "student_error") for row in counts),
            answers=any(row.what == "student_error" for row in counts),
        ),
        "## Made with",
        _versions(run),
        "## Prompts",
        "SHA-256 of every prompt of the run's steps, also of those that nobody was asked:\n\n"
        + "\n".join(f"- `{name}` {digest}" for name, digest in run.prompt_digests.items()),
        "## Recipe",
        fenced(run.source, "yaml"),
    )


def _counts(counts: Sequence[CardRow]) -> str:
    rows = tuple((row.what, row.label, count(row.rows)) for row in counts)
    titles = titled("what", "label", "rows", numbers=("rows",))
    return table(Table("Rows by origin and label", titles, rows))


def _columns(layout: Layout) -> str:
    hidden = _OF_ROWS if layout.endswith("preference") else _OF_PAIRS
    shown = {name: told for name, told in COLUMNS.items() if name not in hidden}
    return "Beside its own columns each row has:\n\n" + "\n".join(
        f"- `{name.replace(', ', '`, `')}`: {told}" for name, told in shown.items()
    )


def _funnel(run: FinishedRun) -> str:
    rows = tuple(
        (str(r["what"]), str(r["reason"]), count(r["rows"])) for r in run.query(_FUNNEL, [run.id])
    )
    if not rows:
        return "No rows were written in this run."
    titles = titled("step", "reason", "rows", numbers=("rows",))
    return table(Table("All seeds and rounds", titles, rows))


def _versions(run: FinishedRun) -> str:
    named = {
        role: spec
        for role, spec in dict(run.recipe.get("models") or {}).items()
        if isinstance(spec, dict)
    }
    models = [
        f"- {role}: {escaped(str(spec.get('model')))} ({escaped(str(spec.get('backend')))})"
        for role, spec in named.items()
    ]
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    recipe_version = str(run.recipe.get("version") or "")
    head = f"- recipe {escaped(run.name)}{f' {escaped(recipe_version)}' if recipe_version else ''}, run {run.id}"
    return "\n".join([head, *models, f"- {escaped(versions)}"])
