"""The saddle lab: random slices beside the Hessian slice, their running average, and what was predicted of them."""

from __future__ import annotations

import dataclasses
import math
import time
import typing
from collections.abc import Iterator
from typing import Any, Literal, Protocol

import numpy as np

from landscape_widgets.compute.objective import Objective
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.protocol.codec import pack
from landscape_widgets.protocol.labs import Histogram, SaddleSettings, SaddleState, SlicePicture, SliceScale
from landscape_widgets.protocol.limits import BOUNDS
from landscape_widgets.protocol.messages import Error
from landscape_widgets.results import KINDS, SliceSample
from landscape_widgets.session import saddle_words as words
from landscape_widgets.session.saddle_laws import Prediction
from landscape_widgets.session.saddle_points import ModelPoint, Patch, Point, ToyPoint, Window, length_of
from landscape_widgets.session.saddle_sample import Densities, Sample, counts, histograms

Task = Iterator[dict[str, Any]]


@dataclasses.dataclass(frozen=True, eq=False)
class SaddleView:
    """All that is known for some settings."""

    settings: SaddleSettings
    point: Point
    sample: SliceSample | None = None
    average: np.ndarray | None = None
    random: Patch | None = None
    hessian: Patch | None = None
    prediction: Prediction | None = None
    waiting: tuple[str, ...] = ()
    seconds_left: float | None = None

    @property
    def trace(self) -> tuple[float | None, float | None, bool]:
        """The trace of H, its standard error, and whether it is exact: from the spectrum, or else from the sample."""
        found = self.prediction
        if found is not None and math.isfinite(found.trace):
            return found.trace, found.trace_error, found.exact
        if self.sample is None or not math.isfinite(self.sample.trace):
            return None, None, False
        error = self.sample.trace_error
        return self.sample.trace, error if math.isfinite(error) else None, False

    @property
    def sentence(self) -> str:
        """What happened, in one sentence."""
        return words.told(self.sample, self.prediction, getattr(self.point, "pairs", None))

    @property
    def caption(self) -> str:
        """What the surfaces share."""
        length = length_of(self.point, self.settings.scale)
        return words.caption(self.settings, self.point.size, length, self.point.toy)

    @property
    def status(self) -> str:
        """What is being done."""
        return words.status(self.sample, self.settings.draws, self.waiting)

    def share(self, count: int) -> float:
        """A count in percent of the slices."""
        done = 0 if self.sample is None else self.sample.done
        return 100 * count / max(done, 1)

    @property
    def progress(self) -> float:
        """Share of the slices that is drawn; below 1 until all the rest is there too."""
        done = 0 if self.sample is None else self.sample.done
        part = min(1.0, done / self.settings.draws)
        return min(part, 0.95) if self.waiting else part


class Listener(Protocol):
    """Who is told, on the scheduler's thread."""

    def begun(self, settings: SaddleSettings) -> None:
        """A run begins."""

    def shown_now(self, view: SaddleView, finished: bool) -> None:
        """Something has moved."""

    def failed(self, error: Error) -> None:
        """A request has failed."""


