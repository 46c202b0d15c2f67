"""train: from a family to a policy with its card."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import scipy

from l2o import _kernels
from l2o.base import arguments
from l2o.base.parallel import check_progress, resolve_workers
from l2o.base.typing import File, Seed, Workers
from l2o.families import Family
from l2o.policies import Architecture, LevenbergMarquardt, Policy, QuasiNewton
from l2o.policies.bare import Bare
from l2o.policies.limits import Limits
from l2o.problems import Problems
from l2o.training._functions import Functions, named, objective, parted
from l2o.training.checkpoint import Checkpoint, identity
from l2o.training.progress import Clock, Progress, finite
from l2o.training.task import Task
from l2o.training.trainer import Trainer
from l2o.training.trainers import check, fitting
from l2o.training.trajectories import from_several_starts, simulate
from l2o.version import __version__

__all__ = ["STREAMS", "streams", "train"]

STREAMS = ("training", "validation", "search", "test", "fresh")
HORIZON = 40  # steps over which policies are compared on the validation functions


def streams(rng: Seed) -> dict[str, np.random.Generator]:
    """Return a generator for each purpose: branches of one seed that never meet it or each other.

    Parameters
    ----------
    rng : None, int, SeedSequence or Generator
        The seed.

    Returns
    -------
    dict of Generator
        "training", "validation" and "search" are used by `train`; "test" and "fresh" are for functions to
        evaluate on.
    """
    return dict(zip(STREAMS, arguments.generator(rng).spawn(len(STREAMS))))


def train(family: Family | Problems | Sequence[Problems], n_functions: int | None = None,
          n_validation: int = 100, *, validation: Problems | Sequence[Problems] | None = None, rng: Seed = None,
          policy: Architecture | None = None, trainer: Trainer | Sequence[Trainer] | None = None,
          init: Policy | None = None, workers: Workers = 1, checkpoint: File | None = None,
          progress: bool = False) -> Policy:
    """Learn an optimizer for a family of objective functions.

    Parameters
    ----------
    family : Family or Problems or sequence of Problems
        What to draw training functions from, or the training functions; several `Problems` are of several objectives
        or dimensions, for a kind of policy and a trainer that take such a mixture.
    n_functions : int, optional
        Training functions to draw, at least 2; by default the family's own number (``family.n_training``).
    n_validation : int
        Validation functions to draw; the policy that does best on them is returned.
    validation : Problems or sequence of Problems, optional
        Validation functions, of the dimensions of the training functions. For given problems without them, every
        fifth problem is held out.
    rng : None, int, SeedSequence or Generator, optional
        Source of randomness. Training, validation and search use branches of it, so that no
        ``family.sample(m, rng)`` returns a function that was trained on.
    policy : Architecture, optional
        Kind of policy, with its settings; by default that of the trainer: `l2o.policies.MLP` for guided policy search
        and the unrolled gradient, `l2o.policies.QuasiNewton` for the others and where no trainer is named.
    trainer : Trainer or sequence of Trainer, optional
        How to train; several run one after the other. By default the first of `l2o.training.TRAINERS` that fits the
        kind of policy: for one family of problems `l2o.CurvatureRegression`, which takes about a second.
    init : Policy, optional
        Policy to start from; its network is kept.
    workers : int, map-like callable or executor
        Threads (-1 for all CPUs); the result does not depend on it.
    checkpoint : path-like, optional
        A file that is replaced after each round. If it is there and of this training, the training goes on from it,
        and ends with the same weights and card, but for ``card["run"]``, as one that was never stopped.
    progress : bool
        Show a progress bar (needs the extra ``plot``).

    Returns
    -------
    Policy
        The best on the validation functions of all that the trainers found. Its card says how it was
        made and what it reached.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit, a trainer asks for what the kind of policy cannot give (the message names one that
        fits), or the checkpoint is of another training: other arguments, functions or version.
    OSError
        If the checkpoint cannot be read or written. The one before is then still there.

    Examples
    --------
    >>> import l2o
    >>> family = l2o.families.Logistic(n_points=20)
    >>> policy = l2o.train(family, n_functions=20, n_validation=5, rng=0)
    >>> policy.card["training"]["n_functions"], policy.card["training"]["trainers"][0]["kind"]
    (20, 'CurvatureRegression')
    """
    asked = _trainers(trainer)
    resolve_workers(workers)
    check_progress(progress)
    kept = Checkpoint(checkpoint)
    branches = streams(kept.seed(rng))
    training, held_out = parted(family, n_functions, n_validation, validation, branches)
    network = _kind(policy, init, asked, training)
    trainers = _fitting(asked, network, training)
    kept.claim(lambda: identity(named(family), training, held_out, network, [each.card() for each in trainers], rng,
                                branches["search"], init),
               branches["search"], [record for each in trainers for record in each.records])
    clock = Clock(**kept.state.get("clock", {}))
    task = Task(training, held_out, network, HORIZON, workers)
    found = Progress.resumed(task, clock, kept, progress)
    _run(trainers, found, init, branches["search"])
    return Policy(found.task.network, found.weights, _card(family, found, trainers, rng, init))


def _trainers(trainer: Any) -> list[Trainer] | None:
    """Return the trainers that are named; None if none is."""
    if trainer is None:
        return None
    trainers = [trainer] if isinstance(trainer, Trainer) else trainer
    if not isinstance(trainers, (list, tuple)) or not trainers or not all(isinstance(t, Trainer) for t in trainers):
        raise TypeError(f"trainer is {trainer!r}; expected a Trainer or a sequence of them")
    return list(trainers)


def _fitting(trainers: list[Trainer] | None, network: Architecture, training: Functions) -> list[Trainer]:
    """Return the trainers, or the kind's own, which fit it."""
    mixture = len(training) > 1
    if trainers is None:
        known = fitting(network, mixture=mixture)
        if not known:
            raise ValueError(f"policy is {network}, which no trainer of l2o fits; expected trainer= one of your own")
        return [known[0]()]
    for each in trainers:
        check(each, network, mixture=mixture)
    return trainers


