from numpy import ndarray

MORE: int
NIELSEN: int

def fit_many(
    model: int, user: int, rule: int, first: float, tol: float, maxfev: int, k: int, t: ndarray, y: ndarray,
    sigma: ndarray | None, offsets: ndarray, low: ndarray | None, high: ndarray | None, x: ndarray, cov: ndarray,
    chi2: ndarray, used: ndarray, nfev: ndarray, nit: ndarray, status: ndarray, on_bound: ndarray,
) -> None: ...
def curves_of(
    model: int, user: int, k: int, t: ndarray, offsets: ndarray, x: ndarray, cov: ndarray | None, values: ndarray,
    variance: ndarray,
) -> None: ...

__test__: dict[str, str]
