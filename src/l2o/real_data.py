"""Real data of a family, for a policy that was trained on drawn functions only.

The breast cancer table (Wolberg et al., 1995; it ships with scikit-learn): 569 tumours, 30 measured
features, benign or malignant. Every triple of features is one logistic regression: 4,060 problems.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from l2o.families import Logistic
from l2o.problems import Problems

__all__ = ["breast_cancer_triples"]


def breast_cancer_triples(every: int = 1) -> Problems:
    """Return the logistic regressions on the triples of standardised features, starting at zero.

    Parameters
    ----------
    every : int
        Take every n-th triple only.

    Returns
    -------
    Problems
        Of dimension 4 with 569 points each; 4,060 of them for ``every=1``.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    features = (table.data - table.data.mean(axis=0)) / table.data.std(axis=0)
    triples = np.array(list(combinations(range(features.shape[1]), 3)))[::every]
    X = features.T[triples].transpose(0, 2, 1)
    return Logistic().from_data(X, np.broadcast_to(table.target, X.shape[:2]))
