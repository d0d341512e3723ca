"""Shape checks on, long and GPU tests only when asked for, and the record of worst errors."""

import inspect
import json
import math
from pathlib import Path

import jaxtyping
import pytest
import threadpoolctl

# Before anything imports them: every function of these modules checks the shapes and types it is given.
jaxtyping.install_import_hook(
    ["landscape_widgets.compute", "landscape_widgets.results", "landscape_widgets.errors"], "typechecking.checker"
)

import torch  # noqa: E402 -- after the hook

# Plugins have imported NumPy by now, too late for OPENBLAS_NUM_THREADS. Spinning threads cost up to six times the
# time where the cores are shared.
threadpoolctl.threadpool_limits(1)
torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parent.parent
ON_REQUEST = ("long", "gpu")


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the tests marked long as well")


def pytest_collection_modifyitems(config, items):
    """Leave out tests marked long or gpu unless `-m` names the mark (or --long is given)."""
    asked = config.getoption("markexpr")
    wanted = {mark for mark in ON_REQUEST if mark in asked} | ({"long"} if config.getoption("--long") else set())
    unwanted = [mark for mark in ON_REQUEST if mark not in wanted]
    left_out = [item for item in items if any(item.get_closest_marker(mark) for mark in unwanted)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file():
    """Look for doctests in the package only: under `tests` there are none, and each file would be read once more."""
    return [found for found in (yield) if type(found) is pytest.Module]


def pytest_configure(config):
    config.addinivalue_line("markers", "wrong_types: passes wrong values on purpose, so runs without shape checks")


@pytest.fixture(autouse=True)
def _shape_checks(request):
    """Switch the checks off where a test passes wrong values on purpose, to see our own error for them."""
    source = inspect.getsource(request.function)
    on_purpose = request.node.get_closest_marker("wrong_types") or "Error" in source
    jaxtyping.config.update("jaxtyping_disable", bool(on_purpose))
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


class Rightness:
    """The worst error seen of each property against its oracle, for docs/ "how we know it is right"."""

    def __init__(self):
        self.rows = {}

    def record(self, name, oracle, error, bound, cases=1):
        """Note `cases` comparisons with the largest `error`, and fail where it is above `bound`."""
        error, bound = float(error), float(bound)
        row = self.rows.setdefault((name, oracle), {"cases": 0, "worst": 0.0, "bound": bound})
        row["cases"] += cases
        row["worst"] = math.nan if math.isnan(error) else max(row["worst"], error)
        row["bound"] = max(row["bound"], bound)
        assert error <= bound, f"{name} against {oracle}: error {error:.3g} above {bound:.3g}"

    def worst_errors(self):
        """One row a property, as plain values."""
        return [
            {
                "property": name,
                "oracle": oracle,
                "cases": row["cases"],
                "worst error": row["worst"],
                "bound": row["bound"],
            }
            for (name, oracle), row in sorted(self.rows.items())
        ]


@pytest.fixture(scope="session")
def right(request):
    """The recorder; what it saw is written to artifacts/right.json when the session ends, but by no worker of many."""
    recorder = Rightness()
    yield recorder
    if recorder.rows and not hasattr(request.config, "workerinput"):
        target = ROOT / "artifacts" / "right.json"
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(recorder.worst_errors(), indent=1) + "\n", encoding="utf-8")
