"""An Ollama Modelfile: the model, the prompt, and the chat template in Ollama's own language.

Ollama does not read Jinja. What a chat template puts around each turn is found by asking it for a dialogue of known
words, and held against a second dialogue and against the prompt itself. Where a template does more than put words
around turns, the whole prompt is written out around the row. Where a row is more than one text besides, the template is
left to Ollama.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.backends.local import chat_templates
from engine.backends.local.chat import prompt_text
from engine.backends.protocol import Message
from engine.spec.templates import rendered

_WORDS = {"system": "Xq7Zk", "user": "Yw3Vj", "assistant": "Zr9Tn"}


class Around(NamedTuple):
    """What stands before and after a turn's words."""

    before: str
    after: str

    def around(self, words: str) -> str:
        """Return words with it."""
        return self.before + words + self.after


def modelfile(task: Mapping[str, Any], tokenizer: Any, source: str) -> str:
    """Return the Modelfile.

    Args:
        task: What `task_of` returned, with `stops`.
        tokenizer: The student's.
        source: What FROM names: `.` for safetensors, or a GGUF file beside it.

    Raises:
        ModelError: the chat template refuses the prompt.
    """
    stops = [tokenizer.convert_ids_to_tokens(token) for token in task["stops"]]
    lines = [
        f"# The student of run {task['run']}, recipe {task['recipe']}:",
        "#   ollama create NAME -f Modelfile && ollama run NAME",
        f"FROM {source}",
        *_prompt(task, tokenizer, stops[0]),
        "PARAMETER temperature 0",
        f"PARAMETER num_predict {task['max_tokens']}",
        *(f'PARAMETER stop "{stop}"' for stop in stops),
    ]
    if task["answer"] == "likeliest":
        lines.append(
            "# The run took the likeliest of the allowed answers; Ollama writes one, which may differ."
        )
    return "\n".join(lines) + "\n"


def _prompt(task: Mapping[str, Any], tokenizer: Any, end: str) -> Iterator[str]:
    """Yield what makes of a message the prompt that the run asked with."""
    around = turns_around(tokenizer, end)
    whole = _whole_prompt(task, tokenizer)
    if whole is None:
        yield "# Its messages are the user's turns that task.json lays out for a row: use.py shows how."
    if around is not None and (said := _turns(task, around, whole)):
        yield from said
    elif whole is not None:
        yield "# A message is one row: all that the run put around it stands in the template."
        yield f'TEMPLATE """{_literal(whole.before)}{{{{ .Prompt }}}}{_literal(whole.after)}{{{{ .Response }}}}"""'
    else:
        yield "# Ollama takes the chat template from the model: it cannot be said in Ollama's own language."
        if (system := _system(task)) and _quotable(system):
            yield f'SYSTEM """{system}"""'


def _turns(
    task: Mapping[str, Any], around: Mapping[str, Around], whole: Around | None
) -> list[str]:
    """Return template, system turn and answered rows, each by itself; nothing where they do not make up the prompt."""
    system = _system(task)
    if (
        system is None
        or {t["role"] for t in task["turns"][-1:]} != {"user"}
        or len(task["turns"]) > 2
    ):
        return []
    row, shown = Around("", ""), []
    for shot in task["shots"][: task["shown"]]:
        *_, asked, answer = (turn["content"] for turn in shot["turns"])
        shown.append((asked, answer))
    if whole is not None:
        # A message is the row's text alone, in the answered rows too.
        found = _around_row(task)
        if found is None:
            return []
        row = found
        texts = [shot["row"][task["columns"][0]] for shot in task["shots"][: task["shown"]]]
        shown = [(text, answer) for text, (_, answer) in zip(texts, shown, strict=True)]
        turns = [("system", system)] if system else []
        for text, answer in shown:
            turns += [("user", row.around(text)), ("assistant", answer)]
        turns.append(("user", row.around(_WORDS["user"])))
        said = "".join(around[role].around(words) for role, words in turns)
        if said + around["assistant"].before != whole.around(_WORDS["user"]):
            return []
    lines = [f'TEMPLATE """{_template(around, row)}"""']
    if system:
        lines.append(f'SYSTEM """{system}"""')
    for text, answer in shown:
        lines += [f'MESSAGE user """{text}"""', f'MESSAGE assistant """{answer}"""']
    return lines if all(map(_quotable, [system, *sum(shown, ())])) else []


