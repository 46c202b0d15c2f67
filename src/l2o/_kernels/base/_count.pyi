import numpy as np

FUNCTION: int
HESSIAN: int
NORMAL: int
__test__: dict[str, str]

def over(objective: int, hessian: int, normal: int, data: np.ndarray, targets: np.ndarray, limit: int,
         met: np.ndarray) -> np.ndarray: ...
