"""Curve fits by the thousand: `curve_fit_many` beside other libraries and our L-BFGS on the same sums of squares.

Five families: exponential decays, spots of a camera, dose-response curves, rings that fade, drawn here, and diffusion
tensors of a measurement that comes with dipy. All fit the same curves from the same starts, in one process on one core,
in turn; answers come before times. A library that is not installed is left out.

    python -m benchmarks.curves.least_squares [family ...] [--curves 1000] [--rounds 5] [--only NAME ...] [--docs]
"""

import importlib
import sys

import numpy as np

import l2o
from benchmarks.curves.peers.curves import FAMILIES
from benchmarks.report import arguments, machine, publish, sentence, table
from benchmarks.timing import best_of, one_core

__all__ = ["PEERS", "answers", "engines", "main", "measured"]

PEERS = ("l2o", "scipy", "jax", "optimistix", "nlsq", "dipy", "ceres", "cminpack")
OURS = "curve_fit_many"
DRAWN = ("decay", "spot", "dose", "ring")  # whose geometric mean is told
SHARE = 1e-6  # relative to the lowest chi2: what counts as the best minimum
SOUND = 0.9  # of the best share: below it an engine gets no time


def engines(curves, peers=PEERS, missing=None):
    """Return by name the calls of all libraries that are here: x (m, d), evaluations (m,).

    Parameters
    ----------
    curves : Curves
        What is fitted.
    peers : sequence of str
        Modules with_NAME of `benchmarks.curves.peers`.
    missing : set, optional
        Takes the names of what is not installed.
    """
    calls = {}
    for name in peers:
        try:
            calls.update(importlib.import_module(f"benchmarks.curves.peers.with_{name}").engines(curves))
        except ModuleNotFoundError as error:
            if error.name.startswith("benchmarks"):
                raise
            if missing is not None:
                missing.add(error.name)
    return calls


def answers(curves, calls):
    """Return by name (share at the best minimum, distance to it in standard errors, evaluations) of each engine.

    The distance is the root mean square over the parameters, the 99 % point over curves at the best minimum.
    """
    found = {name: call() for name, call in calls.items()}
    chi2 = {name: curves.chi2(x) for name, (x, _) in found.items()}
    lowest = np.array(list(chi2.values()))
    best, which = np.nanmin(lowest, axis=0), np.nanargmin(lowest, axis=0)
    starts = np.array([x for x, _ in found.values()])[which, np.arange(len(best))]
    end = l2o.curve_fit_many(curves.model, curves.points, curves.Y, starts, sigma=curves.sigma, tol=1e-9)
    told = {}
    for name, (x, nfev) in found.items():
        at_best = chi2[name] <= best * (1.0 + SHARE)
        near = at_best & end.success
        step = (x - end.x)[near]
        metric = np.linalg.inv(end.cov[near])
        distance = np.sqrt(np.einsum("mi,mij,mj->m", step, metric, step) / x.shape[1])
        counted = nfev[np.isfinite(nfev)]
        told[name] = at_best.mean(), np.quantile(distance, 0.99), counted.mean() if len(counted) else np.nan
    return told


def measured(curves, calls, rounds):
    """Return by name what each engine takes and finds: a dict of microseconds a fit and the answers."""
    told = answers(curves, calls)
    enough = SOUND * max(share for share, _, _ in told.values())
    seconds = best_of({name: call for name, call in calls.items() if told[name][0] >= enough}, rounds)
    return {name: {"us": 1e6 * seconds[name] / len(curves.Y) if name in seconds else np.nan, "share": share,
                   "distance": distance, "nfev": nfev} for name, (share, distance, nfev) in told.items()}


def libraries():
    """Return the packages of Python beside which we were, of those that have been used."""
    modules = (sys.modules.get(f"benchmarks.curves.peers.with_{name}") for name in PEERS[1:])
    return [module.LIBRARY for module in modules if module and module.LIBRARY]


def quickest(rows):
    """Return the rows with one for each engine: of several builds the quickest that is right."""
    best = {}
    for name, row in sorted(rows.items(), key=lambda item: np.nan_to_num(item[1]["us"], nan=np.inf)):
        best.setdefault(name.partition(" [")[0], row)
    return {name: best[name] for name in dict.fromkeys(each.partition(" [")[0] for each in rows)}


def shown(name, curves, rows):
    """Return the table of a family."""
    head = [f"{name}, {curves.p0.shape[1]} parameters, {curves.Y.shape[1]} points", "us a fit", "ratio", "evaluations",
            "at the best", "distance"]
    return table(head, [[engine, f"{row['us']:.2f}", f"{row['us'] / rows[OURS]['us']:.2f}", f"{row['nfev']:.2f}",
                         f"{row['share']:.3f}", f"{row['distance']:.1e}"] for engine, row in rows.items()])


def summary(families):
    """Return the table of all families: how many times as long as ours each engine takes."""
    best = {name: quickest(rows) for name, rows in families.items()}
    drawn = [name for name in DRAWN if name in best]
    names = list(dict.fromkeys(engine for rows in best.values() for engine in rows if engine != OURS))
    ours = [rows[OURS] for rows in best.values()]
    rows = [["microseconds a fit", *(f"{row['us']:.1f}{_right(row)}" for row in ours), ""],
            ["evaluations", *(f"{row['nfev']:.1f}" for row in ours), ""]]
    for engine in names:
        logs = [np.log(_ratio(best[name], engine)) for name in drawn]
        mean = np.exp(np.mean(logs)) if drawn else np.nan
        rows.append([engine, *(_cell(rows_of, engine) for rows_of in best.values()), _times(mean)])
    return table(["", *best, "geometric mean of the drawn"], rows)


def _ratio(rows, engine):
    return rows[engine]["us"] / rows[OURS]["us"] if engine in rows else np.nan


def _cell(rows, engine):
    return _times(_ratio(rows, engine)) + (_right(rows[engine]) if engine in rows else "")


def _right(row):
    return f", {row['share']:.2f} right" if row["share"] < 0.99 else ""


def _times(ratio):
    return "-" if np.isnan(ratio) else f"{ratio:.{2 if ratio < 1 else 1 if ratio < 10 else 0}f} x"


def main():
    """Print a table for each family, and the ratios of all."""
    parser = arguments(__doc__.splitlines()[0], rounds=5)
    parser.add_argument("families", nargs="*", metavar="family", help=f"some of {', '.join(FAMILIES)}")
    parser.add_argument("--curves", type=int, default=1000)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=PEERS, default=PEERS, help="some of the libraries")
    given = parser.parse_args()
    one_core()
    missing, record = set(), {"families": {}}
    for name in given.families or FAMILIES:
        try:
            curves = FAMILIES[name](given.curves, np.random.default_rng(5))
        except ModuleNotFoundError as error:
            missing.add(error.name)
            continue
        record["families"][name] = measured(curves, engines(curves, given.only, missing), given.rounds)
        print(shown(name, curves, record["families"][name]), "\n", flush=True)
    for name in sorted(missing):
        print(f"{name} is not installed and is left out")
    record["machine"] = machine("numpy", "numba", *libraries())
    text = [summary(record["families"]), "", f"{given.curves} curves a family, best of {given.rounds} rounds in turn. "
            + sentence(record["machine"])]
    publish("curve-fits", "\n".join(text), record, given)


if __name__ == "__main__":
    main()
