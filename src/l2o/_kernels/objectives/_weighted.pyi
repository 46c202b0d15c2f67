from numpy import ndarray

def over(data: ndarray, shared: int) -> ndarray: ...

__test__: dict[str, str]
