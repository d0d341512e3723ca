"""Loss and metrics at points of a plane, one batch a step, one point or several at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from landscape_widgets.compute.batch_statistics import Statistics, statistics_steps
from landscape_widgets.compute.fast_forward import FastForward, FastPlan
from landscape_widgets.compute.fast_losses import point_of, points_loss
from landscape_widgets.compute.fast_points import PointsForward
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
    gather : whether the values of several points are left on the device and fetched together; None: not on the CPU.
    """

    def __init__(
        self,
        objective: Objective,
        directions: Sequence[Direction],
        plan: FastPlan | None = None,
        *,
        gather: bool | None = None,
    ) -> None:
        self.objective = objective
        self.plan = FastPlan() if plan is None else plan
        self._gather = objective.device.type != "cpu" if gather is None else gather
        self._fast: FastForward | None = None
        self._points: PointsForward | None = None
        self._vectors = [objective.vector(item.vector, f"direction '{item.label}'") for item in directions]
        self._base: Tensor = objective.center.clone()
        self._row: tuple[float, ...] | None = None

    @property
    def together(self) -> bool:
        """Whether several points are better evaluated by `many`: in one pass, or with their values fetched together."""
        return self.plan.points > 1 or self._gather

    def steps(
        self, point: Sequence[float], partial: PartialPoint | None = None
    ) -> Generator[None, None, dict[str, float]]:
        """Evaluate one point (α,) or (α, β), yielding between batches; returns "loss" and the metrics.

        `partial` is where to go on; it is kept up to date, so that a checkpoint may hold a copy.
        """
        partial = PartialPoint() if partial is None else partial
        yield from self._one(point, partial, fetch=True)
        return partial.values

    def many(self, points: Sequence[Sequence[float]]) -> Generator[None, None, list[dict[str, float]]]:
        """Evaluate several points, yielding between passes; their values reach the host at the end, all at once."""
        found: list[dict[str, Any]] = []
        if self.plan.points > 1:
            for start in range(0, len(points), self.plan.points):
                if start:
                    yield
                found += yield from self._stacked(points[start : start + self.plan.points])
        else:
            for point in points:
                if found:
                    yield
                partial = PartialPoint()
                yield from self._one(point, partial, fetch=not self._gather)
                found.append(partial.values)
        return fetched(found)

    def _one(self, point: Sequence[float], partial: PartialPoint, fetch: bool) -> Generator[None, None, None]:
        batches = self.objective.batches
        if self.objective.batch_norm == "recomputed" and partial.statistics is None:
            partial.statistics = yield from statistics_steps(self.objective, self._at(point))
        first = partial.done
        for number, batch in enumerate(batches):
            if number < first:
                continue
            if number > first:
                yield
            # A replica is borrowed for one batch only: none is held across a yield.
            with evaluation(), self._replica(point, number == first) as replica:
                outputs, targets = self.objective.outputs(replica, batch, partial.statistics)
                self._add(partial.values, self._values(outputs, targets), batch.weight / batches.total_weight, fetch)
            partial.done = number + 1

    def _stacked(self, points: Sequence[Sequence[float]]) -> Generator[None, None, list[dict[str, Any]]]:
        """The values of points in one pass a batch; metrics see one point's outputs at a time."""
        objective, values = self.objective, [dict[str, Any]() for _ in points]
        with evaluation():
            places = torch.tensor(list(points), dtype=objective.dtype, device=objective.device)
            if self._points is None:
                self._points = PointsForward(objective, self._vectors, self.plan.first)
        for number, batch in enumerate(objective.batches):
            if number:
                yield
            share = batch.weight / objective.batches.total_weight
            with evaluation():
                outputs = self._points.outputs(places, batch, number)
                found = self._values_of_points(outputs, batch.targets, len(points))
                for own, one in zip(values, found, strict=True):
                    self._add(own, one, share, fetch=not self._gather)
        return values

    def _values_of_points(self, outputs: Any, targets: Any, count: int) -> list[dict[str, Any]]:
        """Loss and metrics of points from outputs with the points in front."""
        objective = self.objective
        if not self.plan.losses:
            return [self._values(point_of(outputs, index), targets) for index in range(count)]
        losses = points_loss(objective, outputs, targets)
        found: list[dict[str, Any]] = [{"loss": loss} for loss in (losses if self._gather else losses.tolist())]
        for index, own in enumerate(found if objective.metrics else []):
            own |= self._metrics(point_of(outputs, index), targets)
        return found

    def _add(self, values: dict[str, Any], found: dict[str, Any], share: float, fetch: bool) -> None:
        """Add a batch's share of the loss and the metrics, as numbers or as float64 tensors where they are."""
        for name, value in found.items():
            stays = not fetch and isinstance(value, Tensor) and value.device == self.objective.device
            values[name] = values.get(name, 0.0) + share * (
                value.detach().double().reshape(()) if stays else float(value)
            )

    def _values(self, outputs: Any, targets: Any) -> dict[str, Any]:
        return {"loss": self.objective.loss_of(outputs, targets)} | self._metrics(outputs, targets)

    def _metrics(self, outputs: Any, targets: Any) -> dict[str, Any]:
        return {name: metric(outputs, targets) for name, metric in self.objective.metrics.items()}

    @contextlib.contextmanager
    def _replica(self, point: Sequence[float], move: bool) -> Iterator[Replica]:
        """A borrowed replica at a point; by a plan our own, which is moved at the first batch of a point only."""
        place = functools.partial(self._write, point)
        if not self.plan.reshaped:
            with self.objective.replica(place) as replica:
                yield replica
            return
        if self._fast is None:
            with self.objective.replica() as replica:
                self._fast = FastForward(replica, self.plan)
        if move:
            self._fast.move_to(place)
        yield self._fast

    def _at(self, point: Sequence[float]) -> Float[Tensor, " P"]:
        theta = torch.empty_like(self.objective.center)
        self._write(point, theta)
        return theta

    def _write(self, point: Sequence[float], out: Float[Tensor, " P"]) -> None:
        """One fused sum, straight into the parameters: memory is what a point of a large model costs."""
        row = tuple(point[1:])
        if row != self._row:
            if row:
                torch.add(self.objective.center, self._vectors[1], alpha=row[0], out=self._base)
            self._row = row
        torch.add(self._base, self._vectors[0], alpha=point[0], out=out)


def fetched(found: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    """Values of points as numbers, those on a device copied to the host in one piece.

    >>> fetched([{"loss": torch.tensor(2.0), "accuracy": 0.5}, {"loss": torch.tensor(3.0), "accuracy": 0.25}])
    [{'loss': 2.0, 'accuracy': 0.5}, {'loss': 3.0, 'accuracy': 0.25}]
    """
    waiting = [value for values in found for value in values.values() if isinstance(value, Tensor)]
    numbers = iter(torch.stack(waiting).tolist() if waiting else [])
    return [
        {name: next(numbers) if isinstance(value, Tensor) else value for name, value in values.items()}
        for values in found
    ]


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
