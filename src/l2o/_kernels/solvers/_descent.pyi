from collections.abc import Callable

from numpy import ndarray

def minimize(
    objective: int, data: ndarray, method: int, setting: int, gtol: float, ftol: float, xtol: float,
    maxiter: int, maxfun: int, callback: Callable[[list[float], float], bool] | None, x: ndarray, f: ndarray,
    g: ndarray, nit: ndarray, nfev: ndarray, status: ndarray, low: ndarray | None = None,
    high: ndarray | None = None,
) -> None: ...
def record(
    objective: int, data: ndarray, method: int, setting: int, x: ndarray, f: ndarray, g: ndarray, nfev: ndarray,
    evaluations: ndarray, count: ndarray, status: ndarray,
) -> None: ...
def most_evaluations(n_steps: int) -> int: ...
__pyx_capi__: dict[str, object]
__test__: dict[str, str]
