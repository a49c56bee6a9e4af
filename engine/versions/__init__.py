"""Versions of recipes: what differs between two, what came of each, and runs made again, here or elsewhere.

Reads git, the store and files; prints nothing.
"""
