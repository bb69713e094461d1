# Two commands on a fresh machine: `make demo`, `make test`. Everything lives in .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet

NODE_TESTS := tests/providers/aimock

ONCE   := not (planted or machine or test_incremental or two_shells or eight_tenths)

PURE   := $(addprefix tests/,apps core engine forecast histories sim spec views)  # mostly in virtual time; the others wait for processes and servers

.PHONY: demo test test-long coverage test-deps check bench pins clean
.DELETE_ON_ERROR:

demo: $(VENV)/.runtime
	@$(BIN)/fanfold mealplan --days 7 --diet vegetarian --model sim/default --format md

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --maxprocesses 8 $(PURE)
	$(BIN)/python -m pytest -n 4 --dist loadfile $(addprefix --ignore=,$(PURE) tests/bench)
	$(BIN)/python -m pytest tests/bench
	$(MAKE) --no-print-directory check

test-long: $(VENV)/.dev  # what takes too long for every commit, about an hour and a half: histories, lives, machines, 200 kills, the long benchmarks
	FANFOLD_HISTORIES=100000 FANFOLD_LIVES=10000 FANFOLD_CELLS=400000 FANFOLD_SEEDS=100 FANFOLD_MACHINES=5000 \
		$(BIN)/python -m pytest tests/histories --timeout 7200
	FANFOLD_KILLS=200 $(BIN)/python -m pytest tests/door/test_resume.py --timeout 3600
	$(BIN)/python -m bench soak many table

coverage: $(VENV)/.dev  # every branch of the decisions in core/ is taken by a test that is the same each time: about 3 minutes
	FANFOLD_HISTORIES=300 FANFOLD_LIVES=60 $(BIN)/python -m coverage run -m pytest tests/core tests/engine tests/histories -m "not hypothesis" -k "$(ONCE)"
	$(BIN)/python -m coverage report

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest tests/test_house.py

test-deps: $(NODE_TESTS)/node_modules  # servers and a browser that the system tests use, on Debian

$(NODE_TESTS)/node_modules: $(NODE_TESTS)/package-lock.json  # a mock of the providers' APIs that others have written; it needs Node 20.15
	@command -v npm >/dev/null || { apt-get update -qq && apt-get install -y --no-install-recommends nodejs npm; }
	cd $(NODE_TESTS) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

bench: $(VENV)/.dev
	$(BIN)/python -m bench

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Fanfold needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "This Python has no venv. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(BIN)/python
	$(PIP) --require-hashes -r requirements/runtime.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

pins:  # resolve again: needs uv on the PATH
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 pyproject.toml requirements/build.in -o requirements/runtime.txt
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 -c requirements/runtime.txt --all-extras --group dev pyproject.toml -o requirements/dev.txt

clean:
	rm -rf $(VENV) .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis
