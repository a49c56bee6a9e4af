"""What the gates reject of real rows, as if a perfect teacher had written them; and what they find that they should.

    python -m tests.benchmarks.gates --data data_full.json --answers answers.json [--gsm8k test.jsonl]

A run has so many training rows of so many intents; validation and test rows are CLINC150's own. Real rows are training
rows of the same intents that are in no split of the run, with their true labels; hard ones are those that the student
fails on. Each stands for a rewording of a random training row of its intent. Intervals are Wilson's, 95 %.

The student's answers are kept in `--answers`, and read from there the next time: a fine-tuned SmolLM2 takes long. Two
stand in for it: naive Bayes over words, which knows nothing of embeddings, and the nearest centroid of the gates' own
embeddings, whose failures are by construction the rows that these gates find hardest.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine import models, open_store
from engine.backends import BACKENDS
from engine.project import Project
from engine.rows import Candidate, Example, Split
from engine.spec.recipe import Quality
from engine.stages.quality import GATES, Batch, GateResult, SeedRule, apply_gates
from engine.stages.quality.leak_guard import Embed, LeakGuards
from engine.tasks import TASKS, Task
from engine.wording import words
from tests.benchmarks.clinc150 import MODEL, Row, add_argument, draw, read
from tests.benchmarks.honest_texts import INTENTS, MATHEMATICS, NAMES

EMBEDDER = "embedded/all-minilm-l6-v2"
BATCH = 100
"""Candidates that are judged together."""
LOOK_ALIKE = (
    "transfer", "transactions", "balance", "bill_balance", "bill_due", "pay_bill", "min_payment",
    "spending_history", "freeze_account", "account_blocked", "report_fraud", "report_lost_card",
    "damaged_card", "card_declined", "new_card", "replacement_card_duration", "credit_limit",
    "credit_limit_change", "credit_score", "improve_credit_score",
)  # fmt: skip
"""Intents of two neighbouring domains."""


class Run(NamedTuple):
    """The splits of a run, and real rows that are in none of them."""

    examples: list[Example]
    real: list[Row]

    @property
    def train(self) -> list[Example]:
        """The training rows."""
        return [e for e in self.examples if e.split == "train"]

    @property
    def evaluation(self) -> list[Example]:
        """Validation and test rows."""
        return [e for e in self.examples if e.split != "train"]


def run_of(data: Path, intents: Sequence[str] | int, per_intent: int, real: int, seed: int) -> Run:
    """Return a run over some intents (named, or so many drawn), with at most so many real rows of each."""
    rows = {split: read(data, split) for split in ("train", "val", "test")}
    if isinstance(intents, int):
        train = draw(rows["train"], per_intent, intents, seed)
    else:
        train = draw(
            [r for r in rows["train"] if r.intent in intents], per_intent, len(intents), seed
        )
    kept = {row.intent for row in train}
    examples = [_example("train", row, n) for n, row in enumerate(train)]
    for split, name in (("validation", "val"), ("test", "test")):
        chosen = [row for row in rows[name] if row.intent in kept]
        examples += [_example(split, row, n) for n, row in enumerate(chosen)]  # type: ignore[arg-type]
    shown = {row.text for row in train}
    unused: dict[str, list[Row]] = {intent: [] for intent in sorted(kept)}
    for row in dict.fromkeys(rows["train"]):
        if row.intent in kept and row.text not in shown:
            unused[row.intent].append(row)
    drawn = random.Random(seed)
    left = [row for own in unused.values() for row in drawn.sample(own, min(real, len(own)))]
    drawn.shuffle(left)
    return Run(examples, left)


def _example(split: Split, row: Row, number: int) -> Example:
    return Example(f"{split} {number}", split, {"text": row.text}, row.intent, {}, "f", number)


def embedder() -> Embed:
    """Return the embedded model; each text is embedded once."""
    open_backend: Callable[..., Any] = BACKENDS["sentence-transformers"].open
    model = open_backend("embedder", models.fetch(EMBEDDER), "embedder", {})
    known: dict[str, npt.NDArray[np.float32]] = {}

    def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, model.embed(new), strict=True))
        return np.stack([known[text] for text in texts])

    return embed


def centroid_answers(run: Run, embed: Embed) -> dict[str, str]:
    """Return the answers of the nearest centroid of the training rows' embeddings: a stand-in for a student."""
    labels = sorted({e.target for e in run.train})
    centres = np.stack(
        [
            embed([e.inputs["text"] for e in run.train if e.target == label]).mean(0)
            for label in labels
        ]
    )
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    nearest = (embed([row.text for row in run.real]) @ centres.T).argmax(axis=1)
    return {row.text: labels[n] for row, n in zip(run.real, nearest, strict=True)}


