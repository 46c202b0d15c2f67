"""Ctrl-C in the middle of a run: heard between two evaluations, by one thread or several, and nothing else changed."""

import pickle
import signal
import threading
import time
import weakref

import numpy as np
import pytest
from exponentials import called

import l2o
from l2o import _kernels
from l2o.base.watch import Watch
from l2o.families import Custom, Logistic
from l2o.learning.choice import lowest
from l2o.learning.labels import _lowest

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to threads")

ENDLESS = {"gtol": 0.0, "maxiter": 10**7, "maxfun": 10**7}


def test_layers_keep_alive_what_they_stand_on():
    """Addresses are numbers: nobody else may know of the records below."""
    data = np.zeros(300, np.uintp)
    below = weakref.ref(data)
    inner = _kernels.watch.Watch().over(0, 0, 0, 0, data)
    outer = _kernels.differences.over(_kernels.watch.FUNCTION, inner, None, None, 2, np.zeros(300, np.intp))
    middle = weakref.ref(inner)
    del data, inner
    assert below() is not None
    assert middle() is not None
    del outer
    assert below() is middle() is None


@pytest.fixture(scope="module")
def slow():
    """Return problems whose evaluation takes about a millisecond; with ENDLESS a run of them has no end."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((1, 100_000, 3)), rng.integers(0, 2, (1, 100_000))
    return Logistic().from_data(X, y)[np.zeros(8, int)]


@pytest.fixture
def press():
    """Return what presses Ctrl-C after some seconds; its list says when that was."""
    times, timers = [], []

    def press(seconds):
        def now():
            times.append(time.perf_counter())
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # where a terminal's arrives, too

        timers.append(threading.Timer(seconds, now))
        timers[-1].start()
        return times

    yield press
    for timer in timers:
        timer.join()


def until_pressed(slow, pressed):
    """Return a batch, the last of several that run until some time after Ctrl-C, on a machine of any speed."""
    while not pressed or time.perf_counter() < pressed[0] + 0.1:
        batch = l2o.minimize_many(slow, method="momentum", options={"maxiter": 50, "gtol": 0.0})
    return batch


@pytest.fixture
def handler():
    """Return what sets the handler of Ctrl-C, for this test."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda new: signal.signal(signal.SIGINT, new)
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("more", [{}, {"bounds": [(-9, 9)] * 4}], ids=["free", "bounds"])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", ["gradient-descent", "lbfgs", "newton", "policy"])
def test_batch_in_the_middle_of_its_runs_ends_within_200_ms(name, workers, more, slow, press, random_policy):
    method = random_policy() if name == "policy" else name
    options = {**ENDLESS, "safeguard": False} if name == "policy" else ENDLESS
    if name in ("lbfgs", "newton"):  # they end by themselves: there are many
        slow = slow[np.zeros(5000, int)]
    before, pressed = threading.active_count(), press(0.3)
    with pytest.raises(KeyboardInterrupt):
        l2o.minimize_many(slow, method=method, workers=workers, options=options, **more)
    assert time.perf_counter() - pressed[0] < 0.2
    assert threading.active_count() <= before + 1  # perhaps the timer


def test_single_run_of_a_compiled_objective_ends_within_200_ms(slow, press):
    pressed = press(0.2)
    with pytest.raises(KeyboardInterrupt):
        l2o.minimize(slow[0], method="gradient-descent", options=ENDLESS)
    assert time.perf_counter() - pressed[0] < 0.2


def test_handler_that_does_not_raise_changes_nothing(slow, press, handler):
    heard = []
    expected = l2o.minimize_many(slow, method="momentum", options={"maxiter": 50, "gtol": 0.0})
    handler(lambda *_: heard.append(1))
    batch = until_pressed(slow, press(0.1))
    assert heard == [1]
    for key in ("x", "fun", "jac", "nit", "nfev", "status"):
        np.testing.assert_array_equal(getattr(batch, key), getattr(expected, key))


def test_handler_that_raises_something_else_is_heard(slow, press, handler):
    def give_up(*_):
        raise TimeoutError("enough")

    handler(give_up)
    press(0.1)
    with pytest.raises(TimeoutError, match="enough"):
        l2o.minimize_many(slow, method="gradient-descent", options=ENDLESS)


def test_signal_that_python_ignores_is_ignored(slow, press, handler):
    handler(signal.SIG_IGN)
    assert (until_pressed(slow, press(0.1)).nit == 50).all()


def test_run_of_another_thread_goes_on(slow, press):
    results = []
    thread = threading.Thread(target=lambda: results.append(
        l2o.minimize_many(slow, method="momentum", options={"maxiter": 100, "gtol": 0.0})))
    thread.start()
    press(0.1)
    with pytest.raises(KeyboardInterrupt):
        time.sleep(30)
    thread.join()
    assert (results[0].nit == 100).all()


