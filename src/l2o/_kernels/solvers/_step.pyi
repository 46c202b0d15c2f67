from numpy import ndarray

class Step:
    def __init__(
        self, policy: int, length: int, state_size: int, curvature: bool, most_trials: int | None, rejections: int,
        flat: float, heir: int, setting: int, limits: ndarray | None,
    ) -> None: ...

__test__: dict[str, str]
