# vorab: every target sets up what it needs by itself. `make` alone prints this list.
#
#   make demo ARGS="--seconds 60"   the whole system with a simulated fleet and recorded real faults
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed

# --no-deps: the lock file is complete and hashed, so there is nothing to resolve.
# --no-compile: Python compiles what it imports; compiling everything costs more than it saves.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --no-deps --no-compile --require-hashes
EDITABLE := PYTHONWARNINGS=ignore $(PIP) install --no-deps --no-compile --no-build-isolation --no-index --editable .

# Debian keeps the module venv in a package of its own.
GET_VENV := [ "$$(id -u)" = 0 ] && apt-get update -q >/dev/null && \
  apt-get install -y -q --no-install-recommends python3-venv >/dev/null

.PHONY: help demo venv dev test quick check format docs first-symptom acceptance chaos kills fuzz histories healing decisions retold mutations bench bench-kafka parts lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(RUNTIME) ## telemetry to a proactive message with one command (ARGS="--seconds 60 --json --no-browser")
	@$(BIN)/vorab demo $(ARGS)

venv: $(RUNTIME) ## .venv with what vorab needs to run
dev: $(DEV) ## .venv with what its developers need as well

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vorab needs Python 3.11 or newer; say make PYTHON=…")'
	@echo "installing into $(VENV) (once, about half a minute)" >&2
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); $(GET_VENV) && $(PYTHON) -m venv $(VENV); } || \
	  { rm -rf $(VENV); echo "Python cannot make a virtual environment here (Debian: apt-get install python3-venv)"; exit 1; }

$(RUNTIME): requirements/runtime.txt pyproject.toml setup.py | $(BIN)/python
	@$(INSTALL) -r requirements/runtime.txt
	@$(EDITABLE)
	@touch $@

# dev.txt holds runtime.txt as well, so it never waits for it.
$(DEV): requirements/dev.txt pyproject.toml setup.py | $(BIN)/python
	@$(INSTALL) -r requirements/dev.txt
	@$(EDITABLE)
	@touch $(RUNTIME) $@

# Two workers, also where there are more cores: each may start brokers of its own. tests/parts/lanes.py says who runs what.
test: $(DEV) ## everything, with real brokers and a real browser (as root on Debian it installs them)
	@$(BIN)/python -m tests.parts.install || echo "the tests that want a missing part will fail"
	@$(BIN)/python -m pytest --numprocesses 2 --again 3 $(ARGS)

quick: $(DEV) ## what needs neither root nor brokers, in a minute
	@HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-quick} $(BIN)/python -m pytest \
	  --numprocesses logical --dist loadscope -m "not (mosquitto or kafka or browser or slow)" tests/unit $(wildcard tests/contract) $(ARGS)

check: $(DEV) ## lint, format, types, docstrings, alert rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/interrogate --quiet vorab ingest streams notifier desk
	@if command -v promtool >/dev/null; then \
	  promtool check config deploy/prometheus/prometheus.yml && \
	  promtool check rules deploy/prometheus/rules/*.yml && \
	  promtool test rules deploy/prometheus/tests/*.yml; \
	else echo "promtool is not here, so the alert rules were not checked (Debian: apt-get install prometheus)"; fi

format: $(DEV) ## let Ruff put the files right
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

first-symptom: ## clone afresh into an empty home, install, run the demo; at most 90 s to the first symptom
	@$(PYTHON) scripts/first_symptom.py

acceptance: $(DEV) ## the same night embedded and on Kafka, shuffled: identical decisions
	@$(BIN)/python -m pytest -s tests/acceptance $(ARGS)

chaos: $(DEV) ## kill -9, again and again: nothing lost, nothing twice
	@$(BIN)/python -m pytest -s tests/chaos $(ARGS)

KILLS := tests/integration/test_notifier_kill.py tests/integration/test_notifier_providers.py
kills: $(DEV) ## the notifier dies 35 times over 300 due messages, providers hang, refuse and lie: nobody told twice, none forgotten
	@VORAB_TEST_KILLS=5 $(BIN)/python -m pytest -s -k "not kafka and not two_workers" $(KILLS) $(ARGS)

docs: $(RUNTIME) ## write the pages that repeat tables of the code
	@$(BIN)/python scripts/docs.py

fuzz: $(DEV) ## damaged messages for every decoder and dialect (ARGS="--inputs 10000000" for the whole of it)
	@$(BIN)/python -m tests.fuzz $(ARGS)

histories: $(DEV) ## device histories shuffled, delayed, repeated: the symptoms of ordered ones (ARGS="--count 100000")
	@$(BIN)/python -m tests.histories $(ARGS)

healing: $(DEV) ## a fleet of which half can be cured: proven or not closed (ARGS="--faults 1000", ARGS="--faults 200 --kills 24")
	@$(BIN)/python -m tests.healing $(ARGS)

decisions: $(DEV) ## a simulated fleet's decisions, 10,000 of them decided anew from the log (ARGS="--devices 3000 --ids 10000")
	@$(BIN)/python -m tests.decided $(ARGS)

retold: $(DEV) ## incidents decided anew from their cases, and symptoms from their readings (ARGS="--hours 48 --devices 200")
	@$(BIN)/python -m tests.retold $(ARGS)

mutations: $(DEV) ## take out each policy line and guard of the case core: a test must notice (ARGS="--only consent")
	@$(BIN)/python -m tests.mutations $(ARGS)

bench: $(DEV) ## vorab's own benchmarks, one JSON line each (ARGS="frame" for one)
	@for name in $(if $(ARGS),$(ARGS),frame detect bridge latency); do $(BIN)/vorab bench $$name; done

bench-kafka: $(DEV) ## the same beside a Kafka of its own (ARGS="bridge --rate 1000")
	@$(BIN)/python -m tests.parts.lend $(BIN)/vorab bench $(if $(ARGS),$(ARGS),bridge)

parts: $(DEV) ## install the real parts the tests want: Mosquitto, Kafka, Chromium, Node.js clients, promtool
	@$(BIN)/python -m tests.parts.install

# Pins stay unless the ranges in pyproject.toml move them; `make lock ARGS=--upgrade` takes the newest.
COMPILE := $(BIN)/pip-compile pyproject.toml --quiet --strip-extras --allow-unsafe --generate-hashes --no-header \
  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options --all-build-deps
lock: | $(BIN)/python ## write requirements/*.txt anew: exact versions with hashes, no download addresses
	@test -x $(BIN)/pip-compile || $(INSTALL) -r requirements/dev.txt
	@env -u PIP_FIND_LINKS $(COMPILE) $(ARGS) --output-file requirements/runtime.txt
	@env -u PIP_FIND_LINKS $(COMPILE) $(ARGS) --extra dev --extra postgres --constraint requirements/runtime.txt --output-file requirements/dev.txt

clean: ## forget the virtual environment and the fetched parts
	@rm -rf $(VENV) .parts test-logs build *.egg-info
