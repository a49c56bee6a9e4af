"""name: the teacher names each cluster of diagnoses, sorts it into the taxonomy and describes it.

It sees diagnoses, half of them nearest the centroid and half from the edges, each with its own confusions where targets
are labels, and for contrast some of the nearest other cluster. Those worded alike are shown once, with their count; the
rows themselves never. What it writes is guarded before anybody renders it: diagnoses are written from validation rows
and may quote them. Reads clusters, diagnoses and failures; writes one `Pattern` per cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.backends.protocol import Request
from engine.identity import Params, outside
from engine.rows import Diagnosis, Pattern, PatternMember, Row
from engine.spec.recipe import LeakLimits
from engine.stages import schemas
from engine.stages.analyse.cluster import category_pattern, diagnosis_text
from engine.stages.analyse.clusterers import centroid
from engine.stages.analyse.mistakes import label_text, labels_of
from engine.stages.analyse.reworded import (
    Objection,
    Quotes,
    Reply,
    Worded,
    ask,
    clean,
    quoting,
    with_left_out,
)
from engine.stages.analyse.targets import Confusions, confusions, worded_confusions
from engine.stages.analyse.taxonomy import OfferedCategory, as_shown
from engine.stages.blocks import Briefing, inert, task_block
from engine.stages.forecast import Forecast, Range, Situation
from engine.stages.logged import failures_by_example
from engine.stages.outputs import (
    Clustered,
    Diagnosed,
    Loaded,
    Logged,
    NamedPatterns,
    Scored,
)
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.task_view import TaskView

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

PROMPT = "name_pattern.md"
CONTRAST = 5
"""Diagnoses of the nearest other cluster that are shown."""


@dataclass(frozen=True, kw_only=True)
class NameParams(Params):
    """The task, the categories, how much the teacher is shown, and the guard over what it writes."""

    task: TaskView
    briefing: Briefing
    guard: LeakLimits
    schema: schemas.Schema
    shown: int
    """Most diagnoses of a cluster that are shown, one for all that are worded alike."""
    confusions: int = 3
    """Most pairs of right label and answer that are shown, of the whole cluster."""
    again: bool = outside(True)
    """Whether the prompt can ask for another wording."""
    categories: tuple[OfferedCategory, ...] = ()
    where_categories: tuple[str, ...] = ()
    """Ids of the categories that SQL gives; each has a pattern of its own."""


@dataclass(frozen=True)
class NameInputs(Inputs):
    """The clusters, what they are made of, and the patterns of earlier rounds."""

    load: Loaded
    score: Scored
    diagnose: Diagnosed
    cluster: Clustered
    earlier: tuple[NamedPatterns, ...] = ()
    logged: Logged | None = None


def name_patterns(params: NameParams, inputs: NameInputs, ctx: Context) -> NamedPatterns:
    """Return one `Pattern` per cluster; one that continues an earlier pattern keeps its texts."""
    groups = inputs.cluster.by_pattern
    if not groups:
        return NamedPatterns()
    clusters = _Clusters(params, inputs, ctx)
    earlier = {p.id: p for named in inputs.earlier for p in named.patterns}
    new = [pattern for pattern in groups if pattern not in earlier]
    guard = ctx.leak_guard(inputs.load.examples, params.guard.ngram, params.guard.quantile)
    quotes = partial(guard.quotes, own=params.briefing.words)
    taken = {p.name.casefold() for p in earlier.values()}
    replies = dict(zip(new, _names(params, clusters, new, earlier, quotes, ctx), strict=True))
    by_sql = {category_pattern(category): category for category in params.where_categories}
    rows: list[Row] = []
    for pattern, members in groups.items():
        centre = tuple(round(float(x), 6) for x in clusters.centres[pattern])
        silhouette = _mean([m.silhouette for m in members])
        if known := earlier.get(pattern):
            rows.append(replace(known, size=len(members), centroid=centre, silhouette=silhouette))
            continue
        written = _written(params, clusters, pattern, replies[pattern], quotes)
        unique = _unique(written.name, clusters.pairs[pattern], params.task, taken)
        taken.add(unique.casefold())
        rows.append(
            replace(
                written,
                name=unique,
                category=by_sql.get(pattern) or written.category,
                centroid=centre,
                silhouette=silhouette,
            )
        )
    return NamedPatterns(tuple(rows))


class _Clusters:
    """The clusters as prompts show them."""

    def __init__(self, params: NameParams, inputs: NameInputs, ctx: Context) -> None:
        self._params = params
        self.members = inputs.cluster.by_pattern
        self._train = inputs.load.train
        self._diagnoses = {d.id: d for d in inputs.diagnose.diagnoses}
        self._failures = failures_by_example(inputs.score.all_failures, inputs.logged)
        self.vectors: dict[str, Vectors] = {
            pattern: ctx.embed([diagnosis_text(self._diagnoses[m.diagnosis]) for m in members])
            for pattern, members in self.members.items()
        }
        self.centres = {pattern: centroid(own) for pattern, own in self.vectors.items()}
        self.pairs = {
            pattern: confusions(members, self._failures)
            for pattern, members in self.members.items()
        }

    def variables(self, pattern: str) -> dict[str, Any]:
        """Return the prompt's variables for one cluster, without what is the same for all."""
        params, members = self._params, self.members[pattern]
        wordings = self._wordings(pattern)
        firsts = [members.index(same[0]) for same in wordings]
        central, edge = half_spread(self.vectors[pattern][firsts], params.shown)
        nearest = self._nearest(pattern)
        others = self._wordings(nearest)[:CONTRAST] if nearest else []
        about = labels_of(params.task, [self._failures[m.example] for m in members])
        return {
            "task": task_block(params.task, params.briefing, self._train, about),
            "size": len(members),
            "diagnoses": [self._shown(wordings[i], True) for i in central]
            + [self._shown(wordings[i], False) for i in edge],
            "confusions": worded_confusions(params.task, self.pairs[pattern], params.confusions),
            "others": [self._shown(same, True) for same in others],
        }

    def _wordings(self, pattern: str) -> list[list[PatternMember]]:
        """Return a cluster's members, those together of which the same is said word for word, in their order."""
        same: dict[str, list[PatternMember]] = {}
        for member in self.members[pattern]:
            text = diagnosis_text(self._diagnoses[member.diagnosis])
            same.setdefault(text, []).append(member)
        return list(same.values())

    def _shown(self, members: Sequence[PatternMember], central: bool) -> dict[str, Any]:
        """Return what is said of some members, with their own confusions, most frequent first."""
        diagnosis: Diagnosis = self._diagnoses[members[0].diagnosis]
        task, pairs = self._params.task, confusions(members, self._failures)
        worded = worded_confusions(task, pairs, len(pairs))
        right, wrong, _ = worded[0] if worded else ("", "", 0)
        return {
            "text": diagnosis_text(diagnosis),
            "root_cause": inert(diagnosis.root_cause),
            "scenario": inert(diagnosis.scenario),
            "skill": inert(diagnosis.skill),
            "right": right,
            "wrong": wrong,
            "count": len(members),
            "pairs": "; ".join(
                f"{t} answered as {a}" + (f": {n}" if len(worded) > 1 else "") for t, a, n in worded
            ),
            "central": central,
        }

    def _nearest(self, pattern: str) -> str:
        """Return the cluster whose centroid is nearest to that of another; "" where there is none."""
        near = {
            other: float(self.centres[pattern] @ centre)
            for other, centre in self.centres.items()
            if other != pattern
        }
        return max(near, key=lambda other: near[other], default="")


