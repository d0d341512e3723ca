"""The landscape explorer: a surface that streams into the notebook, and the controls that steer it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import itertools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import anywidget
import traitlets

from landscape_widgets.errors import InputError, LandscapeError
from landscape_widgets.protocol.codec import encode
from landscape_widgets.protocol.limits import MAX_EXTENT, MAX_RESOLUTION, MIN_EXTENT, MIN_RESOLUTION
from landscape_widgets.protocol.messages import (
    Ack,
    AxisChoice,
    Cancel,
    Error,
    Hello,
    PictureRequest,
    PictureSettings,
    Result,
    SettingsRequest,
)
from landscape_widgets.results import Direction, Eigenpairs, Surface
from landscape_widgets.session.dispatch import Dispatcher
from landscape_widgets.session.model import Objective
from landscape_widgets.session.offers import offered
from landscape_widgets.session.outbox import TileOutbox
from landscape_widgets.session.scheduler import default_scheduler
from landscape_widgets.session.session import Session, pair_messages
from landscape_widgets.session.settings import describe_axis, parse_axis
from landscape_widgets.widgets.arguments import reject_unknown
from landscape_widgets.widgets.library import library, loader
from landscape_widgets.widgets.static_view import StaticView

T = TypeVar("T")

FIRST_PICTURE_SECONDS = 0.3
"""Longest wait at display for something to put into the static picture."""

_requests = itertools.count(1)


class LandscapeExplorer(anywidget.AnyWidget):
    """A loss surface over two directions, with controls; made by `explore`.

    Its public state are plain traits, to observe and to link: `directions`, `extent`, `resolution`, `scale`,
    `seed`, `view`, `height`, `status`, `progress`, `surface`, `pairs`, `error`. Setting one of the first five
    starts a new picture. Traits set by a running computation run their observers on the scheduler's thread.
    """

    _esm = loader("explorer")
    library = anywidget.WidgetTrait().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    subtitle = traitlets.Unicode().tag(sync=True)
    footer = traitlets.Unicode().tag(sync=True)
    options = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    eigen: Any = traitlets.List().tag(sync=True)
    picture: Any = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)

    view = traitlets.Enum(("surface", "contour", "curves"), "surface").tag(sync=True)
    height = traitlets.Enum(("log", "linear"), "log").tag(sync=True)
    extent = traitlets.Float(1.0, help="half the width of both axes, in the unit of the scale").tag(sync=True)
    resolution = traitlets.Int(49, help="points an axis").tag(sync=True)
    scale: Any = traitlets.Enum(("unit", "filter", "raw"), "filter").tag(sync=True)
    seed = traitlets.Int(0, help="seed of the α direction; β takes the next one")
    directions = traitlets.Tuple(("random 0", "random 1"), help="what the two axes show")
    status = traitlets.Unicode("not started")
    progress = traitlets.Float(0.0)
    surface = traitlets.Any(None, allow_none=True, help="the newest Surface")
    pairs = traitlets.Any(None, allow_none=True, help="the newest finished Eigenpairs")
    error = traitlets.Any(None, allow_none=True, help="the last error message, or None")

    def __init__(self, objective: Objective, *, title: str = "", **options: Any) -> None:
        reject_unknown("LandscapeExplorer", options, [*_STATE, *_COMPUTING, "layout"])
        computing = {name: options.pop(name) for name in _COMPUTING if name in options}
        self._session: Session | None = None
        self._applying = self._started = self._seen = False
        self._picture_error: LandscapeError | None = None
        custom: list[Direction] = []
        seed = int(options.pop("seed", 0))
        given = options.pop("directions", None) or ("random", "random")
        axes = _parse_pair(given, seed, custom, objective)
        _check_window(options.get("extent", 1.0), options.get("resolution", 49))
        super().__init__(
            library=library(),
            title=title or objective.name,
            subtitle=_subtitle(objective),
            footer=_footer(objective),
            seed=seed,
            directions=tuple(describe_axis(axis) for axis in axes),
            **options,
        )
        self.objective = objective
        self._axes, self._custom = axes, custom
        self._view = StaticView(self._widget_bundle, self._png, self.__repr__)
        self._connect(computing)
        self.observe(self._changed, names=["extent", "resolution", "scale", "seed", "directions"])

    def _connect(self, computing: Mapping[str, Any]) -> None:
        """Join the scheduler, the way to the page and the session."""
        self._scheduler = default_scheduler()
        self._outbox = TileOutbox(self._deliver, call_later=self._scheduler.call_later)
        self._session = Session(
            self.objective,
            scheduler=self._scheduler,
            outbox=self._outbox,
            listener=self,
            given=self._custom,
            **computing,
        )
        self.options = offered(self._session, self.extent, self.resolution)
        self.settings = encode(self._settings())
        dispatcher = Dispatcher(self._handlers(), self._outbox.post, self._scheduler.call)
        self.on_msg(lambda _widget, content, buffers: dispatcher(content, buffers))

    # ------------------------------------------------------------ for users

    def wait(self, timeout: float | None = None) -> Surface | None:
        """Block until the picture and the eigenpairs are there; returns the surface.

        Works without a page. Raises `TimeoutError` after `timeout` seconds, and `LandscapeError` if the picture
        failed. An interrupt ends the wait, not the computation (`cancel` does).
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._start()
        while jobs := self._ask(self._unfinished, _left(deadline)):
            for job in jobs:
                job.wait(_left(deadline))
        return self._waited()

    async def wait_async(self) -> Surface | None:
        """As `wait`, without blocking the event loop: `await explorer.wait_async()`."""
        self._start()
        while jobs := await asyncio.wrap_future(self._enqueue(self._unfinished)):
            for job in jobs:
                await job.wait_async()
        return self._waited()

    def cancel(self) -> None:
        """Stop all that is being computed; what is known stays."""
        session = self._open_session()
        for purpose in ("picture", "eigenpairs"):
            self._scheduler.call(functools.partial(session.cancel, purpose))

    def to_figure(self, **options: Any) -> Any:
        """The picture as a `plotly.graph_objects.Figure`."""
        from landscape_widgets.figures.plotly_figure import figure

        return figure(self._known_surface(), **{**self._figure_options(), **options})

    def to_html(self, path: str | Path, **options: Any) -> Path:
        """Write the picture as one HTML file that works offline and still rotates; returns the path."""
        from landscape_widgets.figures.html import html

        target = Path(path)
        target.write_text(html(self._known_surface(), **{**self._figure_options(), **options}), encoding="utf-8")
        return target

    def save_png(self, path: str | Path, **options: Any) -> Path:
        """Write the picture as a PNG, drawn by matplotlib without a browser; returns the path."""
        from landscape_widgets.figures.matplotlib_figure import png

        target = Path(path)
        target.write_bytes(png(self._known_surface(), **{**self._figure_options(), **options}))
        return target

    def close(self) -> None:
        """End the computations, close the comm, free the memory."""
        if self._session is not None:
            self._session.close()
            self._session = None
        super().close()

    def __repr__(self) -> str:
        return f"LandscapeExplorer({self.title}: {self.subtitle}; {self.status})"

    def _ipython_display_(self) -> None:
        self._start()
        deadline = time.monotonic() + FIRST_PICTURE_SECONDS
        while not self._scheduler.on_own_thread and self.progress == 0.0 and time.monotonic() < deadline:
            time.sleep(0.01)
        self._view.show()

    # ------------------------------------------------------------ messages from the page

    def _handlers(self) -> Mapping[type, Callable[[Any], None]]:
        return {
            Hello: self._on_hello,
            PictureRequest: lambda message: self._open_session().request_picture(message.id, message.settings),
            SettingsRequest: self._on_settings_request,
            Cancel: self._on_cancel,
            Ack: lambda message: self._outbox.ack(message.run, message.seq),
        }

    def _on_hello(self, message: Hello) -> None:
        self._seen = True
        self._outbox.attach()
        self._outbox.post(Result(message.id, "hello", "complete", ""))
        self._open_session().replay()
        self._begin()

    def _on_settings_request(self, message: SettingsRequest) -> None:
        self.view, self.height = message.settings.view, message.settings.height
        self._outbox.post(Result(message.id, "settings", "complete", ""))

    def _on_cancel(self, message: Cancel) -> None:
        self._open_session().cancel(message.purpose)
        self._outbox.post(Result(message.id, "settings", "complete", ""))

    def _deliver(self, content: dict[str, Any], buffers: list[memoryview]) -> None:
        self.send(content, buffers)

    # ------------------------------------------------------------ what the session reports (scheduler's thread)

    def on_settings(self, settings: PictureSettings) -> None:
        """Follow the settings of a picture that begins."""
        self._axes = (settings.alpha, settings.beta)
        self._applying = True
        try:
            self.settings = encode(settings)
            self.extent, self.resolution, self.scale = settings.extent, settings.resolution, settings.scale
            self.directions = tuple(describe_axis(axis) for axis in self._axes)
            self.error = self._picture_error = None
        finally:
            self._applying = False

    def on_surface(self, surface: Surface, finished: bool) -> None:
        """Keep the newest surface; a finished one also as the trait that a saved notebook holds."""
        self.surface = surface
        if finished and self._session is not None:
            frame = self._session.frame()
            self.picture = {"frame": encode(frame), "loss": surface.loss.astype("<f4").tobytes()}

    def on_pairs(self, pairs: Eigenpairs, finished: bool) -> None:
        """Keep finished eigenpairs."""
        if finished:
            self.eigen = [encode(pair) for pair in pair_messages(pairs)]
            self.pairs = pairs

    def on_status(self, text: str, progress: float) -> None:
        """Say what is being done."""
        self.status, self.progress = text, float(progress)

    def on_error(self, error: Error) -> None:
        """Keep the last error; only a picture's own makes `wait` raise."""
        self.error = LandscapeError(error.message, error.advice)
        if error.purpose == "eigenpairs":
            return
        self._picture_error = self.error
        self.status = f"failed: {error.message}"

    # ------------------------------------------------------------ inside

    def _settings(self) -> PictureSettings:
        alpha, beta = self._axes
        return PictureSettings(alpha, beta, self.scale, float(self.extent), int(self.resolution))

    def _changed(self, change: Any) -> None:
        if self._applying and self._scheduler.on_own_thread:
            return
        _check_window(self.extent, self.resolution)
        if change["name"] == "seed":
            alpha, beta = self._axes
            self._axes = (_reseeded(alpha, self.seed), _reseeded(beta, self.seed + 1))
        elif change["name"] == "directions":
            self._axes = _parse_pair(change["new"], self.seed, self._custom, self.objective)
            self.options = offered(self._open_session(), self.extent, self.resolution)
        if self._started:
            settings, session = self._settings(), self._open_session()
            self._scheduler.call(lambda: session.request_picture(f"kernel-{next(_requests)}", settings))

    def _start(self) -> None:
        self._scheduler.call(self._begin)

    def _begin(self) -> None:
        """Start the first picture and the eigenpairs, once; on the scheduler's thread."""
        if self._started or self._session is None:
            return
        self._started = True
        self._session.request_picture(f"kernel-{next(_requests)}", self._settings())
        self._session.request_eigenpairs()

    def _unfinished(self) -> list[Any]:
        self._begin()
        session = self._session
        jobs = [] if session is None else [session.picture_job, session.pair_job]
        return [job for job in jobs if job is not None and job.end is None]

    def _waited(self) -> Surface | None:
        if not self._seen:
            self._view.refresh()
        if self._picture_error is not None:
            raise self._picture_error
        surface: Surface | None = self.surface
        return surface

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

    def _open_session(self) -> Session:
        if self._session is None:
            raise LandscapeError("expected an open explorer, got a closed one", "make a new one with explore()")
        return self._session

    def _known_surface(self) -> Surface:
        if self.surface is None:
            raise LandscapeError("expected a computed surface, got none yet", "call explorer.wait() first")
        surface: Surface = self.surface
        return surface

    def _figure_options(self) -> dict[str, Any]:
        run = self._session.run if self._session is not None else None
        caption = "" if run is None or run.plane is None else self._open_session().frame().caption
        return {"title": f"{self.title}: {self.subtitle}", "caption": caption, "height": self.height, "view": self.view}

    def _png(self) -> bytes | None:
        from landscape_widgets.figures.matplotlib_figure import png

        return None if self.surface is None else png(self.surface, dpi=100, **self._figure_options())

    def _widget_bundle(self) -> dict[str, Any]:
        bundle: Any = super()._repr_mimebundle_()
        return dict(bundle[0] if isinstance(bundle, tuple) else bundle)


