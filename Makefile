# The two commands of README.md are `make run` and `make test`; both set everything up first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CORES ?= all
CONFIG ?= config/config.yaml

.PHONY: run quick downloads test fast-test cluster-test lint docs install bench acceptance study-frdeep clean

run: install
	$(BIN)/astro-vae run --config $(CONFIG) --cores $(CORES)

quick: install
	$(BIN)/astro-vae run --config config/quick.yaml --cores $(CORES)

downloads: install
	$(BIN)/astro-vae run --config $(CONFIG) -- downloads

test: install lint
	$(BIN)/python -m pytest -m "not cluster"

fast-test: install
	$(BIN)/python -m pytest -m "not slow"

cluster-test: install
	$(BIN)/python tests/cluster/mini_slurm.py install
	$(BIN)/python -m pytest tests/cluster -rAs --show-capture=stdout --durations=0

lint: install
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

docs: install
	$(BIN)/astro-vae docs

bench: install
	$(BIN)/python -m benchmarks

acceptance: install
	$(BIN)/python -m acceptance

study-frdeep: install
	$(BIN)/astro-vae run --config config/frdeep_study.yaml --cores $(CORES)

install: $(VENV)/.installed

# The stamp is newer than the lock file exactly when the environment is up to date.
$(VENV)/.installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf $(VENV) results .snakemake
