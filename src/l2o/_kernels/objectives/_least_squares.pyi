from numpy import ndarray

FUNCTION: int

def over(model: int, user: int, data: ndarray) -> ndarray: ...

__test__: dict[str, str]
