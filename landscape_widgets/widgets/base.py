"""What all widgets share: the way to scheduler and page, waiting with and without a loop, the static picture."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import anywidget
import traitlets

from landscape_widgets.errors import LandscapeError
from landscape_widgets.protocol.messages import Ack, Goodbye, Hello, Result
from landscape_widgets.session.dispatch import Dispatcher
from landscape_widgets.session.outbox import TileOutbox
from landscape_widgets.session.scheduler import default_scheduler
from landscape_widgets.widgets.library import library
from landscape_widgets.widgets.static_view import StaticView

T = TypeVar("T")

VIEW_TYPE = "application/vnd.jupyter.widget-view+json"

FIRST_PICTURE_SECONDS = 0.3
"""Longest wait at display for something to put into the static picture."""


class LandscapeWidget(anywidget.AnyWidget):
    """A widget whose kernel side computes on the shared scheduler; it starts at display, hello or `wait`.

    A subclass gives `_begin` (start, once), `_jobs` (what has not ended), `_replay` (everything for a new page),
    `_handlers` (further messages), `_png`, `_set_idle` and `_waited`; all but `_png` run on the scheduler's thread.
    """

    library = anywidget.WidgetTrait().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    subtitle = traitlets.Unicode().tag(sync=True)
    footer = traitlets.Unicode().tag(sync=True)
    status = traitlets.Unicode("not started")
    progress = traitlets.Float(0.0)
    error = traitlets.Any(None, allow_none=True, help="the last error, or None")

    def __init__(self, **traits: Any) -> None:
        super().__init__(library=library(), **traits)
        self._closed = False
        self._views: set[str] = set()
        self._view = StaticView(lambda: _view_of(self), lambda: _view_of(self.library), self._png, self.__repr__)
        self._scheduler = default_scheduler()
        self._outbox = TileOutbox(self._deliver, call_later=self._scheduler.call_later)

    def _listen(self) -> None:
        """Take messages from the page, once the subclass is ready for them."""
        handlers: dict[type, Callable[[Any], None]] = {
            Hello: self._on_hello,
            Goodbye: self._on_goodbye,
            Ack: lambda message: self._outbox.ack(message.run, message.seq),
            **self._handlers(),
        }
        dispatcher = Dispatcher(handlers, self._outbox.post, self._scheduler.call)
        self.on_msg(lambda _widget, content, buffers: dispatcher(content, buffers))

    # ------------------------------------------------------------ for users

    def wait(self, timeout: float | None = None) -> Any:
        """Block until everything that was asked for is there; returns the main result.

        Works without a page; goes on with what was paused. Raises `TimeoutError` after `timeout` seconds, and
        `LandscapeError` if it failed. An interrupt ends the wait, not the computation (`cancel` does).
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._start()
        while jobs := self._ask(self._unfinished, _left(deadline)):
            for job in jobs:
                job.wait(_left(deadline))
        return self._waited()

    async def wait_async(self) -> Any:
        """As `wait`, without blocking the event loop: `await widget.wait_async()`."""
        self._start()
        while jobs := await asyncio.wrap_future(self._enqueue(self._unfinished)):
            for job in jobs:
                await job.wait_async()
        return self._waited()

    def close(self) -> None:
        """End the computations, close the comm, free the memory."""
        self._closed = True
        super().close()

    # ------------------------------------------------------------ for subclasses

    def _begin(self) -> None:
        raise NotImplementedError

    def _jobs(self) -> list[Any]:
        raise NotImplementedError

    def _replay(self) -> None:
        raise NotImplementedError

    def _handlers(self) -> Mapping[type, Callable[[Any], None]]:
        raise NotImplementedError

    def _set_idle(self, idle: bool) -> None:
        for job in self._jobs():
            job.idle = idle

    def _png(self) -> bytes | None:
        return None

    def _waited(self) -> Any:
        self._view.refresh()
        return None

    # ------------------------------------------------------------ inside

    def _ipython_display_(self) -> None:
        self._start()
        self._view.show()
        deadline = time.monotonic() + FIRST_PICTURE_SECONDS
        while not self._scheduler.on_own_thread and self.progress == 0.0 and time.monotonic() < deadline:
            time.sleep(0.01)
        self._view.show_picture()

    def _on_hello(self, message: Hello) -> None:
        self._views.add(message.view)
        self._outbox.attach()
        self._outbox.post(Result(message.id, "hello", "complete", ""))
        self._replay()
        self._begin()
        self._set_idle(False)

    def _on_goodbye(self, message: Goodbye) -> None:
        self._views.discard(message.view)
        if not self._views:
            self._outbox.detach()
            self._set_idle(True)

    def _deliver(self, content: dict[str, Any], buffers: list[memoryview]) -> None:
        self.send(content, buffers)

    def _start(self) -> None:
        if self._closed:
            raise LandscapeError("expected an open widget, got a closed one", "make a new one")
        self._scheduler.call(self._begin)

    def _unfinished(self) -> list[Any]:
        self._begin()
        jobs = self._jobs()
        for job in jobs:
            job.idle = False
            self._scheduler.resume(job)
        return jobs

    def _enqueue(self, function: Callable[[], T]) -> concurrent.futures.Future[T]:
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def answer() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 -- it belongs to the caller
                future.set_exception(error)

        self._scheduler.call(answer)
        return future

    def _ask(self, function: Callable[[], T], timeout: float | None) -> T:
        if self._scheduler.on_own_thread:
            raise LandscapeError(
                "expected wait() on another thread, got the scheduler's own", "do not wait inside an observer"
            )
        return self._enqueue(function).result(timeout)


def _view_of(widget: anywidget.AnyWidget) -> dict[str, Any]:
    """The mimebundle of a widget's view alone: its own words would say how it stood when it was shown."""
    bundle: Any = anywidget.AnyWidget._repr_mimebundle_(widget)
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    return {VIEW_TYPE: data[VIEW_TYPE], "text/plain": ""}


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
