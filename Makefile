# `make` alone tells what there is. Everything runs in .venv, which is made from requirements-dev.lock when that changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKED := $(VENV)/.locked
READY := $(VENV)/.ready

SUITABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo kafka check format lint types imports unit test bench bench-kafka soak bench-schedule dashboards lock clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Another Python than python3: make PYTHON=python3.12 …"

demo: $(READY) ## simulator, relay and sample jobs in this terminal; Ctrl-C ends it
	@$(BIN)/relay demo

kafka: $(READY) ## a Kafka broker on this machine to try things with (needs Java and Maven); Ctrl-C ends it
	@PYTHONPATH=tests $(BIN)/python -m kafka

check: format lint types imports unit ## what takes seconds: format, lint, types, import rules, unit tests

format: $(READY)
	$(BIN)/ruff format --check

lint: $(READY)
	$(BIN)/ruff check

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

unit: $(READY)
	$(BIN)/pytest tests/unit

test: check ## check, and the contract, integration, simulation and deployment tests
	@PYTHONPATH=tests $(BIN)/python -m kafka.jars
	@PYTHONPATH=tests $(BIN)/python -m receiving.libraries
	$(BIN)/pytest tests/contract tests/integration tests/sim
	@PYTHONPATH=tests $(BIN)/python -m deploy.tools
	$(BIN)/pytest tests/deploy

bench: $(READY) ## benchmarks, as ratios to a floor that is measured in the same run
	PYTHONPATH=tests $(BIN)/python -m bench

bench-kafka: $(READY) ## benchmarks of the distributed service, with a broker beside it
	PYTHONPATH=tests $(BIN)/python -m bench.distributed

soak: $(READY) ## twenty rounds of kills, stops, sleeps and outages for replicas on Kafka (a quarter of an hour)
	@PYTHONPATH=tests $(BIN)/python -m kafka.jars
	$(BIN)/pytest tests/soak -s

bench-schedule: $(READY) ## when to poll, against other schedules in virtual time; draws docs/scheduling.png (3 minutes)
	PYTHONPATH=tests $(BIN)/python -m bench.schedule docs/scheduling.png

dashboards: $(READY) ## writes Grafana's dashboards, and draws them from a relay under load into docs/ (8 minutes, needs prometheus)
	$(BIN)/python -m deploy.dashboards
	PYTHONPATH=tests $(BIN)/python -m dashboards docs

lock: $(READY) ## renews the locks after a change of pyproject.toml; UPGRADE=--upgrade takes the newest versions
	$(COMPILE) $(UPGRADE) pyproject.toml --output-file requirements.lock
	$(COMPILE) $(UPGRADE) pyproject.toml --output-file requirements-dev.lock --extra dev --constraint requirements.lock
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' | \
	$(COMPILE) $(UPGRADE) - --output-file requirements-build.lock --constraint requirements-dev.lock

clean: ## removes .venv, caches and what was built
	rm -rf $(VENV) .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find relay tests -name __pycache__ -prune -exec rm -rf {} +

$(LOCKED): requirements-dev.lock
	@$(PYTHON) -c '$(SUITABLE)' || { \
		echo 'Relay needs Python 3.11 or newer with venv; "$(PYTHON)" is not. Try: make PYTHON=python3.12 …' >&2; exit 1; }
	@$(BIN)/python -c '$(SUITABLE)' 2>/dev/null || { echo 'Making $(VENV) …'; $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing $$(grep -c == $<) packages from $< (once, and when it changes) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

$(READY): $(LOCKED) pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
