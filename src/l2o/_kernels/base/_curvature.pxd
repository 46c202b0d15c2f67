# The Hessian at the best point of a run, for policies that ask for it.
from libc.math cimport isfinite
from libc.stdint cimport intptr_t

from l2o._kernels.base._abi cimport l2o_hessian_fn, l2o_run


cdef inline bint show_curvature(l2o_hessian_fn hessian, double* curvature, l2o_run* run, void* data) noexcept nogil:
    """Let the policy see the Hessian at the best point, NULL where it is not finite; False if there is an error."""
    cdef int code = hessian(run.best_x, curvature, run.dim, data)
    cdef intptr_t j
    run.curvature = curvature if code == 0 else NULL
    for j in range(run.dim * run.dim if code == 0 else 0):
        if not isfinite(curvature[j]):
            run.curvature = NULL
    return code >= 0
