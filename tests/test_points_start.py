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


def test_points_of_small_units_are_told_apart():
    """Whatever the units of the other numbers are, and however many numbers there are."""
    small, large = np.arange(5.0) * 1e-9, np.full(5, 1e9)
    for nodes in (np.column_stack([small, large]), np.column_stack([large, small]), np.outer(small, np.ones(9)),
                  np.column_stack([[-np.inf, 0.0, 1.0, 1e300, 1e308], large, small])):
        np.testing.assert_array_equal(places(nodes, nodes[::-1]), np.arange(5.0)[::-1])
    nodes = np.random.default_rng(0).integers(0, 3, (200, 6)) * 10.0 ** np.arange(-12, 12, 4)
    where, found = places(nodes[:100], nodes), (nodes[:, None] == nodes[:100]).all(axis=2)
    np.testing.assert_array_equal(np.isfinite(where), found.any(axis=1))
    known = np.isfinite(where)
    np.testing.assert_array_equal(nodes[where[known].astype(int)], nodes[known])
    assert np.isnan(places(nodes, np.full((1, 6), np.nan))).all()


def test_nodes_are_the_points_or_stand_for_them():
    def nodes(t):
        return nodes_of(t, np.zeros(len(t)))

    t = np.random.default_rng(0).uniform(0.0, 9.0, (500, 1))
    np.testing.assert_array_equal(nodes(t[:20].repeat(2, axis=0)), np.sort(t[:20], axis=0))
    np.testing.assert_array_equal(nodes(np.tile(t[:20], (3000, 1))), np.sort(t[:20], axis=0))
    many = nodes(t)
    assert len(many) == MOST_NODES
    assert (many[0], many[-1]) == (t.min(), t.max())
    assert nodes(np.random.default_rng(0).uniform(size=(2000, 2))) is None
    pairs = np.mgrid[:4, :5].reshape(2, -1).T.astype(float)
    rare = np.vstack([np.tile(pairs, (2000, 1)), [[9.0, 9.0]]])
    np.testing.assert_array_equal(nodes(rare), np.vstack([pairs, [[9.0, 9.0]]]))


def test_points_without_values_are_no_nodes():
    t, y = np.array([[0.0], [1.0], [np.nan], [np.inf], [9999.0], [2.0]]), np.array([0.0, 1.0, 2.0, 3.0, np.nan, 5.0])
    np.testing.assert_array_equal(nodes_of(t, y), [[0.0], [1.0], [2.0]])
    np.testing.assert_array_equal(nodes_of(t[:2], np.array([np.nan, 1.0, np.nan, 3.0])), [[1.0]])
    for k in 1, 2:
        assert nodes_of(np.ones((3, k)), np.full(3, np.nan)).shape == (0, k)


@pytest.mark.parametrize("unit", [2.0**-900, 2.0**900, 2.0**1020])
def test_learned_start_knows_no_units(unit):
    """Squares of the values need not be numbers."""
    @l2o.model
    def scaled(t, p):
        return unit * (p[0] * np.exp(-p[1] * t))

    rng = np.random.default_rng(3)
    x = rng.uniform([0.5, 0.3], [2.0, 1.5], (300, 2))
    t = rng.uniform(0.0, 3.0, (300, 12))
    y = (x[:, :1] * np.exp(-x[:, 1:] * t)).reshape(-1) + 0.01 * rng.standard_normal(t.size)
    t, offsets = t.reshape(-1, 1), 12 * np.arange(301)
    there, crossed = learn_points_start(decay, nodes_of(t, y), (t, y, offsets), x)
    scaled_there, scaled_crossed = learn_points_start(scaled, nodes_of(t, y), (t, unit * y, offsets), x)
    np.testing.assert_allclose(scaled_crossed, crossed, rtol=1e-9)
    np.testing.assert_allclose(scaled_there.basis, unit * there.basis, rtol=1e-9, atol=1e-12 * unit)


def test_curves_that_are_not_finite_at_the_nodes_teach_nothing():
    x = np.column_stack([np.ones(60), np.linspace(-800.0, 800.0, 60)])
    t, y = np.linspace(0.0, 3.0, 10)[:, None], np.ones(600)
    few = np.where(x[:, 1:] < -700.0, x, x * [1.0, -1.0])
    assert learn_points_start(decay, t, (t, y, 10 * np.arange(61)), -np.abs(few)) is None
    assert learn_points_start(decay, t, (t, np.full(600, np.nan), 10 * np.arange(61)), np.abs(x)) is None


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_learned_start_is_near_where_curves_end(noise):
    rng = np.random.default_rng(3)
    x = rng.uniform([0.5, 0.3], [2.0, 1.5], (900, 2))
    t = rng.uniform(0.0, 3.0, (900, 12))
    y = x[:, :1] * np.exp(-x[:, 1:] * t) + noise * rng.standard_normal(t.shape)
    curves = t[:600].reshape(-1, 1), y[:600].reshape(-1), 12 * np.arange(601)
    learned, crossed = learn_points_start(decay, nodes_of(*curves[:2]), curves, x[:600])
    there = learned(t[600:].reshape(-1, 1), y[600:].reshape(-1), 12 * np.arange(301))
    spread, error = x.std(axis=0), np.abs(there - x[600:]).mean(axis=0)
    assert (error < (0.2 if noise else 0.05) * spread).all()
    np.testing.assert_allclose(np.abs(crossed - x[:600]).mean(axis=0), error, rtol=0.5)
    shape = PointsShape(*learned.nodes.shape, learned.basis.shape[1] - 1, learned.values.orders)
    assert {name: each.shape for name, each in learned.weights().items()} == shape.shapes(2)
    again = shape.start(learned.weights())
    assert again(*curves).tobytes() == learned(*curves).tobytes()
