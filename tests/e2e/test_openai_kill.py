"""Runs against a server, killed at random moments: what was answered is not asked again, and nothing is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.e2e.runs import ROOT, answered_twice, pada_here, results, rows
from tests.e2e.tiny_project import COLOURS, FILLERS, NUMBERS
from tests.servers.log import Asked, Log

pytestmark = pytest.mark.long

CONCURRENCY = 6
LOST = 2 * CONCURRENCY
"""Of the replies that left the server before a kill, the last ones, which need not be on disk yet: one for each
request under way, and as many that the client has read and not handed on."""
RECIPE = """\
recipe: 1
name: killed
task: {kind: classification, input: [text], target: kind}
data:
  train: {path: train.jsonl}
  validation: {path: validation.jsonl}
  test: {path: test.jsonl}
models:
  student: {backend: scripted, model: student}
  teacher: {backend: openai, model: teacher, base_url: URL, structured: json_schema, concurrency: CONCURRENCY, size: 1B}
  judge: {backend: openai, model: judge, base_url: URL, structured: json_schema, concurrency: CONCURRENCY, size: 1B}
  embedder: {backend: scripted, model: embedder}
metrics: [accuracy]
failure: accuracy < 1
patterns: {diagnose: 150, cluster: {max_k: 4}}
augment:
  rows_per_round: 60
  operators: [{name: paraphrase, params: {variants: 2}}]
quality:
  minimum: {adherence: 2, utility: 1, relevance: 1}
  attempts: 2
  gates: {neighbours: off, similarity: off, near_duplicate: off}
  leak_guard: {ngram: 8, quantile: 1.0}
