from typing import final

from numpy import ndarray

@final
class Judge:
    nfev: int
    short_step: bool
    def __new__(
        cls, objective: int, data: int, x: ndarray, f: float, g: ndarray, stopping: object,
        low: ndarray | None = None, high: ndarray | None = None,
    ) -> Judge: ...
    def see(self, g: ndarray) -> None: ...
    def end(self, left: int) -> int | None: ...
    def step(self, x: ndarray, f: float, g: ndarray, left: int) -> int | None: ...

__test__: dict[str, str]
