# `make` alone lists the chores.
.DEFAULT_GOAL := help
.PHONY: help setup demo lab test system check format bench docs build lock clean

PY := .venv/bin/python
# What `make test` and `make system` take their tests from: TESTS="tests/unit/worker tests/contract".
TESTS := tests
JLPM := PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/jlpm

help: ## list the chores
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: ## install everything development needs into .venv
	@./scripts/venv.sh dev
	@./scripts/browser.sh

demo: ## run the quickstart notebook on a far worker, here and now
	@./scripts/venv.sh run
	@$(PY) scripts/demo.py

lab: setup ## open JupyterLab with the quickstart
	@$(PY) -m jupyter lab $$([ "$$(id -u)" != 0 ] || echo --allow-root) examples/notebooks/quickstart.ipynb

test: setup ## the fast tests
	@$(PY) -m pytest -m "not system" -n 2 --dist loadgroup $(TESTS)
	@$(JLPM) test

system: setup ## the tests that need real engines, other users, minutes
	@$(PY) -m pytest -m system $(TESTS)

check: setup ## format, lint, types, import contracts; the same of the browser part
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -c "from importlinter.cli import lint_imports_command as lint; lint()"
	@$(JLPM) check

format: setup ## format and fix what can be fixed
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

bench: setup ## the benchmarks, a JSON line per comparison
	@$(PY) -m benchmarks.cold_start --json
	@$(PY) -m benchmarks.warm_cell --json
	@$(PY) -m benchmarks.stream_lines --json
	@$(PY) -m benchmarks.panel --json

docs: setup ## check that README and docs tell the truth
	@$(PY) -m pytest tests/docs

build: setup ## build the wheel and the source archive into dist/
	@./scripts/browser.sh prod
	@$(PY) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

lock: setup ## lock the requirements anew
	@./scripts/lock.sh

clean: ## remove everything that was made
	rm -rf node_modules .yarn labextension/lib kernel_gateway/farcell_jupyter/labextension
	rm -rf .venv dist build artefacts .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
