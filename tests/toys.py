"""Toy kinds of policy and a toy trainer, made from CONTRIBUTING.md alone: what is not in the package can be added.

`Toy` is a quasi-Newton method: a d x d matrix as state, rejections, no fixed dimension, a matrix for its heir. `Damped`
is Newton's method with a damping, which asks for Hessians. `Evolution` trains any kind by its weights as a vector.
"""

import ctypes
import functools
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import l2o
from l2o import _kernels
from l2o.methods import Handoff, Step
from l2o.policies import Architecture
from l2o.policies.bare import Bare
from l2o.policies.weights import flat, like
from l2o.training import Trainer

SOURCE = r"""
#include <math.h>
#include "policy.h"

/* state: inverse matrix H (d, d), best point (d), its gradient (d), H y (d), factor of the step
 * user: first step, shrinking of the factor */
static void absorb(const l2o_run *run, const double *user) {
    intptr_t d = run->dim;
    double *H = run->state, *x = H + d * d, *g = x + d, *Hy = g + d, *factor = Hy + d, sy = 0, yHy = 0, norm = 0;
    if (run->outcome == L2O_START) {
        for (intptr_t i = 0; i < d; i++) norm += run->best_g[i] * run->best_g[i];
        for (intptr_t i = 0; i < d; i++) H[i * d + i] = user[0] / fmax(sqrt(norm), 1e-300);
    } else if (run->outcome == L2O_LOWER) {
        for (intptr_t i = 0; i < d; i++) {
            Hy[i] = 0;
            for (intptr_t j = 0; j < d; j++) Hy[i] += H[i * d + j] * (run->best_g[j] - g[j]);
            sy += (run->best_x[i] - x[i]) * (run->best_g[i] - g[i]);
            yHy += (run->best_g[i] - g[i]) * Hy[i];
        }
        for (intptr_t i = 0; i < d && sy > 0; i++)
            for (intptr_t j = 0; j < d; j++) {
                double s = run->best_x[i] - x[i], r = run->best_x[j] - x[j];
                H[i * d + j] += (1 + yHy / sy) * s * r / sy - (s * Hy[j] + Hy[i] * r) / sy;
            }
    } else {
        *factor *= user[1];
        return;
    }
    *factor = 1;
    for (intptr_t i = 0; i < d; i++) { x[i] = run->best_x[i]; g[i] = run->best_g[i]; }
}

static void quasi_newton(const l2o_run *runs, intptr_t n_runs, double *points, const void *user) {
    for (intptr_t k = 0; k < n_runs; k++) {
        intptr_t d = runs[k].dim;
        const double *H = runs[k].state;
        absorb(&runs[k], user);
        for (intptr_t i = 0; i < d; i++) {
            double step = 0;
            for (intptr_t j = 0; j < d; j++) step += H[i * d + j] * runs[k].best_g[j];
            points[k * d + i] = runs[k].best_x[i] - H[d * d + 3 * d] * step;
        }
    }
}

static void bequeath(const l2o_run *run, double *inverse, const void *user) {
    absorb(run, user);
    for (intptr_t i = 0; i < run->dim * run->dim; i++) inverse[i] = run->state[i];
}

/* state: a Cholesky factor L (d, d), a vector (d), the damping; user: its start, its growth after a rejection */
static void damped(const l2o_run *runs, intptr_t n_runs, double *points, const void *user) {
    const double *setting = user;
    for (intptr_t k = 0; k < n_runs; k++) {
        const l2o_run *run = &runs[k];
        intptr_t d = run->dim, i, j, l, done = 0;
        double *L = run->state, *p = L + d * d, *damping = p + d, pivot;
        if (run->outcome == L2O_START) *damping = setting[0];
        else *damping *= run->outcome == L2O_LOWER ? 1 / setting[1] : setting[1];
        while (done < d && *damping < 1e200) {  /* until the damped Hessian is positive definite */
            for (done = 0; done < d; done++) {
                i = done;
                for (j = 0; j <= i; j++) {
                    pivot = run->curvature[i * d + j] + (i == j ? *damping : 0);
                    for (l = 0; l < j; l++) pivot -= L[i * d + l] * L[j * d + l];
                    if (i == j && !(pivot > 0)) break;
                    L[i * d + j] = i == j ? sqrt(pivot) : pivot / L[j * d + j];
                }
                if (j <= i) { *damping = 10 * *damping + 1e-8; break; }
            }
        }
        for (i = 0; i < d; i++) {
            p[i] = run->best_g[i];
            for (l = 0; l < i; l++) p[i] -= L[i * d + l] * p[l];
            p[i] /= L[i * d + i];
        }
        for (i = d - 1; i >= 0; i--) {
            for (l = i + 1; l < d; l++) p[i] -= L[l * d + i] * p[l];
            p[i] /= L[i * d + i];
            points[k * d + i] = run->best_x[i] - p[i];
        }
    }
}

const l2o_policy toy = {quasi_newton, bequeath}, newton = {damped, 0};
"""


