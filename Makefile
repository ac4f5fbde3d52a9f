# The commands of this project. They need make, git and a Python >= 3.11, and build everything else themselves.
#   make run [SWEEP=<preset>] [HARVEST=<folder> [HELD_OUT=0.25,0.75]] [ADD=auto|0.3,0.6] [RUNNER=dask|ray]

override SHELL := /bin/bash
override BIN := .venv/bin
override INSTALLED := .venv/installed
.DEFAULT_GOAL := help
.PHONY: help install run drift compare sweep test test-fast faults lint format types docs picture bench bench-full deploy deploy-stop rollback clean

# What a user gives reaches recipes by the environment alone, as "$$SWEEP": neither make nor a shell reads it as anything
# but text. `value` keeps make itself from expanding it.
GIVEN := SWEEP HARVEST HELD_OUT ADD RUNNER METHODS JOBS PORT NOTIFY UNITS PYTHON FIRST COUNT
$(foreach name,$(GIVEN),$(eval override export $(name) := $$(value $(name))))

# The first of these that is new enough builds .venv; `make PYTHON=/path/to/python install` chooses another.
override FOUND = $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*##/\t/' | expand -t 16

install: $(INSTALLED)  ## build .venv with everything in it

# Written only when all is there: an installation that was interrupted is taken up again by the next command.
$(INSTALLED): pyproject.toml constraints.txt
	@python="$${PYTHON:-$(FOUND)}"; \
	test -n "$$python" || { echo "No Python >= 3.11 found (python3 is: $$(python3 --version 2>&1)). Install one, or name it: make PYTHON=/path/to/python install" >&2; exit 1; }; \
	"$$python" -c 'import sys; sys.version_info >= (3, 11) or sys.exit("PYTHON = %s is %d.%d; 3.11 or newer is needed" % (sys.executable, *sys.version_info[:2]))' && \
	echo "Building .venv with $$("$$python" --version): about 3 GB, some minutes" && \
	"$$python" -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: $(INSTALLED)  ## the whole sweep, from networks to a registered surrogate; SWEEP=, HARVEST=, HELD_OUT= choose it; ADD=auto, ADD=0.3,0.6 trains more anchors
	@$(BIN)/python -m flows run $(if $(SWEEP),--sweep="$$SWEEP") $(if $(HARVEST),--harvest="$$HARVEST") $(if $(HELD_OUT),--held-out="$$HELD_OUT") $(if $(ADD),--add="$$ADD") $(if $(RUNNER),--runner="$$RUNNER")

drift: $(INSTALLED)  ## score the champion on fresh samples, against the errors that it was registered with
	@$(BIN)/python -m flows drift

compare: $(INSTALLED)  ## fit everything that one could do instead, and judge it beside the surrogate; METHODS=a,b some of it
	@$(BIN)/python -m pipeline exp -S "validate.methods=[$${METHODS:-all}]" validate

sweep: $(INSTALLED)  ## write a preset into params.yaml without running it: SWEEP=, or HARVEST= and HELD_OUT=
	@$(BIN)/python -m pipeline sweep $(if $(HARVEST),--harvest="$$HARVEST") $(if $(HELD_OUT),--held-out="$$HELD_OUT") $(if $(SWEEP),-- "$$SWEEP")

# Files of tests are independent: two processes take half the time, one thread each, so that they do not compete.
override PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n "$${JOBS:-2}" --dist loadfile

test: $(INSTALLED)  ## every test, in two processes (JOBS=2)
	$(PYTEST)

test-fast: $(INSTALLED)  ## the tests for every day
	$(PYTEST) -m "not slow"

faults: $(INSTALLED)  ## whole runs under faults, one after another (FIRST=0 COUNT=50), and a line for each in build/faults.md
	@mkdir -p build
	FAULTS_FIRST="$${FIRST:-0}" FAULTS="$${COUNT:-50}" FAULTS_TABLE="$$PWD/build/faults.md" \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/faults/test_schedules.py

lint: $(INSTALLED)  ## rules and layout of the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED)  ## lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(INSTALLED)  ## check the types
	$(BIN)/mypy

docs: $(INSTALLED)  ## write docs/reference.md and docs/architecture.md, with its picture, from the source
	$(BIN)/python -m tools.reference
	$(BIN)/python -m tools.architecture

picture: $(INSTALLED)  ## draw README's first picture; the first time trains the networks of the default sweep (minutes)
	$(BIN)/python -m tools.curves

bench: $(INSTALLED)  ## measure against the targets and write docs/benchmarks.md
	$(BIN)/python -m benchmarks

bench-full: $(INSTALLED)  ## the same, with R^64, twenty seeds on every published file of anchors, the ablations and the policies (hours)
	$(BIN)/python -m benchmarks --full

deploy: $(INSTALLED)  ## server on loopback (PORT=4200), a worker for each pool, all deployments of prefect.yaml; NOTIFY=https://... is told of failed runs; UNITS=1: as systemd units
	@$(BIN)/python -m flows deploy --port="$${PORT:-4200}" $(if $(NOTIFY),--notify="$$NOTIFY") $(if $(UNITS),--units)

deploy-stop: $(INSTALLED)  ## end what deploy started
	@$(BIN)/python -m flows stop

rollback: $(INSTALLED)  ## put the champion back to the version before
	@$(BIN)/python -m pipeline rollback

clean:  ## forget the environment and what tools keep, checkpoints too; data, cache and registry stay
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .checkpoints .progress
