from numpy import ndarray

METHOD: int

def direction(s: ndarray, y: ndarray, g: ndarray, length: int, memory: ndarray, p: ndarray) -> int: ...
def resume(
    objective: int, data: int, length: int, s: ndarray, y: ndarray, gtol: float, maxiter: int, maxfun: int,
    first: float, lowest: float, nit: int, nfev: int, memory: ndarray, x: ndarray, f: ndarray, g: ndarray,
) -> tuple[int, int, int]: ...
def work_size(n: int, length: int) -> int: ...
__pyx_capi__: dict[str, object]
__test__: dict[str, str]
