# Minimisation by a policy, with a safeguard: runs in groups, and what a call gives them. One run is in _safeguard.pxd.
#
# As in rollouts, nothing here allocates but one workspace a call, and row i does not depend on its neighbours.
cimport numpy as cnp
from libc.stdint cimport intptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from l2o._kernels.base._abi cimport l2o_hessian_fn, l2o_objective_fn, l2o_run
from l2o._kernels.base._arrays cimport addresses_in, empty, flags
from l2o._kernels.base._history cimport GUARD, history_reset, history_size
from l2o._kernels.solvers._call cimport enter, leave, minimize_call, read_call
from l2o._kernels.solvers._chain cimport Chain, chain_rules, hand_on, link, look_again
from l2o._kernels.solvers._descent cimport call_back, descent_size
from l2o._kernels.solvers._safeguard cimport Minimization, advance, ends, start, tell
from l2o._kernels.solvers._scrutiny cimport watch_size
from l2o._kernels.solvers._step cimport GROUP, Step, ask, drop, group, refuse, step_rules

cnp.import_array()


cdef bint minimize_group(const void* weights, l2o_run* h, double* points, Minimization* runs,
                         intptr_t n_runs, chain_rules* chain) noexcept nogil:
    """Run each until it has converged, or to a limit; x, f, g become the best point seen.

    False if the policy wrote where it must not.
    """
    cdef const step_rules* rules = runs[0].rules
    cdef intptr_t row[GROUP]
    cdef intptr_t active = n_runs, k
    for k in range(n_runs):
        row[k] = k
        start(&runs[k], &h[k])
        if chain != NULL:
            look_again(chain, &runs[k], &h[k])
    while active > 0:
        k = 0
        while k < active:
            if ends(&runs[row[k]], &h[k], weights):
                active -= 1
                drop(h, row, k, active)
            else:
                tell(&runs[row[k]], &h[k])
                k += 1
        if active > 0 and not ask(rules, h, active, points, weights):
            return False
        for k in range(active):
            advance(&runs[row[k]], &h[k], weights, points + k * runs[0].best.n)
    for k in range(n_runs):
        if h[k].state[rules.state_size] != GUARD:
            return False
    return True


def empty_solution(cnp.ndarray x0 not None):
    """Return arrays for minimisations from x0 (m, n): a copy of it, f (m,), g (m, n), nit, nfev, status, test (m,)."""
    cdef intptr_t m = x0.shape[0], n = x0.shape[1]
    return (cnp.PyArray_NewCopy(x0, cnp.NPY_CORDER), empty(cnp.NPY_DOUBLE, 1, m), empty(cnp.NPY_DOUBLE, 2, m, n),
            empty(cnp.NPY_INTP, 1, m), empty(cnp.NPY_INTP, 1, m), empty(cnp.NPY_INT, 1, m), empty(cnp.NPY_INT, 1, m))


def minimize(size_t objective, size_t hessian, cnp.ndarray data not None, Step step not None,
             cnp.ndarray weights not None, bint safeguard, object stopping, object callback, tuple solution not None,
             cnp.ndarray outside=None, cnp.ndarray low=None, cnp.ndarray high=None, Chain chain=None):
    """Minimise from every row of x (m, n) of the solution, which is filled. callback(x, f) -> stop, or None.

    stopping has the attributes gtol, ftol, xtol, infimum, maxiter, maxfun and gate. low and high (m, n) are bounds,
    both or neither, and the rows of x are within them.

    With a safeguard the heir takes over where the policy no longer helps. outside (m,): whether the start or a step was
    beyond the policy's limits; None if it has none. With `gate` such a start ends the run at once. hessian is 0 but for
    a step that asks for it. Runs of a chain begin as their predecessors ended; all have the weights of the chain.
    """
    cdef const step_rules* rules = &step.rules
    cdef minimize_call call
    read_call(&call, stopping, solution, low, high)
    cdef intptr_t m = call.m, n = call.n, i = 0, k, n_runs
    cdef intptr_t size = history_size(n, rules.length, rules.state_size), square = n * n if rules.curvature else 0
    cdef intptr_t inheritance = rules.heir.size(n, rules.settings) if safeguard else 0
    cdef const size_t* data_of = addresses_in(data, m)
    cdef const size_t* weights_of = addresses_in(weights, m)
    cdef unsigned char* beyond_them = NULL if rules.limits == NULL and rules.gate == NULL else flags(outside, m)
    cdef bint gated = safeguard and stopping.gate
    cdef double* memory = <double*> malloc((GROUP * (inheritance + size + 6 * n + watch_size(n) + square)
                                            + descent_size(n) + 1) * sizeof(double))
    cdef double* histories = memory + GROUP * inheritance
    cdef double* points = histories + GROUP * size             # those asked for, and a guard
    cdef double* vectors = points + GROUP * n + 1              # trials, gradients, then origins, workspace
    cdef double* origins = vectors + 2 * GROUP * n
    cdef double* shown = origins + GROUP * watch_size(n) + descent_size(n)
    cdef double* squares = shown + 3 * GROUP * n
    cdef list told = [callback, n, None]
    cdef l2o_run h[GROUP]
    cdef Minimization runs[GROUP]
    cdef chain_rules* links = NULL if chain is None else &chain.rules
    cdef const void* shared = NULL if chain is None else links.block
    cdef bint kept = True
    if memory == NULL:
        raise MemoryError
    memset(runs, 0, sizeof(runs))
    for k in range(GROUP):
        runs[k].best.objective, runs[k].best.method, runs[k].best.n = <l2o_objective_fn> objective, rules.heir, n
        runs[k].rules, runs[k].hessian, runs[k].gated = rules, <l2o_hessian_fn> hessian, gated
        runs[k].point, runs[k].gradient = vectors + k * n, vectors + (GROUP + k) * n
        runs[k].origin, runs[k].work = origins + k * watch_size(n), origins + GROUP * watch_size(n)
        runs[k].shown = shown + 3 * k * n
        if safeguard:
            runs[k].best.memory = memory + k * inheritance
        if rules.curvature:
            runs[k].curvature = squares + k * square
        if callback is not None:
            runs[k].best.after_step, runs[k].best.observer = call_back, <void*> told
    with nogil:
        while i < m:
            n_runs = group(rules, weights_of + i, m - i) if links == NULL else 1
            for k in range(n_runs):
                history_reset(&h[k], histories + k * size, n, rules.length, rules.state_size)
                runs[k].best.data = <void*> data_of[i + k]
                enter(&call, &runs[k].best, i + k)
                if safeguard:
                    rules.heir.reset(runs[k].best.memory, n, rules.settings, runs[k].best.data)
            if links == NULL:
                shared = <const void*> weights_of[i]
            else:
                link(links, &runs[0].best, i)
            kept = minimize_group(shared, h, points, runs, n_runs, links)
            if not kept:
                break
            if links != NULL:
                hand_on(links, &runs[0], &h[0])
            for k in range(n_runs):
                leave(&call, &runs[k].best, i + k, runs[k].status)
                if beyond_them != NULL:
                    beyond_them[i + k] = runs[k].outside or runs[k].far
            i += n_runs
    free(memory)
    if not kept:
        refuse(n, rules.state_size)
    if told[2] is not None:
        raise told[2]