@functools.cache
def library():
    """Return the compiled toys; without a compiler the test is skipped."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    folder = Path(tempfile.mkdtemp())
    (folder / "toys.c").write_text(SOURCE)
    subprocess.run(["cc", "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    f"-I{l2o.get_include()}", "toys.c", "-o", "toys.so", "-lm"], cwd=folder, check=True)
    loaded = ctypes.CDLL(str(folder / "toys.so"))
    shutil.rmtree(folder)
    return loaded


def address(name):
    """Return the address of a policy's struct."""
    return ctypes.addressof(ctypes.c_char.in_dll(library(), name))


@dataclass(frozen=True)
class Toy(Architecture):
    """BFGS without a line search: a step that does not help is shortened."""

    kind: ClassVar[str] = "toy"
    handoff: ClassVar[Handoff] = Handoff(most_trials=None, rejections=5, flat=1e-3, heir="bfgs")

    first: float = 0.5

    def shapes(self, dim=None):
        """Return the shape of every weight."""
        return {"first": (1,), "shrink": (1,)}

    def initial(self, dim, rng, observed=None):
        """Return starting weights."""
        return {"first": np.array([self.first]), "shrink": rng.uniform(0.2, 0.4, 1)}

    def step(self, weights, dim):
        """Return what the kernels need."""
        block = _kernels.aligned((1, 8))
        block[0, :2] = weights["first"][0], weights["shrink"][0]
        return Step(address("toy"), block, length=1, state_size=dim * dim + 3 * dim + 1)


@dataclass(frozen=True)
class Damped(Architecture):
    """Newton's method with a damping that grows after a rejection."""

    kind: ClassVar[str] = "damped"
    handoff: ClassVar[Handoff] = Handoff(most_trials=None, rejections=8, flat=0.0)

    growth: float = 5.0

    def shapes(self, dim=None):
        """Return the shape of every weight."""
        return {"damping": (2,)}

    def initial(self, dim, rng, observed=None):
        """Return starting weights."""
        return {"damping": np.array([0.1, self.growth])}

    def check(self, weights):
        """Raise ValueError if a rejection would not raise the damping."""
        if not weights["damping"][1] > 1:
            raise ValueError(f"weights['damping'] grows by {weights['damping'][1]}; expected more than 1")

    def step(self, weights, dim):
        """Return what the kernels need."""
        block = _kernels.aligned((1, 8))
        block[0, :2] = weights["damping"]
        return Step(address("newton"), block, length=1, state_size=dim * dim + dim + 1, curvature="hessian")


KINDS = (Toy, Damped)


@dataclass(frozen=True, eq=False)
class Generation:
    """What a generation leaves to the next."""

    round: int
    weights: dict


@dataclass(frozen=True)
class Evolution(Trainer):
    """An evolution strategy: the mean moves along antithetic noise, by the ranks of the costs."""

    mixtures: ClassVar[bool] = True
    records: ClassVar[tuple] = (Generation,)

    n_generations: int = 3
    n_pairs: int = 4
    sigma: float = 0.05
    rate: float = 0.1

    def run(self, progress, weights, rng):
        """Train from weights, or from the kind's own."""
        task = progress.task

        def begin():
            start = task.network.initial(task.dim, rng) if weights is None else weights
            progress.offer(start, round=0)
            return Generation(0, start)

        def cost(vector, last):
            policy = Bare(task.network, like(last.weights, vector))
            return np.mean([each.gaps(policy, 8, task.workers).mean() for each in task.training])

        def advance(last):
            mean, half = flat(last.weights), rng.standard_normal((self.n_pairs, flat(last.weights).size))
            noise = np.concatenate([half, -half])
            costs = np.array([cost(mean + self.sigma * each, last) for each in noise])
            ranks = costs.argsort().argsort() / (len(costs) - 1) - 0.5
            better = like(last.weights, mean - self.rate * ranks @ noise / len(noise))
            progress.offer(better, round=last.round + 1)
            return Generation(last.round + 1, better)

        progress.rounds(begin, advance, self.n_generations, "evolution")
