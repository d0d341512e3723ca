"""States of a lab on their way to the page: the newest replaces the one that waits, two are under way at most."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from landscape_widgets.protocol.messages import MAX_UNACKNOWLEDGED, Error, Result
from landscape_widgets.session.outbox import TileOutbox

PATIENCE = 5.0
"""Seconds that an end waits for acks before it is sent all the same (a page gone away)."""

Make = Callable[[int, int], tuple[Any, list[memoryview]]]


class Snapshots:
    """Sends states at the pace at which they are drawn; may be used from any thread.

    Parameters
    ----------
    outbox : the way to the page.
    call_later : `Scheduler.call_later`.
    limit : states under way.
    """

    def __init__(
        self,
        outbox: TileOutbox,
        call_later: Callable[[float, Callable[[], object]], None],
        limit: int = MAX_UNACKNOWLEDGED,
    ) -> None:
        self._outbox, self._call_later, self._limit = outbox, call_later, limit
        self._lock = threading.RLock()
        self._run = self._seq = 0
        self._open: set[int] = set()
        self._pending: Make | None = None
        self._end: Result | Error | None = None

    def begin(self, run: int) -> None:
        """A new run: what waits of an earlier one is dropped, its end is sent."""
        with self._lock:
            self._pending = None
            self._close()
            if run != self._run:
                self._run, self._seq = run, 0
            self._open.clear()

    def put(self, make: Make) -> None:
        """Send what `make(run, seq)` gives, now or when an ack comes; a newer one replaces it until then."""
        with self._lock:
            if self._outbox.attached:
                self._pending = make
                self._pump()

    def ack(self, run: int, seq: int) -> None:
        """The page has drawn a state, and with it all before."""
        with self._lock:
            if run == self._run:
                self._open = {sent for sent in self._open if sent > seq}
                self._pump()

    def finish(self, end: Result | Error) -> None:
        """Send the end of the run after its last state, which may wait for acks, but not beyond the patience."""
        with self._lock:
            self._end = end
            self._pump()
            waits = self._end is not None
        if waits:
            self._call_later(PATIENCE, lambda: self._give_up(end))

    def _give_up(self, end: Result | Error) -> None:
        with self._lock:
            if self._end is end:
                self._open.clear()
                self._pump()

    def _pump(self) -> None:
        if self._pending is not None and len(self._open) < self._limit:
            make, self._pending = self._pending, None
            message, buffers = make(self._run, self._seq)
            self._open.add(self._seq)
            self._seq += 1
            self._outbox.post(message, buffers)
        if self._pending is None:
            self._close()

    def _close(self) -> None:
        end, self._end = self._end, None
        if end is not None:
            self._outbox.post(end)
