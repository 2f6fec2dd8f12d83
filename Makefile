# Two commands matter: `make demo` shows the package at work, `make test` proves it.
# Both set up a virtual environment of their own in .venv from pinned requirements.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Sphinx reads the sources without importing them, so it needs no Airflow, and none of its pins touch Airflow's.
DOCS := .venvs/docs
CLUSTER := .venvs/cluster
BENCH := .venvs/bench
MUTANTS := .venvs/mutants
HOOKS := .venvs/hooks
DIST := .venvs/dist
UV_VERSION := 0.13.9
# The tests of a file share what the file sets up.
SIDE_BY_SIDE := --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo docs hooks ci test unit lint types contract emulator cluster-test bench mutants pictures pins dist \
        clean

# A line that begins with ##@ is a heading of the list.
help:  ## This list
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-14s%s\n", $$1, $$2}' \
	  $(MAKEFILE_LIST)

##@ See it work
setup: $(READY)  ## Only set up .venv

$(READY): requirements/airflow-3.3.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV) (once; about half a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet -r requirements/airflow-3.3.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

demo: $(READY)  ## Run the example DAGs under real Airflow against the emulator
	@$(BIN)/python -m example_dags.demo

emulator: $(READY)  ## Start the emulator on port 8088
	@$(BIN)/python -m airflow_provider_blux.emulator

docs: $(DOCS)/.ready  ## Build the documentation into build/site; a warning is an error
	@rm -rf build/site
	@$(DOCS)/bin/python -m sphinx --quiet --fail-on-warning --fresh-env --doctree-dir build/doctrees docs build/site
	@echo "Open build/site/index.html"

$(DOCS)/.ready: requirements/docs.txt $(READY)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(DOCS)
	@VIRTUAL_ENV=$(DOCS) $(BIN)/uv pip install --quiet -r requirements/docs.txt
	@touch $@

##@ Check a change
hooks: $(HOOKS)/.ready  ## Run the quick checks before each commit from now on
	@$(HOOKS)/bin/pre-commit install

$(HOOKS)/.ready: $(READY)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(HOOKS)
	@VIRTUAL_ENV=$(HOOKS) $(BIN)/uv pip install --quiet pre-commit==4.7.0
	@touch $@

ci:  ## Everything that must hold before a change is merged
	@bash .ci/run

# Without bytecode files, pytest would rewrite the assertions of every module in every process.
test unit: export PYTHONDONTWRITEBYTECODE :=

test: $(READY)  ## Run every test, real Airflow included
	@$(BIN)/python -m pytest -n 3 $(SIDE_BY_SIDE)  # for two cores: one process usually waits for Airflow

unit: $(READY)  ## Run the quick tests only
	@$(BIN)/python -m pytest -n 2 $(SIDE_BY_SIDE) -m "not airflow and not slow"

lint: $(READY)  ## Lint and formatting
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(READY)  ## Strict types
	@$(BIN)/mypy

contract: $(READY)  ## Which module may import which
	@$(BIN)/lint-imports

##@ Measure
cluster-test: $(CLUSTER)/.ready  ## A million users on two Celery workers, one is killed; OPTIONS=--help
	@$(CLUSTER)/bin/python -m benchmarks.cluster $(OPTIONS)

bench: $(BENCH)/.ready  ## This package and what people would use instead, side by side; OPTIONS=--help
	@$(BENCH)/bin/python -m benchmarks.bench $(OPTIONS)

mutants: $(MUTANTS)/.ready  ## Put faults into the package, and see which ones no test notices; OPTIONS="delivery api.retry"
	@$(MUTANTS)/bin/python -P tests/mutants.py $(OPTIONS)

$(CLUSTER)/.ready $(BENCH)/.ready $(MUTANTS)/.ready: .venvs/%/.ready: requirements/%.txt $(READY)
	@echo "Setting up $(@D) (once; about half a minute)"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	@VIRTUAL_ENV=$(@D) $(BIN)/uv pip install --quiet -r $<
	@VIRTUAL_ENV=$(@D) $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

##@ Maintain
pictures: $(READY)  ## Take the pictures of the documentation again (needs Chromium)
	@$(BIN)/python -m tests.airflow.browser.pictures

pins: $(READY)  ## Compile the pinned requirements again
	@PIN="$(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 --no-header --no-annotate --no-emit-index-url"; \
	$$PIN requirements/airflow-3.3.in -o requirements/airflow-3.3.txt; \
	$$PIN requirements/cluster.in -o requirements/cluster.txt; \
	$$PIN requirements/bench.in -o requirements/bench.txt; \
	$$PIN requirements/mutants.in -o requirements/mutants.txt; \
	$$PIN requirements/airflow-2.11.in -o requirements/airflow-2.11.txt; \
	$$PIN requirements/docs.in -o requirements/docs.txt; \
	: "Airflow 3.0 and 3.2 do not start with later releases of what they stand on: resolve these as of their dates."; \
	$$PIN --exclude-newer 2025-09-15 --exclude-newer-package apache-airflow-providers-common-compat=2026-12-31 \
	  requirements/airflow-3.0.in -o requirements/airflow-3.0.txt; \
	$$PIN --exclude-newer 2026-03-15 requirements/airflow-3.1.in -o requirements/airflow-3.1.txt; \
	$$PIN --exclude-newer 2026-06-10 requirements/airflow-3.2.in -o requirements/airflow-3.2.txt

dist: $(DIST)/.ready  ## Build wheel and sdist into dist/, and check what an index would show of them
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist .
	@$(DIST)/bin/twine check --strict dist/*

$(DIST)/.ready: $(READY)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(DIST)
	@VIRTUAL_ENV=$(DIST) $(BIN)/uv pip install --quiet twine==7.0.0
	@touch $@

clean:  ## Remove what the other targets made
	@rm -rf .venv .venvs build dist mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
