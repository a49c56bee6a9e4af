"""What pages ask about plans and runs that go on."""

from __future__ import annotations

from engine.studio.application import Route
from engine.studio.running.control import begin, end, go_on
from engine.studio.running.plan import plan
from engine.studio.running.watch import watch

ROUTES = (
    Route("GET", "/running", watch),
    Route("POST", "/running/plan", plan),
    Route("POST", "/running/start", begin, writes=True),
    Route("POST", "/running/again", go_on, writes=True),
    Route("POST", "/running/stop", end, writes=True),
)
