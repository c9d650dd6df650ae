# Each target sets itself up. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NATIVE := $(wildcard native/*.c native/*.h)

.PHONY: demo test check test-long bench native-asan lint clean packages

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

bench: $(VENV)/ready
	@sh tests/packages.sh bench
	$(BIN)/python -m bench

native-asan: $(VENV)/ready
	PYTHON=$(CURDIR)/$(BIN)/python sh native/sanitize.sh

clean:
	rm -rf $(VENV) build dist src/*.egg-info src/walrus_fast/*.so
