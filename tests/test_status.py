"""Statuses: one list, which kernels and Python read, with a number and a sentence each."""

import re

import pytest
from test_house import SOURCE

import l2o
from l2o._kernels.base._status import MESSAGES
from l2o.base import status

NUMBERS = {"CONVERGED": 0, "LIMIT": 1, "PRECISION_LOSS": 2, "NON_FINITE": 3, "OBJECTIVE_FAILED": 4, "TOO_FEW_POINTS": 5,
           "SINGULAR": 6, "STOPPED": 99}  # what programs of users compare with
TESTS = {"NO_TEST": 0, "GRADIENT": 1, "FALL": 2, "STEP": 3}
NAMES = [name for name in status.__all__ if name.isupper()]


def test_status_numbers_are_those_that_users_know():
    assert {name: getattr(status, name) for name in NAMES} == NUMBERS | TESTS


def test_status_names_are_the_same_in_c_and_python():
    base = SOURCE / "_kernels" / "base"
    rows = re.findall(r"row\((\w+), (\d+), \"", (base / "status.h").read_text(encoding="utf-8"))
    assert {name: int(number) for name, number in rows} == NUMBERS | TESTS
    for mirror in ("_status.pxd", "_status.pyi"):
        text = (base / mirror).read_text(encoding="utf-8")
        assert set(NAMES) <= set(re.findall(r"^ *([A-Z_]+)\b", text, re.M)), mirror


def test_status_has_one_message_of_its_own():
    messages = [status.status_message(number) for number in NUMBERS.values()]
    assert len(set(messages)) == len(NUMBERS) == len(MESSAGES)
    assert all(message.endswith(".") for message in messages)
    with pytest.raises(KeyError):
        status.status_message(-1)


def test_status_of_success_has_a_message_for_each_test():
    messages = [status.status_message(status.CONVERGED, test) for test in TESTS.values()]
    assert len(set(messages)) == len(TESTS)
    assert messages[0] == status.status_message(status.CONVERGED)
    assert status.status_message(status.LIMIT, status.FALL) == status.status_message(status.LIMIT)


def test_status_of_runs_is_never_to_go_on():
    problems = l2o.families.Logistic(n_features=1).sample(3, rng=0)
    for options in ({"maxiter": 0}, {"maxfun": 1}, {"maxiter": 2}, {"gtol": 0.0, "ftol": 0.0, "maxfun": 9}):
        for method in ("lbfgs", "momentum", l2o.load("universal")):
            result = l2o.minimize_many(problems, method=method, options=options)
            assert (result.status == status.LIMIT).all(), (method, options)
    for method in ("lbfgs", "momentum", l2o.load("universal")):
        assert (l2o.rollout(problems, method=method, n_steps=2).status == status.LIMIT).all()
