"""Everything that pages may ask, on one page: an address, and the function that answers it."""

from __future__ import annotations

from engine.studio.application import Route
from engine.studio.author.routes import ROUTES as AUTHOR
from engine.studio.explore.confusion import confusion
from engine.studio.explore.flips import side_by_side
from engine.studio.explore.patterns import cards, dots, pattern
from engine.studio.explore.queries import catalogue, export, questions, run_query
from engine.studio.explore.row import call, row
from engine.studio.explore.runs import about, generation, here, movements, overview, runs, spend
from engine.studio.explore.tables import facets, failures, generated
from engine.studio.explore.use import use
from engine.studio.reviewing.routes import ROUTES as REVIEWING
from engine.studio.running.routes import ROUTES as RUNNING
from engine.studio.start.routes import ROUTES as START
from engine.studio.versions.routes import ROUTES as VERSIONS

EXPLORE = (
    Route("GET", "/about", about),
    Route("GET", "/here", here),
    Route("GET", "/runs", runs),
    Route("GET", "/runs/{run}", overview),
    Route("GET", "/runs/{run}/movements", movements),
    Route("GET", "/runs/{run}/generation", generation),
    Route("GET", "/runs/{run}/spend", spend),
    Route("GET", "/runs/{run}/use", use),
    Route("GET", "/runs/{run}/patterns", cards),
    Route("GET", "/runs/{run}/patterns/{pattern}", pattern),
    Route("GET", "/runs/{run}/map", dots),
    Route("GET", "/runs/{run}/confusion", confusion),
    Route("GET", "/runs/{run}/facets", facets),
    Route("GET", "/runs/{run}/failures", failures),
    Route("GET", "/runs/{run}/generated", generated),
    Route("GET", "/runs/{run}/rows/{row}", row),
    Route("GET", "/calls/{call}", call),
    Route("GET", "/compare", side_by_side),
    Route("GET", "/sql/catalogue", catalogue),
    Route("GET", "/sql/questions", questions),
    Route("POST", "/sql", run_query),
    Route("POST", "/sql/export", export),
)

ROUTES = (*EXPLORE, *AUTHOR, *START, *RUNNING, *REVIEWING, *VERSIONS)
