# `make demo` and `make test` set up a virtual environment in .venv on their first run.

.DEFAULT_GOAL := help
.PHONY: help setup demo lint types layout test test-new test-slow lock web viewer node test-web test-viewer docs bench clean

BIN := .venv/bin
READY := .venv/ready
BENCH := .venv/bench
FRAMEWORKS := build/bench
# uv is used where it is installed and runs; pip does the same more slowly.
# The folder of pictures that rate and distortion are measured on.
KODAK ?= ../shared/data/kodak_dev
UV := $(shell uv --version >/dev/null 2>&1 && echo uv)
INSTALL = $(if $(UV),uv pip install -q -p $(1)/python,$(1)/python -m pip install -q)
VENV = $(if $(UV),uv venv -q --seed -p $(1) $(2),$(1) -m venv $(2))

help:
	@echo "make setup      the virtual environment .venv with everything for training"
	@echo "make demo       a photograph to .mscn and back, beside JPEG: demo/comparison.png"
	@echo "make lint       ruff, types, and the rules of which package may import which"
	@echo "make types      types alone, with mypy"
	@echo "make test       lint and tests"
	@echo "make test-new   types and tests on today's TensorFlow, where there is a Python 3.12 or 3.13"
	@echo "make test-slow  the tests that take longer"
	@echo "make lock       requirements.lock, after a change of setup.cfg or constraints.txt"
	@echo "make web        the page for a browser: build/web, for any web server"
	@echo "make test-web   its tests, in Node.js and headless Chromium"
	@echo "make viewer     the page that mscn serve shows pictures with: build/viewer"
	@echo "make node       a package that decodes in Node.js: build/node, and packed beside it"
	@echo "make test-viewer  viewers in headless Chromium before mscn serve"
	@echo "make docs       the documentation with an API reference: build/site"
	@echo "make bench      timings side by side with others; installs PyTorch and JAX"
	@echo "make clean      removes .venv and everything built"

setup: $(READY)

# With Python 3.11 and older it has TensorFlow 2.14 and tensorflow-compression, with newer ones today's
# TensorFlow. PYTHON=python3.13 names one.
$(READY): setup.cfg pyproject.toml constraints.txt
	@set -e; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  chosen=$$(.ci/find-python $(or $(PYTHON),3.11 3.10 3.9 3.13 3.12)); \
	  echo "making .venv with $$chosen"; rm -rf .venv; \
	  $(call VENV,$$chosen,.venv); \
	fi; \
	echo "installing TensorFlow and the rest into .venv"; \
	$(call INSTALL,$(BIN)) -c constraints.txt -e '.[train,evaluate,signals,serve,zarr,xarray,test]'; \
	touch $@

demo: $(READY)
	@$(BIN)/python demo/run.py

lint: $(READY) layout types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@cd build/lint && ../../$(BIN)/lint-imports --config ../../setup.cfg

types: $(READY) layout
	@cd build/lint && ../../$(BIN)/python -m mypy --config-file ../../setup.cfg --cache-dir ../mypy

# import-linter and mypy read a package as it lies in one folder, so they get the installed layout.
layout:
	@rm -rf build/lint && mkdir -p build/lint
	@cp -r mscn_tf build/lint/ && cp -r export server apps build/lint/mscn_tf/

test: lint
	@$(BIN)/python -m pytest -n 2

# The same on today's TensorFlow, for what is made of TensorFlow, where .venv has TensorFlow 2.14.
NEWEST := build/newest

