"""train: from a family to a policy with its card."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import scipy

from l2o import _kernels
from l2o.base import arguments
from l2o.base.parallel import check_progress, resolve_workers
from l2o.base.typing import Seed
from l2o.families import Family
from l2o.policies import MLP, Architecture, Policy
from l2o.policies.limits import Limits
from l2o.problems import Problems
from l2o.training.checkpoint import Checkpoint, identity
from l2o.training.guided_policy_search import GuidedPolicySearch
from l2o.training.trainer import Clock, Progress, Task, Trainer, finite
from l2o.training.trajectories import from_several_starts, simulate
from l2o.version import __version__

__all__ = ["STREAMS", "streams", "train"]

STREAMS = ("training", "validation", "search", "test", "fresh")
HORIZON = 40  # steps over which policies are compared on the validation functions
HELD_OUT = 5  # of given problems without validation functions, every fifth is held out


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


def train(family: Family | Problems, n_functions: int | None = None, n_validation: int = 100,
          validation: Problems | None = None, rng: Any = None, policy: Architecture | None = None,
          trainer: Trainer | Sequence[Trainer] | None = None, init: Policy | None = None, workers: Any = 1,
          checkpoint: Any = None, progress: bool = False) -> Policy:
    """Learn an optimizer for a family of objective functions.

    Parameters
    ----------
    family : Family or Problems
        What to draw training functions from, or the training functions.
    n_functions : int, optional
        Training functions to draw, at least 2; by default the family's own number (``family.n_training``).
    n_validation : int
        Validation functions to draw; the policy that does best on them is returned.
    validation : Problems, optional
        Validation functions. For given problems without them, every fifth problem is held out.
    rng : None, int, SeedSequence or Generator, optional
        Source of randomness. Training, validation and search use branches of it, so that no
        ``family.sample(m, rng)`` returns a function that was trained on.
    policy : Architecture, optional
        Kind of policy, with its settings; by default `l2o.policies.MLP`.
    trainer : Trainer or sequence of Trainer, optional
        How to train; several run one after the other.
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
        If an argument does not fit, or the checkpoint is of another training: other arguments, functions or version.
    OSError
        If the checkpoint cannot be read or written. The one before is then still there.

    Examples
    --------
    >>> import l2o
    >>> family = l2o.families.Logistic(n_points=20)
    >>> short = l2o.GuidedPolicySearch(n_iterations=1, n_samples=4, horizon=10, epochs=1)
    >>> policy = l2o.train(family, n_functions=6, n_validation=5, rng=0, trainer=short)
    >>> policy.dim, policy.card["training"]["n_functions"]
    (4, 6)
    """
    trainers = _trainers(trainer)
    resolve_workers(workers)
    check_progress(progress)
    kept = Checkpoint(checkpoint)
    branches = streams(kept.seed(rng))
    training, validation = _functions(family, n_functions, n_validation, validation, branches)
    network = _network(policy, init, training)
    kept.claim(identity(_named(family), training, validation, network, [each.card() for each in trainers], rng,
                        branches["search"], init), branches["search"])
    clock = Clock(**kept.state.get("clock", {}))
    with clock("tuning momentum"):
        task = Task.of(training, validation, network, HORIZON, workers)
    found = Progress(task, clock, kept, **kept.state.get("progress", {}))
    done = kept.state.get("trainers", 0)
    weights = found.weights if done else None if init is None else init.weights
    if init is not None and not found.weights:
        found.offer(init.weights, round=0)
    with np.errstate(over="ignore", invalid="ignore"):  # a policy that diverges is an outcome: its score says so
        for i, each in enumerate(trainers[done:], done + 1):
            each.run(found, weights, branches["search"], progress)
            weights = found.weights
            found.keep(search=None, trainers=i)
    return Policy(network, found.weights, _card(family, found, trainers, rng, init))


def _trainers(trainer: Any) -> list[Trainer]:
    trainers = [GuidedPolicySearch()] if trainer is None else [trainer] if isinstance(trainer, Trainer) else trainer
    if not isinstance(trainers, (list, tuple)) or not trainers or not all(isinstance(t, Trainer) for t in trainers):
        raise TypeError(f"trainer is {trainer!r}; expected a Trainer or a sequence of them")
    return list(trainers)


def _functions(family: Any, n_functions: int | None, n_validation: int, validation: Problems | None,
               branches: dict[str, np.random.Generator]) -> tuple[Problems, Problems]:
    if isinstance(family, Problems):
        training = family
        if len(training) < 2 + (validation is None):
            raise ValueError(f"family holds {len(training)} problems; expected at least {2 + (validation is None)}")
        if validation is None:
            held_out = np.arange(len(family)) % HELD_OUT == HELD_OUT - 1
            held_out[-1] |= not held_out.any()
            training, validation = family[~held_out], family[held_out]
    elif isinstance(family, Family):
        n_functions = family.n_training if n_functions is None else arguments.count("n_functions", n_functions, 2)
        training = family.sample(n_functions, branches["training"])
        if validation is None:
            validation = family.sample(arguments.count("n_validation", n_validation), branches["validation"])
    else:
        raise TypeError(f"family is {type(family).__name__}; expected a Family or Problems")
    if not isinstance(validation, Problems) or validation.dim != training.dim or len(validation) == 0:
        raise ValueError(f"validation is {validation!r}; expected Problems of dimension {training.dim}")
    return training, validation


def _network(policy: Architecture | None, init: Policy | None, training: Problems) -> Architecture:
    if policy is not None and not isinstance(policy, Architecture):
        raise TypeError(f"policy is {policy!r}; expected a kind of policy, such as l2o.policies.MLP()")
    if init is None:
        return policy or MLP()
    if not isinstance(init, Policy):
        raise TypeError(f"init is {init!r}; expected a Policy")
    init.check_dim(training.dim)
    learned, asked = init.card.get("objective"), training.kernel.card()
    if learned is not None and learned != asked:
        raise ValueError(f"init was trained on the objective {learned}; expected that of family, {asked}")
    if policy is not None and policy != init.network:
        raise ValueError(f"policy is {policy}; init has another network, {init.network}")
    return init.network


def _named(family: Family | Problems) -> dict[str, Any]:
    """Return name and settings of a family."""
    if not isinstance(family, Family):
        return {"name": "given problems", "settings": {}}
    module = type(family).__module__
    home = "l2o.families" if module.startswith("l2o.families.") else module
    return {"name": f"{home}.{type(family).__qualname__}", "settings": family.settings()}


def _card(family: Any, found: Progress, trainers: list[Trainer], rng: Any, init: Policy | None) -> dict[str, Any]:
    task = found.task
    momentum = task.validation.gaps(task.momentum, task.horizon, task.workers)[:, 1:].mean()
    return {
        "family": _named(family),
        "objective": task.training.problems.kernel.card(),
        "training": {
            "n_functions": len(task.training.problems), "n_validation": len(task.validation.problems),
            "trainers": [each.card() for each in trainers], "course": found.course, "l2o": __version__,
            "seed": int(rng) if isinstance(rng, (int, np.integer)) else None,
            "init": None if init is None else init.card.get("training"),
        },
        "quality": {
            "measure": f"mean of f - f_star over k = 1..{task.horizon} and the validation functions",
            "policy": finite(found.score), "momentum": finite(float(momentum)),
            "momentum_settings": asdict(task.momentum),
        },
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
    task, policy = found.task, Policy(found.task.network, found.weights)
    runs = simulate(policy, from_several_starts(task.training.problems), task.horizon, workers=task.workers)
    met = Limits.of(runs.x, runs.fun, runs.jac)
    return {"horizon": task.horizon} if met is None else met.card()
