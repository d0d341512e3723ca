"""A grid whose picture is there sooner: in bfloat16 with its measured error, until exact values replace it."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence
from typing import Any, cast

import numpy as np
from torch import Tensor

from landscape_widgets.compute.adaptive import AdaptiveGrid
from landscape_widgets.compute.fast_forward import FastPlan
from landscape_widgets.compute.fast_half import HalfObjective, Trial, half_plan, trial_steps
from landscape_widgets.compute.grid import Extent, GridEvaluator, GridState
from landscape_widgets.compute.interpolation import Spans
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.rounding import first_line
from landscape_widgets.compute.stream import Stream, relabelled
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import Direction, Estimate, Surface
from landscape_widgets.results.landscape import percent

METHOD = "the model's forward pass in bfloat16"
GAIN = 1.3
"""Speed of a pass in bfloat16, in times of the exact pass, from which a preview is worth its work."""


@dataclasses.dataclass
class PreviewState(GridState):
    """The exact values so far, and beside them, never among them, those in bfloat16."""

    half: GridState | None = None
    """The values in bfloat16; None where none were computed."""
    estimate: Estimate | None = None
    words: str = "not tried yet"
    """What became of the preview."""
    refused: bool = False
    """Whether the grid goes on without it."""

    def copy(self) -> PreviewState:
        """A copy that later steps do not change."""
        copied = cast(PreviewState, super().copy())
        copied.half = None if self.half is None else self.half.copy()
        return copied

    @property
    def said(self) -> str:
        """What became of the preview, with how far it is."""
        if self.half is None or self.refused:
            return self.words
        points = f"{int(self.half.known.sum()):,} points in bfloat16, {self.words}"
        return points if self.estimate is None else f"{points}, held-out error {percent(self.estimate.error)} %"

    def refuse(self, words: str) -> None:
        """Go on without a preview, saying why."""
        self.refused, self.estimate, self.words = True, None, f"none: {words}"

    @classmethod
    def of(cls, state: GridState) -> PreviewState:
        """The same values, in bfloat16 none yet."""
        return cls(**{field.name: getattr(state, field.name) for field in dataclasses.fields(GridState)})


class PreviewGrid(AdaptiveGrid):
    """A `GridEvaluator` that shows the whole grid in bfloat16 first, labelled with its error, then every value exactly.

    The coarsest level is computed exactly. Then one pass in bfloat16 is timed against one by the path chosen. Where it
    is `gain` times as fast, the coarsest level is computed in bfloat16 too: the largest difference there is the error
    reported, in parts of the drawn range of the loss and of the drawn decades. Up to `error` the finer levels follow in
    bfloat16, as `surface.estimate`; then exact values replace them level by level, and the error is measured anew with
    each level. Parameters are moved in the objective's own dtype and rounded once a point (`HalfObjective`).

    Otherwise, or once the error is larger, the grid goes on as `AdaptiveGrid` does that computes every point, and
    `surface.question["preview"]` says why. So it is on processors without instructions for bfloat16.

    Cost: a forward pass over the data a point, and one in bfloat16 where there is a preview.

    Parameters
    ----------
    objective, directions, extent, resolution, executor, workers, reuse, path : as for `GridEvaluator`.
    error : largest error of a preview, in both views.
    gain : speed, in times of the exact pass, from which there is a preview; 0: always, untimed.
    seed : as for `AdaptiveGrid`.

    Returns
    -------
    surface : `COMPLETE`, every value exact, without an estimate; `NOT_FINITE` as of a `GridEvaluator`.

    Raises
    ------
    InputError : as `GridEvaluator`, and for an error outside of (0, 1) or a negative gain.

    >>> import torch
    >>> objective = Objective(torch.nn.Linear(1, 1), torch.nn.MSELoss(), (torch.ones(1, 1), torch.ones(1, 1)))
    >>> grid = PreviewGrid(objective, [torch.ones(2)], extent=0.5, resolution=13, error=0.1, gain=0)
    >>> words = [surface.estimate.words for surface in grid.stream() if surface.estimate is not None]
    >>> words[0].split(",")[0], str(grid.run().outcome)
    ('bfloat16 preview', 'complete')
    """

    def __init__(
        self,
        objective: Objective,
        directions: Sequence[Direction | Tensor | np.ndarray] | Direction | Tensor | np.ndarray,
        extent: Extent = 1.0,
        resolution: int | Sequence[int] = 49,
        *,
        error: float = 0.01,
        gain: float = GAIN,
        seed: int = 0,
        **options: Any,
    ) -> None:
        if not 0 < error < 1:
            raise InputError(f"expected an error between 0 and 1, got {error!r}", "use 0.01 for one percent")
        if not gain >= 0:
            raise InputError(f"expected a gain of at least 0, got {gain!r}", "use 1.3 for 1.3 times as fast")
        super().__init__(objective, directions, extent, resolution, error=0.0, seed=seed, **options)
        self.allowed, self.gain = float(error), float(gain)
        self._half: HalfObjective | None = None

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        return {**super().question, "computation": "PreviewGrid", "error": self.allowed, "gain": self.gain}

    def stream(self, resume: GridState | None = None) -> Stream[Surface, GridState]:
        """Yield the surface as it fills; exact values and those in bfloat16 are never computed twice."""
        bare = resume is not None and not isinstance(resume, PreviewState)
        return super().stream(PreviewState.of(cast(GridState, resume)) if bare else resume)

    def _start(self) -> PreviewState:
        return PreviewState.of(super()._start())

    def _surface(self, state: GridState, outcome: Outcome) -> Surface:
        assert isinstance(state, PreviewState)
        surface = super()._surface(state, outcome)
        question = {**surface.question, "preview": state.said}
        if state.half is not None and not state.refused:
            question["previewed"] = int((state.known | state.half.known).sum())
        return dataclasses.replace(surface, estimate=state.estimate, question=question)

    def _steps(self, state: GridState) -> Generator[Surface, None, None]:
        assert isinstance(state, PreviewState)
        if state.known.any():
            yield self._surface(state, Outcome.RUNNING)
        yield from self._choose(state)
        yield from self._level(state, 0)
        if not state.refused:
            yield from self._preview(state)
        for number in range(1, max(len(levels) for levels in self.levels)):
            if state.refused:
                break
            yield from self._level(state, number)
            self._judge(state)
        if state.refused:
            yield from super()._steps(state)
            return
        finite = bool(np.isfinite(state.values["loss"]).any())
        last = self._surface(state, Outcome.COMPLETE if finite else Outcome.NOT_FINITE)
        yield dataclasses.replace(last, estimate=None)

    def _choose(self, state: GridState) -> Generator[Surface, None, None]:
        """Choose once: a grid that goes on without a preview keeps its path."""
        if state.plan == FastPlan():
            yield from super()._choose(state)

    def _preview(self, state: PreviewState) -> Generator[Surface, None, None]:
        """Compute what is not known in bfloat16, level by level, as long as that is right enough."""
        if state.half is None:
            yield from self._try(state)
        if state.refused:
            return
        assert state.half is not None
        grid = self._half_grid()
        for number in range(max(len(levels) for levels in self.levels)):
            wanted = ~state.half.known & (self._mask(number) & ~state.known | self._mask(0))
            steps = grid._fill(state.half, wanted)
            while True:
                try:
                    next(steps)
                except StopIteration:
                    break
                except Exception as error:  # noqa: BLE001 -- a model may refuse bfloat16 in any way
                    state.refuse(f"the model refuses bfloat16: {first_line(error)}")
                    return
                yield self._surface(state, Outcome.RUNNING)
            self._judge(state)
            if state.refused:
                return
            yield self._surface(state, Outcome.RUNNING)

    def _try(self, state: PreviewState) -> Generator[Surface, None, None]:
        """Refuse a preview that does not pay, or make room for its values."""
        left = int(np.count_nonzero(~state.known))
        if not left:
            state.refuse("every point is known")
            return
        steps = trial_steps(self.objective, state.plan, left, self.gain, single=self._executor is not None)
        trial: Trial = yield from relabelled(steps, self._surface(state, Outcome.RUNNING))
        if trial.half is None:
            state.refuse(trial.words)
            return
        self._half, state.words = trial.half, trial.words
        state.half = self._half_grid()._start()
        state.half.plan = half_plan(state.plan)

    def _half_grid(self) -> GridEvaluator:
        """The same grid of the loss in bfloat16; a run that is resumed makes that anew."""
        self._half = HalfObjective(self.objective) if self._half is None else self._half
        windows = [(float(axis[0]), float(axis[-1])) for axis in self.coordinates]
        options: dict[str, Any] = {"executor": self._executor, "workers": self._workers}
        return GridEvaluator(self._half, self.directions, windows, self.question["resolution"], **options)

    def _judge(self, state: PreviewState) -> None:
        """Measure the preview at every point known both ways; refuse it where its error is too large."""
        assert state.half is not None
        losses, rounded = state.values["loss"], state.half.values["loss"]
        held_out = state.known & state.half.known & (np.isfinite(losses) | np.isfinite(rounded))
        if not np.isfinite(losses[held_out]).any():
            state.refuse("no finite value to measure its error at")
            return
        exact, found = losses[held_out], rounded[held_out]
        estimate = Estimate(
            values=np.where(state.known, losses, rounded),
            method=METHOD,
            held_out=int(held_out.sum()),
            **Spans.of(losses[state.known]).largest(found, exact),
            kind="bfloat16 preview",
            given=state.known | state.half.known,
        )
        if not estimate.error <= self.allowed:
            said = f"{percent(estimate.error)} %" if np.isfinite(estimate.error) else "not finite"
            state.refuse(f"held-out error {said}, above the {percent(self.allowed)} % allowed")
            return
        state.estimate = estimate
