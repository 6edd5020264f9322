# `make night` is all a new user types; the rest is for those who change the code.

PYTHON ?= python3
LIBRARY ?= library
# Python compiles what it imports; compiling all that is installed would cost half a minute more.
PIP = -m pip install --disable-pip-version-check --no-compile

# The files that hold such tests; to look through all others for them would take half a minute each time.
SLOW = $(sort $(shell grep -rl --include='test_*.py' 'pytest\.mark\.slow' tests))
LAION = $(sort $(shell grep -rl --include='test_*.py' 'pytest\.mark\.laion' tests))
# Tests of whole commands, most of them waiting for processes of their own.
NIGHTS = $(filter tests/flows/% tests/test_docs.py tests/test_install.py,$(SLOW))

# Tests call make themselves; theirs shall not look for the jobs of this one.
unexport MAKEFLAGS

.PHONY: help night install test test-slow lint clean
.PHONY: test-generation test-rest test-slow-nights test-slow-rest test-laion
.DELETE_ON_ERROR:

help:
	@echo 'make night      install into .venv and make the starter night into ./$(LIBRARY)'
	@echo 'make install    install into .venv, no more'
	@echo 'make test       the fast tests (minutes); make -j2 test takes two cores'
	@echo 'make test-slow  the night, the kills, the wheel, the laion extra (tens of minutes)'
	@echo 'make lint       ruff and mypy'
	@echo 'make clean      remove the environments; libraries stay'

night: .venv/.installed
	.venv/bin/nightcrate night starter --library '$(LIBRARY)'

install: .venv/.installed

# Each kind of test in parts that know nothing of each other: `make -j2 test` runs two at a time.
test: test-generation test-rest
test-slow: test-slow-nights test-slow-rest test-laion

test-generation: .venv/.test-installed
	.venv/bin/python -m pytest tests/generation

test-rest: .venv/.test-installed
	.venv/bin/python -m pytest tests --ignore=tests/generation

test-slow-nights: .venv/.test-installed
	.venv/bin/python -m pytest -m slow --durations=10 $(NIGHTS)

test-slow-rest: .venv/.test-installed
	.venv/bin/python -m pytest -m slow --durations=10 $(filter-out $(NIGHTS),$(SLOW))

test-laion: .venv-laion/.installed
	.venv-laion/bin/python -m pytest -m laion $(LAION)

lint: .venv/.test-installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

clean:
	rm -rf .venv .venv-laion

# One line instead of a traceback on a machine that lacks something.
define new-environment
@command -v '$(PYTHON)' >/dev/null \
  || { echo 'nightcrate: no $(PYTHON) here; apt-get install python3 python3-venv' >&2; exit 1; }
@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || { echo "nightcrate: Python 3.11 or newer is needed, $(PYTHON) is $$('$(PYTHON)' -V 2>&1);" \
       'name another: make night PYTHON=python3.12' >&2; exit 1; }
@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null \
  || { echo 'nightcrate: $(PYTHON) cannot make environments; apt-get install python3-venv' >&2; exit 1; }
'$(PYTHON)' -m venv $(1)
endef

# A stamp is written when all went well, so a second call installs nothing and a broken one starts again.
.venv/.installed: pyproject.toml constraints/base.txt
	$(call new-environment,.venv)
	.venv/bin/python $(PIP) -c constraints/base.txt -e .
	touch $@

.venv/.test-installed: .venv/.installed
	.venv/bin/python $(PIP) -c constraints/base.txt -e '.[test]'
	touch $@

# laion_clap forces numpy < 2, so it lives apart; bitsandbytes too, which costs every import of diffusers seconds.
.venv-laion/.installed: pyproject.toml constraints/laion.txt
	$(call new-environment,.venv-laion)
	.venv-laion/bin/python $(PIP) -c constraints/laion.txt -e '.[laion,train,test]'
	touch $@
