# Needs git, make and Python 3.11 or newer (make PYTHON=python3.13 … picks one); uses uv if it is installed.
PYTHON :=
UV := $(shell uv --version >/dev/null 2>&1 && echo uv)
VENV := .venv
RUN := $(VENV)/bin/python

# Ignore another project's environment that is active in this shell.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH CONDA_PREFIX DJANGO_SETTINGS_MODULE
# Compiled files are saved: otherwise each process of the tests compiles all modules itself.
unexport PYTHONDONTWRITEBYTECODE
export BROWSER

help: ## this list
	@awk -F ': .*## ' '/^[a-z-]+: .*## / {printf "make %-16s %s\n", $$1, $$2}' Makefile

off = $(filter 0 no false off,$(1))
demo: .demo.key $(VENV)/run.stamp ## the whole service on this machine (PORT=8000, ONCE=1: one video and end, MOCK=0: real Veo)
	@$(DEMO) demo $(if $(PORT),--port $(PORT)) \
		$(if $(ONCE),$(if $(call off,$(ONCE)),,--once)) $(if $(call off,$(MOCK)),--no-mock)

manage: .demo.key $(VENV)/run.stamp ## a command on the demo's database (ARGS="grant_tokens demo 500")
	@$(DEMO) $(ARGS)

# exec, so that a signal to make ends the command and not only its shell.
DEMO = exec env "SECRET_KEY=$${SECRET_KEY:-$$(cat .demo.key)}" \
	"ALLOWED_HOSTS=$${ALLOWED_HOSTS:-localhost,127.0.0.1}" "HTTPS_ONLY=$${HTTPS_ONLY:-false}" \
	"LOG_FORMAT=$${LOG_FORMAT:-text}" "DATABASE_URL=$${DATABASE_URL:-sqlite:///demo.sqlite3}" \
	$(RUN) -u manage.py

.demo.key: $(VENV)/run.stamp
	@test -s $@ || $(RUN) -c 'import secrets; print(secrets.token_hex(32))' > $@
	@touch $@

# ---- Tests: each check is a target; `make test` runs all of them, even after a failure ----

LINTS := lint-types lint-ruff lint-format lint-imports check-migrations check-deploy
TOOLS := node-tools mcp-tools debian-tools
CHECKS := lint in-process-sqlite in-process-postgres live alone
SIDE_BY_SIDE := --jobs=2 --keep-going $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

test: $(VENV)/dev.stamp ## lint and all tests (BROWSER=0 leaves out what needs Chromium)
	@$(RUN) -m tests.chromium
	@$(ON_POSTGRES) $(MAKE) --no-print-directory all-checks

# Within one PostgreSQL, whose migrated database all of them copy.
all-checks:
	@failed=; $(MAKE) --no-print-directory $(SIDE_BY_SIDE) lint $(TOOLS) || failed=" lint"; \
	for check in $(filter-out lint,$(CHECKS)); do \
		$(MAKE) --no-print-directory $$check || failed="$$failed $$check"; done; \
	if [ "$$failed" ]; then echo "Failed:$$failed"; exit 1; fi; echo "All checks passed: $(CHECKS)"

$(CHECKS) $(LINTS): $(VENV)/dev.stamp
in-process-sqlite in-process-postgres live test-sqlite test-postgres: $(TOOLS)

lint: $(LINTS) ## every check that is not a test

lint-ruff: ## lint with ruff
	$(RUN) -m ruff check

lint-format: ## code format (make format fixes it)
	$(RUN) -m ruff format --check

lint-imports: ## which package may import which
	$(VENV)/bin/lint-imports

lint-types: ## mypy
	DEBUG=true $(RUN) -m mypy

check-migrations: ## models without a migration
	DEBUG=true DATABASE_URL=sqlite://:memory: $(RUN) manage.py makemigrations --check --dry-run

check-deploy: ## Django's own review of production settings
	DEBUG=false HTTPS_ONLY=true SECRET_KEY="$$($(RUN) -c 'import secrets; print(secrets.token_hex(32))')" \
		ALLOWED_HOSTS=studio.example.com CSRF_TRUSTED_ORIGINS=https://studio.example.com \
		DATABASE_URL=postgres://studio@127.0.0.1/studio GOOGLE_API_KEY=none TRUSTED_PROXIES=1 \
		$(RUN) manage.py check --deploy --fail-level WARNING

# Half the time of one process on two cores; ARGS="-n 0 --pdb -k ledger" debugs a single test.
PYTEST := $(RUN) -m pytest -n 2 --dist worksteal --durations=15 --durations-min=3
ON_SQLITE := env -u DATABASE_URL
ON_POSTGRES := $(RUN) -m tests.postgres --

in-process-sqlite: ## tests that start no server, on SQLite: what needs no database or depends on its kind
	$(ON_SQLITE) $(PYTEST) -m "not live and not alone and (once or both)" $(ARGS)

in-process-postgres: ## the same on PostgreSQL: all that need a database
	$(ON_POSTGRES) $(PYTEST) -m "not live and not alone" $(ARGS)

# More processes than cores, because they wait; a module's tests share its servers. Only the modules
# with live tests are collected; those that take longest run first, so that all processes end together.
live: ## servers, workers and pages, on PostgreSQL (TEST_DATABASE_URL, or one started for the run) and SQLite
	$(ON_POSTGRES) $(PYTEST) -n 4 --dist loadfile --no-loadscope-reorder -m "live and not alone" \
		$$(for folder in tests/pages tests/docs tests; do \
			grep -rl --include='test_*.py' 'mark\.live' $$folder | sort; done) $(ARGS)

