"""`pada plan`: the DAG with each node's state, the estimate, and which fields go to which model."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.cli.terminal.output import make_console, say
from engine.cli.terminal.streams import echo, print_records
from engine.gate import KeyUse, has_consent
from engine.plan.building.training_memory import of_recipe
from engine.plan.duration.devices import Foreseen
from engine.plan.explain import AFTER_DOWNLOAD, NodeState, mermaid
from engine.plan.flow import flows, host_of, key_of, measured_use, timed, uses_of
from engine.plan.graph import UNFETCHED
from engine.plan.packs import WRITERS, choose, judged_by_teacher, softened
from engine.project import Planned, Project
from engine.report.foreseen import foreseen
from engine.report.foreseen.forecast import Devices, forecasts, record, told
from engine.rows import SPLITS
from engine.run.expected import Expected
from engine.spec.recipe import Executor, Recipe

ANY = Devices()
STYLE = {"cached": "green", "pending": "yellow", "changed": "magenta"}


def print_plan(
    project: Project, graph: bool, devices: Devices = ANY, *, as_json: bool = False
) -> None:
    """Print the plan, or its graph, or with `as_json` the forecast alone, an object for each number of devices."""
    planned = project.plan()
    if as_json:
        print_records(sys.stdout, map(record, _forecasts(project, planned, devices)))
        return
    if graph:
        echo(mermaid(planned.states))
        return
    console = make_console()
    console.print(_table(planned.states))
    counts = Counter(s.state for s in planned.states)
    console.print(", ".join(f"{n} {state}" for state, n in sorted(counts.items())), highlight=False)
    print_expected(console, planned.expected)
    for line in told(_forecasts(project, planned, devices)):
        say(console, line)
    if any(one.state != "cached" for one in planned.states):
        say(console, f"at the same time: {_at_once(project.loaded.recipe.executor)}")
    _print_student(console, project, planned)
    _print_memory(console, project, planned)
    _print_writers(console, project, planned)
    _print_flow(console, project, planned)


def _forecasts(project: Project, planned: Planned, devices: Devices) -> list[Foreseen]:
    rows = project.examined.splits.counts.values()
    limit = project.limit
    return forecasts(
        planned.plan,
        planned.resources,
        [one.node.name for one in planned.states if one.state != "cached"],
        {name: one.estimate for name, one in planned.expected.nodes.items()},
        sum(count if limit is None else min(count, limit) for count in rows),
        project.state if project.has_store else None,
        devices,
    )


def _table(states: list[NodeState]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("node", "state", "fingerprint", "because"):
        table.add_column(name, overflow="fold")
    unfetched = [one for one in states if one.because == AFTER_DOWNLOAD]
    for one in states:
        node, state, reason = one
        shown = Text(state, style=STYLE[state])
        if reason != AFTER_DOWNLOAD or len(unfetched) == 1:
            known = "–" if reason == AFTER_DOWNLOAD else node.id[:10]
            table.add_row(node.name, shown, known, reason)
        elif one is unfetched[0]:
            nodes = f"{len(unfetched)} nodes, {node.name} to {unfetched[-1].node.name}"
            table.add_row(nodes, shown, "–", f"{reason}: {', '.join(_weights(unfetched))}")
    return table


def _weights(states: list[NodeState]) -> list[str]:
    """Return the weights that are not on this machine and decide the rows of these nodes."""
    models = (model for one in states for model in one.node.identity["models"].values())
    return sorted({m[0].removeprefix(UNFETCHED) for m in models if str(m[0]).startswith(UNFETCHED)})


def print_expected(console: Console, expected: Expected) -> None:
    """Print what is still to be asked and trained, and how long that takes."""
    for line in foreseen(expected.estimate, expected.minutes, evaluated=expected.evaluated):
        say(console, line)


def _at_once(executor: Executor) -> str:
    if executor.kind == "serial":
        return "nothing, one node after the other (executor.kind: serial)"
    servers = "one conversation with each server, and what needs neither"
    if executor.kind == "ray":
        many = f"up to {executor.slots}" if executor.slots else "one for each machine"
        cluster = f"the Ray cluster '{executor.address or 'auto'}', which is sent their rows"
        return f"trainings and predictions ({many}) on {cluster}; {servers}"
    slots = executor.slots or executor.gpus or 1
    many = "one training or prediction" if slots == 1 else f"up to {slots} trainings or predictions"
    return f"{many}, {servers}"


def _print_student(console: Console, project: Project, planned: Planned) -> None:
    """Say what round 0 is where the student exists already."""
    student, adapter = project.loaded.recipe.models.student, planned.resources.adapter
    if adapter is None:
        return
    trains = any(node.stage == "train" for node in planned.plan.nodes.values())
    later = "; later rounds and the control train it further" if trains else ""
    say(
        console,
        f"student: {student.model} with the adapter {student.adapter} ({adapter.digest[:12]}): round 0 is the "
        f"model with the adapter, untuned the model without it{later}",
    )


def _print_memory(console: Console, project: Project, planned: Planned) -> None:
    """Say what a fine-tune takes of this machine's memory, where one is still to be done."""
    trained = any(s.node.stage == "train" and s.state != "cached" for s in planned.states)
    memory = of_recipe(project.loaded, planned.resources.splits) if trained else None
    if memory is not None:
        fits = "fits" if memory.fits else "may not fit"
        say(console, f"memory of a fine-tune: {fits}, {memory}")


