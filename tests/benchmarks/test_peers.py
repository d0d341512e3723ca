"""The side-by-side with the peers: its table, its list of tasks and its comparisons, on made-up data."""

import importlib
import math
import sys

import numpy as np
import pytest

from benchmarks.peers import environments, report
from benchmarks.peers.__main__ import TASKS, judged
from benchmarks.peers.tasks import grid_cases
from benchmarks.peers.verdict import Verdict, relative, within
from benchmarks.peers.workers import Worker, alternate, summary

MODULES = {name: importlib.import_module(f"benchmarks.peers.tasks.{module}") for name, module in TASKS.items()}


def test_every_task_is_there_with_ours_in_every_case():
    assert list(dict.fromkeys(name.split("-")[0] for name in TASKS)) == [f"T{number}" for number in range(1, 12)]
    for name, module in MODULES.items():
        assert module.TITLE.startswith(name.split("-")[0] + " ")
        for case in (*module.CASES, *getattr(module, "LONG", ())):
            assert "ours" in module.arms(case)
        assert set(getattr(module, "QUICK", ())) <= set(module.CASES)


def test_grids_say_their_sizes():
    for case in (*MODULES["T2"].CASES, *MODULES["T2"].LONG):
        for quick in (True, False):
            grid = grid_cases.grid(case, quick)
            assert str(grid) in MODULES["T2"].what(case, quick)
            model, _ = grid.make() if case == grid_cases.TINY else (None, None)
            assert model is None or f"{sum(p.numel() for p in model.parameters()):,} parameters" in grid.words


def test_every_peer_is_pinned_on_the_same_torch_and_has_an_arm():
    arms = {arm for module in MODULES.values() for case in module.CASES for arm in module.arms(case)}
    for peer in environments.PEERS:
        lines = environments.requirements(peer).splitlines()
        assert all("==" in line for line in lines)
        assert [line for line in lines if line.startswith("torch==")] == [f"torch=={environments.TORCH}"]
        assert any(environments.environment_of(arm) == peer for arm in arms)
    assert environments.environment_of("ours") is None
    assert environments.environment_of("loss-landscape-3d own directions") == "loss-landscape-3d"


def test_errors_are_relative_and_never_forgive_nan_or_shape():
    assert relative([1.0, 2.2], [1.0, 2.0]) == pytest.approx(0.1)
    assert relative([1.0, math.nan], [1.0, 2.0]) == math.inf
    assert relative([1.0], [1.0, 2.0]) == math.inf
    assert relative([math.nan, 2.0], [math.nan, 2.0]) == 0
    assert within(1e-7, 1e-6).right
    assert not within(math.nan, 1e-6).right
    assert str(within(1e-3, 1e-6)).startswith("**wrong**")


def test_copies_of_one_eigenvalue_flagged_converged_are_counted():
    task, exact = MODULES["T6"], np.arange(20.0) + 1
    oracle = {task.ORACLE: {"eigenvalues": exact}}
    good = {"eigenvalues": [20, 19, 18, 17, 16, 3, 2, 1], "claimed": [True] * 8}
    ghosts = {"eigenvalues": [20, 20, 20, 20, 20, 3, 2, 1], "claimed": [True] * 8}
    honest = {"eigenvalues": [20, 19, 18, 17, 15, 3, 2, 1], "claimed": [True] * 4 + [False] + [True] * 3}
    found = task.judge("1e-4", {"ours": good, "ghosts": ghosts, "honest": honest, **oracle})
    assert found["ours"].right
    assert found["ghosts"].right is False
    assert "4 of them are not" in found["ghosts"].words
    assert found["honest"].right is None


def test_a_shifted_line_of_a_grid_is_seen():
    task = MODULES["T2"]
    floor = np.add.outer(np.arange(5.0) ** 2, np.arange(5.0) ** 2)
    shifted, lost = floor.copy(), floor.copy()
    shifted[:, 1] = np.roll(shifted[:, 1], 1)
    lost[0, 0] = math.nan
    losses = {"loss-landscapes": shifted, "loss-landscape-3d": lost, "floor: naive loop": floor}
    values = {
        "ours": {"loss": floor, "path": "plain", "setup": 0.1},
        **{arm: {"loss": own} for arm, own in losses.items()},
    }
    found = task.judge("", values)
    assert found["ours"].right
    assert "; plain; first point of a 49 x 49 grid after 0.1 s" in found["ours"].words
    assert found["loss-landscapes"].right is False
    assert "1 of 5 lines" in found["loss-landscapes"].words
    assert found["loss-landscape-3d"].right is False


