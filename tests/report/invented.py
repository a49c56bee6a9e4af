# ruff: noqa: E501 - a table of invented rows reads best with one insert on few lines
"""An invented store in memory: the real schema, plausible rows, two runs of which the second reuses the first."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from engine.store import Store, migrate
from engine.store.file import FILE
from engine.store.flat import lay_all

LABELS = [
    "refund",
    "cancel_order",
    "track_order",
    "reset_password",
    "change_address",
    "talk_to_agent",
]
START = datetime(2026, 3, 1, 9, 0, 0)  # noqa: DTZ001 - the store keeps naive UTC
HOSTILE = "</script><script>alert('x')</script> & \"quoted\" | pipe"


def ident(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:16]


class Invented:
    """A DuckDB connection with helpers to insert rows by column name."""

    def __init__(self) -> None:
        self.connection = duckdb.connect(":memory:")
        self.waiting: dict[str, list[dict[str, Any]]] = {}
        # A copy of a file that is laid out already takes a tenth of the time that making all tables anew takes.
        with TemporaryDirectory() as folder:
            migrate.lay_out(Path(folder, FILE))
            self.connection.execute(f"ATTACH '{Path(folder, FILE)}' AS empty (READ_ONLY)")
            self.connection.execute("COPY FROM DATABASE empty TO memory")
            self.connection.execute("DETACH empty")
        self.columns: dict[str, set[str]] = {}
        for row in self.query("SELECT table_name, column_name FROM duckdb_columns()"):
            self.columns.setdefault(row["table_name"], set()).add(row["column_name"])
        self.position = 0
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.clock = START

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        cursor = self.db.execute(sql, list(parameters))
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    @property
    def db(self) -> duckdb.DuckDBPyConnection:
        """The connection, with every added row in its table (inserted together: one by one is slow)."""
        waiting, self.waiting = self.waiting, {}
        for table, rows in waiting.items():
            self.connection.register("waiting", pa.Table.from_pylist(rows))
            self.connection.execute(f'INSERT INTO "{table}" BY NAME SELECT * FROM waiting')
            self.connection.unregister("waiting")
        if waiting:
            for node, counts in self.counts.items():
                self.connection.execute(
                    "UPDATE node SET counts = ? WHERE id = ?", [json.dumps(counts), node]
                )
            lay_all(self.connection)
        return self.connection

    def save(self, state: Path) -> None:
        """Write a state folder's store with the same rows, for what reads stores from files."""
        Store.open(state)
        db = self.db
        # What was changed by SQL alone is laid flat too.
        lay_all(db)
        db.execute(f"ATTACH '{state / FILE}' AS saved")
        tables = self.query(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'memory' AND table_name <> 'schema_version'"
        )
        for name in (row["table_name"] for row in tables):
            db.execute(f'INSERT INTO saved."{name}" BY NAME SELECT * FROM memory."{name}"')
        db.execute("DETACH saved")

    def value(self, sql: str, *parameters: Any) -> Any:
        return next(iter(self.query(sql, parameters)[0].values()))

    def add(self, table: str, **row: Any) -> None:
        fillers = {
            "position": self.position,
            "counts": {},
            "references": [row["target"]] if "target" in row else [],
        }
        for column, filler in fillers.items():
            if column in self.columns[table]:
                row.setdefault(column, filler)
        if table not in ("node", "run_node") and "node" in row:
            self.counts[row["node"]][table] += 1
        values = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()}
        self.waiting.setdefault(table, []).append(values)

    def recipe(self, **changes: Any) -> None:
        effective: dict[str, Any] = {
            "name": "invented",
            "description": "Which of six wishes a customer has.",
            "task": {"kind": "classification", "input": ["text"], "target": "intent"},
            "models": {
                "student": {"backend": "transformers", "model": "embedded/smollm2-135m-instruct"},
                "teacher": {"backend": "transformers", "model": "embedded/smollm2-135m-instruct"},
                "judge": {"backend": "transformers", "model": "embedded/smollm2-135m-instruct"},
                "embedder": {
                    "backend": "sentence-transformers",
                    "model": "embedded/all-minilm-l6-v2",
                },
            },
            "metrics": [
                "accuracy",
                "macro_f1",
                {"name": "answer_length", "sql": "avg(len(prediction))"},
            ],
            "quality": {"judge": "advises"},
            "loop": {"rounds": 2, "stop": {"metric": "accuracy"}},
            "seeds": [0],
        } | changes
        self.add(
            "recipe", id="recipe1", name=effective["name"], path="recipes/invented", source="recipe: 1",
            effective=effective,
        )  # fmt: skip

    def run(
        self, run: str = "r0001", status: str = "done", ended: bool = True, note: str = ""
    ) -> None:
        self.add(
            "run", id=run, recipe="recipe1", status=status, started=START,
            ended=START + timedelta(minutes=7, seconds=30) if ended else None, note=note,
            versions={"pada-engine": "0.1.0", "torch": "2.13.0", "duckdb": "2.0.0"}, row_limit=None,
        )  # fmt: skip

    def node(self, name: str, stage: str, round_: int = 0, attempt: int = 0, seed: int = 0,
             seconds: float = 3.0, run: str = "r0001") -> dict[str, Any]:  # fmt: skip
        """Add a finished node and return the columns that its rows share."""
        node = ident("node", name, seed)
        end = self.clock + timedelta(seconds=seconds)
        self.add(
            "node", id=node, name=name, stage=stage, seed=seed, round=round_, attempt=attempt,
            identity={}, run=run, started=self.clock, ended=end, content="c",
        )  # fmt: skip
        self.clock = end
        self.add("run_node", run=run, node=node, name=name, position=self.position, status="done")
        self.position += 1
        return {"node": node, "run": run, "seed": seed, "round": round_}

    def call(self, shared: dict[str, Any], name: str, role: str, error: str | None = None) -> str:
        call = ident("call", name, shared["seed"])
        self.add(
            "llm_call", id=call, run=shared["run"], node=shared["node"], role=role,
            model="sha256:4c1fa9e07d2b55aa", messages="[]", schema={}, max_tokens=200, temperature=0.0,
            attempt=0, reply="{}", finish_reason="stop" if error is None else "length",
            prompt_tokens=150, completion_tokens=40, seconds=1.5, method="outlines:xgrammar",
            error=error, detail="", created=self.clock,
        )  # fmt: skip
        return call


