from __future__ import annotations

import re
from dataclasses import replace

import pytest

from engine.errors import StoreError
from engine.report.charts.svg import ticks
from engine.report.facts import collect
from engine.report.records import Judgement, Measured
from engine.report.suggestions import caveats, queries
from engine.report.tables import HELD_OUT, best_sentence, blocked_sentence, pattern_table, spent
from tests.report import invented
from tests.report.invented import Invented

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def store() -> Invented:
    return invented.full()


def test_counts_equal_those_of_plain_sql(store: Invented) -> None:
    report = collect(store.query, "r0001")
    rejected = sum(n for f in report.funnel for _, n in f.rejected)
    assert sum(f.generated for f in report.funnel) == store.value("SELECT count(*) FROM candidate")
    assert rejected == store.value("SELECT count(*) FROM verdict WHERE NOT accepted")
    assert sum(f.selected for f in report.funnel) == store.value("SELECT count(*) FROM selected")
    assert sum(f.trained for f in report.funnel) == store.value("SELECT count(*) FROM selected")
    assert sum(c.calls for c in report.calls) == store.value("SELECT count(*) FROM llm_call")
    assert sum(d.count for d in report.drops) == store.value('SELECT count(*) FROM "drop"')
    assert report.failures_total == store.value("SELECT count(*) FROM failure WHERE round >= 0")
    last = next(m for m in report.movements if m.round == 2)
    sql = "SELECT count(*) FROM failure WHERE split = 'validation' AND round = 2"
    assert last.failures == store.value(sql)
    assert last.new == store.value(
        sql
        + " AND example NOT IN (SELECT example FROM failure WHERE split = 'validation' AND round = 0)"
    )


def test_judge_and_rules_are_crossed_as_sql_says(store: Invented) -> None:
    judgement = collect(store.query, "r0001").judgement
    both = "SELECT count(*) FROM verdict WHERE accepted AND judge_agrees"
    neither = "SELECT count(*) FROM verdict WHERE NOT accepted AND NOT judge_agrees"
    assert judgement.table[0][0] == store.value(both)
    assert judgement.table[1][1] == store.value(neither)


def test_a_judge_decides_as_far_as_its_calibration_says() -> None:
    def judgement(judge: str, *, decides: bool | None = None) -> Judgement:
        store = invented.full(judge=judge, rounds=1)
        if decides is not None:
            store.db.execute("DELETE FROM judge_calibration")
            invented.calibrate(store, decides=decides)
        return collect(store.query, "r0001").judgement

    assert judgement("decides").mode == "decides"
    failed = judgement("decides", decides=False)
    assert failed.mode == "advises"
    (one,) = failed.calibrations
    found = one.result
    assert (found.n_right, found.n_wrong, found.specificity, found.decides) == (20, 19, 0.0, False)
    assert judgement("advises").calibrations == ()
    assert judgement("off", decides=True).mode == "off"


def test_a_judge_that_nobody_names_is_the_teacher() -> None:
    models = {
        "student": {"backend": "transformers", "model": "embedded/smollm2-135m-instruct"},
        "teacher": {"backend": "batch", "model": "some-llm"},
        "judge": None,
        "embedder": {"backend": "sentence-transformers", "model": "embedded/all-minilm-l6-v2"},
    }
    store = Invented()
    store.recipe(models=models)
    store.run()
    found = {m.role: m.name for m in collect(store.query, "r0001").header.models}
    assert found["judge"] == found["teacher"] == "some-llm"


def test_blind_answers_are_counted(store: Invented) -> None:
    assert (collect(store.query, "r0001").judgement.verified, None) == (0, None)
    store.db.execute("UPDATE verdict SET agreement = 0.75 WHERE accepted")
    judgement = collect(store.query, "r0001").judgement
    assert judgement.verified == store.value("SELECT count(*) FROM verdict WHERE accepted")
    assert judgement.agreed == 0.75
    store.db.execute("UPDATE verdict SET agreement = NULL")


def test_rows_that_only_the_judge_rejected_count_as_passed_by_the_rules() -> None:
    store = invented.full(judge="decides")
    store.db.execute(
        "UPDATE verdict SET reason = 'judge', judge_agrees = false WHERE reason = 'leak'"
    )
    judgement = collect(store.query, "r0001").judgement
    moved = store.value(
        "SELECT count(*) FROM verdict WHERE accepted AND NOT judge_agrees OR reason = 'judge'"
    )
    assert judgement.mode == "decides"
    assert judgement.table[0][1] == moved


