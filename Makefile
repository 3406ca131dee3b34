# make help: what there is.  Needs make, bash and Python 3.13 (or uv, which brings it): the rest goes into .venv and .tools.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

# All paths are relative: make takes a blank in the path of this folder for the end of a name.
TOOLS := .tools
OWN_UV := $(if $(shell command -v uv),,$(TOOLS)/uv/bin/uv)
UV := $(or $(OWN_UV),uv)
RUN := .venv/bin/python -m
unexport PYTHONHOME PYTHONOPTIMIZE PYTHONPATH PYTHONPYCACHEPREFIX
SAM := env SAM_CLI_TELEMETRY=0 __SAM_CLI_APP_DIR="$$PWD/$(TOOLS)/sam" PATH="$$PWD/.venv/bin:$$PATH" $(TOOLS)/sam/bin/sam
# The architecture that `make build` builds for: this machine's, because the tests run what it made.
ARCHITECTURE := $(if $(filter arm64 aarch64,$(shell uname -m)),arm64,x86_64)
# What is typed for these is data: `value` keeps make from reading it, and programs find it in the environment, where no
# shell reads it.
override DO := $(value DO)
override EVENT := $(value EVENT)
export DO EVENT
export LANGGRAPH_CONFIG LANGGRAPH_URL LANGGRAPH_API_KEY BIND API_PORT WEBHOOK_PORT LANGGRAPH_PORT AWS_PORT PARAMETERS

.PHONY: help up down ledger keys event demo test crashes chaos fuzz bench costs load recovery openapi mutations audit check format build lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

demo: .venv/.done $(TOOLS)/langgraph/.done ## See it work: launch runs of every kind and watch them land
	$(RUN) local demo

up: .venv/.done $(TOOLS)/langgraph/.done ## Start the whole stack here (LANGGRAPH_CONFIG=… for your own graphs)
	$(RUN) local up

down: .venv/.done ## Stop the stack that `make up` started
	$(RUN) local down

ledger: .venv/.done ## Show the running stack's runs
	@$(RUN) local ledger

keys: .venv/.done ## Show its keys (DO=rotate, DO="revoke k17…", DO="share crons")
	@PYTHONPATH=layers/runledger $(RUN) local keys

event: .venv/.done ## Print an event for sam local invoke (a webhook; or EVENT=rotate)
	@PYTHONPATH=layers/runledger $(RUN) local event

MEANWHILE := $(wildcard tests/integration/test_[s-w]*.py) # so that two cores are busy for the same time
test: .venv/.done $(TOOLS)/langgraph/.done $(TOOLS)/runtime/.done build ## Run every test
	@mkdir -p .runledger
	@echo "the crash points and some other tests go on meanwhile, see .runledger/tests.log"
	@set -m; \
	{ $(RUN) pytest tests/crashes && $(RUN) pytest $(MEANWHILE); } >.runledger/tests.log 2>&1 </dev/null & others=$$!; \
	set +m; \
	trap 'kill -- -$$others 2>/dev/null' EXIT; \
	$(RUN) pytest --ignore tests/crashes $(MEANWHILE:%=--ignore %); \
	wait $$others || { tail -n 200 .runledger/tests.log; exit 1; }; \
	trap - EXIT; \
	grep -E '(lost|passed)' .runledger/tests.log

crashes: .venv/.done $(TOOLS)/langgraph/.done ## Try every crash point (some ten minutes): 0 lost, 0 doubled
	$(RUN) pytest tests/crashes

chaos: .venv/.done $(TOOLS)/langgraph/.done ## Kill functions at random under load for a minute, then judge
	@PYTHONPATH=layers/runledger:layers/langgraph $(RUN) tests.chaos

FUZZ_SECONDS ?= 60
fuzz: $(TOOLS)/fuzz/.done ## Fuzz what reads tokens and bodies (FUZZ_SECONDS=60)
	PYTHONPATH=layers/runledger $(TOOLS)/fuzz/bin/python -m tests.fuzz -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1

bench: .venv/.done $(TOOLS)/langgraph/.done $(TOOLS)/runtime/.done $(TOOLS)/bench/.done build ## Time the built functions
	$(SAM) build -t tests/bench/template.yaml --build-dir .aws-sam/bench
	PYTHONPATH=layers/runledger $(RUN) tests.bench.bench $(ROUNDS); status=$$?; MPLCONFIGDIR=$(TOOLS)/bench $(TOOLS)/bench/bin/python tests/bench/plot.py; exit $$status

recovery: .venv/.done ## Measure here how fast workers work off a backlog (some five minutes)
	@PYTHONPATH=layers/runledger:layers/langgraph $(RUN) tests.bench.recovery

openapi: .venv/.done ## Write events/schemas/openapi.json anew
	@PYTHONPATH=layers/runledger $(RUN) local.openapi

costs: .venv/.done ## Write tests/bench/COSTS.md anew: what a million runs cost
	@$(RUN) tests.bench.costs_page | tee tests/bench/COSTS.md

