"""Packages of recipes: which ones a project depends on, fetched with git and locked.

`resolving` and `choosing` decide which commits are taken, and know no git; `repositories` asks git, `content` writes
what a package holds, `installing` does what `pada deps` says.
"""