def test_paired_difference_is_the_mean_over_common_test_rows(store: Invented) -> None:
    report = collect(store.query, "r0001")
    found = report.headline.comparison
    expected = store.value(
        "SELECT avg(a.value - b.value) FROM score a JOIN score b USING (example, seed)"
        " WHERE a.round = 2 AND b.round = 0 AND a.split = 'test' AND b.split = 'test'"
    )
    assert found is not None
    assert found.difference == pytest.approx(expected)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.difference <= found.high
    assert (found.before, found.after, found.n) == (0, (2,), 200)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("round = 2 AND position % 10 = 0", "so it may be noise"),
        ("round = 0", "falls behind round 0"),
    ],
    ids=["few rows differ", "round 0 is right everywhere"],
)
def test_headline_says_no_more_than_the_rows_allow(change: str, words: str) -> None:
    store = invented.full()
    store.db.execute(
        "CREATE TABLE scratch AS SELECT * FROM score WHERE round = 0 AND split = 'test' AND metric = 'accuracy'"
    )
    if change == "round = 0":
        store.db.execute("UPDATE score SET value = 1 WHERE round = 0 AND split = 'test'")
    else:
        store.db.execute(
            "UPDATE score SET value = s.value FROM scratch s WHERE score.round = 2 AND score.split = 'test'"
            " AND s.example = score.example"
        )
        one = store.value("SELECT min(example) FROM scratch WHERE value = 0")
        store.db.execute("UPDATE score SET value = 1 WHERE round = 2 AND example = ?", [one])
    assert words in collect(store.query, "r0001").headline.sentence


def test_without_rows_scores_the_intervals_are_compared(store: Invented) -> None:
    bare = invented.full()
    bare.db.execute("DELETE FROM score")
    found = collect(bare.query, "r0001").headline.comparison
    assert found is not None
    assert found.low is None
    assert found.overlap
    assert found.difference == pytest.approx(
        bare.value("SELECT a.value - b.value FROM metric a, metric b WHERE a.round = 2 AND b.round = 0"
                   " AND a.split = 'test' AND b.split = 'test' AND a.metric = 'accuracy' AND b.metric = 'accuracy'")
    )  # fmt: skip


def test_a_run_of_cached_nodes_reports_the_same_and_pays_nothing(store: Invented) -> None:
    both = invented.full()
    invented.again(both)
    first, second = (collect(both.query, run) for run in ("r0001", "r0002"))
    assert second.scores == first.scores
    assert second.patterns == first.patterns
    assert second.failures == first.failures
    assert second.funnel == first.funnel
    assert {c.reused > 0 for c in second.calls} == {True}
    assert not any(c.reused for c in first.calls)
    number = f"{sum(c.calls for c in second.calls):,}"
    assert "; no new LLM calls; " in spent(second)
    assert spent(second).endswith(f"; {number} calls reused from the ledger")
    assert sum(c.calls for c in second.calls) == sum(c.calls for c in first.calls)


def test_another_runs_rows_stay_out(store: Invented) -> None:
    both = invented.full()
    before = collect(both.query, "r0001")
    both.run("r0009")
    stray = both.node("stray", "generate", 0, 1, 0, run="r0009")
    both.add(
        "failure", **stray, example="x", split="validation", answer="a", target="b", predicate="p"
    )
    both.add("drop", **stray, stage="generate", item="", reason="stray", detail="")
    after = collect(both.query, "r0001")
    assert (after.failures, after.drops, after.funnel) == (
        before.failures,
        before.drops,
        before.funnel,
    )


def test_patterns_keep_their_fate_and_last_round_failures_their_pattern(store: Invented) -> None:
    report = collect(store.query, "r0001")
    assert len(report.patterns) == 5
    for pattern in report.patterns:
        rows = store.query(
            "SELECT after FROM pattern_status WHERE pattern = ? ORDER BY round", [pattern.id]
        )
        assert [s.after for s in pattern.standings] == [r["after"] for r in rows]
    last = [f for f in report.failures if f.round == 2 and f.split == "validation"]
    assert any(f.pattern for f in last)
    assert {f.later for f in last} == {"last round"}
    sampled = [f for f in report.failures if f.later == "fixed"]
    assert sampled
    for f in sampled:
        sql = "SELECT count(*) FROM failure WHERE example = ? AND split = ? AND round = 2"
        assert store.value(sql, f.example, f.split) == 0


def test_several_seeds_give_a_mean_between_lowest_and_highest() -> None:
    store = invented.full((0, 1), 1)
    scores = collect(store.query, "r0001").scores
    mean = scores.at("accuracy", "test", 1)
    each = [scores.at("accuracy", "test", 1, seed) for seed in (0, 1)]
    values = [cell.value for cell in each if cell is not None]
    assert mean is not None
    assert mean == Measured(sum(values) / 2, min(values), max(values), 200, 2)


def test_samples_are_capped_and_show_every_reason(store: Invented) -> None:
    report = collect(store.query, "r0001", sample=20)
    assert len(report.failures) == len(report.candidates) == 20
    assert report.candidates_total == 160
    assert {c.reason for c in report.candidates} == {"accepted", *invented.REASONS}


def test_the_best_student_is_the_stop_rules_not_the_last(store: Invented) -> None:
    mine = invented.full()
    mine.db.execute("UPDATE decision SET best_round = 1 WHERE metric = 'accuracy'")
    report = collect(mine.query, "r0001")
    assert best_sentence(report).startswith(
        "By accuracy on validation the best student so far is round 1's"
    )
    assert [d.stage for d in report.decisions] == ["decide", "select", "decide", "select", "decide"]


