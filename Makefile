# Everything a checkout needs; each target installs what it lacks into .venv first.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
UV     := VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(VENV)/bin/uv
MAIN   := $(VENV)/.installed-main
DEV    := $(VENV)/.installed-dev
TESTS  ?=
# One more than there are cores: tests of processes and pages wait now and then.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))
export PYTHON
export UV_PYTHON_DOWNLOADS := never
export PYTHONUTF8 := 1

.NOTPARALLEL:
.PHONY: help demo test lint format soak bench docs lock wheel clean distclean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' Makefile | awk -F '\t' '{ printf "  make %-10s %s\n", $$1, $$2 }'

$(MAIN): pyproject.toml requirements/main.txt requirements/uv.txt scripts/install.sh
	@if [ -e $(DEV) ]; then scripts/install.sh dev && touch $(DEV); else scripts/install.sh main; fi
	@touch $@

$(DEV): pyproject.toml requirements/dev.txt requirements/uv.txt scripts/install.sh
	@scripts/install.sh dev
	@touch $(MAIN) $@

demo: $(MAIN)  ## run the shipped example from end to end
	@$(VENV)/bin/dafeng demo

lint: $(DEV)  ## style, format, types, import contracts
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict src
	$(VENV)/bin/lint-imports --no-cache --no-logo

format: $(DEV)  ## put the code into the one format
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

# Lint runs beside the tests: it is one process, and tests wait now and then. What it says comes last.
test: $(DEV)  ## lint, then every test but the long ones (TESTS=path for some)
	@{ $(MAKE) --no-print-directory lint > $(VENV)/.lint.out 2>&1; echo $$? > $(VENV)/.lint.rc; } & \
	$(PY) -m pytest -q -n $(WORKERS) --dist worksteal -rs --durations=30 --durations-min=5 $(TESTS); tests=$$?; \
	wait; cat $(VENV)/.lint.out; [ $$tests -eq 0 ] && [ "$$(cat $(VENV)/.lint.rc)" -eq 0 ]
	$(if $(TESTS),,$(PY) scripts/postgres.py $(PY) -m pytest -q -n $(WORKERS) --dist worksteal -rs -m "not soak and not browser and not embedded" tests/web || [ $$? -eq 77 ])

soak: $(DEV)  ## the long tests, with many examples, and a Spark cluster
	$(PY) -m pytest -q -m "soak and not cluster" --hypothesis-profile=soak --timeout=3600 -rs --durations=10 $(TESTS)
	scripts/spark_cluster.sh $(TESTS)

bench: $(DEV)  ## time the hot paths
	$(PY) benchmarks/run.py

docs: $(DEV)  ## write the generated reference pages and the strings of the platform's pages
	$(PY) scripts/build_docs.py
	$(PY) scripts/build_translation.py

# The versions in use stay where they still fit; `make lock UPGRADE=--upgrade` takes the newest.
UPGRADE ?=
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
          --no-annotate --custom-compile-command "make lock" $(UPGRADE)
lock: $(MAIN)  ## write requirements/*.txt anew from pyproject.toml
	$(COMPILE) pyproject.toml -o requirements/main.txt
	$(COMPILE) pyproject.toml --extra dev -c requirements/main.txt -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra spark --extra test -c requirements/main.txt -o requirements/spark.txt
	echo "uv>=0.13,<0.14" | $(COMPILE) - -o requirements/uv.txt

wheel: $(MAIN)  ## build dist/*.whl
	$(UV) build --wheel --out-dir dist

clean:  ## remove what was built, keep .venv
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## remove .venv too
	rm -rf $(VENV) .venv-spark
