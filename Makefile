# All that a fresh machine needs: Python 3.11 to 3.14, make and git. `make` says what there is.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
# Options for pytest, for example: make test ARGS="-k recall -x"
ARGS ?=
# The Python that the environment is made with. Empty: the first suitable one on PATH.
PYTHON ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_ROOT_USER_ACTION := ignore
# A variable of the user's shell must not lead us to other code, or pip to another environment.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV

# The environment knows its own path, so a moved or copied one is made again.
PLACE := $(shell pwd | cksum | cut -d' ' -f1)
LOCKED := $(VENV)/.locked-$(PLACE)
INSTALLED := $(VENV)/.installed-$(PLACE)

PYTEST := $(BIN)/python -m pytest
# A process for each core, four at most; each has a server of its own, and takes whole files of tests.
SPREAD := --numprocesses=auto --maxprocesses=4 --dist=loadfile

##@ To use it

.PHONY: help
help: ## Say what there is to make
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "%s%s\n", (n++ ? "\n" : ""), substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(INSTALLED) ## Show what Memoledger does, on a ledger of its own that is deleted afterwards
	@$(BIN)/memoledger demo

##@ To work on it

.PHONY: dev
dev: $(INSTALLED) ## Make the environment: .venv, with exactly what requirements.lock names

.PHONY: test
test: $(INSTALLED) ## Run the tests, without the slow ones (ARGS="-k recall" for some)
	@$(PYTEST) $(SPREAD) -m "not slow" $(ARGS)

.PHONY: test-all
test-all: $(INSTALLED) ## Run all the tests
	@$(PYTEST) $(SPREAD) $(ARGS)

.PHONY: test-slow
test-slow: $(INSTALLED) ## Run the slow tests only
	@$(PYTEST) $(SPREAD) -m slow $(ARGS)

.PHONY: check
check: $(INSTALLED) ## Check format, lint, types, import contracts and documentation
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(PYTEST) -m docs -q

.PHONY: format
format: $(INSTALLED) ## Format the code and mend what the linter can mend
	$(BIN)/python -m ruff check --fix-only .
	$(BIN)/python -m ruff format .

.PHONY: bench
bench: $(INSTALLED) ## Measure, each figure beside its floor (ARGS="isolation --json")
	@$(BIN)/memoledger bench $(or $(ARGS),isolation write scale)

.PHONY: schema
schema: $(INSTALLED) ## Write schema.sql again, from the migrations
	$(BIN)/python tools/dump_schema.py

.PHONY: lock
lock: $(INSTALLED) ## Resolve the dependencies anew and write requirements.lock
	sh tools/lock.sh $(ARGS)

.PHONY: clean
clean: ## Remove what make, the tools and the builds have made; ledgers stay
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Two steps, because an edit of pyproject.toml need not install all the libraries again.

$(LOCKED): requirements.lock
	@sh tools/make_venv.sh $(VENV) "$(PYTHON)"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@touch $@

# What is installed here is ours, on top of what the lock has verified: pip's mode of checking
# hashes knows no local folders, so the two are never one command.
$(INSTALLED): $(LOCKED) pyproject.toml models/minilm/pyproject.toml
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index \
	  -e ./models/minilm -e .
	@$(BIN)/python -m pip check
	@touch $@
