from collections.abc import Callable

from numpy import ndarray

from l2o._kernels.solvers._chain import Chain
from l2o._kernels.solvers._step import Step

def empty_solution(x0: ndarray) -> tuple[ndarray, ndarray, ndarray, ndarray, ndarray, ndarray, ndarray]: ...
def minimize(
    objective: int, hessian: int, data: ndarray, step: Step, weights: ndarray, safeguard: bool, stopping: object,
    callback: Callable[[list[float], float], bool] | None, solution: tuple[ndarray, ...],
    outside: ndarray | None = None, low: ndarray | None = None, high: ndarray | None = None,
    chain: Chain | None = None,
) -> None: ...

__test__: dict[str, str]
