# `make help` lists the targets. Settings are given behind them: `make prepare DATA=georgia ROOT=/data/georgia`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ECG_TL := $(BIN)/ecg-tl
STAMP := $(VENV)/.installed

# What the targets work on.
DATA ?= ptbxl
ROOT ?= data/$(DATA)
MODEL ?= resnet1d18
PROTOCOL ?= strict
RECIPE ?= full
METHOD ?= jepa
SEED ?= 0
RUNS ?= runs
CONFIG ?= sample
# Anything else for the command, such as ARGS="--trainer.max_epochs 5".
ARGS ?=
# For `ecg-tl study run` alone, such as RUN_ARGS="--concurrent 4".
RUN_ARGS ?=

FIT = $(ECG_TL) fit -c $(DATA) -c $(MODEL) -c $(PROTOCOL) --data.root $(ROOT) --seed_everything $(SEED) --runs_dir $(RUNS)

.DEFAULT_GOAL := help
.PHONY: help setup ask demo test test-slow coverage docs lint format types data synthesize prepare check pretrain pretrain-ssl finetune scratch \
        study bench bench-gpu bench-peers fuzz tensorboard clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "settings: DATA=$(DATA) ROOT=$(ROOT) MODEL=$(MODEL) PROTOCOL=$(PROTOCOL) RECIPE=$(RECIPE) METHOD=$(METHOD) SEED=$(SEED)"

setup: $(STAMP) ## install everything into .venv, once
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev]'
	touch $@

ask: setup ## fine-tune, or train from scratch? from the records in ROOT to the answer
	$(ECG_TL) ask $(ROOT) $(ARGS)

demo: setup ## the main job on synthetic records, from files to a report
	$(ECG_TL) demo $(ARGS)

test: setup ## the tests of half a second or less each
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not slow" $(ARGS)

test-slow: setup ## the tests of more than half a second each: whole trainings and studies, the wheel, the notebook
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m slow $(ARGS)

coverage: setup ## both, and which lines none of them runs; takes twice their time
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --cov --cov-report=term:skip-covered $(ARGS)

lint: setup ## ruff: style and common faults; import-linter: which room of the code may use which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

format: setup ## ruff: correct what can be corrected
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup ## mypy, strict
	$(BIN)/mypy

docs: setup ## the documentation as web pages, in `site`
	$(BIN)/mkdocs build --strict

data: setup ## show the datasets: classes, size, licence, where to get them
	$(ECG_TL) data list

synthesize: setup ## write simulated records: DATA=layout ROOT=folder
	$(ECG_TL) data synthesize $(DATA) --root $(ROOT) --seed $(SEED) $(ARGS)

prepare: setup ## read a dataset into its store: DATA=dataset ROOT=folder
	$(ECG_TL) data prepare $(DATA) --root $(ROOT) $(ARGS)

check: setup ## read a dataset and report what is wrong: DATA=dataset ROOT=folder
	$(ECG_TL) data check $(DATA) --root $(ROOT) $(ARGS)

pretrain: setup ## train an upstream: DATA=dataset MODEL=network
	$(FIT) --experiment $(DATA)-$(MODEL)-upstream $(ARGS)

pretrain-ssl: setup ## pre-train an upstream without labels: METHOD=jepa, cpc or simclr DATA=dataset ROOT=folder
	$(ECG_TL) pretrain -c $(METHOD) --data $(DATA) --data.root $(ROOT) --seed_everything $(SEED) --runs_dir $(RUNS) \
	  --experiment $(DATA)-$(METHOD) $(ARGS)

scratch: setup ## train a downstream from scratch: DATA=dataset MODEL=network
	$(FIT) --experiment $(DATA)-$(MODEL)-scratch $(ARGS)

finetune: setup ## fine-tune an upstream: UPSTREAM=checkpoint DATA=dataset MODEL=network RECIPE=recipe
	@test -n "$(UPSTREAM)" || { echo "name the checkpoint: make finetune UPSTREAM=runs/.../best.ckpt"; exit 1; }
	$(FIT) -c $(RECIPE) --transfer.upstream $(UPSTREAM) \
	  --experiment $(DATA)-$(MODEL)-$(RECIPE) $(ARGS)

study: setup ## run a study, or go on with it, and write its report: CONFIG=study ARGS="--data_root FOLDER"
	$(ECG_TL) study run $(CONFIG) $(RUN_ARGS) $(ARGS)
	$(ECG_TL) study report $(CONFIG) $(ARGS)

bench: setup ## tables of speed and memory, on two quiet cores: ARGS=--quick for a look
	for script in training_step trainer_overhead cached_features feeding prepare inference study_throughput startup finished_study scale; do \
	  $(BIN)/python benchmarks/$$script.py $(ARGS) || exit 1; done

bench-gpu: setup ## the same questions on a GPU, in one table: ARGS=--quick for a look
	$(BIN)/python benchmarks/gpu.py $(ARGS)

bench-peers: setup ## this project beside a plain script, deepecgkit and torch_ecg; installs these beside
	$(BIN)/python benchmarks/peers.py $(ARGS)

fuzz: setup ## 3,000 damaged and hostile files of every kind: ARGS="--mutants 150 --seed 1"
	$(BIN)/python benchmarks/fuzz.py $(ARGS)

tensorboard: setup ## look at the runs: RUNS=folder
	$(BIN)/tensorboard --logdir $(RUNS)

clean: ## remove caches and build products; records, stores and runs stay
	rm -rf build dist site *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
