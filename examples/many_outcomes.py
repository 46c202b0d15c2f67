"""
Many outcomes on one design
===========================

Genes, voxels, survey questions: the same subjects and the same covariates, and thousands of outcomes. Each outcome is
a regression of its own, and one asks for which of them a treatment matters. Here 5,000 genes are active or not in
each of 300 cells, half of which were treated; age and batch of the cells have effects of their own. The data are
simulated, so the truth is known: the treatment changes a tenth of the genes. ::

    pip install 'l2o[plot]'
    python many_outcomes.py [--genes 5000] [--out many-outcomes.png]
"""

import argparse
import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from scipy.stats import norm

import l2o

CELLS, FALSE = 300, 0.05  # share of false discoveries that is accepted


def drawn(genes, rng):
    """Return the design (CELLS, 3), treatment, age and batch; true effects (genes,); the activity (genes, CELLS)."""
    X = np.column_stack([np.arange(CELLS) % 2, rng.standard_normal(CELLS), rng.random(CELLS) < 0.4]).astype(float)
    effect = np.where(rng.random(genes) < 0.1, rng.choice([-1.0, 1.0], genes) * rng.uniform(0.8, 2.0, genes), 0.0)
    others = np.column_stack([effect, 0.5 * rng.standard_normal((genes, 2))]) @ X.T
    return X, effect, rng.random((genes, CELLS)) < expit(others + rng.uniform(-1.5, 1.0, (genes, 1)))


# %%
# The Fisher information gives the standard errors of all fits at once.
def standard_errors(X, x):
    """Return the standard errors of fits x (m, d) by the Fisher information of X (n, d - 1)."""
    Z = np.column_stack([X, np.ones(len(X))])
    chance = expit(x @ Z.T)
    information = np.einsum("mn,ni,nj->mij", chance * (1 - chance), Z, Z, optimize=True)
    return np.sqrt(np.diagonal(np.linalg.inv(information), axis1=1, axis2=2))


def discovered(p):
    """Return which p-values (m,) are discoveries by Benjamini and Hochberg."""
    order = np.argsort(p)
    below = np.flatnonzero(p[order] <= FALSE * np.arange(1, len(p) + 1) / len(p))
    found = np.zeros(len(p), bool)
    found[order[: below[-1] + 1 if below.size else 0]] = True
    return found


def draw(effect, x, stderr, p, found):
    """Draw the effects against p-values, and the effects that were found against the true ones with error bars."""
    figure, (volcano, truth) = plt.subplots(1, 2, figsize=(9, 3.9), layout="constrained")
    height = -np.log10(np.maximum(p, 1e-300))
    for chosen, colour, label in ((~found, "0.7", "others"), (found & (effect != 0), "tab:blue", "found, changed"),
                                  (found & (effect == 0), "tab:red", "found, not changed")):
        volcano.plot(x[chosen, 0], height[chosen], ".", color=colour, markersize=4, label=f"{label}: {chosen.sum():,}")
    volcano.set(xlabel="effect of the treatment, in log odds", ylabel="-log₁₀ p", xlim=(-3.5, 3.5),
                title=f"{len(p):,} regressions on one design")
    volcano.legend(frameon=False, fontsize="small")
    truth.errorbar(effect[found], x[found, 0], 1.96 * stderr[found, 0], fmt=".", markersize=3, linewidth=0.4,
                   color="tab:blue", alpha=0.7)
    truth.plot([-2.5, 2.5], [-2.5, 2.5], color="0.3", linewidth=1)
    truth.set(xlabel="true effect", ylabel="estimate, with 95 %", title="genes that were found")
    return figure


# %%
# The fits are two lines. The design X is the same for all genes and is kept once.
def main(arguments=None):
    """Draw genes, fit them, test them, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", type=int, default=5000)
    parser.add_argument("--out", help="write the figure there instead of showing it")
    given = parser.parse_args(arguments)
    X, effect, active = drawn(given.genes, np.random.default_rng(0))
    problems = l2o.families.Logistic(n_features=3, n_points=CELLS).from_data(X, active)
    clock = time.process_time()
    batch = l2o.minimize_many(problems)
    seconds = time.process_time() - clock
    stderr = standard_errors(X, batch.x)
    p = 2 * norm.sf(np.abs(batch.x[:, 0] / stderr[:, 0]))
    found = discovered(p)
    print(f"{batch.success.mean():.1%} of {len(p):,} fits converged, {batch.nfev.mean():.1f} evaluations and "
          f"{1e6 * seconds / len(p):.1f} us each")
    print(f"{found.sum()} genes found, {np.mean(effect[found] == 0):.1%} of them not changed; "
          f"{np.mean(found[effect != 0]):.0%} of {np.sum(effect != 0)} that are changed")
    within = np.mean(np.abs(batch.x[:, 0] - effect) < 1.96 * stderr[:, 0])
    print(f"the true effect is within 1.96 standard errors in {within:.1%}")
    figure = draw(effect, batch.x, stderr, p, found)
    if given.out:
        figure.savefig(given.out, dpi=100)
    else:
        plt.show()


if __name__ == "__main__":
    main()

# %%
# - The procedure of Benjamini and Hochberg makes the discoveries, at a false discovery rate of 5 %. The red points
#   are false discoveries; a real experiment would not show which they are.
# - The penalty of the family, ``l2=5e-4``, hardly moves these estimates. It keeps the effect finite on a gene that is
#   active in all treated cells and in no other; the standard error of such an effect means little.
# - Cells may have weights, and outcomes may be missing (a masked array).
#
# :doc:`/many-problems` says how the call learns from the first fits. :doc:`/learning-a-family` shows how a policy
# that was trained on one experiment serves the next. Times are those of the machine that made this page.
