"""What is looked up in the spool before DuckDB has it."""

from __future__ import annotations

from dataclasses import replace

from engine.rows import Call, Row
from engine.store import reading
from engine.store.ingest.inserting import finished_nodes, records
from engine.store.spool import Segment


def calls_in(segment: Segment, wanted: set[str]) -> dict[str, Call]:
    """Return the usable replies of a segment to these requests, without what was sent."""
    usable: dict[str, Call] = {}
    for table, values in records(segment, set()):
        if table == Call.table and values[0] in wanted:
            call = reading.call_from(values)
            if call.error is None:
                usable[call.id] = replace(call, messages=[])
    return usable


def outputs_in(segment: Segment, wanted: set[str]) -> dict[str, list[Row]]:
    """Return the rows of those nodes that are whole in a segment."""
    whole = finished_nodes(segment) & wanted
    rows: dict[str, list[Row]] = {node: [] for node in whole}
    if whole:
        for table, values in records(segment, whole):
            if values[0] in whole and table in reading.stage_tables():
                rows[values[0]].append(reading.row_of(table, values))
    return rows
