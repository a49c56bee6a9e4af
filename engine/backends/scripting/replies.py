"""Files of replies: which entry answers a message, and with what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from engine import json_text
from engine.errors import BackendError

_HINT = 'write entries like {"match": "text in the prompt", "reply": {…}}'


class ScriptedReply(BaseModel):
    """One entry of a file of replies."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    match: str | None = None
    regex: str | None = None
    reply: Any = None
    text: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> ScriptedReply:
        if (self.match is None) == (self.regex is None):
            raise ValueError("an entry has either match or regex")
        if ("reply" in self.model_fields_set) == (self.text is not None):
            raise ValueError("an entry has either reply or text")
        try:
            re.compile(self.regex or "")
        except re.error as problem:
            raise ValueError(f"regex: {problem}") from problem
        return self

    def answers(self, message: str) -> bool:
        """Return whether this entry is meant for a message."""
        if self.match is not None:
            return self.match in message
        return re.search(self.regex or "", message) is not None

    @property
    def raw(self) -> str:
        """The reply as text."""
        return json.dumps(self.reply, ensure_ascii=False) if self.text is None else self.text


def read_replies(path: Path) -> list[ScriptedReply]:
    """Return the entries of a file of replies: one JSON object a line, or one JSON array.

    Raises:
        BackendError: the file cannot be read, or an entry is wrong (with its line or number).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise BackendError(
            f"cannot read the replies in {path}: {problem}",
            "`replies` is a JSONL or JSON file in UTF-8, relative to the recipe's folder",
        ) from problem
    entries = []
    for where, source in _entries(path, text):
        try:
            entries.append(ScriptedReply.model_validate(json_text.parse(source)))
        except ValidationError as problem:
            first = problem.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            what = f"{field}: {first['msg']}" if field else first["msg"]
            raise BackendError(f"{where}: {what}", _HINT) from problem
        except ValueError as problem:
            raise BackendError(f"{where}: not JSON: {problem}", _HINT) from problem
    return entries


def _entries(path: Path, text: str) -> Iterator[tuple[str, str]]:
    if not text.lstrip().startswith("["):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield f"{path}:{number}", line
        return
    try:
        items = json_text.parse(text)
    except ValueError as problem:
        raise BackendError(f"{path}: not JSON: {problem}", _HINT) from problem
    for number, item in enumerate(items, 1):
        yield f"{path}: entry {number}", json.dumps(item)
