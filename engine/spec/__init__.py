"""Files to typed objects: recipes, methods and prompts, each mistake with its line and what to do about it.

A key of the recipe is added here; what it may name (operators, metrics, tasks, backends) is checked in `engine.plan`,
because nothing here knows the registries or reads data.
"""
