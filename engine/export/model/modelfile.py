"""An Ollama Modelfile: the model, the prompt's system turn, and the chat template in Ollama's own language.

Ollama does not read Jinja. What a chat template puts around each turn is found by asking it for a dialogue of known
words, and held against a second dialogue; a template that does more than put words around turns is left to Ollama.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.spec.prompts import rendered

_WORDS = {"system": "Xq7Zk", "user": "Yw3Vj", "assistant": "Zr9Tn"}


class Around(NamedTuple):
    """What stands before and after a turn's words."""

    before: str
    after: str


class _Asked(NamedTuple):
    """What a prompt makes of a row that is one text."""

    system: str
    row: Around


def modelfile(task: Mapping[str, Any], tokenizer: Any, source: str) -> str:
    """Return the Modelfile.

    Args:
        task: What `task_of` returned, with `stops`.
        tokenizer: The student's.
        source: What FROM names: `.` for safetensors, or a GGUF file beside it.
    """
    stops = [tokenizer.convert_ids_to_tokens(token) for token in task["stops"]]
    asked = _asked(task)
    lines = [
        f"# The student of run {task['run']}, recipe {task['recipe']}:",
        "#   ollama create NAME -f Modelfile && ollama run NAME",
        f"FROM {source}",
    ]
    around = turns_around(tokenizer, stops[0])
    if around is None:
        lines.append(
            "# Ollama takes the chat template from the model: it cannot be said in Ollama's own language."
        )
    else:
        lines.append(f'TEMPLATE """{_template(around, asked.row if asked else Around("", ""))}"""')
    if asked and asked.system:
        lines.append(f'SYSTEM """{asked.system}"""')
    lines += [
        "PARAMETER temperature 0",
        f"PARAMETER num_predict {task['max_tokens']}",
        *(f'PARAMETER stop "{stop}"' for stop in stops),
    ]
    if asked is None:
        lines.append(
            "# Its messages are the turns that task.json lays out for a row: use.py shows how."
        )
    if task["answer"] == "likeliest":
        lines.append(
            "# The run took the likeliest of the allowed answers; Ollama writes one, which may differ."
        )
    return "\n".join(lines) + "\n"


def _asked(task: Mapping[str, Any]) -> _Asked | None:
    """Return the system turn, and what stands around the row in the user's; None where a row is more than one text."""
    if len(task["columns"]) > 1 or task["shots"] or len(task["turns"]) > 2:
        return None
    (column,) = task["columns"]
    given = {"labels": task["labels"], "description": task["description"]}
    prompt = {t["role"]: t["template"] for t in task["turns"]}
    seen = [
        {role: rendered(text, {"row": {column: word}, **given}) for role, text in prompt.items()}
        for word in (_WORDS["user"], _WORDS["assistant"])
    ]
    before, found, after = seen[0]["user"].partition(_WORDS["user"])
    same = f"{before}{_WORDS['assistant']}{after}" == seen[1]["user"]
    if not found or not same or seen[0].get("system") != seen[1].get("system"):
        return None
    return _Asked(seen[0].get("system", ""), Around(before, after))


def turns_around(tokenizer: Any, end: str) -> dict[str, Around] | None:
    """Return what a chat template puts around system, user and assistant turns; None where it does more than that.

    `end` is the token that ends a turn.
    """
    first = _rendered(tokenizer, ["system", "user"])
    whole = _rendered(tokenizer, ["system", "user", "assistant", "user"])
    if first is None or whole is None or not all(_WORDS[r] in first for r in ("system", "user")):
        return None
    before_system, _, rest = first.partition(_WORDS["system"])
    between, _, behind = rest.partition(_WORDS["user"])
    after_system, before_user = _cut(between, end)
    after_user, before_assistant = _cut(behind, end)
    bos = tokenizer.bos_token
    if bos and before_system.startswith(bos) and not before_user.startswith(bos):
        # Ollama puts it before the first turn by itself.
        before_system, whole = before_system.removeprefix(bos), whole.removeprefix(bos)
    around = {
        "system": Around(before_system, after_system),
        "user": Around(before_user, after_user),
        "assistant": Around(before_assistant, after_user),
    }
    said = "".join(
        f"{around[r].before}{_WORDS[r]}{around[r].after}"
        for r in ("system", "user", "assistant", "user")
    )
    return around if said + before_assistant == whole else None


def _cut(text: str, end: str) -> tuple[str, str]:
    """Return what ends one turn and what begins the next; nothing ends it where the end's token is not there."""
    behind = text.removeprefix(end)
    if behind == text:
        return "", text
    begins = behind.lstrip()
    return text[: len(text) - len(begins)], begins


def _rendered(tokenizer: Any, roles: Sequence[str]) -> str | None:
    from jinja2 import TemplateError

    turns = [{"role": role, "content": _WORDS[role]} for role in roles]
    try:
        text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except TemplateError:
        return None
    return text


def _template(around: Mapping[str, Around], row: Around) -> str:
    system, user, assistant = (around[role] for role in ("system", "user", "assistant"))
    return (
        f"{{{{ if .System }}}}{system.before}{{{{ .System }}}}{system.after}{{{{ end }}}}"
        f"{{{{ if .Prompt }}}}{user.before}{row.before}{{{{ .Prompt }}}}{row.after}{user.after}{{{{ end }}}}"
        f"{assistant.before}{{{{ .Response }}}}{assistant.after}"
    )
