# `make` alone lists the targets; `make repro` and `make test` set up everything that they need.
#
#   PYTHON=python3.12   the interpreter of .venv (default: the newest of 3.11 to 3.13)
#   PORT=8080           the port of `make ui` and `make shop`
#   QUICK=1             a short benchmark
#   BEFORE=v1.2.3       the release, or commit, from which `make release-rehearsal` upgrades (default: the last)
#   WORKERS=0           run the tests one by one (default: three processes, two for the slow ones and those with services)

.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin

# Three processes even on two CPUs, since tests spend half of the time waiting for browsers, servers and processes. Two
# for slow tests, which train and drive several browsers each; in the order of folders, the longest do not come last.
# Tests of what the libraries of a stage are asked for, without those that only the repository itself has.
LOWEST := tests/core tests/fetch tests/images tests/local tests/metrics tests/scrape/collection tests/split tests/tracking

PYTEST := $(BIN)/python -m pytest --dist loadfile --numprocesses

# DVC runs the `python` of PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHON QUICK

# DVC, MLflow and uv fail without a home folder and a name: a user without an entry in /etc/passwd has neither.
ifneq ($(shell test -d "$$HOME" && echo yes),yes)
export HOME := $(CURDIR)/.pixmill/home
$(shell mkdir -p '$(HOME)')
endif
ifeq ($(USER)$(LOGNAME),)
export USER := $(shell id -un >/dev/null 2>&1 && id -un || echo unknown)
endif

# Keep compiled files: otherwise each process compiles all imports, for up to half a minute.
unexport PYTHONDONTWRITEBYTECODE

# No telemetry.
export DO_NOT_TRACK := true
export DVC_NO_ANALYTICS := 1
export GX_ANALYTICS_ENABLED := false
export MLFLOW_DISABLE_TELEMETRY := true
export SE_AVOID_STATS := true
export TF_CPP_MIN_LOG_LEVEL := 2

.PHONY: help repro data test test-slow test-services test-lowest release-rehearsal lint check stale docs ui shop screenshots reference requirements clean setup browser runtime

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { sub(/%/, "<name>", $$1); printf "make %-17s %s\n", $$1, $$2 }' Makefile

repro: data check browser ## set everything up and run the pipeline
	@$(MAKE) runtime CI=
	@$(BIN)/dvc repro
	@$(BIN)/pixmill summary

data: setup ## fill an empty data/ with the bundled images
	@$(BIN)/pixmill demo

test: browser data runtime ## set everything up and run the tests
	@$(PYTEST) $(or $(WORKERS),3) -m "not slow and not services"

test-slow: browser data runtime ## run the slow tests, which take minutes each
	@$(PYTEST) $(or $(WORKERS),2) --no-loadscope-reorder -m "slow and not services"

test-services: browser data runtime ## run the tests with services: Ray, S3, PostgreSQL, MLflow, a remote browser
	@$(PYTEST) $(or $(WORKERS),2) --no-loadscope-reorder -m services

test-lowest: data ## run fast tests with the lowest versions that pyproject.toml promises, in build/lowest
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/lowest
	@$(BIN)/uv pip install --quiet --python build/lowest --resolution lowest-direct --editable '.[pipeline]'
	@$(BIN)/uv pip install --quiet --python build/lowest pytest pytest-timeout pytest-xdist hypothesis psycopg2-binary
	@build/lowest/bin/python -m pytest --dist loadfile --numprocesses $(or $(WORKERS),3) \
		-m "not slow and not services and not browser" $(LOWEST)

release-rehearsal: setup ## build the wheel, install it by name, upgrade a project of the last release (BEFORE=v1.2.3), run its CI
	@$(BIN)/python -m tests.rehearsal $(BEFORE)

lint: setup ## check style, types, scripts and workflows
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy src stages .ci/reference.py .ci/release.py .ci/stale.py
	@if [ -x $(BIN)/biome ]; then $(BIN)/biome lint --error-on-warnings; fi
	@$(BIN)/shellcheck .ci/setup .ci/run .ci/compare
	@$(BIN)/zizmor --offline --no-progress --quiet .github/workflows src/pixmill/project/new/template/_github/workflows/*.yml

check: setup ## check params.yaml, your folders and lists
	@$(BIN)/pixmill doctor --quick

stale: setup ## check that the committed results match the committed code, params and data
	@$(BIN)/python .ci/stale.py

docs: setup ## build the site of docs/ into build/docs; warnings are errors
	@rm -rf build/docs
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --doctree-dir build/doctrees docs build/docs
	@$(BIN)/python -m tests.documents.blocks
	@echo "build/docs/index.html"

ui: setup ## start the MLflow UI on this machine (PORT=5000)
	@PYTHONWARNINGS=ignore MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false; export PYTHONWARNINGS MLFLOW_SERVER_ENABLE_JOB_EXECUTION; \
	uri="$$($(BIN)/python -c 'from pixmill.core.files.workspace import Workspace; from pixmill.tracking.store import tracking_uri; \
		print(tracking_uri(Workspace.current()))')" && $(BIN)/mlflow ui --workers 1 --backend-store-uri "$$uri" \
		--host 127.0.0.1 --port $(or $(PORT),5000)

shop: data ## open the bundled shop in a browser (PORT=8000)
	@$(BIN)/pixmill demo --shop --open --port $(or $(PORT),8000)

screenshots: repro ## run the pipeline and draw docs/images/ from its results
	@$(BIN)/python -m tests.screenshots

bench-%: ## run benchmarks/<name>.py (QUICK=1 for a short one)
	@test -f benchmarks/$*.py || { \
		echo "No such benchmark: '$*'. The benchmarks are: $(or $(patsubst benchmarks/%.py,%,$(wildcard benchmarks/*.py)),none yet)" >&2; \
		exit 2; }
	@$(MAKE) browser data
	@$(BIN)/python benchmarks/$*.py

reference: setup ## regenerate pages of docs/reference, the JSON Schema, and the code in the deps of dvc.yaml
	@$(BIN)/python .ci/reference.py

requirements: setup ## regenerate the pinned packages (UPGRADE=1: newest releases)
	@$(BIN)/python .ci/requirements.py $(if $(UPGRADE),--upgrade)
	@$(MAKE) setup

clean: ## remove installed packages and caches; keep images, results and runs
	@rm -rf .venv .venv-bench build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find $(wildcard src stages tests benchmarks) -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Kept: data/ artifacts/ reports/ .pixmill/ mlflow.db mlruns/ .dvc/cache/"

setup:
	@.ci/setup

browser: setup
	@$(BIN)/pixmill doctor --fix browser

# LiteRT.js, which runs exported pages, into the package. Without a network, all else goes on without it, but not tests in CI.
runtime: setup
	@$(BIN)/python .ci/backend.py \
		|| { echo "LiteRT.js cannot be fetched: this installation makes no pages (pixmill export html)" >&2; test -z "$$CI"; }