def _print_writers(console: Console, project: Project, planned: Planned) -> None:
    """Say how teacher and judge are talked to, and what the judge and the gates do; nothing where none is asked."""
    recipe, packs = project.loaded.recipe, planned.resources.packs
    stages = {node.stage for node in planned.plan.nodes.values()}
    if "generate" not in stages:
        return
    for role in WRITERS:
        spec = recipe.models.of(role)
        about = f"pack {packs[role].name}"
        named = role == "teacher" or recipe.models.judge is not None
        if named and not choose(spec).known:
            about += f" (size unknown: say models.{role}.size or .pack)"
        if role == "judge":
            about += f"; {_does(recipe)}"
        say(console, f"{role}: {spec.model}, {about}")
    modes: dict[str, list[str]] = {}
    for gate, mode in softened(packs["teacher"], recipe).items():
        modes.setdefault(mode, []).append(gate)
    if modes:
        says = {"advise": "only advise", "off": "are off"}
        parts = (f"{', '.join(gates)} {says[mode]}" for mode, gates in modes.items())
        say(console, f"gates: {'; '.join(parts)}; the others reject")


def _does(recipe: Recipe) -> str:
    """Say what the judge does, and why where the recipe leaves it open."""
    mode = recipe.quality.judge or "advises"
    if mode == "off":
        return "it judges no rows"
    return f"it {mode}{' (it is the teacher)' if judged_by_teacher(recipe) else ''}"


def _print_flow(console: Console, project: Project, planned: Planned) -> None:
    """Say which fields of which rows go to which host."""
    recipe, resources = project.loaded.recipe, planned.resources
    rules = recipe.privacy.redact
    if rules:
        count = f"{len(rules)} {'pattern' if len(rules) == 1 else 'patterns'}"
        say(
            console,
            f"before anything is stored or sent: {count} of privacy.redact, {_redacted(project)}",
        )
    say(console, "what goes where:")
    for role, sent in flows(planned.plan, resources, recipe).items():
        model = resources.models[role]
        if not sent:
            say(console, f"  {role}: {model.name} ({model.backend}) is sent nothing")
            continue
        key = f", with the key in {name}" if (name := key_of(model)) else ""
        key += _consent(project, uses_of(model))
        say(console, f"  {role}: {model.name} ({model.backend}) → {host_of(model)}{key}")
        for stage, fields in sent:
            say(console, f"    {stage:<9} {fields}")
    if benchmark := timed(resources, recipe):
        key = f", with the key in {benchmark.key}" if benchmark.key else ""
        if (use := measured_use(resources, recipe)) is not None:
            key += _consent(project, [use])
        say(console, f"  benchmark: {benchmark.model} → {benchmark.host}{key}")
        say(console, f"    {'benchmark':<9} {benchmark.what}")


def _consent(project: Project, uses: Sequence[KeyUse]) -> str:
    """Say whether keys may go where they would; nothing of what stays on this machine."""
    if not uses:
        return ""
    known = all(has_consent(use, project.loaded.base) for use in uses)
    return " (you consented)" if known else " (not consented to yet: a run asks)"


def _redacted(project: Project) -> str:
    """Say how many of the rows that were read are changed."""
    splits = project.examined.splits
    total = sum(splits.counts.values())
    where = "" if len(splits.counts) == len(SPLITS) else " that are on this machine"
    return f"which change {splits.redacted:,} of {total:,} rows{where}"
