"""People's review of rows: what waits for them, what they may say, what follows of it.

Knows the store and the plan, no terminal and no page: `pada review` and whatever else shows rows to people work on a
`Desk`. Verdicts are rows of the store (`engine.rows.reviewing`); what people said together becomes parameters of the
steps that put training rows together (`engine.plan.building.reviews`).
"""

from engine.review.desk import REASONS, Desk, Reason, RefusedError, reviewer_name
from engine.review.ended import Redone, Standing, redone, standing
from engine.review.files import read_reviews, write_items
from engine.review.items import Answer, Doubt, Item, Ran, Reviewable, ran
from engine.review.listing import WAITS, Entry, Narrowed, Word, narrowed
from engine.review.outcomes import reviews_of
from engine.review.queues import QUEUES, Queue, parse_queue
from engine.review.telling import about, stored

__all__ = [
    "QUEUES",
    "REASONS",
    "WAITS",
    "Answer",
    "Desk",
    "Doubt",
    "Entry",
    "Item",
    "Narrowed",
    "Queue",
    "Ran",
    "Reason",
    "Redone",
    "RefusedError",
    "Reviewable",
    "Standing",
    "Word",
    "about",
    "narrowed",
    "parse_queue",
    "ran",
    "read_reviews",
    "redone",
    "reviewer_name",
    "reviews_of",
    "standing",
    "stored",
    "write_items",
]
