"""Where the rows of training, validation and test come from: files of their own, or a share of the training rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from engine.authoring.start.looking import Looked
from engine.authoring.start.settling import Settled
from engine.errors import EngineError

_SHARE = 0.2
_MOST = 500
"""Rows of a split: more make scores little sharper, and every round slower."""
_FEWEST = 5
_FEWEST_IN_ALL = 30
_FEWEST_GROUPS = 10
_MOST_TRAINED = 2000
"""Rows that are trained on at first, so that a laptop is done in minutes."""


def taken(train: Looked, settled: Settled, given: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return `split_from` of the splits that have no file.

    Args:
        train: The training rows.
        settled: The task.
        given: Splits that have a file.

    Raises:
        EngineError: there are too few rows, with how many are needed.
    """
    missing = [split for split in ("validation", "test") if split not in given]
    if not missing:
        return {}
    rows = len({str([row.get(name) for name in settled.input]) for row in train.rows})
    rows = min(rows, len(settled.answers), kept_rows(settled, len(train.rows)))
    # One row of each label stays.
    stays = len(set(settled.answers)) if settled.kind == "classification" else 1
    free, least = rows - stays, _FEWEST * len(missing)
    if rows < _FEWEST_IN_ALL or free < least:
        needed = max(_FEWEST_IN_ALL, stays + least)
        labels = f" ({stays} labels, one row of each stays in training)" if stays > 1 else ""
        raise EngineError(
            f"{train.place}: {rows} different rows are too few to take {' and '.join(missing)} rows from; "
            f"the model sees {', '.join(map(repr, settled.input))}",
            f"at least {needed} are needed{labels}; add rows, name another --input, or give files: "
            "--validation FILE --test FILE",
        )
    wanted = min(round(_SHARE * rows), free // len(missing))
    if wanted > _MOST:
        how: dict[str, Any] = {"rows": _MOST}
    elif wanted == round(_SHARE * rows):
        how = {"share": _SHARE}
    else:
        how = {"rows": wanted}
    group = {"group": settled.group} if _may_group(train, settled) else {}
    return {split: {"split": "train", **how, "seed": 0, **group} for split in missing}


def _may_group(train: Looked, settled: Settled) -> bool:
    column = train.columns.get(settled.group)
    return column is not None and column.distinct >= _FEWEST_GROUPS


def kept_rows(settled: Settled, trained: int) -> int:
    """Return how many training rows are used, before other splits take some."""
    sample = sampled(settled, trained)
    if not sample:
        return trained
    return min(trained, int(sample["n"]) * (settled.label_count if "per" in sample else 1))


def sampled(settled: Settled, trained: int) -> Mapping[str, Any]:
    """Return `sample` of the training rows, where there are more than a laptop trains on in minutes; else nothing."""
    if trained <= 2 * _MOST_TRAINED:
        return {}
    if settled.kind == "classification" and not settled.params.get("many"):
        per_label = max(_FEWEST, _MOST_TRAINED // settled.label_count)
        return {"n": per_label, "per": settled.target, "seed": 0}
    return {"n": _MOST_TRAINED, "seed": 0}
