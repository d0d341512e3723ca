"""A computation to be stepped, and the one end it comes to.

Public methods may be called from any thread. What begins with an underscore belongs to the `Scheduler`: flags
change under its lock, steps and ends happen on its thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Generic, Literal, TypeVar

from landscape_widgets.errors import LandscapeError

T = TypeVar("T")

_log = logging.getLogger(__name__)
_DONE: Any = object()
_SLICE = 0.1
"""Longest single wait in seconds: where a lock cannot be interrupted (Windows), SIGINT is seen between two."""


@dataclasses.dataclass(frozen=True, eq=False)
class JobEnd(Generic[T]):
    """How a job ended: the last value that it gave, if any, and why it stopped.

    Parameters
    ----------
    state : "finished" (the generator ran out), "cancelled" or "failed".
    last : the last value given, None if there was none.
    reason : for a cancelled job, e.g. "superseded".
    error : for a failed job, what was raised: by the generator, its `close` or `on_step`.
    callback_error : what `on_end` raised, if it did.
    """

    state: Literal["finished", "cancelled", "failed"]
    last: T | None
    reason: str = ""
    error: BaseException | None = None
    callback_error: BaseException | None = None


class Job(Generic[T]):
    """A computation to be stepped by a `Scheduler`, which ends exactly once.

    Parameters
    ----------
    key : a job submitted later with an equal key supersedes this one.
    steps : an iterator with `close`, e.g. a generator, or a function without arguments that makes one (called
        on the scheduler's thread, as part of the first step, so that set-up may be expensive).
    interactive : somebody is waiting for it: it goes before background jobs.
    urgent : as the newest interactive job it runs alone while this is True; `on_step` may clear the attribute.
    idle : attribute, False at first: nobody looks at it any more, so it is stepped only while nothing else is ready.
    on_step : called with each value; an exception ends the job as failed.
    on_end : called once with the `JobEnd`; the iterator is closed by then.
    """

    def __init__(
        self,
        key: Hashable,
        steps: Iterator[T] | Callable[[], Iterator[T]],
        *,
        interactive: bool = False,
        urgent: bool = False,
        on_step: Callable[[T], object] | None = None,
        on_end: Callable[[JobEnd[T]], object] | None = None,
    ) -> None:
        self.key = key
        self.interactive = interactive
        self.urgent = urgent
        self.idle = False
        self._steps: Any = steps
        self._on_step = on_step
        self._on_end = on_end
        self._last: T | None = None
        self._thread: threading.Thread | None = None
        self._stop: str | None = None
        self._paused = False
        self._ending = False
        self._round = 0
        self._future: concurrent.futures.Future[JobEnd[T]] = running_future()

    @property
    def end(self) -> JobEnd[T] | None:
        """How it ended, None before that."""
        return self._future.result(0) if self._future.done() else None

    def wait(self, timeout: float | None = None) -> JobEnd[T]:
        """Block until it has ended and `on_end` has returned; SIGINT interrupts the wait, not the job.

        Raises `TimeoutError` after `timeout` seconds, and `LandscapeError` on the scheduler's own thread.
        """
        self._refuse_own_thread()
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _SLICE if deadline is None else deadline - time.monotonic()
            try:
                return self._future.result(max(0.0, min(left, _SLICE)))
            except concurrent.futures.TimeoutError:
                if left <= 0:
                    raise TimeoutError(f"the job did not end within {timeout} s") from None

    async def wait_async(self) -> JobEnd[T]:
        """Wait on any asyncio loop; cancelling the wait leaves the job alone."""
        self._refuse_own_thread()
        return await asyncio.wrap_future(self._future)

    def _refuse_own_thread(self) -> None:
        if threading.current_thread() is self._thread and not self._future.done():
            raise LandscapeError(
                "expected wait() on another thread, got the scheduler's own, which would wait for itself",
                "return from the callback and go on in on_end",
            )

    def _step(self) -> JobEnd[T] | None:
        """Take one step on the scheduler's thread; return the end if this was the last."""
        try:
            if not hasattr(self._steps, "__next__"):
                self._steps = iter(self._steps())
            value = next(self._steps, _DONE)
            if value is _DONE:
                self._steps = None
                return JobEnd("finished", self._last)
            self._last = value
            if self._on_step is not None:
                self._on_step(value)
        except BaseException as error:  # noqa: BLE001 - a KeyboardInterrupt too ends this job, not the thread
            return JobEnd("failed", self._last, error=error)
        return None

    def _conclude(self, end: JobEnd[T]) -> JobEnd[T]:
        """Close the iterator and call `on_end`, on the scheduler's thread; let go of both."""
        steps, on_end = self._steps, self._on_end
        self._steps = self._on_step = self._on_end = None
        try:
            if hasattr(steps, "__next__") and hasattr(steps, "close"):
                steps.close()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it must reach the end
            report("closing a job's iterator failed")
            end = dataclasses.replace(end, state="failed", error=end.error or error)
        try:
            if on_end is not None:
                on_end(end)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it must reach the end
            report("a job's on_end failed")
            end = dataclasses.replace(end, callback_error=error)
        return end


def running_future() -> concurrent.futures.Future[Any]:
    """A future that nobody can cancel: cancelling a wait for it must not end the job's only report."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()
    return future


def report(what: str) -> None:
    """Log the exception being handled; a broken log handler must not end the thread."""
    with contextlib.suppress(BaseException):
        _log.exception(what)
