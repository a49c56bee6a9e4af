"""Failures whose causes are known, through the whole plan: the patterns are the causes, and a spurious one is refuted.

The student is `tests.benchmarks.bakery`'s: it fails by what it cannot do. Who diagnoses sees the cause and says it in
other words each time, with words beside that many causes share; what belongs together the embedder and the clusterer
find. To failures without a cause it gives one that sounds like one: that the message begins with a greeting.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.backends.protocol import Request
from engine.backends.scripting.values import invented
from engine.backends.scripting.words import last_user_message
from tests.benchmarks.bakery import CAUSES, OPENERS
from tests.benchmarks.planted_causes import NOISE, SIZES, Found, make, score, told
from tests.e2e.runs import pada_here, rows

pytestmark = [pytest.mark.runs, pytest.mark.models]

SCRIPTED = "{backend: scripted, model: oracle, pack: frontier}"
WORDINGS: Mapping[str, tuple[Sequence[str], Sequence[str], str]] = {
    "correction": (
        (
            "The first amount is kept although the sender takes it back",
            "It overlooks that the customer changed the order afterwards",
            "An outdated quantity was answered, the revised one was ignored",
            "The student stops at the earlier figure and misses the correction behind it",
            "A withdrawn number wins over the one that replaces it",
        ),
        (
            "The writer corrects an amount in the same message.",
            "Somebody names a quantity and then changes their mind.",
            "An amount is replaced by a later one.",
            "A revision follows the original order.",
        ),
        "Amount corrected later",
    ),
    "multiply": (
        (
            "The share of one person is answered, it is not multiplied by the head count",
            "It gives the pieces per group instead of the product",
            "Two factors have to be multiplied, and only one of them was copied",
            "The student never multiplies an amount for each by how many there are",
            "The per-head number is taken for the total",
        ),
        (
            "An amount is told per person, box or table, with how many of these there are.",
            "So many each, for a number of guests.",
            "Equal portions have to be multiplied by a count of groups.",
            "Every one of several receivers gets the same number.",
        ),
        "Portion not multiplied",
    ),
    "dozen": (
        (
            "The word dozen or pair behind the number is ignored",
            "It copies the number of dozens and does not turn it into pieces",
            "A collective unit is skipped, as if dozens were single pieces",
            "The student does not know that a dozen stands for twelve",
            "A counting word such as dozen or pair is left out of account",
        ),
        (
            "The quantity is given in dozens or pairs.",
            "A number of dozens is ordered.",
            "A word for twelve or two pieces follows the number.",
            "Goods are counted by the dozen.",
        ),
        "Dozens read as pieces",
    ),
    "digits": (
        (
            "A date, room or clock time in digits is taken for the quantity, which is spelled out",
            "It prefers digits that are an address or an invoice number to a number in words",
            "The quantity in letters is overlooked beside numerals that mean something else",
            "The student grabs the numerals of a house number or time",
            "Digits of something unrelated, such as a phone or platform, are answered",
        ),
        (
            "The amount is written in words, and a date or number in digits stands beside it.",
            "A spelled-out quantity next to numerals of an address, room or hour.",
            "There are digits that are no quantity.",
            "A customer number, date or time in digits comes with an amount in letters.",
        ),
        "Unrelated digits taken",
    ),
    "separator": (
        (
            "The point that separates thousands is read as a decimal point",
            "It cuts a number of four digits at its thousands separator",
            "A grouping mark in a large number is misread, so a few are answered instead of thousands",
            "The student takes a European thousands format for a fraction",
            "The large number is split at the space or point between its digits",
        ),
        (
            "A number above a thousand is written with a point or a space in it.",
            "Thousands are grouped by a dot or a blank.",
            "A large quantity has a separator between its digits.",
            "The format of a big number is not the English one.",
        ),
        "Thousands separator misread",
    ),
    "subtract": (
        (
            "The part that falls away is not subtracted from the total",
            "It answers the whole amount without deducting what is cancelled",
            "An exception that lessens the order is not taken off",
            "The student does no subtraction although some pieces are left out",
            "The minuend is copied, the pieces to be deducted are forgotten",
        ),
        (
            "A part of the order is excluded or cancelled and has to be deducted.",
            "A total is named, less some pieces.",
            "Some of the amount is not needed and must be subtracted.",
            "An exception reduces a standing amount.",
        ),
        "Deduction not made",
    ),
    NOISE: (
        (
            "The greeting at the beginning distracts it from the order",
            "It is misled by the polite salutation that comes first",
            "A friendly opening confuses the student",
            "The student stumbles over the hello before the request",
        ),
        (
            "The message opens with a salutation.",
            "A greeting comes before the order.",
            "The writer says hello first.",
        ),
        "Greeting at the beginning",
    ),
}
"""By cause: root causes, scenarios, and the name of its pattern; none of them are the same words twice over."""
BESIDE = (
    "in this note to the bakery", "here", "in a message about pastry", "in what the office wrote", "as a small model does",
    "in a short order of a private customer", "which an attentive reader would not", "while it reads the message of a hotel",
)  # fmt: skip
"""Words that say nothing of a cause, and are shared by all."""
ERRS = 20
"""The judge errs about one row in so many."""


class Oracle:
    """Answers as teacher and judge who know the planted causes."""

    def __init__(self, folder: Path) -> None:
        """Take the folder of `make`."""
        lines = map(json.loads, (folder / "planted.jsonl").read_text("utf-8").splitlines())
        self.causes: dict[str, str] = {line["message"]: line["cause"] for line in lines}
        self._of = {
            root: cause for cause, (roots, _, _) in WORDINGS.items() for root in roots
        }  # fmt: skip

    def reply(self, request: Request) -> str:
        """Return the reply to a request; strategies are invented, and rows there are none."""
        message = last_user_message(request.messages)
        if "Reply with `diagnoses`" in message:
            return json.dumps({"diagnoses": [self._diagnosis(*f) for f in _shown(message, "f")]})
        if "# One cluster of" in message:
            return json.dumps(self._pattern(message))
        if "# The kind of row" in message:
            name = message.split("# The kind of row\n")[1].split(":")[0]
            said = [
                {"id": i, "falls_under": self._is_under(name, row)}
                for i, row in _shown(message, "r")
            ]
            return json.dumps({"rows": said})
        return invented(request) if "# The weakness" in message else "no rows"

    def _diagnosis(self, number: str, row: str) -> dict[str, Any]:
        turn = zlib.crc32(row.encode())
        roots, scenarios, name = WORDINGS[self.causes[row]]
        return {
            "id": number, "evidence": "", "reasoning": "", "suspect": False, "suspect_reason": "", "mendable": True,
            "root_cause": f"{roots[turn % len(roots)]} {BESIDE[turn // 8 % len(BESIDE)]}.",
            "scenario": scenarios[turn // 64 % len(scenarios)], "skill": "", "category": "", "confidence": 4,
        }  # fmt: skip

    def _pattern(self, message: str) -> dict[str, Any]:
        """Return a name for the cause of most diagnoses that are shown, and parts where no cause has half of them."""
        of: dict[str, list[str]] = {}
        for number, text in re.findall(r"^- (\w+): (.+)$", message.split("</data>")[0], re.M):
            cause = next(cause for root, cause in self._of.items() if root in text)
            of.setdefault(cause, []).append(number)
        shown = sum(map(len, of.values()))
        cause = max(of, key=lambda cause: len(of[cause]))
        coherent = 2 * len(of[cause]) >= shown
        _, scenarios, name = WORDINGS[cause]
        parts = [
            {"cause": WORDINGS[c][2], "diagnoses": ids} for c, ids in of.items() if len(ids) > 1
        ]
        return {
            "reasoning": "", "name": name, "description": scenarios[0], "includes": [], "excludes": [],
            "coherent": coherent, "parts": [] if coherent else parts,
        }  # fmt: skip

    def _is_under(self, name: str, row: str) -> bool:
        if zlib.crc32(f"{name} {row}".encode()) % ERRS == 0:
            return zlib.crc32(row.encode()) % 2 == 0
        if name == WORDINGS[NOISE][2]:
            return row.startswith(OPENERS)
        return any(
            name == named for c, (_, _, named) in WORDINGS.items() if c == self.causes.get(row)
        )


def _shown(message: str, letter: str) -> Iterator[tuple[str, str]]:
    """Yield the ids and messages of the rows that a prompt asks about."""
    yield from re.findall(rf"^## ({letter}\d+)\n<row>\nmessage: (.*)\n</row>", message, re.M)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the recipe with teacher and judge who know the causes."""
    folder = tmp_path_factory.mktemp("planted")
    recipe = make(folder, 0, SCRIPTED)
    text = recipe.read_text("utf-8").replace("confirm: 100", "confirm: 136")
    recipe.write_text(text, "utf-8")
    oracle = Oracle(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.backends.scripted.invented", oracle.reply)
        ended = pada_here("run", recipe, "--state", folder / "state")
    assert ended.code == 0, ended.out + ended.errors
    return folder / "state"


@pytest.fixture(scope="module")
def found(state: Path) -> Found:
    return score(state.parent, state)


def test_the_patterns_are_the_planted_causes(found: Found, state: Path) -> None:
    print("\n".join(told(found, state)))
    assert found.index >= 0.8
    assert set(found.members) == set(CAUSES)
    assert len({pattern for pattern, _, _ in found.members.values()}) == len(CAUSES)
    for cause, (_, precision, recall) in found.members.items():
        assert precision >= 0.8, cause
        assert recall >= 0.8, cause
    assert not found.lost


def test_the_causes_are_confirmed_and_a_spurious_pattern_is_refuted(
    found: Found, state: Path
) -> None:
    verdicts = {
        row["pattern"]: (row["verdict"], row["funded"])
        for row in rows(state, "SELECT pattern, verdict, funded FROM pattern_test")
    }
    for cause, (pattern, _, _) in found.members.items():
        assert verdicts[pattern] == ("confirmed", True), cause
    spurious = [p for p, of in found.patterns.items() if Counter(of).most_common(1)[0][0] == NOISE]
    assert [verdicts[pattern] for pattern in spurious] == [("refuted", False)]
    written = {row["pattern"] for row in rows(state, "SELECT pattern FROM strategy")}
    assert not written & set(spurious)
    assert {pattern for pattern, _, _ in found.members.values()} <= written
