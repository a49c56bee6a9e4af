"""`task.json` and `use.py`: what the student was asked, word for word, and a few lines of Python that ask it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import jinja2

from engine.backends import BACKENDS
from engine.export.run import FinishedRun
from engine.plan.tasks import shots
from engine.stages.task_view import StudentPrompts, drawn_shots
from engine.tasks.conversation import REFERENCES, TYPES
from engine.turns import SETTING, Message
from engine.turns.tools import TOLD, native

Form = Literal["merged", "adapter", "gguf"]
FORMS: Mapping[Form, str] = {
    "merged": "the whole model, base and fine-tune in one (safetensors)",
    "adapter": "the fine-tune alone, to be put on its base model (peft)",
    "gguf": "the whole model for llama.cpp and Ollama",
}
CHAT = "chat"
"""The kind whose rows are conversations: `use.py` takes them as messages and tools."""
_OF_TOOLS = {"told": TOLD, "types": TYPES, "references": REFERENCES}
"""What a conversation with tools is told, where the chat template knows none; how definitions come into their form."""
_MORE_SHOTS = 8
"""Rows written down beyond those that are shown at once: a row is never shown before itself."""
NEEDS: Mapping[Form, tuple[str, ...]] = {
    "adapter": ("torch", "transformers", "peft", "jinja2"),
    "merged": ("torch", "transformers", "jinja2"),
    "gguf": ("llama-cpp-python", "jinja2"),
}
"""Packages that `use.py` needs, by their names on the package index."""


def task_of(run: FinishedRun) -> dict[str, Any]:
    """Return what decides an answer besides the weights, as `use.py` reads it; the tokens that end a turn come later.

    Raises:
        EngineError: the prompt is not what it was.
    """
    prompts, prompt = run.prompts(training=False), run.prompt(training=False)
    kind, task, rows = prompts.kind, prompts.task, run.examples
    options = [kind.options(e.inputs, task) for e in rows]
    weighed = [option for option in options if option is not None]
    likeliest = bool(rows) and len(weighed) == len(rows)
    fixed = {tuple(option.turns.values()) for option in weighed}
    settings = BACKENDS[run.student.backend].parse(run.student.settings)
    dtype = getattr(settings, "dtype", "auto")
    return {
        "recipe": run.name,
        "run": run.id,
        "kind": run.task.kind,
        "columns": run.task.input,
        "target": run.task.target,
        "turns": [{"role": s.role, "template": s.text} for s in prompt.sections],
        "prompt": {"name": prompt.name, "sha256": prompt.digest},
        "labels": list(task.labels),
        "description": run.task.description,
        "answer": "likeliest" if likeliest else "written",
        "answers": list(next(iter(fixed))) if likeliest and len(fixed) == 1 else None,
        "per_character": any(option.per_character for option in weighed),
        "max_tokens": max((kind.max_tokens(e.inputs, task) for e in rows), default=0),
        "constrained": kind.constraint(task) is not None and not likeliest,
        "dtype": "bfloat16" if dtype == "auto" else dtype,
        **(_OF_TOOLS if run.task.kind == CHAT else {}),
        **_shots(run, prompts),
    }


def dialogue_of(run: FinishedRun) -> tuple[Message, ...]:
    """Return the turns in which the student was asked of one row; none where there is no row."""
    return run.prompts(training=False)(run.examples[0]) if run.examples else ()


def _shots(run: FinishedRun, prompts: StudentPrompts) -> dict[str, Any]:
    wanted = shots(run.task, training=False)
    if wanted is None:
        return {"shown": 0, "shots": []}
    prompt = run.prompt(training=False)
    given = {"labels": list(prompts.task.labels), "description": run.task.description}
    written = []
    for e in islice(drawn_shots(wanted, run.examples), wanted.n + _MORE_SHOTS):
        asked = prompt.render({"row": dict(e.inputs), **given})
        turns = prompts.kind.turns(e.inputs, [Message(role, content) for role, content in asked])
        said = [*(turn for turn in turns if turn.role not in SETTING), *prompts.said(e).turns]
        written.append({"row": dict(e.inputs), "turns": native(said, parsed=True).messages})
    return {"shown": wanted.n, "shots": written}


def use_file(
    task: Mapping[str, Any], form: Form, base: str = "", revision: str | None = None
) -> str:
    """Return `use.py` for one form of the model.

    Args:
        task: What `task_of` returned.
        form: How the model is exported.
        base: Of an adapter: the base model's folder, or its name on the Hub.
        revision: Of that name.
    """
    likeliest = task["answer"] == "likeliest" and form != "gguf"
    environment = jinja2.Environment(autoescape=False)  # nosec B701 # it writes Python, no HTML
    environment = environment.overlay(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["as_python"] = repr
    template = (Path(__file__).parent / "use.py.jinja").read_text("utf-8")
    return environment.from_string(template).render(
        task=task,
        form=form,
        likeliest=likeliest,
        per_row=likeliest and task["answers"] is None,
        example=example_of(task),
        typed=shlex.quote(example_of(task)),
        needs=f"{', '.join(NEEDS[form][:-1])} and {NEEDS[form][-1]}",
        notes=notes_on(task, form),
        base=repr(base),
        revision=f", revision={revision!r}" if revision else "",
    )


def example_of(task: Mapping[str, Any]) -> str:
    """Return a row as it is typed, its texts left open: the data's own rows are not handed on with a model."""
    if task["kind"] == CHAT:
        turn = {"role": "user", "content": "…"}
        return json.dumps({"messages": [turn], "tools": []}, ensure_ascii=False)
    return json.dumps({column: "…" for column in task["columns"]}, ensure_ascii=False)


def notes_on(task: Mapping[str, Any], form: Form) -> list[str]:
    """Return in what the exported model may answer otherwise than the run."""
    notes = []
    if form == "gguf" and task["answer"] == "likeliest":
        notes.append(
            "The run took the likeliest answer; here the student writes one, which may differ."
        )
    if task["constrained"]:
        notes.append(
            "The run held answers to a JSON Schema while they were written; this does not."
        )
    if form != "adapter" and task["dtype"] != "float32":
        notes.append(
            "The run had the fine-tune beside the base weights; here it is added into them and rounded, so that"
            " answers that were nearly even may differ."
        )
    return notes
