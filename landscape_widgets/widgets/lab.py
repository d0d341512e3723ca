"""What the labs share: settings as requests, a streamed state, a saved snapshot, pause and cancel."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import traitlets

from landscape_widgets.errors import LandscapeError
from landscape_widgets.protocol.codec import encode
from landscape_widgets.protocol.messages import Ack, Cancel, Error, Pause, Result
from landscape_widgets.session.extras import QueueNotice
from landscape_widgets.session.lab import LabWork
from landscape_widgets.widgets.base import LandscapeWidget

_requests = itertools.count(1)


class LandscapeLab(LandscapeWidget):
    """A widget around one `session.lab.Lab`.

    A subclass sets `_request_class` (its message from the page), makes its lab with itself as listener, and calls
    `_open(lab)` at the end of its constructor. Its lab's `on_begin`, `on_state` and `on_error` call `begun`, `moved`
    and `failed` here.
    """

    settings = traitlets.Dict(help="what is computed, as the page reads it").tag(sync=True)
    snapshot: Any = traitlets.Dict(allow_none=True, default_value=None, help="the finished state, saved").tag(sync=True)
    result = traitlets.Any(None, allow_none=True, help="the newest result")

    _request_class: type

    def _open(self, lab: Any) -> None:
        self._lab = lab
        self._work: LabWork[Any, Any] | None = LabWork(lab, self._scheduler, self._outbox, (id(self), "lab"))
        self._queue = QueueNotice(self._scheduler, self._outbox, id(self))
        self._lab_error: LandscapeError | None = None
        self._started = False
        self._listen()

    # ------------------------------------------------------------ for users

    def cancel(self) -> None:
        """Stop what is being computed; what is known stays."""
        self._scheduler.call(self._open_work().cancel)

    def pause(self) -> None:
        """Hold what is being computed between two steps, until `resume` or `wait`."""
        self._scheduler.pause((id(self), "lab"))

    def resume(self) -> None:
        """Go on with what was paused."""
        self._scheduler.resume((id(self), "lab"))

    def close(self) -> None:
        """End the computations, close the comm, free the memory."""
        if getattr(self, "_work", None) is not None:
            self._scheduler.cancel((id(self), "lab"), "closed")
            self._work = None
        super().close()

    # ------------------------------------------------------------ what the lab reports (scheduler's thread)

    def begun(self, settings: Any) -> None:
        """A run with these settings begins."""
        self.settings = encode(settings)
        self.error = self._lab_error = None

    def moved(self, result: Any, status: str, progress: float, finished: bool) -> None:
        """The result has moved; a finished one also becomes the snapshot that a saved notebook holds."""
        self.result, self.status, self.progress = result, status, float(progress)
        work = self._work
        if finished and work is not None and work.state is not None:
            message, buffers = self._lab.message(work.state, "saved", 0, 0)
            self.snapshot = {"message": encode(message), "buffers": [bytes(buffer) for buffer in buffers]}

    def failed(self, error: Error) -> None:
        """A request has failed: `wait` raises."""
        self.error = self._lab_error = LandscapeError(error.message, error.advice)
        self.status = f"failed: {error.message}"

    # ------------------------------------------------------------ inside

    def _request(self, settings: Any) -> None:
        """Ask from the kernel side; any thread. Before the start it only changes what the start will ask for."""
        self._wanted = settings
        if self._started:
            work = self._open_work()
            self._scheduler.call(functools.partial(work.request, f"kernel-{next(_requests)}", settings))

    def _handlers(self) -> Mapping[type, Callable[[Any], None]]:
        return {
            self._request_class: self._on_request,
            Cancel: self._on_cancel,
            Pause: self._on_pause,
            Ack: lambda message: self._open_work().snapshots.ack(message.run, message.seq),
        }

    def _on_request(self, message: Any) -> None:
        self._started = True
        self._open_work().request(message.id, message.settings)

    def _on_cancel(self, message: Cancel) -> None:
        self._open_work().cancel()
        self._outbox.post(Result(message.id, "settings", "complete", ""))

    def _on_pause(self, message: Pause) -> None:
        (self.pause if message.paused else self.resume)()
        self._outbox.post(Result(message.id, "settings", "complete", ""))

    def _begin(self) -> None:
        if not self._started and self._work is not None:
            self._started = True
            self._work.request(f"kernel-{next(_requests)}", self._wanted)

    def _replay(self) -> None:
        self._open_work().replay()
        self._queue.send()
        if self._lab_error is not None:
            self._outbox.post(Error(None, self._lab.purpose, self._lab_error.message, self._lab_error.advice))

    def _jobs(self) -> list[Any]:
        job = None if self._work is None else self._work.job
        return [] if job is None or job.end is not None else [job]

    def _waited(self) -> Any:
        super()._waited()
        if self._lab_error is not None:
            raise self._lab_error
        return self.result

    def _open_work(self) -> LabWork[Any, Any]:
        if self._work is None:
            raise LandscapeError("expected an open widget, got a closed one", "make a new one")
        return self._work
