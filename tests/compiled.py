"""Objectives of a test behind the C ABI, with return codes and Hessians, for the kernels and the methods."""

import ctypes

import numpy as np

DOUBLES = ctypes.POINTER(ctypes.c_double)
OBJECTIVE = ctypes.CFUNCTYPE(ctypes.c_int, DOUBLES, DOUBLES, DOUBLES, ctypes.c_ssize_t, ctypes.c_void_p)
HESSIAN = ctypes.CFUNCTYPE(ctypes.c_int, DOUBLES, DOUBLES, ctypes.c_ssize_t, ctypes.c_void_p)


class Compiled:
    """A batch of runs of one function, each from its own start; every evaluated point is kept.

    value_and_grad: x (d,) -> (f, g), or an int: the return code. hessian: x (d,) -> (d, d), or an int.
    """

    objective_card = None  # not known
    mean_size = 1.0

    def __init__(self, value_and_grad, x0, hessian=None):
        self.x0 = np.atleast_2d(np.asarray(x0, float))
        self.points, self.values, self.hessians = [], [], 0
        self._data = np.zeros(1)

        def objective(x, f, g, n, user):
            point = np.ctypeslib.as_array(x, (n,)).copy()
            result = value_and_grad(point)
            self.points.append(point)
            self.values.append(np.inf if isinstance(result, int) else float(result[0]))
            if isinstance(result, int):
                return result
            f[0] = result[0]
            np.ctypeslib.as_array(g, (n,))[:] = result[1]
            return 0

        def second(x, h, n, user):
            self.hessians += 1
            result = hessian(np.ctypeslib.as_array(x, (n,)).copy())
            if isinstance(result, int):
                return result
            np.ctypeslib.as_array(h, (n, n))[:] = result
            return 0

        self._functions = OBJECTIVE(objective), HESSIAN(second)
        self.function = ctypes.cast(self._functions[0], ctypes.c_void_p).value
        self.hessian_function = None if hessian is None else ctypes.cast(self._functions[1], ctypes.c_void_p).value
        self.normal_function = self.expansion_function = None

    def __len__(self):
        return len(self.x0)

    @property
    def dim(self):
        """Number of variables."""
        return self.x0.shape[1]

    def addresses(self):
        """Return one address a run."""
        return np.full(len(self), self._data.ctypes.data, np.uintp)
