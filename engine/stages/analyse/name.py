"""name: the teacher names each cluster of diagnoses, sorts it into the taxonomy and describes it.

It sees diagnoses, half of them nearest the centroid and half from the edges, each with its own confusions where targets
are labels, and for contrast some of the nearest other cluster. Those worded alike are shown once, with their count; the
rows themselves never. What it writes is guarded before anybody renders it: diagnoses are written from validation rows
and may quote them. A cluster of which it says that it is not coherent is split once as it proposes, and the parts are
named in its place. Rules of annotation that diagnoses state are guarded and gathered here too, without a call. Reads
clusters, diagnoses and failures; writes a `Pattern` per cluster or part, its members, each `Convention`, and for each
part a `PatternLink` to its cluster, and to the earlier pattern that most of it comes from; a `Drop` for each member
that the namer calls a misfit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from engine.backends.protocol import Request
from engine.identity import Params, outside
from engine.rows import Convention, Drop, Pattern, PatternMember, Row
from engine.spec.recipe import LeakLimits
from engine.stages import schemas
from engine.stages.analyse.cluster import category_pattern
from engine.stages.analyse.mistakes import label_text
from engine.stages.analyse.reworded import (
    Objection,
    Quotes,
    Reply,
    Worded,
    ask,
    clean,
    gathered,
    quoting,
    with_left_out,
)
from engine.stages.analyse.shown import LETTER, Clusters, Limits
from engine.stages.analyse.splitting import (
    LEAST,
    MISFITS,
    MOST_PARTS,
    PARTS,
    links_of_parts,
    misfits_of,
    parts_of,
    unusable,
)
from engine.stages.analyse.targets import Confusions
from engine.stages.analyse.taxonomy import OfferedCategory, as_shown
from engine.stages.blocks import Briefing
from engine.stages.forecast import Forecast, Range, Situation
from engine.stages.logged import failures_by_example
from engine.stages.numbered import ids
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

PROMPT = "name_pattern.md"
MISFIT: Final = "misfit"
"""Reason of a drop: a failure that is of no pattern, though its diagnosis lay in a cluster."""
MOST_WORDS = 6
"""Of a name. The two that prompts ask for at least are not held to: some scripts have no spaces between words."""


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

    @property
    def splits(self) -> bool:
        """Whether a cluster that is not coherent may be split."""
        return PARTS in self.schema["properties"]

    @property
    def leaves_out(self) -> bool:
        """Whether members of a cluster may be called misfits."""
        return MISFITS in self.schema["properties"]


@dataclass(frozen=True)
class NameInputs(Inputs):
    """The clusters, what they are made of, and the patterns of earlier rounds."""

    load: Loaded
    score: Scored
    diagnose: Diagnosed
    cluster: Clustered
    earlier: tuple[NamedPatterns, ...] = ()
    logged: Logged | None = None
    diagnosed: tuple[Diagnosed, ...] = ()
    """Of the earlier rounds, which may have stated a rule that one row alone showed then."""


def name_patterns(params: NameParams, inputs: NameInputs, ctx: Context) -> NamedPatterns:
    """Return the patterns with their members: one per cluster, or per part of a cluster that was split.

    One that continues an earlier pattern keeps its texts, and is not split.
    """
    rules = _conventions(params, inputs, ctx)
    if not inputs.cluster.by_pattern:
        # Failures too few for a cluster state rules too, and those of earlier rounds stay known.
        return NamedPatterns(rules)
    limits = Limits(params.task, params.briefing, params.shown, params.confusions)
    clusters = Clusters(
        limits,
        inputs.cluster.by_pattern,
        inputs.diagnose.diagnoses,
        list(failures_by_example(inputs.score.all_failures, inputs.logged, ctx.round).values()),
        inputs.load.train,
        ctx,
    )
    earlier = {p.id: p for named in inputs.earlier for p in named.patterns}
    by_sql = {category_pattern(category): category for category in params.where_categories}
    guard = ctx.leak_guard(
        params.task.entry, inputs.load.examples, params.guard.ngram, params.guard.quantile
    )
    quotes = partial(guard.quotes, own=params.briefing.words)
    new = [pattern for pattern in clusters.members if pattern not in earlier]
    # What SQL assigns is not the namer's to say.
    open_ = {p for p in new if p not in by_sql and len(clusters.members[p]) > LEAST}
    # Of explanations that are all worded alike none is unlike the others.
    open_ = {p for p in open_ if len(clusters.shown(p)[0]) > 1}
    splittable = {p for p in open_ if len(clusters.members[p]) >= 2 * LEAST}
    known = [p.name for p in earlier.values()]
    replies = _names(params, clusters, new, splittable, open_, known, quotes, ctx)
    centres = {pattern: clusters.centres[pattern].tolist() for pattern in splittable}
    origin, drops = _split(clusters, replies, splittable)
    drops += _left_out(clusters, replies, open_)
    if origin:
        # A part is named like a cluster, and not split again.
        taken_now = [*known, *(w.value["name"].strip() for w in replies.values() if w.value)]
        replies |= _names(params, clusters, list(origin), set(), set(), taken_now, quotes, ctx)
    taken = {p.name.casefold() for p in earlier.values()}
    patterns: list[Pattern] = []
    for pattern, members in clusters.members.items():
        centre = tuple(round(float(x), 6) for x in clusters.centres[pattern])
        silhouette = _mean([m.silhouette for m in members])
        stability = inputs.cluster.stability.get(pattern)
        if before := earlier.get(pattern):
            patterns.append(
                replace(
                    before,
                    size=len(members),
                    centroid=centre,
                    silhouette=silhouette,
                    stability=stability,
                )
            )
            continue
        written = _written(params, clusters, pattern, replies[pattern], quotes)
        unique = _unique(written.name, clusters.pairs[pattern], params.task, taken)
        taken.add(unique.casefold())
        patterns.append(
            replace(
                written,
                name=unique,
                category=by_sql.get(pattern) or written.category,
                centroid=centre,
                silhouette=silhouette,
                stability=stability,
                split_from=origin.get(pattern),
            )
        )
    patterns.sort(key=lambda pattern: (-pattern.size, pattern.id))
    members_of = (clusters.members[pattern.id] for pattern in patterns)
    placed = (
        PatternMember(m.pattern, m.example, m.diagnosis, m.distance, m.silhouette)
        for members in members_of
        for m in members
    )
    links = links_of_parts(
        [pattern for pattern in patterns if pattern.id in origin],
        {part: [member.example for member in clusters.members[part]] for part in origin},
        centres,
        inputs.earlier,
        {link.parent for link in inputs.cluster.links if link.kind == "continued"},
    )
    return NamedPatterns((*patterns, *placed, *links, *drops, *rules))


def _conventions(params: NameParams, inputs: NameInputs, ctx: Context) -> tuple[Row, ...]:
    """Return the rules of annotation that are known after this round, and a drop for each that quotes."""

    def quotes(text: str) -> str | None:
        guard = ctx.leak_guard(
            params.task.entry, inputs.load.examples, params.guard.ngram, params.guard.quantile
        )
        quoted = guard.quotes(text, own=params.briefing.words)
        return quoted or (guard.stands_in(text) and "an evaluation row stands in it") or None

    earlier = [rule for named in inputs.earlier for rule in named.of(Convention)]
    said = [d for diagnosed in (*inputs.diagnosed, inputs.diagnose) for d in diagnosed.diagnoses]
    rules, hidden = gathered(said, earlier, quotes, ctx.embed)
    return (*rules, *hidden)


def _split(
    clusters: Clusters, replies: dict[str, Worded], splittable: Set[str]
) -> tuple[dict[str, str], list[Drop]]:
    """Split each cluster that is not coherent as its namer proposes; its reply is taken out.

    Returns each part with the cluster that it is of, and what of the proposals could not be used.
    """
    origin: dict[str, str] = {}
    dropped: list[Drop] = []
    for pattern in [p for p in replies if p in splittable]:
        reply = replies[pattern].value
        if reply is None or reply.get("coherent") is not False:
            continue
        shown, members = _places(clusters, pattern), clusters.members[pattern]
        parts = parts_of(reply, shown, clusters.vectors[pattern])
        if parts:
            dropped += unusable(reply, list(shown), pattern)
            dropped += [_misfit(members[place]) for place in sorted(misfits_of(reply, shown))]
            del replies[pattern]
            origin |= dict.fromkeys(clusters.split(pattern, parts), pattern)
    return origin, dropped


def _left_out(clusters: Clusters, replies: Mapping[str, Worded], open_: Set[str]) -> Iterator[Drop]:
    """Take misfits out of the clusters that stay whole, where they are the fewer, and yield a drop for each."""
    for pattern, worded in replies.items():
        if worded.value is None or pattern not in open_:
            continue
        shown = _places(clusters, pattern)
        yield from unusable(worded.value, list(shown), pattern)
        misfits = misfits_of(worded.value, shown)
        left = len(clusters.members[pattern]) - len(misfits)
        if misfits and left >= max(LEAST, len(misfits)):
            yield from map(_misfit, clusters.leave_out(pattern, misfits))


def _misfit(member: PatternMember) -> Drop:
    detail = "advice that mends the other mistakes of its cluster would not mend it, its namer says"
    return Drop("name", member.diagnosis, MISFIT, detail)


def _places(clusters: Clusters, pattern: str) -> dict[str, list[int]]:
    """Return id of a diagnosis in the prompt -> the places of the members of which it is said."""
    places = {member.diagnosis: i for i, member in enumerate(clusters.members[pattern])}
    wordings, _ = clusters.shown(pattern)
    return {
        one: [places[member.diagnosis] for member in same]
        for one, same in zip(ids(len(wordings), LETTER), wordings, strict=True)
    }


def _names(
    params: NameParams,
    clusters: Clusters,
    new: Sequence[str],
    splittable: Set[str],
    open_: Set[str],
    known: Sequence[str],
    quotes: Quotes,
    ctx: Context,
) -> dict[str, Worded]:
    """Return the teacher's words for each new cluster; of those in `open_` it is asked for misfits, too."""
    prompt = ctx.prompt(PROMPT)
    given: dict[int, str] = {}
    shared = {
        "description": params.briefing.description,
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
        asked = {
            PARTS: params.splits and new[number] in splittable,
            MISFITS: params.leaves_out and new[number] in open_,
        }
        schema = params.schema
        for part in (part for part, wanted in asked.items() if not wanted):
            schema = schemas.without(schema, part)
        variables = {**shared, **shown[number], **asked, "names": names, "again": again}
        return ctx.request("teacher", prompt, variables, schema)

    def object_to(number: int, reply: Reply) -> Objection | None:
        name = reply["name"].strip()
        texts = {"name": name, "description": reply["description"].strip()}
        if (objection := quoting(quotes, texts)) is not None:
            return objection
        if name.casefold() in {other.casefold() for other in others(number)}:
            told = "The name of your first answer is another pattern's: say in the name what tells this one from it."
            return Objection("its name is taken", told, fatal=False)
        if (words := len(name.split())) > MOST_WORDS:
            told = (
                f"The name of your first answer has {words} words: say it in {MOST_WORDS} at most."
            )
            return Objection("its name is too long", told, fatal=False)
        given[number] = name
        return None

    worded = ask(ctx, [partial(request, number) for number in range(len(new))], object_to)
    return dict(zip(new, worded, strict=True))


def _written(
    params: NameParams, clusters: Clusters, pattern: str, worded: Worded, quotes: Quotes
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
        name=_short(reply["name"]),
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


def _short(name: str) -> str:
    """Return a name of no more words than it may have."""
    words = name.split()
    return " ".join(words[:MOST_WORDS]) + ("…" if len(words) > MOST_WORDS else "")


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
    return nameless(pattern), f"{len(members)} failures with like diagnoses."


def nameless(pattern: str) -> str:
    """Return what a pattern is called for which there are neither words nor labels."""
    return f"pattern {pattern}"


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
        "parts": "", "misfits": "",
    }  # fmt: skip


def _expect(params: NameParams, situation: Situation) -> Forecast:
    calls = situation.new(situation.patterns)
    named = calls.high
    if params.splits:
        named += min(MOST_PARTS * named, situation.failures.high // LEAST)
    # One that quotes an evaluation row is asked for once more.
    most = named * (2 if params.again else 1)
    return Forecast(Range(calls.low, most), reply_tokens=schemas.reply_tokens(params.schema))


def _accounts(params: NameParams, inputs: NameInputs, output: NamedPatterns) -> Iterable[Account]:
    clusters = {pattern.split_from or pattern.id for pattern in output.patterns}
    yield Account("clusters", len(inputs.cluster.by_pattern), len(clusters))
    misfits = sum(drop.reason == MISFIT for drop in output.drops)
    yield Account("members of clusters", len(inputs.cluster.members), len(output.members), misfits)
    sizes = sum(pattern.size for pattern in output.patterns)
    yield Account("members of patterns", len(output.members), sizes)


NAME = Stage(
    "name", 14, NameParams, NameInputs, NamedPatterns, name_patterns,
    description="The teacher gives each pattern a name and describes it.",
    asks=("teacher", "embedder"),
    prompts={
        PROMPT: frozenset({
            "task", "description", "kind", "labelled", "size", "diagnoses", "others", "confusions",
            "names", "categories", "again", "parts", "misfits",
        }),
    },
    replies=("pattern",),
    sends=_sends, embeds="diagnoses, rules of annotation, texts of patterns, validation and test rows ({inputs})",
    expect=_expect, accounts=_accounts,
)  # fmt: skip
