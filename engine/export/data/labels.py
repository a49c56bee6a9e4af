"""Whose word stands for a row's label: the one place where an export calls a label checked or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

LabelStatus = Literal["given", "verified", "unverified"]
LABEL_STATUSES: Mapping[LabelStatus, str] = {
    "given": "as in the recipe's data",
    "verified": "somebody besides whoever labelled it says so: a person, most blind answers, a calibrated judge",
    "unverified": "only whoever labelled it (`pada_label_source`) says so",
}


def label_status(label_source: str | None, verified: bool | None) -> LabelStatus:
    """Return what stands for a label, from what the store's views of rows say of it."""
    if label_source == "data":
        return "given"
    return "verified" if verified else "unverified"
