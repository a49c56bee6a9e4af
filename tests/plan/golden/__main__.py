"""`python -m tests.plan.golden --write`: write down what fingerprints rest on now."""

import sys

from tests.plan.golden import WRITE, write

if sys.argv[1:] == ["--write"]:
    write()
else:
    sys.exit(f"usage: {WRITE}")
