"""Every reason for which the engine leaves something out, or rejects it: the one place where they are declared.

docs/reasons.md is written from here: `python -m engine.stages.document`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

ReplyError = Literal[
    "invalid_json", "schema", "length", "thinking", "refusal", "empty", "too_long", "bad_body", "truncated_body",
    "too_large", "rate_limit", "connection", "timeout", "server_error", "auth", "proxy", "quota", "unknown_model",
    "bad_address", "schema_refused", "bad_request", "expired", "cancelled", "error", "no_reply", "rehearsed", "probe",
]  # fmt: skip
"""Why a call of a language model brought nothing usable."""
Dropped = Literal[
    "at_most", "awaits_label", "backend_failed", "bad-row", "contradiction", "convention_quotes", "declined",
    "disagreement", "dry", "duplicate", "evidence_not_found", "excluded", "gone", "label_suspect", "leak", "malformed",
    "misfit", "missing_in_reply", "no_embedding", "no_majority", "no_right_answer", "no_seed", "no_verdict", "noise",
    "not_asked", "not_made", "not_mendable", "over_limit", "over_quota", "person", "prompt_leak", "redacted",
    "replaced", "request_failed", "rolled_back", "seed_equals_evaluation", "seed_holds_evaluation", "small_cluster",
    "twice_in_reply", "unfunded", "unknown_label", "unknown_pattern", "unscored",
]  # fmt: skip
DropReason = Literal[Dropped, ReplyError]
"""What the column `reason` of the table `drop` holds."""
PoolReason = Literal[
    "read", "bad-row", "empty", "training", "duplicate", "unknown_label", "evaluation", "unsure", "not_shortlisted",
    "not_chosen",
]  # fmt: skip
"""What the column `reason` of the table `pool_count` holds."""
Decision = Literal[
    "accepted", "judge", "judge_failed", "pass_rate", "pass_rate_failed", "verify", "verify_failed"
]
"""What the column `reason` of the table `verdict` holds, besides the names of the gates."""

REPLIES: Mapping[ReplyError, str] = {
    "invalid_json": "The reply is not JSON. A server that takes a JSON Schema ends this: `structured`.",
    "schema": "The reply is JSON and does not fit what was asked for.",
    "length": "The reply was cut at its token limit before it ended.",
    "thinking": "The model spent its tokens on thinking: raise `thinking_tokens`.",
    "refusal": "The model refused, or a content filter stopped it.",
    "empty": "The answer holds no text.",
    "too_long": "The prompt leaves no room for a reply in the model's context: shorten the prompt, or raise `context`.",
    "bad_body": "The server's answer does not follow its protocol.",
    "truncated_body": "The server's answer broke off.",
    "too_large": "The server's answer is larger than any reply can be.",
    "rate_limit": "The server asked to wait (429) for longer than `patience_s`.",
    "connection": "The server could not be reached.",
    "timeout": "No answer came within `timeout_s`.",
    "server_error": "The server failed (500 and above).",
    "auth": "The server did not accept the key.",
    "proxy": "A proxy on the way wants something, or refused.",
    "quota": "The account has no money or no quota left.",
    "unknown_model": "The server does not know the model's name.",
    "bad_address": "There is no such endpoint at `base_url`.",
    "schema_refused": "The server refused the schema of the reply.",
    "bad_request": "The server refused the request.",
    "expired": "A batch service did not get to the request in time.",
    "cancelled": "The batch was cancelled.",
    "error": "A batch service says that the request failed.",
    "no_reply": "There is no reply, and nobody said why.",
    "rehearsed": "In a rehearsal nobody is asked (`pada show prompt`).",
    "probe": "No reply was wanted: a small call that found out what the server can do.",
}
_IN_REPLIES: Mapping[Dropped, str] = {
    "missing_in_reply": "The reply says nothing of it.",
    "twice_in_reply": "The reply says two things of it, and nobody knows which is meant.",
    "not_asked": "The reply speaks of something that was not in the call.",
}
_DUPLICATE = "It repeats an earlier row."
_REDACTED = "Not left out: something in the row was replaced (`privacy.redact`); the detail names the columns."

DROPS: Mapping[str, Mapping[Dropped, str]] = {
    "load": {
        "bad-row": "The row cannot be read, or is none of its task (`data.on_bad_row: drop`).",
        "duplicate": _DUPLICATE,
        "redacted": _REDACTED,
    },
    "logged": {
        "bad-row": "The row of the log cannot be read.",
        "duplicate": "It repeats an earlier row of the log, or stands in validation.",
        "no_verdict": "Neither its right answer nor a thumb down is known.",
        "unknown_label": "Its right answer is not a label of the task.",
        "contradiction": "Its output was rejected, and is the right answer.",
        "leak": "It is a test row, or as good as one.",
        "redacted": _REDACTED,
    },
    "train": {
        "rolled_back": "It was trained on in a round that was rolled back.",
        "replaced": "A generated row has its inputs with another target, and stands in for it.",
    },
    "score": {"unscored": "The student could not be asked about the row."},
    "benchmark": {"request_failed": "Requests of the benchmark failed; the detail says how many."},
    "diagnose": {
        "no_right_answer": "A logged failure without a known right answer: no row is written from it.",
        "evidence_not_found": "What the diagnosis quotes stands in no column of its row; the diagnosis is kept.",
        "label_suspect": "The row's own answer may be wrong, the teacher says: see the table `label_suspect`.",
        "not_mendable": "No training row could mend the failure, the teacher says.",
        **_IN_REPLIES,
    },
    "cluster": {
        "noise": "The diagnosis lies too far from all clusters.",
        "small_cluster": "Fewer diagnoses lie with it than `patterns.cluster.min_size`.",
        "no_embedding": "Its embedding is all zero or not finite.",
    },
    "name": {
        "misfit": "The diagnosis does not fit its cluster, the teacher says.",
        "convention_quotes": "A convention quotes an evaluation row, and is shown to nobody.",
        "twice_in_reply": _IN_REPLIES["twice_in_reply"],
        "not_asked": _IN_REPLIES["not_asked"],
    },
    "confirm": _IN_REPLIES,
    "allot": {
        "unfunded": "The test of the pattern's description says that it is not worth rows (`patterns.fund`).",
        "excluded": "`patterns.exclude` names the pattern.",
        "unknown_pattern": "The recipe names a pattern that does not exist.",
    },
    "mine": {
        "awaits_label": "A chosen row of the pool has no label yet (`augment.mine.label: column`).",
        "disagreement": "Too few answers agree on its label (`augment.mine.agreement`).",
        **_IN_REPLIES,
    },
    "generate": {
        "seed_equals_evaluation": "The training row equals an evaluation row: no prompt may show it.",
        "seed_holds_evaluation": "An evaluation row stands in the training row: no prompt may show it.",
        "prompt_leak": "An evaluation row would have been in the prompt: it was not sent.",
        "no_seed": "No operator of the recipe has a training row to start from.",
        "dry": "Of the last rows written against the pattern none was accepted: no more are asked for.",
        "not_made": "The operator's row-function could make nothing of the training row.",
        "declined": "The writer left the row out: the training row's target is wrong, or it cannot be worked on.",
        "no_majority": "Too few replies come to the same target.",
        **_IN_REPLIES,
    },
    "verify": _IN_REPLIES,
    "judge": _IN_REPLIES,
    "pass_rate": {"backend_failed": "The student could not be asked about the candidate."},
    "pair": {
        "gone": "A pair of an earlier round: its row is no training row any more, or has another target.",
        "over_limit": "More pairs were found than are trained on (`train.preference.max_pairs`).",
    },
    "mend": {
        "person": "People rejected the row of the data (`pada review`).",
        "duplicate": "As people changed it, it is another training row.",
    },
    "select": {
        "at_most": "It was accepted, and its group has as many rows as a quota allows (`augment.quotas`).",
        "person": "It was accepted, and people rejected it (`pada review`).",
        "leak": "As people changed it, it resembles an evaluation row.",
        "malformed": "As people changed it, it is no row of the task.",
        "duplicate": "The row is in the training set, or another one came first in place of the same training row.",
        "over_quota": "It was accepted, and more rows of its kind than were wanted.",
    },
}
"""Stage -> its reasons, and what each means; those of replies (`REPLIES`) come besides, where a stage asks a model."""

POOL: Mapping[PoolReason, str] = {
    "read": "Not left out: all rows that were looked at.",
    "bad-row": "The row cannot be read.",
    "empty": "It has no words.",
    "training": "It stands in the training rows.",
    "duplicate": _DUPLICATE,
    "unknown_label": "It has a label that is none of the task's.",
    "evaluation": "It is a validation or test row, or as good as one.",
    "unsure": "Its neighbours are not sure enough of its label (`augment.mine.sure`).",
    "not_shortlisted": "Others of its label and pattern are more promising (`augment.mine.shortlist`).",
    "not_chosen": "It was on the shortlist, and others fit better.",
}
DECISIONS: Mapping[Decision, str] = {
    "accepted": "It passes; `select` decides whether it joins the training set.",
    "verify": "Too few blind answers come to its target, or its calculation is wrong (`quality.verify`).",
    "verify_failed": "No blind answer was usable.",
    "pass_rate": "The student answers it right more or less often than the recipe wants (`quality.pass_rate.keep`).",
    "pass_rate_failed": "The student gave no usable answer.",
    "judge": "The judge finds its target wrong, or a score below `quality.minimum`.",
    "judge_failed": "The judge was to decide, and said nothing usable.",
}
