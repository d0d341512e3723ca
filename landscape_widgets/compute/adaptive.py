"""A grid that stops when the surface between its points is known well enough."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Iterable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from landscape_widgets.compute.grid import Extent, GridEvaluator, GridState
from landscape_widgets.compute.interpolation import Fits, Spans
from landscape_widgets.compute.objective import Objective
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import Direction, Estimate, Surface

HELD_OUT = 0.1
"""Held-out points of a level, in parts of its points."""

AIMED = 0.75
"""How many of them lie where interpolations differ most: so the largest error found is, over nets and levels, 0.8 of
the largest there is, at random 0.4 of it (medians).
"""

FEWEST = 12
"""Held-out points of a level at least: fewer would say little."""

MARGIN = 0.8
"""The held-out error that ends a grid, in parts of that asked for: the largest of all is so much larger (median)."""

SAFETY = 4.0
"""Where two interpolations are further apart than the error asked for, divided by this, points are computed."""


class AdaptiveGrid(GridEvaluator):
    """A `GridEvaluator` that ends once the surface between its points is known, as held-out points show.

    After each level (7, 13, 25, 49, 97 points an axis) it computes further points of the whole grid, most of
    them where interpolations differ most, some at random, and compares them with interpolations made without them: a
    cubic spline of log L, of √L and of L, a Chebyshev polynomial. Of these the best is taken, and its largest error
    there is the error reported: in parts of the drawn range of the loss, and of the drawn decades. Where it is too
    large in few places, such as a valley's floor, these are computed; else the next level is. No value is ever
    computed twice, and every one computed is exact.

    Cost: a forward pass over the data a point: about 60 (7 × 7) or 190 (13 × 13) for 49 × 49 points of a net in a
    trained minimum, all where nothing less will do. Near holes (NaN, infinity) nothing is interpolated.

    Parameters
    ----------
    objective, directions, extent, resolution, executor, workers, reuse : as for `GridEvaluator`.
    error : largest error in both views; 0 computes every point, with estimates on the way. A grid ends at 0.8 of it
        at the held-out points, as all points together err by more than those. Where a loss is not positive, only the
        linear view counts.
    seed : of the random points.

    Returns
    -------
    surface : `CONVERGED` with `surface.estimate` between the known points, or `COMPLETE` with every point known.

    Raises
    ------
    InputError : as `GridEvaluator`, and for an error outside of [0, 1).

    >>> import torch
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> objective = Objective(model, torch.nn.MSELoss(), (torch.ones(1, 1), torch.ones(1, 1)))
    >>> line = AdaptiveGrid(objective, [torch.ones(1)], extent=0.5, resolution=97).run()
    >>> str(line.outcome), line.evaluations < 30, line.estimate.error < 0.01
    ('converged', True, True)
    """

    def __init__(
        self,
        objective: Objective,
        directions: Sequence[Direction | Tensor | np.ndarray] | Direction | Tensor | np.ndarray,
        extent: Extent = 1.0,
        resolution: int | Sequence[int] = 49,
        *,
        error: float = 0.01,
        seed: int = 0,
        **options: Any,
    ) -> None:
        if not 0 <= error < 1:
            raise InputError(f"expected an error from 0 to below 1, got {error!r}", "use 0.01 for one percent")
        super().__init__(objective, directions, extent, resolution, **options)
        self.error, self.seed = float(error), int(seed)

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        return {**super().question, "computation": "AdaptiveGrid", "error": self.error, "seed": self.seed}

    def _steps(self, state: GridState) -> Generator[Surface, None, None]:
        if state.known.any():
            yield self._surface(state, Outcome.RUNNING)
        yield from self._choose(state)
        estimate: Estimate | None = None
        for number in range(max(len(levels) for levels in self.levels)):
            yield from _labelled(self._level(state, number), estimate)
            if state.known.all():
                break
            estimate, met = yield from self._estimated(state, number, estimate)
            if met:
                break
        exact = bool(state.known.all())
        outcome = Outcome.COMPLETE if exact else Outcome.CONVERGED
        finite = bool(np.isfinite(state.values["loss"]).any())
        surface = self._surface(state, outcome if finite else Outcome.NOT_FINITE)
        yield dataclasses.replace(surface, estimate=None if exact else estimate)

    def _estimated(
        self, state: GridState, number: int, before: Estimate | None
    ) -> Generator[Surface, None, tuple[Estimate | None, bool]]:
        """The estimate from a complete level, and whether it is good enough; computes what it is held against."""
        losses = state.values["loss"]
        mesh = self._mesh(number)
        if not np.isfinite(losses[mesh]).any():
            return None, False
        fits = Fits(losses[mesh].copy(), tuple(index.reshape(-1) for index in mesh), self.shape)
        trusted = ~fits.near_holes & ~fits.mesh
        apart = fits.disagreements(Spans.of(losses[mesh]))
        held_out = np.zeros(self.shape, dtype=bool)
        for attempt in range(2):
            picked = self._pick(trusted & ~held_out, apart, number, attempt)
            yield from _labelled(self._fill(state, picked & ~state.known), before)
            held_out = (held_out | picked) & trusted
            if not held_out.any():
                return None, False
            known = np.where(state.known, losses, np.nan)
            before = fits.best(known, held_out, Spans.of(known))
            met = before.error <= MARGIN * self.error
            if not met:
                trusted &= apart[0] <= self.error / SAFETY
            rough = ~state.known & ~trusted
            if self.error == 0 or not math.isfinite(before.error) or rough.sum() > fits.mesh.sum():
                return before, False
            yield from _labelled(self._fill(state, rough), before)
            if met or not rough.any():
                return before, met
        return before, False

    def _pick(self, free: np.ndarray, maps: Sequence[np.ndarray], number: int, attempt: int) -> np.ndarray:
        """Points to hold out: where the interpolations differ most, a cell apart, and at random; what is known already
        does not count, so that a resumed run picks the same.
        """
        mesh = self._mesh(number)
        count = min(max(FEWEST, math.ceil(HELD_OUT * math.prod(index.size for index in mesh))), int(free.sum()))
        picked = np.zeros(self.shape, dtype=bool)
        reach = [int(np.diff(index.reshape(-1)).max()) for index in mesh]
        for which, apart in enumerate(maps):
            left = np.where(free & ~picked, apart, -1.0)
            for _ in range(len(range(which, int(AIMED * count), len(maps)))):
                place = np.unravel_index(int(left.argmax()), left.shape)
                if left[place] < 0:
                    break
                picked[place] = True
                left[tuple(slice(max(0, at - by + 1), at + by) for at, by in zip(place, reach, strict=True))] = -1.0
        rest = np.flatnonzero(free & ~picked)
        random = np.random.default_rng([self.seed, number, attempt])
        picked.reshape(-1)[random.choice(rest, count - int(picked.sum()), replace=False)] = True
        return picked


def _labelled(surfaces: Iterable[Surface], estimate: Estimate | None) -> Generator[Surface, None, None]:
    """The same surfaces with the estimate made before them."""
    for surface in surfaces:
        yield dataclasses.replace(surface, estimate=estimate)