_COMPUTING = ("executor", "largest", "smallest", "tol")
_STATE = ("extent", "resolution", "scale", "seed", "directions", "view", "height")


def _parse_pair(given: Any, seed: int, custom: list[Direction], objective: Objective) -> tuple[AxisChoice, AxisChoice]:
    if isinstance(given, str) or not hasattr(given, "__len__") or len(given) != 2:
        raise InputError(f"expected two directions, got {given!r}", 'pass for example ("λ_max", "λ_min")')
    alpha, beta = (parse_axis(value, seed + place, custom, objective) for place, value in enumerate(given))
    return alpha, beta


def _reseeded(axis: AxisChoice, seed: int) -> AxisChoice:
    return AxisChoice("random", seed=seed) if axis.source == "random" else axis


def _check_window(extent: Any, resolution: Any) -> None:
    if not (isinstance(extent, (int, float)) and MIN_EXTENT <= extent <= MAX_EXTENT):
        raise InputError(
            f"expected extent from {MIN_EXTENT:g} to {MAX_EXTENT:g}, got {extent!r}", "use for example 1.0"
        )
    if not (isinstance(resolution, int) and MIN_RESOLUTION <= resolution <= MAX_RESOLUTION):
        raise InputError(
            f"expected resolution from {MIN_RESOLUTION} to {MAX_RESOLUTION} points an axis, got {resolution!r}",
            "use for example 49",
        )


def _subtitle(objective: Objective) -> str:
    return f"{objective.size:,} parameters · {objective.loss_name}, {objective.samples:,} samples"


def _footer(objective: Objective) -> str:
    return f"{str(objective.dtype).removeprefix('torch.')} · every point evaluated exactly"


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
