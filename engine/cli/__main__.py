"""`python -m engine.cli` is `pada`."""

from engine.cli import main

main()