def test_a_better_value_that_is_no_gain_is_said_beside_the_student_that_stays() -> None:
    mine = invented.full()
    mine.db.execute("UPDATE decision SET best_round = 0 WHERE metric = 'accuracy'")
    report = collect(mine.query, "r0001")
    assert re.fullmatch(
        r"By accuracy on validation the best student so far is round 0's: round 2's \S+% is not better than"
        r" round 0's \S+% by more than one standard error\.",
        best_sentence(report),
    )
    kept = [replace(d, min_gain=0.1) for d in report.decisions]
    assert "than loop.stop.min_gain, 0.1." in best_sentence(replace(report, decisions=tuple(kept)))
    back = [replace(d, rolled_back=d.round > 0) for d in report.decisions]
    assert best_sentence(replace(report, decisions=tuple(back))).endswith("is round 0's.")


def test_what_is_suggested_is_ordered_by_what_there_is_and_of_the_student_that_stays() -> None:
    mine = invented.full()
    mine.db.execute("UPDATE decision SET best_round = 0 WHERE metric = 'accuracy'")
    report = collect(mine.query, "r0001")
    assert "and round = 0 order by confidence desc" in queries(report)[0].sql
    unsure = tuple(replace(failure, confidence=None) for failure in report.failures)
    first = queries(replace(report, failures=unsure))[0]
    assert "confidence" not in first.sql
    assert mine.query(first.sql)


def test_the_note_of_patterns_explains_the_columns_that_are_shown(store: Invented) -> None:
    report = collect(store.query, "r0001")
    assert "Held out: " in pattern_table(report).note
    narrow = pattern_table(report, {HELD_OUT, "effect (points)"})
    assert HELD_OUT not in [column.title for column in narrow.columns]
    assert "Held out: " not in narrow.note
    assert "Effect: " not in narrow.note
    assert {len(row) for row in narrow.rows} == {len(narrow.columns)}


def test_an_unknown_run_is_named() -> None:
    with pytest.raises(StoreError, match="no run 'r0042'"):
        collect(invented.empty().query, "r0042")


def test_suggested_queries_run_against_the_schema(store: Invented) -> None:
    report = collect(store.query, "r0001")
    suggested = queries(report)
    assert len(suggested) >= 3
    for suggestion in suggested:
        assert store.query(suggestion.sql), suggestion.sql
        assert '"' not in suggestion.sql


@pytest.mark.parametrize(
    ("table", "kappa"),
    [(((5, 0), (0, 5)), 1.0), (((5, 5), (5, 5)), 0.0), (((9, 0), (0, 0)), None)],
    ids=["perfect", "chance", "undefined"],
)
def test_kappa(table: tuple[tuple[int, int], tuple[int, int]], kappa: float | None) -> None:
    judged = sum(map(sum, table))
    assert Judgement("advises", judged, table, 0, ()).kappa == kappa


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (12.0, 97.0, [0, 20, 40, 60, 80, 100]),
        (-17.0, 35.0, [-20, 0, 20, 40]),
        (0.3, 0.31, [0.3, 0.302, 0.304, 0.306, 0.308, 0.31]),
        (5.0, 5.0, [5, 6]),
    ],
    ids=["percent", "negative", "small", "flat"],
)
def test_ticks_are_round_and_cover_the_data(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_what_the_guard_of_texts_blocked_is_counted() -> None:
    store = invented.full(rounds=2)
    assert blocked_sentence(collect(store.query, "r0001")) == ""
    first, second, *_ = [
        r["id"] for r in store.query("SELECT DISTINCT id FROM pattern ORDER BY id")
    ]
    quoted = "five words in a row (call a)"
    for sql in (
        f"UPDATE pattern SET guard = 'replaced: name: {quoted}' WHERE id = '{first}'",
        f"UPDATE pattern SET guard = 'replaced: no usable reply (length)' WHERE id = '{second}'",
        f"UPDATE strategy SET guard = 'reworded: strategy: {quoted}; left out: 2 of its lists, the first: {quoted}'"
        f" WHERE pattern = '{first}' AND round = 0",
        "INSERT INTO \"drop\" BY NAME SELECT * REPLACE ('name' AS stage, 'convention_quotes' AS reason)"
        ' FROM "drop" LIMIT 1',
    ):
        store.db.execute(sql)
    report = collect(store.query, "r0001")
    assert {p.id for p in report.patterns if p.guarded} == {first}, "no reply is no quote"
    said = blocked_sentence(report)
    written = report.safeguards.guarded.texts
    assert said == (
        f"What quoted an evaluation row and was blocked, of {written} patterns and strategies: 1 said otherwise when"
        " asked once more, 1 replaced by a neutral text, 1 without entries of their lists,"
        " 1 rule of annotation told to nobody."
    )
    assert said in caveats(report)
