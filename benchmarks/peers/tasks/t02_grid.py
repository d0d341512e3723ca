"""T2: seconds a point of a grid: agreement with the naive loop, values that are not finite, the path ours takes."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch.nn.functional import cross_entropy

from benchmarks.peers.tasks import grid_cases, grids
from benchmarks.peers.verdict import Verdict, relative

TITLE = "T2 a point of a grid"
CASES = grid_cases.CASES
LONG = (grid_cases.WHOLE,)
TIMED = True
LIMIT = 1800
BOUND = 1e-4
FLOOR = "floor: naive loop"
OWN_DIRECTIONS = "loss-landscape-3d own directions"


def what(case: str, quick: bool) -> str:
    """What the table of a case shows."""
    return (
        f"seconds a point of {grid_cases.grid(case, quick)}, float32; ours takes the forward pass that it chooses at "
        "the start of a 49 x 49 grid, and says what choosing cost, once"
    )


def _ours(case: str, workers: int, quick: bool) -> Callable[[], dict[str, Any]]:
    grid = grid_cases.grid(case, quick)
    ours = grids.Ours((*grid.make(), cross_entropy), workers)
    setup: list[float] = []

    def run() -> dict[str, Any]:
        if not setup:  # not while another arm sets up beside it: the choice is timed
            setup.append(ours.seconds_to_first_point())
        started = time.perf_counter()
        surface = ours.grid(grid.count).run()
        seconds = (time.perf_counter() - started) / grid.count**2
        path = {"path": surface.question["path"], "setup": setup[0]}
        return {"seconds": seconds, "values": {"loss": surface.loss, **path}}

    return run


def _peer(make: Callable[..., Callable[[], Any]], case: str, quick: bool) -> Callable[[], dict[str, Any]]:
    grid = grid_cases.grid(case, quick)
    run_grid = make((*grid.make(), cross_entropy), grid.count)

    def run() -> dict[str, Any]:
        started = time.perf_counter()
        loss = run_grid()
        return {"seconds": (time.perf_counter() - started) / np.size(loss), "values": {"loss": loss}}

    return run


def arms(case: str) -> dict[str, Callable[[bool], Callable[[], dict[str, Any]]]]:
    """Ours on one thread and in two workers, the floor, and the landscape peers."""
    own: dict[str, Callable[[bool], Callable[[], dict[str, Any]]]] = {
        "ours": functools.partial(_ours, case, 1),
        "ours, two workers": functools.partial(_ours, case, 2),
    }
    peers = {
        FLOOR: grids.floor,
        "loss-landscapes": grids.loss_landscapes,
        "landscaper": grids.landscaper,
        "loss-landscape-3d": grids.loss_landscape_3d,
    }
    if case == grid_cases.RESNET:
        peers[OWN_DIRECTIONS] = functools.partial(grids.loss_landscape_3d, buffers=True)
    return own | {name: functools.partial(_peer, make, case) for name, make in peers.items()}


def judge(case: str, values: Mapping[str, Any]) -> dict[str, Verdict]:
    """Agreement with the naive loop, and how many values are not finite."""
    floor = values[FLOOR]["loss"] if FLOOR in values else None
    return {arm: _judged(arm, own, floor) for arm, own in values.items()}


def _judged(arm: str, own: Mapping[str, Any], floor: Any) -> Verdict:
    found = np.asarray(own["loss"], dtype=float)
    lost = int((~np.isfinite(found)).sum())
    if arm == OWN_DIRECTIONS:
        return Verdict(f"{lost} of {found.size} not finite", lost == 0)
    if arm == "landscaper":
        return Verdict("not comparable: rescales every tensor of a direction", None)
    if arm == FLOOR:
        return Verdict("the reference", None)
    if floor is None:
        return Verdict("no naive loop to compare with", None)
    error = relative(found, floor)
    rows = np.abs(found - np.asarray(floor)).max(axis=0) if found.shape == np.shape(floor) else np.zeros(0)
    off = int((rows > BOUND * np.abs(floor).max()).sum())
    words = f"differs by {error:.1e} from the naive loop, {lost} not finite"
    words += f", {off} of {len(rows)} lines of points off" if off else ""
    if "path" in own:
        words += f"; {own['path']}; first point of a 49 x 49 grid after {own['setup']:.2g} s"
    return Verdict(words, error <= BOUND)