load: .venv/.done ## Write tests/bench/LOAD.md anew: which limit is met first
	@PYTHONPATH=layers/runledger $(RUN) tests.bench.load_page | tee tests/bench/LOAD.md

mutations: .venv/.done ## Break each guarantee on purpose and see a test fail (ONLY=G2)
	$(RUN) tests.mutations $(ONLY)

LOCKS := $(wildcard requirements*.txt $(foreach in,layers local tests tests/bench/handlers,$(in)/*/requirements.txt))
audit: $(TOOLS)/audit/.done ## Look up what is known of each locked package (needs the index itself)
	@for lock in $(LOCKS); do echo "$$lock:"; \
	$(TOOLS)/audit/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r $$lock || { \
	echo "a package is vulnerable, or it could not be looked up: the package index itself must be reached, a mirror knows nothing" >&2; \
	exit 1; }; done

check: .venv/.done $(TOOLS)/sam/.done ## Lint, format, types, template
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(SAM) validate --lint --region us-east-1

format: .venv/.done ## Format the code and mend what the linter can
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

build: .venv/.done $(TOOLS)/sam/.done ## sam build, for this machine's architecture
	$(SAM) build --parameter-overrides Architecture=$(ARCHITECTURE)

lock: $(OWN_UV) ## Lock all dependencies anew, with hashes
	$(LOCK) --group layer-runledger -o layers/runledger/requirements.txt
	$(LOCK) --group layer-langgraph $(LEFT_OUT) -c layers/runledger/requirements.txt -o layers/langgraph/requirements.txt
	$(LOCK) --group dev $(LEFT_OUT) -c layers/runledger/requirements.txt -c layers/langgraph/requirements.txt -o requirements-dev.txt
	$(LOCK) --group audit -o requirements-audit.txt
	$(LOCK) --group fuzz -o tests/fuzz/requirements.txt
	$(LOCK) --group langgraph -o local/langgraph/requirements.txt
	$(LOCK) --group sam -o requirements-sam.txt
	$(LOCK) --group runtime -o tests/artefact/requirements.txt
	$(LOCK) --group bench -o tests/bench/requirements.txt
	$(LOCK) --group bench-minimal $(AS_SHIPPED) -o tests/bench/handlers/minimal/requirements.txt
	$(LOCK) --group bench-tutorial $(AS_SHIPPED) -o tests/bench/handlers/tutorial/requirements.txt
	$(LOCK) --group bench-fastapi $(AS_SHIPPED) -o tests/bench/handlers/fastapi_mangum/requirements.txt
	$(LOCK) --group bench-guide $(AS_SHIPPED) -o tests/bench/handlers/guide_launcher/requirements.txt
AS_SHIPPED := -c layers/runledger/requirements.txt -c layers/langgraph/requirements.txt
LEFT_OUT := --override layers/langgraph/overrides.txt
LOCK := $(UV) pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.13

clean: ## Remove everything that was made here
	rm -f .venv/.done $(TOOLS)/*/.done # first, so that what is broken off is set up anew
	rm -rf .venv .tools .aws-sam .runledger .pytest_cache .mypy_cache .ruff_cache .hypothesis

# ---- environments: each from its hashed lock ---------------------------------------------------------------------
.venv/.done: requirements-dev.txt
$(TOOLS)/audit/.done: requirements-audit.txt
$(TOOLS)/fuzz/.done: tests/fuzz/requirements.txt
$(TOOLS)/langgraph/.done: local/langgraph/requirements.txt
$(TOOLS)/sam/.done: requirements-sam.txt
$(TOOLS)/runtime/.done: tests/artefact/requirements.txt
$(TOOLS)/bench/.done: tests/bench/requirements.txt

# What pip.conf or the environment may say of other environments does not hold for these.
PIP := PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0
# uv and pip show how far a download is where somebody sees it.
QUIETLY = $$([ -t 2 ] || echo -q)

%/.done: | $(OWN_UV)
	@echo "setting up $*"
	@rm -rf $*
	@$(UV) venv -q --seed --python 3.13 $*
	@$(UV) pip sync $(QUIETLY) --python $*/bin/python --compile-bytecode --require-hashes $(filter %.txt,$^)
	@touch $@

PYTHON := $(if $(shell command -v python3.13),python3.13,python3)
$(TOOLS)/uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null || { \
	echo "Python 3.13 is needed, and here is $$($(PYTHON) --version 2>/dev/null || echo none). Install python3.13 (apt, dnf, brew," >&2; \
	echo "https://www.python.org/downloads), or uv (https://docs.astral.sh/uv), which brings it; then try again." >&2; exit 1; }
	@rm -rf $(TOOLS)/uv
	@if $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	$(PYTHON) -m venv $(TOOLS)/uv && \
	$(PIP) $(TOOLS)/uv/bin/python -m pip install $(QUIETLY) --disable-pip-version-check --require-hashes -r requirements-uv.txt; \
	else $(PYTHON) local/get_uv.py requirements-uv.txt $@; fi
