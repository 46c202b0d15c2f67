"""Contract of every family in l2o.families.FAMILIES: a new one joins by its name there, whatever its settings."""

import dataclasses
import pickle

import numpy as np
import oracles
import pytest

from l2o import _kernels
from l2o.families import FAMILIES, Family
from l2o.problems import from_blocks

SETTINGS = [(name, field.name, field.default) for name, family in FAMILIES.items()
            for field in dataclasses.fields(family)]
COUNTS = [(name, field) for name, field, default in SETTINGS if type(default) is int]
NUMBERS = [(name, field) for name, field, default in SETTINGS if type(default) is float]


@pytest.fixture(params=FAMILIES)
def family(request):
    """Return a family of default settings."""
    return FAMILIES[request.param]()


@pytest.fixture
def members(family):
    """Return five members of it."""
    return family.sample(5, rng=3)


def points(problems, seed=0):
    """Return a random point for each problem."""
    return np.random.default_rng(seed).standard_normal(problems.x0.shape)


def same(a, b):
    """Whether two batches of problems are equal to the bit."""
    x = points(a)
    return len(a) == len(b) and a.x0.tobytes() == b.x0.tobytes() and all(
        one.tobytes() == other.tobytes() for one, other in zip(a.value_and_grad(x), b.value_and_grad(x)))


# -- derivatives ---------------------------------------------------------------------------------------


def test_gradient_equals_differences_of_the_value(members):
    for i, x in enumerate(points(members)):
        np.testing.assert_allclose(members[i].grad(x), oracles.slope(members[i].fun, x), rtol=1e-7, atol=1e-8)


def test_hessian_equals_differences_of_the_gradient(members):
    for i, x in enumerate(points(members)):
        if members.kernel.hessian is None:
            with pytest.raises(NotImplementedError, match=members.kernel.name):
                members[i].hessian(x)
        else:
            np.testing.assert_allclose(members[i].hessian(x), oracles.slope(members[i].grad, x), rtol=1e-7, atol=1e-8)


def test_batch_equals_its_members(members):
    x = points(members)
    f, g = members.value_and_grad(x)
    assert f.shape == (5,)
    assert g.shape == x.shape == (len(members), members.dim)
    for i in range(5):
        assert members[i].value_and_grad(x[i])[0] == f[i]
        np.testing.assert_array_equal(members[i].value_and_grad(x[i])[1], g[i])


# -- sample --------------------------------------------------------------------------------------------


def test_sample_has_the_familys_dimension(family, members):
    assert members.dim == family.dim == members.x0.shape[1]
    assert len(members) == 5
    assert repr(members)


def test_sample_begins_with_the_smaller_sample(family):
    assert same(family.sample(7, rng=11)[:3], family.sample(3, rng=11))


def test_sample_follows_its_seed(family):
    assert same(family.sample(3, rng=1), family.sample(3, rng=1))
    assert same(family.sample(3, rng=1), family.sample(3, rng=np.random.default_rng(1)))
    assert same(family.sample(3, rng=1), family.sample(3, rng=np.random.SeedSequence(1)))
    for other in (2, None):
        assert not same(family.sample(1, rng=1), family.sample(1, rng=other))


def test_sample_moves_a_generator_on(family):
    rng = np.random.default_rng(0)
    assert not same(family.sample(2, rng=rng), family.sample(2, rng=rng))


def test_sample_members_differ(family):
    members = family.sample(50, rng=0)
    x = np.random.default_rng(0).standard_normal(family.dim)
    seen = np.column_stack([members.x0, *members.value_and_grad(np.tile(x, (50, 1)))])
    assert len(np.unique(seen, axis=0)) == 50


@pytest.mark.parametrize("rng", ["abc", 1.5, object()])
def test_rng_of_another_type_is_an_error(family, rng):
    with pytest.raises(TypeError, match="rng is"):
        family.sample(2, rng=rng)
    with pytest.raises(TypeError, match="rng is"):
        family.starts(2, rng=rng)


@pytest.mark.parametrize("m", [0, -1])
def test_count_below_one_is_an_error(family, m):
    for draw in (family.sample, family.starts):
        with pytest.raises(ValueError, match=f"m is {m}; expected at least 1"):
            draw(m, rng=0)
        with pytest.raises(TypeError, match=r"m is 1\.5"):
            draw(1.5, rng=0)
        with pytest.raises(ValueError, match="rng is -1"):
            draw(1, rng=-1)


def test_starts_are_of_the_dimension_and_follow_their_seed(family):
    starts = family.starts(7, rng=0)
    assert starts.shape == (7, family.dim)
    assert np.isfinite(starts).all()
    np.testing.assert_array_equal(family.starts(3, rng=0), starts[:3])


def test_starts_are_standard_normal_unless_the_family_says_otherwise(family):
    if type(family).starts is Family.starts:
        starts = family.starts(4000, rng=0)
        np.testing.assert_allclose(starts.mean(axis=0), 0, atol=0.08)
        np.testing.assert_allclose(np.cov(starts.T, ddof=1).reshape(2 * (family.dim,)), np.eye(family.dim), atol=0.12)
        assert not np.array_equal(family.starts(3, rng=1), starts[:3])


