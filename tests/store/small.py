"""A small hand-made store: two rounds, two patterns, two operators; and one row of every record class."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from engine import judging as j
from engine import rows as r
from engine.store import NodeInfo, Store, now

AT = datetime.fromisoformat("2026-01-02T03:04:05.678901")


def info(
    node: str, stage: str = "load", *, seed: int = 0, round: int = -1, attempt: int = 0
) -> NodeInfo:
    return NodeInfo(node, f"place/{node}", stage, seed, round, attempt, {"stage": stage}, AT, AT)


def start(store: Store, name: str = "small", plan: str = "") -> str:
    effective = {"name": name, "loop": {"stop": {"metric": "accuracy"}}}
    return store.start_run(
        recipe=f"hash-{name}",
        name=name,
        path=f"{name}.yaml",
        source="recipe: 1",
        effective=effective,
        versions={},
        plan=plan,
    )


def example(number: int, split: r.Split = "train", text: str = "") -> r.Example:
    return r.Example(
        f"e{number}", split, {"text": text or f"text {number}"}, "card", {}, "train.jsonl", number
    )


def call(
    number: int,
    run: str = "r0001",
    node: str = "n",
    *,
    error: str | None = None,
    role: str = "teacher",
) -> r.Call:
    return r.Call(
        id=f"{number:024x}",
        run=run,
        node=node,
        role=role,
        model="m",
        messages=[{"role": "user", "content": "Why?"}],
        schema={"type": "object"},
        max_tokens=10,
        temperature=0.0,
        attempt=0,
        reply='{"a": 1}',
        finish_reason="stop",
        prompt_tokens=300,
        completion_tokens=200,
        seconds=0.5,
        method="scripted",
        error=error,
        detail="",
        created=now(),
    )


EVERY_ROW: tuple[r.Row, ...] = (
    r.Example(
        "e1", "train", {"b": "ü\n", "a": ""}, "t", {"n": 2**70, "x": [1, {"y": None}]}, "f.csv", 3
    ),
    r.Prediction("e1", "test", "said\x00this", None, "unparsable", None, "generation"),
    r.Prediction("e2", "test", "card", "card", "ok", 0.1, "label_likelihood"),
    r.Score("e1", "validation", "accuracy", None),
    r.Metric("gap_test", "accuracy", 0.25, 200, None, 0.5),
    r.MetricSlice("test", "language", "de", "accuracy", None, 0, None, None),
    r.Rating("e1", "test", "tone", 4, "warm", "call1"),
    r.Failure("e1", "validation", None, "card", "accuracy < 1"),
    r.Model("models/n/adapter", "w" * 64, "d", 60, 30, 4.0, 0.1 + 0.2, None, 30, 91.5),
    r.Convention("c-1", "A span counted from now keeps its first word.", 2, "call-1"),
    r.Diagnosis("d1", "e1", "because", "when", "c1"),
    r.Diagnosis(
        "d2",
        "e2",
        "because",
        "when",
        "c1",
        "no card",
        "It says no.",
        "negation",
        "short",
        True,
        False,
        4,
    ),
    r.LabelSuspect("e2", "validation", "pin", "card", "It asks for a card.", 5, "c1"),
    r.LabelSuspect("e3", "validation", "pin", None, "It asks for nothing.", None, "c1"),
    r.Pattern("p1", "name", "text", None, 3, (0.6, -0.8, 1e-12), 0.5, None, None),
    r.Pattern(
        "p2",
        "name",
        "text",
        "short",
        3,
        (1.0,),
        None,
        "c1",
        None,
        ("cards",),
        ("pins", "money"),
        True,
        0.75,
    ),
    r.PatternCluster("p1", 3, 0.75),
    r.PatternCluster("p2", 3, None),
    r.PatternMember("p1", "e1", "d1", 0.125, None),
    r.ClusterMember("p1", "e1", "d1", 0.125, None),
    r.PatternTest("p1", "untested", True, "too few"),
    r.PatternTest(
        "p1",
        "confirmed",
        False,
        "1.5",
        80,
        20,
        9,
        60,
        3,
        2,
        0.3,
        2.5,
        1.25,
        3,
        0.5,
        0.25,
        0.75,
        0.5,
        0.25,
        0.75,
        0.01,
    ),
    r.PatternTestRow("p1", "e1", "held_out", True, "call"),
    r.PatternStatus("p1", "unclear", 3, 1),
    r.PatternStatus("p1", "mended", 30, 9, 41, 20, 2, 9, 3, 0.25, 0.1, 0.4, 0.01),
    r.PatternStatus(
        "p1",
        "mended",
        30,
        9,
        41,
        20,
        2,
        9,
        3,
        0.25,
        0.1,
        0.4,
        0.01,
        "fixed",
        30,
        2,
        12,
        0.05,
        0.01,
        0.16,
        9,
        7,
        3,
    ),
    r.RegressionSuite(80, 12, 5, 75, 9, 0.0875, 0.01, 0.16, 0.02, ("p1",), True, "12 are wrong"),
    r.RegressionSuite(8, 1, None, None, None, None, None, None, None, (), False, "1 is wrong"),
    r.Regression("e1", True, None, "p1"),
    r.PatternShare("p1", 6.0, 0.75, 12, 0.5, 1.0, "12 failures"),
    r.PatternLink("p3", "p1", "split", 4, 0.75, 0.5),
    r.PatternLink("p3", "p2", "merged", 4, None, 0.5),
    r.PatternLink("p3", "c1", "part", 4, 0.75, None),
    r.MapAxis(1, (0.6, 0.8), -0.125),
    r.DiagnosisPlace("d1", 0.25, -0.5),
    r.PatternRow("p1", "e1", "held_out", 0.75, True, False, None),
    r.DrawnFailure("e1", None, "card", "accuracy < 1", "held_out"),
    r.Strategy("s1", "p1", "write", ("card", "pin"), "c2", "quoted"),
    r.Strategy("s2", "p1", "write", (), None, None),
    r.Strategy(
        "s3",
        "p1",
        "write",
        ("card",),
        "c2",
        None,
        ("a wish",),
        ("a name",),
        {"tone": ["curt", "warm"]},
        [{"right": "card", "wrong": "pin", "share": 1.0}],
        {"paraphrase": 0.5},
        {"easy": 1.0},
        {"must": {"a wish": ["card"]}},
        "Rows with one wish.",
        0.25,
        [{"name": "told late", "description": "The wish is last.", "share": 1.0, "labels": []}],
    ),
    r.Candidate(
        "c2",
        "e1",
        "p1",
        "s3",
        "similar",
        1,
        {"text": "x"},
        "2",
        "ph",
        "m",
        "c3",
        "1 + 1 = 2",
        {"tone": "curt"},
        ("e1", "e2"),
    ),
    r.Candidate("c1", "e1", "p1", "s1", "paraphrase", 1, {"text": "x"}, "card", "ph", "m", "c3"),
    r.Candidate(
        "c0",
        "e1",
        "p1",
        "s1",
        "mine",
        0,
        {"text": "y"},
        "card",
        "",
        "m",
        "",
        label_source="neighbours",
    ),
    r.RowCall("c3", "p1", "s1", "paraphrase", 2),
    r.PoolRow(
        "w1", {"text": "y"}, {"n": 1}, "", "card", "pin", 0.75, "e1", "p1", 0.5, "p.jsonl", 3
    ),
    r.PoolRow("w2", {"text": "z"}, {}, "card", "", "", None, "e1", "", None, "p.jsonl", 4),
    r.PoolCount("shortlist", "read", 2, ""),
    r.PoolAnswer("w1", "card", 0.5),
    r.PoolAnswer("w2", None, None),
    r.PreferencePair("p1", "student_error", {"text": "a"}, "x", "x", "y", "e1", None, 0, 1),
    r.PreferencePair("p2", "blind_answer", {"text": "b"}, "x", "x", "y", None, "c1", None, 1),
    r.PreferenceTuning(True, "", 2, 0, 8, 2, "sigmoid", 0.1, 0.5, 1.0, 0.25),
    r.PreferenceTuning(False, "too few", 0, 2, 10, 0, "ipo", 0.1, None, None, None),
    r.Mined("w1", "c0", "neighbours", 0.75, True, "p.jsonl", 3),
    r.Mined("w2", None, "column", None, None, "p.jsonl", 4),
    j.Gating("c1", "leak", "equals", "another", {"neighbours": "near"}, {"similarity": 0.5}),
    j.Verification("c1", 1, "card", "pin", 0.5, "blind", "", "c7"),
    j.Verification("c2", 0, None, None, 0.0, "program", "1+1 is 2, not 3", None),
    r.Verdict("c1", False, "leak", "", "say it differently", 4, None, 2, True, 0.9, None, None),
    r.Verdict(
        "c2",
        True,
        "accepted",
        "",
        "",
        4,
        4,
        4,
        True,
        0.9,
        0.1,
        "c4",
        {"similarity": "too far"},
        0.5,
        "ambiguous",
        3,
        "c9",
        True,
    ),
    j.JudgeAnchor("e1", False, "pin", "no", False, "c8", "card", True),
    j.JudgeAnchor("e2", True, "card", None, None, "c8"),
    j.JudgeCalibration(20, 19, 0.95, 1.0, 0.975, 0.86, 0.99, 0.7, True, "19 of 20", 1),
    j.JudgeCalibration(2, 1, None, None, None, None, None, 0.7, False, "too few"),
    j.PassRate("c1", 0.25, 1, 4, "sampled"),
    j.PassRate("c2", 0.5, None, None, "label_likelihood"),
    r.Selected("c1", "e9"),
    r.QuotaStatus(0, "label", "pin", 3, None, 4, 2, 2, 0, 1, "4 written, 2 accepted"),
    r.QuotaStatus(1, "length(text) > 9", "true", 0, 5, 9, 7, 5, 2, 0, ""),
    r.Reviewed("c1", "e9", "edit", {"text": "ü\n"}, "card", ""),
    r.Reviewed("e1", None, "reject", {"text": "a"}, "t", ""),
    r.Drop("load", "e1", "duplicate", "f.csv:4"),
    r.Decision(True, "3 failures", "accuracy", 0.5, 0),
    r.Decision(True, "regression", "accuracy", 0.5, 1, True),
    r.Benchmark(
        "student", "a server 1.0", 4, 20, 1, "request_latency_ms", 19, 5.5, 5.0, 8.0, 9.0, 9.5
    ),
)


def make(state: Path) -> str:
    """Write a run of two rounds: 4 validation rows of which 3 fail in round 0 and 1 in round 1; return its id."""
    store = Store.open(state)
    with store.lock_run():
        run = start(store)
        for position, (node, rows) in enumerate(_nodes(run)):
            store.write_node(run, node, rows, f"content-{node.id}")
            store.link_node(run, node.id, node.name, position, "done")
        store.record_calls(
            [
                call(1, run, "diagnose0"),
                call(2, run, "generate0"),
                call(3, run, "generate0"),
                call(4, run, "judge0", role="judge"),
                call(5, run, "judge0", role="judge", error="schema"),
            ]
        )
        store.end_run(run, "done")
    return run


def _nodes(run: str) -> Sequence[tuple[NodeInfo, list[r.Row]]]:
    loaded = [example(1), example(2), *(example(n, "validation") for n in (11, 12, 13, 14))]
    return [
        (info("load"), [*loaded, r.Drop("load", "e2", "duplicate", "")]),
        (info("train0", "train", round=0), [_model("models/train0/adapter", 2)]),
        (info("predict0", "predict", round=0), _predictions({11, 12, 13})),
        (info("score0", "score", round=0), _scores({11, 12, 13}, 0.25, 0.75)),
        (
            info("diagnose0", "diagnose", round=0),
            [r.Diagnosis(f"d{n}", f"e{n}", "cause", "when", _id(1)) for n in (11, 12, 13)],
        ),
        (
            info("cluster0", "cluster", round=0),
            [r.PatternMember(p, f"e{n}", f"d{n}", 0.1, None) for p, n in (("p1", 11), ("p1", 12), ("p2", 13))],
        ),
        (
            info("name0", "name", round=0),
            [r.Pattern("p1", "negation", "", None, 2, (1.0,), None, None, None),
             r.Pattern("p2", "slang", "", "style", 1, (1.0,), None, None, None, split_from="p0"),
             r.PatternTest("p1", "confirmed", True, "", 80, 20, 9, 60, 3, 0, 0.3, 2.5, 1.25, 3, 0.5, 0.25, 0.75, 0.5,
                           0.25, 0.75, 0.01),
             r.PatternTest("p2", "weak", False, "")],
        ),
        (
            info("strategy0", "strategy", round=0),
            [r.Strategy("s1", "p1", "negate", ("card",), None, None), r.Strategy("s2", "p2", "slang", (), None, None)],
        ),
        (
            info("generate0", "generate", round=0, attempt=1),
            [
                r.Candidate("c1", "e1", "p1", "s1", "paraphrase", 1, {"text": "n1"}, "card", "h", "m", _id(2)),
                r.Candidate("c2", "e1", "p1", "s1", "paraphrase", 1, {"text": "n2"}, "card", "h", "m", _id(2)),
                r.Candidate("c3", "e2", "p2", "s2", "contrast_pair", 1, {"text": "n3"}, "card", "h", "m", _id(3)),
                r.RowCall(_id(2), "p1", "s1", "paraphrase", 2),
                r.RowCall(_id(3), "p2", "s2", "contrast_pair", 1),
                r.Drop("generate", "e2", "prompt_leak", ""),
            ],
        ),
        (
            info("judge0", "judge", round=0, attempt=1),
            [_verdict("c1", True), _verdict("c2", False), _verdict("c3", True)],
        ),
        (
            info("select0", "select", round=0),
            [
                r.Selected("c1", "e21"),
                r.Example("e21", "train", {"text": "n1"}, "card", {"candidate": "c1"}, "generated", 1),
                r.Drop("select", "c3", "over_quota", ""),
            ],
        ),
        (info("train1", "train", round=1), [_model("models/train1/adapter", 3)]),
        (info("predict1", "predict", round=1), _predictions({13})),
        (info("score1", "score", round=1), _scores({13}, 0.75, 0.25)),
        (
            info("track1", "track", round=1),
            [
                # As if there had been rows enough: of the four, two fail less than with the control.
                r.PatternStatus("p1", "mended", 2, 0, 4, 2, 0, 0, 0, 0.5, 0.1, 0.9, 0.02, life="shrinking"),
                r.PatternStatus("p2", "unclear", 1, 1, 1),
            ],
        ),
    ]  # fmt: skip


def _id(number: int) -> str:
    return f"{number:024x}"


def _model(path: str, rows: int) -> r.Model:
    return r.Model(path, "w", "d", rows, 10, 1.0, 0.5, None, 10, 3.0)


def _verdict(candidate: str, accepted: bool) -> r.Verdict:
    reason = "accepted" if accepted else "similarity"
    return r.Verdict(candidate, accepted, reason, "", "", 4, 4, 4, True, 0.8, 1.0, _id(4))


def _predictions(failing: set[int]) -> list[r.Row]:
    return [
        r.Prediction(
            f"e{n}",
            "validation",
            a := "pin" if n in failing else "card",
            a,
            "ok",
            0.9,
            "label_likelihood",
        )
        for n in (11, 12, 13, 14)
    ]


def _scores(failing: set[int], value: float, gap: float) -> list[r.Row]:
    failures: list[Any] = [
        r.Failure(f"e{n}", "validation", "pin", "card", "accuracy < 1") for n in sorted(failing)
    ]
    return [
        *failures,
        r.Metric("train", "accuracy", 1.0, 2, 1.0, 1.0),
        r.Metric("validation", "accuracy", value, 4, 0.0, 1.0),
        r.Metric("gap_validation", "accuracy", gap, 4, None, None),
    ]


def write_training(state: Path, node: str, *, finished: bool = True) -> Path:
    """Write what a training leaves on disk, as `engine.backends.training` names it; return its folder."""
    folder = state / "models" / node
    (folder / "checkpoints" / "checkpoint-8").mkdir(parents=True)
    (folder / "training.lock").touch()
    (folder / "training.log").write_text("step 8", "utf-8")
    if finished:
        (folder / "adapter").mkdir()
        (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"x" * 2000)
        (folder / "training.json").write_text("{}", "utf-8")
    return folder
