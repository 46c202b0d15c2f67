"""Values, gradients and Hessians of the families; the layout of data."""

import numpy as np

import l2o
from l2o.problems.layout import blocks


class Families:
    """A thousand members of each family."""

    params = (list(l2o.families.PAPER),)
    param_names = ("family",)

    def setup(self, family):
        self.problems = l2o.families.named(family).sample(1000, rng=0)
        self.x = self.problems.x0
        self.time_value_and_grad(family)

    def time_value_and_grad(self, family):
        self.problems.value_and_grad(self.x)

    def time_hessian(self, family):
        self.problems.hessian(self.x)


class Logistic:
    """A thousand members, by the number of points and of features."""

    params = ([100, 1000], [3, 11])
    param_names = ("n_points", "n_features")

    def setup(self, n_points, n_features):
        self.problems = l2o.families.Logistic(n_features=n_features, n_points=n_points).sample(1000, rng=0)
        self.x = self.problems.x0
        self.time_value_and_grad(n_points, n_features)

    def time_value_and_grad(self, n_points, n_features):
        self.problems.value_and_grad(self.x)

    def time_hessian(self, n_points, n_features):
        self.problems.hessian(self.x)


class Layout:
    """Two hundred thousand tables of data: one array, a list, a list of two lengths."""

    params = (["array", "list", "ragged"],)
    param_names = ("given",)

    def setup(self, given):
        tables = np.random.default_rng(0).standard_normal((200_000, 4, 2))
        self.tables = {"array": tables, "list": list(tables),
                       "ragged": [table[: 3 + i % 2] for i, table in enumerate(tables)]}[given]

    def time_blocks(self, given):
        blocks(self.tables)
