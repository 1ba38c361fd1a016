# Every verb below works in a fresh clone with Python 3.11-3.13, a C compiler, git and make.
#   make demo      one run end to end, without network         make lint      ruff, mypy, import contracts
#   make agree     after make demo: everything that names money names the same (docs/day-end.md)
#   make test      all tests (ARGS="-k name" narrows)          make features  feature ids and the tests behind them
#   make bench     the benchmark table (bench-compare: two)    make check     lint + test + features
#   make debug     the tests on checked, traced kernels        make clean     remove everything that was built
#   make ib-async  the tests of the gateway and the adapter with the other client library, in its own environment
#   make chaos     every incident of the chaos lab, with both client libraries (docs/chaos.md)
#   make crash     kill -9 at random moments, the same command again, nothing lost (KILLS=200 JSON=out.json; docs/chaos.md)
#   make fuzz      hostile input at every door (SECONDS=60 SEED=n JSON=out.json); make audit: the packages (docs/security.md)
#   make sim       whole runs by seed, every invariant watched (SEEDS=50 FIRST=0 SEED=n JSON=out.json; sim-long: thousands)
#   make mutants   each invariant and gate broken once, and the test that notices (JSON=out.json; docs/simulation.md)
# PYTHON=/path/to/python picks the interpreter of a new .venv.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
# Each verb is a sequence that shares .venv and build/: two at once would build the same files twice.
.NOTPARALLEL:

# The first candidate that really runs (a pyenv shim may exist and refuse) and is a supported version.
SUPPORTED := import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for candidate in python3.11 python3.12 python3.13 python3 python; do \
	"$$candidate" -c '$(SUPPORTED)' >/dev/null 2>&1 && { echo "$$candidate"; break; }; done)
VENV := .venv
PY := $(VENV)/bin/python
# Files are UTF-8 whatever the locale of the machine.
export PYTHONUTF8 = 1
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
ARGS ?=
# Files of tests on two cores at a time, and no more: what a test waits for must not wait for a processor. TEST_JOBS=0: one process.
TEST_JOBS ?= 2
TOGETHER := -n $(TEST_JOBS) --dist loadfile
CHAOS_JOBS ?= 2
KILLS ?= 200
CRASH_SEED := $(or $(SEED),0)
SEEDS ?= 50
LONG_SEEDS ?= 5000
SECONDS ?= 60
FIRST ?= 0
SEED ?=
JSON ?=

