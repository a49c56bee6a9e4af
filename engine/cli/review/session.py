"""The loop at the terminal: a row, a key, what follows; each verdict is stored before the next row is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from engine.cli.review.keys import Keys, Typed
from engine.cli.review.screen import screen
from engine.errors import EngineError
from engine.review import REASONS, Desk, Item, Queue, Reason, parse_queue
from engine.rows import Review
from engine.system.plain_text import clean

PROMPT = "[a]ccept [r]eject [e]dit re[l]abel [s]kip [u]ndo [n]ote [m]ore [?] [q]uit > "
REASON_KEYS: Mapping[str, Reason] = {
    "w": "wrong",
    "c": "unclear",
    "n": "unnatural",
    "t": "off_task",
    "d": "repeats",
    "o": "other",
}
HELP = """\
a  accept   the row is right as it is
r  reject   it is not to be trained on; asks why
e  edit     change its texts or its target; Enter keeps a field, \\n breaks a line
l  relabel  change its target
s  skip     say nothing now; the row comes again
u  undo     take back your last verdict
n  note     a remark that is kept with the next verdict
m  more     show long texts whole
q  quit     what you said is kept
"""
MOST_LABELS = 60
"""Labels that are listed to choose from."""


@dataclass
class Session:
    """One sitting of one reviewer."""

    desk: Desk
    queue: Queue
    items: list[Item]
    keys: Keys
    console: Console
    said: list[Review] = field(default_factory=list)
    """What was said and not taken back in it, and what takes back something that was said before it."""
    skipped: int = 0
    _at: int = 0
    _note: str = ""
    _whole: bool = False

    def run(self) -> None:
        """Show row after row until there are none, or the reviewer ends it; what was said is stored in any case."""
        try:
            while self._at < len(self.items):
                self._show()
                while not self._act():
                    pass
        except (EOFError, KeyboardInterrupt, _QuitError):
            self.console.print()

    @property
    def _item(self) -> Item:
        return self.items[self._at]

    def _show(self) -> None:
        self._whole = False
        place = f"{self._at + 1} of {len(self.items)} · {self.queue} · {clean(self.desk.reviewer)}"
        self.console.print(Text(f"\n{place}", style="dim"))
        self._print_item()

    def _print_item(self) -> None:
        self.console.print(screen(self._item, self._whole).body, highlight=False)
        for one in self.desk.others(self._item):
            self._say(one)

    def _say(self, text: str, style: str = "") -> None:
        self.console.print(Text(clean(text), style=style), highlight=False)

    def _act(self) -> bool:
        """Do what one key says; return whether another row is to be shown."""
        typed = self.keys.key(PROMPT)
        action = self._actions.get(typed.key)
        if action is None:
            what = f"'{typed.key}' is" if typed.key else "that is"
            self._say(f"{what} no command: ? shows them all", "yellow")
            return False
        try:
            return action(typed)
        except EngineError as error:
            self._say(str(error), "yellow")
            return False

    @property
    def _actions(self) -> Mapping[str, Callable[[Typed], bool]]:
        return {
            "a": self._accept, "r": self._reject, "e": self._edit, "l": self._relabel, "s": self._skip,
            "u": self._undo, "n": self._take_note, "m": self._more, "?": self._help, "q": self._quit,
        }  # fmt: skip

    def _kept(self, review: Review) -> bool:
        self.said.append(review)
        self._note = ""
        self._at += 1
        return True

    def _accept(self, typed: Typed) -> bool:
        return self._kept(self.desk.accept(self._item, self.queue, self._note or typed.rest))

    def _reject(self, typed: Typed) -> bool:
        words = typed.rest.split(maxsplit=1)
        if not words:
            for key, reason in REASON_KEYS.items():
                self._say(f"  {key}  {REASONS[reason]}")
            answer = self.keys.key("why? (another key: do not reject) > ")
            words = [answer.key, *([answer.rest] if answer.rest else [])]
        known: Mapping[str, Reason] = {**REASON_KEYS, **{one: one for one in REASONS}}
        if words[0] not in known:
            self._say("not rejected", "yellow")
            return False
        reason = known[words[0]]
        note = self._note or (words[1] if len(words) > 1 else "")
        if reason == "other" and not note:
            note = self.keys.text("say why > ").strip()
            if not note:
                self._say("not rejected: without a note nobody knows why", "yellow")
                return False
        return self._kept(self.desk.reject(self._item, self.queue, reason, note))

    def _relabel(self, typed: Typed) -> bool:
        labels = self.desk.labels
        if not typed.rest and labels:
            self._list(labels)
        target = typed.rest or self._read("target", "" if labels else self._item.target)
        if not target:
            self._say("not relabelled", "yellow")
            return False
        target = self._label(target)
        return self._kept(
            self.desk.change(self._item, self.queue, self._item.inputs, target, self._note)
        )

    def _list(self, known: Sequence[str]) -> None:
        """Show the labels, each with a number to choose it by."""
        shown = "  ".join(f"{n} {label}" for n, label in enumerate(known[:MOST_LABELS], 1))
        more = f"  … and {len(known) - MOST_LABELS} more" if len(known) > MOST_LABELS else ""
        self._say(shown + more)

    def _label(self, typed: str) -> str:
        """Return the label that is meant: by its number, its name, or its only beginning."""
        known = self.desk.labels
        if not known or typed in known:
            return typed
        if typed.isdecimal() and len(typed) < 10 and 1 <= int(typed) <= len(known):
            return known[int(typed) - 1]
        folded = typed.casefold()
        same = [label for label in known if label.casefold() == folded]
        begin = same or [label for label in known if label.casefold().startswith(folded)]
        return begin[0] if len(begin) == 1 else typed

    def _edit(self, typed: Typed) -> bool:
        item = self._item
        inputs = {column: self._read(column, text) for column, text in item.inputs.items()}
        target = self._label(self._read("target", item.target))
        return self._kept(self.desk.change(item, self.queue, inputs, target, self._note))

    def _read(self, column: str, before: str) -> str:
        """Return a field as it is typed; a line break in it is written as a backslash and an n."""
        written = before.replace("\\", "\\\\").replace("\n", "\\n")
        typed = self.keys.text(f"{clean(column)} > ", written if written.isprintable() else "")
        if typed == written or not typed:
            return before
        return _unescaped(typed)

    def _skip(self, typed: Typed) -> bool:
        self.skipped += 1
        self._at += 1
        return True

    def _undo(self, typed: Typed) -> bool:
        undone = self.desk.undo()
        if undone is None:
            self._say("there is nothing to take back", "yellow")
            return False
        before = len(self.said)
        self.said = [one for one in self.said if one.id != undone.undoes]
        if len(self.said) == before:
            self.said.append(undone)
        self._say(f"taken back: {undone.note}", "yellow")
        at = next((n for n, item in enumerate(self.items) if item.example == undone.example), None)
        if at is None or at > self._at:
            again = self.desk.find([undone.example], parse_queue(undone.queue)).get(undone.example)
            if again is not None:
                self.items.insert(self._at, again)
        else:
            self._at = at
        return True

    def _take_note(self, typed: Typed) -> bool:
        self._note = typed.rest or self.keys.text("note > ", self._note).strip()
        self._say("the note is kept with the next verdict" if self._note else "no note")
        return False

    def _more(self, typed: Typed) -> bool:
        self._whole = True
        self._print_item()
        return False

    def _help(self, typed: Typed) -> bool:
        self._say(HELP.rstrip())
        return False

    def _quit(self, typed: Typed) -> bool:
        raise _QuitError


class _QuitError(Exception):
    """The reviewer ends the session."""


def _unescaped(text: str) -> str:
    parts = text.split("\\\\")
    return "\\".join(part.replace("\\n", "\n") for part in parts)
