# Two commands are all: `make run` and `make test`. Everything they need they install, into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -n auto
TEST_EXTRAS ?= test
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
MANIFEST := pyproject.toml constraints.txt

.PHONY: help install run demo test lint types check bench docs clean

help: ## Say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.server ## Set up .venv for `make run`

run: $(VENV)/.server ## Start server and agent on this machine
	@$(BIN)/hopsight up

demo: $(VENV)/.server ## Start a server with a simulated fleet, for a first look
	@$(BIN)/hopsight demo

test: $(VENV)/.test ## Run the tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.lint ## Lint and check the format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.lint $(VENV)/.test ## Check the types
	$(BIN)/mypy

check: lint types test ## All that CI checks

bench: $(VENV)/.bench ## Measure, with the peers beside us (needs nginx-light, wrk and taskset)
	$(BIN)/python -m benchmarks

docs: $(VENV)/.test ## Write the reference pages from the code
	$(BIN)/python docs/generate.py

clean: ## Remove what was installed and cached
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.server: $(MANIFEST) | $(BIN)/python
	@echo "Installing Hopsight ..."
	@$(PIP) install --constraint constraints.txt --editable '.[server]'
	@touch $@

$(VENV)/.test: $(MANIFEST) | $(BIN)/python
	@echo "Installing what the tests need ..."
	@$(PIP) install --constraint constraints.txt --editable '.[$(TEST_EXTRAS)]'
	@touch $@

$(VENV)/.bench: $(MANIFEST) | $(BIN)/python
	@echo "Installing what the benchmarks need ..."
	@$(PIP) install --constraint constraints.txt --editable '.[bench]'
	@touch $@

$(VENV)/.lint: $(MANIFEST) | $(BIN)/python
	@echo "Installing linters ..."
	@$(PIP) install --constraint constraints.txt --editable '.[lint]'
	@touch $@
