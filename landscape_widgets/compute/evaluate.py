"""Loss and metrics at many points of a plane, one batch a step."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from landscape_widgets.compute.batch_statistics import Statistics, statistics_steps
from landscape_widgets.compute.fast_forward import FastForward, FastPlan
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.torch_state import evaluation
from landscape_widgets.errors import InputError
from landscape_widgets.results import Direction


@dataclasses.dataclass
class PartialPoint:
    """A point under way: the share of its first `done` batches in the loss and the metrics."""

    values: dict[str, float] = dataclasses.field(default_factory=dict)
    done: int = 0
    statistics: Statistics | None = None

    def copy(self) -> PartialPoint:
        """A copy that later steps do not change."""
        return PartialPoint(dict(self.values), self.done, self.statistics)


class PointEvaluator:
    """Evaluates L(θ + α d1 + β d2): a row base θ + β d2, then one fused add a point.

    Cost: one forward pass over the data a point; two where BatchNorm statistics are recomputed.

    Parameters
    ----------
    objective : the loss.
    directions : one or two directions of P elements.
    plan : shortcuts of the forward pass, as `fast_choice` found them; None: the plain pass.
    """

    def __init__(self, objective: Objective, directions: Sequence[Direction], plan: FastPlan | None = None) -> None:
        self.objective = objective
        self._plan = plan
        self._fast: FastForward | None = None
        self._vectors = [objective.vector(item.vector, f"direction '{item.label}'") for item in directions]
        self._base: Tensor = objective.center.clone()
        self._here: Tensor = torch.empty_like(self._base)  # memory new at every point would cost more than the sum
        self._row: tuple[float, ...] | None = None

    def steps(
        self, point: Sequence[float], partial: PartialPoint | None = None
    ) -> Generator[None, None, dict[str, float]]:
        """Evaluate one point (α,) or (α, β), yielding between batches; returns "loss" and the metrics.

        `partial` is where to go on; it is kept up to date, so that a checkpoint may hold a copy.
        """
        partial = PartialPoint() if partial is None else partial
        batches = self.objective.batches
        if self.objective.batch_norm == "recomputed" and partial.statistics is None:
            partial.statistics = yield from statistics_steps(self.objective, self._place(point))
        first = partial.done
        for number, batch in enumerate(batches):
            if number < first:
                continue
            if number > first:
                yield
            # A replica is borrowed for one batch only: none is held across a yield.
            with evaluation(), self._replica(self._place(point), number == first) as replica:
                loss, metrics = self.objective.forward(replica, batch, partial.statistics)
            share = batch.weight / batches.total_weight
            for name, value in (("loss", loss.item()), *metrics.items()):
                partial.values[name] = partial.values.get(name, 0.0) + share * value
            partial.done = number + 1
        return partial.values

    @contextlib.contextmanager
    def _replica(self, place: Tensor, move: bool) -> Iterator[Replica]:
        """A borrowed replica at a point; by a plan our own, which is moved at the first batch of a point only."""
        if self._plan is None or not self._plan.fast:
            with self.objective.replica(place) as replica:
                yield replica
            return
        if self._fast is None:
            with self.objective.replica() as replica:
                self._fast = FastForward(replica, self._plan)
        if move:
            self._fast.move_to(place)
        yield self._fast

    def _place(self, point: Sequence[float]) -> Float[Tensor, " P"]:
        row = tuple(point[1:])
        if row != self._row:
            if row:
                torch.add(self.objective.center, self._vectors[1], alpha=row[0], out=self._base)
            self._row = row
        return torch.add(self._base, self._vectors[0], alpha=point[0], out=self._here)


def axis_points(extent: float | tuple[float, float], points: int) -> Float[np.ndarray, " n"]:
    """Evenly spaced coordinates from lo to hi, symmetric to the last bit, with an exact zero where one belongs.

    >>> axis_points(1.0, 5), axis_points((0.0, 3.0), 4)
    (array([-1. , -0.5,  0. ,  0.5,  1. ]), array([0., 1., 2., 3.]))
    """
    try:
        lo, hi = (-float(extent), float(extent)) if np.isscalar(extent) else (float(extent[0]), float(extent[1]))  # type: ignore[arg-type,index]
    except (TypeError, ValueError, IndexError) as error:
        raise InputError(f"expected extent as a number or (lo, hi), got {extent!r}", "pass for example 1.0") from error
    if not (np.isfinite(lo) and np.isfinite(hi) and lo < hi):
        raise InputError(
            f"expected a finite extent with lo < hi, got ({lo}, {hi})", "pass a positive number, or (lo, hi)"
        )
    middle, half = (lo + hi) / 2, (hi - lo) / 2
    steps = 2 * np.arange(points) - (points - 1)
    found: np.ndarray = middle + half * (steps / (points - 1))
    found[[0, -1]] = lo, hi
    found[np.abs(found) <= 8 * np.finfo(float).eps * max(abs(lo), abs(hi))] = 0.0
    return found
