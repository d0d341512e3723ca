"""One thread that steps long computations in turn: generators in, steps and exactly one end out.

Public methods of `Scheduler` and `Job` may be called from any thread unless they say otherwise; they hold a lock
for microseconds, never wait for a running step, and never run a callback on the caller's thread. Generators and
callbacks run on the scheduler's thread, without a lock held. Global torch state is the business of each step.
"""

from __future__ import annotations

import atexit
import heapq
import itertools
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from landscape_widgets.errors import LandscapeError
from landscape_widgets.session.jobs import Job, JobEnd, report, running_future

__all__ = ["Job", "JobEnd", "Scheduler", "default_scheduler"]

T = TypeVar("T")


class Scheduler:
    """Steps jobs on one daemon thread, started at the first submit; holds nothing of a job that has ended.

    The newest interactive job runs alone while it is `urgent`; otherwise all jobs take turns, one step each,
    newest interactive first, then background jobs in order of submission; idle ones only while nothing else is ready.
    Cancel and pause take effect between two steps. In a forked child it starts afresh, without the parent's jobs.
    """

    def __init__(self, name: str = "landscape-scheduler") -> None:
        self._name = name
        self._clear()
        _SCHEDULERS.add(self)

    def submit(self, job: Job[T]) -> Job[T]:
        """Queue a job; one of the same key that has not ended ends as cancelled, "superseded"."""
        with self._changed:
            self._ensure_thread()
            if job._thread is not None:
                raise LandscapeError("expected a new job, got one that was submitted before", "make a new Job")
            for old in self._jobs:
                if old.key == job.key:
                    old._stop = old._stop or "superseded"
            job._thread = self._thread
            self._jobs.append(job)
            self._moved = True
            self._changed.notify_all()
        return job

    def cancel(self, which: Hashable | Job[Any], reason: str = "cancelled") -> bool:
        """Stop a job (by key: the latest) before its next step; whether there was one to stop."""
        with self._changed:
            job = self._find(which)
            if job is not None:
                job._stop = reason
                self._changed.notify_all()
        return job is not None

    def pause(self, which: Hashable | Job[Any]) -> bool:
        """Give a job no further step until `resume`; it can still be cancelled or superseded."""
        return self._set_paused(which, True)

    def resume(self, which: Hashable | Job[Any]) -> bool:
        """Undo `pause`; whether there was such a job."""
        return self._set_paused(which, False)

    def watch(self, function: Callable[[], object]) -> None:
        """Call a bound method on the scheduler's thread whenever `queue` has changed, while its owner lives."""
        self._watchers.append(weakref.WeakMethod(function))

    def queue(self) -> list[tuple[Hashable, bool]]:
        """Key of every job that has not ended, and whether it is paused, in the order of their turns."""
        with self._changed:
            alive: list[Job[Any]] = [job for job in self._jobs if job._stop is None and not job._ending]
            order = [job for job in reversed(alive) if job.interactive] + [job for job in alive if not job.interactive]
            return [(job.key, job._paused) for job in sorted(order, key=lambda job: (job._paused, job.idle))]

    def call(self, function: Callable[[], object]) -> None:
        """Run a short function on the scheduler's thread before the next step; what it raises is logged."""
        with self._changed:
            self._ensure_thread()
            self._calls.append(function)
            self._changed.notify_all()

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        """As `call`, but not before so many seconds have passed; forgotten when the scheduler closes."""
        with self._changed:
            self._ensure_thread()
            heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), function))
            self._changed.notify_all()

    def wait(self, which: Hashable | Job[Any], timeout: float | None = None) -> JobEnd[Any] | None:
        """Block until a job, or every job of a key, has ended; return the end, None if there was no such job.

        By key it is the last end that was seen: hold the job to be sure whose it is. Raises as `Job.wait` does.
        """
        if isinstance(which, Job):
            return which.wait(timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        end: JobEnd[Any] | None = None
        while True:
            with self._changed:
                job = next((job for job in reversed(self._jobs) if job.key == which), None)
            if job is None:
                return end
            end = job.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def close(self, timeout: float = 5.0) -> bool:
        """Cancel every job and end the thread; whether it ended in time (a running step is waited for)."""
        with self._changed:
            self._closed = True
            thread = self._thread
            for job in self._jobs:
                job._stop = job._stop or "closed"
            self._changed.notify_all()
        if thread is None or thread is threading.current_thread():
            return thread is None
        thread.join(timeout)
        return not thread.is_alive()

    @property
    def on_own_thread(self) -> bool:
        """Whether the caller is on the scheduler's thread, where waiting is refused."""
        return threading.current_thread() is self._thread

    # ------------------------------------------------------------ under the lock

    def _clear(self) -> None:
        self._changed = threading.Condition()  # reentrant: a finalizer may cancel while this thread holds it
        self._jobs: list[Job[Any]] = []
        self._calls: deque[Callable[[], object]] = deque()
        self._timers: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._watchers: list[weakref.WeakMethod[Any]] = []
        self._moved = False
        self._round = 1
        self._thread: threading.Thread | None = None
        self._closed = False

    def _ensure_thread(self) -> None:
        if self._closed:
            raise LandscapeError("expected an open scheduler, got one that was closed", "take default_scheduler()")
        if self._thread is not None:
            return
        thread = self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        try:
            thread.start()
        except BaseException:
            self._thread = None  # if it did start, it sees that it is not the one, and ends
            raise

    def _find(self, which: Hashable | Job[Any]) -> Job[Any] | None:
        """The job itself, or the latest of a key, if it may still be stopped."""
        meant: list[Job[Any]] = [job for job in self._jobs if which in (job, job.key)]
        alive = [job for job in meant if job._stop is None and not job._ending]
        return alive[-1] if alive else None

    def _set_paused(self, which: Hashable | Job[Any], paused: bool) -> bool:
        with self._changed:
            job = self._find(which)
            if job is not None:
                job._paused = paused
                self._moved = True
                self._changed.notify_all()
        return job is not None

    def _seconds_to_wait(self) -> float | None:
        """0 if there is something to do; else seconds until the next timer, None if there is none."""
        if self._moved or self._calls or any(job._stop is not None or not job._paused for job in self._jobs):
            return 0.0
        if self._timers:
            return min(max(0.0, self._timers[0][0] - time.monotonic()), 3600.0)
        return None

    # ------------------------------------------------------------ on the scheduler's thread

    def _run(self) -> None:
        while self._wait_for_work():
            try:
                self._run_calls()
                self._end_stopped()
                self._tell_watchers()
                self._step_one()
            except BaseException:  # noqa: BLE001 - the thread outlives anything, and says so
                report("the scheduler met an error of its own")

    def _wait_for_work(self) -> bool:
        """Block until there is something to do; False if this thread is to end."""
        with self._changed:
            while threading.current_thread() is self._thread:
                seconds = self._seconds_to_wait()
                if seconds == 0.0:
                    return True
                if self._closed:
                    return False
                self._changed.wait(seconds)
        return False

    def _run_calls(self) -> None:
        now = time.monotonic()
        with self._changed:
            functions = list(self._calls)
            self._calls.clear()
            while self._timers and self._timers[0][0] <= now:
                functions.append(heapq.heappop(self._timers)[2])
        for function in functions:
            try:
                function()
            except BaseException:  # noqa: BLE001 - the next function must run, whatever this one raised
                report("a function given to the scheduler failed")

    def _end_stopped(self) -> None:
        with self._changed:
            stopped = [job for job in self._jobs if job._stop is not None]
        for job in stopped:
            self._finish(job, JobEnd("cancelled", job._last, reason=job._stop or ""))

    def _tell_watchers(self) -> None:
        with self._changed:
            moved, self._moved = self._moved, False
            self._watchers = [watcher for watcher in self._watchers if watcher() is not None]
            watchers = [watcher() for watcher in self._watchers] if moved else []
        for function in watchers:
            try:
                if function is not None:
                    function()
            except BaseException:  # noqa: BLE001 - the next watcher must hear of it, whatever this one raised
                report("a watcher of the scheduler failed")

    def _step_one(self) -> None:
        job = self._pick()
        end = None if job is None else job._step()
        if job is not None and end is not None:
            self._finish(job, end)

    def _pick(self) -> Job[Any] | None:
        """The job whose turn it is."""
        with self._changed:
            ready = [job for job in self._jobs if job._stop is None and not job._paused]
            ready = [job for job in ready if not job.idle] or ready
            order: list[Job[Any]] = [job for job in reversed(ready) if job.interactive]
            if order and order[0].urgent:
                return order[0]
            order += [job for job in ready if not job.interactive]
            waiting = [job for job in order if job._round < self._round]
            if order and not waiting:
                self._round += 1
                waiting = order
            if waiting:
                waiting[0]._round = self._round
            return waiting[0] if waiting else None

    def _finish(self, job: Job[Any], end: JobEnd[Any]) -> None:
        """End a job: it is listed until `on_end` has returned, so that `wait` by key does not miss it."""
        with self._changed:
            job._ending = True
        try:
            end = job._conclude(end)
        finally:
            with self._changed:
                if job in self._jobs:
                    self._jobs.remove(job)
                    self._moved = True
            if not job._future.done():
                job._future.set_result(end)


def default_scheduler() -> Scheduler:
    """Return the one scheduler of this process, made at the first call and closed at exit; any thread."""
    global _default
    with _default_lock:
        if _default is None or _default._closed:
            _default = Scheduler()
            atexit.register(_default.close, 2.0)
        return _default


def _start_afresh_after_fork() -> None:
    """In a forked child: no thread was copied and locks may be held, so make everything new; end lost jobs."""
    global _default_lock
    _default_lock = threading.Lock()
    for scheduler in list(_SCHEDULERS):
        lost = scheduler._jobs
        scheduler._clear()
        for job in lost:
            job._future = running_future()
            job._future.set_result(JobEnd("cancelled", job._last, reason="forked"))


_SCHEDULERS: weakref.WeakSet[Scheduler] = weakref.WeakSet()
_default: Scheduler | None = None
_default_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh_after_fork)
