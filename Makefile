# make learn   the course in JupyterLab           make test    everything that proves the project
# make grade   grade the sample class             make build   sources -> course/
# make bench   speed and size, side by side       make lock    new exact versions
# make clean   remove what make has made         make nbgrader-course   a course for nbgrader's own commands
#
# The first run makes .venv and installs into it; after that nothing is installed and no network is needed.
# Another Python:      make learn PYTHON=python3.12
# A torch of your own: python3 -m venv .venv && .venv/bin/pip install torch --index-url ... ; it will be kept.

PYTHON ?= python3
LAB_ARGS ?=
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# These may run beside each other. The others watch the machine's processes, and want it for themselves.
BESIDE := library grader build claims notebooks mess nbgrader

.PHONY: learn test grade nbgrader-course build bench lock clean

learn: .venv/has-learn
	@echo "Starting JupyterLab. Its address follows; stop it with Ctrl-C."
	@cd course && jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS) start_here.ipynb

# Two processes on two cores: threads of their own would only wait for each other.
test: export OMP_NUM_THREADS = 1
test: .venv/has-test
	ruff check .
	ruff format --check .
	codespell
	python -m autograder.build --check
	python -m pytest -n 2 --dist loadscope $(addprefix tests/,$(BESIDE))
	python -m pytest $(filter-out $(addprefix tests/,$(BESIDE)),$(patsubst %/,%,$(wildcard tests/[a-z]*/)))

grade: .venv/has-grade
	python -m autograder grade autograder/samples --out build/grade

nbgrader-course: .venv/has-grade
	python -m autograder course --out build/nbgrader

build: .venv/has-grade
	python -m autograder.build
	python -m autograder.build.samples

bench: .venv/has-test
	python -m benchmarks

# The lock covers Python 3.11 to 3.13 and every system, hence uv. torch stays at the lock's version, since every
# figure was measured with it: to raise it, change its line in the lock first.
lock: .venv/has-test
	pip install --quiet uv
	@mkdir -p build
	grep '^torch==' requirements.lock > build/torch.txt
	uv pip compile --universal --python-version 3.11 --upgrade --no-annotate --no-header --quiet -c build/torch.txt \
	    --extra learn --extra grading --extra pretrained --extra dev pyproject.toml -o build/requirements.lock
	{ sed -n '/^#/p' requirements.lock; cat build/requirements.lock; } > build/requirements.new
	mv build/requirements.new requirements.lock

clean:
	rm -rf build .pytest_cache .ruff_cache .hypothesis

# --- The environment ----------------------------------------------------------------------------------
# .venv/has-NAME says that what `make NAME` needs is installed: it holds the files that say what that is, as they were
# then. Where they are only newer, as after a checkout, nothing is installed.

.venv/has-learn: EXTRAS := learn
.venv/has-grade: EXTRAS := learn,grading
.venv/has-test:  EXTRAS := learn,grading,pretrained,dev
WHAT := pyproject.toml requirements.lock

.venv/has-%: $(WHAT) | .venv/bin/pip
	@if cat $(WHAT) | cmp -s - $@; then touch $@; else $(MAKE) --no-print-directory install FOR=$@ EXTRAS=$(EXTRAS); fi

.PHONY: install
install:
	@echo "Installing the course and what it needs into .venv (once; needs a network) ..."
	@# A torch that is there already stays, with the packages that it brought.
	@if .venv/bin/python -c 'import importlib.metadata as m; m.version("torch")' 2>/dev/null; \
	    then grep -vE '^(torch|triton|nvidia-|cuda-)' requirements.lock; else cat requirements.lock; \
	fi > .venv/constraints.txt
	.venv/bin/python -m pip install --disable-pip-version-check -c .venv/constraints.txt -e ".[$(EXTRAS)]"
	@for stamp in $(FOR) $(if $(findstring dev,$(EXTRAS)),.venv/has-learn .venv/has-grade); do cat $(WHAT) > $$stamp; done

.venv/bin/pip:
	@command -v $(PYTHON) >/dev/null || { \
	    echo "There is no $(PYTHON) here: install Python 3.11, 3.12 or 3.13, or name it: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	    echo "$(PYTHON) is $$($(PYTHON) --version), and the course needs 3.11, 3.12 or 3.13: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) cannot make a virtual environment: install its venv package (Debian: apt install python3-venv)."; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv .venv
