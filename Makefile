# One target per verb; CI calls only these. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
READY  := $(VENV)/.ready
UV_VERSION := 0.13.8
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	@echo "setting up $(VENV): Python packages from the lock, about a minute the first time"
	@$(PYTHON) -c 'import sys; sys.exit("Interact needs Python 3.11 or newer; this is %s. Name another: make PYTHON=python3.12" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)

$(READY): $(UV) requirements.lock crds/pyproject.toml operators/sdk/pyproject.toml operators/stem/pyproject.toml controller/pyproject.toml
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install --quiet --require-hashes -r requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation -e crds -e operators/sdk -e operators/stem -e controller
	@touch $@

.PHONY: setup
setup: $(READY) ## make .venv from the lock

.PHONY: run
run: $(READY) ## run a real scan through a pipeline and leave pictures in out/
	@$(BIN)/python -m examples --images out

# One controller at a time: those of two workers would look after the same namespaces. So these have
# a process and a control plane of their own, beside the others; what it says comes when it is over.
ALONE := tests/scenarios tests/controller/test_process.py
MANY := tests/e2e/test_many_runs.py
.PHONY: test
# Hundreds of processes begin, and each would start threads that it has no use for.
test: export OPENBLAS_NUM_THREADS = 1
test: $(READY) ## the whole test suite, about 14 minutes on two cores (ARGS=… for a part of it)
ifdef ARGS
	@$(BIN)/python -m pytest $(ARGS)
else
	@mkdir -p build
	@$(BIN)/python -m pytest $(ALONE) > build/scenarios.log 2>&1 & scenarios=$$!; \
	  $(BIN)/python -m pytest -n 3 --dist worksteal $(addprefix --ignore=,$(ALONE)); others=$$?; \
	  echo "scenarios with a controller:"; wait $$scenarios; own=$$?; cat build/scenarios.log; \
	  exit $$((others | own))
endif

.PHONY: check
check: $(READY) ## format, lint, types, import rules, generated files
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary crds/interact_api operators/sdk/interact operators/stem/interact_stem controller/interact_controller
	@for run in operators/*/run.py; do $(BIN)/mypy --no-error-summary $$run || exit 1; done
	@$(BIN)/pyright
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m interact_api check
	@$(BIN)/interact operator spec --check operators/*/run.py
	@$(BIN)/python helm/charts.py check
	@echo "check: all good"

.PHONY: format
format: $(READY) ## format and fix what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: generate
generate: $(READY) ## write crds/*.yaml, docs/spec and the operators' YAML from the code
	@$(BIN)/python -m interact_api generate
	@$(BIN)/interact operator spec --write operators/*/run.py
	@$(BIN)/python helm/charts.py generate
	@PYTHONPATH=tests $(BIN)/python -m scenarios.ownership

.PHONY: bench
bench: $(READY) ## measured ratios, each from one interleaved run (ARGS=… for some of them)
	@$(BIN)/python -m benchmarks $(ARGS)

WHEELS := dist/wheels
.PHONY: wheels
wheels: $(READY) ## build the four distributions into dist/wheels
	@rm -rf $(WHEELS)
	@for folder in crds operators/sdk operators/stem controller; do \
	  VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) build --quiet --wheel --no-build-isolation --python $(BIN)/python -o $(WHEELS) $$folder || exit 1; \
	done

BASE         ?= python:3.12-slim
IMAGE_PYTHON ?= 3.12
IMAGE_PREFIX ?= interact
IMAGE_TAG    ?= latest
.PHONY: images
images: wheels ## build all images (BASE=… IMAGE_PYTHON=3.12 IMAGE_PREFIX=… IMAGE_TAG=… ONLY="nats dpc")
	@$(BIN)/python images/wheels.py --python $(IMAGE_PYTHON)
	@BASE="$(BASE)" PREFIX="$(IMAGE_PREFIX)" TAG="$(IMAGE_TAG)" ONLY="$(ONLY)" images/build.sh

.PHONY: charts
charts: $(READY) ## write what the charts hold of crds/, operators/ and their values
	@$(BIN)/python helm/charts.py generate

.PHONY: manifests
manifests: $(READY) ## render the charts into dist/manifests, for kubectl apply --server-side -k
	@$(BIN)/python helm/manifests.py --prefix $(IMAGE_PREFIX)

E2E := build/e2e
EXAMPLES := $(E2E)/bin/python -m examples --fast --images $(E2E)/pictures
.PHONY: e2e
e2e: wheels ## the examples from the built distributions, then the whole story on a real cluster
	@rm -rf $(E2E)
	@$(PYTHON) -m venv --without-pip $(E2E)
	@VIRTUAL_ENV=$(CURDIR)/$(E2E) $(UV) pip install --quiet --require-hashes -r requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(E2E) $(UV) pip install --quiet --no-deps $(WHEELS)/*.whl
	@echo "a real cluster ($${KUBECONFIG:-one of our own}): building and loading images takes about ten minutes"
ifdef ARGS
	@$(EXAMPLES)
	@$(BIN)/python -m pytest tests/e2e -x -m e2e $(ARGS)
else
	@{ $(EXAMPLES) && $(BIN)/python -m pytest -s $(MANY) && \
	   INTERACT_TEST_GIGABYTE=1 $(BIN)/python -m pytest tests/sdk -k GB; } > build/beside.log 2>&1 & beside=$$!; \
	  $(BIN)/python -m pytest tests/e2e -x -m e2e --ignore=$(MANY); others=$$?; \
	  echo "the examples, two thousand external runs, and frames of 1 GB:"; wait $$beside; own=$$?; cat build/beside.log; \
	  exit $$((others | own))
endif

.PHONY: lock
lock: $(UV) ## resolve requirements.lock anew (hashes, no addresses)
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --group dev --no-emit-package interact-api --no-emit-package interact --no-emit-package interact-stem --no-emit-package interact-controller pyproject.toml -o requirements.lock

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf out dist build .cache .numba_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