def _kind(policy: Any, init: Any, trainers: list[Trainer] | None, training: Functions) -> Architecture:
    """Return the kind of policy that is trained: that of `init`, the one that is named, or the trainer's own."""
    if policy is not None and not isinstance(policy, Architecture):
        raise TypeError(f"policy is {policy!r}; expected a kind of policy, such as l2o.policies.MLP()")
    if init is not None:
        return _kind_of(init, policy, training)
    network = policy or (trainers[0].policy if trainers else _usual(training))()
    dims = sorted({problems.dim for problems in training})
    if network.one_dimension and len(dims) > 1:
        raise ValueError(f"policy is {type(network).__name__}, which serves one dimension; family has functions of "
                         f"dimension {', '.join(map(str, dims))}")
    return network


def _usual(training: Functions) -> type[Architecture]:
    """Return the kind of policy for problems of which nothing else is said."""
    by_residuals = len(training) == 1 and training[0].normal_function is not None
    return LevenbergMarquardt if by_residuals else QuasiNewton


def _kind_of(init: Any, policy: Architecture | None, training: Functions) -> Architecture:
    if not isinstance(init, Policy):
        raise TypeError(f"init is {init!r}; expected a Policy")
    for problems in training:
        init.check_dim(problems.dim)
        learned, asked = init.card.get("objective"), problems.kernel.card()
        if learned is not None and learned != asked:
            raise ValueError(f"init was trained on the objective {learned}; expected that of family, {asked}")
    if policy is not None and policy != init.network:
        raise ValueError(f"policy is {policy}; init has another network, {init.network}")
    return init.network


def _run(trainers: list[Trainer], found: Progress, init: Policy | None, rng: np.random.Generator) -> None:
    """Run the trainers that are left, one after the other, each from the best weights so far."""
    done = found.checkpoint.state.get("trainers", 0)
    weights = found.weights if done else None if init is None else init.weights
    with np.errstate(over="ignore", invalid="ignore"):  # a policy that diverges is an outcome: its score says so
        for i, trainer in enumerate(trainers[done:], done + 1):
            found.judged_by(trainer.judge(found.task, found.clock))
            if init is not None and not found.weights:
                found.offer(init.weights, round=0)
            trainer.run(found, weights, rng)
            weights = found.weights
            found.keep(search=None, trainers=i)
        if found.judge is None:  # all were done before: the card asks what the last was judged by
            found.judged_by(trainers[-1].judge(found.task, found.clock))


def _card(family: Any, found: Progress, trainers: list[Trainer], rng: Any, init: Policy | None) -> dict[str, Any]:
    task, judge = found.task, found.judge or found.task
    any_dimension = task.network.dim(found.weights) is None
    elsewhere = task.network.shipped if any_dimension and task.dim is not None else None
    return {
        "family": named(family),
        "objective": objective(task.functions),
        "training": {
            "n_functions": sum(map(len, task.functions)), "n_validation": sum(map(len, task.held_out)),
            "dimensions": sorted({problems.dim for problems in task.functions}),
            "trainers": [each.card() for each in trainers], "course": found.course, "l2o": __version__,
            "seed": int(rng) if isinstance(rng, (int, np.integer)) else None,
            "init": None if init is None else init.card.get("training"),
        },
        "quality": {
            "measure": found.measure, "policy": finite(found.score),
            **{name: finite(value) for name, value in judge.beside().items()},
        },
        **({"elsewhere": elsewhere} if elsewhere is not None else {}),
        **({"limits": _limits(found)} if task.network.knows_limits else {}),
        "run": {
            "date": datetime.now(UTC).isoformat(timespec="seconds"), "seconds": round(found.clock.total, 1),
            "sittings": found.clock.sittings,
            "parts": {part: round(value, 2) for part, value in found.clock.seconds.items()},
            "python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__,
            "machine": platform.machine(), "instruction_set": _kernels.CPU_LEVEL,
        },
    }


def _limits(found: Progress) -> dict[str, Any]:
    """Return what the policy meets on the training functions, from several starting points each."""
    task, policy = found.task, Bare(found.task.network, found.weights)
    runs = simulate(policy, from_several_starts(task.only.problems), task.horizon, workers=task.workers)
    met = Limits.of(runs.x, runs.fun, runs.jac)
    return {"horizon": task.horizon} if met is None else met.card()
