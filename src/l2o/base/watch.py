"""Ctrl-C while kernels run: between two evaluations, wherever they are; how is in _kernels/base/_watch.pyx."""

from __future__ import annotations

from typing import Any

import numpy as np

from l2o import _kernels

__all__ = ["Watch", "Watched"]

Watch = _kernels.watch.Watch


class Watched:
    """Problems that the kernels leave, with an error of each that is not done, when their watch says so."""

    function = _kernels.watch.FUNCTION

    def __init__(self, problems: Any, watch: Watch) -> None:
        self._problems, self._watch, self.x0 = problems, watch, problems.x0

    def __len__(self) -> int:
        return len(self._problems)

    def __getitem__(self, i: int) -> Any:
        """Return an objective for methods that are Python and hear by themselves."""
        return self._problems[i]

    @property
    def dim(self) -> int:
        """Number of variables."""
        return self._problems.dim

    @property
    def hessian_function(self) -> int | None:
        """Address of the Hessian, if there is one."""
        return self._problems.hessian_function and _kernels.watch.HESSIAN

    def addresses(self) -> np.ndarray:
        """Return the address of what the kernels know of each, (m,)."""
        problems = self._problems
        return self._watch.over(problems.function, problems.hessian_function or 0, problems.addresses())
