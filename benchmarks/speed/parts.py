"""Time the parts of a learned step, and what a call costs.

    python -m benchmarks.speed.parts [--rounds N] [--json FILE] [--docs]

A part is seen where the other is next to nothing: a function of 2 points has no objective to speak of, momentum no
network.
"""

import l2o
from benchmarks.report import arguments, machine, publish, sentence, table
from benchmarks.suite.common import WIDTHS, policy, problems
from benchmarks.timing import best_of, one_core

RUNS, STEPS, POINTS = 100, 40, (100, 2)


def methods():
    """Return the methods whose steps are timed, by name."""
    return {"momentum": l2o.baselines.Momentum(1.5, 0.5)} | {
        f"{inputs}, {precision}, history {history}, width {width}":
            policy(history=history, width=width, inputs=inputs, precision=precision)
        for history, width in WIDTHS.items() for inputs in ("raw", "scaled") for precision in ("float64", "float32")}


def steps():
    """Return calls of RUNS times STEPS steps, (method, points) -> call."""
    return {(name, n): lambda method=method, given=given: l2o.rollout(given, method=method, n_steps=STEPS)
            for n in POINTS for given in [problems(RUNS, n_points=n)] for name, method in methods().items()}


def overheads():
    """Return calls that do next to nothing, by what they are."""
    method, one = policy(), problems(1)
    function, options = one[0], {"maxiter": 0}
    return {
        "`rollout`, `n_steps=0`": lambda: l2o.rollout(one, method=method, n_steps=0),
        "`rollout`, `n_steps=1`": lambda: l2o.rollout(one, method=method, n_steps=1),
        "`minimize`, `maxiter=0`": lambda: l2o.minimize(function, method=method, options=options),
        "`value_and_grad` of one function": lambda: function.value_and_grad(function.x0),
    }


def main():
    """Time and print."""
    given = arguments(__doc__.splitlines()[0], rounds=40).parse_args()
    one_core()
    step = {key: 1e6 * best / (RUNS * STEPS) for key, best in best_of(steps(), given.rounds).items()}
    call = {name: 1e6 * best for name, best in best_of(overheads(), given.rounds).items()}
    by_method = {name: {n: step[name, n] for n in POINTS} for name, _ in step}
    record = {"machine": machine("l2o", "numpy"), "rounds": given.rounds, "microseconds_a_step": by_method,
              "microseconds_a_call": call}
    text = [table(["microseconds a step", *(f"{n} points" for n in POINTS)],
                  [[name, *(f"{each[n]:.3f}" for n in POINTS)] for name, each in by_method.items()]),
            table(["call", "microseconds"], [[name, f"{each:.1f}"] for name, each in call.items()]),
            f"Best of {given.rounds} rounds. {sentence(record['machine'])}"]
    publish("parts", "\n\n".join(text), record, given)


if __name__ == "__main__":
    main()
