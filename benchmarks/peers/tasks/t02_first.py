"""T2: how soon the first complete 13 x 13 picture of a 49 x 49 grid stands, against all of a peer's 49 x 49."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch.nn.functional import cross_entropy

from benchmarks.peers.tasks import grid_cases, grids
from benchmarks.peers.verdict import Verdict

TITLE = "T2 first complete picture"
CASES, QUICK = (grid_cases.RESNET, grid_cases.LENET, grid_cases.MLP), (grid_cases.LENET,)
TIMED = True
LIMIT = 1800
PEER = "loss-landscapes"
FULL, FIRST = 49, 2
"""Points an axis, and how many levels (7, 13, 25, 49) are in the first picture."""


def what(case: str, quick: bool) -> str:
    """What the table of a case shows."""
    grid = grid_cases.grid(case, quick)
    return (
        f"ours: seconds until 13 x 13 points of a 49 x 49 grid over {grid.words} are there, choice of the forward pass "
        f"included; {PEER} shows nothing before its last point: the time of its {grid.count} x {grid.count} points, "
        f"times {FULL**2} / {grid.count**2}"
    )


def _ours(case: str, workers: int, quick: bool) -> Callable[[], dict[str, Any]]:
    problem = (*grid_cases.grid(case, quick).make(), cross_entropy)

    def run() -> dict[str, Any]:
        ours = grids.Ours(problem, workers)  # new every time, so that the choice is made anew
        started = time.perf_counter()
        grid = ours.grid(FULL)
        stream = grid.stream()
        for surface in stream:
            if grid.level_reached(surface.known) >= FIRST:
                break
        seconds = time.perf_counter() - started
        stream.close()
        return {"seconds": seconds, "values": {"points": int(surface.known.sum()), "path": surface.question["path"]}}

    return run


def _peer(case: str, quick: bool) -> Callable[[], dict[str, Any]]:
    grid = grid_cases.grid(case, quick)
    run_grid = grids.loss_landscapes((*grid.make(), cross_entropy), grid.count)

    def run() -> dict[str, Any]:
        started = time.perf_counter()
        points = np.size(run_grid())
        return {"seconds": (time.perf_counter() - started) * FULL**2 / points, "values": {"points": points}}

    return run


def arms(case: str) -> dict[str, Callable[[bool], Callable[[], dict[str, Any]]]]:
    """Ours, and the peer whose grid is the same."""
    return {
        "ours": functools.partial(_ours, case, 1),
        "ours, two workers": functools.partial(_ours, case, 2),
        PEER: functools.partial(_peer, case),
    }


def judge(case: str, values: Mapping[str, Any]) -> dict[str, Verdict]:
    """What was there at that time; nothing to be right about."""
    return {
        arm: Verdict(
            f"{own['points']} points there; {own['path']}" if "path" in own else f"extrapolated from {own['points']}",
            None,
        )
        for arm, own in values.items()
    }
