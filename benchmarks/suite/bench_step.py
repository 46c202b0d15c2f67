"""A rollout of 40 steps: d = 4, n = 100, H = 25, 50 units. Divide by 40 steps, and by the runs."""

import l2o

from .common import policy, problems


class Learned:
    """The learned step, by its inputs."""

    params = (["raw", "linear", "scaled"], [1, 1800])
    param_names = ("inputs", "runs")

    def setup(self, inputs, runs):
        self.method, self.problems = policy(inputs=inputs), problems(runs)
        self.time_rollout(inputs, runs)

    def time_rollout(self, inputs, runs):
        l2o.rollout(self.problems, method=self.method, n_steps=40)


class Single(Learned):
    """The network in single precision."""

    def setup(self, inputs, runs):
        self.method, self.problems = policy(inputs=inputs).astype("float32"), problems(runs)
        self.time_rollout(inputs, runs)


class Small(Learned):
    """History 8 and 24 units."""

    def setup(self, inputs, runs):
        self.method, self.problems = policy(inputs=inputs, history=8, width=24), problems(runs)
        self.time_rollout(inputs, runs)


class Momentum:
    """The cheapest step there is: what remains is the objective and the loop."""

    params = (1, 1800)
    param_names = ("runs",)

    def setup(self, runs):
        self.method, self.problems = l2o.baselines.Momentum(1.5, 0.5), problems(runs)
        self.time_rollout(runs)

    def time_rollout(self, runs):
        l2o.rollout(self.problems, method=self.method, n_steps=40)