class Saddles:
    """A `Lab` of random slices through one point; everything runs on the scheduler's thread.

    Another n, ñ, seed or scale begins a new sample; more draws go on with the old one, and fewer are its first.

    Parameters
    ----------
    objective : a user's own model; None for the toy saddle.
    listener : the widget.
    """

    purpose: Literal["saddle"] = "saddle"

    def __init__(self, objective: Objective | None, listener: Listener) -> None:
        self._listener = listener
        self._point: Point | None = None if objective is None else ModelPoint(objective)
        self.toy = objective is None
        self._samples: dict[Any, Sample] = {}
        self._predictions: dict[Any, Prediction] = {}
        self._densities: tuple[Any, Densities] | None = None

    # ------------------------------------------------------------ what may be asked

    def check(self, settings: SaddleSettings) -> None:
        """Raise `InputError` for settings that cannot be."""
        for name in ("n", "draws", "seed", "extent", "points"):
            low, high = BOUNDS["SaddleSettings", name]
            value = getattr(settings, name)
            if not low <= value <= high:  # NaN too
                raise InputError(f"expected {name} from {low:g} to {high:g}, got {value:g}", _ADVICE[name])
        if not 0 <= settings.positive <= 2 * settings.n:
            raise InputError(
                f"expected positive (ñ) from 0 to 2n = {2 * settings.n:,}, got {settings.positive:,}",
                _ADVICE["positive"],
            )
        if not 0 <= settings.shown < settings.draws:
            raise InputError(
                f"expected shown from 0 to draws - 1 = {settings.draws - 1:,}, got {settings.shown:,}",
                "raise draws, or show an earlier slice",
            )
        if settings.points % 2 == 0:
            raise InputError(f"expected an odd number of points, got {settings.points}", _ADVICE["points"])
        known = ("raw", "unit") if self.toy else typing.get_args(SliceScale)
        if settings.scale not in known:
            raise InputError(f"expected scale as one of {', '.join(known)}, got {settings.scale!r}", _ADVICE["scale"])

    def length(self, settings: SaddleSettings, scale: SliceScale) -> float:
        """What one unit of a scale is in parameter distance."""
        size = 2 * settings.n + 1
        if self._point is not None and not self.toy:
            return length_of(self._point, scale)
        return math.sqrt(size) if scale == "raw" else 1.0

    # ------------------------------------------------------------ the run

    def steps(self, settings: SaddleSettings) -> Iterator[SaddleView]:
        """Draw pictures, sample and law in turn, one step each; what is known already comes first."""
        point = self._at(settings)
        window = Window(settings.scale, settings.extent, settings.points)
        tasks: dict[str, Task] = {
            "computing the slices": self._pictures(point, settings, window),
            "": self._draws(point, settings, window),
            "finding the law of the spectrum": self._law(point),
        }
        view = self._known(point, settings, window, tuple(filter(None, tasks)))
        silent = point.toy  # its first round takes milliseconds, and leaves no gap in the picture
        while tasks:
            for name, task in list(tasks.items()):
                change = next(task, None)
                if change is None:
                    del tasks[name]
                    change = {"waiting": tuple(filter(None, tasks))}
                view = dataclasses.replace(view, **change)
                if not silent:
                    yield view
            if silent:
                yield view
            silent = False

    def _known(self, point: Point, settings: SaddleSettings, window: Window, waiting: tuple[str, ...]) -> SaddleView:
        """What earlier runs have left for these settings."""
        run = self._samples.get((settings.seed, settings.scale))
        sample = None if run is None else run.known(settings.draws)
        return SaddleView(
            settings,
            point,
            sample=sample,
            average=point.average(sample, window) if sample is not None else None,
            random=point.known_random(settings.seed, settings.shown, window),
            hessian=point.known_hessian(window),
            prediction=self._predictions.get("law"),
            waiting=waiting,
        )

    def _at(self, settings: SaddleSettings) -> Point:
        point = self._point
        if isinstance(point, ModelPoint):
            return point
        if point is None or (point.n, point.positive) != (settings.n, settings.positive):
            point = self._point = ToyPoint(settings.n, settings.positive)
            self._samples.clear()
            self._predictions.clear()
        return point

    def _pictures(self, point: Point, settings: SaddleSettings, window: Window) -> Task:
        for patch in point.random(settings.seed, settings.shown, window):
            yield {"random": patch} if len(patch.heights) else {}
        for found in point.hessian(window):
            yield {"hessian": found} if found is not None and len(found.heights) else {}

    def _draws(self, point: Point, settings: SaddleSettings, window: Window) -> Task:
        key = (settings.seed, settings.scale)
        if key not in self._samples:
            self._samples = {key: Sample(point.operator, settings.seed, settings.scale)}
        began, before = time.monotonic(), None
        for sample in self._samples[key].steps(settings.draws):
            before = sample.done if before is None else before
            rate = (sample.done - before) / max(time.monotonic() - began, 1e-9)
            left = (settings.draws - sample.done) / rate if rate > 0 else None
            average = point.average(sample, window) if sample.done else None
            yield {"sample": sample, "average": average, "seconds_left": left}

    def _law(self, point: Point) -> Task:
        known = self._predictions.get("law")
        for found in [known] if known is not None else point.predictions():
            if found is not None:
                self._predictions["law"] = found
            yield {"prediction": found}

    # ------------------------------------------------------------ what is told

    def message(self, state: SaddleView, id: str, run: int, seq: int) -> tuple[SaddleState, list[memoryview]]:
        """A state as a message with its buffers."""
        settings, sample, point = state.settings, state.sample, state.point
        trace, error, exact = state.trace
        pictures, shapes, arrays = self.drawn(state)
        headers, buffers = pack(arrays)
        message = SaddleState(
            id=id,
            run=run,
            seq=seq,
            settings=settings,
            toy=self.toy,
            size=point.size,
            sentence=state.sentence,
            caution=words.caution(sample),
            caption=state.caption,
            status=state.status,
            done=0 if sample is None else sample.done,
            total=settings.draws,
            seconds_left=state.seconds_left,
            trace=trace,
            trace_error=error,
            trace_exact=exact,
            counts=counts(sample, state.prediction, settings.scale),
            prediction=_prediction_words(state),
            pictures=pictures,
            histograms=shapes,
            scales=point.scales,
            lengths=point.lengths,
            arrays=headers,
        )
        return message, buffers

    def drawn(self, state: SaddleView) -> tuple[tuple[SlicePicture, ...], tuple[Histogram, ...], dict[str, np.ndarray]]:
        """The pictures, the histograms, and the arrays of both."""
        settings, (trace, _, _) = state.settings, state.trace
        scale = {"raw": 1.0, "unit": 1.0 / state.point.size, "filter": math.nan}[settings.scale]
        marked = trace * scale if trace is not None and settings.scale != "filter" else None
        shapes, arrays = histograms(state.sample, self._curves(state), marked)
        pictures, heights = _pictures(state)
        return pictures, shapes, {**heights, **arrays}

    def on_begin(self, settings: SaddleSettings) -> None:
        """A run with these settings begins."""
        self._listener.begun(settings)

    def on_state(self, state: SaddleView, finished: bool) -> None:
        """Something has moved."""
        sample = state.sample
        if finished and sample is not None and sample.outcome is Outcome.RUNNING:
            state = dataclasses.replace(state, sample=dataclasses.replace(sample, outcome=Outcome.CANCELLED))
        self._listener.shown_now(state, finished)

    def on_error(self, error: Error) -> None:
        """A request has failed."""
        self._listener.failed(error)

    def _curves(self, state: SaddleView) -> Densities:
        key = (state.prediction, state.settings.scale, state.point)
        if self._densities is None or self._densities[0] != key:
            self._densities = key, Densities(state.prediction, state.settings.scale, state.point.size)
        return self._densities[1]