test-new: $(READY) layout
	@set -e; \
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then \
	  echo "test-new: .venv has today's TensorFlow itself"; exit 0; fi; \
	if ! chosen=$$(.ci/find-python 3.13 3.12 2>/dev/null); then \
	  echo "SKIPPED: the tests on today's TensorFlow, which need Python 3.12 or 3.13"; exit 0; fi; \
	if [ ! -e $(NEWEST)/ready ] || [ setup.cfg -nt $(NEWEST)/ready ] || [ constraints.txt -nt $(NEWEST)/ready ]; then \
	  echo "making $(NEWEST) with $$chosen"; rm -rf $(NEWEST); \
	  $(call VENV,$$chosen,$(NEWEST)); \
	  $(call INSTALL,$(NEWEST)/bin) -c constraints.txt -e '.[train,evaluate,signals,serve,zarr,xarray,test]'; \
	  touch $(NEWEST)/ready; \
	fi; \
	(cd build/lint && ../../$(NEWEST)/bin/python -m mypy --config-file ../../setup.cfg --cache-dir ../mypy-newest); \
	$(NEWEST)/bin/python -m pytest -n 2 $(addprefix tests/,$(OF_TENSORFLOW))

OF_TENSORFLOW := stack networks sparsity entropy fitting training experiments export

test-slow: $(READY)
	@$(BIN)/python -m pytest -n 2 -m slow

# One lock serves both stacks, by markers. What constraints.txt leaves free stays as it was.
LOCK := build/lock
LOCKED := train evaluate signals serve zarr xarray test

$(LOCK)/ready: $(READY)
	@$(BIN)/python -m venv $(LOCK) && $(LOCK)/bin/python -m pip install -q 'uv>=0.9'
	@touch $@

lock: $(LOCK)/ready
	@$(LOCK)/bin/uv pip compile -q --universal --generate-hashes --no-annotate --no-emit-index-url \
	  --custom-compile-command 'make lock' -p 3.11 -c constraints.txt $(addprefix --extra ,$(LOCKED)) \
	  setup.cfg -o requirements.lock
	@echo "requirements.lock: $$(grep -c == requirements.lock) packages; look through what changed"

# Third-party JavaScript is fetched by npm at the versions of the lock file, and not committed.
WEB := build/web
NPM := build/npm
MODULES := $(NPM)/node_modules

$(NPM)/ready: export/web/package.json export/web/package-lock.json
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' && npm --version >/dev/null || \
	  { echo "the web page needs Node.js 20 or newer, with npm; install them (Debian:" \
	    "apt-get install nodejs npm)" >&2; exit 1; }
	@mkdir -p $(NPM) && cp $^ $(NPM)
	@cd $(NPM) && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

