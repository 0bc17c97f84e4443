# Everything a fresh machine needs is python3 (3.11 or newer) and make.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready

.PHONY: demo test test-all lint types engine bench clean

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)
	@du -sh $(VENV) | awk '{print "installed: " $$1 " in $(VENV)"}'

engine: $(READY)                 ## compile the engine once; later runs load it from the cache
	$(BIN)/python -m compileall -q ixp_emu microcode oboe_runtime
	$(BIN)/python -m ixp_emu.chip.compile

demo: engine                     ## the main job: where the cycles of a two-chip cluster went
	mkdir -p build
	$(BIN)/ixpemu run examples/forward.toml --report build/forward.report.json

test: engine                     ## under 15 minutes on 2 cores
	$(BIN)/python -m pytest -m 'not long' -n 2 --dist loadfile

test-all: engine                 ## the long sets too
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

bench: engine
	$(BIN)/ixpemu bench

clean:
	rm -rf $(VENV) build
