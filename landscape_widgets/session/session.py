"""A model with its data and caches: requests in, jobs on the scheduler, replies and state out."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import os
import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from landscape_widgets.compute.grid import GridEvaluator
from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.errors import LandscapeError, Outcome
from landscape_widgets.protocol.messages import Error, Frame, Pair, PictureSettings, Progress, Result, Verdict
from landscape_widgets.results import Direction, Eigenpairs, SliceCurvature, Surface
from landscape_widgets.session.dispatch import error_reply
from landscape_widgets.session.frames import make_frame
from landscape_widgets.session.outbox import TileOutbox
from landscape_widgets.session.picture import Update, newly_known, picture_steps
from landscape_widgets.session.scheduler import Job, JobEnd, Scheduler
from landscape_widgets.session.settings import check_offered, needs_eigenpairs, plane
from landscape_widgets.session.verdict import verdict

KEPT_SURFACES = 8
"""Surfaces of one plane kept for reuse."""

MAX_PRODUCTS = 1000
"""Budget of Hessian-vector products for the eigenpairs of one widget."""

REPORT_SECONDS = 0.1
"""Least time between two reports of moving eigenpairs."""


WORKERS = min(4, os.cpu_count() or 1)
"""Blocks of a grid under way at a time."""


@functools.cache
def default_executor() -> concurrent.futures.Executor:
    """The worker threads of this process, shared by all sessions."""
    return concurrent.futures.ThreadPoolExecutor(WORKERS, thread_name_prefix="landscape-worker")


class Listener(Protocol):
    """What a widget wants to hear; every call comes on the scheduler's thread."""

    def on_settings(self, settings: PictureSettings) -> None:
        """A picture with these settings begins."""

    def on_surface(self, surface: Surface, finished: bool) -> None:
        """The surface has grown, or ended."""

    def on_pairs(self, pairs: Eigenpairs, finished: bool) -> None:
        """The eigenpairs have moved, or ended."""

    def on_status(self, text: str, progress: float) -> None:
        """What is being done, in words, and how far it is, 0 to 1."""

    def on_error(self, error: Error) -> None:
        """A request has failed."""


@dataclasses.dataclass(eq=False)
class Run:
    """One picture from its request to its end."""

    id: str
    number: int
    settings: PictureSettings
    evaluator: GridEvaluator | None = None
    plane: tuple[Direction, Direction] | None = None
    curvature: SliceCurvature | None = None
    surface: Surface | None = None
    sent: np.ndarray | None = None
    level: int = 0
    started: float = dataclasses.field(default_factory=time.perf_counter)
    caution: str = ""
    framed: bool = False
    ended: bool = False


