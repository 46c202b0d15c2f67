"""The benchmarks: all import, all peers give the answers of l2o, what is fitted, drawn and written is right."""

import importlib
import inspect
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import report, timing
from benchmarks.curves import curve_figures, least_squares
from benchmarks.curves.peers.curves import FAMILIES
from benchmarks.families import shifts, tensor_data
from benchmarks.ground import attack
from benchmarks.paper import ablation, handoff, local_models, pretrained
from benchmarks.speed import compile_times, objectives, parts, scaling
from benchmarks.speed.peers.compare import MODULES, TOLERANCE, check, installed, prepared, timed
from benchmarks.speed.peers.with_l2o import PEERS
from benchmarks.speed.peers.work import draw

import l2o

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SUITE = sorted(path.stem for path in (BENCHMARKS / "suite").glob("bench_*.py"))


def tiny(inputs="raw", precision="float64"):
    """Return work that is done at once; the history is shorter than a run."""
    return draw(inputs, precision, n_functions=3, n_starts=2, n_steps=6, history=4, width=8)


@pytest.mark.parametrize("name", MODULES[1:])
@pytest.mark.parametrize(("inputs", "precision"), [("raw", "float64"), ("scaled", "float32")])
def test_peer_gives_the_answers_of_l2o(name, inputs, precision):
    pytest.importorskip(name.removeprefix("with_"))
    peers = PEERS | importlib.import_module(f"benchmarks.speed.peers.{name}").PEERS
    check(prepared(peers, tiny(inputs, precision)), TOLERANCE[precision])


def test_peers_in_numpy_bound_and_scale_linear_inputs():
    work = tiny("linear")
    work = replace(work, network=replace(work.network, max_step=0.2))
    work = replace(work, policy=type(work.policy)(work.network, work.policy.weights))
    calls = prepared(PEERS | importlib.import_module("benchmarks.speed.peers.with_numpy").PEERS, work)
    check(calls, 1e-12)
    moved = np.linalg.norm(calls["batch", "NumPy"]()[0] - work.x0, axis=-1)
    assert 0.5 < moved.max() / (work.n_steps * work.network.max_step) <= 1.0


@pytest.mark.parametrize("part", [0, 1])
def test_check_refuses_a_wrong_answer(part):
    calls = prepared(PEERS, tiny())
    right = calls["single", "l2o"]
    calls["single", "wrong"] = lambda: [array + 1e-6 * (i == part) for i, array in enumerate(right())]
    check(calls, 1e-5)
    with pytest.raises(SystemExit, match=f"single: {'xf'[part]} of wrong is not that of l2o"):
        check(calls, 1e-9)


