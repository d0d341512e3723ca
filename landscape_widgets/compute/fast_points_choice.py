"""Whether several points in one pass pay: for small problems, checked against the plain pass, timed, how many."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Generator
from typing import Any

import torch

from landscape_widgets.compute.clock import clock
from landscape_widgets.compute.evaluate import PointEvaluator
from landscape_widgets.compute.fast_check import (
    UnequalError,
    checked,
    compare,
    displacement,
    outputs_of,
    working,
)
from landscape_widgets.compute.fast_forward import FastPlan
from landscape_widgets.compute.fast_losses import point_of, verify_points_loss
from landscape_widgets.compute.fast_points import PointsForward, first_layer
from landscape_widgets.compute.objective import Objective, finished
from landscape_widgets.compute.rounding import first_line
from landscape_widgets.results import Direction

TINY, COLD = 1e-3, 10
"""Seconds of a plain point up to which its overhead may be worth sharing, and how much longer a first one may take."""
WORTH = 0.25
"""Seconds of plain work from which a choice, of about 20 ms, is worth it and its wait noticed."""
LARGEST = 2**26
"""Parameters times samples above which a point takes longer than `TINY` on any machine."""
TOGETHER = 2**15
"""Samples times points in one pass: what small models compute with stays in the cache."""
MOST, MOST_BYTES = 128, 2**26
"""Points in one pass, and the memory of their parameters."""
GAIN = 0.8
"""Time of the fast pass, in times of the plain one, below which it is worth it."""
POINTS = ((0.0, 0.0), (0.1, 0.0), (0.0, 0.5), (0.5, -0.4))
"""Points of the check, in displacements of each parameter by the root mean square of its tensor."""
LITTLE = "too little work for a choice to pay"


def points_steps(objective: Objective, points: int, threads: int) -> Generator[None, None, FastPlan]:
    """Choose how many of `points` points go through one pass, yielding between pieces; the plain pass says why.

    Cost: nothing for large problems and for few points; else four plain points, and where `points` of them take 0.25 s
    about 20 ms more.

    Parameters
    ----------
    objective : the loss.
    points : how many are left to evaluate.
    threads : intra-op threads to restore after working with one; 0 works with as many as there are.
    """
    if objective.size * objective.samples > LARGEST:
        return FastPlan(reason="no convolution, and too large to share an overhead")
    if points * TINY < WORTH:
        return FastPlan(reason=LITTLE)
    chooser = _Chooser(objective, threads)
    seconds = chooser.plain()
    if seconds > TINY:
        return FastPlan(reason="no convolution, and too large to share an overhead")
    if points * seconds < WORTH:
        return FastPlan(reason=LITTLE)
    yield
    try:
        plan = chooser.plan()
        yield
        plan = chooser.verified(plan)
        yield
        taken = chooser.timed(plan)
    except Exception as error:  # noqa: BLE001 -- a model may refuse to be mapped over points in any way
        return FastPlan(reason=f"not several points at once: {first_line(error)}")
    return plan if taken <= GAIN * seconds else FastPlan(reason=f"no slower than {plan.words}")


class _Chooser:
    """Checks and times plans at points of a plane of its own."""

    def __init__(self, objective: Objective, threads: int) -> None:
        self.objective, self.threads = objective, threads
        self.vectors = [displacement(objective, seed) for seed in (0, 1)]
        self.pair = [Direction(vector.cpu().numpy(), "check", "raw", "check") for vector in self.vectors]

    def plain(self) -> float:
        """Seconds of a plain point."""
        evaluator, best = PointEvaluator(self.objective, self.pair), math.inf
        for point in POINTS:
            with working(self.threads):
                started = clock(self.objective.device)
                finished(evaluator.steps(point))
                best = min(best, clock(self.objective.device) - started)
            if best > COLD * TINY:
                break
        return best

    def plan(self) -> FastPlan:
        """The plan to try; raises where buffers change in a pass, or the batches are read again every time."""
        objective, batch = self.objective, self.objective.batches.first
        with working(self.threads), objective.replica() as replica:
            replica.reset_buffers()
            before = [(id(buffer), buffer._version) for buffer in replica.module.buffers()]
            first = first_layer(replica, batch)
            if before != [(id(buffer), buffer._version) for buffer in replica.module.buffers()]:
                raise UnequalError("buffers change in a pass")
        held = MOST_BYTES // (objective.size * objective.dtype.itemsize)
        count = min(MOST, held, 2 ** round(math.log2(max(1, TOGETHER / batch.size))))
        if count < 2:
            raise UnequalError("too many samples or parameters")
        return FastPlan(points=count, first=first)

    def verified(self, plan: FastPlan) -> FastPlan:
        """The plan, with the losses in one call where that holds; raises where outputs at the points of the check
        differ from the plain ones by more than rounding.

        torch warns of an operation that it cannot map but takes point by point: that is no gain, and refused too.
        """
        objective, batch = self.objective, self.objective.batches.first
        with working(self.threads), warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*batching rule")
            places = torch.tensor(POINTS, dtype=objective.dtype, device=objective.device)
            stacked = PointsForward(objective, self.vectors, plan.first).outputs(places, batch, 0)
            for index, point in enumerate(POINTS):
                theta = objective.center + point[0] * self.vectors[0] + point[1] * self.vectors[1]
                check = checked(objective, batch, theta)
                compare(outputs_of(point_of(stacked, index)), check.plain, check.exact)
            return dataclasses.replace(plan, losses=self._holds(stacked, batch.targets))

    def _holds(self, stacked: Any, targets: Any) -> bool:
        """Whether the losses of several points may be taken in one call."""
        try:
            verify_points_loss(self.objective, stacked, targets)
        except Exception:  # noqa: BLE001 -- a loss may refuse to be mapped over points in any way
            return False
        return True

    def timed(self, plan: FastPlan) -> float:
        """Seconds a point of a full pass, loss and metrics included."""
        evaluator, best = PointEvaluator(self.objective, self.pair, plan), math.inf
        points = [POINTS[index % len(POINTS)] for index in range(plan.points)]
        for _ in range(3):
            with working(self.threads):
                started = clock(self.objective.device)
                finished(evaluator.many(points))
                best = min(best, clock(self.objective.device) - started)
        return best / plan.points