def naive_bayes_answers(run: Run) -> dict[str, str]:
    """Return the answers of naive Bayes over words, with a count of one added: a stand-in for a student."""
    counts: dict[str, Counter[str]] = {}
    for e in run.train:
        counts.setdefault(e.target, Counter()).update(words(e.inputs["text"]))
    known = len(set().union(*counts.values()))

    def likelihood(label: str, text: str) -> float:
        own = counts[label]
        total = own.total() + known
        return sum(math.log((own[word] + 1) / total) for word in words(text))

    return {
        row.text: max(sorted(counts), key=lambda label: likelihood(label, row.text))
        for row in run.real
    }


def smollm2_answers(run: Run) -> dict[str, str]:
    """Return the answers of the embedded SmolLM2, fine-tuned on the training rows; the real rows are its test split."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = {
            split: [(e.inputs["text"], e.target) for e in run.examples if e.split == split]
            for split in ("train", "validation")
        }
        rows["validation"] = rows["validation"][:50]
        rows["test"] = [(row.text, row.intent) for row in run.real]
        for split, pairs in rows.items():
            lines = (json.dumps({"text": text, "intent": intent}) + "\n" for text, intent in pairs)
            (folder / f"{split}.jsonl").write_text("".join(lines), "utf-8")
        recipe = {
            "recipe": 1, "name": "hard-rows",
            "task": {"kind": "classification", "input": ["text"], "target": "intent"},
            "data": {split: {"path": f"{split}.jsonl"} for split in rows},
            "models": {
                **{role: {"backend": "transformers", "model": MODEL} for role in ("student", "teacher", "judge")},
                "embedder": {"backend": "sentence-transformers", "model": EMBEDDER},
            },
            "augment": {"operators": [{"name": "paraphrase"}]},
            "quality": {"judge": "advises"},
            "loop": {"rounds": 0},
        }  # fmt: skip
        (folder / "recipe.yaml").write_text(json.dumps(recipe), "utf-8")
        Project.open(folder / "recipe.yaml", folder / "state").run()
        found = open_store(folder / "state").sql(
            "SELECT e.inputs->>'text', p.answer FROM prediction p JOIN example e "
            "ON e.id = p.example AND e.split = p.split WHERE p.split = 'test' AND p.round = 0"
        )
        return {text: answer or "" for text, answer in found.fetchall()}


def judged(
    run: Run, candidates: Sequence[Candidate], embed: Embed, guards: LeakGuards
) -> list[GateResult]:
    """Return what all gates say of candidates, each gate by itself as advice, in batches."""
    kind, train = TASKS["classification"], run.train
    task = Task(tuple(sorted({e.target for e in train})), kind.params())
    results = []
    for start in range(0, len(candidates), BATCH):
        batch = Batch(
            candidates=candidates[start : start + BATCH], kind=kind, task=task, train=train,
            accepted=[], seed_rules=[SeedRule(name="paraphrase", keeps=True)], embed=embed,
            leak_guard=lambda ngram, quantile: guards.get(kind, run.examples, ngram, quantile),
        )  # fmt: skip
        used = [(gate, gate.settings(Quality()), "advise") for gate in GATES.values()]
        results += apply_gates(batch, used)  # type: ignore[arg-type]
    return results


def candidates_of(run: Run, rows: Sequence[tuple[str, str]], seed: int = 0) -> list[Candidate]:
    """Return rows as an operator would have written them, each from a random training row of its label."""
    drawn, seeds = random.Random(seed), dict[str, list[str]]()
    for example in run.train:
        seeds.setdefault(example.target, []).append(example.id)
    return [
        Candidate(
            f"{n}", drawn.choice(seeds[label]), "p", "s", "paraphrase", 1, {"text": text}, label, "", "", ""
        )
        for n, (text, label) in enumerate(rows)
    ]  # fmt: skip


def share(hits: int, n: int) -> str:
    """Return a share in per cent with its Wilson interval."""
    if not n:
        return "-"
    z, p = 1.959964, hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return f"{100 * p:.1f} ({100 * max(0, middle - half):.1f} to {100 * min(1, middle + half):.1f})"


def table(title: str, header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(f"\n**{title}**\n")
    print("| " + " | ".join(header) + " |\n|" + "---|" * len(header))
    for line in lines:
        print("| " + " | ".join(line) + " |")


def false_rejections(
    run: Run, answers: Mapping[str, str], embed: Embed, guards: LeakGuards
) -> Iterator[list[str]]:
    """Yield a line per gate: the share of real rows that it would reject, of all and of hard ones."""
    results = judged(run, candidates_of(run, run.real), embed, guards)
    hard = [answers[row.text] != row.intent for row in run.real]
    for name in GATES:
        hits = [name in result.advice for result in results]
        hard_hits = [hit for hit, is_hard in zip(hits, hard, strict=True) if is_hard]
        yield [name, share(sum(hits), len(hits)), share(sum(hard_hits), len(hard_hits))]


def reworded(text: str) -> Iterator[tuple[str, str]]:
    """Yield (how, text): copies of a text, from exact to near."""
    parts = text.split()
    yield "other case and punctuation", text.upper() + "!"
    yield "'please' in front", f"please {text}"
    middle = len(parts) // 2
    yield "one word left out", " ".join(parts[:middle] + parts[middle + 1 :])
    swapped = [*parts[: middle - 1], *parts[middle - 1 : middle + 1][::-1], *parts[middle + 1 :]]
    yield "two words swapped", " ".join(swapped)


def planted(
    run: Run, answers: Mapping[str, str], embed: Embed, guards: LeakGuards, seed: int
) -> Iterator[list[str]]:
    """Yield a line per kind of row that a gate should find: the gate, the kind, the share found."""
    drawn = random.Random(seed)

    def found(gate: str, what: str, rows: Sequence[tuple[str, str]]) -> list[str]:
        results = judged(run, candidates_of(run, rows), embed, guards)
        hits = sum(gate in result.advice for result in results)
        return [gate, what, share(hits, len(results)), str(len(results))]

    for gate, rows in (
        ("leak", drawn.sample(run.evaluation, min(500, len(run.evaluation)))),
        ("duplicate", run.train[:500]),
        ("near_duplicate", run.train[:500]),
    ):
        kinds: dict[str, list[tuple[str, str]]] = {}
        whose = "an evaluation row" if gate == "leak" else "a training row"
        for e in rows:
            for how, text in reworded(e.inputs["text"]):
                kinds.setdefault(f"{whose}, {how}", []).append((text, e.target))
        for what, copies in kinds.items():
            if gate != "duplicate" or "case" in what:
                yield found(gate, what, copies)
    labels = sorted({e.target for e in run.train})
    some = run.real[:1000]
    wrong = [(r.text, drawn.choice([lb for lb in labels if lb != r.intent])) for r in some]
    yield found("neighbours", "a real row with a random wrong label", wrong)
    mistaken = [
        (r.text, answers[r.text])
        for r in run.real
        if answers[r.text] in labels and answers[r.text] != r.intent
    ]
    yield found("neighbours", "a hard row with the student's wrong label", mistaken)
    yield found("similarity", "a real row of another label than its seed row", wrong)


def texts(
    title: str, run: Run, honest: Sequence[str], embed: Embed, guards: LeakGuards, seed: int
) -> list[list[str]]:
    """Return a line per kind of text: how many the guard of texts blocks."""
    guard = guards.get(TASKS["classification"], run.examples, 5, 0.99)
    rows = [
        e.inputs["text"]
        for e in random.Random(seed).sample(run.evaluation, min(300, len(run.evaluation)))
    ]

    def line(what: str, some: Sequence[str]) -> list[str]:
        return [
            title,
            what,
            share(sum(guard.quotes(text) is not None for text in some), len(some)),
            str(len(some)),
        ]

    def part(text: str, of: float) -> str:
        cut = text.split()
        length = max(1, round(of * len(cut)))
        start = (len(cut) - length) // 2
        return " ".join(cut[start : start + length])

    def quoting(of: float) -> list[str]:
        base = honest[0]
        return [f'{base} For instance rows such as "{part(text, of)}".' for text in rows]

    return [
        line("long strategies, made of no row", honest),
        line("names of patterns", NAMES),
        line("a strategy that quotes a whole evaluation row", quoting(1.0)),
        line("… three quarters of one", quoting(0.75)),
        line("… half of one", quoting(0.5)),
        line("… a quarter of one", quoting(0.25)),
    ]


def gsm8k_run(file: Path, rows: int, seed: int) -> Run:
    """Return so many training and so many evaluation rows of GSM8K, drawn from one of its files."""
    found = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    drawn = random.Random(seed).sample(found, 2 * rows)
    return Run(
        [
            Example(
                f"{n}",
                "train" if n < rows else "test",
                {"question": row["question"], "text": row["question"]},
                row["answer"],
                {},
                "f",
                n,
            )
            for n, row in enumerate(drawn)
        ],
        [],
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_argument(parser)
    parser.add_argument(
        "--answers",
        type=Path,
        required=True,
        help="the student's answers: read, or written where there are none",
    )
    parser.add_argument(
        "--student",
        choices=["naive-bayes", "nearest-centroid", "smollm2"],
        default="naive-bayes",
        help="who answers where there is no file yet",
    )
    parser.add_argument(
        "--intents",
        default="look-alike",
        help="look-alike: 20 of two neighbouring domains; or how many, drawn by seed",
    )
    parser.add_argument("--rows", type=int, default=5, help="training rows of each intent")
    parser.add_argument("--real", type=int, default=95, help="most real rows of each intent")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--gsm8k",
        type=Path,
        help="test.jsonl of github.com/openai/grade-school-math, for the guard of texts",
    )
    options = parser.parse_args()
    intents = LOOK_ALIKE if options.intents == "look-alike" else int(options.intents)
    run = run_of(options.data, intents, options.rows, options.real, options.seed)
    embed = embedder()
    guards = LeakGuards(embed)
    if not options.answers.exists():
        students: dict[str, Callable[[], dict[str, str]]] = {
            "naive-bayes": lambda: naive_bayes_answers(run),
            "nearest-centroid": lambda: centroid_answers(run, embed),
            "smollm2": lambda: smollm2_answers(run),
        }
        found = students[options.student]()
        options.answers.write_text(
            json.dumps({"student": options.student, "answers": found}), "utf-8"
        )
    kept = json.loads(options.answers.read_text("utf-8"))
    answers: dict[str, str] = kept["answers"]
    if missing := [row.text for row in run.real if row.text not in answers]:
        raise SystemExit(
            f"{options.answers} lacks {len(missing)} of the real rows: it is of another run"
        )
    hard = sum(answers[row.text] != row.intent for row in run.real)
    print(
        f"intents: {options.intents}, {options.rows} training rows each; {len(run.real)} real rows, "
        f"of which {hard} hard (student: {kept['student']})"
    )
    table(
        "Real rows that each gate would reject, % (95 % interval)",
        ["gate", f"all, n = {len(run.real)}", f"hard, n = {hard}"],
        list(false_rejections(run, answers, embed, guards)),
    )
    table(
        "Planted rows that each gate finds, %",
        ["gate", "row", "found", "n"],
        list(planted(run, answers, embed, guards, options.seed)),
    )
    lines = texts("CLINC150", run, INTENTS, embed, guards, options.seed)
    if options.gsm8k:
        lines += texts(
            "GSM8K, 300 rows",
            gsm8k_run(options.gsm8k, 300, options.seed),
            MATHEMATICS,
            embed,
            guards,
            options.seed,
        )
    table("Texts that the guard of texts blocks, %", ["rows", "text", "blocked", "n"], lines)


if __name__ == "__main__":
    main()
