# What the predictions of a method's matrix are worth: how far to trust them before a run is called converged.
from libc.math cimport fabs, sqrt
from libc.stdint cimport intptr_t

from l2o._kernels.base._evaluate cimport rounding
from l2o._kernels.solvers._descent cimport descent
from l2o._kernels.solvers._descent_method cimport PREDICTED
from l2o._kernels.solvers._kink cimport most_moved
from l2o._kernels.solvers._stopping cimport is_foreseen

cdef enum:
    LONG = 5                                                   # evaluations a variable; of them a Hessian costs a fifth
    FEW = 5                                                    # steps: a matrix knows little of the way
    MORE = 2                                                   # gradients along what they left out

cdef extern from *:
    """
    #define L2O_DIGITS 1e-7
    #define L2O_DIGITS_OF_BOTH 1e-5
    #define L2O_COARSE 1e4
    #define L2O_SLOW 0.5
    #define L2O_CLOSER 0.1
    #define L2O_FAST 1e-3
    #define L2O_SURE 1e-3
    """
    const double DIGITS "L2O_DIGITS"                           # of x or its move: f is then right to their square
    const double DIGITS_OF_BOTH "L2O_DIGITS_OF_BOTH"           # and of either
    const double COARSE "L2O_COARSE"                           # roundings of f: less to win shows little of the run
    const double SLOW "L2O_SLOW"                               # of the last decrease, the gap: little closer
    const double CLOSER "L2O_CLOSER"                           # a matrix that knows all directions is believed
    const double FAST "L2O_FAST"                               # much closer: a Hessian is spared
    const double SURE "L2O_SURE"                               # of the tolerance, the gap: a matrix is not so wrong


cdef inline bint is_last_digits(const descent* run, const double* x, const double* p, int trust) noexcept nogil:
    """Whether the step p to the minimum that is predicted changes nothing that matters of x, or of the way to it.

    The prediction of a matrix may be the larger, if it is small beside both.
    """
    cdef double size = 0.0, moved = most_moved(run, x), step = 0.0, unit
    cdef intptr_t j
    for j in range(run.n):
        unit = sqrt(run.units[j])
        size, step = max(size, fabs(x[j]) / unit), max(step, fabs(p[j]) / unit)
    return step <= DIGITS * max(size, moved) or (trust == PREDICTED and step <= DIGITS_OF_BOTH * min(size, moved))


cdef inline bint is_coarse(double f, double least) noexcept nogil:
    """Whether f may have a constant that hides how it falls."""
    return least <= COARSE * rounding(f)


cdef inline bint is_fast(const descent* run) noexcept nogil:
    """Whether the last step was as foreseen, and led much closer."""
    return is_foreseen(&run.stop) and run.stop.gap <= FAST * run.stop.decrease


cdef inline bint is_closer(const descent* run) noexcept nogil:
    """Whether the last step was as foreseen, and led closer."""
    return is_foreseen(&run.stop) and run.stop.gap <= CLOSER * run.stop.decrease


cdef inline bint is_slow(const descent* run) noexcept nogil:
    """Whether the last step was as foreseen, and led little closer, as beside a saddle."""
    return is_foreseen(&run.stop) and run.stop.gap >= SLOW * run.stop.decrease


cdef inline bint is_misled(const descent* run, double f, double least) noexcept nogil:
    """Whether a Hessian is asked at once: f is coarse, or the last step was slow."""
    return is_coarse(f, least) or is_slow(run)


cdef inline bint is_long(const descent* run) noexcept nogil:
    """Whether a Hessian costs little beside the run."""
    return run.nfev >= LONG * run.n


cdef inline intptr_t doubt(const descent* run, double least, intptr_t known) noexcept nogil:
    """How many gradients along what the steps left out the guesses of a matrix are worth.

    known: directions that the last steps have shown, where they lead closer.
    """
    if known == run.n or (run.stop.gap <= SURE * least and not is_long(run)
                          and run.stop.changed >= max(run.n, <intptr_t> FEW)):
        return 0
    return MORE