def test_handler_is_still_there_and_calls_may_be_nested(problems, handler):
    heard, inner = [], Logistic().sample(2, rng=0)

    def outer(x, f, g, n, user):
        l2o.minimize_many(inner, method="lbfgs")
        if len(heard) < 2:
            signal.raise_signal(signal.SIGINT)
        f[0], g[0] = 0.5 * x[0] ** 2, x[0]
        return 0

    handler(lambda *_: heard.append(1))
    family = Custom(called(outer), dim=1).from_data(np.zeros((2, 1, 1)), np.ones((2, 1)))
    assert l2o.minimize_many(family, method="lbfgs").success.all()
    signal.raise_signal(signal.SIGINT)
    assert heard == [1, 1, 1]
    with pytest.raises(ValueError, match="workers is 0"):
        l2o.minimize_many(problems, method="lbfgs", workers=0)
    signal.raise_signal(signal.SIGINT)
    assert heard == [1, 1, 1, 1]


def test_watch_is_nothing_in_another_process():
    assert pickle.loads(pickle.dumps(Watch())) is None


@l2o.model
def laborious(t, p):
    """A line, in about a tenth of a millisecond."""
    total = 0.0
    for i in range(10_000):
        total += np.sin(p[1] * t + i)
    return p[0] * t + 1e-30 * total


@pytest.mark.parametrize("workers", [1, 2])
def test_curve_fits_hear_ctrl_c(workers, press):
    t, Y = np.linspace(0.0, 1.0, 5), np.tile(np.linspace(0.0, 1.0, 5) ** 2, (20_000, 1))
    l2o.curve_fit_many(laborious, t, Y[:1], [1.0, 1.0])
    pressed = press(0.2)
    with pytest.raises(KeyboardInterrupt):
        l2o.curve_fit_many(laborious, t, Y, [1.0, 1.0], workers=workers)
    assert time.perf_counter() - pressed[0] < 0.5


def test_least_squares_hear_ctrl_c(press):
    t, Y = np.linspace(0.0, 1.0, 5), np.tile(np.linspace(0.0, 1.0, 5) ** 2, (20_000, 1))
    family = l2o.families.LeastSquares(laborious, t, lambda rng: (Y[0], [1.0, 1.0]))
    problems = family.from_data(Y, np.ones((20_000, 2)))
    l2o.minimize_many(problems[:1], method="lm")
    pressed = press(0.2)
    with pytest.raises(KeyboardInterrupt):
        l2o.minimize_many(problems, method="lm")
    assert time.perf_counter() - pressed[0] < 0.5


FEW = l2o.GuidedPolicySearch(n_iterations=1, n_samples=4, horizon=8, epochs=1)
CALLS = {
    "rollout of a policy": lambda slow, workers: l2o.rollout(slow, method=l2o.load("logistic"), n_steps=2000,
                                                             workers=workers),
    "rollout of L-BFGS": lambda slow, workers: l2o.rollout(slow[np.zeros(500, int)], method="lbfgs", workers=workers),
    "rollout of SciPy": lambda slow, workers: l2o.rollout(slow[np.zeros(500, int)], method="cg", workers=workers),
    "tune": lambda slow, workers: l2o.tune(l2o.baselines.Momentum, slow, workers=workers),
    "compare": lambda slow, workers: l2o.compare(slow, {"m": "momentum"}, n_steps=1000, workers=workers),
    "train": lambda slow, workers: l2o.train(slow[np.zeros(200, int)], rng=0, workers=workers),
    "guided policy search": lambda slow, workers: l2o.train(slow, trainer=FEW, rng=0, workers=workers),
    "value and gradient": lambda slow, workers: slow[np.zeros(5000, int)].value_and_grad(np.zeros((5000, 4))),
    "Hessian": lambda slow, workers: slow[np.zeros(5000, int)].hessian(np.zeros((5000, 4))),
}


@pytest.fixture(scope="module")
def compiled():
    """Load and compile what trainings need: a compiler hears nothing."""
    l2o.train(Logistic(n_points=8).sample(8, rng=0), trainer=FEW, rng=0)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.usefixtures("compiled")
def test_every_call_hears_ctrl_c(name, workers, slow, press):
    """An evaluation takes a millisecond, and each call without Ctrl-C a second at least."""
    before, pressed = threading.active_count(), press(0.2)
    with pytest.raises(KeyboardInterrupt):
        CALLS[name](slow, workers)
    assert time.perf_counter() - pressed[0] < 0.2
    assert threading.active_count() <= before + 1


def test_steps_that_are_left_are_not_waited_for(press):
    """Two million rows of a run are written in a second or two."""
    pressed = press(0.1)
    with pytest.raises(KeyboardInterrupt):
        l2o.rollout(Logistic().sample(2, rng=0), method=l2o.load("logistic"), n_steps=2_000_000)
    assert time.perf_counter() - pressed[0] < 0.2


@pytest.mark.parametrize("learn", [lambda problems: _lowest(problems, 9, np.random.default_rng(0)),
                                   lambda problems: lowest(problems, l2o.load("universal"))], ids=["labels", "choice"])
def test_learning_ends_within_200_ms(learn, slow, press):
    pressed = press(0.2)
    with pytest.raises(KeyboardInterrupt):
        learn(slow[np.zeros(2000, int)])
    assert time.perf_counter() - pressed[0] < 0.2