PATTERNS = [
    ("Refund mistaken for cancellation", "two_wishes", "The customer asks for money back and mentions cancelling in passing."),
    ("Negated wish", "negation", "The message says what is not wanted, and the student answers with that."),
    ("Slang and typos", "noise", "Misspelt or colloquial words hide the intent."),
    ("Indirect request", "indirect", "The wish is implied by a complaint and never stated."),
    ("Very short message", "short_text", "Three words or fewer, without a verb."),
]  # fmt: skip
REASONS = ["duplicate", "leak", "similarity", "neighbours"]


def full(
    seeds: tuple[int, ...] = (0,), rounds: int = 2, judge: str = "advises", control: bool = False
) -> Invented:
    """Return a store with one run of `rounds` augmented rounds, hostile text among its rows."""
    store = Invented()
    store.recipe(
        seeds=list(seeds),
        quality={"judge": judge},
        loop={"rounds": rounds, "control": control, "stop": {"metric": "accuracy"}},
    )
    store.run()
    examples = _examples(store)
    for seed in seeds:
        _loop(store, seed, rounds, examples, control, first=seed == seeds[0])
        if judge == "decides":
            calibrate(store, seed)
    return store


def calibrate(store: Invented, seed: int = 0, *, decides: bool = True) -> None:
    """Add how the judge of one seed did on training rows, in its first node."""
    first = {"node": ident("node", "judge.0.1", seed), "run": "r0001", "seed": seed, "round": 0}
    store.add(
        "judge_calibration", **first, n_right=20, n_wrong=19, sensitivity=0.95, specificity=1.0 if decides else 0.0,
        balanced_accuracy=0.975 if decides else 0.475, low=0.86 if decides else 0.4, high=0.99 if decides else 0.5,
        threshold=0.7, decides=decides, reason="19 of 20 passed",
    )  # fmt: skip


