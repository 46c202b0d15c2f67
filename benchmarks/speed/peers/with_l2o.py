"""l2o: the public call, its checks and all its records included."""

import l2o
from benchmarks.speed.peers.work import Peer

LIBRARY = "l2o"


def rollout(work, problems, shape):
    """Return a call of l2o.rollout."""

    def call():
        runs = l2o.rollout(problems, method=work.policy, n_steps=work.n_steps)
        return runs.x[:, -1].reshape(*shape, -1), runs.fun.reshape(*shape, -1)

    return call


PEERS = {
    "l2o": Peer(
        single=lambda work: rollout(work, work.problems[:1], ()),
        runs=lambda work: rollout(work, work.problems[: work.x0.shape[1]], work.x0.shape[1:2]),
        batch=lambda work: rollout(work, work.problems, work.x0.shape[:2]),
    ),
}
