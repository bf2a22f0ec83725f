# Everything happens in .venv; `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The newest Ray, and the oldest that is supported in an environment of its own.
CONSTRAINTS := constraints/ray-2.60.0.txt
OLD_VENV := .venv-ray-2.20.0
BENCH_VENV := .venv-bench
LIBRARIES_VENV := .venv-libraries
# xgboost comes without what it needs on GPUs.
LIBRARIES := boto3 faker jax lightgbm numba numexpr onnxruntime opencv-python-headless pandas polars pyarrow scikit-learn \
	sqlalchemy threadpoolctl torch
OLD_CONSTRAINTS := constraints/ray-2.20.0.txt
# What depends on the version of Ray, and not on ours alone.
OLD_MARKS := not slow and not one_ray
OLD_TESTS := $(patsubst %,tests/integration/test_%.py,crashes warm troubles lifecycle prometheus services doctor safety stock_ray)

# Tests mostly wait: as many at a time as there are processors. What takes longest comes first.
SIDE_BY_SIDE := -n $(shell nproc) --no-loadscope-reorder

.PHONY: help setup setup-old setup-bench demo demo-down test test-new test-unit test-docker test-ray test-old libraries bench chaos pictures check format clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Create .venv with daybreak, Ray 2.60.0 and the databases

$(VENV)/.ready: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "daybreak needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[ray,databases,plots,load,dev]'
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m compileall -q src
	@touch $@

setup-old: $(OLD_VENV)/.ready ## Create a second environment with Ray 2.20.0

$(OLD_VENV)/.ready: pyproject.toml $(OLD_CONSTRAINTS)
	$(PYTHON) -m venv $(OLD_VENV)
	$(OLD_VENV)/bin/python -m pip install --quiet --constraint $(OLD_CONSTRAINTS) --editable '.[ray,databases,load,test]'
	@touch $@

# An application that imports pandas and scikit-learn is measured; Ray itself is slower where pandas is installed, so
# everything else is measured without.
setup-bench: $(BENCH_VENV)/.ready ## Create a third environment for the bench of applications

$(BENCH_VENV)/.ready: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[ray,databases,bench]'
	@touch $@

# Whichever clone it was started from before, the example's cluster is this one's from now on.
demo: setup ## Bring the example cluster up with three workers
	cd examples/visits && ../../$(BIN)/daybreak up 3 --take-over
	@echo
	@echo "try:  curl http://127.0.0.1:8000/health"
	@echo "      curl -X POST http://127.0.0.1:8000/visits; curl http://127.0.0.1:8000/visits"
	@echo "then: cd examples/visits && ../../$(BIN)/daybreak status     (make demo-down stops it)"

demo-down: ## Stop the example cluster
	cd examples/visits && ../../$(BIN)/daybreak down

test: test-new test-old ## Run all tests, with Ray 2.60.0 and Ray 2.20.0

test-new: setup ## Run all tests with Ray 2.60.0: the three parts below at once
	$(BIN)/python -E -m pytest $(SIDE_BY_SIDE) tests/docker tests/hosts tests/integration tests/browser tests/contract tests/unit

test-unit: setup ## Run the tests that start no real Ray
	$(BIN)/python -E -m pytest $(SIDE_BY_SIDE) tests/browser tests/contract tests/unit

test-docker: setup ## Run the tests in containers
	$(BIN)/python -E -m pytest tests/docker

test-ray: setup ## Run the integration tests with Ray 2.60.0
	$(BIN)/python -E -m pytest $(SIDE_BY_SIDE) tests/hosts tests/integration

test-old: setup-old ## Run the integration tests with Ray 2.20.0
	$(OLD_VENV)/bin/python -E -m pytest $(SIDE_BY_SIDE) -m '$(OLD_MARKS)' $(OLD_TESTS)

$(LIBRARIES_VENV)/.ready: pyproject.toml constraints/libraries.txt
	$(PYTHON) -m venv $(LIBRARIES_VENV)
	$(LIBRARIES_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(LIBRARIES_VENV)/bin/python -m pip install --quiet --constraint constraints/libraries.txt --editable '.[ray,dev]' $(LIBRARIES)
	$(LIBRARIES_VENV)/bin/python -m pip install --quiet --constraint constraints/libraries.txt --no-deps xgboost
	@touch $@

libraries: $(LIBRARIES_VENV)/.ready ## Compare real libraries, warm and cold, in an environment of their own (minutes)
	$(LIBRARIES_VENV)/bin/python -m pytest tests/libraries

bench: setup setup-bench ## Measure daybreak and Ray's own commands side by side (hours; nothing else may run)
	$(BIN)/python -m bench startup scale restart reload endurance
	$(BENCH_VENV)/bin/python -m bench work
	$(BIN)/python -m bench.profile
	$(BENCH_VENV)/bin/python -m bench.table
	$(BENCH_VENV)/bin/python -m bench.plots

chaos: setup ## Kill and stop every part of a cluster under load; see docs/reliability.md (goes on where it was; nothing else may run)
	$(BIN)/python -m bench.chaos
	$(BIN)/python -m bench.table

pictures: setup ## Make the pictures of the docs anew, with real clusters, a Chromium and a Prometheus
	$(BIN)/python -m pictures

check: setup ## Lint, types, import arrow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/unit/test_arrow.py

format: setup ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the environments and caches
	rm -rf $(VENV) $(OLD_VENV) $(BENCH_VENV) $(LIBRARIES_VENV) build .mypy_cache .ruff_cache .pytest_cache
