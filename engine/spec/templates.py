"""Jinja2 as prompts have it: one sandboxed environment, and templates rendered apart where they could be costly.

The engine's own templates, and those that are cheap by their form (`engine.sandbox.templates`), are rendered here; all
others in a process of their own, within the recipe's limits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine import sandbox
from engine.errors import reason_of
from engine.sandbox.templates import is_plain


def fenced(value: object) -> str:
    """Return `value` as text between fences longer than any run of backticks in it."""
    text = str(value)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def plain_json(value: object) -> str:
    """Return `value` as JSON that reads as people write: Jinja's own escapes quotes and accents for HTML."""
    return json.dumps(value, ensure_ascii=False)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["fenced"] = fenced
    environment.filters["tojson"] = plain_json
    return environment


JINJA = _environment()


class NotRenderedError(Exception):
    """A template that cannot be rendered with what it is given."""

    def __init__(self, message: str, part: int, line: int) -> None:
        """Take what is wrong, in which of several templates, from 0, and on which of its lines, from 1."""
        super().__init__(message, part, line)
        self.message, self.part, self.line = message, part, line


def is_apart(texts: Sequence[str], *, ours: bool) -> bool:
    """Return whether templates are rendered apart: they are not the engine's own, and one may be costly."""
    return not ours and not all(is_plain(text, JINJA) for text in texts)


def variables_of(text: str, *, ours: bool) -> frozenset[str]:
    """Return the names that a template uses and does not set itself; raises Overrun."""
    if is_apart([text], ours=ours):
        # Looking for names works constants out.
        return sandbox.call(_variables, text, text=text)
    return _variables(text)


@lru_cache(maxsize=512)
def parsed(text: str) -> nodes.Template:
    """Return a template's tree, which nobody changes; raises TemplateSyntaxError."""
    return JINJA.parse(text)


@lru_cache(maxsize=512)
def _variables(text: str) -> frozenset[str]:
    return frozenset(find_undeclared_variables(parsed(text)))


def check(text: str, filename: str, *, ours: bool) -> None:
    """Raise TemplateSyntaxError for a template that cannot be compiled, and Overrun for one that takes too much.

    The engine's own are parsed alone: its tests compile them, and who renders them does.
    """
    if ours:
        parsed(text)
    elif is_apart([text], ours=ours):
        sandbox.call(_check, text, filename, text=text)
    else:
        compiled(text, filename)


def _check(text: str, filename: str) -> None:
    compiled(text, filename)


@lru_cache(maxsize=512)
def compiled(text: str, filename: str) -> Template:
    """Return a template, compiled; raises TemplateSyntaxError."""
    code = JINJA.compile(text, filename=filename)
    return JINJA.template_class.from_code(JINJA, code, {}, None)


def render(
    texts: Sequence[str], filename: str, rows: Sequence[Mapping[str, Any]], *, ours: bool
) -> list[list[str]]:
    """Return for each row what each template becomes with it.

    Args:
        texts: The templates of one file.
        filename: The file, for places.
        rows: The variables, time after time.
        ours: Whether the templates are the engine's own.

    Raises:
        NotRenderedError: one cannot be rendered, such as for an undefined name.
        Overrun: it takes more than the recipe's limits let it.
    """
    if not is_apart(texts, ours=ours):
        return _rendered(texts, filename, rows)
    return sandbox.call(_rendered, texts, filename, rows, text="\n".join(texts))


def _rendered(
    texts: Sequence[str], filename: str, rows: Sequence[Mapping[str, Any]]
) -> list[list[str]]:
    templates = [compiled(text, filename) for text in texts]
    made: list[list[str]] = []
    for variables in rows:
        made.append([])
        for part, template in enumerate(templates):
            try:
                made[-1].append(template.render(variables))
            except MemoryError:
                raise  # that is a limit of the process, told as such
            except Exception as error:
                # What a template calls raises what it likes.
                raise NotRenderedError(reason_of(error), part, _line_of(error, filename)) from None
    return made


def _line_of(error: BaseException, filename: str) -> int:
    """Return the template line of an error; Jinja rewrites the traceback to such lines."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def rendered(template: str, variables: Mapping[str, Any]) -> str:
    """Return the text of one turn's template, as prompts render it.

    Raises:
        TemplateSyntaxError: it is no template.
        NotRenderedError: it cannot be rendered.
        Overrun: it takes more than the recipe's limits let it.
    """
    return render([template], "<template>", [variables], ours=False)[0][0]


__all__ = [
    "JINJA",
    "NotRenderedError",
    "TemplateSyntaxError",
    "check",
    "fenced",
    "is_apart",
    "parsed",
    "plain_json",
    "render",
    "rendered",
    "variables_of",
]
