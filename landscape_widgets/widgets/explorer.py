"""The landscape explorer: a surface that streams into the notebook, and the controls that steer it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from landscape_widgets.errors import InputError, LandscapeError
from landscape_widgets.protocol.codec import encode
from landscape_widgets.protocol.limits import MAX_RESOLUTION, MAX_UNTIL, MIN_RESOLUTION
from landscape_widgets.protocol.messages import (
    AxisChoice,
    Cancel,
    CurvesRequest,
    Error,
    Pause,
    PictureRequest,
    PictureSettings,
    Result,
    SettingsRequest,
)
from landscape_widgets.results import Eigenpairs, Surface
from landscape_widgets.session.eigen import pair_messages
from landscape_widgets.session.model import Objective
from landscape_widgets.session.offers import offered
from landscape_widgets.session.ready import ready_made
from landscape_widgets.session.records import code_of, records
from landscape_widgets.session.session import Session
from landscape_widgets.session.settings import describe_axis, extent_of, parse_axis, ranges_of, scale_of, scales_of
from landscape_widgets.session.sources import Sources
from landscape_widgets.widgets.arguments import reject_unknown
from landscape_widgets.widgets.base import LandscapeWidget
from landscape_widgets.widgets.library import bundle, loader

_requests = itertools.count(1)

PICTURE_TRAITS = ("extent", "resolution", "until", "scale", "seed", "directions")
VIEW_TRAITS = ("view", "height", "colours")
WORK = ("picture", "eigenpairs", "curves", "slices")


class LandscapeExplorer(LandscapeWidget):
    """A loss surface over two directions, with controls; made by `explore`.

    Its public state are plain traits, to observe and to link: `directions`, `extent`, `resolution`, `until`,
    `scale`, `seed`, `view`, `height`, `colours`, `status`, `progress`, `surface`, `pairs`, `error`, `code`. Setting one
    of the first six starts a new picture. Traits set by a computation run their observers on the scheduler's thread.
    """

    _esm = loader("explorer")
    options = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    eigen: Any = traitlets.List().tag(sync=True)
    picture: Any = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    code = traitlets.Unicode(help="Python code that rebuilds this view").tag(sync=True)

    view = traitlets.Enum(("surface", "contour", "both", "curves"), "surface").tag(sync=True)
    height = traitlets.Enum(("log", "linear"), "log").tag(sync=True)
    colours = traitlets.Enum(("viridis", "cividis", "magma"), "viridis").tag(sync=True)
    extent: Any = traitlets.Any(1.0, help="1.0 is ±1 on both axes; (lo, hi); or one of these an axis").tag(sync=True)
    resolution = traitlets.Int(49, help="points an axis").tag(sync=True)
    until = traitlets.Float(0.0, help="held-out error at which a picture ends; 0 computes every point").tag(sync=True)
    scale: Any = traitlets.Any("filter", help="normalisation of both axes, or a pair").tag(sync=True)
    seed = traitlets.Int(0, help="seed of the α direction; β takes the next one")
    directions = traitlets.Tuple(("random 0", "random 1"), help="what the two axes show")
    surface = traitlets.Any(None, allow_none=True, help="the newest Surface")
    pairs = traitlets.Any(None, allow_none=True, help="the newest finished Eigenpairs")

    def __init__(self, objective: Objective, *, title: str = "", **options: Any) -> None:
        reject_unknown("LandscapeExplorer", options, [*PICTURE_TRAITS, *VIEW_TRAITS, *_COMPUTING, *_SOURCES, "layout"])
        computing = {name: options.pop(name) for name in _COMPUTING if name in options}
        self._session: Session | None = None
        pairs, surfaces = ready_made(objective, options.pop("results", ()))
        sources = _sources(objective, options, pairs)
        self._applying = self._started = False
        self._picture_error: LandscapeError | None = None
        seed = int(options.pop("seed", 0))
        axes = _parse_pair(options.pop("directions", None), seed, scales_of(options.get("scale", "filter")), sources)
        super().__init__(
            title=title or objective.name,
            subtitle=f"{objective.size:,} parameters · {objective.loss_name}, {objective.samples:,} samples",
            footer=_footer(objective, options.get("until", 0.0), computing.get("preview")),
            seed=seed,
            directions=tuple(describe_axis(axis) for axis in axes),
            **options,
        )
        self.objective, self._sources, self._axes = objective, sources, axes
        self._session = Session(
            sources,
            scheduler=self._scheduler,
            outbox=self._outbox,
            listener=self,
            pairs=pairs,
            surfaces=surfaces,
            **computing,
        )
        self._offer()
        if pairs is not None:
            self.on_pairs(pairs, True)
        self._listen()
        self.observe(self._changed, names=list(PICTURE_TRAITS))
        self.observe(self._write_code, names=list(VIEW_TRAITS))

    # ------------------------------------------------------------ for users

    def cancel(self) -> None:
        """Stop all that is being computed; what is known stays."""
        session = self._open_session()
        for purpose in WORK:
            self._scheduler.call(functools.partial(session.cancel, purpose))

    def pause(self) -> None:
        """Hold all that is being computed between two steps, until `resume` or `wait`."""
        self._pause(True)

    def resume(self) -> None:
        """Go on with what was paused."""
        self._pause(False)

    def to_figure(self, **options: Any) -> Any:
        """The picture as a `plotly.graph_objects.Figure`."""
        from landscape_widgets.figures.plotly_figure import figure

        return figure(self._known_surface(), **{**self._figure_options(), **options})

    def to_html(self, path: str | Path, **options: Any) -> Path:
        """Write the whole explorer as one HTML file of about 1 MB that works offline; returns the path.

        It turns, is shown in every way, and replays the pictures computed so far at every resolution they hold, with
        no kernel. A picture under way goes in as far as it is known. The only option is `title`, for another one.
        """
        from landscape_widgets.figures.replay import replay_html

        reject_unknown("to_html", options, ["title"])
        self._known_surface()
        session = self._open_session()
        view = {name: getattr(self, name) for name in VIEW_TRAITS}
        collect = functools.partial(records, session, view)
        kept = collect() if self._scheduler.on_own_thread else self._ask(collect, None)
        names = ("title", "subtitle", "footer", "options", "settings", *VIEW_TRAITS, "eigen")
        traits = {name: getattr(self, name) for name in names} | options
        title = f"{traits['title']}: {self.subtitle}"
        target = Path(path)
        text = replay_html(traits, kept, bundle(), title=title, still=self._png() or b"")
        target.write_text(text, encoding="utf-8")
        return target

    def save_png(self, path: str | Path, **options: Any) -> Path:
        """Write the picture as a PNG, drawn by matplotlib without a browser; returns the path."""
        (target := Path(path)).write_bytes(self._draw(**options))
        return target

    def close(self) -> None:
        """End the computations, close the comm, free the memory."""
        if self._session is not None:
            self._session.close()
            self._session = None
        super().close()

    def __repr__(self) -> str:
        return f"LandscapeExplorer({self.title}: {self.subtitle}; {self.status})"

    # ------------------------------------------------------------ messages from the page

    def _handlers(self) -> Mapping[type, Callable[[Any], None]]:
        return {
            PictureRequest: lambda message: self._open_session().request_picture(
                message.id, message.settings, keep_region=message.keep_region
            ),
            CurvesRequest: lambda message: self._open_session().request_curves(message.id, message.settings),
            SettingsRequest: self._on_settings_request,
            Cancel: self._on_cancel,
            Pause: self._on_pause,
        }

    def _on_settings_request(self, message: SettingsRequest) -> None:
        with self.hold_trait_notifications():
            for name in VIEW_TRAITS:
                setattr(self, name, getattr(message.settings, name))
        self._outbox.post(Result(message.id, "settings", "complete", ""))

    def _on_cancel(self, message: Cancel) -> None:
        self._open_session().cancel(message.purpose)
        self._outbox.post(Result(message.id, "settings", "complete", ""))

    def _on_pause(self, message: Pause) -> None:
        self._open_session().pause(message.purpose, message.paused)
        self._outbox.post(Result(message.id, "settings", "complete", ""))

    # ------------------------------------------------------------ what the session reports (scheduler's thread)

    def on_settings(self, settings: PictureSettings) -> None:
        """Follow the settings of a picture that begins."""
        self._axes = (settings.alpha, settings.beta)
        self._applying = True
        try:
            self.extent = extent_of(settings.alpha_range, settings.beta_range)
            self.resolution, self.until, self.scale = settings.resolution, settings.until, scale_of(*self._axes)
            self.footer = _footer(self.objective, settings.until, self._open_session().preview)
            self.directions = tuple(describe_axis(axis) for axis in self._axes)
            self.error = self._picture_error = None
            self._offer()
        finally:
            self._applying = False

    def on_surface(self, surface: Surface, finished: bool) -> None:
        """Keep the newest surface; a finished one also as the trait that a saved notebook holds."""
        self.surface = surface
        if finished and self._session is not None:
            with np.errstate(over="ignore"):  # beyond float32 is infinite, which a page draws as no value
                loss = surface.filled.astype("<f4")
                metrics = [array.astype("<f4") for array in surface.metrics.values()]
            self.picture = {
                "frame": encode(self._session.frame()),
                "loss": loss.tobytes(),
                "metrics": np.array(metrics, "<f4").tobytes(),
                "known": b"" if surface.estimate is None else surface.known.astype(np.uint8).tobytes(),
            }

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
        if error.purpose == "picture":
            self._picture_error = self.error
            self.status = f"failed: {error.message}"

    # ------------------------------------------------------------ inside

    def _settings(self) -> PictureSettings:
        alpha, beta = self._axes
        return PictureSettings(alpha, beta, *ranges_of(self.extent), int(self.resolution), float(self.until))

    def _offer(self) -> None:
        """Tell the page what may be chosen, what is chosen, and the code for it."""
        settings = self._settings()
        self.options = offered(self._sources, settings)
        self.settings = encode(settings)
        self._write_code()

    def _write_code(self, _change: Any = None) -> None:
        view = {name: getattr(self, name) for name in VIEW_TRAITS}
        self.code = code_of(self._settings(), view, self._sources)

    @traitlets.validate("extent", "scale", "resolution", "until", "directions")
    def _check_trait(self, proposal: Any) -> Any:
        """Refuse what cannot be, where it is set: the trait keeps its value. Directions become words."""
        name, value = proposal["trait"].name, proposal["value"]
        if name == "extent":
            ranges_of(value)
        elif name == "scale":
            scales_of(value)
        elif name == "resolution":
            _check_resolution(value)
        elif name == "until":
            _check_until(value)
        elif self._session is not None and not (self._applying and self._scheduler.on_own_thread):
            self._axes = _parse_pair(value, self.seed, scales_of(self.scale), self._sources)
            return tuple(describe_axis(axis) for axis in self._axes)
        return value

    def _changed(self, change: Any) -> None:
        if self._applying and self._scheduler.on_own_thread:
            return
        session, scales = self._open_session(), scales_of(self.scale)
        if change["name"] == "seed":
            self._axes = tuple(_reseeded(axis, self.seed + place) for place, axis in enumerate(self._axes))  # type: ignore[assignment]
        elif change["name"] == "scale":
            self._axes = tuple(_rescaled(axis, scale) for axis, scale in zip(self._axes, scales, strict=True))  # type: ignore[assignment]
        if self._started:
            keep = change["name"] == "scale"
            request = functools.partial(session.request_picture, f"kernel-{next(_requests)}", self._settings())
            self._scheduler.call(functools.partial(request, keep_region=keep))
        else:
            self._offer()

    def _begin(self) -> None:
        """Start the first picture and the eigenpairs, once; on the scheduler's thread."""
        if self._started or self._session is None:
            return
        self._started = True
        self._session.request_picture(f"kernel-{next(_requests)}", self._settings())
        self._session.request_eigenpairs()

    def _replay(self) -> None:
        self._open_session().replay()

    def _jobs(self) -> list[Any]:
        return [] if self._session is None else self._session.jobs()

    def _waited(self) -> Surface | None:
        super()._waited()
        if self._picture_error is not None:
            raise self._picture_error
        surface: Surface | None = self.surface
        return surface

    def _pause(self, paused: bool) -> None:
        session = self._open_session()
        for purpose in WORK:
            self._scheduler.call(functools.partial(session.pause, purpose, paused))

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
        """What the static pictures share with the page; nothing of a picture that has no surface yet."""
        options: dict[str, Any] = {name: getattr(self, name) for name in VIEW_TRAITS}
        run = self._session.run if self._session is not None else None
        if run is not None and run.plane is not None and run.surface is not None:
            frame = self._open_session().frame()
            options |= {"caption": frame.caption, "centre_loss": frame.loss, "tracks": run.tracks, "angle": frame.angle}
        return {"title": f"{self.title}: {self.subtitle}", **options}

    def _png(self) -> bytes | None:
        return None if self.surface is None else self._draw(dpi=100)

    def _draw(self, **options: Any) -> bytes:
        from landscape_widgets.figures.matplotlib_figure import png

        return png(self._known_surface(), **{**self._figure_options(), **options})


