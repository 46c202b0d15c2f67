"""What a learned policy promises: no run ends above its first point, nor do more runs end in a worse basin."""

import numpy as np
import pytest
from exponentials import decay, table
from test_learning import outcomes

import l2o
from l2o.families import Logistic, RobustRegression
from l2o.policies import Newton, QuasiNewton


def decays(m, seed):
    rng = np.random.default_rng(seed)
    return l2o.families.Custom(decay, dim=3).from_data([table(rng, 20) for _ in range(m)], np.zeros((m, 3)))


FAMILIES = {"logistic": lambda m, seed: Logistic().sample(m, rng=seed),
            "robust": lambda m, seed: RobustRegression().sample(m, rng=seed),
            "one design": outcomes, "decays": decays}
CASES = [(name, QuasiNewton()) for name in FAMILIES] + [(name, Newton()) for name in FAMILIES if name != "decays"]
NEAR = 1e-3  # of the fall: who ends so far above the lowest known value has ended in another basin


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}, {case[1].kind}")
def learned(request):
    """Return a policy of a family, and other members of the family."""
    name, kind = request.param
    policy = l2o.train(FAMILIES[name](40, 0), rng=0, policy=kind, trainer=l2o.CurvatureRegression())
    return policy, FAMILIES[name](150, 1)


@pytest.mark.parametrize("options", [{}, {"maxiter": 2}, {"maxfun": 3}, {"safeguard": False}], ids=str)
def test_run_ends_at_no_higher_point_than_it_began_with(options, learned):
    policy, problems = learned
    first = problems.value_and_grad(policy.starts(problems))[0]
    assert (l2o.minimize_many(problems, method=policy, options=options).fun <= first).all()


def test_share_in_the_best_known_basin_is_that_of_l_bfgs(learned):
    policy, problems = learned
    own, classical = (l2o.minimize_many(problems, method=method).fun for method in (policy, "lbfgs"))
    rng = np.random.default_rng(0)
    others = [l2o.minimize_many(problems, problems.x0 + rng.standard_normal(problems.x0.shape), method="lbfgs").fun
              for _ in range(5)]
    lowest = np.min([own, classical, *others], axis=0)
    near = lowest + NEAR * (problems.value_and_grad(problems.x0)[0] - lowest)
    better, worse = (own <= near) & (classical > near), (own > near) & (classical <= near)
    assert worse.sum() <= better.sum() + 2 * np.sqrt(1 + better.sum() + worse.sum())  # two standard errors
