import numpy as np

FUNCTION: int
HESSIAN: int
HEAD: int
__test__: dict[str, str]

def points(z: np.ndarray, low: np.ndarray, high: np.ndarray, x: np.ndarray) -> None: ...