def test_missing_library_is_left_out_with_a_line(monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.speed.peers.compare.MODULES", ("with_l2o", "with_numpy"))
    monkeypatch.setattr("importlib.import_module", missing("numpy", importlib.import_module))
    assert installed() == (PEERS, ["l2o"])
    assert capsys.readouterr().out.startswith("numpy is not installed and is left out")


def missing(library, import_module):
    """Return an import that does not find a library."""

    def find(name):
        if name.endswith(f"with_{library}"):
            raise ModuleNotFoundError(name=library)
        return import_module(name)

    return find


def test_times_are_by_step_and_workload():
    work = tiny()
    times = timed(PEERS | importlib.import_module("benchmarks.speed.peers.with_numpy").PEERS, work, 1, 1e-9)
    assert times["NumPy"]["runs"] == times["NumPy"]["single"] > times["NumPy"]["batch"] > 0
    assert set(times["l2o"]) == {"single", "runs", "batch"}


@pytest.mark.parametrize("name", SUITE)
def test_suite_names_its_parameters(name):
    module = importlib.import_module(f"benchmarks.suite.{name}")
    own = [each for _, each in inspect.getmembers(module, inspect.isclass) if each.__module__ == module.__name__]
    for each in own:
        bodies = [function for function in vars(each) if function.startswith(("time_", "track_"))]
        nested = isinstance(next(iter(getattr(each, "params", [0]))), (list, tuple))
        assert bodies
        assert len(getattr(each, "param_names", ())) == (len(each.params) if nested else hasattr(each, "params"))


def test_calls_of_the_suite_run():
    module = importlib.import_module("benchmarks.suite.bench_call")
    calls = module.Minimize()
    calls.setup()
    for name in vars(module.Minimize):
        if name.startswith("time_"):
            getattr(calls, name)()


def test_parts_and_overheads_run(monkeypatch):
    monkeypatch.setattr(parts, "RUNS", 1)
    for call in (parts.steps() | parts.overheads()).values():
        call()


def test_objectives_in_numpy_agree(monkeypatch):
    monkeypatch.setattr(objectives, "FUNCTIONS", 3)
    pairs = objectives.pairs()
    calls = {(family, name): call for family, pair in pairs.items() for name, call in zip(("l2o", "NumPy"), pair)}
    assert set(pairs) == set(l2o.families.PAPER)
    objectives.check(calls)
    calls["robust", "NumPy"] = pairs["logistic"][1]
    with pytest.raises(SystemExit, match="robust: the answer of NumPy is not that of l2o"):
        objectives.check(calls)


def test_compile_times_are_of_a_fresh_process(monkeypatch):
    monkeypatch.setattr(compile_times, "RUNS", 1)
    first, second = compile_times.seconds("model")
    assert first > second > 0.0


def test_scaling_measures_and_draws_every_size(monkeypatch, tmp_path):
    monkeypatch.setattr(scaling, "SIZES", {what: (1 if what == "runs" else 2, 3) for what in scaling.SIZES})
    times = scaling.measured(1)
    scaling.draw(times, tmp_path / "figures" / "scaling.png")
    assert (tmp_path / "figures" / "scaling.png").stat().st_size > 10_000
    text = scaling.as_text(times, report.machine("numpy"), 1)
    assert all(f"| {name} " in text for name in scaling.NAMES.values())


@pytest.mark.parametrize("what", ["dim", "runs"])
def test_scaling_fits_a_line(what):
    size = np.array(scaling.SIZES[what], float)
    exact = 0.5 + 0.1 * (1.0 / size if what == "runs" else size)
    a, b, line, distance = scaling.fit(what, list(exact))
    np.testing.assert_allclose([a, b], [0.5, 0.1], rtol=1e-12)
    np.testing.assert_allclose(line, exact, rtol=1e-12)
    assert distance < 1e-12
    assert scaling.fit(what, [*exact[:-1], 2 * exact[-1]])[3] > 0.1


def test_best_of_takes_turns_and_keeps_the_least():
    turns = []
    best = timing.best_of({name: lambda name=name: turns.append(name) or sum(range(20_000)) for name in "ab"}, 2)
    assert set(best) == {"a", "b"}
    assert min(best.values()) > 0
    assert "".join(name for name, before in zip(turns[2:], turns[1:]) if name != before) == "abab"


def test_result_replaces_a_file_that_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    (tmp_path / "one.md").write_text("old\n", encoding="utf-8")
    report.write("one", "new")
    assert (tmp_path / "one.md").read_text(encoding="utf-8") == "new\n"
    with pytest.raises(ValueError, match="name is 'two'; expected a file in docs/results"):
        report.write("two", "new")


@pytest.mark.parametrize(("name", "results"), [
    ("performance.md", ["peers", "objectives", "parts", "scaling", "overheads", "logistic-fits"]),
    ("method.md", ["local-models"]),
    ("safeguard.md", ["safeguard-rules", "safeguard-logistic", "safeguard-robust"]),
    ("paper.md", [f"{what}-{family}" for what in ("paper", "ablation") for family in l2o.families.PAPER]),
    ("rolling-betas.md", ["betas-least-squares", "betas-zero", "betas-policy", "betas-settings"]),
])
def test_page_includes_the_results(name, results):
    page = (report.DOCS / name).read_text(encoding="utf-8")
    for each in results:
        assert f"```{{include}} results/{each}.md\n```" in page


def test_table_aligns_its_columns():
    assert report.table(["size", "t"], [["a", 1.5], ["long name", "-"]]).splitlines() == [
        "| size      |   t |",
        "|-----------|----:|",
        "| a         | 1.5 |",
        "| long name |   - |",
    ]


def test_machine_is_told():
    told = report.machine("numpy")
    assert told["cpu"]
    assert told["kernels"] in ("baseline", "avx2", "avx512")
    assert told["versions"]["numpy"] == np.__version__
    assert f"kernels built for {told['kernels']}" in report.sentence(told)


def test_rule_that_was_chosen_is_the_compiled_one(random_policy):
    problems = l2o.families.Logistic(n_points=20).sample(20, rng=4)
    rule = handoff.RULES["gradient above 0.5, 10 steps"]
    for seed in (1, 2):
        runs = l2o.rollout(problems, method=random_policy(seed=seed), n_steps=handoff.LONGEST)
        curves = handoff.handed_over(problems, runs, handoff.steps_of(runs, **rule))
        np.testing.assert_allclose(curves, handoff.limited(problems, random_policy(seed=seed)), rtol=1e-14)


@pytest.mark.parametrize("name", ablation.SWITCHES)
def test_switches_of_the_ablation_are_settings(name):
    search, network = ablation.SWITCHES[name]
    default = l2o.GuidedPolicySearch(), l2o.policies.MLP()
    switched = l2o.GuidedPolicySearch(**search), l2o.policies.MLP(**network)
    assert (switched == default) == (name == "default")


def test_ablation_trains_once_and_goes_on(monkeypatch, tmp_path, capsys):
    """A row that is in the file is not trained again; cells are mean and range."""
    monkeypatch.setattr(ablation, "FUNCTIONS", 5)
    monkeypatch.setattr(ablation, "SWITCHES", {"tiny": ({"n_iterations": 1, "n_samples": 4, "horizon": 5, "epochs": 1},
                                                        {"history": 2, "width": 4})})
    rows, given = tmp_path / "rows.json", ["ablation", "--rows", "tiny", "--seeds", "0"]
    monkeypatch.setattr("sys.argv", [*given, "--json", str(rows)])
    monkeypatch.setitem(ablation.FAMILIES, "logistic", lambda: l2o.families.Logistic(n_points=10))
    ablation.main()
    table = capsys.readouterr().out.splitlines()[-3:]
    monkeypatch.setattr(ablation, "trained", None)
    ablation.main()
    assert capsys.readouterr().out.splitlines() == table
    assert ablation.spread([1.0, 2.0, 6.0], 1) == "3.0 (1.0-6.0)"
    assert ablation.spread([1.0, None], 1) == "inf (1.0-inf)"


def test_structured_model_is_closer_with_few_samples():
    generic, structured = local_models.measured(2, 5, 3)
    assert (structured < generic).all()


@pytest.mark.slow
def test_shipped_policy_is_the_seed_that_validates_best(tmp_path, monkeypatch):
    """Three short trainings, one that is there already: the files, the card, the result."""
    tiny = {"trainer": l2o.GuidedPolicySearch(n_iterations=1, n_samples=4, horizon=10, epochs=1)}
    shipped, result = tmp_path / "package" / "logistic.npz", tmp_path / "paper-logistic.md"
    result.write_text("old\n", encoding="utf-8")
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    for name, value in {"PRETRAINED": {"logistic": shipped}, "N_FRESH": 4, "N_VALIDATION": 6,
                        "LAWS": {"logistic": ((l2o.families.Logistic(), 5),)},
                        "FIRST_STEPS": l2o.UnrolledGradient(n_steps=5, n_runs=8, horizon=8, n_rounds=1),
                        "training_settings": lambda name: tiny}.items():
        monkeypatch.setattr(pretrained, name, value)
    monkeypatch.setattr("sys.argv", ["pretrained", "--policies", "logistic", "--trained", str(tmp_path), "--docs"])
    pretrained.train("logistic", 2, tmp_path).with_card(note="kept").save(tmp_path / "logistic-2.npz")
    pretrained.main()
    policies = {seed: l2o.load(tmp_path / f"logistic-{seed}.npz") for seed in pretrained.SEEDS}
    assert [policy.card.get("note") for policy in policies.values()] == [None, None, "kept"]
    judged = {seed: pretrained.judge("logistic", policy) for seed, policy in policies.items()}
    best = min(judged, key=judged.get)
    policy = l2o.load(shipped)
    assert {name: value.tobytes() for name, value in policy.weights.items()} == {
        name: value.tobytes() for name, value in policies[best].weights.items()}
    assert policy.card["pretrained"]["validation"] == {str(seed): value for seed, value in judged.items()}
    text = result.read_text(encoding="utf-8")
    assert f"learned, seed {best} (shipped)" in text
    assert "old" not in text


@pytest.mark.parametrize(("ks", "text"), [([], "-"), ([4], "4"), ([1, 2, 3, 7, 9, 10], "1-3, 7, 9-10")])
def test_ranges_are_short(ks, text):
    assert pretrained.ranges(ks) == text


def test_tensors_have_the_gradient_of_their_loss():
    rng = np.random.default_rng(0)
    g = rng.standard_normal((40, 3))
    g /= np.linalg.norm(g, axis=1, keepdims=True)
    i, j = tensor_data.PAIRS
    B = np.column_stack([np.ones(40), -np.where(np.equal(i, j), 1.0, 2.0) * g[:, i] * g[:, j]])
    signals = tensor_data.simulated(B, 3, rng)
    for y, x in zip(signals, tensor_data.problems(B, signals).x0):
        problem = l2o.families.Custom(tensor_data.tensor, dim=7).from_data([np.column_stack([B, y])], x0=x[None])[0]
        residual = np.exp(B @ x) - y
        assert problem.fun(x) == pytest.approx(np.mean(residual**2 / (9 + residual**2)))
        differences = [(problem.fun(x + e) - problem.fun(x - e)) / 2e-6 for e in 1e-6 * np.eye(7)]
        np.testing.assert_allclose(problem.grad(x), differences, atol=1e-7)


def test_shift_is_measured_alone_and_with_probes(monkeypatch):
    monkeypatch.setattr(shifts, "DRAWN", 200)
    policy = l2o.train(shifts.decays()[:60], rng=0)
    alone, probed, taken = shifts.ratios(policy, shifts.decays(), 400)
    assert alone < probed < alone + 0.1
    assert 0.0 < taken < np.inf


@pytest.mark.parametrize("name", FAMILIES)
def test_curve_fits_are_compared_by_their_answers(name):
    if name == "tensor":
        pytest.importorskip("nibabel", reason="tensors are voxels that come with dipy")
    curves = FAMILIES[name](30, np.random.default_rng(0))
    told = least_squares.answers(curves, least_squares.engines(curves, ("l2o",)))
    for share, distance, _ in told.values():
        assert share >= 0.9
        assert distance < 2e-3
    assert told["curve_fit_many"][2] < told["L-BFGS of l2o"][2] / 2


@pytest.mark.parametrize("peer", ["scipy", *(pytest.param(peer, marks=pytest.mark.slow)  # which compile for seconds
                                            for peer in least_squares.PEERS[2:])])
def test_curve_fits_of_other_libraries_have_the_same_answers(peer):
    if peer == "dipy":
        pytest.importorskip("nibabel", reason="tensors are voxels that come with dipy")
    curves = FAMILIES["tensor" if peer == "dipy" else "ring"](20, np.random.default_rng(0))
    missing = set()
    calls = least_squares.engines(curves, (peer,), missing)
    if missing:
        pytest.skip(f"{missing} is not installed")
    ours = least_squares.engines(curves, ("l2o",))
    told = least_squares.answers(curves, {least_squares.OURS: ours[least_squares.OURS], **calls})
    assert calls
    for share, distance, _ in told.values():
        assert share >= 0.9
        assert distance < 5e-3


@pytest.mark.parametrize("figure", ["bounds", "units", "distance", "derivatives"])
def test_figures_of_curve_fits_are_told(figure):
    said = list(curve_figures.FIGURES[figure](20))
    assert said
    assert not any("nan" in line for line in said)


def test_memory_of_curve_fits_is_told(capsys):
    curve_figures.peak(200)
    assert "1.0000 converged" in capsys.readouterr().out


def test_missing_library_of_curve_fits_is_named(monkeypatch):
    curves, missing = FAMILIES["decay"](2, np.random.default_rng(0)), set()
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    monkeypatch.delitem(sys.modules, "benchmarks.curves.peers.with_scipy", raising=False)
    assert set(least_squares.engines(curves, ("l2o", "scipy"), missing)) == set(least_squares.engines(curves, ("l2o",)))
    assert missing == {"scipy.optimize"}


def test_curve_fits_are_summed_up_by_the_quickest_build_and_the_geometric_mean():
    def row(us, share=1.0):
        return {"us": us, "share": share, "nfev": 4.0, "distance": 1e-4}

    text = least_squares.summary({
        "decay": {"curve_fit_many": row(2.0), "peer [slow]": row(40.0), "peer [quick]": row(8.0)},
        "spot": {"curve_fit_many": row(3.0), "peer [slow]": row(48.0), "peer [quick]": row(np.nan, 0.5)}})
    line = text.splitlines()[-1]
    assert [cell.strip() for cell in line.split("|")[1:-1]] == ["peer", "4.0 x", "16 x", "8.0 x"]


def test_attack_breaks_nothing(capsys):
    assert attack.main(100, 7) == 0
    assert "100 runs and 100 files, seed 7: 0 promises broken" in capsys.readouterr().out


def test_attack_sees_what_is_broken(monkeypatch):
    """A result above its start, at another point, of more evaluations; a file that is read as something else."""
    def worse(f, x0, **given):
        result = minimize(f, x0, **given)
        result.x, result.nfev = result.x + 1.0, result.nfev + 1
        return result

    minimize = l2o.minimize
    monkeypatch.setattr(l2o, "minimize", worse)
    broken = {each for _, _, found in attack.runs(20, 7) for each in found}
    assert {"fun is the value at x", "nfev is the number of calls"} <= broken
    monkeypatch.setattr("benchmarks.ground.attack_files.PolicyFileError", KeyError)
    assert any(found for _, _, found in attack.damaged(8, 7))
