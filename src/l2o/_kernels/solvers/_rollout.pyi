from numpy import ndarray

from l2o._kernels.base._watch import Watch
from l2o._kernels.solvers._step import Step

def empty_record(m: int, n_steps: int, n: int) -> tuple[ndarray, ...]: ...
def rollout(
    objective: int, hessian: int, data: ndarray, step: Step, weights: ndarray, noise: ndarray | None, x: ndarray,
    f: ndarray, g: ndarray, status: ndarray, nfev: ndarray | None, evaluations: ndarray | None,
    watch: Watch,
) -> None: ...

__test__: dict[str, str]
