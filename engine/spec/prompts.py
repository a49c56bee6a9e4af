"""Prompts: Jinja2 files with role markers, rendered in a sandbox.

A prompt file opens with a comment `{# purpose: …; variables: a, b; #}`, then `[[system]]`, `[[user]]`
and `[[assistant]]`, each alone on a line. The file is cut at these markers before anything is rendered,
so data can never become a role or a template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from jinja2 import TemplateSyntaxError, nodes

from engine.errors import Location, Problem, RecipeError, reason_of
from engine.fingerprint import digest
from engine.registry import did_you_mean
from engine.sandbox import Overrun
from engine.spec import templates
from engine.spec.extending.packages import in_package
from engine.spec.named_files import NOTHING_FURTHER, Further, passed_file
from engine.spec.package_data import is_ours, shipped
from engine.spec.yaml import read_text

Role = Literal["system", "user", "assistant"]
Turns = tuple[tuple[Role, str], ...]
_LONGEST = 100
_MOST_CHARACTERS = 200_000
_MARKER = re.compile(r"^\[\[(\w+)\]\][ \t]*$")
_LEADING_COMMENT = re.compile(r"\A\s*\{#.*?#\}[ \t]*\n?", re.DOTALL)


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
        ours = is_ours(self.path)
        found = (templates.variables_of(section.text, ours=ours) for section in self.sections)
        return frozenset[str]().union(*found)

    @property
    def apart(self) -> bool:
        """Whether it is rendered in a process of its own: many rows at once then cost much less."""
        texts = [section.text for section in self.sections]
        return templates.is_apart(texts, ours=is_ours(self.path))

    @property
    def characters(self) -> int:
        """Characters of its own text; of texts that exclude each other the longest."""
        return sum(_length(section.text) for section in self.sections)

    def line_of(self, variable: str) -> int:
        """Return the line in which `variable` is first used; 0 when it is not."""
        for section in self.sections:
            for name in templates.parsed(section.text).find_all(nodes.Name):
                if name.name == variable:
                    return section.line + name.lineno - 1
        return 0

    def parts_of(self, variable: str) -> list[tuple[str, int]]:
        """Return the parts of a mapping that the prompt uses by name, such as `a.b` or `a["b"]`, each with its line."""
        parts: list[tuple[str, int]] = []
        for section in self.sections:
            tree = templates.parsed(section.text)
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

    def render(self, variables: Mapping[str, Any]) -> Turns:
        """Return the turns as (role, content); raises RecipeError, such as for an undefined name."""
        return self.render_all([variables])[0]

    def render_all(self, rows: Sequence[Mapping[str, Any]]) -> list[Turns]:
        """Return the turns with the variables of each row, all at once; raises as `render`."""
        texts = [section.text for section in self.sections]
        try:
            made = templates.render(texts, str(self.path), rows, ours=is_ours(self.path))
        except templates.NotRenderedError as error:
            line = self.sections[error.part].line + error.line - 1
            available = ", ".join(sorted(rows[0])) or "none"
            message = f"this prompt cannot be rendered: {error.message}"
            hint = f"variables that are given here: {available}"
            problem = Problem(Location.at(self.path, line, 1), message, hint, code="prompt")
            raise RecipeError([problem]) from None
        except Overrun as overrun:
            raise RecipeError([_costly(self.path, self.sections[0], overrun)]) from None
        roles = [section.role for section in self.sections]
        return [tuple(zip(roles, each, strict=True)) for each in made]


def _costly(path: Path, section: Section, overrun: Overrun) -> Problem:
    where = Location.at(path, section.line, 1)
    return Problem(where, f"this prompt {overrun.why}", overrun.advice, code="limits")


@lru_cache(maxsize=512)
def _length(text: str) -> int:
    return _characters(templates.parsed(text).body)


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


def parse_prompt(name: str, path: Path) -> Prompt:
    """Read and check one prompt file; raises RecipeError for bad UTF-8, roles or syntax."""
    text = read_text(path).replace("\r\n", "\n")
    if len(text) > _MOST_CHARACTERS:
        message = f"this prompt has more than {_MOST_CHARACTERS:,} characters"
        hint = "what is shown of rows comes in by variables"
        raise RecipeError([Problem(Location.at(path), message, hint, code="size")])
    sections, problems = _cut(text, path)
    if not problems:
        problems = _check_turns(sections, path)
    for section in sections:
        try:
            _refuse_includes(section.text)
            templates.check(section.text, str(path), ours=is_ours(path))
            # What asks which names it uses goes through it in a way of its own.
            templates.variables_of(section.text, ours=is_ours(path))
            _length(section.text)
        except Overrun as overrun:
            problems.append(_costly(path, section, overrun))
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
    for node in templates.parsed(text).find_all(kinds):
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

    def __init__(self, recipe_dir: Path, more: Further = NOTHING_FURTHER) -> None:
        """Take the recipe's folder, and where prompts are looked for besides."""
        own = (recipe_dir, *more.folders)
        self._folders = (*(folder / "prompts" for folder in own), shipped("prompts"))
        # A symbolic link may not lead out of such a folder, nor may the folder itself be one.
        self._homes = (
            *(folder.resolve() / "prompts" for folder in own),
            shipped("prompts").resolve(),
        )
        self._recipe_dir = recipe_dir.resolve()
        self._base, self._packs = recipe_dir, more.packs
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
        own = self._folders[0]
        found = self._of_named_pack(name, pack) or self._in_folders(name, pack)
        if found is None and (there := in_package(name, self._base, self._base)) is not None:
            if not there.place.is_file():
                message, hint = there.missing()
                where = Location.at(there.place)
                raise RecipeError([Problem(where, message, hint, code="prompt")])
            found = there.place
        if found is not None:
            return passed_file(found, self._base, "prompt")
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

    def _of_named_pack(self, name: str, pack: str | None) -> Path | None:
        """Return a prompt of a pack that the recipe names as `package/path`; it lies beside the pack."""
        if pack is None or pack not in self._packs:
            return None
        file = self._packs[pack].parent / name
        return file if file.is_file() else None

    def _in_folders(self, name: str, pack: str | None) -> Path | None:
        """Return the first file of a prompt's name in the folders of prompts; raises RecipeError for a link out."""
        names = [f"{pack}/{name}", name] if pack else [name]
        for folder, home in zip(self._folders, self._homes, strict=True):
            for file in (folder / candidate for candidate in names):
                if not file.is_file():
                    continue
                if not file.resolve().is_relative_to(home):
                    message = f"the prompt '{name}' is a link that leaves the prompts folder"
                    raise self._refused(message)
                return file
        return None

    def _refused(self, message: str) -> RecipeError:
        hint = "name a file inside the recipe's prompts/ folder, such as tasks/mine.md"
        return RecipeError([Problem(Location.at(self._folders[0]), message, hint, code="prompt")])
