"""The benchmark suite is alive: each setup and each body runs once."""

import importlib
import inspect
import itertools
import json
import pkgutil
from pathlib import Path

import benchmarks.suite
import pytest
from benchmarks.suite.bench_instructions import Instructions

BODIES = ("time_", "track_", "timeraw_")
MODULES = [importlib.import_module(f"benchmarks.suite.{each.name}")
           for each in pkgutil.iter_modules(benchmarks.suite.__path__)]


def combinations(benchmark):
    """Return the first and the last combination of a class's parameters."""
    params = getattr(benchmark, "params", ())
    if params and not isinstance(params[0], (tuple, list)):
        params = (params,)
    each = list(itertools.product(*params))
    return list(dict.fromkeys([each[0], each[-1]]))


def members(kind):
    """Return what a module of the suite defines: its classes or its functions."""
    return [value for module in MODULES for value in vars(module).values()
            if kind(value) and value.__module__ == module.__name__]


CLASSES = [pytest.param(each, id=f"{each.__module__.split('.')[-1]}-{each.__name__}")
           for each in members(inspect.isclass) if each is not Instructions]  # CI counts those by make instructions
FUNCTIONS = [each for each in members(inspect.isfunction) if each.__name__.startswith(BODIES)]


@pytest.mark.parametrize("benchmark", CLASSES)
def test_benchmark_sets_up_and_runs(benchmark):
    bodies = [name for name in vars(benchmark) if name.startswith(BODIES)]
    assert bodies
    for given in combinations(benchmark):
        each = benchmark()
        each.setup(*given)
        for body in bodies:
            getattr(each, body)(*given)


@pytest.mark.parametrize("benchmark", FUNCTIONS)
def test_benchmark_without_setup_runs(benchmark):
    benchmark()


def test_counted_cases_are_on_record():
    record = json.loads((Path(benchmarks.__path__[0]) / "instructions.json").read_text(encoding="utf-8"))
    assert set(Instructions.params) <= set(record["instructions_per_step"])
