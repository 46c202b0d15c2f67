from typing import final

from numpy import ndarray

from l2o._kernels.solvers._descent_method import DescentMethod

@final
class Step:
    def __init__(
        self, policy: int, length: int, state_size: int, curvature: bool, together: bool, most_trials: int | None,
        rejections: int, flat: float, heir: DescentMethod, limits: ndarray | None, gate: ndarray | None,
    ) -> None: ...

__pyx_capi__: dict[str, object]
__test__: dict[str, str]
