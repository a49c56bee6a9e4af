"""A report's tables and sentences, every number already written: all renderers show the same cells."""

from engine.report.tables.breakdown import label_table, matrix_table, slice_tables
from engine.report.tables.evidence import (
    blocked_sentence,
    choice_table,
    held_out_sentence,
    regression_sentence,
    switched_off_sentence,
    tuning_sentence,
    validation_sentence,
)
from engine.report.tables.generation import (
    calibration_table,
    criteria_table,
    drop_table,
    funnel_table,
    judge_sentence,
    judge_table,
    quota_table,
    reasons_of,
    verified_sentence,
)
from engine.report.tables.kept import kept_sentence, kept_tile
from engine.report.tables.patterns import (
    FIRST_SEEN,
    HELD_OUT,
    confusion_table,
    movement_table,
    pattern_table,
    seen_before_sentence,
    suspect_table,
)
from engine.report.tables.reviews import agreement_sentence, people_table
from engine.report.tables.scores import (
    SCORE_SPLITS,
    best_sentence,
    decision_table,
    score_table,
    unread_sentences,
    warning_sentences,
)
from engine.report.tables.speed import speed_table
from engine.report.tables.spend import (
    cost_of,
    foreseen,
    foreseen_sentence,
    foreseen_table,
    spend_table,
    spent,
    tokens_text,
)
from engine.report.tables.table import Table, TableColumn
from engine.report.tables.times import node_table, stage_seconds, time_table
from engine.report.tables.totals import Totals, decided_sentence, totals

__all__ = [
    "FIRST_SEEN",
    "HELD_OUT",
    "SCORE_SPLITS",
    "Table",
    "TableColumn",
    "Totals",
    "agreement_sentence",
    "best_sentence",
    "blocked_sentence",
    "calibration_table",
    "choice_table",
    "confusion_table",
    "cost_of",
    "criteria_table",
    "decided_sentence",
    "decision_table",
    "drop_table",
    "foreseen",
    "foreseen_sentence",
    "foreseen_table",
    "funnel_table",
    "held_out_sentence",
    "judge_sentence",
    "judge_table",
    "kept_sentence",
    "kept_tile",
    "label_table",
    "matrix_table",
    "movement_table",
    "node_table",
    "pattern_table",
    "people_table",
    "quota_table",
    "reasons_of",
    "regression_sentence",
    "score_table",
    "seen_before_sentence",
    "slice_tables",
    "speed_table",
    "spend_table",
    "spent",
    "stage_seconds",
    "suspect_table",
    "switched_off_sentence",
    "time_table",
    "tokens_text",
    "totals",
    "tuning_sentence",
    "unread_sentences",
    "validation_sentence",
    "verified_sentence",
    "warning_sentences",
]
