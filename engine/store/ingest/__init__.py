"""From the spool into DuckDB, each segment exactly once; a line that no table takes is set aside, never lost."""

from engine.store.ingest.aside import ASIDE, SetAside, ingest_or_set_aside
from engine.store.ingest.inserting import (
    add_reviews,
    finished_nodes,
    ingest,
    not_ingested,
    records,
)
from engine.store.ingest.looking import calls_in, outputs_in

__all__ = [
    "ASIDE",
    "SetAside",
    "add_reviews",
    "calls_in",
    "finished_nodes",
    "ingest",
    "ingest_or_set_aside",
    "not_ingested",
    "outputs_in",
    "records",
]
