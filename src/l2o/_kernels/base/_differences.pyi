from numpy import ndarray

FUNCTION: int
HESSIAN: int

def over(
    objective: int, data: ndarray, low: ndarray | None, high: ndarray | None, n: int, nfev: ndarray
) -> ndarray: ...

__test__: dict[str, str]
