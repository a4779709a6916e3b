# make demo: the main job on the embedded default, from nothing; after an interruption it goes on. make test: the tests.
# make check: the ordinary loop. make soak: what takes longest. make docs: the documentation site, build/site/index.html.
PYTHON ?= python3
BIN := .venv/bin

# Compiled tests and sources are kept, also where the environment asks for none: to compile them is half of the start.
unexport PYTHONDONTWRITEBYTECODE
# A worker takes tests from the end of another's list, so that each file's fixtures are built by one worker. Three of them on
# two cores: tests of the page wait for two fifths of their time.
PYTEST := $(BIN)/pytest -n 3 --dist worksteal
# Checks and tests at once, whole lines of each where this make can do that: types and style mostly wait for one core.
AT_ONCE := $(MAKE) --no-print-directory -j 3 $(if $(findstring output-sync,$(.FEATURES)),--output-sync=line)

.PHONY: demo site test soak check docs gallery notebooks tutorials essays format quick types style
demo: .venv/installed
	$(BIN)/facespace demo --to demo --resume

# The default space, and a VAE and an autoencoder of the same faces, as a static site. RUNTIME=node_modules/onnxruntime-web where the runtime is not to be fetched.
site: .venv/installed
	$(BIN)/facespace publish faces64 spaces/conv-vae spaces/conv-ae --to site --force $(if $(RUNTIME),--runtime $(RUNTIME))

test: .venv/ready
	$(PYTEST)

# The longest tests: every page, picture and notebook of the documentation, axe at all widths, several machines.
soak: .venv/ready .venv/docs
	$(PYTEST) -m soak

check: .venv/ready
	$(AT_ONCE) quick types style

docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build  # not --quiet, which hides warnings from --strict too
	@echo "The site: build/site/index.html"

# The pictures of docs/gallery, from the commands of its table.
gallery: .venv/installed
	$(BIN)/python benchmarks/gallery.py

# The outputs of the notebooks, on synthetic faces.
notebooks: .venv/ready
	$(BIN)/python benchmarks/notebooks.py

# What the commands of the tutorials print and draw, into their pages.
tutorials: .venv/installed
	$(BIN)/python benchmarks/tutorials.py

# The figures of the essays.
essays: .venv/installed
	$(BIN)/python benchmarks/essays.py

quick: .venv/ready
	$(PYTEST) -m "not slow"

types: .venv/ready
	$(BIN)/basedpyright

style: .venv/ready
	$(BIN)/ruff format --check src tests benchmarks docs/site_pages
	$(BIN)/ruff check src tests benchmarks docs/site_pages
	$(BIN)/lint-imports
	@if command -v npx >/dev/null; then npx --yes --package typescript@5.9.3 tsc -p .; \
	else echo "JavaScript type check skipped: npx (Node.js) is not installed."; fi

format: .venv/ready
	$(BIN)/ruff format src tests benchmarks docs/site_pages
	$(BIN)/ruff check --fix src tests benchmarks docs/site_pages

# Stamps, so that a change of pyproject.toml installs again and nothing else does. The demo needs no tools of development.
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]'
	touch $@

.venv/ready: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

.venv/docs: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@
