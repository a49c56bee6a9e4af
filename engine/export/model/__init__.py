"""A run's student as a model: which one, its weights in three forms, its prompt and the code that asks it, its card.

`written.py` puts them into a folder; nothing here is trained.
"""
