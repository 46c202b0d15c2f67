"""Training: the Riccati pass of one function, a step of the regression, and a small round of everything."""

import numpy as np

import l2o

from .common import WIDTHS


class Riccati:
    """T = 40, one reference; S = d + H + H d, 129 for d = 4 and H = 25."""

    params = ([4, 12], [8, 25])
    param_names = ("dim", "history")

    def setup(self, dim, history):
        from l2o._kernels.training.riccati import backward

        rng, d, T = np.random.default_rng(0), dim, 40
        size = d + history + history * d
        root = rng.standard_normal((T + 1, d, d))
        curvature = root @ root.swapaxes(1, 2) / d
        K = 0.01 * rng.standard_normal((1, T, d, size))
        k, P = 0.01 * rng.standard_normal((1, T, d)), np.broadcast_to(100 * np.eye(d), (1, T, d, d)).copy()
        slopes = rng.standard_normal((T + 1, d))
        out = np.empty((T, d, size)), np.empty((T, d)), np.empty((T, d, d))
        self.backward, self.given = backward, (curvature, slopes, curvature, slopes, history, K, k, P, 1e-10, *out)
        self.time_backward(dim, history)

    def time_backward(self, dim, history):
        self.backward(*self.given)


class Regression:
    """A step of 512 of 8,192 rows, d = 4: 125 -> 50 (H = 25) or 40 -> 24 units (H = 8)."""

    params = tuple(WIDTHS)
    param_names = ("history",)

    def setup(self, history):
        from l2o._kernels.training.adam import adam
        from l2o.policies.trainable import Examples

        rng, d, rows = np.random.default_rng(0), 4, 8192
        network = l2o.policies.MLP(history=history, width=WIDTHS[history])
        examples = Examples(rng.standard_normal((rows, network.n_observations(d))), np.ones(rows),
                            rng.standard_normal((rows, d)), np.broadcast_to(np.eye(d), (rows, d, d)))
        examples = Examples(*(np.ascontiguousarray(getattr(examples, part), np.float32)
                              for part in ("features", "scale", "actions", "precision")))
        self.fit, self.order = network.regression(network.initial(d, rng), examples), rng.permutation(rows)[:512]
        self.moments, self.adam = np.zeros((2, len(self.fit.vector)), np.float32), adam
        self.time_step(history)

    def time_step(self, history):
        self.fit.loss(self.order)
        self.adam(self.fit.vector, self.fit.gradient, *self.moments, 1, 1e-3, 10.0)


class Train:
    """One round: 20 functions, 8 samples, tuning and the first imitation included."""

    params = ("policy", "teacher")
    param_names = ("samples",)
    timeout = 300

    def setup(self, samples):
        self.trainer = l2o.GuidedPolicySearch(n_iterations=1, n_samples=8, samples=samples, trust_region=samples)
        self.time_round(samples)

    def time_round(self, samples):
        l2o.train(l2o.families.Logistic(), n_functions=20, n_validation=20, rng=0, trainer=self.trainer)


class Curvature:
    """A family's prior from 100 problems, by regression: seconds, and evaluations of other problems from it."""

    params = ("quasi-newton", "newton")
    param_names = ("kind",)
    timeout = 300

    def setup(self, kind):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 3))
        y = (rng.standard_normal((300, 3)) @ X.T + 2 * rng.standard_normal((300, 200)) > 0).astype(float)
        problems = l2o.families.Logistic(l2=1e-3).from_data(np.repeat(X[None], 300, axis=0), y)
        self.training, self.others = problems[:125], problems[125:]
        self.kind, self.trainer = l2o.policies.ARCHITECTURES[kind](), l2o.CurvatureRegression()

    def train(self):
        return l2o.train(self.training, rng=0, policy=self.kind, trainer=self.trainer)

    def time_train(self, kind):
        self.train()

    def track_evaluations(self, kind):
        return float(l2o.minimize_many(self.others, method=self.train(), tol=1e-6).nfev.mean())
