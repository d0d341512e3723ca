"""Imports are a ladder; files and functions stay small; what is public says what it is."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "landscape_widgets"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))

MAY_IMPORT = {
    "widgets": {"session", "figures", "zoo", "protocol", "results"},
    "session": {"compute", "zoo", "protocol", "results"},
    "figures": {"results"},
    "zoo": {"compute"},
    "compute": {"results"},
    "protocol": {"results"},
    "results": set(),
    "errors": set(),
    "static": set(),
}
CHECKPOINTS = {"checkpoints", "checkpoint_readers"}
SLICES = {"slice_curvature", "slice_laws", "quadratic_forms", "random_slices", "slice_words"}
RUNGS = [
    {"stream", "torch_state", "rounding", "clock"},
    {"parameters"},
    {"data"},
    {"objective", "probe", "batch_statistics", "samples", "convolutions"},
    {"operators"},
    {"evaluate", "blocks", "fast*", "krylov", "verification", "lanczos", "trajectory", "training*"} | CHECKPOINTS,
    {
        "directions",
        "grid",
        "adaptive",
        "preview",
        "interpolation",
        "spectrum*",
        "trace*",
        "slice_curvature",
        "ntk",
        "paths",
        "adversarial",
    }
    | SLICES,
    {"spawning", "merging"},
]
FAMILIES = [
    {"objective", "probe", "batch_statistics", "samples"},
    {"evaluate", "blocks", "fast*"},
    {"lanczos", "krylov", "verification"},
    {"trajectory", "training*"} | CHECKPOINTS,
    {"grid", "adaptive", "preview", "interpolation"},
    SLICES,
]
"""One idea in several files: these may import each other."""
EXCEPTIONS = {
    ("grid", "directions"),  # a grid takes bare vectors, which `directions.custom` names
    ("random_slices", "directions"),  # slices are drawn along the very directions a user can ask for
}
PAGE_LIBRARIES = {"anywidget", "ipywidgets", "traitlets", "plotly", "matplotlib"}
MOST_LINES, MOST_FUNCTION_LINES = 400, 40


def imports(source, module):
    """Modules of this package, and top names of others, that some source text imports; typing-only ones left out."""
    inside, outside = set(), set()
    for node in ast.walk(without_typing_only(ast.parse(source))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*module.split(".")[: -node.level], base]).rstrip(".")
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            (inside if name.split(".")[0] == "landscape_widgets" else outside).add(name)
    return inside, {name.split(".")[0] for name in outside}


def without_typing_only(tree):
    class Drop(ast.NodeTransformer):
        def visit_If(self, node):
            return None if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else node

    return Drop().visit(tree)


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def part(name):
    """The house part of a dotted name: widgets, session, …, or "" for the package itself."""
    pieces = name.split(".")
    return pieces[1] if len(pieces) > 1 else ""


def group(name):
    """The name of a compute module on the ladder; files of training, traces, spectra, fast passes as one."""
    piece = name.split(".")[2] if name.count(".") >= 2 else ""
    return next(
        (f"{prefix}*" for prefix in ("training", "trace", "spectrum", "fast") if piece.startswith(prefix)), piece
    )


def rung(name):
    found = [number for number, names in enumerate(RUNGS) if name in names]
    return found[0] if found else None


def house_violations(source, module):
    """Imports that the house does not allow, in words."""
    inside, outside = imports(source, module)
    mine = part(module)
    wrong = []
    for name in inside:
        theirs = part(name)
        if theirs in ("errors", mine) or mine == "" or theirs in MAY_IMPORT.get(mine, set()):
            continue
        if theirs == "" or theirs not in MAY_IMPORT:
            # `from landscape_widgets import x`: the lazy front door, which hides what is imported
            wrong.append(f"{module} imports the package's front door: {name}")
        else:
            wrong.append(f"{module} ({mine}) may not import {name} ({theirs})")
    if mine in ("compute", "results", "errors"):
        wrong += [f"{module} imports {name}" for name in outside & PAGE_LIBRARIES]
    return wrong


def compute_violations(source, module):
    """Imports between compute modules that climb the ladder or reach for a sibling."""
    mine, wrong = group(module), []
    for name in imports(source, module)[0]:
        theirs = group(name)
        if part(name) != "compute" or theirs in ("", mine):
            theirs = name.split(".")[2] if name == f"landscape_widgets.compute.{theirs}" else theirs
            continue
        here, there = rung(mine), rung(theirs)
        family = any({mine, theirs} <= names for names in FAMILIES)
        if here is None or there is None:
            wrong.append(f"{module} or {name} is on no rung")
        elif there > here or (there == here and not family and (mine, theirs) not in EXCEPTIONS and here > 0):
            wrong.append(f"{module} (rung {here}) may not import {name} (rung {there})")
    return wrong


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_every_import_goes_down_the_ladder(path):
    module, source = module_of(path), path.read_text(encoding="utf-8")
    wrong = house_violations(source, module)
    if part(module) == "compute" and group(module):
        wrong += compute_violations(source, module)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("module", "source", "caught"),
    [
        ("landscape_widgets.figures.surface", "from landscape_widgets.compute.grid import GridEvaluator", True),
        ("landscape_widgets.compute.grid", "import plotly.graph_objects as go", True),
        ("landscape_widgets.compute.objective", "from landscape_widgets.compute.lanczos import Lanczos", True),
        ("landscape_widgets.compute.trace", "from landscape_widgets.compute.spectrum import SpectralDensity", True),
        ("landscape_widgets.compute.trace", "from landscape_widgets.compute import spectrum", True),
        ("landscape_widgets.compute.slice_curvature", "from landscape_widgets.compute import directions", True),
        ("landscape_widgets.compute.krylov", "def f():\n    import landscape_widgets.compute.grid", True),
        ("landscape_widgets.compute.krylov", "from .grid import axis_levels", True),
        ("landscape_widgets.protocol.codec", "from landscape_widgets.session.jobs import Job", True),
        ("landscape_widgets.results", "from landscape_widgets.compute.grid import GridState", True),
        ("landscape_widgets.compute.newcomer", "from landscape_widgets.compute.data import Batch", True),
        ("landscape_widgets.compute.data", "from landscape_widgets import Objective", True),
        ("landscape_widgets.compute.grid", "from landscape_widgets.compute import directions", False),
        ("landscape_widgets.compute.lanczos", "from landscape_widgets.compute.verification import GAP", False),
        ("landscape_widgets.widgets.explorer", "from landscape_widgets.results import Surface", False),
        (
            "landscape_widgets.compute.probe",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from landscape_widgets.compute.grid import X",
            False,
        ),
    ],
)
def test_the_checker_catches_violations(module, source, caught):
    assert bool(house_violations(source, module) + compute_violations(source, module)) is caught


def test_compute_runs_without_any_page_library():
    code = (
        "import sys, landscape_widgets.compute.grid, landscape_widgets.compute.lanczos;"
        "import landscape_widgets.compute.training, landscape_widgets.compute.slice_curvature;"
        f"found = sorted({PAGE_LIBRARIES!r} & sys.modules.keys()); sys.exit(str(found) if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, landscape_widgets; heavy = {'torch', 'numpy', 'scipy'} & sys.modules.keys();"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def function_lines(node):
    """Lines of a function's body; signature, decorators and docstring apart."""
    first = node.body[0]
    quoted = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return node.end_lineno - (first.end_lineno if quoted else first.lineno - 1)


