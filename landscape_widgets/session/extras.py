"""Work beside the picture: cuts along several directions, tracks seen from its plane, and news of the queue."""

from __future__ import annotations

import concurrent.futures
import typing
from collections.abc import Callable, Hashable
from typing import Any

from landscape_widgets.errors import LandscapeError, Outcome
from landscape_widgets.protocol.messages import CurveSettings, Progress, Queue, QueuedJob, Result, Track, Work
from landscape_widgets.results import Direction, Eigenpairs
from landscape_widgets.session.curves import Cuts, check_curves, curve_steps, curve_words, curves_message
from landscape_widgets.session.dispatch import error_reply
from landscape_widgets.session.outbox import TileOutbox
from landscape_widgets.session.pace import Pace
from landscape_widgets.session.scheduler import Job, JobEnd, Scheduler
from landscape_widgets.session.sources import Sources
from landscape_widgets.session.tracks import track_steps

REPORT_SECONDS = 0.2
"""Least time between two reports of unfinished cuts."""

WORK: dict[str, Work] = {name: name for name in typing.get_args(Work)}


class CurveWork:
    """The cuts of one widget; its methods run on the scheduler's thread, and each request ends exactly once."""

    def __init__(
        self,
        sources: Sources,
        scheduler: Scheduler,
        outbox: TileOutbox,
        key: Hashable,
        executor: concurrent.futures.Executor,
    ) -> None:
        self._sources, self._scheduler, self._outbox = sources, scheduler, outbox
        self._key, self._executor = key, executor
        self.job: Job[Any] | None = None
        self._waiting: tuple[str, CurveSettings] | None = None
        self._shown: tuple[str, CurveSettings, Cuts] | None = None
        self._pace, self._replays = Pace(REPORT_SECONDS), 0

    @property
    def waits(self) -> bool:
        """Whether a request waits for Hessian directions."""
        return self._waiting is not None

    def request(self, id: str, settings: CurveSettings, pairs: Eigenpairs | None) -> None:
        """Compute these cuts; an earlier request ends as cancelled."""
        try:
            check_curves(settings, self._sources)
        except LandscapeError as error:
            self._outbox.post(error_reply(error, id, "curves"))
            return
        self.pairs_missing()
        self._scheduler.cancel(self._key, "superseded")
        if pairs is None and any(choice.source == "hessian" for choice in settings.choices):
            self._waiting = (id, settings)
        else:
            self._begin(id, settings, pairs)

    def pairs_known(self, pairs: Eigenpairs) -> None:
        """Begin what waited for Hessian directions."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._begin(*waiting, pairs)

    def pairs_missing(self) -> None:
        """End what waits for Hessian directions."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._end(waiting[0], Outcome.CANCELLED)

    def replay(self) -> None:
        """Send the newest cuts again, to a page that has just come."""
        if self._shown is not None:
            self._replays += 1
            self._send(f"curves-replay-{self._replays}", *self._shown[1:])

    def _begin(self, id: str, settings: CurveSettings, pairs: Eigenpairs | None) -> None:
        preparation = self._sources.preparation(settings.choices)

        def steps() -> Any:
            if preparation is not None:
                yield from preparation
            yield from curve_steps(settings, self._sources, pairs, self._executor)

        job: Job[Any] = Job(
            self._key,
            steps,
            interactive=True,
            on_step=lambda step: self._moved(id, settings, step),
            on_end=lambda end: self._ended(id, settings, end),
        )
        self.job = self._scheduler.submit(job)

    def _moved(self, id: str, settings: CurveSettings, step: str | Cuts) -> None:
        if isinstance(step, str):
            self._outbox.post(Progress(id, "curves", step, 0, None, None, ()))
            return
        before = self._shown
        known = 0 if before is None or before[0] != id else len(before[2].curves)
        if len(step.curves) > known and self._pace.due():
            self._send(id, settings, step)
            self._shown = (id, settings, step)

    def _ended(self, id: str, settings: CurveSettings, end: JobEnd[Any]) -> None:
        if end.state == "failed":
            self._outbox.post(error_reply(end.error or RuntimeError("unknown"), id, "curves"))
            return
        if isinstance(end.last, Cuts) and end.last.curves:
            self._send(id, settings, end.last)
            self._shown = (id, settings, end.last)
        self._end(id, Outcome.COMPLETE if end.state == "finished" else Outcome.CANCELLED)

    def _send(self, id: str, settings: CurveSettings, cuts: Cuts) -> None:
        words = curve_words(self._sources.objective, settings)
        self._outbox.post(*curves_message(id, settings, cuts, words))

    def _end(self, id: str, outcome: Outcome) -> None:
        self._outbox.post(Result(id, "curves", str(outcome), outcome.advice))


class TrackWork:
    """Projects the training path and the other models onto the plane of a picture, in the background."""

    def __init__(self, sources: Sources, scheduler: Scheduler, key: Hashable) -> None:
        self._sources, self._scheduler, self._key = sources, scheduler, key
        self.job: Job[Any] | None = None

    @property
    def any(self) -> bool:
        """Whether there is anything to project."""
        return bool(self._sources.models) or self._sources.checkpoints is not None

    def request(
        self,
        plane: tuple[Direction, Direction],
        found: Callable[[tuple[Track, ...]], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        """Begin for a plane; an earlier one ends."""

        def ended(end: JobEnd[tuple[Track, ...]]) -> None:
            if end.state == "failed":
                failed(end.error or RuntimeError("unknown"))
            elif end.state == "finished" and end.last:
                found(end.last)

        self.job = self._scheduler.submit(Job(self._key, lambda: track_steps(self._sources, plane), on_end=ended))


class QueueNotice:
    """Tells the page where the jobs of its widget stand among all jobs of the kernel, whenever that changes."""

    def __init__(self, scheduler: Scheduler, outbox: TileOutbox, owner: Hashable) -> None:
        self._scheduler, self._outbox, self._owner = scheduler, outbox, owner
        self._told = Queue(())
        scheduler.watch(self._moved)

    def send(self) -> None:
        """Tell it now."""
        self._told = self._standing()
        self._outbox.post(self._told)

    def _moved(self) -> None:
        if self._outbox.attached and self._standing() != self._told:
            self.send()

    def _standing(self) -> Queue:
        queue: list[tuple[Any, bool]] = self._scheduler.queue()
        jobs = [
            QueuedJob(WORK[key[1]], paused, place + 1, len(queue))
            for place, (key, paused) in enumerate(queue)
            if isinstance(key, tuple) and key[0] == self._owner and key[1] in WORK
        ]
        return Queue(tuple(jobs))
