"""Prompts: Jinja2 files with role markers, rendered in a sandbox.

A prompt file opens with a comment `{# purpose: …; variables: a, b; #}`, then `[[system]]`, `[[user]]`
and `[[assistant]]`, each alone on a line. The file is cut at these markers before anything is rendered,
so data can never become a role or a template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.errors import Location, Problem, RecipeError, reason_of
from engine.fingerprint import digest
from engine.registry import did_you_mean
from engine.spec.named_files import passed_file
from engine.spec.package_data import shipped
from engine.spec.yaml import read_text

Role = Literal["system", "user", "assistant"]
_LONGEST = 100
_MARKER = re.compile(r"^\[\[(\w+)\]\][ \t]*$")
_LEADING_COMMENT = re.compile(r"\A\s*\{#.*?#\}[ \t]*\n?", re.DOTALL)


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


_JINJA = _environment()


class Section(NamedTuple):
    """One chat turn as a template; `line` is where its text starts in the file, from 1."""

    role: Role
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt file, cut into turns; `digest` covers the turns only, not the comment."""

    name: str
    path: Path
    digest: str
    sections: tuple[Section, ...]

    @property
    def variables(self) -> frozenset[str]:
        """The names that the prompt uses and does not set itself."""
        return frozenset[str]().union(*(_variables(section.text) for section in self.sections))

    @property
    def characters(self) -> int:
        """Characters of its own text; of texts that exclude each other the longest."""
        return sum(_length(section.text) for section in self.sections)

    def line_of(self, variable: str) -> int:
        """Return the line in which `variable` is first used; 0 when it is not."""
        for section in self.sections:
            for name in _JINJA.parse(section.text).find_all(nodes.Name):
                if name.name == variable:
                    return section.line + name.lineno - 1
        return 0

    def parts_of(self, variable: str) -> list[tuple[str, int]]:
        """Return the parts of a mapping that the prompt uses by name, such as `a.b` or `a["b"]`, each with its line."""
        parts: list[tuple[str, int]] = []
        for section in self.sections:
            tree = _JINJA.parse(section.text)
            accesses: list[tuple[nodes.Getattr | nodes.Getitem, str]] = [
                (node, node.attr) for node in tree.find_all(nodes.Getattr)
            ]
            accesses += [
                (node, node.arg.value)
                for node in tree.find_all(nodes.Getitem)
                if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str)
            ]
            parts += [
                (name, section.line + node.lineno - 1)
                for node, name in accesses
                if isinstance(node.node, nodes.Name) and node.node.name == variable
            ]
        return parts

    def render(self, variables: Mapping[str, Any]) -> tuple[tuple[Role, str], ...]:
        """Return the turns as (role, content); raises RecipeError, such as for an undefined name."""
        return tuple((section.role, self._render(section, variables)) for section in self.sections)

    def _render(self, section: Section, variables: Mapping[str, Any]) -> str:
        try:
            return _compiled(section, str(self.path)).render(variables)
        except Exception as error:
            available = ", ".join(sorted(variables)) or "none"
            problem = Problem(
                Location.at(self.path, section.line + _line_of(error, str(self.path)) - 1, 1),
                f"this prompt cannot be rendered: {reason_of(error)}",
                f"variables that are given here: {available}",
                code="prompt",
            )
            raise RecipeError([problem]) from error


def rendered(template: str, variables: Mapping[str, Any]) -> str:
    """Return the text of one turn's template, as prompts render it; raises jinja2's own errors."""
    return _JINJA.from_string(template).render(variables)


@lru_cache(maxsize=512)
def _length(text: str) -> int:
    return _characters(_JINJA.parse(text).body)


def _characters(parts: Iterable[nodes.Node]) -> int:
    """Return the characters of the text in a template's parts: the longest branch of each choice, each loop once."""
    count = 0
    for part in parts:
        if isinstance(part, nodes.TemplateData):
            count += len(part.data)
        elif isinstance(part, nodes.If):
            branches = [part.body, *(other.body for other in part.elif_), part.else_]
            count += max(map(_characters, branches))
        else:
            count += _characters(part.iter_child_nodes())
    return count


