# Each target works on a fresh machine with Python >= 3.11 and make: it makes .venv and installs what it needs.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 3
DATA ?=

.PHONY: demo test check docs bench latency soak matrix clean

.venv/core: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e .
	touch $@

.venv/dev: .venv/core
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

demo: .venv/core
	$(BIN)/automem-agents demo

test: check
	$(BIN)/pytest -n $(WORKERS) -m 'not matrix and not soak'
	AUTOMEM_AGENTS_INDEX_THRESHOLD=0 $(BIN)/pytest -n $(WORKERS) -m 'not matrix and not soak and not any_index'

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir .venv/site  # --quiet would hide warnings from --strict

docs: .venv/dev
	$(BIN)/mkdocs serve

# make bench DATA="a.jsonl b.jsonl"
bench: .venv/dev
	$(BIN)/automem-agents bench conversations $(DATA) --json bench.json

# Side by side with other memories, whose environments are made in .venv-bench; nothing else should run meanwhile
latency: .venv/dev
	$(BIN)/python benchmarks/latency.py --json latency.json --into docs/performance.md --plots docs/img

# Kills, forks and faults in large numbers
soak: .venv/dev
	$(BIN)/pytest -m soak
	$(BIN)/pytest -n $(WORKERS) --hypothesis-profile=wide -m 'not matrix and not soak' tests/unit

matrix: .venv/dev
	$(BIN)/pytest -m matrix

clean:
	rm -rf .venv dist build site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
