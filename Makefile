# `make demo` and `make test` set up a virtual environment in .venv on their first run.

.DEFAULT_GOAL := help
.PHONY: help setup demo lint test test-slow bench clean

BIN := .venv/bin
READY := .venv/ready
BENCH := .venv/bench
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
	@echo "make bench      timings side by side with others; installs PyTorch into .venv"
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
	$(INSTALL) -c constraints.txt -e '.[train,evaluate,test]'; \
	touch $@

demo: $(READY)
	@$(BIN)/python demo/run.py

# import-linter reads a package as it lies in one folder, so it gets the installed layout.
lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@rm -rf build/lint && mkdir -p build/lint
	@cp -r mscn_tf build/lint/ && cp -r export apps build/lint/mscn_tf/
	@cd build/lint && ../../$(BIN)/lint-imports --config ../../setup.cfg

test: lint
	@$(BIN)/python -m pytest -n 2

test-slow: $(READY)
	@$(BIN)/python -m pytest -n 2 -m slow

$(BENCH): $(READY)
	@$(BIN)/python -m pip install -q -c constraints.txt torch==2.13.0
	@touch $@

bench: $(BENCH)
	@$(BIN)/python benchmarks/encode_vs_coinpp.py
	@rm -rf build/bench
	@$(BIN)/mscn evaluate --codec=photo --data=$(KODAK) --baselines=jpeg --bd-range=0.15,0.8 --out=build/bench

clean:
	rm -rf .venv build dist *.egg-info
