"""A rollout of 40 steps, n = 100. Divide by 40 steps, and by the runs."""

import l2o

from .common import WIDTHS, policy, problems

RUNS = 180


class Learned:
    """The learned step: history 25 with 50 units, history 8 with 24."""

    params = ([4, 12], list(WIDTHS), ["raw", "scaled"], ["float64", "float32"])
    param_names = ("dim", "history", "inputs", "precision")

    def setup(self, dim, history, inputs, precision):
        self.method = policy(dim, precision, inputs=inputs, history=history, width=WIDTHS[history])
        self.one, self.batch = problems(1, dim), problems(RUNS, dim)
        self.time_batch(dim, history, inputs, precision)

    def time_one(self, dim, history, inputs, precision):
        l2o.rollout(self.one, method=self.method, n_steps=40)

    def time_batch(self, dim, history, inputs, precision):
        l2o.rollout(self.batch, method=self.method, n_steps=40)


class QuasiNewton:
    """The learned quasi-Newton rule on functions of 2 points, with its five pairs and with one."""

    params = ([2, 4, 10, 20], [1, 5])
    param_names = ("dim", "memory")

    def setup(self, dim, memory):
        kind = l2o.policies.QuasiNewton(memory=memory)
        self.method, self.problems = l2o.policies.Policy(kind, kind.initial()), problems(RUNS, dim, n_points=2)
        self.time_batch(dim, memory)

    def time_batch(self, dim, memory):
        l2o.rollout(self.problems, method=self.method, n_steps=40)


class Prior:
    """The lean rule from a prior, and Newton from one, on functions of 2 points: what begins a run is a part of it."""

    params = ([4, 10, 20], ["quasi-newton", "newton"])
    param_names = ("dim", "kind")

    def setup(self, dim, kind):
        shape = l2o.policies.prior.PriorShape(step=True)
        network = l2o.policies.ARCHITECTURES[kind]().with_prior(shape)
        self.method, self.problems = l2o.policies.Policy(network, network.initial(dim)), problems(RUNS, dim, n_points=2)
        self.time_batch(dim, kind)

    def time_batch(self, dim, kind):
        l2o.rollout(self.problems, method=self.method, n_steps=40)


class Parts:
    """The step with one part next to nothing: functions of 2 points, or momentum in the place of the network."""

    params = (["network", "objective", "loop"], [4, 12])
    param_names = ("part", "dim")

    def setup(self, part, dim):
        self.method = policy(dim) if part == "network" else l2o.baselines.Momentum(1.5, 0.5)
        self.problems = problems(RUNS, dim, n_points=100 if part == "objective" else 2)
        self.time_part(part, dim)

    def time_part(self, part, dim):
        l2o.rollout(self.problems, method=self.method, n_steps=40)


class Workers:
    """1,800 runs on one thread and on two."""

    params = (1, 2)
    param_names = ("workers",)

    def setup(self, workers):
        self.method, self.problems = policy(), problems(1800)
        self.time_rollout(workers)

    def time_rollout(self, workers):
        l2o.rollout(self.problems, method=self.method, n_steps=40, workers=workers)
