"""One lab: settings in, a job that yields states, snapshots out; the latest request wins."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from landscape_widgets.errors import LandscapeError, Outcome
from landscape_widgets.protocol.messages import Error, Result
from landscape_widgets.session.dispatch import error_reply
from landscape_widgets.session.outbox import TileOutbox
from landscape_widgets.session.pace import Pace
from landscape_widgets.session.scheduler import Job, JobEnd, Scheduler
from landscape_widgets.session.snapshots import Snapshots

Settings = TypeVar("Settings", contravariant=True)
State = TypeVar("State")

REPORT_SECONDS = 0.05
"""Least time between two states."""


class Lab(Protocol[Settings, State]):
    """What a kind of lab provides; all of it runs on the scheduler's thread."""

    purpose: Any

    def check(self, settings: Settings) -> None:
        """Raise `LandscapeError` for settings that cannot be."""

    def steps(self, settings: Settings) -> Iterator[State]:
        """Compute in bounded steps, reusing what earlier runs have; the last state is the finished one."""

    def message(self, state: State, id: str, run: int, seq: int) -> tuple[Any, list[memoryview]]:
        """A state as a message with its buffers."""

    def on_begin(self, settings: Settings) -> None:
        """A run with these settings begins."""

    def on_state(self, state: State, finished: bool) -> None:
        """The state has moved, or the run has ended with it."""

    def on_error(self, error: Error) -> None:
        """A request has failed."""


class LabWork(Generic[Settings, State]):
    """Runs a lab on the scheduler; its methods run on the scheduler's thread, each request ends exactly once."""

    def __init__(self, lab: Lab[Settings, State], scheduler: Scheduler, outbox: TileOutbox, key: Hashable) -> None:
        self._lab, self._scheduler, self._outbox, self._key = lab, scheduler, outbox, key
        self.snapshots = Snapshots(outbox, scheduler.call_later)
        self.job: Job[State] | None = None
        self.state: State | None = None
        self._id = ""
        self._runs = self._replays = 0
        self._pace = Pace(REPORT_SECONDS)

    def request(self, id: str, settings: Settings) -> None:
        """Begin a run; an earlier one ends as cancelled, and what it has computed is kept by the lab."""
        try:
            self._lab.check(settings)
        except LandscapeError as error:
            self._failed(error_reply(error, id, self._lab.purpose))
            return
        self._scheduler.cancel(self._key, "superseded")
        self._lab.on_begin(settings)
        self._runs += 1
        run = self._runs
        job: Job[State] = Job(
            self._key,
            lambda: self._lab.steps(settings),
            interactive=True,
            on_step=lambda state: self._moved(id, run, state),
            on_end=lambda end: self._ended(id, run, end),
        )
        self.job = self._scheduler.submit(job)

    def cancel(self) -> None:
        """Stop; what is known stays."""
        self._scheduler.cancel(self._key)

    def replay(self) -> None:
        """Send the newest state again, to a page that has just come."""
        if self.state is not None:
            self._replays += 1
            self._put(f"replay-{self._replays}" if self.job is None else self._id, self.state)

    def _moved(self, id: str, run: int, state: State) -> None:
        self.state = state
        first = self._id != id
        if first:
            self._id = id
            self.snapshots.begin(run)
        if not self._pace.due(now=first):
            return
        self._put(id, state)
        self._lab.on_state(state, False)

    def _put(self, id: str, state: State) -> None:
        self.snapshots.put(lambda run, seq: self._lab.message(state, id, run, seq))

    def _ended(self, id: str, run: int, end: JobEnd[State]) -> None:
        if run == self._runs:
            self.job = None
        if end.state == "failed":
            self._failed(error_reply(end.error or RuntimeError("unknown"), id, self._lab.purpose))
            return
        outcome = Outcome.COMPLETE if end.state == "finished" else Outcome.CANCELLED
        result = Result(id, self._lab.purpose, str(outcome), outcome.advice)
        if end.last is None or self._id != id:
            self._outbox.post(result)
            return
        self._put(id, end.last)
        self.snapshots.finish(result)
        self._lab.on_state(end.last, True)

    def _failed(self, error: Error) -> None:
        self._outbox.post(error)
        self._lab.on_error(error)
