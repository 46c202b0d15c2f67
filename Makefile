# One virtual environment, .venv, serves all targets. It is made when it is missing, and the package in it is built
# again when the build files or the native kernels change. Needed beforehand: Python 3.11 or later, a C compiler.
PYTHON ?= python3
BIN := .venv/bin
BUILT_FROM := pyproject.toml setup.py $(wildcard $(addprefix src/l2o/_kernels/*/*.,pyx pxd h))

# SciPy's L-BFGS-B works on vectors so short that BLAS threads only wait for each other
export OPENBLAS_NUM_THREADS ?= 1

# gcc's sanitizers must be there before Python is; libstdc++ too, or they miss the exceptions that LLVM throws
SANITIZERS = $(shell cc -print-file-name=libasan.so) $(shell cc -print-file-name=libstdc++.so.6)

.PHONY: demo test test-levels test-oldest debug threads attack instructions bench bench-peers bench-docs pretrained docs wheel lint clean

demo: .venv/installed-plot,examples  ## three jobs of many fits, then the paper in short; ARGS=--quick for the jobs alone
	$(BIN)/python examples/many_fits.py --out out $(ARGS)
	$(if $(findstring --quick,$(ARGS)),,$(BIN)/l2o reproduce logistic --quick --out out/paper)

test: .venv/installed-dev,examples  ## suite, doctests of the package, examples of README and docs; coverage
	$(BIN)/python -m pytest --doctest-modules --cov=l2o tests src/l2o $(ARGS)

test-levels: .venv/installed-dev,examples  ## what runs in kernels, at the instruction sets that make test left out
	for level in $$($(BIN)/python -c "from l2o import _kernels; print(*_kernels.CPU_LEVELS[:-1])"); do \
		L2O_CPU=$$level $(BIN)/python -m pytest -k "not every_level" $(ARGS) \
			$(addprefix tests/test_,kernels.py bounds.py families.py paper_families.py policies.py minimize.py examples.py) || exit 1; \
	done

test-oldest:  ## the suite in an environment of its own, with the oldest libraries that pyproject.toml allows
	test -x build/oldest/bin/python || $(PYTHON) -m venv build/oldest
	build/oldest/bin/python -m pip install --quiet --constraint tests/oldest.txt '.[test,examples]'
	build/oldest/bin/python -m pytest tests $(ARGS)

debug:  ## the suite in an environment of its own, bounds checked, under gcc's address and undefined sanitizers
	test -x build/debug/venv/bin/python || $(PYTHON) -m venv build/debug/venv
	L2O_DEBUG=1 build/debug/venv/bin/python -m pip install --quiet '.[test,examples]'
	L2O_DEBUG=1 PYTHONMALLOC=malloc LD_PRELOAD="$(SANITIZERS)" ASAN_OPTIONS=detect_leaks=0 \
		UBSAN_OPTIONS=print_stacktrace=1 build/debug/venv/bin/python -m pytest --capture=sys tests $(ARGS)

# what is not compiled here, Python and OpenBLAS among it, is not looked at; two threads are enough for a race
threads:  ## what threads do, in an environment of its own, under gcc's thread sanitizer
	test -x build/threads/venv/bin/python || $(PYTHON) -m venv build/threads/venv
	L2O_DEBUG=thread build/threads/venv/bin/python -m pip install --quiet '.[test,examples]'
	L2O_DEBUG=thread LD_PRELOAD="$(shell cc -print-file-name=libtsan.so)" \
		TSAN_OPTIONS="exitcode=66 ignore_noninstrumented_modules=1 suppressions=$(CURDIR)/tests/threads.supp" \
		build/threads/venv/bin/python -m pytest --capture=sys tests/test_parallel.py tests/test_minimize.py \
		tests/test_curve_fit.py -k "threads or workers or pieces" $(ARGS)

attack: .venv/installed-dev,examples  ## adversarial functions and damaged files; ARGS="20000 SEED"
	$(BIN)/python -m benchmarks.ground.attack $(ARGS)

instructions: .venv/installed-dev,examples  ## instructions per step by callgrind; ARGS=--check or ARGS=--record
	$(BIN)/python benchmarks/instructions.py $(ARGS)

bench: .venv/installed-dev,examples  ## each benchmark once
	$(BIN)/asv --config benchmarks/asv.conf.json machine --yes
	$(BIN)/asv --config benchmarks/asv.conf.json run --quick --python=same --show-stderr $(ARGS)

# pip takes PyTorch for GPUs, several GB, unless one is there already: install a build for CPUs into .venv beforehand
bench-peers: .venv/installed-dev,examples,peers  ## one step beside NumPy, Numba, JAX and PyTorch; ARGS="--json FILE"
	$(BIN)/python -m benchmarks.speed.peers.compare $(ARGS)

bench-docs: .venv/installed-dev,examples,peers  ## tables of speed in docs; on a machine that does nothing else
	$(BIN)/python -m benchmarks.speed.peers.compare --docs
	$(BIN)/python -m benchmarks.speed.objectives --docs
	$(BIN)/python -m benchmarks.speed.parts --docs
	$(BIN)/python -m benchmarks.paper.networks --docs
	$(BIN)/python -m benchmarks.speed.training_profile --workers 1 2 --docs
	$(BIN)/python -m benchmarks.speed.scaling --docs
	$(BIN)/python -m benchmarks.speed.overheads --docs
	$(BIN)/python -m benchmarks.speed.logistic_fits --docs
	$(BIN)/python -m benchmarks.paper.handoff --docs --seeds 0
	$(BIN)/python -m benchmarks.speed.factor_regressions --docs
	$(BIN)/python -m benchmarks.curves.least_squares --docs

pretrained: .venv/installed-dev,examples  ## make the shipped policies again, and the figures of docs/paper.md
	$(BIN)/python -m benchmarks.paper.pretrained --docs $(ARGS)
	$(BIN)/python -m benchmarks.rules.universal --ship --measure --families --docs
	$(BIN)/python -m benchmarks.curves.damping --ship --measure --docs

docs: .venv/installed-dev,examples
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

wheel: .venv/installed-dev,examples  ## sdist, and the wheel built from it; on Linux with the manylinux tag it is due
	rm -rf dist && $(BIN)/python -m build --outdir dist .
	for wheel in dist/*-linux_*.whl; do \
		! test -e $$wheel || \
		{ PATH=$(CURDIR)/$(BIN):$$PATH auditwheel repair --wheel-dir dist $$wheel && rm $$wheel; } || exit 1; \
	done

lint: .venv/installed-dev,examples
	$(BIN)/ruff check . && PATH=$(CURDIR)/$(BIN):$$PATH cython-lint src && $(BIN)/mypy
	$(BIN)/python -m mypy.stubtest $(subst /,.,$(patsubst src/%.pyi,%,$(wildcard src/l2o/_kernels/*/*.pyi)))

clean:
	rm -rf .venv build dist out docs/_build docs/generated docs/gallery benchmarks/.asv src/l2o.egg-info src/l2o/_kernels/*/*.so .coverage

.venv/installed-%: $(BUILT_FROM)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch '$@'
