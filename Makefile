# Two commands: `make demo` (set up, run the main job) and `make test` (set up, pass every test).
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
# Processes that test side by side, each with one thread and whole files; the browser's tests have the machine alone.
WORKERS ?= 2
BUNDLE := landscape_widgets/static/landscape.js
SOURCES := $(shell find js/src -type f) js/build.mjs js/package.json

# A busy neighbour makes spinning OpenMP threads 7 to 14 times slower: let them sleep instead.
export OMP_WAIT_POLICY = PASSIVE
export GOMP_SPINCOUNT = 0

.PHONY: setup build demo test test-long lint types js python format measured operators screenshots responsive right recorded densenet hessian-directions grid adaptive clean bench bench-quick growth gpu

setup: $(VENV)/.installed $(BUNDLE)

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || (echo "Python 3.11 or newer is needed"; exit 1)
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

js/node_modules/.installed: js/package-lock.json
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); if (a < 20 || (a == 20 && b < 19)) process.exit(1)' \
	  || (echo "Node 20.19 or newer is needed"; exit 1)
	cd js && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(BUNDLE): js/node_modules/.installed $(SOURCES)
	cd js && npm run --silent build
	@touch $@

build: $(BUNDLE)

demo: setup
	$(PY) -m notebooks.demo

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: setup
	$(VENV)/bin/mypy

js: setup
	cd js && npm run --silent check && npm run --silent test

python: setup
	$(PY) -m pytest -n $(WORKERS) --dist loadfile --doctest-modules -m "not browser"
	$(PY) -m pytest -m browser

test: lint types js python
	@echo "make test: ruff, mypy, TypeScript check, vitest, and pytest with doctests, architecture, packaging, notebooks and browser all ran"

test-long: setup
	$(PY) -m pytest -m long --timeout 3000

measured: setup
	$(PY) -m benchmarks.measured

format: setup
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	cd js && npm run --silent format

clean:
	rm -rf $(VENV) js/node_modules $(BUNDLE) artifacts dist

responsive: setup
	$(PY) docs/responsive.py

screenshots: setup
	$(PY) docs/screenshots.py

right: setup
	$(PY) -m pytest -q tests/compute
	$(PY) -m benchmarks.right

operators: setup
	$(PY) -m benchmarks.operators

recorded: setup
	$(PY) -m notebooks.recorded.classifiers flatness vgg9 resnet56 resnet56-plain

densenet: setup
	$(PY) -m benchmarks.densenet

hessian-directions: setup
	$(PY) -m benchmarks.hessian_directions

adaptive: setup
	$(PY) -m benchmarks.adaptive --train

grid: setup
	$(PY) -m benchmarks.grid

# Side by side with the peers, each in an environment of its own under .bench/.
bench: setup
	$(PY) -m benchmarks.peers
	$(PY) -m benchmarks.profile

bench-quick: setup
	$(PY) -m benchmarks.peers --quick

# How cost grows; 4 GB of files in the temporary folder meanwhile.
growth: setup
	$(PY) -m benchmarks.growth
	$(PY) -m benchmarks.growth_lanczos

# Where there is a CUDA device; ends with an error where there is none.
gpu: setup
	$(PY) -m benchmarks.gpu
