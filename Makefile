# Two jobs for a fresh machine with Python 3.11 or newer:
#   make case_study1   runs the main experiment (flags: make case_study1 FLAGS="--preset=paper")
#   make test          runs the tests (make test_slow the slow ones, make test_all both)
PYTHON ?= python3
VENV ?= .venv
FLAGS ?=
BIN := $(VENV)/bin

.PHONY: case_study1 test test_slow test_all test_package bazel_test build_files lock lint site benchmarks clean

$(VENV)/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# --resume starts a run where there is none, so that the same command goes on after an interruption.
case_study1: $(VENV)/installed
	$(BIN)/python -m experiments.case_study1 --resume $(FLAGS)

test: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 -m "not slow"

test_slow: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder -m slow

test_all: $(VENV)/installed
	$(BIN)/python -m pytest -n 2

# Against the scalesim package itself, in an environment with the NumPy that it needs.
test_package: $(VENV)_scalesim/installed
	$(VENV)_scalesim/bin/python -m pytest tests/test_scalesim_package.py

$(VENV)_scalesim/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)_scalesim
	$(VENV)_scalesim/bin/python -m pip install --quiet --upgrade pip
	$(VENV)_scalesim/bin/python -m pip install --quiet --editable '.[plots,scalesim]' \
		'hypothesis>=6.100' 'pytest>=8'
	touch $@

# With Debian's Bazel 4, and the packages installed here; with a newer one: bazel test //...
bazel_test: $(VENV)/installed
	$(BIN)/python -m tools.bazel_test

build_files: $(VENV)/installed
	$(BIN)/python -m tools.write_build --write

lock:
	PYTHON=$(PYTHON) tools/write_lock.sh

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# NO_MKDOCS_2_WARNING: the theme's notice about its successor is no warning of the build.
site: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

benchmarks: $(VENV)/installed
	$(BIN)/python -m benchmarks.labelling
	$(BIN)/python -m benchmarks.training

clean:
	rm -rf $(VENV) $(VENV)_scalesim
