"""What types cannot say of one part of a recipe, a file each: problems with their places; each runs nothing.

A new check is a function from the loaded recipe to problems, called in `engine.plan.validate`.
"""
