from collections.abc import Callable

from numpy import ndarray

def rollout(
    objective: int, data: ndarray, policy: int, weights: ndarray, length: int, state_size: int,
    noise: ndarray | None, x: ndarray, f: ndarray, g: ndarray, status: ndarray,
    nfev: ndarray | None, evaluations: ndarray | None,
) -> None: ...
def minimize(
    objective: int, data: ndarray, policy: int, weights: ndarray, length: int, state_size: int, safeguard: bool,
    gtol: float, maxiter: int, maxfun: int, callback: Callable[[list[float], float], bool] | None, x: ndarray,
    f: ndarray, g: ndarray, nit: ndarray, nfev: ndarray, status: ndarray, limits: ndarray | None = None,
    outside: ndarray | None = None,
) -> None: ...
def addresses(blocks: ndarray, index: ndarray, out: ndarray) -> None: ...
def evaluate_many(
    objective: int, data: ndarray, x: ndarray, f: ndarray, g: ndarray, status: ndarray
) -> None: ...
def hessian_many(hessian: int, data: ndarray, x: ndarray, h: ndarray) -> None: ...
__test__: dict[str, str]
