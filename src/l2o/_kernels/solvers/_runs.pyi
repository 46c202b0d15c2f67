from collections.abc import Callable

from numpy import ndarray

from l2o._kernels.solvers._chain import Chain
from l2o._kernels.solvers._descent_method import DescentMethod

def minimize(
    objective: int, data: ndarray, method: DescentMethod, stopping: object,
    callback: Callable[[list[float], float], bool] | None, solution: tuple[ndarray, ...], low: ndarray | None = None,
    high: ndarray | None = None, chain: Chain | None = None,
) -> None: ...
def record(objective: int, data: ndarray, method: DescentMethod, rows: tuple[ndarray, ...]) -> None: ...
def most_evaluations(n_steps: int) -> int: ...

__test__: dict[str, str]
