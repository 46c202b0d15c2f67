# One virtual environment, .venv, serves all targets. It is made when it is missing, and the package in it is built
# again when the build files or the native kernels change. Needed beforehand: Python 3.11 or later, a C compiler.
PYTHON ?= python3
BIN := .venv/bin
BUILT_FROM := pyproject.toml setup.py $(wildcard $(addprefix src/l2o/_kernels/*.,pyx pxd h))

# SciPy's L-BFGS-B works on vectors so short that BLAS threads only wait for each other
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test bench bench-peers bench-docs docs wheel lint clean

demo: .venv/installed-plot,examples  ## train, evaluate, apply to real data; ARGS=--quick for a short one
	$(BIN)/l2o reproduce logistic --out out $(ARGS)

test: .venv/installed-dev,examples  ## suite, doctests of the package, examples of README and docs; coverage
	$(BIN)/python -m pytest --doctest-modules --cov=l2o tests src/l2o $(ARGS)

bench: .venv/installed-dev,examples  ## each benchmark once
	$(BIN)/asv --config benchmarks/asv.conf.json machine --yes
	$(BIN)/asv --config benchmarks/asv.conf.json run --quick --python=same --show-stderr $(ARGS)

# pip takes PyTorch for GPUs, several GB, unless one is there already: install a build for CPUs into .venv beforehand
bench-peers: .venv/installed-dev,examples,peers  ## one step beside NumPy, Numba, JAX and PyTorch; ARGS="--json FILE"
	$(BIN)/python -m benchmarks.peers.compare $(ARGS)

bench-docs: .venv/installed-dev,examples,peers  ## all figures of docs/performance.md; on a machine that does nothing else
	$(BIN)/python -m benchmarks.peers.compare --docs
	$(BIN)/python -m benchmarks.parts --docs
	$(BIN)/python -m benchmarks.scaling --docs

docs: .venv/installed-dev,examples
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

wheel: .venv/installed-dev,examples  ## sdist, and the wheel built from it
	rm -rf dist && $(BIN)/python -m build --outdir dist .

lint: .venv/installed-dev,examples
	$(BIN)/ruff check . && PATH=$(CURDIR)/$(BIN):$$PATH cython-lint src && $(BIN)/mypy
	$(BIN)/python -m mypy.stubtest $(addprefix l2o._kernels.,_cpu _linear _python _run)

clean:
	rm -rf .venv build dist out docs/_build docs/generated benchmarks/.asv src/l2o.egg-info src/l2o/_kernels/*.so .coverage

.venv/installed-%: $(BUILT_FROM)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch '$@'
