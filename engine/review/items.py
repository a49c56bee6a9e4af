"""Rows that wait for a person, each with all that is known of it: of a recipe's latest run, as the store has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from engine.errors import EngineError
from engine.report.facts.json_columns import json_object, text_values
from engine.report.facts.reviews import judge_marks
from engine.report.records import MINE, Query
from engine.rows import Subject
from engine.stages.load import example_id
from engine.stages.reviewing.mend import PERSON

State = Literal["trained on", "left out", "rejected", "in the data"]
NEVER = ("leak", "malformed", "duplicate")
"""Reasons of rejection about which nobody is asked: no word of a person makes such a row fit to train on."""
_RUN = """
SELECT u.id, u.status, EXISTS (FROM all_run_rows r WHERE r.run = u.id AND r.stage = 'judge') AS judged
FROM run u JOIN recipe c ON c.id = u.recipe WHERE c.name = ?
ORDER BY judged DESC, coalesce(u.resumed, u.started) DESC, u.id DESC LIMIT 1
"""
_ONE_RUN = "SELECT u.id FROM run u JOIN recipe c ON c.id = u.recipe WHERE c.name = ? AND u.id = ?"
_RAN = """
SELECT c.name, c.path, u.id AS run, u.row_limit, p.project, p.file, p.vars, p.settings
FROM run u JOIN recipe c ON c.id = u.recipe LEFT JOIN provenance p ON p.run = u.id
QUALIFY row_number() OVER (PARTITION BY c.name ORDER BY coalesce(u.resumed, u.started) DESC, u.id DESC) = 1
ORDER BY coalesce(u.resumed, u.started) DESC, u.id DESC
"""
_CANDIDATES = f"""
WITH v AS (
  SELECT t.candidate, o.seed, o.round, o.attempt, t.advice, t.agreement, t.label_correct, t.naturalness,
    o.node AS judged_in
  FROM verdict t JOIN all_run_rows o USING (node) WHERE o.run = $1
), w AS (
  SELECT DISTINCT t.item, o.seed, o.round FROM reviewed t JOIN all_run_rows o USING (node) WHERE o.run = $1
), a AS (
  SELECT t.id AS candidate, o.seed, o.round, o.attempt, t.attributes, t.label_source AS labelled_by
  FROM candidate t JOIN all_run_rows o USING (node) WHERE o.run = $1
)
SELECT l.*, w.item IS NOT NULL AS ruled, v.advice, v.agreement, v.label_correct, v.naturalness, v.judged_in,
  a.attributes, a.labelled_by
FROM all_lineage l
LEFT JOIN v USING (candidate, seed, round, attempt)
LEFT JOIN w ON w.item = l.candidate AND w.seed = l.seed AND w.round = l.round
LEFT JOIN a USING (candidate, seed, round, attempt)
WHERE l.run = $1 AND l.accepted IS NOT NULL AND l.reason NOT IN {NEVER}
ORDER BY l.seed, l.round, l.attempt, l.candidate
"""
_ANSWERS = """
SELECT t.candidate, t.answer, t.second, t.detail, t.how FROM verification t JOIN all_run_rows o USING (node)
WHERE o.run = ? AND list_contains(?, t.candidate) ORDER BY t.candidate, t.sample
"""
_ROWS = """
SELECT any_value(e.id) AS id, e.split, any_value(e.inputs) AS inputs, any_value(e.target) AS target,
  any_value(e.source) AS source, any_value(e.line) AS line
FROM example e JOIN all_run_rows o USING (node)
WHERE o.run = ? AND o.stage IN ('load', 'mend') AND e.split IN ('train', 'validation') AND list_contains(?, e.id)
GROUP BY e.id, e.split ORDER BY e.split, id
"""
_ANSWERED = (
    MINE
    + """
SELECT p.example, p.seed, p.round, any_value(p.answer) AS answer, any_value(p.confidence) AS confidence
FROM prediction p SEMI JOIN mine USING (node, run) SEMI JOIN (SELECT unnest(?::VARCHAR[]) AS example) USING (example)
WHERE p.split IN ('train', 'validation') AND p.round > -2 GROUP BY ALL ORDER BY p.round, p.seed
"""
)
_WHY = (
    MINE
    + """
SELECT d.example, d.root_cause
FROM diagnosis d SEMI JOIN mine USING (node, run) SEMI JOIN (SELECT unnest(?::VARCHAR[]) AS example) USING (example)
QUALIFY d.round = max(d.round) OVER (PARTITION BY d.example) ORDER BY d.seed, d.id
"""
)
_SUSPECTS = """
SELECT t.example, t.split, any_value(t.answer) AS answer, arg_max(t.reason, coalesce(t.confidence, 0)) AS reason,
  max(t.confidence) AS confidence, count(DISTINCT t.call) AS times
