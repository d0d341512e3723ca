"""One picture as a stream: the quadratic preview first, then the grid from coarse to fine."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator

import numpy as np

from landscape_widgets.compute.adaptive import AdaptiveGrid
from landscape_widgets.compute.grid import GridEvaluator, GridState
from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.slice_curvature import slice_curvature_steps
from landscape_widgets.compute.stream import Stream, relabelled
from landscape_widgets.errors import LandscapeError
from landscape_widgets.results import Direction, SliceCurvature, Surface

DRAWN = 0.05
"""Held-out error up to which values between the computed points are drawn; above, they would show another surface."""


@dataclasses.dataclass(frozen=True, eq=False)
class Update:
    """How a picture stands: the curvature at its centre once known, the surface so far, the level complete."""

    curvature: SliceCurvature | None = None
    surface: Surface | None = None
    level: int = 0
    seconds_left: float | None = None
    caution: str = ""


def picture_steps(
    evaluator: AdaptiveGrid,
    operator: SymmetricOperator,
    plane: tuple[Direction, Direction],
    curvature: SliceCurvature | None,
) -> Generator[Update, None, None]:
    """Yield updates after every bounded step; a curvature already known costs no products.

    A loss without a second derivative still has a surface: the reason stands in `caution`.
    """
    caution = ""
    if curvature is None:
        try:
            curvature = yield from _curvature(operator, plane)
        except LandscapeError as error:
            caution = f"No quadratic preview: {error.message}."
    yield Update(curvature, caution=caution)
    stream: Stream[Surface, GridState] = evaluator.stream()
    started, first = time.perf_counter(), None
    try:
        for surface in stream:
            if not surface.done:  # the forward pass is still being chosen
                yield Update(curvature, caution=caution)
                continue
            first = surface.evaluations if first is None else first
            left = None if evaluator.error else _seconds_left(surface, first, time.perf_counter() - started)
            yield Update(curvature, _drawable(surface), complete_level(evaluator, surface), left, caution)
    finally:
        stream.close()


def _drawable(surface: Surface) -> Surface:
    """Without an estimate too rough to be drawn."""
    rough = surface.estimate is not None and not surface.estimate.error <= DRAWN and not surface.outcome.succeeded
    return dataclasses.replace(surface, estimate=None) if rough else surface


def _curvature(
    operator: SymmetricOperator, plane: tuple[Direction, Direction]
) -> Generator[Update, None, SliceCurvature]:
    return (yield from relabelled(slice_curvature_steps(operator, plane), Update()))


def complete_level(evaluator: GridEvaluator, surface: Surface) -> int:
    """Points an axis of the finest complete level, 0 before the first."""
    reached = evaluator.level_reached(surface.known)
    return len(evaluator.levels[0][reached - 1]) if reached else 0


def newly_known(surface: Surface, before: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Flat indices of the points that `before` did not have, and their loss and metrics, one row each."""
    fresh = surface.known if before is None else surface.known & ~before
    index = np.flatnonzero(fresh)
    values = np.stack([array.reshape(-1)[index] for array in (surface.loss, *surface.metrics.values())])
    return index.astype(np.int32), values


def _seconds_left(surface: Surface, first: int, elapsed: float) -> float | None:
    done = surface.evaluations - first
    if done < 2 or elapsed < 0.2:
        return None
    return elapsed / done * (surface.total - surface.done)
