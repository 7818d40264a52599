# make quickstart   set everything up, make a small wiki with known truth, run the whole job on it
# make test         set everything up, check style and types, run the tests
# make chaos        kill workers and drivers of a local Ray cluster; a job that was killed must end as one left alone
# make bench        the claims on quality and speed, each against a peer; JSON in benchmarks/out. One: make bench-training
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin

TEST_PROCESSES ?= 2

# Benchmarks that want a dump and word lists run where these are; that of a GPU where there is a driver.
DATA       ?= ../shared/data
DUMP       ?= $(wildcard $(DATA)/dumps/enwiki-106-articles.xml.bz2)
GAZETTEERS ?= $(wildcard $(DATA)/gazetteers/en)
BENCHES    := kmeans training stages
ifneq ($(and $(DUMP),$(GAZETTEERS)),)
BENCHES    += anchors links matcher gazetteers corpus
endif
ifneq ($(shell command -v nvidia-smi),)
BENCHES    += gpu
endif
BENCHES    := $(addprefix bench-,$(BENCHES))

.PHONY: setup quickstart test chaos lint bench $(BENCHES) clean

quickstart: setup
	$(BIN)/cofee quickstart

test: setup lint
	./scripts/system-packages.sh browser
	$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadscope --no-loadscope-reorder

chaos: setup
	$(BIN)/pytest -m chaos

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(BENCHES)

# As the command line has it: threads that wait do not spin.
$(BENCHES): export OMP_WAIT_POLICY = PASSIVE

bench-kmeans bench-stages: bench-%: setup
	$(BIN)/python benchmarks/$*.py

bench-training: setup
	$(BIN)/python -m benchmarks.training $(DUMP)

bench-gpu: setup
	$(BIN)/python -m benchmarks.gpu

bench-anchors bench-links: bench-%: setup
	$(BIN)/python -m benchmarks.$* $(wildcard $(DATA)/dumps/*.bz2)

bench-matcher bench-gazetteers bench-corpus: bench-%: setup
	$(BIN)/python benchmarks/$*.py $(DUMP) $(GAZETTEERS)

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt scripts/system-packages.sh
	./scripts/system-packages.sh base
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[cpu,dev,bench]'
	touch $@

clean:
	rm -rf $(VENV) quickstart runs benchmarks/out