class Session:
    """One model in one widget; its methods run on the scheduler's thread unless they say otherwise."""

    def __init__(
        self,
        objective: Objective,
        *,
        scheduler: Scheduler,
        outbox: TileOutbox,
        listener: Listener,
        given: Sequence[Direction] = (),  # shared: the widget may add to it
        largest: int = 1,
        smallest: int = 1,
        tol: float = 1e-3,
        seed: int = 0,
        executor: concurrent.futures.Executor | None = None,
    ) -> None:
        self._executor = default_executor() if executor is None else executor
        self.objective = objective
        self.operator = HessianOperator(objective)
        self.scheduler, self.outbox, self.listener = scheduler, outbox, listener
        self.given = given
        largest = min(largest, objective.size)
        smallest = min(smallest, objective.size - largest)
        self._lanczos = Lanczos(self.operator, largest, smallest, tol=tol, seed=seed, max_products=MAX_PRODUCTS)
        self.eigenpair_indices = (*range(largest), *range(-smallest, 0))
        self.pairs: Eigenpairs | None = None
        self.newest_pairs: Eigenpairs | None = None
        self.run: Run | None = None
        self.error: Error | None = None
        self.pair_job: Job[Eigenpairs] | None = None
        self.picture_job: Job[Update] | None = None
        self._runs = self._replays = 0
        self._reported = 0.0
        self._waiting: Run | None = None
        self._surfaces: dict[tuple[Any, ...], list[Surface]] = {}
        self._curvatures: dict[tuple[Any, ...], SliceCurvature] = {}

    # ------------------------------------------------------------ requests

    def request_picture(self, id: str, settings: PictureSettings) -> None:
        """Begin a picture; an earlier one ends as cancelled. Directions not offered change nothing."""
        try:
            check_offered(settings, len(self.given), len(self.eigenpair_indices))
        except LandscapeError as error:
            self._failed(error_reply(error, id, "picture"))
            return
        self._supersede()
        self._runs += 1
        run = Run(id, self._runs, settings)
        self.error = None
        self.listener.on_settings(settings)
        if needs_eigenpairs(settings) and self.pairs is None:
            self._waiting = run
            self.listener.on_status("waiting for Hessian directions", 0.0)
            self.request_eigenpairs(interactive=True)
        else:
            self._begin(run)

    def request_eigenpairs(self, *, interactive: bool = False) -> None:
        """Compute the Hessian's ends, unless that is done or under way."""
        if self.pair_job is not None:
            self.pair_job.interactive = self.pair_job.interactive or interactive
            return
        job: Job[Eigenpairs] = Job(
            (id(self), "eigenpairs"),
            self._lanczos.stream,
            interactive=interactive,
            on_step=self._pairs_moved,
            on_end=self._pairs_ended,
        )
        self.pair_job = self.scheduler.submit(job)

    def cancel(self, purpose: str) -> None:
        """Stop what is computed for a purpose; what is known stays. A picture that waits for pairs ends too."""
        if purpose == "picture":
            self._supersede("cancelled")
        else:
            self.scheduler.cancel((id(self), "eigenpairs"))

    def replay(self) -> None:
        """Send everything a page that has just come needs, after the answer to its hello."""
        run = self.run
        if run is not None and run.plane is not None:
            if run.ended:  # its request has had its end: what is shown again goes by another name
                self._replays += 1
                run.id = f"replay-{self._replays}"
            self.outbox.begin(run.id, run.number, self._frame(run))
            run.sent = None
            self._send_points(run, None)
            if run.ended:
                self.outbox.finish(self._result(run, run.surface.outcome if run.surface else Outcome.CANCELLED))
        if self.pair_job is not None and self.newest_pairs is not None:
            self.outbox.post(self._pair_progress(self.newest_pairs))
        elif self.pairs is not None:
            self.outbox.post(self._pair_result(self.pairs))
        if self.error is not None:
            self.outbox.post(self.error)

    def close(self) -> None:
        """End everything; any thread."""
        for purpose in ("picture", "eigenpairs"):
            self.scheduler.cancel((id(self), purpose), "closed")

    # ------------------------------------------------------------ a picture

    def _supersede(self, reason: str = "superseded") -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.outbox.post(Result(waiting.id, "picture", str(Outcome.CANCELLED), Outcome.CANCELLED.advice))
        self.scheduler.cancel((id(self), "picture"), reason)

    def _begin(self, run: Run) -> None:
        try:
            run.plane = plane(run.settings, self.objective, self.pairs, self.given)
            key = self._key(run.settings)
            run.evaluator = GridEvaluator(
                self.objective,
                run.plane,
                run.settings.extent,
                run.settings.resolution,
                reuse=self._surfaces.get(key, ()),
                executor=self._executor,
                workers=WORKERS,
            )
        except LandscapeError as error:
            self._failed(error_reply(error, run.id, "picture"))
            return
        run.curvature = self._curvatures.get(key)
        evaluator, directions, curvature = run.evaluator, run.plane, run.curvature
        job: Job[Update] = Job(
            (id(self), "picture"),
            lambda: picture_steps(evaluator, self.operator, directions, curvature),
            interactive=True,
            urgent=True,
            on_step=lambda update: self._picture_moved(run, update),
            on_end=lambda end: self._picture_ended(run, end),
        )
        self.run = run
        self.outbox.begin(run.id, run.number, self._frame(run))
        self.outbox.add(np.empty(0, np.int32), np.empty(0), 0, 0, len(run.evaluator.coordinates[0]) ** 2)
        self.picture_job = self.scheduler.submit(job)

    def _picture_moved(self, run: Run, update: Update) -> None:
        fresh_frame = (update.curvature is not None and run.curvature is None) or update.caution != run.caution
        run.caution = update.caution
        if update.curvature is not None:
            run.curvature = update.curvature
            self._curvatures[self._key(run.settings)] = update.curvature
        if update.surface is None:
            if fresh_frame:
                size = run.settings.resolution**2
                self.outbox.add(np.empty(0, np.int32), np.empty(0), 0, 0, size, frame=self._frame(run))
            return
        run.surface, run.level = update.surface, update.level
        self._send_points(run, update.seconds_left)
        if update.level and self.picture_job is not None:
            self.picture_job.urgent = False  # the first picture stands: others may take turns
        self.listener.on_surface(update.surface, False)
        surface = update.surface
        self.listener.on_status(f"{surface.done:,} of {surface.total:,} points", surface.done / surface.total)

    def _send_points(self, run: Run, seconds_left: float | None) -> None:
        surface = run.surface
        if surface is None:
            self.outbox.add(np.empty(0, np.int32), np.empty(0), 0, 0, run.settings.resolution**2)
            return
        index, values = newly_known(surface, run.sent)
        run.sent = surface.known
        self.outbox.add(index, values, run.level, surface.done, surface.total, seconds_left)

    def _picture_ended(self, run: Run, end: JobEnd[Update]) -> None:
        run.ended = True
        if run.surface is not None:
            self._remember(run)
        if end.state == "failed":
            error = error_reply(end.error or RuntimeError("unknown"), run.id, "picture")
            self._failed(error, after_tiles=run is self.run)
            return
        outcome = Outcome.CANCELLED
        if end.state == "finished" and run.surface is not None:
            outcome = run.surface.outcome
        if run.surface is not None:
            run.surface = dataclasses.replace(run.surface, outcome=outcome)
        current = run is self.run
        (self.outbox.finish if current else self.outbox.post)(self._result(run, outcome))
        if current and run.surface is not None:
            self.listener.on_surface(run.surface, True)
            done = f"{run.surface.done:,} of {run.surface.total:,} points"
            self.listener.on_status(
                done if outcome.succeeded else f"{done}, {outcome}", run.surface.done / run.surface.total
            )

    def _failed(self, error: Error, *, after_tiles: bool = False) -> None:
        self.error = error
        (self.outbox.finish if after_tiles else self.outbox.post)(error)
        self.listener.on_error(error)

    def _remember(self, run: Run) -> None:
        kept = self._surfaces.setdefault(self._key(run.settings), [])
        if run.surface is not None:
            kept.append(run.surface)
            del kept[:-KEPT_SURFACES]

    def _key(self, settings: PictureSettings) -> tuple[Any, ...]:
        """What decides the plane, apart from range and resolution."""
        return (settings.alpha, settings.beta, settings.scale)

    def frame(self) -> Frame:
        """The head of the current picture."""
        if self.run is None:
            raise LandscapeError("expected a picture, got none yet", "wait for the first one")
        return self._frame(self.run)

    def _frame(self, run: Run) -> Frame:
        assert run.plane is not None
        assert run.evaluator is not None
        return make_frame(
            self.objective, run.evaluator, run.plane, run.curvature, self._verdict(run.curvature), run.caution
        )

    def _verdict(self, curvature: SliceCurvature | None) -> Verdict | None:
        return None if curvature is None else verdict(curvature, self.pairs)

    def _result(self, run: Run, outcome: Outcome) -> Result:
        return Result(
            run.id,
            "picture",
            str(outcome),
            outcome.advice,
            evaluations=0 if run.surface is None else run.surface.evaluations,
            seconds=time.perf_counter() - run.started,
        )  # without a verdict: it may wait for acks, and one from before the eigenpairs would come after theirs

    # ------------------------------------------------------------ eigenpairs

    def _pairs_moved(self, pairs: Eigenpairs) -> None:
        before = self.newest_pairs
        if before is not None and before.products == pairs.products and pairs.outcome is Outcome.RUNNING:
            return
        self.newest_pairs = pairs
        now = time.perf_counter()
        if now - self._reported < REPORT_SECONDS:
            return
        self._reported = now
        self.outbox.post(self._pair_progress(pairs))
        self.listener.on_pairs(pairs, False)

    def _pairs_ended(self, end: JobEnd[Eigenpairs]) -> None:
        self.pair_job = None
        if end.state == "failed" or end.last is None or end.last.vectors.shape[1] == 0:
            self._pairs_missing(end)
            return
        self.pairs = self.newest_pairs = end.last
        self.outbox.post(self._pair_result(end.last))
        self.listener.on_pairs(end.last, True)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._begin(waiting)

    def _pairs_missing(self, end: JobEnd[Eigenpairs]) -> None:
        """No vectors came: say why, and end the picture that waited for them in the same way."""
        waiting, self._waiting = self._waiting, None
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
        return Result(
            "eigenpairs",
            "eigenpairs",
            str(pairs.outcome),
            pairs.outcome.advice,
            pairs=pair_messages(pairs),
            products=pairs.products,
            verdict=self._verdict(self.run.curvature) if self.run is not None else None,
        )

    def _pair_progress(self, pairs: Eigenpairs) -> Progress:
        stage = f"{pairs.products} products"
        return Progress("eigenpairs", "eigenpairs", stage, pairs.products, None, None, pair_messages(pairs))


def pair_messages(pairs: Eigenpairs) -> tuple[Pair, ...]:
    """Eigenvalues with residuals as messages; a pair of the bottom end is counted from there."""
    rows = []
    for position, (value, residual, accepted) in enumerate(
        zip(pairs.values, pairs.residuals, pairs.accepted, strict=True)
    ):
        index = position if position < pairs.largest else position - len(pairs.values)
        rows.append(Pair(index, _finite(value), _finite(residual), bool(accepted)))
    return tuple(rows)


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