Examples = dict[str, list[tuple[str, str]]]


def _examples(store: Invented) -> Examples:
    shared = store.node("load", "load")
    found: Examples = {}
    for split, size in {"train": 60, "validation": 150, "test": 200}.items():
        found[split] = []
        for i in range(size):
            label = LABELS[i % len(LABELS)]
            text = (
                HOSTILE
                if i == 0
                else f"hello, my parcel no {i} hasnt come and i want my {label} sorted pls"
            )
            store.add(
                "example", **shared, id=ident(split, i), split=split, inputs={"text": text}, target=label,
                columns={}, source=f"data/{split}.jsonl", line=i + 1,
            )  # fmt: skip
            found[split].append((ident(split, i), label))
    return found


def _loop(
    store: Invented, seed: int, rounds: int, examples: Examples, control: bool, first: bool
) -> None:
    rng = random.Random(seed)
    right = {
        -1: (0.2, 0.18, 0.17),
        0: (0.97, 0.70, 0.69),
        1: (0.96, 0.76, 0.73),
        2: (0.97, 0.78, 0.745),
    }
    luck = {example: rng.random() for rows in examples.values() for example, _ in rows}
    members: dict[str, list[str]] = {}
    if control:
        # A second fine-tune is right where the first is, but for chance.
        other = {e: own + random.Random(e).uniform(-0.1, 0.1) for e, own in luck.items()}
        _evaluate(store, seed, -2, examples, other, dict(zip(examples, right[0], strict=True)), rng)
    # The untuned student answers once, for all seeds.
    for round_ in range(-1 if first else 0, rounds + 1):
        if round_ >= 0:
            model = store.node(f"train.{round_}", "train", round_, seed=seed, seconds=85)
            store.add(
                "model", **model, path=f"models/{round_}", weights="ab" * 32, data="d", rows=60, steps=30,
                epochs=4.0, train_loss=0.1, validation_loss=None, chosen_step=30, seconds=84.0,
            )  # fmt: skip
        failing = _evaluate(
            store,
            seed,
            round_,
            examples,
            luck,
            dict(zip(examples, right[round_], strict=True)),
            rng,
        )
        if round_ > 0:
            track = store.node(f"track.{round_}", "track", round_, seed=seed)
            for pattern, ids in members.items():
                after = sum(i in failing for i in ids)
                # The largest pattern has rows enough for a number.
                large = len(ids) > 10 and control
                numbers = (0.12, 0.03, 0.2, 0.01) if large else (None,) * 4
                effect = dict(zip(("effect", "low", "high", "p"), numbers, strict=True))
                store.add(
                    "pattern_status", **track, pattern=pattern, before=len(ids), after=after,
                    status="mended" if large else "unclear", life="shrinking" if large else "unclear", rows=3 * len(ids), mended=len(ids) - after,
                    broken=1, control_mended=1, control_broken=1, **effect,
                )  # fmt: skip
        if round_ >= 0:
            decide = store.node(f"decide.{round_}", "decide", round_, seed=seed)
            store.add(
                "decision",
                **decide,
                go_on=round_ < rounds,
                reason="failures on validation"
                if round_ < rounds
                else "all rounds of the recipe are done",
                metric="accuracy",
                value=right[round_][1],
                best_round=round_,
            )
        if 0 <= round_ < rounds:
            patterns = _diagnose(store, seed, round_, failing)
            for pattern, ids in patterns.items():
                members.setdefault(pattern, ids)
            _generate(store, seed, round_, list(patterns), examples["train"], rng)


