"""A run's rows as a data set: which rows, who stands for their labels, in which layout, with which card.

`written.py` puts them into a folder; the others read the store, or nothing at all.
"""
