"""From a recipe to a plan: looked up, compiled, explained, estimated; and checked before anything is spent.

Here a recipe meets the registries. Nothing here sees the store: what is finished comes in as values.
"""

from engine.plan.compile import compile_plan
from engine.plan.explain import mermaid, states
from engine.plan.graph import Node, Plan
from engine.plan.resources import Resources, gather

__all__ = ["Node", "Plan", "Resources", "compile_plan", "gather", "mermaid", "states"]