def _evaluate(store: Invented, seed: int, round_: int, examples: Examples, luck: dict[str, float],
              right: dict[str, float], rng: random.Random) -> list[str]:  # fmt: skip
    predict = store.node(f"predict.{round_}", "predict", round_, seed=seed, seconds=12)
    score = store.node(f"score.{round_}", "score", round_, seed=seed)
    failing, means = [], {}
    for split, rows in examples.items():
        correct = 0
        for example, label in rows:
            good = luck[example] < right[split] + rng.uniform(-0.04, 0.04)
            correct += good
            answer = (
                label
                if good
                else LABELS[(LABELS.index(label) + 1 + int(luck[example] * 30) % 2) % len(LABELS)]
            )
            store.add(
                "prediction", **predict, example=example, split=split, text=answer, answer=answer,
                status="ok", confidence=round(0.4 + 0.5 * rng.random(), 3), how="label_likelihood",
            )  # fmt: skip
            store.add(
                "score", **score, example=example, split=split, metric="accuracy", value=float(good)
            )
            if not good and split != "test":
                store.add(
                    "failure", **score, example=example, split=split, answer=answer, target=label,
                    predicate="accuracy < 1",
                )  # fmt: skip
                failing += [example] if split == "validation" else []
        means[split] = correct / len(rows)
        for metric, shift in {"accuracy": 0.0, "macro_f1": -0.01}.items():
            _metric(store, score, split, metric, means[split] + shift, len(rows), 0.06)
        _metric(store, score, split, "answer_length", 11.25 + round_, len(rows), 0.5)
    for split in ("validation", "test"):
        _metric(
            store,
            score,
            f"gap_{split}",
            "accuracy",
            means["train"] - means[split],
            len(examples[split]),
            0.07,
        )
    return failing


def _metric(
    store: Invented,
    shared: dict[str, Any],
    split: str,
    metric: str,
    value: float,
    n: int,
    half: float,
) -> None:
    store.add(
        "metric",
        **shared,
        split=split,
        metric=metric,
        value=value,
        n=n,
        low=value - half,
        high=min(1.0, value + half) if value <= 1 else value + half,
    )