def half_spread(vectors: Vectors, most: int) -> tuple[list[int], list[int]]:
    """Return the places of the vectors to show: half of them the first, half as far from all shown as there are.

    Args:
        vectors: Unit-length, shape (n, dimensions), nearest to their centroid first.
        most: Most places in all.
    """
    import numpy as np

    shown = min(most, len(vectors))
    central = list(range((shown + 1) // 2))
    edge: list[int] = []
    nearest = (vectors @ vectors[central].T).max(axis=1)
    nearest[central] = np.inf
    while len(central) + len(edge) < shown:
        farthest = int(nearest.argmin())
        edge.append(farthest)
        nearest = np.maximum(nearest, vectors @ vectors[farthest])
        nearest[farthest] = np.inf
    return central, edge


def _names(
    params: NameParams,
    clusters: _Clusters,
    new: Sequence[str],
    earlier: Mapping[str, Pattern],
    quotes: Quotes,
    ctx: Context,
) -> list[Worded]:
    """Return the teacher's words for each new cluster."""
    prompt = ctx.prompt(PROMPT)
    known = [p.name for p in earlier.values()]
    given: dict[int, str] = {}
    shared = {
        "description": params.task.description,
        "kind": params.task.kind,
        "labelled": params.task.labelled,
        "categories": as_shown(params.categories),
    }
    shown = [clusters.variables(pattern) for pattern in new]

    def others(number: int) -> list[str]:
        return [*known, *(name for owner, name in given.items() if owner != number)]

    def request(number: int, again: str) -> Request:
        # At first all clusters are asked about at once, so that none has a name yet.
        names = others(number) if again else known
        variables = {**shared, **shown[number], "names": names, "again": again}
        return ctx.request("teacher", prompt, variables, params.schema)

    def object_to(number: int, reply: Reply) -> Objection | None:
        name = reply["name"].strip()
        texts = {"name": name, "description": reply["description"].strip()}
        if (objection := quoting(quotes, texts)) is not None:
            return objection
        if name.casefold() in {other.casefold() for other in others(number)}:
            told = "The name of your first answer is another pattern's: say in the name what tells this one from it."
            return Objection("its name is taken", told, fatal=False)
        given[number] = name
        return None

    return ask(ctx, [partial(request, number) for number in range(len(new))], object_to)


def _written(
    params: NameParams, clusters: _Clusters, pattern: str, worded: Worded, quotes: Quotes
) -> Pattern:
    """Return a pattern with the teacher's texts, or neutral ones; its name may be another's too."""
    members, pairs = clusters.members[pattern], clusters.pairs[pattern]
    reply = worded.value
    if reply is None:
        name, description = (
            _neutral(params.task, pairs)
            if params.task.labelled and pairs
            else _nameless(pattern, members)
        )
        return Pattern(
            pattern, name, description, None, len(members), (), None, worded.call, worded.guard
        )
    includes, hidden = clean(quotes, reply.get("includes", ()))
    excludes, more_hidden = clean(quotes, reply.get("excludes", ()))
    return Pattern(
        id=pattern,
        name=reply["name"].strip(),
        description=reply["description"].strip(),
        category=reply.get("category"),
        size=len(members),
        centroid=(),
        silhouette=None,
        call=worded.call,
        guard=with_left_out(worded.guard, [*hidden, *more_hidden], worded.call),
        includes=includes,
        excludes=excludes,
        coherent=reply.get("coherent"),
    )


def _unique(name: str, pairs: Confusions, task: TaskView, taken: set[str]) -> str:
    """Return a name that no other pattern has."""
    unique = name
    while unique.casefold() in taken:
        target = label_text(task, pairs[0][0]) if task.labelled and pairs else ""
        unique = f"{name} ({target})" if target and unique == name else f"{unique}+"
    return unique


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _neutral(task: TaskView, pairs: Confusions) -> tuple[str, str]:
    """Return a name and a description made of labels alone: what is used when the teacher's may not be."""
    named = [
        (label_text(task, t), None if a is None else label_text(task, a), n) for t, a, n in pairs
    ]
    target, answer, _ = named[0]
    listed = "; ".join(
        f"{t} answered unreadably ({n})" if a is None else f"{t} answered as {a} ({n})"
        for t, a, n in named[:4]
    )
    name = f"{target} answered unreadably" if answer is None else f"{target} taken for {answer}"
    return name, f"Rows of one label are given another: {listed}."


def _nameless(pattern: str, members: Sequence[PatternMember]) -> tuple[str, str]:
    """Return a name and a description that say nothing of any row."""
    return f"pattern {pattern}", f"{len(members)} failures with like diagnoses."


def _sends(params: NameParams) -> Mapping[str, str]:
    labelled = params.task.labelled
    return {
        "task": "the labels, train rows ({inputs}) that stand for those without a definition"
        if labelled
        else "",
        "diagnoses": "diagnoses of failed rows"
        + (", each with its {target} and the student's answer" if labelled else ""),
        "others": "diagnoses of failed rows"
        + (", each with its {target} and the student's answer" if labelled else ""),
        "confusions": "{target} and the student's answers of failed rows, counted"
        if labelled
        else "",
        "names": "names of patterns",
        "description": "", "kind": "", "labelled": "", "size": "", "categories": "", "again": "",
    }  # fmt: skip


def _expect(params: NameParams, situation: Situation) -> Forecast:
    calls = situation.new(situation.patterns)
    # One that quotes an evaluation row is asked for once more.
    most = calls.high * (2 if params.again else 1)
    return Forecast(Range(calls.low, most), reply_tokens=schemas.reply_tokens(params.schema))


def _accounts(params: NameParams, inputs: NameInputs, output: NamedPatterns) -> Iterable[Account]:
    yield Account("clusters", len(inputs.cluster.by_pattern), len(output.patterns))
    members = sum(pattern.size for pattern in output.patterns)
    yield Account("members of patterns", len(inputs.cluster.members), members)


NAME = Stage(
    "name", 6, NameParams, NameInputs, NamedPatterns, name_patterns,
    asks=("teacher", "embedder"),
    prompts={
        PROMPT: frozenset({
            "task", "description", "kind", "labelled", "size", "diagnoses", "others", "confusions",
            "names", "categories", "again",
        }),
    },
    replies=("pattern",),
    sends=_sends, embeds="diagnoses, texts of patterns, validation and test rows ({inputs})",
    expect=_expect, accounts=_accounts,
)  # fmt: skip
