"""Where rows are: files and their formats, data sets of Hugging Face, queries; each gives rows and bad rows in order.

A new format is a reader in `readers`, a new place a module with an `Origin`. Nothing here knows of recipes' splits.
"""
