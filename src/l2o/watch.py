"""Ctrl-C while kernels run: between two evaluations, wherever they are; how is in _kernels/_watch.pyx."""

from __future__ import annotations

from typing import Any

import numpy as np

from l2o import _kernels

__all__ = ["Watch", "Watched"]

Watch = _kernels.watch.Watch


class Watched:
    """Problems that the kernels leave, with an error of each that is not done, when their watch says so."""

    def __init__(self, problems: Any, watch: Watch) -> None:
        self._problems, self._watch = problems, watch
        self._blocks = np.empty((len(problems), _kernels.watch.HEAD), np.uintp)
        self.x0, self.dim = problems.x0, problems.dim
        self.function = _kernels.watch.FUNCTION
        self.hessian_function = problems.hessian_function and _kernels.watch.HESSIAN

    def __len__(self) -> int:
        return len(self._problems)

    def __getitem__(self, i: int) -> Any:
        """Return an objective for methods that are Python and hear by themselves."""
        return self._problems[i]

    def addresses(self) -> np.ndarray:
        """Return the address of what the kernels know of each, (m,)."""
        addresses = self._problems.addresses().copy()  # they are shared
        self._watch.over(self._problems.function, self._problems.hessian_function or 0, addresses, self._blocks)
        return addresses
