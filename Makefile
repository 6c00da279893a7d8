# `make demo` and `make test` set up a virtual environment in .venv on their first run.

.DEFAULT_GOAL := help
.PHONY: help setup demo lint test test-slow web node test-web docs bench clean

BIN := .venv/bin
READY := .venv/ready
BENCH := .venv/bench
TWINS := build/bench
# uv is used where it is installed and runs; pip does the same more slowly.
# The folder of pictures that rate and distortion are measured on.
KODAK ?= ../shared/data/kodak_dev
UV := $(shell uv --version >/dev/null 2>&1 && echo uv)
INSTALL = $(if $(UV),uv pip install -q -p $(BIN)/python,$(BIN)/python -m pip install -q)

help:
	@echo "make setup      the virtual environment .venv with everything for training"
	@echo "make demo       a photograph to .mscn and back, beside JPEG: demo/comparison.png"
	@echo "make lint       ruff and the rules of which package may import which"
	@echo "make test       lint and tests"
	@echo "make test-slow  the tests that take longer"
	@echo "make web        the page that decodes in a browser: build/web, for any web server"
	@echo "make test-web   its tests, in Node.js and headless Chromium"
	@echo "make node       what decodes pictures in Node.js: export/node/decode.mjs"
	@echo "make docs       the documentation with an API reference: build/site"
	@echo "make bench      timings side by side with others; installs PyTorch and JAX"
	@echo "make clean      removes .venv and everything built"

setup: $(READY)

# The first Python that TensorFlow 2.14 runs on and that can make virtual environments.
$(READY): setup.cfg pyproject.toml constraints.txt
	@set -e; chosen=; found=; \
	for python in $(PYTHON) python3.11 python3.10 python3.9 python3; do \
	  version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) \
	    || continue; \
	  case $$version in 3.9|3.10|3.11) ;; *) found="$$found $$python ($$version)"; continue;; esac; \
	  if [ -z "$(UV)" ] && ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
	    found="$$found $$python ($$version, without its venv package)"; continue; fi; \
	  chosen=$$python; break; \
	done; \
	if [ -z "$$chosen" ]; then \
	  echo "setup needs Python 3.9, 3.10 or 3.11 (TensorFlow 2.14 has no others), found:$${found:- none};" \
	    "install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  echo "making .venv with $$chosen"; rm -rf .venv; \
	  if [ -n "$(UV)" ]; then uv venv -q --seed -p "$$(command -v $$chosen)" .venv; \
	  else $$chosen -m venv .venv; fi; \
	fi; \
	echo "installing TensorFlow and the rest into .venv"; \
	$(INSTALL) -c constraints.txt -e '.[train,evaluate,signals,serve,test]'; \
	touch $@

demo: $(READY)
	@$(BIN)/python demo/run.py

# import-linter reads a package as it lies in one folder, so it gets the installed layout.
lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@rm -rf build/lint && mkdir -p build/lint
	@cp -r mscn_tf build/lint/ && cp -r export server apps build/lint/mscn_tf/
	@cd build/lint && ../../$(BIN)/lint-imports --config ../../setup.cfg

test: lint
	@$(BIN)/python -m pytest -n 2

test-slow: $(READY)
	@$(BIN)/python -m pytest -n 2 -m slow

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
	@cp export/web/*.html export/web/*.css export/web/*.js $(WEB)
	@cp export/web/package.json $(WEB)
	@cp $(MODULES)/onnxruntime-web/dist/ort.wasm.bundle.min.mjs $(WEB)/vendor/ort.js
	@cp $(MODULES)/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm $(WEB)/vendor/ort.wasm
	@cp $(MODULES)/fflate/esm/browser.js $(WEB)/vendor/fflate.js
	@cp $(MODULES)/fflate/LICENSE $(WEB)/vendor/fflate.LICENSE
	@cd $(MODULES)/@noble/hashes && cp sha2.js _md.js _u64.js utils.js LICENSE \
	  $(CURDIR)/$(WEB)/vendor/hashes
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python export/web/samples.py $(WEB)
	@touch $@

web: $(WEB)/ready
	@echo "$(WEB) is ready: python3 -m http.server -d $(WEB)"

# What decodes in Node.js: the page's modules, and onnxruntime-node.
NODE := build/node

$(NODE)/ready: $(WEB)/ready export/node/package.json export/node/package-lock.json
	@mkdir -p $(NODE) && cp export/node/package.json export/node/package-lock.json $(NODE)
	@cd $(NODE) && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

node: $(NODE)/ready
	@echo "ready: node export/node/decode.mjs IN.mscn CODEC.mscnb OUT.ppm"

# The browser's tests name or find Chromium, or install Debian's, or say what to install.
test-web: $(WEB)/ready
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python tests/web/vectors.py build/web-tests
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
$(TWINS)/ready: $(READY)
	@$(BIN)/python -m venv $(TWINS)/torch && $(TWINS)/torch/bin/python -m pip install -q torch==2.13.0 numpy
	@$(BIN)/python -m venv $(TWINS)/jax && $(TWINS)/jax/bin/python -m pip install -q jax jaxlib
	@touch $@

bench: $(BENCH) $(TWINS)/ready
	@$(BIN)/python benchmarks/run_twins.py --out=build/twins
	@$(BIN)/python benchmarks/throughput.py
	@$(BIN)/python benchmarks/encode_vs_coinpp.py
	@rm -rf build/bench-photo
	@$(BIN)/mscn evaluate --codec=photo --data=$(KODAK) --baselines=jpeg --bd-range=0.15,0.8 --out=build/bench-photo

clean:
	rm -rf .venv build dist *.egg-info
