from collections.abc import Callable
from typing import Any, TypeVar, final

import numpy as np

FUNCTION: int
HESSIAN: int
NORMAL: int
EXPANSION: int
MODEL: int
__test__: dict[str, str]

_T = TypeVar("_T")
__pyx_capi__: dict[str, object]

def watch_here() -> Watch | None: ...
@final
class Watch:
    error: BaseException | None
    def over(self, objective: int, hessian: int, normal: int, expansion: int,
             data: np.ndarray) -> np.ndarray: ...
    def over_model(self, model: int, user: int) -> np.ndarray: ...
    def __enter__(self) -> Watch: ...
    def __exit__(self, *_: Any) -> None: ...
    def during(self, work: Callable[..., _T], *given: Any) -> _T: ...
    def set(self) -> None: ...
    def check(self) -> None: ...
