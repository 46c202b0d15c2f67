"""The command line: l2o reproduce, train, evaluate, info. Every command has --json."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Collection, Sequence
from typing import Any

from l2o.families import FAMILIES
from l2o.version import __version__

__all__ = ["main"]

EPILOG = """\
examples:
  l2o train logistic --out logistic.npz       learn the family of logistic regressions, about a second
  l2o evaluate logistic.npz                   compare the policy with tuned baselines on unseen functions
  l2o info universal                          show what is known of a shipped policy
  l2o reproduce logistic --out out --quick    the paper's experiment in short

exit codes: 0 done; 2 a mistake, or a file that cannot be read or written; 130 Ctrl-C"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return 0, or 2 with one line on standard error for a mistake of the user, 130 for Ctrl-C."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        print(f"l2o: {error or 'out of memory'}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        kept = getattr(arguments, "checkpoint", None) or ""
        print("l2o: interrupted" + f"; the same command goes on from {kept}" * os.path.exists(kept), file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="l2o", description="Learn optimizers, and run them.", epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"l2o {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, run, text in (
        ("reproduce", _reproduce, "train, evaluate on unseen functions and real data, write figures and results"),
        ("train", _train, "train a policy and save it"),
        ("evaluate", _evaluate, "compare a policy with tuned baselines on unseen functions"),
        ("info", _info, "show the card of a policy"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("--json", action="store_true", help="print a JSON record instead of text")
        if name in ("reproduce", "train"):
            names = ", ".join(FAMILIES) + (", or all (the paper's three)" if name == "reproduce" else "")
            command.add_argument("family", help=f"family of objective functions: {names}")
            command.add_argument("--out", required=True, help="folder" if name == "reproduce" else "file, .npz")
            command.add_argument("--quick", action="store_true", help="a short training, to see that everything works")
        if name in ("evaluate", "info"):
            command.add_argument("policy", help="policy file, .npz, or the name of a shipped policy")
        if name != "info":
            command.add_argument("--seed", type=int, default=0, help="seed of everything (0)")
            command.add_argument("--workers", type=int, default=-1, help="threads (-1: all CPUs)")
    commands.choices["train"].add_argument("--policy", choices=("quasi-newton", "mlp"), default="quasi-newton",
                                           help="the learned rule with a prior of the family, about a second "
                                                "(quasi-newton), or the network of the paper, half a minute (mlp)")
    commands.choices["train"].add_argument("--checkpoint", metavar="FILE",
                                           help="replaced after each round, and gone on from if it is there")
    commands.choices["evaluate"].add_argument("--functions", type=int, default=500, help="unseen functions (500)")
    commands.choices["info"].add_argument("--hash", action="store_true",
                                          help="print a hash of the policy, without what differs between equal runs")
    return parser


def _reproduce(given: Any) -> None:
    from l2o.commands.reproduce import reproduce, reproduce_all

    settings: dict[str, Any] = {"quick": given.quick, "seed": given.seed, "workers": given.workers,
                                "progress": _on_terminal(given), "say": (lambda line: None) if given.json else print}
    if given.family == "all":
        results = reproduce_all(given.out, **settings)
        records: dict[str, Any] = {name: {**each.record, "paths": each.paths} for name, each in results.items()}
    else:
        result = reproduce(given.family, given.out, **settings)
        records = {**result.record, "paths": result.paths}
    if given.json:
        print(json.dumps(records, allow_nan=False))


def _train(given: Any) -> None:
    from l2o import families, train
    from l2o.base.arguments import writable
    from l2o.commands.reproduce import training_settings

    family = families.named(given.family)
    writable(given.out)  # known before the training
    policy = train(family, rng=given.seed, workers=given.workers, progress=_on_terminal(given),
                   checkpoint=given.checkpoint, **training_settings(given.family, given.quick, given.policy))
    policy.save(given.out)
    quality = policy.card["quality"]
    rivals = ", ".join(f"{name} {quality[name]:.4g}" for name in ("momentum", "L-BFGS") if name in quality)
    if given.json:
        print(json.dumps({"path": given.out, "card": policy.card}, allow_nan=False))
    else:
        print(f"{given.out}: {quality['measure']}: {quality['policy']:.4g} ({rivals}), "
              f"trained in {policy.card['run']['seconds']:.3g} s")


def _evaluate(given: Any) -> None:
    from l2o import families, load
    from l2o.base.arguments import count
    from l2o.base.parallel import resolve_workers
    from l2o.commands.reproduce import evaluate, tuned_baselines
    from l2o.training import streams

    count("functions", given.functions)
    resolve_workers(given.workers)
    policy = load(given.policy)
    classes = {f"l2o.families.{each.__name__}": each for each in families.FAMILIES.values()}
    try:
        of = policy.card["family"]
        family = classes[of["name"]](**of["settings"])
    except (KeyError, TypeError):
        raise ValueError(f"{given.policy} says that its family is {policy.card.get('family')}; "
                         f"expected the name and settings of one of {', '.join(classes)}") from None
    policy.check_dim(family.dim)
    branches = streams(given.seed)
    tuned, _ = tuned_baselines(family.sample(family.n_training, branches["training"]))
    problems = family.sample(given.functions, branches["fresh"])
    comparison = evaluate(policy, problems, tuned, given.workers)
    if given.json:
        print(json.dumps(comparison.to_dict(), allow_nan=False))
    else:
        print(comparison.table(), "\n", comparison.table(by="evaluation"), sep="\n")
        served = policy.serving(problems)
        if served is not policy:
            print(f"\nlearned: runs of {served}, to which minimize_many leaves large batches; Hessians are not counted")


def _info(given: Any) -> None:
    from l2o import load

    policy = load(given.policy)
    card = policy.card
    if given.hash:
        lasting = {key: value for key, value in card.items() if key != "run"}
        digest = hashlib.sha256(json.dumps(lasting, sort_keys=True).encode())
        for name, value in sorted(policy.weights.items()):
            digest.update(name.encode() + value.tobytes())
        print(json.dumps({"sha256": digest.hexdigest()}) if given.json else digest.hexdigest())
    elif given.json:
        print(json.dumps(card, allow_nan=False))
    else:
        _show(card, {"course"})


def _show(record: dict[str, Any], without: Collection[str], indent: str = "") -> None:
    for key, value in record.items():
        if isinstance(value, dict):
            print(f"{indent}{key}:")
            _show(value, without, indent + "  ")
        elif key not in without:
            print(f"{indent}{key}: {value}")


def _on_terminal(given: Any) -> bool:
    """Whether to show a progress bar: on a terminal, if tqdm is there."""
    import importlib.util

    return not given.json and sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None


if __name__ == "__main__":
    sys.exit(main())
