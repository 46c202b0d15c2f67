"""The page to play with: its JavaScript in a browser against the library's own paths."""

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from compiled import Compiled

import l2o

DOCS = Path(__file__).parents[1] / "docs"
BROWSERS = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
BROWSER = next(filter(None, BROWSERS), None)
LIMIT = 20  # evaluations; later, differences in the last bit of an exponential have grown
POINTS = np.array([[1.2, 0.4, 1], [0.3, -1.1, 0], [-0.8, 0.9, 1], [1.9, -0.2, 1], [-1.4, -0.7, 0], [0.1, 1.6, 1],
                   [-0.3, -1.9, 0], [2.2, 1.3, 1], [-2.1, 0.6, 0], [0.7, 0.2, 0]])

needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs Chromium")


def quadratic(x):
    return 0.5 * (x[0] ** 2 + 20 * x[1] ** 2), np.array([x[0], 20 * x[1]])


def rosenbrock(x):
    return (100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2,
            np.array([-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)]))


def himmelblau(x):
    a, b = x[0] ** 2 + x[1] - 11, x[0] + x[1] ** 2 - 7
    return a * a + b * b, np.array([4 * x[0] * a + 2 * b, 2 * a + 4 * x[1] * b])


def beale(x):
    powers = x[1] ** np.arange(1.0, 4.0)
    r = np.array([1.5, 2.25, 2.625]) - x[0] + x[0] * powers
    return r @ r, np.array([2 * r @ (powers - 1), 2 * r @ (x[0] * np.arange(1.0, 4.0) * powers / x[1])])


def logistic(x):
    sign = 2 * POINTS[:, 2] - 1
    z = -sign * (POINTS[:, :2] @ x)
    weight = -sign / (1 + np.exp(-z)) / len(POINTS)
    return np.logaddexp(0, z).mean() + 0.005 * x @ x, weight @ POINTS[:, :2] + 0.01 * x


FUNCTIONS = {"quadratic, condition 20": quadratic, "Rosenbrock": rosenbrock, "Himmelblau, four minima": himmelblau,
             "Beale, a curved flat valley": beale, "logistic regression, ten points": logistic}
STARTS = {name: [[-1.3, 1.1], [0.7, 0.4], [1.9, -0.8]] for name in FUNCTIONS}


def shown(work, body):
    """Return what a browser makes of a page with the numbers, the methods and this body: the contents of its body."""
    sys.path.insert(0, str(DOCS))
    from play_numbers import script

    methods = (DOCS / "_static" / "methods.js").read_text(encoding="utf-8")
    (work / "page.html").write_text(f"<!DOCTYPE html><meta charset=utf-8><script>{script()}{methods}</script>"
                                    f"<body>{body}</body>", encoding="utf-8")
    found = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={work / 'profile'}", "--dump-dom",
         (work / "page.html").as_uri()], capture_output=True, text=True, timeout=120, check=True).stdout
    return re.search(r"<body>(.*)</body>", found, re.S)[1]


@pytest.fixture(scope="module")
def in_browser(tmp_path_factory):
    """Return by function what the page makes of each start: value and gradient there, the paths of two methods."""
    told = shown(tmp_path_factory.mktemp("play"), f"""<script>
const starts = {json.dumps(STARTS)}, told = {{}};
for (const [name, each] of Object.entries(starts)) told[name] = each.map((x0) => {{
  const of = FUNCTIONS[name].of, points = (method) => METHODS[method](of, x0, {LIMIT}).points;
  return {{lbfgs: points("L-BFGS"), rule: points("learned rule"), value: of(x0)}};
}});
document.body.textContent = JSON.stringify(told);
</script>""")
    return json.loads(html.unescape(told))


def path_of(method, objective, x0):
    """Return the points that a method of the library evaluates by itself, (n, 2)."""
    compiled = Compiled(objective, np.array(x0))
    method.record(compiled, LIMIT)
    return np.array(compiled.points)


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_paths_in_the_browser_are_those_of_the_library(name, in_browser):
    for x0, told in zip(STARTS[name], in_browser[name]):
        value, gradient = FUNCTIONS[name](np.array(x0))
        assert told["value"][0] == pytest.approx(value, rel=1e-13)
        assert told["value"][1] == pytest.approx(gradient, rel=1e-12, abs=1e-13)
        for key, method in {"rule": l2o.load("universal"), "lbfgs": l2o.baselines.LBFGS()}.items():
            theirs, ours = np.array(told[key]), path_of(method, FUNCTIONS[name], x0)
            values = np.array([FUNCTIONS[name](x)[0] for x in theirs])
            best = np.minimum.accumulate(values)
            far = np.flatnonzero(best - best.min() > 1e-8 * (best[0] - best.min()))  # nearer, rounding decides
            assert len(far) >= 5
            np.testing.assert_allclose(theirs[far], ours[far], rtol=0, atol=1e-9)


@needs_browser
@pytest.mark.slow
def test_page_lists_each_method(tmp_path):
    page = (DOCS / "play.md").read_text(encoding="utf-8")
    body = re.search(r"```{raw} html\n(.*?)<script", page, re.S)[1]
    found = shown(tmp_path, f"{body}<script>{(DOCS / '_static' / 'play.js').read_text(encoding='utf-8')}</script>")
    table = re.search(r"<tbody>.*</tbody>", found, re.S)[0]
    rows = re.findall(r"<tr><td>.*?</td><td.*?>(.*?)</td><td>(.*?)</td>", table)
    assert [name for name, _ in rows] == ["gradient descent", "momentum", "L-BFGS", "learned rule"]
    assert all(int(n) < 100 for _, n in rows[2:])
    assert len(re.findall("<option", found)) == len(FUNCTIONS)
