"""Guided policy search: Levine and Abbeel (2014), as Li and Malik (2016), section 3, use it.

One driver for two forms. The teachers' samples and trust region are those of the previous teachers
(2016), or those of the policy itself (mirror descent: Montgomery and Levine, 2016). The settings are
in search_settings.py, the steps of a round in search.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from l2o.policies.trainable import Imitable
from l2o.policies.weights import Weights
from l2o.training.controllers import Controllers
from l2o.training.coupling import Coupling
from l2o.training.local_model import LocalModel
from l2o.training.progress import Progress
from l2o.training.search import Search, SearchState
from l2o.training.search_settings import SearchSettings
from l2o.training.trainer import Trainer
from l2o.training.trajectories import Layout

__all__ = ["GuidedPolicySearch"]


@dataclass(frozen=True)
class GuidedPolicySearch(SearchSettings, Trainer):
    __doc__ = SearchSettings.__doc__

    asks: ClassVar[type] = Imitable
    records: ClassVar[tuple[type, ...]] = (SearchState, Controllers, Coupling, Layout, LocalModel)

    def run(self, progress: Progress, weights: Weights | None, rng: np.random.Generator) -> None:
        """Train, from random weights if `weights` is None."""
        search = Search(self, progress, rng)
        progress.rounds(lambda: search.begin(weights), search.round, self.n_iterations, "guided policy search")
