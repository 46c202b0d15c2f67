"""Starts of curve fits by values at any points: the components, where points are among the nodes, what is learned."""

import numpy as np
import pytest

import l2o
from l2o.learning.points_start import MOST_NODES, learn_points_start, nodes_of
from l2o.policies.points_start import PointsShape, PointsStart, places
from l2o.policies.values_start import ValuesStart

NODES = np.linspace(0.0, 3.0, 7)[:, None]


@l2o.model
def decay(t, p):
    return p[0] * np.exp(-p[1] * t)


def start(nodes=NODES, r=3, noise=0.2):
    """Return a start of random basis curves; its values play no part in the components."""
    basis = np.random.default_rng(0).standard_normal((len(nodes), r + 1))
    return PointsStart(nodes, basis, noise, ValuesStart(np.zeros(r), np.zeros((r, 0)), (), np.zeros((r + 1, 1)),
                                                        np.zeros(1), np.zeros(1)))


def most_likely(of, t, y):
    """Return the components (r,) of one curve, by the posterior of normal components and errors."""
    known = np.isfinite(y)
    at = np.array([np.interp(t[known], of.nodes[:, 0], column) for column in of.basis.T])
    phi, mean = at[:-1].T, at[-1]
    return np.linalg.solve(phi.T @ phi + of.noise**2 * np.eye(phi.shape[1]), phi.T @ (y[known] - mean))


def test_components_are_the_most_likely_ones():
    """Of curves with as many points or none, with holes, and with points that all share."""
    of, rng = start(), np.random.default_rng(1)
    sizes = np.array([5, 1, 0, 17, 8])
    offsets = np.append(0, np.cumsum(sizes))
    t, y = rng.uniform(0.0, 3.0, offsets[-1]), rng.standard_normal(offsets[-1])
    y[[2, 9]] = np.nan
    z = of.components(t[:, None], y, offsets)
    for i in range(5):
        part = slice(offsets[i], offsets[i + 1])
        np.testing.assert_allclose(z[i], most_likely(of, t[part], y[part]), rtol=1e-9, atol=1e-12)
        alone = of.components(t[part, None], y[part], np.array([0, sizes[i]]))
        assert alone.tobytes() == z[i].tobytes()
    shared, rows = rng.uniform(0.0, 3.0, 6), rng.standard_normal((4, 6))
    z = of.components(shared[:, None], rows.reshape(-1), 6 * np.arange(5))
    np.testing.assert_allclose(z, [most_likely(of, shared, row) for row in rows], rtol=1e-9)


def test_points_beyond_the_nodes_and_values_that_are_none_tell_nothing():
    of, t, y = start(), np.array([0.5, 1.0, -0.1, 3.1, 2.0]), np.array([0.3, np.inf, 5.0, 5.0, -0.4])
    z = of.components(t[:, None], y, np.array([0, 5]))
    np.testing.assert_array_equal(z, of.components(t[[0, 4], None], y[[0, 4]], np.array([0, 2])))
    assert of.counts(t[:, None], y, np.array([0, 2, 5])).tolist() == [1, 1]
    none = of.components(t[2:3, None], y[2:3], np.array([0, 1]))
    np.testing.assert_array_equal(none, np.zeros((1, 3)))


def test_points_of_several_numbers_are_at_nodes_or_nowhere():
    nodes = np.mgrid[:4, :5].reshape(2, -1).T.astype(float)[::-1]
    t = np.array([[1.0, 3.0], [3.0, 4.0], [0.5, 3.0], [9.0, 9.0], [0.0, 0.0]])
    where = places(nodes, t)
    assert np.isnan(where).tolist() == [False, False, True, True, False]
    np.testing.assert_array_equal(nodes[where[[0, 1, 4]].astype(int)], t[[0, 1, 4]])
    np.testing.assert_array_equal(places(NODES, np.array([[0.25], [3.0], [3.5]])), [0.5, 6.0, np.nan])


def test_nodes_are_the_points_or_stand_for_them():
    t = np.random.default_rng(0).uniform(0.0, 9.0, (500, 1))
    np.testing.assert_array_equal(nodes_of(t[:20].repeat(2, axis=0)), np.sort(t[:20], axis=0))
    np.testing.assert_array_equal(nodes_of(np.tile(t[:20], (3000, 1))), np.sort(t[:20], axis=0))
    many = nodes_of(t)
    assert len(many) == MOST_NODES
    assert (many[0], many[-1]) == (t.min(), t.max())
    assert nodes_of(np.random.default_rng(0).uniform(size=(2000, 2))) is None


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_learned_start_is_near_where_curves_end(noise):
    rng = np.random.default_rng(3)
    x = rng.uniform([0.5, 0.3], [2.0, 1.5], (900, 2))
    t = rng.uniform(0.0, 3.0, (900, 12))
    y = x[:, :1] * np.exp(-x[:, 1:] * t) + noise * rng.standard_normal(t.shape)
    curves = t[:600].reshape(-1, 1), y[:600].reshape(-1), 12 * np.arange(601)
    learned, crossed = learn_points_start(decay, nodes_of(curves[0]), curves, x[:600])
    there = learned(t[600:].reshape(-1, 1), y[600:].reshape(-1), 12 * np.arange(301))
    spread, error = x.std(axis=0), np.abs(there - x[600:]).mean(axis=0)
    assert (error < (0.2 if noise else 0.05) * spread).all()
    np.testing.assert_allclose(np.abs(crossed - x[:600]).mean(axis=0), error, rtol=0.5)
    shape = PointsShape(*learned.nodes.shape, learned.basis.shape[1] - 1, learned.values.orders)
    assert {name: each.shape for name, each in learned.weights().items()} == shape.shapes(2)
    again = shape.start(learned.weights())
    assert again(*curves).tobytes() == learned(*curves).tobytes()
