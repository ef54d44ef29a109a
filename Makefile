# finlake. `make help` lists the verbs; each sets up what it needs first.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup run test accept check format bench loadtest torture differential lock clean

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Where bytecode is forbidden, every process that a test or a benchmark starts compiles all modules anew, for seconds.
export PYTHONDONTWRITEBYTECODE :=

help: ## List the verbs.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(READY) ## Install everything that is pinned in requirements.lock into .venv.

# uv (itself pinned and hashed in the lock) installs in a tenth of pip's time; pip is there for places where only
# pip's own configuration knows the index.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("finlake needs Python 3.11 or later.") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@awk '/^[a-z]/ { wanted = /^uv==/ } wanted && !/# via/ && !/^    #/' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r .venv/uv.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --require-hashes -r requirements.lock \
	  || $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

run: setup ## Serve, with demonstration data where the lake is empty; prints what to open and what to ask.
	@FINLAKE_LOG_LEVEL=$${FINLAKE_LOG_LEVEL:-warning} $(BIN)/finlake demo

test: setup ## Run every test.
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

accept: setup ## Rewrite the expectations of the tests and the tables of docs/; read the diff.
	@$(BIN)/pytest -q --accept $(ARGS)

check: setup ## Lint, format, types, layers, tidiness.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/pytest -q tests/test_house.py tests/test_house_docs.py

format: setup ## Rewrite the sources as ruff formats them.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup ## Measure speed and memory, all suites or ARGS="ingest"; writes benchmarks/RESULTS.md.
	@$(BIN)/python -m benchmarks.run $(ARGS)

loadtest: setup ## Four audiences against budgets, two minutes, on a service of its own or HOST=http://127.0.0.1:8001.
	@$(BIN)/python -m loadtests.run $(if $(HOST),--host $(HOST)) $(ARGS)

torture: setup ## An hour of kills, power cuts, stops and storms (SECONDS=3600 SEED=...); a failure names its seed.
	@$(BIN)/python -m tests.reliability.torture --seconds $(or $(SECONDS),3600) $(if $(SEED),--seed $(SEED))

differential: setup ## 2,000 random questions, each in every way there is (N=2000 SEED=...); a failure names its seed.
	@$(BIN)/python -W ignore -m tests.same_query.differential --count $(or $(N),2000) $(if $(SEED),--seed $(SEED))

lock: setup ## Pin and hash the dependencies of pyproject.toml anew.
	@$(BIN)/uv pip compile pyproject.toml -q --upgrade --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header -o requirements.lock

clean: ## Remove .venv and caches; the lake under data/ stays.
	@rm -rf .venv build .pytest_cache .ruff_cache .hypothesis .import_linter_cache finlake.egg-info
