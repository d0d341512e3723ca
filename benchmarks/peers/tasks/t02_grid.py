"""T2: the grid of a ResNet-20 with BatchNorm, wall time, peak memory, NaN, agreement with the naive loop."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch.nn.functional import cross_entropy

from benchmarks.peers.problems import image_problem
from benchmarks.peers.tasks import grids
from benchmarks.peers.verdict import Verdict, relative

TITLE = "T2 grid of a ResNet-20 with BatchNorm"
WHAT = "one grid, one thread; full: 25 x 25 points on 512 images of 32 x 32, quick: 7 x 7 on 32 of 16 x 16"
CASES = ("",)
TIMED = True
LIMIT = 7200
BOUND = 1e-4
OWN_DIRECTIONS = "loss-landscape-3d own directions"


def _arm(make: Callable[..., Callable[[], Any]], quick: bool) -> Callable[[], dict[str, Any]]:
    model, data = image_problem(32, 16) if quick else image_problem(512, 32)
    run = make((model, data, cross_entropy), 7 if quick else 25)
    return lambda: {"values": run()}


def arms(case: str) -> dict[str, Callable[[bool], Callable[[], dict[str, Any]]]]:
    """Ours, the floor and the landscape peers."""
    own = {
        "ours": grids.ours,
        "floor: naive loop": grids.floor,
        "loss-landscapes": grids.loss_landscapes,
        "landscaper": grids.landscaper,
        "loss-landscape-3d": grids.loss_landscape_3d,
        OWN_DIRECTIONS: functools.partial(grids.loss_landscape_3d, buffers=True),
    }
    return {name: functools.partial(_arm, make) for name, make in own.items()}


def judge(case: str, values: Mapping[str, Any]) -> dict[str, Verdict]:
    """Agreement with the naive loop, and how many values are not finite."""
    verdicts, floor = {}, values.get("floor: naive loop")
    for arm, own in values.items():
        found = np.asarray(own, dtype=float)
        lost = int((~np.isfinite(found)).sum())
        if arm == OWN_DIRECTIONS:
            verdicts[arm] = Verdict(f"{lost} of {found.size} not finite", lost == 0)
        elif arm == "landscaper":
            verdicts[arm] = Verdict("not comparable: rescales every tensor of a direction", None)
        elif floor is None:
            verdicts[arm] = Verdict("no naive loop to compare with", None)
        else:
            error = relative(found, floor)
            rows = np.abs(found - np.asarray(floor)).max(axis=0) if found.shape == np.shape(floor) else np.zeros(0)
            off = int((rows > BOUND * np.abs(floor).max()).sum())
            note = f", {off} of {len(rows)} lines of points off" if off else ""
            verdicts[arm] = Verdict(
                f"differs by {error:.1e} from the naive loop, {lost} not finite{note}", error <= BOUND
            )
    return verdicts
