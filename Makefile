# One line of help behind each target; `make` prints them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= python3

.PHONY: help demo test e2e bench bench-runtime crds images lint types core unit clean

help:  ## show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# torch first and pinned: unpinned it brings gigabytes of CUDA; torchvision without its own idea of torch.
# Beside them, for tests/contract/test_one_process.py, the packages that we stand in for.
$(VENV)/.installed: pyproject.toml constraints.txt tests/contract/peers.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check "$$(grep '^pip==' constraints.txt || echo 'pip>=25')"
	$(BIN)/pip install -q -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	$(BIN)/pip install -q --no-deps "$$(grep '^torchvision==' constraints.txt)"
	$(BIN)/pip install -q -c constraints.txt -e '.[operator,agent,runtime,ray,dev]'
	$(BIN)/pip install -q --no-deps --upgrade --target $(VENV)/peers -r tests/contract/peers.txt
	@touch $@

demo: $(VENV)/.installed  ## run the whole walk-through on this machine, no cluster needed
	@$(BIN)/mooring demo

test: lint types core unit  ## lint, types, import rules and all tests that need no cluster

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed
	$(BIN)/mypy

# Every branch of the pure core is tested: it is small enough, and the cluster's tests are slow enough.
core: $(VENV)/.installed
	$(BIN)/pytest -q tests/operator tests/contract --ignore tests/operator/local \
	  --cov=mooring_operator.core --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

unit: $(VENV)/.installed
	$(BIN)/pytest

e2e: $(VENV)/.installed  ## the walk-through on the current kubectl context (MOORING_NODE=1: on the test node of ../shared/kube)
	$(BIN)/pytest e2e

bench: $(VENV)/.installed  ## measure the control plane on the test node, beside KServe's figures; writes bench/results/
	$(BIN)/python -m bench.control_plane

bench-runtime: $(VENV)/.installed  ## measure the runtime beside KServe and MLServer, in one run; writes bench/results/ (ARGS="--quick", "--only jpeg,grpc")
	$(BIN)/python -m bench.runtime $(ARGS)

crds: $(VENV)/.installed  ## write the CRD YAML from the types of crds/mooring_api
	$(BIN)/python crds/generate.py

images: $(VENV)/.installed  ## build the three images and print their sizes
	$(BIN)/python -m e2e.images

clean:  ## remove what make made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
