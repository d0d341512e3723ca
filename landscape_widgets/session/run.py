"""One picture of a widget, from its request to its end."""

from __future__ import annotations

import dataclasses
import functools
import time

import numpy as np

from landscape_widgets.compute.adaptive import AdaptiveGrid
from landscape_widgets.compute.directions import angle
from landscape_widgets.errors import Outcome
from landscape_widgets.protocol.messages import PictureSettings, Progress, Result, Track
from landscape_widgets.results import Direction, Estimate, SliceCurvature, Surface
from landscape_widgets.session.pace import Pace

PREVIEW_SECONDS = 0.25
"""Least time between two words on a preview."""


@dataclasses.dataclass(eq=False)
class Run:
    """What is known of one picture; `sent` are the points that the page has, `estimate` is what it draws between."""

    id: str
    number: int
    settings: PictureSettings
    note: str = ""
    evaluator: AdaptiveGrid | None = None
    plane: tuple[Direction, Direction] | None = None
    curvature: SliceCurvature | None = None
    surface: Surface | None = None
    tracks: tuple[Track, ...] = ()
    sent: np.ndarray | None = None
    estimate: Estimate | None = None
    level: int = 0
    started: float = dataclasses.field(default_factory=time.perf_counter)
    caution: str = ""
    ended: bool = False
    previewed: int | None = None
    """Points of a preview that the page has been told of."""
    pace: Pace = dataclasses.field(default_factory=lambda: Pace(PREVIEW_SECONDS))

    @functools.cached_property
    def degrees(self) -> float | None:
        """The angle of the plane, taken once: a picture has many frames, and its directions may be long."""
        return None if self.plane is None else angle(*self.plane)

    @property
    def points(self) -> int:
        """Points of the full picture."""
        return self.settings.resolution**2

    @property
    def status(self) -> str:
        """How far it is, or how it ended."""
        surface = self.surface
        if surface is None:
            return ""
        done, outcome = f"{surface.done:,} of {surface.total:,} points", surface.outcome
        if outcome is Outcome.CONVERGED and surface.estimate is not None:
            return f"{done} computed, the others {surface.estimate.words}"
        if outcome is Outcome.RUNNING and surface.estimate is not None and surface.estimate.kind != "interpolated":
            return f"{done} exact; preview: {surface.question['preview']}"
        return done if outcome is Outcome.RUNNING or outcome.succeeded else f"{done}, {outcome}"

    @property
    def words(self) -> str:
        """What the caption adds."""
        return f"{self.note} {self.caution}".strip()

    def preview(self) -> Progress | None:
        """How far a preview is, where there is one and it is time to say so; a last one once it is over."""
        surface = self.surface
        if surface is None or (self.previewed is None and "previewed" not in surface.question):
            return None
        done, total = int(surface.question.get("previewed", surface.total)), surface.total
        if done == self.previewed or not self.pace.due(now=done == total):
            return None
        self.previewed = done
        return Progress(self.id, "picture", "bfloat16 preview", done, total, None, ())

    def result(self, outcome: Outcome) -> Result:
        """The end of its request, without a verdict: it may wait for acks, and one from before the eigenpairs would
        come after theirs.
        """
        return Result(
            self.id,
            "picture",
            str(outcome),
            outcome.advice,
            evaluations=0 if self.surface is None else self.surface.evaluations,
            seconds=time.perf_counter() - self.started,
        )