_COMPUTING = ("executor", "tol", "slices", "preview")
_SOURCES = ("models", "checkpoints", "results", "largest", "smallest")


def _sources(objective: Objective, options: dict[str, Any], pairs: Eigenpairs | None) -> Sources:
    """What the axes may show, from the keywords of `explore`, which are taken out of `options`."""
    largest, smallest = options.pop("largest", 1), options.pop("smallest", 1)
    if pairs is not None:
        largest, smallest = pairs.largest, len(pairs.values) - pairs.largest
    largest = min(largest, objective.size)
    smallest = min(smallest, objective.size - largest)
    return Sources(
        objective,
        models=options.pop("models", None) or (),
        checkpoints=options.pop("checkpoints", None),
        eigenpairs=(*range(largest), *range(-smallest, 0)),
    )


def _parse_pair(given: Any, seed: int, scales: tuple[Any, Any], sources: Sources) -> tuple[AxisChoice, AxisChoice]:
    given = ("random", "random") if given is None else given
    if isinstance(given, str) or not hasattr(given, "__len__") or len(given) != 2:
        raise InputError(f"expected two directions, got {given!r}", 'pass for example ("λ_max", "λ_min")')
    alpha, beta = (parse_axis(value, seed + place, scales[place], sources) for place, value in enumerate(given))
    return alpha, beta


def _reseeded(axis: AxisChoice, seed: int) -> AxisChoice:
    return AxisChoice("random", seed=seed, scale=axis.scale) if axis.source == "random" else axis


def _rescaled(axis: AxisChoice, scale: Any) -> AxisChoice:
    return AxisChoice(axis.source, axis.seed, axis.index, scale)


def _footer(objective: Objective, until: float, preview: str | None) -> str:
    points = "every point evaluated exactly" + (" in the end" if preview else "")
    points = "computed points exact, the others interpolated" if until else points
    return f"{str(objective.dtype).removeprefix('torch.')} · {points}"


def _check_until(until: float) -> None:
    if not 0 <= until <= MAX_UNTIL:
        raise InputError(
            f"expected until from 0 (every point) to {MAX_UNTIL}, got {until!r}", "use 0.01 for one percent"
        )


def _check_resolution(resolution: Any) -> None:
    if not (isinstance(resolution, int) and MIN_RESOLUTION <= resolution <= MAX_RESOLUTION):
        raise InputError(
            f"expected resolution from {MIN_RESOLUTION} to {MAX_RESOLUTION} points an axis, got {resolution!r}",
            "use for example 49",
        )