# -- settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "field"), COUNTS)
def test_setting_that_counts_is_a_whole_number_and_not_negative(name, field):
    with pytest.raises(ValueError, match=f"{field} is -1"):
        FAMILIES[name](**{field: -1})
    with pytest.raises(TypeError, match=field):
        FAMILIES[name](**{field: 2.5})


@pytest.mark.parametrize(("name", "field"), NUMBERS)
def test_setting_that_is_a_number_is_finite(name, field):
    for value in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match=f"{field} is {value}"):
            FAMILIES[name](**{field: value})
    with pytest.raises(TypeError, match=field):
        FAMILIES[name](**{field: "much"})


def test_family_is_a_frozen_value_that_pickles(family):
    assert pickle.loads(pickle.dumps(family)) == family == type(family)()
    assert type(family).__dataclass_params__.frozen


def test_family_says_how_many_functions_it_is_trained_and_tested_on(family):
    assert family.n_training >= 2
    assert family.n_test >= 1


# -- Problems ------------------------------------------------------------------------------------------


def test_indexing_shares_data_and_keeps_values(members):
    x, (f, g) = points(members), members.value_and_grad(points(members))
    mask = np.array([True, False, True, False, True])
    for rows in (slice(1, 4), slice(None, None, -2), slice(2, 2), [4, 0, 0], mask):
        part = members[rows]
        assert np.shares_memory(part.blocks, members.blocks)
        np.testing.assert_array_equal(part.x0, members.x0[rows])
        np.testing.assert_array_equal(part.value_and_grad(x[rows])[0], f[rows])
        np.testing.assert_array_equal(part.value_and_grad(x[rows])[1], g[rows])
        assert same(part[::-1][::-1], part)


def test_index_out_of_range_is_an_error(members):
    for i in (5, -6):
        with pytest.raises(IndexError, match=f"index is {i}; there are 5 problems"):
            members[i]
    assert members[-1].fun(members.x0[4]) == members[4].fun(members.x0[4])
    assert members[np.int64(2)].dim == members.dim
    assert len(list(members)) == 5


def test_problems_pickle_to_the_bit(members):
    assert same(pickle.loads(pickle.dumps(members)), members)
    part = members[[3, 1, 3]]
    assert same(pickle.loads(pickle.dumps(part)), part)
    assert len(pickle.dumps(members[:1])) < 0.5 * len(pickle.dumps(members))


def test_starts_can_be_replaced(family, members):
    x0 = family.starts(5, rng=8)
    moved = members.with_starts(x0)
    np.testing.assert_array_equal(moved.x0, x0)
    assert np.shares_memory(moved.blocks, members.blocks)
    assert members.with_starts(None) is members
    assert not np.array_equal(members.x0, x0)
    np.testing.assert_array_equal(members.with_starts(x0[0]).x0, x0[[0] * 5])
    for bad in (x0[0, 1:], x0[:4], x0[:, 1:], x0 * np.nan):
        with pytest.raises(ValueError, match="x0 h"):
            members.with_starts(bad)


def test_point_of_another_shape_is_an_error(members):
    x = points(members)
    for bad in (x[0], x[:4], x[:, 1:]):
        with pytest.raises(ValueError, match="x has shape"):
            members.value_and_grad(bad)
        with pytest.raises(ValueError, match="x has shape"):
            members[0].fun(x[0, 1:])


def test_objective_offers_its_function_in_each_form(members):
    objective, x = members[2], points(members)[2]
    f, g = objective.value_and_grad(x)
    assert objective(x) == objective.fun(x) == f
    assert isinstance(f, float)
    np.testing.assert_array_equal(objective.grad(x), g)
    np.testing.assert_array_equal(objective.x0, members.x0[2])
    assert g.shape == (objective.dim,)
    assert objective.fun(x.tolist()) == f
    objective.x0[:] = 7
    np.testing.assert_array_equal(objective.x0, members.x0[2])


def test_point_that_is_nan_gives_a_value_that_is_not_finite(members):
    x = points(members)
    x[2, 0] = np.nan
    assert np.isfinite(members.value_and_grad(x)[0]).tolist() == [True, True, False, True, True]


def test_problems_keep_blocks_on_a_boundary_and_copy_others(members):
    kept = from_blocks(members.kernel, members.blocks, members.x0)
    assert kept.blocks is members.blocks
    off = _kernels.aligned((members.blocks.size + 1,))[1:].reshape(members.blocks.shape)
    off[...] = members.blocks
    for given in (off, np.asfortranarray(members.blocks), members.blocks.astype(">f8")):
        made = from_blocks(members.kernel, given, members.x0)
        assert made.blocks.ctypes.data % 64 == 0
        assert not np.shares_memory(made.blocks, given)
        np.testing.assert_array_equal(made.blocks, given)
