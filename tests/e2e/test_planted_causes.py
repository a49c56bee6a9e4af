"""Failures whose causes are known, through the whole plan: the patterns are the causes, and a spurious one is refuted.

The student is `tests.benchmarks.bakery`'s: it fails by what it cannot do. Who diagnoses sees the cause and says it in
other words each time, with words beside that many causes share; what belongs together the embedder and the clusterer
find. To failures without a cause it gives one that sounds like one: that the message begins with a greeting.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from engine.backends.protocol import Request
from engine.backends.scripting.values import invented
from engine.backends.scripting.words import last_user_message
from tests.benchmarks.bakery import CAUSES, OPENERS
from tests.benchmarks.planted_causes import NOISE, SIZES, Found, Sizes, make, score
from tests.e2e.runs import pada_here, rows

pytestmark = pytest.mark.models

SCRIPTED = "{backend: scripted, model: oracle, pack: frontier}"
WORDINGS: Mapping[str, tuple[Sequence[str], Sequence[str], str]] = {
    "correction": (
        (
            "The student took the first quantity and ignored the correction that the sender makes afterwards",
            "It keeps the amount that is named first, although the message goes on to replace it by a corrected one",
            "The original quantity was answered; the later change of mind in the same message was overlooked",
            "The student stops at the earlier number and misses that the sender corrects it",
            "A quantity that is taken back is given as the answer instead of the corrected quantity",
        ),
        (
            "The sender names a quantity and then corrects it to another one.",
            "A quantity is changed later in the same message.",
            "An amount is taken back and a corrected amount follows.",
            "The order is corrected by the sender after a first quantity.",
        ),
        "First quantity kept despite correction",
    ),
    "multiply": (
        (
            "The student gives the amount per person and does not multiply it by the number of people",
            "It copied how many each one gets and never multiplies by how many there are",
            "The per-group amount was taken for the total, the multiplication by the number of groups is missing",
            "The student took the number for each person or box as the whole order",
            "No multiplication is done: the portion for each is answered instead of the product",
        ),
        (
            "The message gives an amount per person or box and the number of persons or boxes.",
            "So many pieces each for a number of guests, which have to be multiplied.",
            "Every person, table or group gets the same amount, and the total is a product.",
            "An amount for each of several people or boxes.",
        ),
        "Amount per person not multiplied",
    ),
    "dozen": (
        (
            "The student ignores the word dozen after the number and counts dozens as single pieces",
            "It copied the number before dozen or pairs and did not convert the dozens into pieces",
            "The unit word dozen or pair was overlooked, so the number is not converted",
            "The student does not know that a dozen is twelve pieces and a pair two",
            "The number of dozens is given as the number of pieces",
        ),
        (
            "The quantity is given in dozens or pairs.",
            "A number is followed by the word dozen or pairs.",
            "The order counts in dozens instead of pieces.",
            "A unit word such as dozen or pair has to be converted into pieces.",
        ),
        "Dozens counted as pieces",
    ),
    "digits": (
        (
            "The student took a number in digits, such as a date or a room, for the quantity in words",
            "It prefers digits to a number word: the digits of an address, a time or an invoice are answered",
            "The quantity is spelled out in words, and the student picked unrelated digits instead",
            "The student goes by digits, so a house number, a time or a date becomes the answer",
            "Digits that belong to a date, room or customer number were read as the quantity written in words",
        ),
        (
            "The quantity is written in words while digits in the message mean a date, time or address.",
            "A number word gives the quantity, and unrelated digits stand in the same message.",
            "The message has digits for a room, time or invoice, and a spelled-out quantity.",
            "Unrelated digits stand beside a quantity in words.",
        ),
        "Unrelated digits taken for quantity",
    ),
    "separator": (
        (
            "The student reads the point that separates thousands as a decimal point",
            "It cuts off a number above one thousand at the separator between its digits",
            "The thousands separator, a point or a space, was misread, so the number is a thousand times too small",
            "The student does not know the number format in which a point or space separates thousands",
            "A point or space as thousands separator splits the number, and only its beginning was read",
        ),
        (
            "A number of thousands is written with a point or a space as separator.",
            "A large number has a thousands separator other than a comma.",
            "Thousands are separated by a point or a space.",
            "A quantity above one thousand is written with a thousands separator.",
        ),
        "Thousands separator misread",
    ),
    "subtract": (
        (
            "The student answers the total and does not subtract the pieces that are cancelled or left out",
            "It took the whole order and ignored the part that has to be subtracted",
            "The pieces that are not needed were not deducted from the total",
            "The student copied the full amount although a part of it is excluded and has to be subtracted",
            "No subtraction is done: the exception that reduces the total was ignored",
        ),
        (
            "A part of the total is excluded or cancelled and has to be subtracted.",
            "A total is given, and some of the pieces are left out of it.",
            "An exception reduces the total by a number of pieces.",
            "The order is a total minus pieces that are not needed.",
        ),
        "Excluded part not subtracted",
    ),
    NOISE: (
        (
            "The greeting at the beginning distracts the student from the order",
            "It is misled by the polite greeting that comes first",
            "A friendly greeting before the order confuses the student",
            "The student stumbles over the greeting that opens the message",
        ),
        (
            "The message opens with a greeting.",
            "A greeting comes before the order.",
            "The sender greets the bakery first.",
        ),
        "Greeting at the beginning",
    ),
}
"""By cause: root causes, scenarios, and the name of its pattern; none of them are the same words twice over."""
BESIDE = (
    "in this note to the bakery", "here", "in a message about pastry", "in what the office wrote",
    "as a small model does", "in a short order of a private customer", "which an attentive reader would not",
    "while it reads the message of a hotel",
)  # fmt: skip
"""Words that say nothing of a cause, and are shared by all."""
FEWER: Sizes = {
    "log": {kind: n for kind, n in SIZES["log"].items() if kind not in ("easy", "alike")},
    "validation": {**SIZES["validation"], "easy": 12, "alike": 34},
    "train": {"easy": 12, "alike": 12},
}
"""Messages of each kind, without those that only cost time: most of it goes into embeddings."""
ERRS = 40
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
        roots, scenarios, _ = WORDINGS[self.causes[row]]
        return {
            "id": number, "evidence": "", "reasoning": "", "suspect": False, "suspect_reason": "", "mendable": True,
            "root_cause": f"{roots[turn % len(roots)]} {BESIDE[turn // 8 % len(BESIDE)]}.",
            "scenario": scenarios[turn // 64 % len(scenarios)], "skill": "", "category": "", "confidence": 4,
            "convention": "",
        }  # fmt: skip

    def _pattern(self, message: str) -> dict[str, Any]:
        """Return a name for the cause of most diagnoses that are shown, and parts where two causes have two or more."""
        of: dict[str, list[str]] = {}
        for number, text in re.findall(r"^- (\w+): (.+)$", message.split("</data>")[0], re.M):
            cause = next(cause for root, cause in self._of.items() if root in text)
            of.setdefault(cause, []).append(number)
        cause = max(of, key=lambda cause: len(of[cause]))
        _, scenarios, name = WORDINGS[cause]
        parts = [
            {"cause": WORDINGS[c][2], "diagnoses": ids} for c, ids in of.items() if len(ids) > 1
        ]
        coherent = len(parts) < 2
        return {
            "reasoning": "", "name": name, "description": scenarios[0], "includes": [], "excludes": [],
            "coherent": coherent, "parts": [] if coherent else parts,
            **({"misfits": []} if "- `misfits`: " in message else {}),
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
    recipe = make(folder, 0, SCRIPTED, FEWER)
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


def test_the_patterns_are_the_planted_causes(found: Found) -> None:
    assert found.rand_index >= 0.8
    assert set(found.members) == set(CAUSES)
    assert len({pattern for pattern, _, _ in found.members.values()}) == len(CAUSES)
    precisions = {cause: precision for cause, (_, precision, _) in found.members.items()}
    recalls = {cause: recall for cause, (_, _, recall) in found.members.items()}
    assert fmean(precisions.values()) >= 0.9, precisions
    assert fmean(recalls.values()) >= 0.9, recalls
    # One cause may be in two patterns; none may be in that of another.
    assert min(precisions.values()) >= 0.8, precisions
    assert min(recalls.values()) >= 0.5, recalls
    assert not found.lost


def test_no_cause_is_refuted_and_a_spurious_pattern_is(found: Found, state: Path) -> None:
    tests = {
        row["pattern"]: row
        for row in rows(state, "SELECT pattern, verdict, funded, diagnosed FROM pattern_test")
    }
    planted = [tests[pattern]["verdict"] for pattern, _, _ in found.members.values()]
    assert planted.count("confirmed") >= 5
    assert "refuted" not in planted
    spurious = [p for p, of in found.patterns.items() if of.most_common(1)[0][0] == NOISE]
    assert [(tests[p]["verdict"], tests[p]["funded"]) for p in spurious] == [("refuted", False)]
    # They are of a log: none of the validation rows was diagnosed.
    assert {test["diagnosed"] for test in tests.values()} == {0}
    written = {row["pattern"] for row in rows(state, "SELECT pattern FROM strategy")}
    assert written == {pattern for pattern, test in tests.items() if test["funded"]}