FAST := src/trading_bot/_fast
KERNELS := $(wildcard $(FAST)/*.pyx $(FAST)/*.pxd $(FAST)/*.h)
KERNELS_MISSING := $(strip $(foreach pyx,$(wildcard $(FAST)/*.pyx),$(if $(wildcard $(pyx:.pyx=).*.so),,$(pyx))))
STUBS := $(subst /,.,$(patsubst src/%.pyi,%,$(wildcard $(FAST)/*.pyi)))
IB_ASYNC := build/venv-ib-async
OUTCOMES := build/test-outcomes.json
# A narrowed run must not stand as the run of everything that `make features` reads.
RECORD = $(if $(strip $(ARGS)),,--outcomes=$(OUTCOMES))
# Not written out in the recipe: make runs a line that names its own variable even under --dry-run.
RESTORE = $(MAKE) build
BUILD_EXT = $(PY) setup.py -q build_ext --inplace --parallel $(JOBS)
NORMAL := --build-temp build/temp --build-lib build/lib
CHECKED := --build-temp build/temp-debug --build-lib build/lib-debug

.PHONY: help demo agree test lint learning-study bench bench-compare bench-gate debug clean features check build sim sim-long mutants crash fuzz audit chaos \
	ib-async nominal-day FORCE lint-ruff lint-format \
	lint-types lint-imports lint-sources

help:
	@sed -n '2,16s/^# *//p' Makefile

build: build/.built
	@:

demo: build/.built
	$(PY) tools/e2e_demo_scenario.py $(ARGS)

# Whether summaries, report, eod, digest, learning, journal and bundles of the demo name the same money (docs/day-end.md).
agree: build/.built
	$(PY) tools/books_agree.py $(ARGS)

test: build/.built
	$(PY) -m pytest $(TOGETHER) --benchmark-disable $(RECORD) $(ARGS)

# Strategies with a known edge through the LearningLoop (docs/learning.md, section 5); exit 1 when a goal is missed.
learning-study: build/.built
	$(PY) -m tests.learning.known_edges $(or $(SEEDS),1000)

bench: build/.built
	$(PY) tools/bench.py $(if $(NO_PEERS),,--peers) $(ARGS)

# Instruction counts held to benchmarks/instructions.json, a stage of .ci/run; RENEW=1 writes that file anew.
bench-gate: build/.built
	$(PY) tools/bench_instructions.py $(if $(RENEW),--renew) $(ARGS)

# Two runs of benchmarks/history.jsonl, the last two unless A= and B= name others (line number, commit or file).
bench-compare: build/.built
	$(PY) tools/bench_compare.py $(ARGS) -- $(or $(A),-2) $(or $(B),-1)

# The base has ib_insync; ib_async cannot be beside it (docs/adr/0016). Same interpreter, same compiled kernels.
ib-async: build/.built $(IB_ASYNC)/.installed
	$(IB_ASYNC)/bin/python -m pytest $(TOGETHER) tests/gateway tests/ibkr tests/contract tests/fastpath tests/deadman $(ARGS)

# Two incidents at a time and no more: the moments of a bot that waits for a processor are not those of the incident.
chaos: build/.built $(IB_ASYNC)/.installed
	$(PY) -m trading_bot.cli chaos run all --jobs $(CHAOS_JOBS) --data-dir build/chaos/ib_insync $(ARGS)
	$(IB_ASYNC)/bin/python -m trading_bot.cli chaos run all --jobs $(CHAOS_JOBS) --data-dir build/chaos/ib_async $(ARGS)

# Rounds of 25 kills, two at a time; thousands take a second each: `make crash KILLS=5000`.
crash: build/.built
	@$(PY) tools/crash.py --kills $(KILLS) --seed $(CRASH_SEED) --jobs $(CHAOS_JOBS) --details build/crash.json $(if $(JSON),--json $(JSON)) $(ARGS)

sim: build/.built
	@$(PY) tools/simulate.py --seeds $(SEEDS) --first $(FIRST) $(if $(SEED),--seed $(SEED)) --processes $(JOBS) \
		$(if $(JSON),--json $(JSON)) $(ARGS)

sim-long: build/.built
	@$(PY) tools/simulate.py --seeds $(LONG_SEEDS) --first $(FIRST) --processes $(JOBS) $(if $(JSON),--json $(JSON)) $(ARGS)

mutants: build/.built
	@$(PY) tools/mutants.py --processes $(JOBS) $(if $(JSON),--json $(JSON)) $(ARGS)

# Every door with spoilt input, in children that may die of it; what is found is kept in build/fuzz.
fuzz: build/.built
	$(PY) tools/fuzz.py --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(if $(JSON),--json $(JSON)) $(ARGS)

# Asks the Python Package Index about what is installed; exit code 3 when there is no network.
audit: build/.built
	$(PY) tools/audit.py $(if $(JSON),--json $(JSON)) $(ARGS)

nominal-day: build/.built
	$(PY) tools/nominal_day.py $(ARGS)

features: build/.built
	$(PY) tools/features.py --outcomes $(OUTCOMES) $(ARGS)

# Five checks; `make -k lint` runs the rest after a failure.
lint: lint-ruff lint-format lint-types lint-imports lint-sources

lint-ruff: build/.built
	$(PY) -m ruff check .

lint-format: build/.built
	$(PY) -m ruff format --check .

lint-types: build/.built
	$(PY) -m mypy
	$(PY) -m mypy.stubtest --ignore-disjoint-bases --allowlist tools/stubtest_allow.txt --ignore-unused-allowlist $(STUBS)

lint-imports: build/.built
	$(VENV)/bin/lint-imports --no-cache

lint-sources: build/.built
	$(PY) -m pytest -q tests/architecture

check: lint test features

# Both builds keep their own objects; only the copies beside the sources change. build/.debug stays until the normal ones
# are back, so that even after a kill the next verb restores them.
debug: build/.built
	@touch build/.debug && rm -f build/.built $(FAST)/*.so
	@status=0; \
	{ echo "make debug: building kernels with bounds, overflow and line tracing" && \
	TRADING_BOT_DEBUG=1 $(BUILD_EXT) $(CHECKED) && \
	TRADING_BOT_DEBUG=1 $(PY) -m pytest $(ARGS); } || status=$$?; \
	echo "make debug: the tests on checked kernels ended with status $$status; restoring the normal kernels"; \
	$(RESTORE) || status=$$?; exit $$status

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks
	rm -rf src/*.egg-info
	rm -f $(FAST)/*.so
	find src tests tools -name __pycache__ -type d -exec rm -rf {} +

build/.built: $(VENV)/.installed build/.flags $(KERNELS) $(if $(KERNELS_MISSING),FORCE)
	@mkdir -p build
	@if [ -e build/.debug ]; then rm -f $(FAST)/*.so; fi
	$(BUILD_EXT) $(NORMAL)
	@rm -f build/.debug && touch $@

FORCE:

# Compiler flags and Cython directives stand in setup.py, and neither tool notices when they change.
build/.flags: setup.py
	@mkdir -p build && rm -rf build/cython* build/temp* build/lib* && rm -f $(FAST)/*.so
	@touch $@

# Editable, with no kernels yet (TRADING_BOT_EXT names none of them): the next rule builds them where they are used.
$(VENV)/.installed: pyproject.toml setup.py | $(VENV)/.created
	@if $(PY) -m pip install -q --disable-pip-version-check uv 2>$(VENV)/uv.log; then \
		installer="$(PY) -m uv pip install -q --python $(PY)"; \
	else \
		echo "make: uv could not be installed ($$(tail -n 1 $(VENV)/uv.log)); using pip, which is slower" >&2; \
		installer="$(PY) -m pip install -q --disable-pip-version-check"; \
	fi; \
	echo "$$installer -e .[dev]"; \
	TRADING_BOT_EXT=none $$installer -e '.[dev]'
	@touch $@

$(IB_ASYNC)/.installed: pyproject.toml tools/ib_async_requirements.py | $(VENV)/.installed
	rm -rf $(IB_ASYNC)
	$(PY) -m venv $(IB_ASYNC)
	$(PY) tools/ib_async_requirements.py > $(IB_ASYNC)/requirements.txt
	@if $(PY) -m uv --version >/dev/null 2>&1; then \
		installer="$(PY) -m uv pip install -q --python $(IB_ASYNC)/bin/python"; \
	else \
		installer="$(IB_ASYNC)/bin/python -m pip install -q --disable-pip-version-check"; \
	fi; \
	echo "$$installer -r $(IB_ASYNC)/requirements.txt"; \
	$$installer -r $(IB_ASYNC)/requirements.txt
	@echo "$(CURDIR)/src" > "$$($(IB_ASYNC)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/trading_bot.pth"
	@touch $@

$(VENV)/.created:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { echo "make: no Python 3.11, 3.12 or 3.13 found" \
		"(PYTHON is '$(PYTHON)'); install one or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" tools/toolchain.py
	$(PYTHON) -m venv $(VENV)
	@touch $@
