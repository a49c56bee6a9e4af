"""What pages ask to show rows to people and to write down what they say."""

from __future__ import annotations

from engine.studio.application import Route
from engine.studio.reviewing.reading import ended, found, labels, listing, overview, queues, rows
from engine.studio.reviewing.saying import undo, verdict

ROUTES = (
    Route("GET", "/review", overview),
    Route("GET", "/review/queues", queues),
    Route("GET", "/review/rows", rows),
    Route("POST", "/review/rows", found),
    Route("GET", "/review/list", listing),
    Route("GET", "/review/labels", labels),
    Route("GET", "/review/ended", ended),
    Route("POST", "/review/verdict", verdict, writes=True),
    Route("POST", "/review/undo", undo, writes=True),
)
