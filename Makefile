# Four targets to remember: quickstart, check, test-fast, test. `make` alone lists them.
VENV   := .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup quickstart check audit test-fast test format dist studio studio-check studio-pictures clean

help:            ## this list
	@grep -E '^[a-z-]+: *.*##' $(MAKEFILE_LIST) | sed -E 's/: *[^#]*## */\t/'

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $$(sed -n 's/^torch==/torch==/p' constraints.txt)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $(STAMP)

setup: $(STAMP)  ## make .venv with the exact versions of constraints.txt

quickstart: $(STAMP)  ## run recipes/quickstart end to end on the embedded models
	$(BIN)/pada run recipes/quickstart

check: $(STAMP)  ## ruff, mypy, import-linter, no circle of imports, bandit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.import_cycles
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml engine

# The versions that are installed, as constraints.txt pins them; its database is on the network alone.
audit: $(STAMP)  ## known vulnerabilities of the libraries, where there is a network
	@if $(BIN)/python -c 'import urllib.request as r; r.urlopen("https://pypi.org/pypi/pip/json", timeout=10)' 2>/dev/null; \
	then $(BIN)/pip-audit --progress-spinner off --requirement constraints.txt --no-deps --disable-pip; \
	else echo "nothing was audited: pypi.org, which knows the vulnerabilities, cannot be reached from here"; fi

# Two files at a time, as there are cores: a third process would only find the tests once more.
test-fast: $(STAMP) ## the tests that load no model and make no whole runs: the working loop, two minutes on 2 cores
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not models and not runs and not long and not servers and not editor and not browser"

test: $(STAMP)   ## the whole test suite, two files at a time
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

format: $(STAMP) ## rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The wheel is built from the sdist: what is installed is what was published as source.
dist: $(STAMP)   ## build dist/: sdist and wheel, from a clean checkout, and check what they hold
	@test -z "$$(git status --porcelain)" || { git status --short; echo "commit or remove these first: a package would hold them" >&2; exit 1; }
	rm -rf dist
	$(BIN)/python -m hatchling build --target sdist
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist dist/*.tar.gz
	$(BIN)/python -m pytest -q -m "" tests/test_distributions.py
	cd dist && sha256sum *

# Node is needed for these alone: what they build is committed, and travels in the wheel.
WEB := engine/studio/web

$(WEB)/node_modules: $(WEB)/package.json $(WEB)/package-lock.json
	cd $(WEB) && npm ci --no-audit --no-fund
	touch $@

studio: $(WEB)/node_modules  ## build the studio's page into engine/studio/static; needs Node 20
	cd $(WEB) && npm run check && npm run build

studio-check: studio  ## build the studio's page again, and compare it with what is committed
	git diff --exit-code --stat -- engine/studio/static
	test -z "$$(git status --porcelain -- engine/studio/static)"

studio-pictures: $(STAMP) $(WEB)/node_modules  ## the pictures of docs/studio.md, of a run of recipes/quickstart in STATE
	$(BIN)/python -m tests.studio.pictures $(STATE)

clean:           ## remove the virtual environment, dist/ and the caches of the tools
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
