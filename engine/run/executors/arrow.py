"""A node's rows as an Arrow table: what a Ray cluster keeps once, in the shared memory of each machine that reads it.

A column says which table a row is of, the other holds its fields. These are pickled, since rows must come back as they
were to the last bit and character: what Arrow's own types, or the store's lines, would do to halves of characters and
to numbers that are none is not undone. Both sides are the engine, with the same rights.
"""

from __future__ import annotations

import pickle  # nosec B403 # see above
from typing import Any

from engine.rows import Row
from engine.stages.outputs import Output

_KIND = b"output"


def encoded(output: Output) -> Any:
    """Return an output's rows, in order, as a `pyarrow.Table`."""
    import pyarrow as pa

    rows = [pickle.dumps(row, pickle.HIGHEST_PROTOCOL) for row in output.rows]
    table = pa.table(
        {
            "table": pa.array([row.table for row in output.rows], pa.string()).dictionary_encode(),
            "row": pa.array(rows, pa.large_binary()),
        }
    )
    return table.replace_schema_metadata({_KIND: pickle.dumps(type(output))})


def decoded(table: Any) -> Output:
    """Return the output that `encoded` wrote down."""
    kind: type[Output] = pickle.loads(table.schema.metadata[_KIND])  # nosec B301 # from the engine itself
    rows: tuple[Row, ...] = tuple(
        pickle.loads(row.as_buffer())  # nosec B301 # from the engine itself
        for row in table.column("row")
    )
    return kind(rows)
