# Every target sets up what it needs: a virtual environment in .venv, and the package in it.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MODELS := $(VENV)/.models
PEERS := $(VENV)/.peers
# The CPU build of torch is enough for every command here; a plain `torch` would fetch gigabytes of GPU libraries.
TORCH ?= torch==2.13.0
SOURCES := stratagem compiler dialects hwmodels runtime tests examples benchmarks

.DEFAULT_GOAL := help
.PHONY: help setup run test lint bench validate-cost conformance mutation fuzz format clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml CMakeLists.txt $(wildcard runtime/src/*) $(wildcard runtime/include/stratagem/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	@command -v c++ >/dev/null || { echo "a C++ compiler is needed (for example the package g++)"; exit 1; }
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(TORCH) "scikit-build-core>=1.1,<2" cmake ninja
	$(BIN)/python -m pip install --quiet --no-build-isolation -e ".[onnx,torch,jax,gpu,mpi,dev]"
	@touch $@

setup: $(STAMP) ## Make the virtual environment and install everything into it

run: $(STAMP) ## Compile a real model for this machine, run it, compare, and show every level
	$(BIN)/python examples/first_run.py

test: $(STAMP) ## Run the tests, a file per processor at a time
	$(BIN)/python -m pytest -q -n auto --maxprocesses 8 --dist loadfile

lint: $(STAMP) ## Check style, types and the layering of imports
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

$(PEERS): $(STAMP)
	$(BIN)/python -m pip install --quiet $(TORCH) --no-build-isolation -e ".[bench]"
	@touch $@

bench: $(PEERS) ## Measure beside every peer (ARGS="--rows gemm --threads 2" for less)
	$(BIN)/python -m benchmarks.table $(ARGS)

validate-cost: $(STAMP) ## Predict what others have published of their runs, and print both
	$(BIN)/python -m benchmarks.validation $(ARGS)

$(MODELS): $(STAMP)
	$(BIN)/python -m pip install --quiet $(TORCH) --no-build-isolation -e ".[models]"
	@touch $@

conformance: $(MODELS) ## Run the suites of other projects (hours; ARGS="onnx-node --every 20" for less)
	$(BIN)/python -m tests.conformance $(ARGS)

mutation: $(STAMP) ## Break programs at every level and count how many breaks the checks notice
	$(BIN)/python -m tests.mutation $(ARGS)

fuzz: $(STAMP) ## Compile and compare random programs for SECONDS (default 600)
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),600) $(ARGS)

format: $(STAMP) ## Rewrite the sources in the project's style
	$(BIN)/ruff check --fix-only --quiet $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

clean: ## Remove what the targets above made
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache
