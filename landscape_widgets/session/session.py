"""A model with its data and caches: requests in, jobs on the scheduler, replies and state out."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.errors import LandscapeError, Outcome
from landscape_widgets.protocol.messages import (
    CurveSettings,
    Error,
    Frame,
    PictureSettings,
    Progress,
    Result,
    Track,
    Verdict,
)
from landscape_widgets.results import Eigenpairs, SliceCurvature, Surface
from landscape_widgets.session.dispatch import error_reply
from landscape_widgets.session.eigen import EigenWork, lanczos_of, pair_messages, pair_progress
from landscape_widgets.session.extras import CurveWork, QueueNotice, TrackWork
from landscape_widgets.session.frames import make_frame
from landscape_widgets.session.honesty import SliceWork, common_scale
from landscape_widgets.session.listener import Listener, default_executor
from landscape_widgets.session.outbox import TileOutbox
from landscape_widgets.session.picture import Update, check_preview, grid_of, newly_known, picture_steps
from landscape_widgets.session.planes import Planes
from landscape_widgets.session.run import Run
from landscape_widgets.session.scheduler import Job, JobEnd, Scheduler
from landscape_widgets.session.settings import check, needs_eigenpairs, plane, same_region
from landscape_widgets.session.sources import Sources
from landscape_widgets.session.verdict import verdict

NO_POINTS = np.empty(0, np.int32), np.empty(0)


class Session:
    """One model in one widget; its methods run on the scheduler's thread unless they say otherwise."""

    def __init__(
        self,
        sources: Sources,
        *,
        scheduler: Scheduler,
        outbox: TileOutbox,
        listener: Listener,
        tol: float = 1e-3,
        seed: int = 0,
        executor: concurrent.futures.Executor | None = None,
        pairs: Eigenpairs | None = None,
        surfaces: Sequence[Surface] = (),
        slices: int = 40,
        preview: str | None = None,
    ) -> None:
        self.preview = check_preview(preview)
        self._executor = default_executor() if executor is None else executor
        self.sources, self.objective = sources, sources.objective
        self.operator = HessianOperator(self.objective)
        self.scheduler, self.outbox, self.listener = scheduler, outbox, listener
        self.eigen = EigenWork(
            lanczos_of(self.operator, sources.eigenpairs, tol, seed),
            scheduler,
            self.key("eigenpairs"),
            moved=self._pairs_moved,
            ended=self._pairs_ended,
            known=pairs,
        )
        self.curves = CurveWork(sources, scheduler, outbox, self.key("curves"), self._executor)
        self.tracks = TrackWork(sources, scheduler, self.key("tracks"))
        self.slices = SliceWork(self.objective, scheduler, outbox, self.key("slices"), slices, self._restate)
        self.queue = QueueNotice(scheduler, outbox, id(self))
        self.run: Run | None = None
        self.error: Error | None = None
        self.picture_job: Job[Any] | None = None
        self._runs = self._replays = 0
        self._waiting: Run | None = None
        self.planes = Planes()
        self._given = tuple(surfaces)

    def key(self, purpose: str) -> tuple[int, str]:
        """The key of this widget's job of a purpose."""
        return id(self), purpose

    @property
    def pairs(self) -> Eigenpairs | None:
        """The eigenpairs, once computed."""
        return self.eigen.pairs

    # ------------------------------------------------------------ requests

    def request_picture(self, id: str, settings: PictureSettings, *, keep_region: bool = False) -> None:
        """Begin a picture; an earlier one ends as cancelled. What is not offered changes nothing."""
        try:
            check(settings, self.sources)
            kept = self._same_region(settings) if keep_region else settings
        except LandscapeError as error:
            self._failed(error_reply(error, id, "picture"))
            return
        self._supersede()
        self._runs += 1
        note = "Ranges cover the same parameter distance as before." if kept != settings else ""
        run = Run(id, self._runs, kept, note)
        self.error = None
        self.listener.on_settings(kept)
        self._advance(run)

    def request_curves(self, id: str, settings: CurveSettings) -> None:
        """Compute cuts; Hessian directions that are not known yet are waited for."""
        self.curves.request(id, settings, self.pairs)
        if self.curves.waits:
            self.eigen.request(interactive=True)

    def request_eigenpairs(self) -> None:
        """Compute the Hessian's ends in the background, unless that is done or under way."""
        self.eigen.request()

    def cancel(self, purpose: str) -> None:
        """Stop what is computed for a purpose; what is known stays. A picture that waits for pairs ends too."""
        if purpose == "picture":
            self._supersede("cancelled")
        else:
            self.scheduler.cancel(self.key(purpose))

    def pause(self, purpose: str, paused: bool) -> bool:
        """Hold a job between two steps, or let it go on; whether there was one."""
        return (self.scheduler.pause if paused else self.scheduler.resume)(self.key(purpose))

    def jobs(self) -> list[Job[Any]]:
        """What has not ended."""
        found = [self.picture_job, self.eigen.job, self.curves.job, self.tracks.job]
        return [job for job in found if job is not None and job.end is None]

    def set_idle(self, idle: bool) -> None:
        """Whether nobody looks: then other widgets go first."""
        for job in self.jobs():
            job.idle = idle

    def replay(self) -> None:
        """Send everything a page that has just come needs, after the answer to its hello."""
        run = self.run
        if run is not None and run.plane is not None:
            if run.ended:  # its request has had its end: what is shown again goes by another name
                self._replays += 1
                run.id = f"replay-{self._replays}"
            self.outbox.begin(run.id, run.number, **self._head(run))
            run.sent = None
            self._send_points(run, None)
            if run.ended:
                self.outbox.finish(run.result(run.surface.outcome if run.surface else Outcome.CANCELLED))
        if self.eigen.job is not None and self.eigen.newest is not None:
            self.outbox.post(pair_progress(self.eigen.newest))
        elif self.pairs is not None:
            self.outbox.post(self._pair_result(self.pairs))
        self.curves.replay()
        self.queue.send()
        if self.error is not None:
            self.outbox.post(self.error)

    def close(self) -> None:
        """End everything; any thread."""
        for purpose in ("picture", "eigenpairs", "curves", "tracks", "slices"):
            self.scheduler.cancel(self.key(purpose), "closed")

    # ------------------------------------------------------------ a picture

    def _supersede(self, reason: str = "superseded") -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.outbox.post(Result(waiting.id, "picture", str(Outcome.CANCELLED), Outcome.CANCELLED.advice))
        self.scheduler.cancel(self.key("tracks"), reason)
        self.scheduler.cancel(self.key("picture"), reason)

    def _same_region(self, settings: PictureSettings) -> PictureSettings:
        run = self.run
        if run is None or run.plane is None:
            return settings
        return same_region(settings, run.settings, run.plane, self.sources, self.pairs)

    def _advance(self, run: Run) -> None:
        """Begin a picture, once its directions are known."""
        if needs_eigenpairs(run.settings) and self.pairs is None:
            self._waiting = run
            self.listener.on_status("waiting for Hessian directions", 0.0)
            self.eigen.request(interactive=True)
            return
        preparation = self.sources.preparation((run.settings.alpha, run.settings.beta))
        if preparation is None:
            self._begin(run)
        else:
            self._prepare(run, preparation)

    def _prepare(self, run: Run, steps: Generator[str, None, None]) -> None:
        """Compute what the directions need, then begin."""

        def ended(end: JobEnd[str]) -> None:
            if end.state == "finished":
                self._advance(run)
            elif end.state == "failed":
                self._failed(error_reply(end.error or RuntimeError("unknown"), run.id, "picture"))
            else:
                self.outbox.post(Result(run.id, "picture", str(Outcome.CANCELLED), Outcome.CANCELLED.advice))

        def said(text: str) -> None:
            self.listener.on_status(text, 0.0)

        self.outbox.post(Progress(run.id, "picture", "computing the directions", 0, None, None, ()))
        job: Job[Any] = Job(self.key("picture"), steps, interactive=True, urgent=True, on_step=said, on_end=ended)
        self.picture_job = self.scheduler.submit(job)

    def _begin(self, run: Run) -> None:
        settings, known = run.settings, self.planes.of(run.settings)
        try:
            run.plane = plane(settings, self.sources, self.pairs)
            reuse = [*(surface for _, surface in known.surfaces), *self._given]
            run.evaluator = grid_of(self.objective, run.plane, settings, reuse, self._executor, self.preview)
        except LandscapeError as error:
            self._failed(error_reply(error, run.id, "picture"))
            return
        run.curvature, run.tracks = known.curvature, known.tracks
        evaluator, directions, curvature = run.evaluator, run.plane, run.curvature
        job: Job[Update] = Job(
            self.key("picture"),
            lambda: picture_steps(evaluator, self.operator, directions, curvature),
            interactive=True,
            urgent=True,
            on_step=lambda update: self._picture_moved(run, update),
            on_end=lambda end: self._picture_ended(run, end),
        )
        self.run = run
        self.outbox.begin(run.id, run.number, self._frame(run))
        self.outbox.add(*NO_POINTS, 0, 0, run.points)
        self.picture_job = self.scheduler.submit(job)
        if self.tracks.any and not run.tracks:
            self.tracks.request(
                run.plane,
                lambda tracks: self._tracks_found(run, tracks),
                lambda error: self._failed(error_reply(error, "tracks", "settings")),
            )

    def _tracks_found(self, run: Run, tracks: tuple[Track, ...]) -> None:
        self.planes.of(run.settings).tracks = tracks
        if self.run is run:
            run.tracks = tracks
            self._reframe(run)

    def _reframe(self, run: Run) -> None:
        """Send the head of a picture again; of one that has ended, all of it."""
        if run.ended:
            self.replay()
            if run.surface is not None:
                self.listener.on_surface(run.surface, True)
        else:
            done = 0 if run.surface is None else run.surface.done
            self.outbox.add(*NO_POINTS, run.level, done, run.points, **self._head(run))

    def _picture_moved(self, run: Run, update: Update) -> None:
        fresh_frame = (update.curvature is not None and run.curvature is None) or update.caution != run.caution
        run.caution = update.caution
        if update.curvature is not None:
            run.curvature = self.planes.of(run.settings).curvature = update.curvature
        if update.surface is None:
            if fresh_frame:
                self.outbox.add(*NO_POINTS, 0, 0, run.points, frame=self._frame(run))
            return
        run.surface, run.level = update.surface, update.level
        self._send_points(run, update.seconds_left, fresh_frame)
        if (preview := run.preview()) is not None:
            self.outbox.post(preview)
        if update.level and self.picture_job is not None:
            self.picture_job.urgent = False  # the first picture stands: others may take turns
        self.listener.on_surface(update.surface, False)
        self.listener.on_status(run.status, update.surface.done / update.surface.total)

    def _send_points(self, run: Run, seconds_left: float | None, fresh_frame: bool = False) -> None:
        surface = run.surface
        if surface is None:
            self.outbox.add(*NO_POINTS, 0, 0, run.points)
            return
        index, values = newly_known(surface, run.sent)
        run.sent = surface.known
        head = {} if surface.estimate is run.estimate and not fresh_frame else self._head(run)
        self.outbox.add(index, values, run.level, surface.done, surface.total, seconds_left, **head)

    def _picture_ended(self, run: Run, end: JobEnd[Update]) -> None:
        if run.surface is not None:
            self.planes.of(run.settings).remember(run.settings, run.surface)
        if end.state == "failed":
            error = error_reply(end.error or RuntimeError("unknown"), run.id, "picture")
            run.ended = True
            self._failed(error, after_tiles=run is self.run)
            return
        outcome = Outcome.CANCELLED
        if end.state == "finished" and run.surface is not None:
            outcome = run.surface.outcome
        if run.surface is not None:
            run.surface = dataclasses.replace(run.surface, outcome=outcome)
        current = run is self.run
        if current and run.surface is not None and run.surface.estimate is not None:
            self._reframe(run)
        run.ended = True
        (self.outbox.finish if current else self.outbox.post)(run.result(outcome))
        if current and run.surface is not None:
            self.listener.on_surface(run.surface, True)
            self.listener.on_status(run.status, run.surface.done / run.surface.total)
            self._compare()

    def _failed(self, error: Error, *, after_tiles: bool = False) -> None:
        self.error = error
        (self.outbox.finish if after_tiles else self.outbox.post)(error)
        self.listener.on_error(error)

    def frame(self) -> Frame:
        """The head of the current picture."""
        if self.run is None:
            raise LandscapeError("expected a picture, got none yet", "wait for the first one")
        return self._frame(self.run)

    def _head(self, run: Run) -> dict[str, Any]:
        """The head of a picture as the outbox takes it, with the values between its points where they are drawn."""
        run.estimate = None if run.surface is None else run.surface.estimate
        values = None if run.surface is None or run.estimate is None else run.surface.filled
        return {"frame": self._frame(run), "estimate": values}

    def _frame(self, run: Run) -> Frame:
        assert run.plane is not None
        assert run.evaluator is not None
        found = self._verdict(run.curvature)
        about = (run.curvature, found, run.words, run.tracks, run.degrees)
        return make_frame(self.objective, run.evaluator, run.plane, *about, surface=run.surface)

    def _verdict(self, curvature: SliceCurvature | None) -> Verdict | None:
        sample = None if self.run is None else self.slices.sample(self._scale(self.run))
        return None if curvature is None else verdict(curvature, self.pairs, sample)

    def _compare(self) -> None:
        """Draw random slices beside a finished picture, while nothing else is to be done."""
        if self.run is not None and self.run.ended and self.eigen.job is None and self.error is None:
            self.slices.request(self._scale(self.run))

    def _scale(self, run: Run) -> str:
        return common_scale(run.settings.alpha, run.settings.beta)

    def _restate(self) -> None:
        """Say again what the slice shows, with the random slices drawn since."""
        if self.pairs is not None:
            self.outbox.post(self._pair_result(self.pairs))
        if self.run is not None and self.run.ended and self.run.surface is not None:
            self.listener.on_surface(self.run.surface, True)

    # ------------------------------------------------------------ eigenpairs

    def _pairs_moved(self, pairs: Eigenpairs) -> None:
        self.outbox.post(pair_progress(pairs))
        self.listener.on_pairs(pairs, False)

    def _pairs_ended(self, end: JobEnd[Eigenpairs]) -> None:
        pairs = self.pairs
        if end.state == "failed" or pairs is None:
            self._pairs_missing(end)
            return
        self.outbox.post(self._pair_result(pairs))
        self.listener.on_pairs(pairs, True)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._advance(waiting)
        self.curves.pairs_known(pairs)
        self._compare()

    def _pairs_missing(self, end: JobEnd[Eigenpairs]) -> None:
        """No vectors came: say why, and end the picture that waited for them in the same way."""
        waiting, self._waiting = self._waiting, None
        self.curves.pairs_missing()
        if end.error is not None:
            self._failed(error_reply(end.error, "eigenpairs", "eigenpairs"))
            if waiting is not None:
                self._failed(error_reply(end.error, waiting.id, "picture"))
            return
        outcome = Outcome.CANCELLED
        self.outbox.post(Result("eigenpairs", "eigenpairs", str(outcome), outcome.advice))
        if waiting is not None:
            self.outbox.post(Result(waiting.id, "picture", str(outcome), outcome.advice))
            self.listener.on_status("cancelled before the Hessian directions were known", 0.0)

    def _pair_result(self, pairs: Eigenpairs) -> Result:
        found = self._verdict(self.run.curvature) if self.run is not None else None
        outcome, rows = pairs.outcome, pair_messages(pairs)
        return Result(
            "eigenpairs", "eigenpairs", str(outcome), outcome.advice, rows, products=pairs.products, verdict=found
        )
