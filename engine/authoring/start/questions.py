"""What cannot be known of somebody's data and is asked: each question with its proposal and its flag."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.errors import EngineError
from engine.registry import did_you_mean


@dataclass(frozen=True, slots=True)
class Question:
    """One question, to be answered in words."""

    flag: str
    """The option of the command line that answers it."""
    text: str
    proposal: tuple[str, ...] = ()
    """What holds where nobody says otherwise; nothing where that cannot be guessed."""
    choices: tuple[str, ...] = ()
    """What may be answered; anything where there are none."""
    about: tuple[str, ...] = ()
    """A few words on each choice."""
    several: bool = False
    """Whether more than one choice may be named."""
    check: Callable[[str], None] = lambda answer: None
    """Raises EngineError with what is wrong with an answer."""
    numbers: tuple[int, ...] = ()
    """The number of each choice, where that is not its place among them: a column has one in all questions."""
    tells_back: bool = False
    """Whether it is to be said that one can go back: once, where there is something to go back to."""

    def numbered(self) -> dict[int, str]:
        """Return number -> choice."""
        numbers = self.numbers or range(1, len(self.choices) + 1)
        return dict(zip(numbers, self.choices, strict=True))


class GoBack(Exception):
    """The question before is to be asked again."""


class Answers:
    """Answers from the command line, then from whoever is asked, else the proposals."""

    def __init__(self, ask: Callable[[Question], list[str]] | None, *, takes_all: bool) -> None:
        """Take who is asked (nobody: None), and whether the user said that all proposals hold."""
        self._ask, self._takes_all = ask, takes_all
        self._open: list[Question] = []
        """Questions that nobody was there to answer."""
        self._said: list[list[str]] = []
        self._again = 0
        """How many of the answers that were said hold again, since the questions began anew."""
        self._told_back = False

    def begin_anew(self) -> None:
        """Have the same questions asked once more: those that were answered are not repeated."""
        self._again = 0

    def several(self, question: Question, given: Sequence[str]) -> list[str]:
        """Return the answer to a question: what was given, said, or else proposed; raises EngineError without any."""
        if given:
            return [checked(question, answer) for answer in given]
        if self._ask is not None and not self._takes_all:
            return self._asked(self._ask, question)
        if not question.proposal:
            about = question.about or ("",) * len(question.choices)
            told = [
                f"{c} ({why})" if why else c for c, why in zip(question.choices, about, strict=True)
            ]
            known = f"; there are: {'; '.join(told)}" if told else ""
            raise EngineError(
                f"{question.text} That cannot be told from the data, and nobody was asked: nothing was written",
                f"say it with {question.flag}{known}",
            )
        if not self._takes_all:
            self._open.append(question)
        return list(question.proposal)

    def _asked(self, ask: Callable[[Question], list[str]], question: Question) -> list[str]:
        """Return what was said before, or is said now; raises GoBack once the answer before is forgotten."""
        if self._again < len(self._said):
            self._again += 1
            return self._said[self._again - 1]
        tells = bool(self._said) and not self._told_back
        self._told_back = self._told_back or tells
        try:
            answer = ask(replace(question, tells_back=tells))
        except GoBack:
            del self._said[-1:]
            raise
        self._said.append(answer)
        self._again += 1
        return answer

    def one(self, question: Question, given: str | None) -> str:
        """Return the same for a question with a single answer."""
        return self.several(question, [given] if given is not None else [])[0]

    def optional(self, question: Question, given: str | None) -> str:
        """Return the same for a question whose proposal is good enough where nobody can be asked."""
        return self.optional_several(question, [given] if given is not None else [])[0]

    def optional_several(self, question: Question, given: Sequence[str]) -> list[str]:
        """Return the same for such a question with several answers."""
        if not given and (self._ask is None or self._takes_all):
            return list(question.proposal)
        return self.several(question, given)

    def require_all(self) -> None:
        """Raise EngineError with the flags of what nobody answered."""
        if self._open:
            flags = " ".join(
                f"{question.flag} {shlex.quote(answer)}"
                for question in self._open
                for answer in question.proposal
            )
            count = "a question is" if len(self._open) == 1 else f"{len(self._open)} questions are"
            raise EngineError(
                f"{count} open, and without a terminal nobody can be asked: nothing was written",
                f"the proposals are {flags} : give these flags with what is right, or --yes to take all proposals",
            )


def checked(question: Question, answer: str) -> str:
    """Return an answer, a choice's number as the choice; raises EngineError for what cannot be answered."""
    if question.choices and answer not in question.choices:
        if answer.isdecimal() and (chosen := question.numbered().get(int(answer))) is not None:
            return chosen
        raise EngineError(
            f"{question.flag} {answer}: there is none", did_you_mean(answer, question.choices)
        )
    question.check(answer)
    return answer
