"""Random slices drawn while nothing else is to be done: what one drawn slice is worth among many."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.random_slices import RandomSlices
from landscape_widgets.protocol.messages import AxisChoice, Progress, Result
from landscape_widgets.results import SliceSample
from landscape_widgets.session.dispatch import error_reply
from landscape_widgets.session.outbox import TileOutbox
from landscape_widgets.session.pace import Pace
from landscape_widgets.session.scheduler import Job, JobEnd, Scheduler

REPORT_SECONDS = 1.0
"""Least time between two reports of a growing sample."""

SEED = 0
"""Of every sample."""


class SliceWork:
    """Draws random slices of the normalisation of a picture; its methods run on the scheduler's thread.

    Parameters
    ----------
    draws : slices to draw, two Hessian-vector products each; 0 draws none.
    changed : called when there is more to say, at most every `REPORT_SECONDS`.
    """

    def __init__(
        self,
        objective: Objective,
        scheduler: Scheduler,
        outbox: TileOutbox,
        key: Hashable,
        draws: int,
        changed: Callable[[], object],
    ) -> None:
        self._objective, self._scheduler, self._outbox, self._key = objective, scheduler, outbox, key
        self._draws, self._changed = draws, changed
        self._samples: dict[str, SliceSample] = {}
        self._running = ""
        self._pace = Pace(REPORT_SECONDS)

    def request(self, scale: str) -> None:
        """Draw slices of this normalisation, unless that is done or under way."""
        known = self._samples.get(scale)
        if not self._draws or self._running == scale or (known is not None and known.done >= self._draws):
            return
        slices = RandomSlices(self._objective, self._draws, SEED, None if scale == "raw" else scale)
        job: Job[Any] = Job(
            self._key,
            slices.stream,
            on_step=lambda sample: self._moved(scale, sample),
            on_end=lambda end: self._ended(scale, end),
        )
        job.idle = True
        self._running = scale
        self._scheduler.submit(job)

    def sample(self, scale: str) -> SliceSample | None:
        """The slices of this normalisation so far, if any."""
        found = self._samples.get(scale)
        return found if found is not None and found.done else None

    def _moved(self, scale: str, sample: SliceSample) -> None:
        self._samples[scale] = sample
        if self._pace.due():
            stage = f"{sample.done} of {sample.total} random slices"
            self._outbox.post(Progress("slices", "slices", stage, sample.done, sample.total, None, ()))
            self._changed()

    def _ended(self, scale: str, end: JobEnd[SliceSample]) -> None:
        if self._running == scale:
            self._running = ""
        if end.state == "failed":
            self._draws = 0  # the same would fail again
            self._outbox.post(error_reply(end.error or RuntimeError("unknown"), "slices", "slices"))
            return
        finished = end.state == "finished" and end.last is not None
        outcome = str(end.last.outcome) if finished and end.last is not None else "cancelled"
        self._outbox.post(Result("slices", "slices", outcome, ""))
        self._changed()


def common_scale(alpha: AxisChoice, beta: AxisChoice) -> str:
    """The normalisation by which slices are drawn for a picture: that of both axes, or of the first."""
    return alpha.scale if alpha.scale == beta.scale or beta.source != "random" else beta.scale
