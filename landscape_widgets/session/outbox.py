"""What goes to the page, in order: tiles at the pace at which they are drawn, a picture's end after its last tile."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from landscape_widgets.errors import InputError, LandscapeError, ProtocolError
from landscape_widgets.protocol.codec import encode, pack
from landscape_widgets.protocol.messages import MAX_UNACKNOWLEDGED, Error, Frame, Result, Tile

Send = Callable[[dict[str, Any], list[memoryview]], object]

_log = logging.getLogger(__name__)


@dataclasses.dataclass
class _Pending:
    """Points not yet sent, in the order in which they came."""

    index: list[np.ndarray]
    values: list[np.ndarray]
    level: int = 0
    done: int = 0
    total: int = 0
    seconds_left: float | None = None


class TileOutbox:
    """The one way out of a widget's kernel side; may be used from any thread, sends without its lock held.

    At most `limit` tiles wait for an `Ack`; the points of further ones are merged into one that follows when an
    ack comes. An ack stands for all earlier tiles of its run too, since messages keep their order. Before
    `attach` there is no page: points are dropped (the session replays them on hello) and nothing waits.

    Parameters
    ----------
    send : sends one message with its buffers; what it raises is logged and counted in `failures`.
    limit : tiles in flight.
    patience : seconds that a picture's end waits for acks before it is sent all the same (a page gone away).
    clock : seconds, rising.
    call_later : `Scheduler.call_later`, to look at the patience by itself; without it call `poll`.
    """

    def __init__(
        self,
        send: Send,
        limit: int = MAX_UNACKNOWLEDGED,
        *,
        patience: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        call_later: Callable[[float, Callable[[], object]], None] | None = None,
    ) -> None:
        self._send = send
        self._limit = limit
        self._patience = patience
        self._clock = clock
        self._call_later = call_later
        self._lock = threading.RLock()
        self._outgoing: deque[tuple[dict[str, Any], list[memoryview]]] = deque()
        self._sending = False
        self._failures = 0
        self._attached = False
        self._id = ""
        self._run: int | None = None
        self._seq = 0
        self._unacknowledged: set[int] = set()
        self._frame: Frame | None = None
        self._estimate: np.ndarray | None = None
        self._pending: _Pending | None = None
        self._finals: list[dict[str, Any]] = []
        self._finished = False
        self._deadline = 0.0

    @property
    def attached(self) -> bool:
        """Whether a page has said hello."""
        return self._attached

    @property
    def failures(self) -> int:
        """Messages that `send` raised on."""
        return self._failures

    @property
    def unacknowledged(self) -> int:
        """Tiles of this run in flight."""
        return len(self._unacknowledged)

    def attach(self) -> None:
        """A page has said hello; `begin` and `add` what it should see."""
        with self._lock:
            self._attached = True

    def detach(self) -> None:
        """No page is left: drop what waits for an ack, and send the end that waited behind it."""
        with self._lock:
            self._attached = False
            self._drop()
        self._drain()

    def begin(self, id: str, run: int, frame: Frame | None, estimate: np.ndarray | None = None) -> None:
        """Start a picture (`run` rises); an earlier one's unsent points are dropped, its end is sent.

        `estimate` are the values that a frame with an estimate speaks of, as in `add`.

        The same run again is a replay: `seq` goes on, so that late acks and late tiles are still told apart.
        Raises `ProtocolError` for a frame that cannot be sent, e.g. one that holds NaN.
        """
        _check_frame(frame)
        with self._lock:
            self._drop()
            if run != self._run:
                self._seq = 0
            self._id, self._run = id, run
            self._unacknowledged.clear()
            self._frame, self._estimate = frame, _narrowed(estimate)
            self._finished = False
        self._drain()

    def add(
        self,
        index: np.ndarray,
        values: np.ndarray,
        level: int,
        done: int,
        total: int,
        seconds_left: float | None = None,
        frame: Frame | None = None,
        estimate: np.ndarray | None = None,
    ) -> None:
        """Take points of the picture; they are copied, and sent now or merged.

        Parameters
        ----------
        index : (n,), flat row-major positions; n may be 0.
        values : (n,), their losses; or (1 + metrics, n) with the metrics of the frame below.
        level, done, total, seconds_left : as in `Tile`; of merged ones the latest counts.
        frame : a newer head of the picture, to go with the next tile.
        estimate : (total,), values for every point, of a frame with an estimate.

        Raises `InputError` or `ProtocolError` for what could not be sent, here rather than when an ack comes.
        """
        where, loss = _points(index, values, total)
        _check_frame(frame)
        with self._lock:
            if self._run is None:
                raise InputError("expected begin() before add()", "call begin with the picture's frame")
            if not self._attached or self._finished:
                return
            if frame is not None:
                self._frame, self._estimate = frame, _narrowed(estimate)
            pending = self._pending or _Pending([], [])
            if where.size:
                pending.index.append(where)
                pending.values.append(loss)
            pending.level, pending.done, pending.total = int(level), int(done), int(total)
            pending.seconds_left = None if seconds_left is None else float(seconds_left)
            self._pending = pending
            self._pump()
        self._drain()

    def ack(self, run: int, seq: int) -> None:
        """The page has drawn a tile; repeated, unknown and older ones change nothing."""
        with self._lock:
            if run == self._run and seq < self._seq:
                self._unacknowledged = {sent for sent in self._unacknowledged if sent > seq}
                self._pump()
        self._drain()

    def flush(self) -> bool:
        """Send what the acks allow; whether nothing is left waiting."""
        with self._lock:
            self._pump()
            empty = self._pending is None and not self._finals
        self._drain()
        return empty

    def finish(self, message: Result | Error) -> None:
        """End the picture: this goes after its last tile, which may wait for acks, but not beyond the patience.

        The end of another picture than the current one (by id) waits for nothing. A result that cannot be sent,
        e.g. one that holds NaN, becomes an `Error` that says so.
        """
        final = _encode_final(message)
        with self._lock:
            if message.id == self._id:
                self._finals.append(final)
                self._finished = True
                self._deadline = self._clock() + self._patience
                self._pump()
            else:
                self._outgoing.append((final, []))
            waits = bool(self._finals)
        self._drain()
        if waits:
            self._watch(self._patience)

    def post(self, message: Any, buffers: Sequence[memoryview] = ()) -> None:
        """Send a message that belongs to no picture, after those already sent; a `Result` as in `finish`.

        Raises `ProtocolError` for any other message that cannot be sent.
        """
        content = _encode_final(message) if isinstance(message, (Result, Error)) else encode(message)
        with self._lock:
            self._outgoing.append((content, list(buffers)))
        self._drain()

    def poll(self, now: float | None = None) -> None:
        """Send a picture's last tile and end if they have waited too long."""
        with self._lock:
            late = bool(self._finals) and (self._clock() if now is None else now) >= self._deadline
            if late:
                self._unacknowledged.clear()
                self._pump()
        self._drain()

    # ------------------------------------------------------------ under the lock

    def _pump(self) -> None:
        """Queue the pending tile if a slot is free, and the end if no tile is pending."""
        if self._pending is not None and len(self._unacknowledged) < self._limit:
            self._queue_tile(self._pending)
        if self._pending is None:
            self._outgoing.extend((final, []) for final in self._finals)
            self._finals.clear()

    def _queue_tile(self, pending: _Pending) -> None:
        index = np.concatenate([np.empty(0, np.int32), *pending.index])
        values = np.concatenate(pending.values, axis=1) if pending.values else np.empty((1, 0), np.float32)
        arrays = {"index": index, "loss": values[0]}
        if len(values) > 1:
            arrays["metrics"] = values[1:]
        if self._estimate is not None:
            arrays["estimate"] = self._estimate
        headers, buffers = pack(arrays)
        tile = Tile(
            id=self._id,
            run=self._run or 0,
            seq=self._seq,
            level=pending.level,
            done=pending.done,
            total=pending.total,
            seconds_left=pending.seconds_left,
            frame=self._frame,
            arrays=headers,
        )
        self._outgoing.append((encode(tile), buffers))
        self._unacknowledged.add(self._seq)
        self._seq += 1
        self._frame = self._estimate = self._pending = None

    def _forget(self, content: dict[str, Any]) -> None:
        """Count a message that was not sent; no ack can come for it."""
        with self._lock:
            self._failures += 1
            if content["kind"] == "tile" and content["run"] == self._run:
                self._unacknowledged.discard(content["seq"])
                self._pump()

    def _drop(self) -> None:
        """Forget unsent points and free the end that waits behind them."""
        self._pending = None
        self._pump()

    # ------------------------------------------------------------ without the lock

    def _drain(self) -> None:
        """Send what is queued, one thread at a time, so that the order holds; the others leave it to that one."""
        while True:
            with self._lock:
                if self._sending or not self._outgoing:
                    return
                self._sending = True
                content, buffers = self._outgoing.popleft()
            try:
                self._send(content, buffers)
            except Exception:  # noqa: BLE001 - a broken line to the page must not end a computation
                _log.exception("a %s could not be sent to the page", content["kind"])
                self._forget(content)
            finally:
                with self._lock:
                    self._sending = False

    def _watch(self, seconds: float) -> None:
        """Have `poll` called when the patience ends; where that is impossible, do not wait at all."""
        if self._call_later is None:
            return
        try:
            self._call_later(seconds, self.poll)
        except LandscapeError:
            self.poll(float("inf"))


