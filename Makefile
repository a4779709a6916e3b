# make demo: the main job on the embedded default, from nothing; after an interruption it goes on. make test: every test.
# make check: the ordinary loop.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check format
demo: .venv/installed
	$(BIN)/facespace demo --to demo --resume

test: .venv/ready
	$(BIN)/pytest -n 2

check: .venv/ready
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	@if command -v npx >/dev/null; then npx --yes --package typescript@5.9.3 tsc -p .; \
	else echo "JavaScript type check skipped: npx (Node.js) is not installed."; fi
	$(BIN)/pytest -n 2 -m "not slow"

format: .venv/ready
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks

# Stamps, so that a change of pyproject.toml installs again and nothing else does. The demo needs no tools of development.
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]'
	touch $@

.venv/ready: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@
