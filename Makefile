# What one types here. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help run test lint fmt bench lock
export PYTHON

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/run.stamp ## start everything here, with demo data on the first start (PORT=8000)
	@exec .venv/bin/python manage.py up

test: .venv/dev.stamp ## run every test, on SQLite and, where one answers, on PostgreSQL (REQUIRE_ALL=1: nothing may be skipped)
	@.venv/bin/python -m tests.run

lint: .venv/dev.stamp ## check style, types, templates, migrations and the production settings
	@.venv/bin/python -m tests.lint

fmt: .venv/dev.stamp ## lay the code out
	@.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format .

bench: .venv/dev.stamp ## measure, each figure beside its plain Django reference
	@.venv/bin/python -m benchmarks

lock: .venv/run.stamp ## pin the newest dependencies that pyproject.toml allows, with hashes
	@.ci/lock

# A stamp is newer than its lock file once that is installed.
.venv/run.stamp: requirements.txt
	@.ci/venv $< && touch $@

.venv/dev.stamp: requirements-dev.txt
	@.ci/venv $< && touch $@
