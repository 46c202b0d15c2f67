"""Make the policies that are shipped, and measure them.

    make pretrained   # python -m benchmarks.paper.pretrained --docs [--policies NAME ...] [--trained FOLDER]

For each policy and seed one training by its recipe. The seed that does best on the validation functions is shipped, in
src/l2o/pretrained; then, and only then, all are measured on 500 fresh functions, and the figures go into the card and
into docs/paper.md. Trained policies are kept in FOLDER, and taken from there if they are there.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

import l2o
from benchmarks.report import table, write
from l2o.commands.reproduce import evaluate, lowest_basin, run_ends, training_settings, tuned_baselines
from l2o.families import PAPER, Logistic, NeuralNet, RobustRegression
from l2o.policies import MLP
from l2o.policies.policy import PRETRAINED
from l2o.problems import from_blocks
from l2o.training import UnrolledGradient, streams

SEEDS = (0, 1, 2)
N_VALIDATION, N_FRESH, STEPS = 1000, 500, 100
SHOWN = (1, 2, 3, 5, 10, 20, 40, 100)
RIVALS = (("gradient descent", "iteration"), ("momentum", "iteration"), ("CG", "iteration"), ("L-BFGS", "iteration"),
          ("CG", "evaluation"), ("L-BFGS", "evaluation"))
BY_L_BFGS = "To the last digits of a minimum L-BFGS needs fewer evaluations. "
LIMITS = {  # what the card says that a policy does not do
    "logistic": BY_L_BFGS + "Alone it may end above its start: one run of 500 did.",
    "robust": (BY_L_BFGS + "It is lower in the first three evaluations, too. Four of ten runs end in another than the "
               "lowest minimum. On regressions far steeper than the family's (collinear features, residuals much "
               "smaller than c) the policy alone may swing about the minimum; with the safeguard it does not."),
    "neural-net": BY_L_BFGS + "Hardly any run ends in the lowest minimum.",
    "robust-short": ("It was trained on eight steps and is meant for `minimize`, where L-BFGS goes on from them. Alone "
                     "it does not come to rest."),
}
OF_FAMILY = {"logistic": "logistic", "robust": "robust", "neural-net": "neural-net", "robust-short": "robust"}
LAWS = {  # laws of the training functions, and how many of each: more than the paper has
    "logistic": ((Logistic(), 400),),
    # Real regressions leave smaller residuals than the family's, and are steeper for it. Without some of that kind the
    # policy alone swings about the minimum of one in a few hundred, and may end above its start.
    "robust": ((RobustRegression(), 200), (RobustRegression(noise=0.3), 60), (RobustRegression(n_clusters=1), 20)),
    "neural-net": ((NeuralNet(), 120),),
    "robust-short": ((RobustRegression(), 1000),),
}
WIDER = {"robust": {"first_step": 60.0, "kl_bound": 100.0, "n_iterations": 18}}  # what those need
# Where gradients are short, the bound makes of a large multiple a step of fixed length.
NETWORKS = {"robust-short": MLP(max_step=1.0, history=8)}
# After the search, the exact gradient of the first ten steps: by these a policy stands or falls, L-BFGS takes the later
# ones. Half of the runs start near a minimum, so that the policy stays at rest there. On the robust family the policy
# alone then swings on some real regressions, and the neural net's later steps get worse: there the search stands alone.
FIRST_STEPS = UnrolledGradient(horizon=10, n_steps=2000, rate=1e-3, near=0.5)
# Only the first steps, and none near a minimum: for a policy that need not end the run.
ONLY_FIRST_STEPS = UnrolledGradient(horizon=8, first_horizon=1, n_steps=3000, near=0.0)
FINISHED = ("robust-short",)  # policies that are judged with the safeguard, by its first evaluations
EVALUATIONS = 10


def trainers(name):
    """Return the trainers of a policy."""
    if name in FINISHED:
        return ONLY_FIRST_STEPS
    search = replace(training_settings(name)["trainer"], **WIDER.get(name, {}))
    return [search, FIRST_STEPS] if name == "logistic" else search


def family_of(name):
    """Return the family that a policy is for."""
    return PAPER[OF_FAMILY[name]]()


def validation_functions(name):
    """Return the functions that choose, the same for all seeds."""
    return family_of(name).sample(N_VALIDATION, streams(SEEDS[0])["validation"])


def training_functions(name, seed):
    """Return the functions that are trained on."""
    rng = streams(seed)["training"]
    drawn = [family.sample(n, rng) for family, n in LAWS[name]]
    return from_blocks(drawn[0].kernel, np.concatenate([each.blocks for each in drawn]),
                       np.concatenate([each.x0 for each in drawn]))


def train(name, seed, folder):
    """Return the policy of a family and seed by its recipe, trained now unless it is in the folder."""
    path = folder / f"{name}-{seed}.npz"
    if path.exists():
        return l2o.load(path)
    family = family_of(name)
    policy = l2o.train(training_functions(name, seed), validation=validation_functions(name), rng=seed,
                       policy=NETWORKS.get(name), trainer=trainers(name))
    policy = policy.with_card(family={"name": f"l2o.families.{type(family).__name__}", "settings": family.settings()})
    folder.mkdir(parents=True, exist_ok=True)
    policy.save(path)
    return policy


def measure(name, policy):
    """Return a comparison with tuned baselines on fresh functions, and how its runs end."""
    family, branches = family_of(name), streams(SEEDS[0])
    tuned, _ = tuned_baselines(family.sample(family.n_training, branches["training"]))
    comparison = evaluate(policy, family.sample(N_FRESH, branches["fresh"]), tuned)
    return comparison, run_ends(comparison, lowest_basin(comparison.problems, family, branches["fresh"]))


def digits(values):
    """Return numbers with four significant digits."""
    return [float(f"{value:.4g}") for value in values]


def record(comparison, ends):
    """Return what is measured, for the card."""

    def curve(of):
        return {key: digits(getattr(of, key)) for key in ("mean", "low", "high")}

    return {
        "n_functions": len(comparison.problems), "seed": SEEDS[0], "confidence": 0.95,
        "tuned": {name: repr(comparison.methods[name]) for name in ("gradient descent", "momentum")},
        "curves": {by: {name: curve(of) for name, of in comparison.curves(by).items()}
                   for by in ("iteration", "evaluation")},
        "margin_of_victory": {name: digits(of.mean) for name, of in comparison.margin_of_victory().items()},
        "paired": {f"{rival}, by {by}": curve(comparison.paired("learned", rival, by=by)) for rival, by in RIVALS},
        "ends": ends,
    }


def judge(name, policy):
    """Return the mean of f over the validation functions and some steps: what the seed is chosen by."""
    problems = validation_functions(name)
    if name in FINISHED:
        return float(np.mean([l2o.minimize_many(problems, method=policy, options={"maxfun": 1 + k, "gtol": 0.0}).fun
                              for k in range(1, EVALUATIONS + 1)]))
    return float(l2o.rollout(problems, method=policy, n_steps=STEPS).fun[:, 1:].mean())


def measure_of(name):
    """Say what `judge` returns."""
    what = f"{EVALUATIONS} evaluations, safeguarded," if name in FINISHED else f"{STEPS} steps"
    return f"mean of f over {what} and {N_VALIDATION} validation functions"


def ship(name, policies, records):
    """Write the policy of the best seed, with its card, into the package; return that seed."""
    judged = {seed: judge(name, policy) for seed, policy in policies.items()}
    best = min(judged, key=judged.get)
    card = policies[best].card
    laws = [{"n_functions": n, **asdict(family)} for family, n in LAWS[name]]
    made = {"command": "make pretrained", "laws": laws,
            "validation": {str(seed): value for seed, value in judged.items()},
            "validation_measure": measure_of(name),
            "fresh": records[best]}
    PRETRAINED[name].parent.mkdir(exist_ok=True)
    limits = {**card["limits"], "known": LIMITS[name]}
    policies[best].with_card(pretrained=made, limits=limits).save(PRETRAINED[name])
    return best


def number(value):
    """Return two significant digits."""
    return f"{value:.2g}" if value >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")


def ranges(ks):
    """Return sorted integers as 1-3, 7; a dash if there are none."""
    starts = [k for k in ks if k - 1 not in ks]
    ends = [k for k in ks if k + 1 not in ks]
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends)) or "-"


def curves_table(records, shipped):
    """Return the means of f - f* of the shipped seed and its rivals, then those of the other seeds."""
    iteration, evaluation = (records[shipped]["curves"][by] for by in ("iteration", "evaluation"))
    rows = {title(seed, shipped): records[seed]["curves"]["iteration"]["learned"] for seed in order(records, shipped)}
    rows |= {f"{name}, tuned": iteration[name] for name in ("gradient descent", "momentum")}
    rows |= {f"{name}, by iteration": iteration[name] for name in ("CG", "L-BFGS")}
    rows |= {f"{name}, by evaluation": evaluation[name] for name in ("CG", "L-BFGS")}
    return table(["k", *SHOWN], [[name, *(number(curve["mean"][k]) for k in SHOWN)] for name, curve in rows.items()])


def order(records, shipped):
    """Return the seeds, the shipped one first."""
    return sorted(records, key=lambda seed: (seed != shipped, seed))


def title(seed, shipped):
    """Return what the policy of a seed is called."""
    return f"learned, seed {seed}{' (shipped)' if seed == shipped else ''}"


def intervals_table(first):
    """Return rival - learned of the shipped seed, the ends of its paired intervals."""
    return table(["rival - learned at k", *SHOWN],
                 [[rival, *(f"{each['low'][k]:+.4f} {each['high'][k]:+.4f}" for k in SHOWN)]
                  for rival, each in first["paired"].items()])


def verdict_table(records, shipped):
    """Return where each seed is below its rivals in the mean, and where above with 95 % confidence."""
    ks, rows = range(1, STEPS + 1), []
    for rival in records[shipped]["paired"]:
        for seed in order(records, shipped):
            each = records[seed]["paired"][rival]
            below = [k for k in ks if each["mean"][k] > 0]
            rows.append([f"{rival}: seed {seed}", ranges(below), ranges([k for k in below if each["low"][k] > 0]),
                         ranges([k for k in ks if each["high"][k] < 0])])
    return table(["", "below in the mean at k =", "with 95 % confidence", "above with 95 % confidence"], rows)


def margins_table(first):
    """Return the mean margin of victory by iteration, of the shipped seed and its rivals."""
    return table(["margin of victory at k", *SHOWN],
                 [[name, *(f"{margin[k]:+.4f}" for k in SHOWN)] for name, margin in first["margin_of_victory"].items()])


def ends_table(records, shipped):
    """Return how runs of 100 steps end, of every method."""
    ends = {name: end for name, end in records[shipped]["ends"].items() if name != "learned"}
    seeds = {title(seed, shipped): records[seed]["ends"]["learned"] for seed in order(records, shipped)}
    return table(["", "in the lowest basin", "not finite", "above the start"],
                 [[name, f"{end['lowest_basin']:.3f}", end["nonfinite"], end["above_start"]]
                  for name, end in (seeds | ends).items()])


def report(name, records, shipped):
    """Return all tables of a family."""
    first = records[shipped]
    return "\n\n".join([curves_table(records, shipped), verdict_table(records, shipped), intervals_table(first),
                        margins_table(first), ends_table(records, shipped)])


def main():
    """Train, choose, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policies", nargs="+", choices=OF_FAMILY, default=list(OF_FAMILY))
    parser.add_argument("--trained", type=Path, default=Path("build/pretrained"))
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/results")
    options = parser.parse_args()
    for name in options.policies:
        policies = {seed: train(name, seed, options.trained) for seed in SEEDS}
        records = {seed: record(*measure(name, policy)) for seed, policy in policies.items()}
        shipped = ship(name, policies, records)
        text = report(name, records, shipped)
        print(f"\n{name}: seed {shipped} is shipped\n\n{text}", flush=True)
        if options.docs and name not in FINISHED:  # the page is on policies alone
            write(f"paper-{name}", text)


if __name__ == "__main__":
    main()