FROM label_suspect t JOIN all_run_rows o USING (node)
WHERE o.run = ? AND t.split IN ('train', 'validation')
GROUP BY t.example, t.split ORDER BY t.split, times DESC, confidence DESC NULLS LAST, t.example
"""


class Answer(NamedTuple):
    """What somebody answered who did not see the row's target, or what a program found."""

    answer: str | None
    second: str | None
    detail: str
    how: str


class Doubt(NamedTuple):
    """Why a label of the data is taken for wrong."""

    answer: str | None
    """What the student answered; of a training row what the judge answers."""
    reason: str
    confidence: int | None
    times: int
    """How often somebody said so."""


class Answered(NamedTuple):
    """What a student answered to a row of the data."""

    seed: int
    round: int
    answer: str | None
    """None where nothing could be read from what it said."""
    confidence: float | None
    """How sure it was, 0 to 1; None where it does not say."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row for a person to look at."""

    example: str
    """Hash of inputs and target."""
    subject: Subject
    inputs: Mapping[str, str]
    target: str
    state: State
    candidate: str | None = None
    places: tuple[tuple[int, int], ...] = ()
    """Seed and round of each place where it is a candidate."""
    pattern: str = ""
    """Id of the failure pattern that it is against."""
    pattern_name: str = ""
    operator: str = ""
    label_source: str = ""
    parent_inputs: Mapping[str, str] | None = None
    parent_target: str = ""
    near: str = ""
    """The label that it was meant to be mistakable for."""
    reason: str = ""
    """Of its verdict: `accepted`, or what rejected it."""
    detail: str = ""
    advice: Mapping[str, str] | None = None
    """Gate that only advises -> what it says against the row."""
    agreement: float | None = None
    answers: tuple[Answer, ...] = ()
    judge: Mapping[str, Any] | None = None
    """What the judge says: scores by name, `label_correct`; None where it said nothing."""
    judge_agrees: bool | None = None
    judged_in: str = ""
    """The node that judged it."""
    source: str = ""
    line: int = 0
    doubt: Doubt | None = None
    answered: tuple[Answered, ...] = ()
    """What the students answered to a row of the data, in the order of their rounds."""
    why: tuple[str, ...] = ()
    """Why the last student failed at it, as the teacher says; with several seeds, in several ways."""
    trained_everywhere: bool = False
    """Whether it is trained on in every place where it is a candidate."""
    ruled: bool = False
    """Whether people's verdicts had a part in what became of it: without them it may be something else."""

    @property
    def key(self) -> tuple[Subject, str]:
        """What verdicts on it are known by: a candidate may be the same row as one of the data."""
        return self.subject, self.example

    @property
    def judge_passes(self) -> bool | None:
        """Whether the judge takes the target for right; None where it said nothing of it."""
        if self.judge is None:
            return None
        said = self.judge.get("label_correct")
        # A small judge is not asked for that, and of what can be read both ways its whole verdict tells.
        return self.judge_agrees if said in (None, "ambiguous") else said == "yes"


class Judging(NamedTuple):
    """What the judge of a run is, and how much it lets pass."""

    marks: Mapping[str, str]
    """Node -> the mark of its judge."""
    passes: float | None
    """Share of the rows of which it said anything whose target it takes for right."""


class Reviewable(NamedTuple):
    """The run whose rows are reviewed."""

    run: str
    recipe: str


def reviewable(query: Query, recipe: str) -> Reviewable:
    """Return the latest run of a recipe, of those that have judged rows where there are any.

    Raises:
        EngineError: there is none.
    """
    found = query(_RUN, [recipe])
    if not found:
        raise EngineError(
            f"no run of the recipe '{recipe}' is in this store",
            "run it first: `pada run RECIPE`; `pada runs` lists what is there",
        )
    return Reviewable(found[0]["id"], recipe)


def of_run(query: Query, recipe: str, run: str) -> Reviewable:
    """Return one run of a recipe, for who began to look at its rows; raises EngineError where there is none such."""
    if query(_ONE_RUN, [recipe, run]):
        return Reviewable(run, recipe)
    raise EngineError(
        f"run {run} of the recipe '{recipe}' is not in this store any more",
        "look at the rows of its latest run",
    )


class Ran(NamedTuple):
    """A recipe that was run, and where its file was."""

    name: str
    path: str
    """As it was said."""
    folder: str
    """Its project's; empty where that was not kept."""
    file: str
    """From that folder."""
    run: str
    """Its last run."""
    limit: int | None
    vars: Mapping[str, Any]
    settings: Mapping[str, Any]


def ran(query: Query) -> list[Ran]:
    """Return the recipes that were run, that of the last run first."""
    return [
        Ran(
            name=row["name"],
            path=row["path"],
            folder=row["project"] or "",
            file=row["file"] or "",
            run=row["run"],
            limit=row["row_limit"],
            vars=json_object(row["vars"]),
            settings=json_object(row["settings"]),
        )
        for row in query(_RAN, [])
    ]


def candidates(query: Query, run: str) -> list[Item]:
    """Return the generated and the mined rows of a run that have a verdict, the same row once."""
    found: dict[str, Item] = {}
    for row in query(_CANDIDATES, [run]):
        item = _candidate(row)
        known = found.get(item.example)
        found[item.example] = item if known is None else _merged(known, item)
    return list(found.values())


