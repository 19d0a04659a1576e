# Verbs for people and machines alike. `make demo` and `make test` need Python 3.11 or newer, and nothing else.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
EXPORT ?= .venv-export
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: setup demo test test-clients test-export check audit hashes bench docs pictures clean
.PHONY: help fast test-fast changelog
.DEFAULT_GOAL := help

help:                               ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

setup: $(VENV)/base.done            ## Lexel itself, in a virtual environment

demo: $(VENV)/base.done             ## Words, tags and entities of real sentences, by the bundled model
	@$(BIN)/lexel tag --to terminal examples/sentences.txt
	@echo "The model reads sentences of these kinds right at least nine times in ten, and news with rare names, product names in"
	@echo "Latin letters, and chat less well: recipes/zh/README.md (Kinds of sentences), README.md (Limits)."

fast: $(VENV)/fast.done             ## What daily work needs: the fast tests and the checks, no peers

test-fast: $(VENV)/fast.done        ## Two minutes of tests, no peers
	$(BIN)/python -m tests.fast

test: $(VENV)/dev.done              ## The whole test suite, peers installed
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-export: $(EXPORT)/all.done $(EXPORT)-optimum/all.done   ## Exported folders in the programs they are made for; 4 GB, npm, chromium
	LEXEL_TEST_EXPORT=1 LEXEL_OPTIMUM=$(abspath $(EXPORT)-optimum)/bin/python \
		$(EXPORT)/bin/python -m pytest -n 2 --dist loadfile tests/export/formats tests/export/consumers

test-clients: $(VENV)/clients.done  ## The server beside what the test suite does not install: Ray, other clients, linters; npm
	LEXEL_TEST_CLIENTS=1 LEXEL_HUB_1_1=$(VENV)/hub-1.1/bin/python LEXEL_OTHER_CLIENTS=$(VENV)/other-clients/bin/python \
	  $(BIN)/python -m pytest -n 0 -rs tests/serving/clients
	LEXEL_TEST_CLIENTS=1 $(BIN)/python -m pytest -n 0 -rs tests/corpora/test_ray.py tests/corpora/test_datatrove.py
	LEXEL_TEST_CLIENTS=1 $(BIN)/python -m pytest -n 0 -rs tests/docs/test_pages.py -k "program and (serving or corpora)"
	LEXEL_S3=$(abspath $(VENV))/s3/bin/python $(BIN)/python -m pytest -n 0 -rs tests/corpora/test_s3.py

check: $(VENV)/dev.done             ## Format, lint, types (of examples too), imports that go down only, plain words
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.docs.plain_words
	$(BIN)/python -m tests.docs.typed_programs

audit: $(VENV)/audit.done           ## Known vulnerabilities of the pinned versions, where the index answers
	$(VENV)/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --progress-spinner off

hashes: $(VENV)/audit.done          ## Write deploy/requirements.txt again: the server's packages with checksums
	$(VENV)/audit/bin/uv pip compile pyproject.toml --extra serve --constraint constraints.txt --generate-hashes \
	  --python-version 3.12 --python-platform x86_64-manylinux_2_28 --no-header --no-annotate --quiet --output-file deploy/requirements.txt
	sed -i '1i # What the server installs, with checksums. Written from pyproject.toml and constraints.txt by: make hashes' deploy/requirements.txt

bench: $(VENV)/dev.done             ## Speed and memory beside the peers, kept and compared with the floor
	$(BIN)/python -m benchmarks --save

changelog: $(VENV)/dev.done         ## Move the fragments of changelog.d into CHANGELOG.md, under the version of pyproject.toml
	$(BIN)/towncrier build --yes --version $$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

docs: $(VENV)/dev.done              ## The documentation site, in build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

pictures: $(VENV)/dev.done          ## What the docs show of the bundled model: the README's picture, the notebook's outputs
	$(BIN)/python -m tests.docs.picture
	$(BIN)/python -m tests.docs.notebook

clean:                              ## Removes the virtual environments
	rm -rf $(VENV) $(EXPORT) $(EXPORT)-optimum

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lexel needs Python 3.11 or newer, found " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/base.done: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --upgrade pip
	$(PIP) --editable .
	@touch $@

$(VENV)/audit.done: $(BIN)/python constraints.txt
	$(BIN)/python -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt pip-audit uv
	@touch $@

$(VENV)/fast.done: $(VENV)/base.done
	$(PIP) --editable . --group fast
	@touch $@

$(VENV)/clients.done: $(VENV)/dev.done constraints-clients.txt
	$(PIP) --editable . --group clients
	$(BIN)/python -m venv $(VENV)/other-clients
	$(VENV)/other-clients/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-clients.txt \
		huggingface_hub==1.33.0 "tritonclient[http]" numpy
	$(BIN)/python -m venv $(VENV)/hub-1.1
	$(VENV)/hub-1.1/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-clients.txt \
		huggingface_hub==1.1.4 numpy
	$(BIN)/python -m venv $(VENV)/s3
	$(VENV)/s3/bin/python -m pip install --quiet --disable-pip-version-check --editable . s3fs==2026.9.0 "moto[server]==5.2.5"
	@touch $@

$(VENV)/dev.done: $(VENV)/base.done
	$(PIP) --editable . --group dev --group docs --group integrations --group peers
	@touch $@

$(EXPORT)/all.done: pyproject.toml constraints.txt constraints-export.txt
	test -x $(EXPORT)/bin/python || $(PYTHON) -m venv $(EXPORT)
	$(EXPORT)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --constraint constraints.txt pip
	$(EXPORT)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--constraint constraints-export.txt --editable . --group export
	@touch $@

$(EXPORT)-optimum/all.done: constraints-optimum.txt
	test -x $(EXPORT)-optimum/bin/python || $(PYTHON) -m venv $(EXPORT)-optimum
	$(EXPORT)-optimum/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-optimum.txt \
		"optimum-onnx[onnxruntime]" sentence-transformers fastembed flax
	@touch $@