$(WEB)/ready: $(READY) $(NPM)/ready $(wildcard export/web/* mscn_tf/bundles/*.mscnb)
	@mkdir -p $(WEB)/vendor/hashes
	@cp export/web/*.html export/web/*.css export/web/*.svg export/web/*.js $(WEB)
	@cp export/web/package.json $(WEB)
	@cp $(MODULES)/onnxruntime-web/dist/ort.wasm.bundle.min.mjs $(WEB)/vendor/ort.js
	@gzip -9 -n -c $(MODULES)/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm >$(WEB)/vendor/ort.wasm.gzip
	@cp $(MODULES)/fflate/esm/browser.js $(WEB)/vendor/fflate.js
	@cp $(MODULES)/fflate/LICENSE $(WEB)/vendor/fflate.LICENSE
	@cp $(MODULES)/pako/dist/pako.mjs $(WEB)/vendor/pako.js
	@cp $(MODULES)/pako/LICENSE $(WEB)/vendor/pako.LICENSE
	@cp $(MODULES)/world-atlas/land-110m.json $(WEB)/vendor/land.json
	@cp $(MODULES)/world-atlas/LICENSE $(WEB)/vendor/land.LICENSE
	@cd $(MODULES)/@noble/hashes && cp sha2.js _md.js _u64.js utils.js LICENSE \
	  $(CURDIR)/$(WEB)/vendor/hashes
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python export/web/samples.py $(WEB)
	@touch $@

web: $(WEB)/ready
	@echo "$(WEB) is ready: python3 -m http.server -d $(WEB)"

# A package that decodes in Node.js: the page's modules, without dependencies.
NODE := build/node

$(NODE)/ready: $(WEB)/ready $(wildcard export/node/*)
	@node export/node/assemble.mjs $(WEB) $(NODE) $$($(BIN)/python -c 'import mscn_tf; print(mscn_tf.__version__)')
	@cd $(NODE) && npm pack --silent --pack-destination .. >/dev/null
	@touch $@

node: $(NODE)/ready
	@echo "ready: $$(ls build/mscn-node-*.tgz), for npm install; or node $(NODE)/decode.mjs IN.mscn CODEC.mscnb OUT.png"

# The page of `mscn serve --viewer=build/viewer`.
VIEWER := build/viewer
VIEWER_NPM := build/viewer-npm

$(VIEWER_NPM)/ready: server/viewer/package.json server/viewer/package-lock.json
	@mkdir -p $(VIEWER_NPM) && cp $^ $(VIEWER_NPM)
	@cd $(VIEWER_NPM) && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

$(VIEWER)/ready: $(VIEWER_NPM)/ready $(wildcard server/viewer/*)
	@rm -rf $(VIEWER) && mkdir -p $(VIEWER)/openseadragon
	@cp server/viewer/*.html server/viewer/*.css server/viewer/*.js $(VIEWER)
	@cd $(VIEWER_NPM)/node_modules/openseadragon && cp -r LICENSE.txt \
	  build/openseadragon/openseadragon.min.js build/openseadragon/images \
	  $(CURDIR)/$(VIEWER)/openseadragon
	@touch $@

viewer: $(VIEWER)/ready
	@echo "$(VIEWER) is ready: mscn serve --codec=photo --files=FOLDER --viewer=$(VIEWER)"

# Viewers of others, and that page, in Chromium before a running server.
test-viewer: $(READY) $(VIEWER)/ready
	@CHROMIUM="$$(tests/web/chromium)" && export CHROMIUM && node --test tests/server/viewers.test.js

# The browser's tests name or find Chromium, or install Debian's, or say what to install.
test-web: $(WEB)/ready
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python tests/web/vectors.py build/web-tests
	@$(BIN)/python tests/web/page_files.py build/web-tests
	@CHROMIUM="$$(tests/web/chromium)" && export CHROMIUM && node --test tests/web/*.test.js

DOCS := build/docs-venv
MKDOCS = NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs

$(DOCS)/ready: $(READY)
	@$(BIN)/python -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install -q 'mkdocs-material>=9.5,<10' 'mkdocstrings[python]>=0.27'
	@touch $@

docs: $(DOCS)/ready
	@$(BIN)/python docs/site.py build/docs
	@$(MKDOCS) build --strict -q
	@echo "build/site is ready: python3 -m http.server -d build/site"

$(BENCH): $(READY)
	@$(BIN)/python -m pip install -q -c constraints.txt torch==2.13.0
	@touch $@

# PyTorch and JAX in environments, and processes, of their own.
$(FRAMEWORKS)/ready: $(READY)
	@$(BIN)/python -m venv $(FRAMEWORKS)/torch && $(FRAMEWORKS)/torch/bin/python -m pip install -q torch==2.13.0 numpy
	@$(BIN)/python -m venv $(FRAMEWORKS)/jax && $(FRAMEWORKS)/jax/bin/python -m pip install -q jax jaxlib
	@touch $@

bench: $(BENCH) $(FRAMEWORKS)/ready
	@$(BIN)/python benchmarks/compare_frameworks.py --out=build/frameworks
	@$(BIN)/python benchmarks/throughput.py
	@$(BIN)/python benchmarks/encode_vs_coinpp.py
	@rm -rf build/bench-photo
	@$(BIN)/mscn evaluate --codec=photo --data=$(KODAK) --baselines=jpeg --bd-range=0.15,0.8 --out=build/bench-photo

clean:
	rm -rf .venv build dist *.egg-info
