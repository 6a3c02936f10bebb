# Each target sets up its own .venv first; once that is done nothing here needs the network.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: run test lint bench

run: $(READY)
	$(BIN)/python run_ultimate_deep.py --yes

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	missed=0; for script in $(filter-out %/summary.py,$(wildcard benchmarks/[a-z]*.py)); do \
		$(BIN)/python $$script || missed=1; done; \
	$(BIN)/python benchmarks/summary.py > docs/performance.md; exit $$missed

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@
