"""The native layer: arrays and pointers, no l2o object.

The modules with arithmetic in them are built once per instruction set; the best that this CPU runs
is chosen here, at import. L2O_CPU=baseline|avx2|avx512 overrides.
"""

import importlib
import os
from types import ModuleType

import numpy as np

import l2o._kernels.base._count as count
import l2o._kernels.base._differences as differences
import l2o._kernels.base._evaluate as evaluate
import l2o._kernels.base._python as python
import l2o._kernels.base._status as status
import l2o._kernels.base._tables as tables
import l2o._kernels.base._watch as watch
import l2o._kernels.objectives._weighted as weighted
import l2o._kernels.policies._learned_newton as learned_newton
import l2o._kernels.policies._linear as linear
import l2o._kernels.solvers._bfgs as bfgs
import l2o._kernels.solvers._chain as chain
import l2o._kernels.solvers._conjugate as conjugate
import l2o._kernels.solvers._descent_method as descent_method
import l2o._kernels.solvers._judge as judge
import l2o._kernels.solvers._lbfgs as lbfgs
import l2o._kernels.solvers._minimize as minimize
import l2o._kernels.solvers._newton as newton
import l2o._kernels.solvers._rollout as rollout
import l2o._kernels.solvers._runs as runs
import l2o._kernels.solvers._step as step
from l2o._kernels.base import _cpu

__all__ = ["CPU_LEVEL", "CPU_LEVELS", "addresses", "aligned", "bfgs", "chain", "components", "conjugate", "count",
           "data_start", "descent_method", "differences", "evaluate", "judge", "lbfgs", "learned_newton",
           "least_squares", "levenberg", "linear", "logistic", "marquardt", "minimize", "mlp", "neural_net", "newton",
           "python", "quasi_newton", "regression", "robust", "rollout", "runs", "status", "step", "tables",
           "values_start", "watch", "weighted", "weighted_logistic", "weighted_robust"]

LEVELS = ("baseline", "avx2", "avx512")
CPU_LEVELS = LEVELS[: min(_cpu.LEVEL + 1, _cpu.BUILT)]


def _chosen_level() -> str:
    level = os.environ.get("L2O_CPU", CPU_LEVELS[-1])
    if level not in CPU_LEVELS:
        raise ImportError(f"L2O_CPU is {level!r}; this CPU and build have {', '.join(CPU_LEVELS)}")
    return level


CPU_LEVEL = _chosen_level()


def _load(name: str) -> ModuleType:
    return importlib.import_module(f"l2o._kernels.{name}_{CPU_LEVEL}")


least_squares, logistic, neural_net, robust = (
    _load(f"objectives._{name}") for name in ("least_squares", "logistic", "neural_net", "robust"))
weighted_logistic, weighted_robust = (_load(f"objectives._weighted_{name}") for name in ("logistic", "robust"))
components, levenberg, marquardt = (
    _load(f"solvers._{name}") for name in ("components", "levenberg", "marquardt"))
data_start, mlp, quasi_newton, values_start = (
    _load(f"policies._{name}") for name in ("data_start", "mlp", "quasi_newton", "values_start"))
regression = _load("training._regression")


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Return zeros of that shape on a 64-byte boundary; NumPy promises 16, which costs 10 % of a step."""
    size = int(np.prod(shape))
    memory = np.zeros(size + 8)
    start = (-memory.ctypes.data // 8) % 8
    return memory[start : start + size].reshape(shape)


def addresses(blocks: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the address of row index[i] of the C-contiguous `blocks`, for every i."""
    result = np.empty(len(index), np.uintp)
    evaluate.addresses(blocks, index, result)
    return result
