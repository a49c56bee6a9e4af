"""The DuckDB store: everything runs produced, in one file that is open for short moments only.

Owns `.pada/store.duckdb`, `.pada/spool` and `.pada/run.lock`. Knows records (engine.rows), nothing of recipes,
plans or models. `docs/decisions/0001-one-writer.md` says why it is built this way.
"""

from engine.store.columns import (
    CallUseRow,
    FileTextRow,
    PatternOriginRow,
    ProvenanceRow,
    RunFileRow,
)
from engine.store.file import FILE, Busy
from engine.store.ingest import add_reviews
from engine.store.lock import Holder, holder, taken
from engine.store.origins import Sighting
from engine.store.query import (
    QueryResult,
    ReadableStore,
    Unseen,
    ask,
    choose_run,
    open_store,
    outcome_rows,
    reader,
    rows,
    unseen,
)
from engine.store.reading import Spent
from engine.store.sharing import Stop
from engine.store.store import NodeInfo, Store, now

__all__ = [
    "FILE",
    "Busy",
    "CallUseRow",
    "FileTextRow",
    "Holder",
    "NodeInfo",
    "PatternOriginRow",
    "ProvenanceRow",
    "QueryResult",
    "ReadableStore",
    "RunFileRow",
    "Sighting",
    "Spent",
    "Stop",
    "Store",
    "Unseen",
    "add_reviews",
    "ask",
    "choose_run",
    "holder",
    "now",
    "open_store",
    "outcome_rows",
    "reader",
    "rows",
    "taken",
    "unseen",
]