def _seen(task: Mapping[str, Any], word: str) -> list[Message]:
    """Return a prompt's own turns of a row whose every column is one word."""
    row = dict.fromkeys(task["columns"], word)
    given = {"row": row, "labels": task["labels"], "description": task["description"]}
    return [Message(t["role"], rendered(t["template"], given)) for t in task["turns"]]


def _system(task: Mapping[str, Any]) -> str | None:
    """Return what the system turn says whatever the row is; None where it hangs on it."""
    first, second = (
        "\n\n".join(turn.content for turn in _seen(task, _WORDS[word]) if turn.role == "system")
        for word in ("user", "assistant")
    )
    return first if first == second else None


def _around_row(task: Mapping[str, Any]) -> Around | None:
    """Return what the user's turn puts around a row that is one text; None where it does more."""
    first, second = (_seen(task, _WORDS[word])[-1].content for word in ("user", "assistant"))
    return _between(first, second)


def _whole_prompt(task: Mapping[str, Any], tokenizer: Any) -> Around | None:
    """Return what the run put around a row that is one text; None where a row is more than that."""
    if len(task["columns"]) > 1:
        return None
    shots = [
        Message(turn["role"], turn["content"])
        for shot in task["shots"][: task["shown"]]
        for turn in shot["turns"]
    ]
    texts = []
    for word in ("user", "assistant"):
        turns = _seen(task, _WORDS[word])
        system = [turn for turn in turns if turn.role == "system"]
        asked = [*system, *shots, *(turn for turn in turns if turn.role != "system")]
        texts.append(prompt_text(tokenizer, asked))
    whole = _between(*texts)
    return whole and Around(whole.before.removeprefix(_put_first(tokenizer)), whole.after)


def _put_first(tokenizer: Any) -> str:
    """Return the token that Ollama puts before a prompt by itself: the one that the tokenizer puts before any text.

    That a token is called the beginning is not enough: a ChatML template may begin each turn with it, and nothing but
    the template puts it there.
    """
    bos: str | None = tokenizer.bos_token
    first = tokenizer.convert_ids_to_tokens(tokenizer.encode("a")[0])
    return bos if bos and first == bos else ""


def _between(first: str, second: str) -> Around | None:
    """Return what stands around the one word in which two texts differ."""
    before, found, after = first.partition(_WORDS["user"])
    same = f"{before}{_WORDS['assistant']}{after}" == second
    return Around(before, after) if found and same else None


def _quotable(text: str) -> bool:
    """Return whether a text can stand between three double quotes: Ollama has no sign for them."""
    return '"""' not in text and not text.endswith('"')


def _literal(text: str) -> str:
    """Return a text as a template of Go says it."""
    return text.replace("{{", '{{ "{{" }}').replace('"""', r'{{ "\"\"\"" }}')


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
    bos = _put_first(tokenizer)
    if bos and not before_user.startswith(bos):
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
    turns = [{"role": role, "content": _WORDS[role]} for role in roles]
    try:
        return chat_templates.written(tokenizer, turns, prompt=True)
    except Exception:
        # A template that comes with a model raises what it likes.
        return None


def _template(around: Mapping[str, Around], row: Around) -> str:
    system, user, assistant = (around[role] for role in ("system", "user", "assistant"))
    return (
        f"{{{{ if .System }}}}{system.before}{{{{ .System }}}}{system.after}{{{{ end }}}}"
        f"{{{{ if .Prompt }}}}{user.before}{_literal(row.before)}{{{{ .Prompt }}}}{_literal(row.after)}{user.after}"
        "{{ end }}"
        f"{assistant.before}{{{{ .Response }}}}{assistant.after}"
    )
