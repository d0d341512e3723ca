"""One picture as a stream: the quadratic preview first, then the grid from coarse to fine."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np

from landscape_widgets.compute.adaptive import AdaptiveGrid
from landscape_widgets.compute.grid import GridState
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.preview import PreviewGrid
from landscape_widgets.compute.slice_curvature import slice_curvature_steps
from landscape_widgets.compute.stream import Stream, relabelled
from landscape_widgets.errors import InputError, LandscapeError
from landscape_widgets.protocol.messages import PictureSettings
from landscape_widgets.results import Direction, SliceCurvature, Surface
from landscape_widgets.session.frames import level_of
from landscape_widgets.session.listener import WORKERS

DRAWN = 0.05
"""Held-out error up to which values between the computed points are drawn; above, they would show another surface."""


PREVIEWS = (None, "bfloat16")
"""How a picture may be shown before its values are computed."""


@dataclasses.dataclass(frozen=True, eq=False)
class Update:
    """How a picture stands: the curvature at its centre once known, the surface so far, the level complete."""

    curvature: SliceCurvature | None = None
    surface: Surface | None = None
    level: int = 0
    seconds_left: float | None = None
    caution: str = ""


def check_preview(preview: str | None) -> str | None:
    """The preview, or `InputError` for one that is not offered."""
    if preview not in PREVIEWS:
        raise InputError(f'expected preview as "bfloat16" or None, got {preview!r}', "choose one of them")
    return preview


def grid_of(
    objective: Objective,
    plane: tuple[Direction, Direction],
    settings: PictureSettings,
    reuse: Sequence[Surface],
    executor: Executor,
    preview: str | None,
) -> AdaptiveGrid:
    """The grid of a picture; one that ends early is interpolated, and has no preview."""
    windows = [(window.lo, window.hi) for window in (settings.alpha_range, settings.beta_range)]
    options: dict[str, Any] = {"reuse": reuse, "executor": executor, "workers": WORKERS}
    if preview is not None and not settings.until:
        return PreviewGrid(objective, plane, windows, settings.resolution, **options)
    return AdaptiveGrid(objective, plane, windows, settings.resolution, error=settings.until, **options)


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
    pace = _Pace()
    try:
        for surface in stream:
            if not surface.done:  # the forward pass is still being chosen
                yield Update(curvature, caution=caution)
                continue
            left = None if evaluator.error else pace.seconds_left(surface)
            said = f"{caution} {_refused(surface)}".strip()
            yield Update(curvature, _drawable(surface), level_of(evaluator, surface.known), left, said)
    finally:
        stream.close()


def _drawable(surface: Surface) -> Surface:
    """Without an estimate too rough to be drawn."""
    rough = surface.estimate is not None and not surface.estimate.error <= DRAWN and not surface.outcome.succeeded
    return dataclasses.replace(surface, estimate=None) if rough else surface


def _refused(surface: Surface) -> str:
    """Why there is no preview where one was asked for."""
    reason = str(surface.question.get("preview", "")).partition("none: ")[2]
    return f"No bfloat16 preview: {reason}." if reason else ""


def _curvature(
    operator: SymmetricOperator, plane: tuple[Direction, Direction]
) -> Generator[Update, None, SliceCurvature]:
    return (yield from relabelled(slice_curvature_steps(operator, plane), Update()))


def newly_known(surface: Surface, before: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Flat indices of the points that `before` did not have, and their loss and metrics, one row each."""
    fresh = surface.known if before is None else surface.known & ~before
    index = np.flatnonzero(fresh)
    values = np.stack([array.reshape(-1)[index] for array in (surface.loss, *surface.metrics.values())])
    return index.astype(np.int32), values


class _Pace:
    """How long exact points take; a preview between them does not count."""

    def __init__(self) -> None:
        self._before, self._evaluations = time.perf_counter(), -1
        self._points, self._seconds = 0, 0.0

    def seconds_left(self, surface: Surface) -> float | None:
        """Seconds until every point is exact; None before that can be told."""
        now = time.perf_counter()
        if 0 <= self._evaluations < surface.evaluations:
            self._points += surface.evaluations - self._evaluations
            self._seconds += now - self._before
        self._before, self._evaluations = now, surface.evaluations
        if self._points < 2 or self._seconds < 0.2:
            return None
        return self._seconds / self._points * (surface.total - surface.done)
