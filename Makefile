# make quickstart   set everything up, make a small wiki with known truth, run the whole job on it
# make test         set everything up, check style and types, run the tests
# make chaos        kill workers and drivers of a local Ray cluster; a job that was killed must end as one left alone
# make bench        the claims on quality and speed, each against a peer; JSON in benchmarks/out
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin

.PHONY: setup quickstart test chaos lint bench clean

quickstart: setup
	$(BIN)/cofee quickstart

test: setup lint
	./scripts/system-packages.sh browser
	$(BIN)/pytest

chaos: setup
	$(BIN)/pytest -m chaos

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m benchmarks.anchors
	$(BIN)/python -m benchmarks.links
	$(BIN)/python benchmarks/stages.py

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt scripts/system-packages.sh
	./scripts/system-packages.sh base
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[cpu,dev,bench]'
	touch $@

clean:
	rm -rf $(VENV) quickstart runs benchmarks/out
