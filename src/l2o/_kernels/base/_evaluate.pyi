from numpy import ndarray

from l2o._kernels.base._watch import Watch

def addresses(blocks: ndarray, index: ndarray, out: ndarray) -> None: ...
def evaluate_many(
    objective: int, data: ndarray, x: ndarray, f: ndarray, g: ndarray, status: ndarray, watch: Watch
) -> None: ...
def hessian_many(hessian: int, data: ndarray, x: ndarray, h: ndarray, watch: Watch) -> None: ...

__test__: dict[str, str]