def counts_line(view: SaddleView) -> str:
    """The counters in one line."""
    parts = []
    for one in counts(view.sample, view.prediction, view.settings.scale):
        there = one.predicted is not None
        predicted = f", predicted {100 * (one.predicted or 0.0):.3g} %" if there else ""
        interval = "" if one.lower is None else f", 95 % {100 * one.lower:.3g} to {100 * (one.upper or 0.0):.3g} %"
        parts.append(f"{one.shows} {one.count:,} ({view.share(one.count):.3g} %{interval}{predicted})")
    return "Slices that show a " + "; ".join(parts) + "."


def _prediction_words(view: SaddleView) -> str:
    if view.prediction is None:
        return "The prediction is being computed."
    if view.settings.scale == "filter":
        return "No prediction: the law is that of raw Gaussian directions; filter-normalised ones are not alike."
    return view.prediction.how


def _pictures(view: SaddleView) -> tuple[tuple[SlicePicture, ...], dict[str, np.ndarray]]:
    parts = [part for part in (_random(view), _hessian(view), _average(view)) if part is not None]
    return tuple(picture for picture, _ in parts), {picture.array: heights for picture, heights in parts}


Part = tuple[SlicePicture, np.ndarray]


def _picture(view: SaddleView, name: str, title: str, note: str, shows: str, patch: Patch) -> Part:
    extent, length = view.settings.extent, length_of(view.point, view.settings.scale)
    alpha, beta, kappa = patch.alpha, patch.beta, patch.kappa
    return SlicePicture(name, title, note, shows, alpha, beta, extent, length, kappa), patch.heights


def _random(view: SaddleView) -> Part | None:
    if view.random is None:
        return None
    shown, sample, patch, kind = view.settings.shown, view.sample, view.random, ""
    if sample is not None and sample.done > shown:
        kappa = tuple(float(one) for one in sample.kappa[shown])
        patch, kind = dataclasses.replace(patch, kappa=kappa), KINDS[int(sample.kinds[shown])]
    note = "along two random directions η and δ"
    return _picture(view, "random", f"Random slice {shown + 1:,}", note, kind, patch)


def _hessian(view: SaddleView) -> Part | None:
    if view.hessian is None:
        return None
    note = "along the eigenvectors of λ_max and λ_min"
    return _picture(view, "hessian", "Hessian slice", note, words.shows(view.hessian.kappa), view.hessian)


def _average(view: SaddleView) -> Part | None:
    sample = view.sample
    if sample is None or view.average is None:
        return None
    kappa = words.mean_kappa(sample)
    shows = words.shows(kappa, words.uncertainty(sample))
    note = words.average_note(sample, (view.trace[0], view.trace[2]), view.settings, view.point.toy)
    return _picture(view, "average", "Average of all", note, shows, Patch(view.average, kappa, "α η", "β δ"))


_ADVICE = {
    "n": "pass for example n=500",
    "positive": "pass for example positive=600 with n=500",
    "draws": "pass for example draws=1000",
    "seed": "pass for example seed=0",
    "extent": "it is ± how far each axis goes, in the unit of the scale",
    "points": "pass for example points=25",
    "scale": 'choose one of them; "filter" needs the weights of a model',
}
