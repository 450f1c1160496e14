# Two commands do all set-up: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
KILLS ?= 200
LOAD_HOME ?= build/load

.DEFAULT_GOAL := help
.PHONY: help demo test test-long browser screenshots chaos check up bench bench-load bench-peers simulate-week sql-page clean

help:            ## list the targets
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

.venv/runtime: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/development: .venv/runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: .venv/runtime      ## simulated market to ranked signals, no key and no network
	$(BIN)/signals demo

up: .venv/runtime        ## the Dagster UI, the schedules and the database, until Ctrl-C
	$(BIN)/signals up

check: .venv/development ## the fast part: lint, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check              ## all of it
	# In their order: the files that take long come first, and both processes end together.
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test-long: .venv/development ## the tests that `make test` leaves out for their length, some minutes
	$(BIN)/pytest -m long

browser: .venv/development ## Dagster's UI and the API's page, clicked through in a Chromium, which must be on the PATH
	$(BIN)/pytest -m "long or not long" tests/browser

screenshots: .venv/development ## the same, and the pictures of the documentation are made anew
	BROWSER_SCREENSHOTS=docs/images $(BIN)/pytest -m "long or not long" tests/browser

chaos: .venv/development ## kill runs at any instant, KILLS of them (200), and compare what is left with an undisturbed twin
	CHAOS_KILLS=$(KILLS) $(BIN)/pytest -q -s -m "long or not long" tests/faults/test_chaos.py

bench: .venv/development ## every budget of speed and memory, into docs/performance.md; some minutes
	$(BIN)/python -m benchmarks

bench-peers: .venv/development ## the same work by vectorbt and freqtrade, each installed under build/
	$(BIN)/python -m benchmarks --peers

bench-load: .venv/development ## routes and views with a million signals, at 1, 4 and 16 clients; LOAD_HOME keeps the database
	$(BIN)/python -m benchmarks.load --home $(LOAD_HOME)

simulate-week: .venv/development ## a week of 5m ticks for 50 symbols, with and without retention: what grows; an hour or more
	$(BIN)/python -m benchmarks.week

sql-page: .venv/development ## write the reference of docs/sql.md anew, from the comments of the views
	$(BIN)/python -m tests.support.sql_page

clean:                   ## remove the environment and the caches; .signals/ (your data) stays
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