def size_violations(source):
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    wrong = [
        f"{node.name} has {function_lines(node)} lines"
        for node in functions
        if function_lines(node) > MOST_FUNCTION_LINES
    ]
    lines = len(source.splitlines())
    return wrong + ([f"the file has {lines} lines"] if lines > MOST_LINES else [])


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_and_functions_stay_small(path):
    assert not size_violations(path.read_text(encoding="utf-8"))


def test_the_size_check_catches_long_ones():
    body = "\n".join(f"    x = {number}" for number in range(45))
    assert size_violations(f"def f():\n{body}\n") == ["f has 45 lines"]
    assert size_violations("\n" * 500) == ["the file has 500 lines"]
    documented = '"""' + "\n".join(["words"] * 60) + '"""'
    assert not size_violations(f"def f():\n    {documented}\n    return 1\n")


def undocumented(source):
    """Public modules, classes, functions and methods without a docstring; an override needs none of its own."""
    tree = ast.parse(source)
    missing = [] if ast.get_docstring(tree) or not tree.body else ["the module"]
    for holder in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]:
        if isinstance(holder, ast.ClassDef) and holder.name.startswith("_"):
            continue
        for node in holder.body:
            kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            if isinstance(node, kinds) and not node.name.startswith("_") and not ast.get_docstring(node):
                missing.append(node.name)
    return missing


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_everything_public_has_a_docstring(path):
    assert not undocumented(path.read_text(encoding="utf-8"))


def test_the_docstring_check_catches_a_missing_one():
    assert undocumented("class A:\n    def f(self):\n        return 1\n") == ["the module", "A", "f"]


def test_every_public_name_exists_on_import():
    import importlib

    package = importlib.import_module("landscape_widgets")
    for name, module in {**package._PUBLIC, **package._MODULES}.items():
        if (PACKAGE / Path(*module.split("."))).with_suffix(".py").exists():
            assert getattr(package, name) is not None
    assert package.HessianOperator.__name__ == "HessianOperator"
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        package.Nonsense  # noqa: B018
