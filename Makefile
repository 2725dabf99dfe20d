# What people and CI call. Every target makes what it needs from Python 3.11+, make and the package registries.
#
#   make demo     train, quantize, verify and explain a small network, into octavo-demo/
#   make test     the whole test suite, on every Keras backend of BACKENDS
#   make test-all  the same with every combination, layer and network of the exhaustive tests; hours
#   make test-micro  all tests of models in C, each operator in files of its own, on every core, with more vectors
#   make check    format, lint, types and structure
#   make docs     write the generated pages again, and build the site of them and of the API into site/
#   make conformance  docs/conformance.md again: every layer and function of Keras; some minutes
#   make bench    figures against other tools, as ratios in one run
#   make bench-micro  instructions, flash and RAM of MLPerf Tiny's networks in C, on emulated cores
#   make mutants  small faults put into the arithmetic, the plan and the passes: which do the fast tests notice?
#   make fuzz     20,000 damaged files, read in child processes; some hours, FUZZ_CASES=2000 is the short run
#   make extremes  1,000 models of extreme numbers quantized, EXTREME_CASES=100 is the short run
#   make clean    remove the environment, caches and the demo's output
#
# Variables: KERAS_BACKEND (jax) runs the demo; BACKENDS (jax tensorflow torch) are installed for the tests, and
# TEST_BACKEND of them (torch, which compiles nothing: many small networks take a third of the time) runs them all, the
# others what depends on the backend; WORKERS (2) test processes; MUTANTS (120) faults to try; DEMO_ARGS and PYTEST_ARGS
# are passed on. On Linux PyTorch from the default registry brings CUDA along, several gigabytes: `make test
# BACKENDS=jax` is the lean run, in which the tests of absent backends are skipped and say so.

KERAS_BACKEND ?= jax
BACKENDS ?= jax tensorflow torch
TEST_BACKEND ?= $(or $(filter torch,$(BACKENDS)),$(KERAS_BACKEND))
WORKERS ?= 2
MUTANTS ?= 120
export KERAS_BACKEND
# Tests start many processes: what they import is compiled once.
unexport PYTHONDONTWRITEBYTECODE

ifndef PYTHON
PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
    $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
endif

VENV := .venv
BIN := $(VENV)/bin
space := $(subst ,, )
comma := ,
DEMO_STAMP := $(VENV)/.demo-$(KERAS_BACKEND)
TEST_BACKENDS := $(sort $(TEST_BACKEND) $(BACKENDS))
TEST_STAMP := $(VENV)/.test-$(subst $(space),-,$(TEST_BACKENDS))
BENCH_STAMP := $(VENV)/.bench
DOCS_STAMP := $(VENV)/.docs
MUTANTS_STAMP := $(VENV)/.mutants
# What is imported is compiled then, which is little of what is installed.
INSTALL := $(BIN)/python -m pip install -qq --no-compile --no-input --disable-pip-version-check -c constraints.txt
PYTEST = $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)
SUITE = $(PYTEST) $(EXHAUSTIVE)

.DELETE_ON_ERROR:
.PHONY: demo test test-all test-micro check docs conformance bench bench-micro mutants fuzz extremes clean

demo: $(DEMO_STAMP)
	@$(BIN)/octavo demo $(DEMO_ARGS)

test-all: EXHAUSTIVE := --exhaustive
test test-all: $(TEST_STAMP)
	@KERAS_BACKEND=$(TEST_BACKEND) $(SUITE) tests
	@for backend in $(filter-out $(TEST_BACKEND),$(BACKENDS)); do \
	    echo "the tests marked every_backend again, on $$backend:"; \
	    KERAS_BACKEND=$$backend $(SUITE) -m every_backend tests/keras || exit 1; done

test-micro: $(TEST_STAMP)
	@$(PYTEST) --exhaustive tests/micro tests/real/test_export_real_models.py

check: $(TEST_STAMP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/structure

docs: $(DOCS_STAMP)
	@$(BIN)/octavo ops --markdown > docs/operators.md.new && mv docs/operators.md.new docs/operators.md
	@$(BIN)/python tools/site.py site

conformance: $(TEST_STAMP)
	@$(BIN)/python tools/conformance.py

bench: $(BENCH_STAMP)
	@$(BIN)/python -m bench $(BENCH_ARGS)

bench-micro: $(TEST_STAMP)
	@$(BIN)/python -m bench micro $(CORES)

mutants: $(MUTANTS_STAMP)
	@$(BIN)/python tools/mutants.py --number $(MUTANTS) --workers $(WORKERS)

fuzz: $(TEST_STAMP)
	@PYTHONPATH=tests $(BIN)/python -m fuzz $(or $(FUZZ_CASES),20000)

extremes: $(TEST_STAMP)
	@PYTHONPATH=tests $(BIN)/python -m fuzz.run_extremes $(or $(EXTREME_CASES),1000)

clean:
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .mutants build dist octavo-demo src/octavo.egg-info
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Octavo needs Python 3.11 or later (with venv); set PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(DEMO_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the demo needs into $(VENV) (once, one or two minutes) ..."
	@$(INSTALL) -e ".[demo,micro,$(KERAS_BACKEND)]"
	@touch $@

$(TEST_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the tests need into $(VENV) (once, some minutes) ..."
	@$(INSTALL) -e ".[demo,micro,search,dev,$(subst $(space),$(comma),$(TEST_BACKENDS))]"
	@touch $@

$(BENCH_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Octavo and the tools it is measured against into $(VENV) (once, some minutes) ..."
	@$(INSTALL) -e ".[demo,micro,dev,bench,jax,tensorflow]"
	@touch $@

$(MUTANTS_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what mutation testing needs into $(VENV) (once, one or two minutes) ..."
	@$(INSTALL) -e ".[demo,micro,dev,mutants,jax]"
	@touch $@

$(DOCS_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the documentation needs into $(VENV) (once, one or two minutes) ..."
	@$(INSTALL) -e ".[docs,demo,micro,jax]"
	@touch $@