def test_a_biased_trace_and_a_wrong_density_are_wrong():
    rng = np.random.default_rng(0)
    task = MODULES["T7"]
    values = {"ours": 10 + rng.normal(size=30), "biased": 14 + rng.normal(size=30), task.ORACLE: [10.0] * 30}
    found = task.judge("Hutchinson", values)
    assert found["ours"].right
    assert not found["biased"].right
    task, grid = MODULES["T8"], np.linspace(-0.2, 1.2, 2001)
    flat = np.where((grid >= 0) & (grid <= 1), 1.0, 0.0)
    spectrum = {"eigenvalues": np.linspace(0, 1, 500)}
    values = {
        "ours": {"grid": grid, "density": flat},
        "half": {"grid": grid, "density": flat / 2},
        task.ORACLE: spectrum,
    }
    found = task.judge("", values)
    assert found["ours"].right
    assert not found["half"].right


def test_signs_of_components_do_not_matter():
    task, path = MODULES["T9"], np.arange(10.0).reshape(5, 2)
    found = task.judge("", {"ours": path * [1, -1], task.FLOOR: path, "loss-landscape-3d": path + 1})
    assert found["ours"].right
    assert not found["loss-landscape-3d"].right


def test_a_failing_comparison_is_a_row():
    found = judged(MODULES["T10"], "", {"ours": {"values": {"grid": True}}})
    assert found["ours"].words.startswith("could not be compared: KeyError")


def test_the_table_says_ratio_error_and_wrong():
    ours = summary([{"seconds": 2.0, "peak_mb": 10.0, "values": 1, "products": 7} for _ in range(3)])
    peer = summary([{"seconds": s, "peak_mb": 10.0, "values": 1} for s in (3.0, 9.0, 4.0)])
    broken = summary([{"seconds": 1.0}, {"error": "ValueError: a | b"}])
    verdicts = {"ours": within(0, 1e-6), "peer": Verdict("error 1", False)}
    lines = report.table("T0", "what", {"ours": ours, "peer": peer, "broken": broken}, verdicts)
    assert "| ours | 2 s | 2 s to 2 s | 1.00 | 7 | 10 MB | error 0.0e+00 (bound 1e-06) |" in lines
    assert "| peer | 4 s | 3 s to 9 s | 2.00 | – | 10 MB | **wrong**: error 1 |" in lines
    assert any(line.endswith("**no result**: ValueError: a \\| b |") for line in lines)
    widths = {line.replace("\\|", "").count("|") for line in lines if line.startswith("|")}
    assert widths == {8}


SLEEPS = "import sys, time; sys.stdin.readline(); time.sleep(60)"
ENDS = "import sys; sys.stdin.readline(); sys.exit(3)"
ANSWERS = 'import sys\nfor line in sys.stdin: print(\'{"seconds": 1.0, "values": 2}\', flush=True)'


def test_a_hanging_and_a_dying_arm_do_not_stop_the_others():
    workers = {
        name: Worker("t", "", name, True, [sys.executable, "-c", code])
        for name, code in (("hangs", SLEEPS), ("dies", ENDS), ("ours", ANSWERS))
    }
    try:
        runs = alternate({"ours": workers["ours"]}, 3, 30.0)
        runs |= alternate({name: workers[name] for name in ("hangs", "dies")}, 3, 0.2)
        later = workers["dies"].run(30.0)
    finally:
        for worker in workers.values():
            worker.close()
    assert len(runs["ours"]) == 3
    assert summary(runs["ours"])["median"] == 1.0
    assert len(runs["hangs"]) == 1
    assert "limit" in runs["hangs"][0]["error"]
    assert "error" in later
