"""What the engine asks of the machine: calls that systems differ in, files that are whole or not there, locks.

Knows nothing of recipes, stores or models, and imports nothing of the engine but its errors.
`docs/decisions/0009-platforms-and-locks.md` says what is supported and why.
"""
