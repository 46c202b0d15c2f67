from typing import final

from numpy import ndarray

@final
class Chain:
    def __init__(
        self, block: ndarray, memory: ndarray, n: int, place: int, piece: int, origin: int, carries: bool, far: float,
        longest: int,
    ) -> None: ...

__test__: dict[str, str]