def _candidate(row: Mapping[str, Any]) -> Item:
    inputs = text_values(row["inputs"])
    state: State = "rejected"
    if row["example"] is not None:
        state = "trained on"
    elif row["accepted"]:
        state = "left out"
    left_out = "" if row["left_out"] == PERSON else row["left_out"]
    scores = {
        name: row[name]
        for name in ("label_correct", "relevance", "naturalness", "utility", "adherence")
        if row[name] is not None
    }
    return Item(
        example=example_id(inputs, row["target"]),
        subject="candidate",
        inputs=inputs,
        target=row["target"],
        state=state,
        candidate=row["candidate"],
        places=((row["seed"], row["round"]),),
        pattern=row["pattern"],
        pattern_name=row["pattern_name"] or "",
        operator=row["operator"],
        label_source=row["labelled_by"] or "writer",
        parent_inputs=text_values(row["parent_inputs"]) or None,
        parent_target=row["parent_target"] or "",
        near=str(json_object(row["attributes"]).get("near", "")),
        # What another reviewer said is nothing that this one is to know.
        reason=left_out or row["reason"],
        detail="" if left_out else row["detail"] or "",
        advice=text_values(row["advice"]),
        agreement=row["agreement"],
        judge=scores or None,
        judge_agrees=row["judge_agrees"],
        judged_in=row["judged_in"] or "",
        trained_everywhere=state == "trained on",
        ruled=row["ruled"],
    )


_BEST: Sequence[State] = ("trained on", "left out", "rejected")


def _merged(known: Item, other: Item) -> Item:
    """Return one item for a row that is a candidate in two places: as it stands where it came furthest."""
    best = min(known, other, key=lambda item: _BEST.index(item.state))
    return replace(
        best,
        places=tuple(dict.fromkeys((*known.places, *other.places))),
        trained_everywhere=known.trained_everywhere and other.trained_everywhere,
        ruled=known.ruled or other.ruled,
    )


def with_answers(query: Query, run: str, items: Sequence[Item]) -> list[Item]:
    """Return items with what was answered to them: to candidates blind, to rows of the data by the students."""
    names = [item.candidate for item in items if item.candidate]
    by_candidate: dict[str, list[Answer]] = {}
    for row in query(_ANSWERS, [run, names]) if names else ():
        one = Answer(row["answer"], row["second"], row["detail"], row["how"])
        by_candidate.setdefault(row["candidate"], []).append(one)
    students, why = _students(query, run, items)
    return [
        replace(item, answers=tuple(by_candidate.get(item.candidate or "", ())))
        if item.subject == "candidate"
        else replace(
            item,
            answered=tuple(students.get(item.example, ())),
            why=tuple(dict.fromkeys(why.get(item.example, ()))),
        )
        for item in items
    ]


def _students(
    query: Query, run: str, items: Sequence[Item]
) -> tuple[Mapping[str, list[Answered]], Mapping[str, list[str]]]:
    """Return what students answered to rows of the data, and why the last one failed, by row."""
    ids = [item.example for item in items if item.subject != "candidate"]
    students: dict[str, list[Answered]] = {}
    why: dict[str, list[str]] = {}
    if ids:
        for row in query(_ANSWERED, [run, ids]):
            one = Answered(row["seed"], row["round"], row["answer"], row["confidence"])
            students.setdefault(row["example"], []).append(one)
        for row in query(_WHY, [run, ids]):
            why.setdefault(row["example"], []).append(row["root_cause"])
    return students, why


def data_rows(query: Query, run: str, examples: Sequence[str]) -> dict[str, Item]:
    """Return training and validation rows of the data by id, as in their file or as people mended them.

    One in both splits is a training row.
    """
    found: dict[str, Item] = {}
    for row in query(_ROWS, [run, list(examples)]):
        item = Item(
            example=row["id"],
            subject=row["split"],
            inputs=text_values(row["inputs"]),
            target=row["target"],
            state="in the data",
            source=row["source"],
            line=row["line"],
        )
        found.setdefault(item.example, item)
    return found


def judging(query: Query, run: str) -> Judging:
    """Return what the judge of a run is, and how much it lets pass."""
    said = [item.judge_passes for item in candidates(query, run)]
    known = [passes for passes in said if passes is not None]
    return Judging(judge_marks(query, run), sum(known) / len(known) if known else None)


def suspects(query: Query, run: str) -> list[Item]:
    """Return the rows of the data whose label was taken for wrong, training rows first."""
    said = query(_SUSPECTS, [run])
    rows = data_rows(query, run, [row["example"] for row in said])
    found: dict[str, Item] = {}
    for row in said:
        item = rows.get(row["example"])
        if item is not None and item.example not in found:
            doubt = Doubt(row["answer"], row["reason"], row["confidence"], row["times"])
            found[item.example] = replace(item, doubt=doubt)
    return list(found.values())
