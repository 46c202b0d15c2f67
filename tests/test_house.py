"""The house: imports point down, heavy libraries stay out, the public list resolves, files and functions stay small."""

import ast
import graphlib
import importlib
import inspect
import operator
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import l2o

SOURCE = Path(l2o.__file__).parent
MODULES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
           for path in sorted(SOURCE.rglob("*.py"))}
NATIVE = sorted(path for path in (SOURCE / "_kernels").glob("*/*") if path.suffix in (".pyx", ".pxd", ".h"))
ROOMS = ["base", "objectives", "policies", "solvers", "training"]  # of _kernels; one takes from those before it
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)

# a module imports its own folder and what stands before it; the package itself only at the top
ORDER = [
    "_kernels",
    "errors", "version",
    "base",
    "problems",
    "methods",
    "baselines",
    "policies", "families",
    "learning",
    "solving",
    "curves",
    "training",
    "evaluation", "testing",
    "l2o", "commands", "__main__",
]
UPWARDS: set[tuple[str, str]] = set()  # from inside a function


def names(path):
    """Return the part of the house that a file belongs to."""
    return "l2o" if path == "__init__.py" else path.split("/")[0].removesuffix(".py")


def imports(tree):
    """Yield (part of the house, node) for each import of l2o in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "l2o":
                    yield [*alias.name.split("."), "l2o"][1], node
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            parts = (node.module or "").split(".")
            if parts[0] == "l2o":
                for alias in node.names:
                    part = parts[1] if len(parts) > 1 else alias.name
                    yield part if part in ORDER else "l2o", node


def inner(tree):
    """Return the nodes that stand inside functions."""
    return {node for function in ast.walk(tree) if isinstance(function, FUNCTION) for node in ast.walk(function)}


@pytest.mark.parametrize("path", [path for path in MODULES if path != "__init__.py"])
def test_imports_point_down(path):
    here, inside = names(path), inner(MODULES[path])
    assert here in ORDER, f"{here} has no place in ORDER"
    for part, node in imports(MODULES[path]):
        allowed = part == here or ORDER.index(part) < ORDER.index(here) or ((here, part) in UPWARDS and node in inside)
        assert allowed, f"{path}:{node.lineno} imports {part}, which stands above {here}"


def module(dotted):
    """Return the file of a module or package; None for anything else."""
    package, *parts = dotted.split(".")
    paths = "/".join([*parts, "__init__.py"]), "/".join(parts) + ".py"
    return next((path for path in paths if package == "l2o" and path in MODULES), None)


def needed(tree):
    """Return the files that a module imports, for its types or inside its functions, too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {module(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {module(f"{node.module}.{alias.name}") or module(node.module) for alias in node.names}
    return found - {None}


def test_imports_make_no_circle():
    graph = {path: needed(tree) - {path} for path, tree in MODULES.items()}
    assert sum(map(len, graph.values())) > len(MODULES)
    order = list(graphlib.TopologicalSorter(graph).static_order())  # a CycleError names the circle
    assert set(order) == set(MODULES)


def test_upward_calls_are_made():
    made = {(names(path), part) for path, tree in MODULES.items() for part, _ in imports(tree)}
    assert made >= UPWARDS


@pytest.mark.parametrize("path", NATIVE, ids=lambda path: path.name)
def test_kernels_know_no_python_of_l2o(path):
    below = ROOMS[: ROOMS.index(path.parent.name) + 1]
    for module in re.findall(r"^\s*(?:from|cimport|import)\s+(l2o[\w.]*)", path.read_text(encoding="utf-8"), re.M):
        assert module.startswith(tuple(f"l2o._kernels.{room}." for room in below)), module


def loaded(code):
    """Return the modules that a fresh interpreter has loaded after some code."""
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules, sep='\\n')"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_import_leaves_heavy_libraries_out():
    modules = loaded("import l2o")
    assert "l2o.solving.minimize" in modules
    assert not modules & {"numba", "matplotlib", "scipy.optimize", "tqdm", "sklearn"}


def test_minimising_with_a_policy_leaves_numba_and_matplotlib_out():
    policy = Path(__file__).parent / "data" / "policy_format_1.npz"
    modules = loaded(f"""
import l2o
policy, problems = l2o.load({str(policy)!r}), l2o.families.Logistic(n_features=1).sample(3, rng=0)
l2o.minimize(problems[0], method=policy)
l2o.minimize(lambda x: (x @ x, 2 * x), [1.0, 2.0], method=policy)
l2o.minimize_many(problems, method=policy, workers=2)
l2o.rollout(problems, method=policy)
for name in set(l2o.baselines.BASELINES) - {{"lm"}}:
    l2o.minimize(problems[0], method=name)
""")
    assert "scipy.optimize" in modules
    assert not modules & {"numba", "matplotlib"}


@pytest.mark.parametrize("name", l2o.__all__)
def test_public_name_resolves_and_is_documented(name):
    value = getattr(l2o, name)
    assert inspect.getdoc(value)
    assert name in dir(l2o)
    if inspect.isclass(value):
        for member, function in vars(value).items():
            if not member.startswith("_") and (inspect.isfunction(function) or isinstance(function, property)):
                assert inspect.getdoc(getattr(value, member)), f"{name}.{member} has no docstring"


def test_public_list_has_no_double_and_no_surprise():
    assert len(set(l2o.__all__)) == len(l2o.__all__)
    with pytest.raises(AttributeError, match="module 'l2o' has no attribute 'nothing'"):
        l2o.nothing  # noqa: B018
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", l2o.__version__)


def functions(tree):
    """Return the functions of a file, inner ones and methods, too."""
    return [node for node in ast.walk(tree) if isinstance(node, FUNCTION)]


def length(node):
    """Return the lines of a function without those of its docstring."""
    docstring = node.body[0] if ast.get_docstring(node) else None
    return node.end_lineno - node.lineno + 1 - (docstring.end_lineno - docstring.lineno + 1 if docstring else 0)


@pytest.mark.parametrize("path", MODULES)
def test_module_is_small_and_says_what_it_is(path):
    assert len((SOURCE / path).read_text(encoding="utf-8").splitlines()) <= 400
    assert ast.get_docstring(MODULES[path])
    for node in functions(MODULES[path]):
        assert length(node) <= (80 if names(path) == "_kernels" else 60), f"{path}:{node.lineno} {node.name}"


def test_most_modules_and_functions_are_short():
    """Docstrings count here."""
    lines = [len((SOURCE / path).read_text(encoding="utf-8").splitlines()) for path in MODULES]
    assert statistics.median(lines) <= 200
    ends = sorted(node.end_lineno - node.lineno + 1 for tree in MODULES.values() for node in functions(tree))
    assert ends[int(0.9 * len(ends))] <= 35


@pytest.mark.parametrize("path", NATIVE, ids=lambda path: path.name)
def test_kernel_is_small(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    for function in re.split(r"^(?=c?def )", text, flags=re.M)[1:]:
        assert len(function.splitlines()) <= 80, function.splitlines()[0]


def public(tree):
    """Yield (name, node) of the functions and classes of a file, and of the methods of its classes."""
    for node in tree.body:
        if isinstance(node, (*FUNCTION, ast.ClassDef)) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                yield from ((f"{node.name}.{name}", inner) for name, inner in public(node))


@pytest.mark.parametrize("path", MODULES)
def test_public_definition_is_documented(path):
    """What overrides a documented method has its docstring."""
    module = importlib.import_module(".".join(["l2o", *Path(path).with_suffix("").parts]).removesuffix(".__init__"))
    for name, _ in public(MODULES[path]):
        assert inspect.getdoc(operator.attrgetter(name)(module)), name


AFTER_THE_FOURTH = {"curve_fit", "curve_fit_many"}  # (model, t, y, p0), as in SciPy
ENTRY_POINTS = {name for name in l2o.__all__ if inspect.isfunction(getattr(l2o, name))} | {"Method.__call__"}


@pytest.mark.parametrize("path", [path for path in MODULES if names(path) != "_kernels"])
def test_parameters_are_few(path):
    """8 at most; an entry point has 14 at most, and after the third (curve fits: the fourth) they have names."""
    methods = [(f"{each.name}.{node.name}", node) for each in MODULES[path].body if isinstance(each, ast.ClassDef)
               for node in each.body if isinstance(node, FUNCTION)]
    named = {node: name for name, node in methods}
    for node in functions(MODULES[path]):
        name = named.get(node, node.name)
        positional = [each.arg for each in (*node.args.posonlyargs, *node.args.args) if each.arg not in ("self", "cls")]
        count = len(positional) + len(node.args.kwonlyargs)
        if name in ENTRY_POINTS:
            assert count <= 14, f"{path}:{node.lineno} {name} has {count} parameters"
            most = 4 if name in AFTER_THE_FOURTH else 3
            assert len(positional) <= most, f"{path}:{node.lineno} {name} takes {positional} by position"
        else:
            assert count <= 8, f"{path}:{node.lineno} {name} has {count} parameters"


def annotations(node):
    """Return the annotations of a function, or of the attributes of a class."""
    if isinstance(node, ast.ClassDef):
        return [each.annotation for each in node.body if isinstance(each, ast.AnnAssign)]
    given = node.args
    each = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return [annotation for annotation in (*(one.annotation for one in each if one), node.returns) if annotation]


def test_any_is_rare():
    """In annotations of public names; most of what is left are records that JSON holds."""
    vague = [f"{path}:{node.lineno} {name}" for path, tree in MODULES.items() for name, node in public(tree)
             for annotation in annotations(node)
             if any(isinstance(part, ast.Name) and part.id == "Any" for part in ast.walk(annotation))]
    assert len(vague) <= 60, vague


@pytest.mark.parametrize("path", MODULES)
def test_module_lists_what_it_offers(path):
    tree = MODULES[path]
    lists = [node.value for node in tree.body if isinstance(node, ast.Assign)
             and [getattr(target, "id", None) for target in node.targets] == ["__all__"]]
    if not lists and (path.split("/")[0] == "_kernels" or len(tree.body) == 1):  # a room, and what it is for
        return
    assert len(lists) == 1
    offered = ast.literal_eval(lists[0])
    defined = {node.name for node in tree.body if isinstance(node, (*FUNCTION, ast.ClassDef))}
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            defined |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                defined |= {name.id for name in ast.walk(target) if isinstance(name, ast.Name)}
    if path != "__init__.py":  # there, some come on demand: test_public_name_resolves
        assert set(offered) <= defined


def test_package_is_typed_and_ships_its_abi():
    assert (SOURCE / "py.typed").is_file()
    header = " ".join((SOURCE / "_kernels" / "base" / "objective.h").read_text(encoding="utf-8").split())
    assert "typedef int (*l2o_objective_fn)(const double *x, double *f, double *g, intptr_t n, void *user);" in header
    header = (SOURCE / "_kernels" / "base" / "policy.h").read_text(encoding="utf-8")
    assert "void (*next)(const l2o_run *runs, intptr_t n_runs, double *points, const void *user);" in header
    header = " ".join((SOURCE / "_kernels" / "base" / "model.h").read_text(encoding="utf-8").split())
    assert ("typedef int (*l2o_model)(const double *p, const double *t, intptr_t n, double *values, double *jacobian, "
            "intptr_t d, const void *user);") in header


@pytest.mark.parametrize("path", MODULES)
def test_names_say_what_things_are(path):
    text = (SOURCE / path).read_text(encoding="utf-8")
    assert not re.search(r"\butils\b", text)
    defined = [node.name for node in ast.walk(MODULES[path]) if isinstance(node, (*FUNCTION, ast.ClassDef))]
    assert not [name for name in [Path(path).stem, *defined] if re.search("util|helper|manager", name, re.I)]


@pytest.mark.parametrize("path", MODULES)
def test_assert_is_for_tests(path):
    assert not [node.lineno for node in ast.walk(MODULES[path]) if isinstance(node, ast.Assert)]