def _points(index: np.ndarray, values: np.ndarray, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Copies of both, in the dtypes of the wire; infinite where a value is beyond float32."""
    where, loss = np.asarray(index).reshape(-1), np.atleast_2d(values)
    if loss.ndim != 2 or where.size != loss.shape[1]:
        raise InputError(f"expected one value an index, got {loss.size} for {where.size}", "pass both in one order")
    if where.size == 0:
        return np.empty(0, np.int32), np.empty((len(loss), 0), np.float32)
    if where.dtype.kind not in "iu" or loss.dtype.kind not in "fiu":
        raise InputError(f"expected integers and floats, got {where.dtype} and {loss.dtype}", "convert them")
    if where.min() < 0 or where.max() >= min(total, 2**31):
        raise InputError(f"expected indices from 0 below {total}, got {where.min()} to {where.max()}", "check the grid")
    with np.errstate(over="ignore"):
        return where.astype(np.int32), loss.astype(np.float32)


def _narrowed(estimate: np.ndarray | None) -> np.ndarray | None:
    """A copy in the dtype of the wire, one value a point."""
    if estimate is None:
        return None
    with np.errstate(over="ignore"):
        return estimate.reshape(-1).astype(np.float32)


def _check_frame(frame: Frame | None) -> None:
    if frame is not None:
        encode(frame)


def _encode_final(message: Result | Error) -> dict[str, Any]:
    """Encode the end of a request; it must reach the page, so what cannot be encoded becomes an error."""
    try:
        return encode(message)
    except ProtocolError as error:
        _log.exception("a %s could not be encoded", type(message).__name__)
        return encode(Error(message.id, message.purpose, error.message, error.advice))
