# Each verb works from a fresh clone: it makes .venv, installs what it needs and compiles the hot modules.
PYTHON ?= python3
VENV   ?= .venv
PY     := $(VENV)/bin/python
ARGS   ?=
FUZZ_SECONDS ?= 60

# modules without a .pxd beside them: what they use must be imported, and what they call must exist
COLD = $(shell for f in $$(find gmosn -name '*.py'); do test -f $${f%.py}.pxd || echo $$f; done)

.PHONY: help run test build lint type bench fuzz docs soak clean
help:           ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

$(VENV)/.installed: pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q --upgrade pip "setuptools>=77" "Cython>=3.1,<4"
	$(PY) -m pip install -q -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PY) -m pip install -q -e '.[dev]'
	touch $@

build: $(VENV)/.installed     ## compile the hot modules in place (only what changed)
	$(PY) setup.py -q build_ext --inplace

run: build      ## two small upstream services and gmosn with conf/envoy.yaml
	@$(PY) -m gmosn.demo --bootstrap conf/envoy.yaml $(ARGS)

test: build $(VENV)/.installed-dev      ## all tests; ARGS="-k name" and the like are passed on
	GMOSN_ACCEL=require $(PY) -m pytest $(ARGS)

lint: $(VENV)/.installed-dev    ## ruff
	$(PY) -m ruff check -q .
	$(PY) -m ruff check -q --isolated --select F821 $(COLD)

type: $(VENV)/.installed-dev    ## mypy, on the modules that are not compiled
	$(PY) -m mypy $(COLD)

bench: build $(VENV)/.installed-dev     ## CPU per request next to Envoy and nginx -> bench/out
	GMOSN_ACCEL=require $(PY) -m bench $(ARGS)

fuzz: build $(VENV)/.installed-dev      ## every codec for FUZZ_SECONDS
	set -e; for target in fuzz/fuzz_*.py; do GMOSN_ACCEL=require $(PY) -m fuzz.$$(basename $$target .py) --seconds $(FUZZ_SECONDS) $(ARGS); done

docs: build $(VENV)/.installed-dev      ## the generated parts of README.md and docs/
	$(PY) -m docs.generate

soak: build $(VENV)/.installed-dev      ## the reliability tests at full size
	GMOSN_SOAK=1 GMOSN_ACCEL=require $(PY) -m pytest tests/integration/test_reliability.py tests/integration/test_soak.py -s $(ARGS)

clean:
	rm -rf build dist *.egg-info $(VENV)
	find gmosn -name '*.so' -delete
