"""The whole studio on real models, in Debian's Chromium: from a file in an empty folder to a run on what a person said.

By hand: `npm ci` in engine/studio/web, then `pytest -m "browser and long" tests/studio/test_browser_whole.py -s`. It
took 17 minutes on two cores with a load of 13. STUDIO_PICTURES=FOLDER has pictures of the way kept there.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

from engine.run.watching import standing
from tests.e2e.runs import ROOT, rows
from tests.studio.test_browser import PICTURES, driven

pytestmark = [pytest.mark.browser, pytest.mark.long]
DRIVER = Path(__file__).with_name("whole.mjs")
HANGS = 3_600
"""Seconds; its own limits are shorter. Most of it is loading models, which takes long beside other work."""
SAYINGS = {
    "billing": (
        ("invoice", "card", "refund", "charge", "receipt", "price"),
        ("The {} shows a wrong sum", "I was sent the {} twice", "Please correct the {} of March",
         "Why is the {} so high", "My {} does not match"),
    ),
    "delivery": (
        ("parcel", "courier", "box", "shipment", "van", "tracking page"),
        ("The {} has not arrived", "Where is my {} today", "Your {} came late again",
         "Bring the {} to my neighbour", "The {} was left in the rain"),
    ),
    "login": (
        ("password", "account", "e-mail address", "code", "user name", "profile"),
        ("I forgot my {}", "The {} is not accepted", "I cannot change my {}", "Reset the {} please",
         "My {} is locked"),
    ),
    "recipes": (
        ("sauce", "oven", "rice", "dessert", "dinner", "soup"),
        ("How long does the {} cook", "Is there cheese in the {}", "The {} tasted too salty",
         "Can I make the {} without onions", "What goes with the {}"),
    ),
}  # fmt: skip
"""What each label's messages are of, and how they say it: a small student learns to tell them apart."""


def messages() -> str:
    """Return 120 messages of four labels as a spreadsheet of a German desk writes them."""
    found = [
        (saying.format(thing) + " – thanks" * (number % 3 == 0), label)
        for label, (things, sayings) in SAYINGS.items()
        for number, (saying, thing) in enumerate((s, t) for s in sayings for t in things)
    ]
    random.Random(0).shuffle(found)
    lines = (f"{number};{text};{label}\r\n" for number, (text, label) in enumerate(found))
    return "Number;Message;Topic\r\n" + "".join(lines)


def trained_on(state: Path, run: str) -> list[tuple[str, str]]:
    """Return the rows that a run's last student was trained on beside the user's own: text and label."""
    found = rows(
        state,
        "SELECT inputs->>'Message' AS text, target FROM all_training_rows "
        "WHERE run = ? AND round = 1 AND origin <> 'original' ORDER BY ALL",
        run,
    )
    return [(one["text"], one["target"]) for one in found]


def contents(state: Path, run: str) -> dict[str, str]:
    """Return node name -> hash of its rows."""
    sql = (
        "SELECT rn.name, n.content FROM run_node rn JOIN node n ON n.id = rn.node WHERE rn.run = ?"
    )
    return {one["name"]: one["content"] for one in rows(state, sql, run)}


def test_from_a_file_to_a_run_on_what_a_person_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    project, file, seen = tmp_path / "project", tmp_path / "requests.csv", tmp_path / "seen.json"
    project.mkdir()
    file.write_bytes(messages().encode("cp1252"))
    state = project / ".pada"
    try:
        paths = [str(project), str(file), str(seen)]
        wrong = driven(DRIVER, sys.executable, *paths, PICTURES, hangs=HANGS)
    finally:
        found = standing(state)
        if found.process is not None and found.process.lives:
            found.process.kill()
        print(seen.read_text("utf-8") if seen.exists() else "nothing was seen")
    assert wrong == []

    # The killed studio took no run with it: there are two, of one beginning each.
    runs = rows(state, "SELECT id, status FROM run ORDER BY id")
    assert [(one["id"], one["status"]) for one in runs] == [("r0001", "done"), ("r0002", "done")]
    first, second = (contents(state, one["id"]) for one in runs)
    changed = {name for name in first if first[name] != second.get(name)}
    assert "seed-0/round-0/select" in changed
    assert all("/round-1/" in one or one == "seed-0/round-0/select" for one in changed), changed

    # What differs is what the verdicts said.
    relabel, reject, accept = json.loads(seen.read_text("utf-8"))["review"]["verdicts"]
    said = rows(
        state,
        "SELECT verdict, inputs->>'Message' AS text, new_target FROM all_reviews ORDER BY made",
    )
    assert [(one["verdict"], one["text"]) for one in said] == [
        (one["verdict"], one["text"]) for one in (relabel, reject, accept)
    ]
    before, after = trained_on(state, "r0001"), trained_on(state, "r0002")
    assert (relabel["text"], relabel["now"]) not in before
    assert (relabel["text"], relabel["now"]) in after
    assert (relabel["text"], relabel["answer"]) not in after
    assert (reject["text"], reject["answer"]) in before
    assert (reject["text"], reject["answer"]) not in after
    assert (accept["text"], accept["answer"]) in after
