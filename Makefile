# Bare `make` prints the help. What follows ## behind a verb is its line there.

PYTHON ?= python3
TENSORFLOW ?=
VENV ?= $(if $(TENSORFLOW),.venv-tensorflow,.venv)
PROFILE ?= full
ARGS ?=
CPU ?=
NEWEST ?=
CAPTIONS ?=

BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
RUN := $(BIN)/python
SCRIPTS = $(shell find . \( -name '.?*' -o -name build -o -path './$(VENV)' \) -prune -o -name '*.sh' -print) .ci/run \
  binder/postBuild

.DEFAULT_GOAL := help
.PHONY: help run test test-slow test-oldest lint handout docs grade bench data scenes lab notebooks \
  clean setup lock

help: ## print this
	@echo "CS231n Assignment 3. Say make and one of these:"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "The first call makes $(VENV) and installs what is needed: minutes, about 6 GB."
	@echo "CPU=1 makes that 2 GB, for machines without a graphics card of NVIDIA's."
	@echo "PYTHON=python3.12 picks the Python, VENV=folder the place, PROFILE=quick a short"
	@echo "run; ARGS goes to the program: make test ARGS='-m q1', make run ARGS='--jobs 1'."
	@echo "TENSORFLOW=1 brings TensorFlow, too, in .venv-tensorflow: 1.3 GB more. run runs its"
	@echo "three notebooks beside the others, test its tests in their place."
	@echo "CAPTIONS=holiday lets make run caption a data set of yours; docs/captions.md."

run: setup ## prepare data, execute the notebooks, write build/report/index.html
	@$(RUN) -m staff run --profile $(PROFILE) $(if $(CAPTIONS),--captions "$(CAPTIONS)") $(ARGS)

# Hundreds of processes begin in a run, and each would compile the package anew.
test: export PYTHONDONTWRITEBYTECODE =
test: $(if $(TENSORFLOW),setup,scenes) ## run the tests, the quick profile of a notebook among them
	@$(RUN) -m pytest $(if $(TENSORFLOW),-m tensorflow -n 0,-n auto --dist worksteal) $(ARGS)

test-slow: data ## run the tests that take minutes each: an hour and more in all
	@$(RUN) -m pytest -m "slow or browser or site" $(ARGS)
	@$(RUN) -m pytest -m hypothesis --hypothesis-profile thorough $(ARGS) || [ $$? -eq 5 ]

# The lower ends of requirements.txt, in an environment of their own; scenes are there.
OLDEST_TESTS = tests/test_import_contract.py tests/test_checkpoint.py tests/test_figures.py \
  tests/test_digits.py tests/test_gan_training.py tests/test_gan_metrics.py \
  tests/test_rnn_layers.py tests/test_lstm_layers.py tests/test_coco_utils.py \
  tests/test_data_utils.py tests/test_loader_fuzz.py
test-oldest: scenes ## run public tests with the oldest packages that are allowed
	@$(RUN) -m venv --clear --without-pip build/oldest
	@$(RUN) -m uv pip install --quiet --resolution lowest-direct --group test \
	  --python build/oldest -r requirements.txt
	@build/oldest/$(notdir $(BIN))/python -m pytest -n auto --dist worksteal \
	  $(if $(ARGS),$(ARGS),$(OLDEST_TESTS))

lint: setup ## check style, types, spelling, scripts and notebooks
	@$(RUN) -m ruff check
	@$(RUN) -m ruff format --check
	@$(RUN) -m mypy
	@$(BIN)/lint-imports
	@$(BIN)/codespell
	@$(BIN)/shellcheck $(SCRIPTS)
	@$(RUN) -m staff doctor --all
	@echo "Nothing to complain of."

handout: data ## write the tree that students get, checked, and its zip
	@$(RUN) -m staff handout $(ARGS)

docs: setup ## write the documents site to build/site, for students and for staff
	@$(RUN) -m staff docs $(ARGS)

grade: setup ## grade SUBMISSIONS=folder, write build/grades/class.html
	@$(RUN) -m staff grade $(if $(SUBMISSIONS),"$(SUBMISSIONS)",$(error Say what to grade: make grade SUBMISSIONS=folder)) --resume $(ARGS)

bench: setup ## measure speed against torch, as ratios
	@$(RUN) -m benchmarks $(ARGS)

data: scenes ## prepare the embedded data; quick when that is done
	@$(if $(filter full,$(PROFILE)),$(RUN) -m cs231n.embedded.tiny_model)

# All that the tests need; the quick profile makes do with an untrained network.
scenes: setup
	@$(RUN) -m cs231n.embedded.captions

lab: setup ## open JupyterLab
	@$(RUN) -m jupyter lab $(ARGS)

notebooks: setup ## write the notebooks from staff/notebooks/
	@$(RUN) -m staff notebooks

clean: ## remove build/ and caches; environment and data stay
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -type d \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune \
	  -exec rm -rf {} + -o \( -name '.?*' -o -path './$(VENV)' \) -prune

# Asks a few words of Python that every version understands, before anything else.
setup: ## make the environment, install what is missing (NEWEST=1: the newest)
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "$(PYTHON) was not found; install Python 3.11 or newer, or name yours (make PYTHON=python3.12)." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$$($(PYTHON) --version 2>&1) is too old, 3.11 or newer is needed; install one and name it (make PYTHON=python3.12)." >&2; exit 1; }
	@$(PYTHON) -m staff setup --venv "$(VENV)" $(if $(NEWEST),--newest) \
	  $(if $(TENSORFLOW),--tensorflow) $(if $(CPU),--cpu $(filter-out 1,$(CPU)))

lock: setup ## lock what set-up installs; ARGS=--upgrade takes the newest
	@$(RUN) -m staff lock $(ARGS)
