# Each target sets itself up. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NATIVE := $(wildcard native/*.c native/*.h)

.PHONY: docs man demo test check test-long fuzz bench native-asan lock audit lint release clean packages

$(VENV)/ready: pyproject.toml $(NATIVE)
	@$(PYTHON) -c 'import sys; sys.exit("walrus-fast needs Python 3.11 or newer; try PYTHON=python3.11 make ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV) || (echo "hint: apt-get install python3-venv" && exit 1)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

# RocksDB's own tools and the file systems that the tests mount; without root, the tests that need them say so.
packages:
	@sh tests/packages.sh

demo: $(VENV)/ready
	$(BIN)/python -m demo

test: packages $(VENV)/ready
	$(BIN)/python -m pytest -m "not long"

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

test-long: packages $(VENV)/ready
	$(BIN)/python -m pytest --timeout=7200

# A million inputs for each parser in C, and their coverage. RUNS=, and KEEP=--keep to make what was found the kept corpus.
RUNS ?= 1000000
fuzz: packages $(VENV)/ready
	$(BIN)/python -m tests.fuzz --runs $(RUNS) --coverage $(KEEP)

bench: $(VENV)/ready
	@sh tests/packages.sh
	$(BIN)/python -m bench

# What follows from the program: docs/errors.md, and the manual pages.
docs: $(VENV)/ready
	$(BIN)/python -m docgen errors docs/errors.md

man: $(VENV)/ready
	$(BIN)/python -m docgen man dist/share/man

native-asan: $(VENV)/ready
	PYTHON=$(CURDIR)/$(BIN)/python sh native/sanitize.sh

# What is uploaded, in dist/, checked; then the whole default suite against the installed wheel, once for each PYTHONS.
PYENV := $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions
PYTHONS ?= $(foreach minor,3.11 3.12 3.13,$(or $(lastword $(sort $(wildcard $(PYENV)/$(minor).*/bin/python))),python$(minor)))
release: packages $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,release]'
	rm -rf dist
	PYTHON=$(CURDIR)/$(BIN)/python sh deploy/release/build.sh dist
	for python in $(PYTHONS); do sh deploy/release/try.sh dist $$python -m "not long" || exit 1; done

# Exact versions with hashes, for releases and containers; pyproject.toml keeps the ranges. `make lock UPGRADE=--upgrade` moves on.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command 'make lock'
lock: $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(COMPILE) $(UPGRADE) pyproject.toml --output-file requirements.lock
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| $(COMPILE) $(UPGRADE) - --output-file requirements-build.lock

# Asks the package index for known vulnerabilities of what is locked. --strict: what could not be asked about is a failure.
audit: $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/pip-audit --strict --disable-pip --requirement requirements.lock --requirement requirements-build.lock

clean:
	rm -rf $(VENV) build dist src/*.egg-info src/walrus_fast/*.so
