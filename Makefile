PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: install demo test lint bench soak lock clean
.DEFAULT_GOAL := install

# The stamp is newer than the lock only when everything in the lock is installed.
$(VENV)/.installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

install: $(VENV)/.installed

demo: install
	$(BIN)/homing demo $(ARGS)

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered $(ARGS)

bench: install
	$(BIN)/python -m benchmarks.loop --json

# A few minutes a fault: --only WORD… takes some of them, --fetches N makes them shorter. Without any ARGS
# every parser is fuzzed as well.
soak: install
	$(BIN)/python -m tests.faults.soak $(ARGS)
	$(if $(ARGS),,$(BIN)/python -m tests.fuzz)

# One lock for development, and one for each container image with the same versions.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url
lock: export UV_CUSTOM_COMPILE_COMMAND = make lock
lock:
	$(LOCK) --all-extras --group dev -o requirements.lock pyproject.toml
	$(LOCK) -c requirements.lock -o requirements/build.lock requirements/build.in
	for image in serve ingest train; do \
		$(LOCK) -c requirements.lock --extra $$image --extra redis --extra rabbitmq --extra kafka \
			-o requirements/$$image.lock pyproject.toml requirements/image.in || exit 1; \
	done

clean:
	rm -rf $(VENV) var build dist