@lru_cache(maxsize=512)
def _variables(text: str) -> frozenset[str]:
    return frozenset(find_undeclared_variables(_JINJA.parse(text)))


@lru_cache(maxsize=512)
def _compiled(section: Section, filename: str) -> Template:
    code = _JINJA.compile(section.text, filename=filename)
    return _JINJA.template_class.from_code(_JINJA, code, {}, None)


def _line_of(error: BaseException, filename: str) -> int:
    """Return the template line of an error; Jinja rewrites the traceback to such lines."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def parse_prompt(name: str, path: Path) -> Prompt:
    """Read and check one prompt file; raises RecipeError for bad UTF-8, roles or syntax."""
    text = read_text(path).replace("\r\n", "\n")
    sections, problems = _cut(text, path)
    if not problems:
        problems = _check_turns(sections, path)
    for section in sections:
        try:
            _refuse_includes(section.text)
            _compiled(section, str(path))
            # What asks which names it uses goes through it in a way of its own.
            _variables(section.text)
            _length(section.text)
        except Exception as error:
            # Jinja's own, and those of Python, which compiles what Jinja makes of it.
            line = error.lineno if isinstance(error, TemplateSyntaxError) else 1
            where = Location.at(path, section.line + line - 1, 1)
            said = error.message if isinstance(error, TemplateSyntaxError) else reason_of(error)
            message = f"this template has a mistake: {said}"
            problems.append(
                Problem(where, message, "see the Jinja2 template syntax", code="prompt")
            )
    if problems:
        raise RecipeError(problems)
    content = [[section.role, section.text] for section in sections]
    return Prompt(name, path, digest(content), tuple(sections))


@lru_cache(maxsize=512)
def _refuse_includes(text: str) -> None:
    """Templates stand alone: an include could reach other files."""
    kinds = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
    for node in _JINJA.parse(text).find_all(kinds):
        raise TemplateSyntaxError("include, import and extends are not allowed", node.lineno)


def _cut(text: str, path: Path) -> tuple[list[Section], list[Problem]]:
    """Cut a file at its role markers; sections lose the line breaks around them."""
    comment = _LEADING_COMMENT.match(text)
    skipped = comment.group(0).count("\n") if comment else 0
    sections: list[Section] = []
    problems: list[Problem] = []
    role: str | None = None
    lines: list[str] = []
    start = skipped + 1
    for number, line in enumerate([*text.split("\n")[skipped:], "[[end]]"], start=skipped + 1):
        marker = _MARKER.match(line)
        if not marker:
            lines.append(line)
            continue
        if role is not None:
            sections.append(_section(cast(Role, role), lines, start))
        elif any(earlier.strip() for earlier in lines):
            hint = "put [[system]] or [[user]] alone on a line above it"
            problems.append(
                Problem(
                    Location.at(path, start, 1), "text before the first role", hint, code="prompt"
                )
            )
        role, lines, start = marker.group(1), [], number + 1
        if role not in ("system", "user", "assistant", "end"):
            hint = did_you_mean(role, ("system", "user", "assistant"))
            where = Location.at(path, number, 1)
            problems.append(Problem(where, f"there is no role '{role}'", hint, code="prompt"))
            role = "user"
    return sections, problems


def _section(role: Role, lines: list[str], start: int) -> Section:
    empty = next((index for index, line in enumerate(lines) if line.strip()), 0)
    return Section(role, "\n".join(lines[empty:]).rstrip(), start + empty)


def _check_turns(sections: list[Section], path: Path) -> list[Problem]:
    """Check the order of turns: system may come first, then user and assistant, a user last."""
    roles = [section.role for section in sections]
    if "user" not in roles:
        hint = "put [[user]] alone on a line above the text of the user's turn"
        return [
            Problem(
                Location.at(path, 1, 1), "this prompt has no [[user]] turn", hint, code="prompt"
            )
        ]
    turns = sections[1:] if roles[0] == "system" else sections
    for index, section in enumerate(turns):
        expected = "assistant" if index % 2 else "user"
        if section.role != expected:
            message = f"[[{section.role}]] stands where [[{expected}]] must be"
            hint = "one [[system]] may come first, then [[user]] and [[assistant]] take turns"
            return [Problem(Location.at(path, section.line - 1, 1), message, hint, code="prompt")]
    if roles[-1] != "user":
        message, hint = (
            "the last turn must be [[user]]",
            "the model writes the [[assistant]] turn that follows",
        )
        return [Problem(Location.at(path, sections[-1].line - 1, 1), message, hint, code="prompt")]
    return []


class PromptLibrary:
    """Finds prompts by name: the recipe's own before the shipped ones, a pack's before those for all."""

    def __init__(self, recipe_dir: Path) -> None:
        """Take the recipe's folder."""
        self._folders = (recipe_dir / "prompts", shipped("prompts"))
        self._recipe_dir = recipe_dir.resolve()
        self._loaded: dict[tuple[str, str | None], Prompt] = {}

    def names(self) -> list[str]:
        """Return the names of the prompts that are no pack's own, sorted."""
        paths: set[str] = set()
        for folder in self._folders:
            packs = {file.parent for file in folder.glob("*/pack.yaml")}
            paths.update(
                file.relative_to(folder).as_posix()
                for file in folder.rglob("*.md")
                if packs.isdisjoint(file.parents)
            )
        return sorted(paths)

    def get(self, name: str, pack: str | None = None) -> Prompt:
        """Return the prompt called `name`, such as `tasks/mine.md`; raises RecipeError.

        Args:
            name: Its name, the pack's folder left out.
            pack: The pack of the model that it is for; None for what no pack writes, such as the student's prompt.
        """
        if (name, pack) not in self._loaded:
            self._loaded[name, pack] = parse_prompt(name, self._find(name, pack))
        return self._loaded[name, pack]

    def _find(self, name: str, pack: str | None) -> Path:
        parts = Path(name).parts
        if not name or Path(name).is_absolute() or ".." in parts or "\\" in name or "\0" in name:
            raise self._refused(f"the prompt '{name}' would leave the prompts folder")
        if max(map(len, parts)) > _LONGEST:
            raise self._refused(f"the prompt's name '{name[:40]}…' is too long")
        own, ours = self._folders
        names = [f"{pack}/{name}", name] if pack else [name]
        for folder, home in ((own, self._recipe_dir / "prompts"), (ours, ours.resolve())):
            for file in (folder / candidate for candidate in names):
                if not file.is_file():
                    continue
                # A symbolic link may not lead out of the folder, nor may the folder itself be one.
                if not file.resolve().is_relative_to(home):
                    message = f"the prompt '{name}' is a link that leaves the prompts folder"
                    raise self._refused(message)
                return passed_file(file, self._recipe_dir, "prompt")
        if pack:
            message = f"the pack '{pack}' has no prompt '{name}', and there is none for all packs"
            where, hint = Location.at(own / pack / name), f"write prompts/{pack}/{name}"
            raise RecipeError([Problem(where, message, hint, code="prompt")])
        hint = did_you_mean(name, self.names())
        if parts[0] == "prompts":
            inside = "/".join(parts[1:])
            hint = f"names count from the folder prompts/: write {inside} for the file {name}"
        where = Location.at(own / name)
        raise RecipeError([Problem(where, f"there is no prompt '{name}'", hint, code="prompt")])

    def _refused(self, message: str) -> RecipeError:
        hint = "name a file inside the recipe's prompts/ folder, such as tasks/mine.md"
        return RecipeError([Problem(Location.at(self._folders[0]), message, hint, code="prompt")])
