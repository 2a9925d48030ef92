# Everything a person types. `make bench` on a fresh machine makes .venv, installs, and runs the benchmark.
.DEFAULT_GOAL := help
.PHONY: help dev bench odyssey reproduce ui report dashboard test test-slow test-cluster lint format microbench measured coverage reference clean

PYTHON ?= python3
SUITE ?= quick
WHAT ?= tracking bare cells report
PORT ?= 5000
DASHBOARD_PORT ?= 8080
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
PYTEST := $(BIN)/python -m pytest

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Editable: entry points are read at installation, so a change of pyproject.toml installs again.
.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable '.[data]'
	@touch $@

.venv/.dev: .venv/.installed
	$(PIP) --editable '.[data,dev]'
	@touch $@

dev: .venv/.dev ## install what developing needs, too

bench: .venv/.installed ## run a suite (SUITE=quick) and print its table
	$(BIN)/lstm-bench bench $(SUITE)

odyssey: .venv/.installed ## the LSTM and its variants over three tasks, after Greff et al. 2017 (some 35 minutes)
	$(PIP) --editable '.[data,fast]'
	$(BIN)/lstm-bench bench odyssey
	$(BIN)/python -m lstm_bench.odyssey

reproduce: .venv/.installed ## the table of Hochreiter and Schmidhuber 1997, row by row (some 3 hours; it goes on where it was)
	$(PIP) --editable '.[data,paper]'
	$(BIN)/lstm-bench reproduce hochreiter1997

ui: .venv/.installed ## serve the MLflow UI over results/ (PORT=5000), on this machine alone
	$(BIN)/lstm-bench ui --port $(PORT)

report: .venv/.installed ## one HTML page on all studies of results/: answers, verdicts, figures, costs
	$(BIN)/lstm-bench report

dashboard: .venv/.installed ## Optuna's dashboard over the studies (extra: it installs optuna-dashboard)
	$(PIP) --editable '.[data,dashboard]'
	$(BIN)/python -m lstm_bench.tuning.dashboard --port $(DASHBOARD_PORT)

# The files of long tests come first in the order of collection: else one of them is left to one core at the end.
test: .venv/.dev ## every test that takes seconds
	$(PYTEST) -n 2 --dist loadscope --no-loadscope-reorder -m "not slow and not gpu and not cluster" --ignore tests/benchmarks

test-slow: .venv/.dev ## the tests that take minutes: suite quick, whole, to the scores it must reach
	$(PYTEST) -n 2 -m slow tests/unit
	$(PYTEST) -n 2 --dist loadfile -m slow tests/end_to_end tests/browser --ignore tests/end_to_end/test_kills.py
	$(PYTEST) -m slow tests/end_to_end/test_kills.py

test-cluster: .venv/.dev ## the tests that want Ray and PostgreSQL (apt-get install postgresql), all on this machine
	$(PIP) --editable '.[data,dev,ray,postgres]'
	$(PYTEST) -m cluster tests/cluster

lint: .venv/.dev ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.dev ## let ruff mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

microbench: .venv/.dev ## the speeds that the README gives (pytest-benchmark)
	$(PYTEST) tests/benchmarks

measured: .venv/.dev ## take the speeds of this machine (WHAT=tracking, bare, cells, report; card, crowd) into results/reference/ and the README
	for what in $(WHAT); do \
		$(PYTEST) tests/benchmarks/test_$$what.py --benchmark-json .venv/$$what.json && \
		$(BIN)/python -m lstm_bench.report.measured .venv/$$what.json || exit 1; done

coverage: .venv/.installed ## what each interval covers, simulated, into results/reference/ and the README
	$(BIN)/python -m lstm_bench.report.coverage

reference: .venv/.installed ## take the answers of SUITE into results/reference/ and the README
	$(BIN)/python -m lstm_bench.report.reference $(SUITE)

clean: ## forget the installation; results stay
	rm -rf .venv