loop: {rounds: 1, control: false, stop: {patience: 5}}
"""


def write_project(folder: Path, url: str) -> Path:
    """Write a recipe whose teacher and judge are at `url`, and its data; return the recipe's path."""
    generator = random.Random(0)
    for split, count in (("train", 60), ("validation", 240), ("test", 40)):
        lines = []
        for number in range(count):
            kind, known = (("colour", COLOURS), ("number", NUMBERS))[number % 2]
            words = [generator.choice(known), *generator.sample(FILLERS, 7)]
            generator.shuffle(words)
            lines.append(json.dumps({"text": " ".join(words), "kind": kind}) + "\n")
        (folder / f"{split}.jsonl").write_text("".join(lines), "utf-8")
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.replace("URL", url).replace("CONCURRENCY", str(CONCURRENCY)), "utf-8")
    return recipe


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody killed, and the server that it asked."""

    port: int
    recipe: Path
    state: Path
    seconds: float
    asked: frozenset[str]
    """Keys of the requests it sent."""

    def log(self, since: float) -> Log:
        """Return what came into the server after a moment."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/control/log") as response:
            found = Log.read(json.loads(response.read()))
        return Log(each for each in found.asked if each.at >= since)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    command = [sys.executable, "-m", "tests.servers.endpoint", "--latency", "0.05"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            recipe = write_project(
                tmp_path_factory.mktemp("project"), f"http://127.0.0.1:{port}/v1"
            )
            state = tmp_path_factory.mktemp("undisturbed")
            began = time.monotonic()
            found = pada_here("run", recipe, "--state", state)
            assert found.code == 0, found.out + found.errors
            seconds = time.monotonic() - began
            print(f"undisturbed: {seconds:.1f} s")
            bare = Undisturbed(port, recipe, state, seconds, frozenset())
            asked = bare.log(since=0).asked
            keys = frozenset(each.key for each in asked)
            assert len(asked) == len(keys) > 200
            yield Undisturbed(port, recipe, state, seconds, keys)
        finally:
            server.terminate()


def run_until(recipe: Path, state: Path, moment: float) -> float | None:
    """Start a run and kill -9 it after `moment` seconds.

    Returns when it was gone, in seconds since the epoch; None when it had ended by itself.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.cli", "run", str(recipe), "--state", str(state)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert process.wait(moment) == 0
    except subprocess.TimeoutExpired:
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed = time.time()
        assert psutil.wait_procs(children, timeout=60)[1] == []
        return killed
    return None


def asked_in_vain(log: Log, killed: list[float]) -> list[str]:
    """Return the requests that were sent again though their reply should have been on disk.

    Only a kill makes that right, and only for the last LOST replies that left the server before it. Replies are
    counted, not seconds: how long one takes from the server to the disk is the machine's affair.
    """
    replied = sorted(each.done for each in log.asked if each.done is not None)
    last: dict[str, Asked] = {}
    found: list[str] = []
    for each in log.asked:
        before = last.get(each.key)
        if before is not None and before.done is not None:
            done = before.done
            kill = next((k for k in sorted(killed) if done <= k <= each.at), None)
            text = each.body["messages"][-1]["content"]
            if kill is None:
                found.append(f"{text!r}: no kill between its reply and the second asking")
            elif (later := bisect(replied, kill) - bisect(replied, done)) >= LOST:
                found.append(
                    f"{text!r}: {later} replies left the server between its own and a kill"
                )
        last[each.key] = each
    return found


def kill_and_compare(undisturbed: Undisturbed, folder: Path, kills: int, seed: int) -> None:
    """Kill runs at random moments of their time; as often as one ends all the same, compare and begin anew."""
    generator = random.Random(seed)
    left, number = kills, 0
    while left:
        number += 1
        state = folder / f"state-{number}"
        began, killed = time.time(), list[float]()
        while len(killed) < left:
            moment = run_until(
                undisturbed.recipe, state, generator.uniform(0, 0.7 * undisturbed.seconds)
            )
            if moment is None:
                break
            killed.append(moment)
        compare(undisturbed, state, began, killed)
        left -= len(killed)


def compare(undisturbed: Undisturbed, state: Path, began: float, killed: list[float]) -> None:
    ended = pada_here("run", undisturbed.recipe, "--state", state)
    assert ended.code == 0, ended.out + ended.errors
    assert results(state) == results(undisturbed.state)
    assert answered_twice(state) == []
    usable = "SELECT DISTINCT id FROM llm_call WHERE error IS NULL ORDER BY id"
    assert rows(state, usable) == rows(undisturbed.state, usable)
    log = undisturbed.log(since=began)
    assert {each.key for each in log.asked} == undisturbed.asked
    print(f"{len(killed)} kills, {len(log)} requests for {len(undisturbed.asked)}")
    assert asked_in_vain(log, killed) == []


def test_killed_three_times_it_asks_only_what_had_no_durable_reply(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    kill_and_compare(undisturbed, tmp_path, 3, seed=4)


@pytest.mark.long
def test_killed_twenty_times_it_asks_only_what_had_no_durable_reply(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    kill_and_compare(undisturbed, tmp_path, 20, seed=5)


def test_a_second_run_asks_nothing(undisturbed: Undisturbed) -> None:
    began = time.time()
    again = pada_here("run", undisturbed.recipe, "--state", undisturbed.state)
    assert again.code == 0, again.out + again.errors
    assert len(undisturbed.log(since=began)) == 0


def test_the_check_itself_finds_a_request_that_was_sent_for_nothing() -> None:
    def asked(key: str, at: float, done: float | None) -> Asked:
        body = {"messages": [{"role": "user", "content": "Why?"}]}
        return Asked("r", key, "m", 0, None, at, {}, body, done is not None, done)

    early, late = asked("k", 1.0, 1.05), asked("k", 3.0, 3.05)
    assert asked_in_vain(Log([early, late]), [1.4]) == []
    assert asked_in_vain(Log([asked("k", 1.0, None), late]), []) == []
    for kills in ([], [0.9], [3.2]):
        assert asked_in_vain(Log([early, late]), kills) != []
    between = [asked(f"other {number}", 1.1, 1.2) for number in range(LOST)]
    assert asked_in_vain(Log([early, *between[1:], late]), [1.4]) == []
    assert asked_in_vain(Log([early, *between, late]), [1.4]) != []