def _diagnose(store: Invented, seed: int, round_: int, failing: list[str]) -> dict[str, list[str]]:
    diagnose = store.node(f"diagnose.{round_}", "diagnose", round_, seed=seed, seconds=40)
    cluster = store.node(f"name.{round_}", "name", round_, seed=seed, seconds=8)
    found: dict[str, list[str]] = {}
    said = {name: description for name, _, description in PATTERNS}
    for i, example in enumerate(failing[:40]):
        call = store.call(
            diagnose, f"diagnose/{round_}/{example}", "teacher", "length" if i == 39 else None
        )
        if i == 39:
            store.add(
                "drop",
                **diagnose,
                stage="diagnose",
                item=example,
                reason="length",
                detail="cut at 200 tokens",
            )
            continue
        name = PATTERNS[min(i // (round_ + 3) % 7, 4)][0]
        found.setdefault(ident("pattern", name), []).append(example)
        store.add(
            "diagnosis", **diagnose, id=ident("diagnosis", round_, example), example=example,
            root_cause=f"The student followed the {['first noun', 'last verb', 'longest word'][i % 3]} it met. <b>bold</b>",
            scenario=f"A delayed parcel, {['at home', 'abroad', 'in a shop', 'lost', 'damaged'][i % 5]}. {said[name]}", call=call,
        )  # fmt: skip
        store.add(
            "pattern_member", **cluster, pattern=ident("pattern", name), example=example,
            diagnosis=ident("diagnosis", round_, example), distance=0.2,
        )  # fmt: skip
        store.add(
            "diagnosis_place", **cluster, diagnosis=ident("diagnosis", round_, example),
            x=(1 + i % 5) / 50, y=(i % 7 - 3) / 40,
        )  # fmt: skip
    for name, category, description in PATTERNS:
        pattern = ident("pattern", name)
        if pattern not in found:
            continue
        call = store.call(cluster, f"name/{round_}/{name}", "teacher")
        store.add(
            "pattern", **cluster, id=pattern, name=name, description=description, category=category,
            size=len(found[pattern]), centroid=[1.0, 0.0], silhouette=0.2, call=call, guard=None,
        )  # fmt: skip
        store.add(
            "strategy", **cluster, id=ident("strategy", name, round_), pattern=pattern,
            text=f"Write messages like those of '{name}', where the decisive word comes last.",
            labels=["refund"], call=call, guard=None,
        )  # fmt: skip
    return found


def _generate(store: Invented, seed: int, round_: int, patterns: list[str], train: list[tuple[str, str]],
              rng: random.Random) -> None:  # fmt: skip
    accepted: list[str] = []
    names = {ident("pattern", p[0]): p[0] for p in PATTERNS}
    call = verdict = ""
    for attempt in (1, 2):
        made = store.node(f"generate.{round_}.{attempt}", "generate", round_, attempt, seed, 30)
        judged = store.node(f"judge.{round_}.{attempt}", "judge", round_, attempt, seed, 20)
        for i in range(60 if attempt == 1 else 20):
            parent, label = train[rng.randrange(len(train))]
            candidate, pattern = (
                ident("candidate", seed, round_, attempt, i),
                patterns[i % len(patterns)],
            )
            call = (
                store.call(made, f"generate/{round_}/{attempt}/{i // 3}", "teacher")
                if i % 3 == 0
                else call
            )
            store.add(
                "row_call", **made, call=call, pattern=pattern, strategy=ident("strategy", names[pattern], round_),
                operator=["paraphrase", "contrast_pair"][i % 2], rows=1,
            )  # fmt: skip
            store.add(
                "candidate", **made, id=candidate, parent=parent, pattern=pattern,
                strategy=ident("strategy", names[pattern], round_), operator=["paraphrase", "contrast_pair"][i % 2],
                attempt=attempt, inputs={"text": HOSTILE if i == 1 else f"could someone look into my {label}, order {i}?"},
                target=label, prompt="p", model="sha256:4c1fa9e07d2b55aa", call=call,
            )  # fmt: skip
            reason = "accepted" if rng.random() < 0.6 else rng.choice(REASONS)
            accepted += [candidate] if reason == "accepted" else []
            verdict = (
                store.call(judged, f"judge/{round_}/{attempt}/{i // 4}", "judge")
                if i % 4 == 0
                else verdict
            )
            store.add(
                "verdict", **judged, candidate=candidate, accepted=reason == "accepted", reason=reason,
                detail="" if reason == "accepted" else "cosine 0.98 to a training row",
                feedback="" if reason == "accepted" else "Say it differently.", adherence=4, utility=3,
                relevance=rng.randint(2, 5), judge_agrees=rng.random() < 0.7, similarity=0.81, neighbour=0.667, call=verdict,
            )  # fmt: skip
    select = store.node(f"select.{round_}", "select", round_, seed=seed)
    store.add(
        "decision",
        **select,
        go_on=True,
        reason="40 rows join the training set",
        metric="selected",
        value=40.0,
        best_round=round_,
    )
    store.add(
        "quota_status", **select, quota=0, what="label", value="card_arrival", at_least=12, at_most=None, written=9,
        accepted=7, joined=7, held_back=0, missing=5, reason="9 written, 7 accepted; rejected: 2 similarity",
    )  # fmt: skip
    for candidate in accepted[:40]:
        store.add("selected", **select, candidate=candidate, example=ident("example", candidate))
    for candidate in accepted[40:]:
        store.add(
            "drop",
            **select,
            stage="select",
            item=candidate,
            reason="over_quota",
            detail="rows_per_round is 40",
        )


def again(store: Invented) -> None:
    """Add run r0002, made only of cached nodes of r0001."""
    store.run("r0002")
    store.db.execute(
        "INSERT INTO run_node SELECT 'r0002', node, name, position, 'cached' FROM run_node"
    )
    lay_all(store.db)


def empty() -> Invented:
    """Return a store with a run that stopped before its first node was done."""
    store = Invented()
    store.recipe()
    store.run(status="stopped", note="the budget of 1 call is used up")
    return store


def only_round_0(failures: bool) -> Invented:
    """Return a store with one fine-tune and its scores, with or without failures, and nothing after it."""
    store = Invented()
    store.recipe(loop={"rounds": 0, "stop": {"metric": "accuracy"}})
    store.run()
    examples = _examples(store)
    luck = {example: 0.5 for rows in examples.values() for example, _ in rows}
    right = dict.fromkeys(examples, 0.4 if failures else 0.6)
    _evaluate(store, 0, 0, examples, luck, right, random.Random(0))
    return store