alone: ## tests that measure time, on PostgreSQL
	$(ON_POSTGRES) $(PYTEST) -n 0 -m alone $(ARGS)

test-sqlite: ## every test that SQLite can run (ARGS="-k ledger")
	$(ON_SQLITE) $(PYTEST) $(ARGS)

test-postgres: ## every test that PostgreSQL can run
	$(ON_POSTGRES) $(PYTEST) $(ARGS)

check: lint-ruff lint-format lint-imports ## while developing: lint, and the fast tests on SQLite
	$(ON_SQLITE) $(PYTEST) -m "not live and not alone and not slow" $(ARGS)

node-tools: $(VENV)/dev.stamp ## what the tests of generated clients need, by npm; without it they fail and say so
	@$(RUN) -m tests.clients.node_tools || true

mcp-tools: $(VENV)/dev.stamp ## what the test of the MCP server needs; without it that test fails and says so
	@$(RUN) -m tests.clients.mcp_tools || true

debian-tools: $(VENV)/dev.stamp ## promtool and PgBouncer, from Debian's packages; without one its tests fail and say so
	@$(RUN) -m tests.debian || true

# ---- Under load: not part of `make test` ----

flight: $(VENV)/dev.stamp ## a thousand videos in flight, a hundred large ones at once, slow uploads with one and two clusters
	$(RUN) -m bench.flight
	$(RUN) -m tests.postgres -- $(RUN) -m bench.flight
	$(RUN) -m tests.postgres -- $(RUN) -m bench.flight --clusters 2
	$(RUN) -m tests.postgres -- $(RUN) -m bench.flight --jobs 100 --seconds 20,20.5 --video-bytes 20000000
	$(RUN) -m tests.postgres -- $(RUN) -m bench.flight --jobs 200 --seconds 5,6 --upload-seconds 3
	$(RUN) -m tests.postgres -- $(RUN) -m bench.flight --jobs 200 --seconds 5,6 --upload-seconds 3 --clusters 2

bench: $(VENV)/dev.stamp ## speed, compared with a floor and the last saved result (ARGS="--write" saves it)
	$(RUN) -m bench.speed $(ARGS)

chaos: $(VENV)/dev.stamp ## kill -9 at random while videos are made (ARGS="--seed 7")
	$(RUN) -m bench.chaos $(ARGS)

bench-upgrade: $(VENV)/dev.stamp ## an upgrade from an older revision and back, under load (ARGS="--from v1.2")
	$(RUN) -m bench.upgrade $(ARGS)

bench-admin: $(VENV)/dev.stamp ## the staff's pages with 100,000 jobs in the tables
	$(RUN) -m tests.postgres -- $(RUN) -m bench.admin $(ARGS)

scale: $(VENV)/dev.stamp ## every request, page and pass with a million jobs beside four thousand (ARGS="--jobs 100000")
	$(RUN) -m tests.postgres -- $(RUN) -m bench.scale $(ARGS)

bench-monitor: $(VENV)/dev.stamp ## five hundred viewers of the monitor for half a minute
	$(RUN) -m bench.viewers $(ARGS)

bench-images: $(VENV)/dev.stamp ## what decoding an upload costs at most (ARGS="--rounds 1000 --seed 7")
	$(RUN) -m bench.images $(ARGS)

bench-line: $(VENV)/dev.stamp ## 20,000 waiting jobs beside none; the time that slow submissions take to fill Google's quota
	$(RUN) -m tests.postgres -- $(RUN) -m bench.long_line $(ARGS)
	$(RUN) -m tests.postgres -- $(RUN) -m bench.submissions

# ---- Upkeep ----

static: $(VENV)/run.stamp ## staticfiles/, as in production; remove the folder to serve the packages' files directly
	DEBUG=true $(RUN) manage.py collectstatic --noinput --clear

format: $(VENV)/dev.stamp ## fixes the code format and simple mistakes
	$(RUN) -m ruff check --fix
	$(RUN) -m ruff format

lock: ## requirements*.txt, with hashes, from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --no-strip-extras --generate-hashes --python-version 3.11 pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --no-strip-extras --generate-hashes --python-version 3.11 --group dev -c requirements.txt pyproject.toml -o requirements-dev.txt

pin-images: ## the digests of the images in Dockerfile and compose.yaml (needs docker with buildx)
	$(or $(PYTHON),python3) tools/pin_images.py

pictures: $(VENV)/dev.stamp ## docs/pictures, from the running product
	env -u DATABASE_URL $(RUN) -m tests.pages.pictures

samples: $(VENV)/dev.stamp ## the mock's sample videos
	$(RUN) tools/make_samples.py

# ---- The virtual environment: recreated when its requirements change ----

$(VENV)/run.stamp: requirements.txt
	$(install)
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt requirements.txt
	$(install)
	@touch $(VENV)/run.stamp $@

python3 := $(or $(PYTHON),python3)
define install
@$(if $(UV),,$(python3) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Video Studio needs Python 3.11 or newer; $(python3) is %d.%d" % sys.version_info[:2])')
@echo 'Installing $< into $(VENV), which takes a while'
@$(if $(UV),uv venv --quiet --allow-existing $(if $(PYTHON),--python $(PYTHON)) $(VENV),$(python3) -m venv $(VENV))
@$(if $(UV),uv pip install --quiet --compile-bytecode --python $(RUN),$(RUN) -m pip install --quiet --disable-pip-version-check) -r $<
endef

.PHONY: help demo manage test all-checks check test-sqlite test-postgres $(CHECKS) $(LINTS) $(TOOLS) flight chaos bench bench-upgrade bench-admin bench-monitor bench-images bench-line scale static format lock pictures samples
