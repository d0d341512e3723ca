"""`SaddleLab`: random slices through a saddle beside the slice along its Hessian directions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from landscape_widgets.errors import InputError
from landscape_widgets.protocol.codec import encode
from landscape_widgets.protocol.labs import SaddleRequest, SaddleSettings, SliceScale
from landscape_widgets.session.lab_saddle import Saddles, SaddleView, counts_line
from landscape_widgets.session.model import OBJECTIVE_OPTIONS, Loss, Objective, objective_of
from landscape_widgets.widgets.arguments import reject_unknown
from landscape_widgets.widgets.lab import LandscapeLab
from landscape_widgets.widgets.library import loader

SETTINGS = ("n", "positive", "draws", "shown", "seed", "scale", "extent", "points")
TOY = {"n": 500, "positive": 600, "draws": 1000, "points": 25}
MODEL = {"n": 1, "positive": 1, "draws": 200, "points": 13}
WITHIN_REASON = 12
"""How many times higher one slice may be than another on one height scale, as on the page."""
TOY_REACH, MODEL_REACH = 0.125, 0.1
"""± how far a surface goes: in lengths of a raw direction (toy), or of the weights (model)."""


class SaddleLab(LandscapeLab):
    """Draw random slices through a point and count what they show, beside the slice along its Hessian directions.

    f(α, β) = L(θ* + αη + βδ), η_i, δ_i ~ N(0, 1), has curvatures A = ηᵀHη, B = ηᵀHδ, C = δᵀHδ with E[[A, B], [B, C]] =
    tr(H)·I: on average a saddle looks like ½ tr(H)(α² + β²), a minimum where tr H > 0. The Hessian slice, along the
    eigenvectors of λ_max and λ_min, shows it. `SaddleLab(n=500, positive=600)` is the toy saddle, everything in closed
    form; `SaddleLab(objective)` or `SaddleLab(model, loss, data)` a model at its parameters.

    Cost: none for the toy; for a model two Hessian-vector products a slice, some 60 for the eigenpairs, P (up to 500
    parameters) or 200 for what is predicted, and 2 × points² forward passes.

    Parameters
    ----------
    model, loss, data : as for `Objective`, or an `Objective` alone; none of them for the toy saddle.
    n, positive : the toy's n and ñ: ñ directions curve up and 2n - ñ down, N = 2n + 1.
    draws : random slices, 1,000 for the toy and 200 for a model unless given.
    shown : number of the slice that is drawn, from 0.
    seed : of the sample.
    scale : "raw" (Gaussian, length about √P), "unit", or for a model "filter"; setting it keeps the region.
    extent : ± how far the surfaces go, in the unit of the scale.
    points : points an axis of a surface, odd.
    title, layout : how it is shown.
    options : further keywords of `Objective`.

    Traits, to observe and to link: those of the parameters from `n` to `points`, which ask anew when they are set, and
    `result` (a `SliceSample`), `law` (a `SliceLaw`), `sentence`, `trace`, `status`, `progress`, `error`. Observers of
    the latter run on the scheduler's thread.

    Raises
    ------
    InputError : n below 1, positive outside 0 to 2n, draws below 1, shown beyond draws; TypeError for an unknown
        keyword, with the nearest name.

    Source: L. Böttcher and G. Wheeler, "Visualizing high-dimensional loss landscapes with Hessian directions" (2024).

    >>> lab = SaddleLab(n=50, positive=50, draws=200)
    >>> lab.wait(timeout=60).counts["saddle"], lab.sentence
    (142, '33 of 200 random slices show a minimum; the point is a saddle with 50 negative directions.')
    >>> lab.close()
    """

    _esm = loader("saddle")
    _request_class = SaddleRequest

    n: Any = traitlets.Any(None, help="half the curved directions of the toy; None for a model")
    positive: Any = traitlets.Any(None, help="directions of the toy that curve upwards; None for a model")
    draws: Any = traitlets.Any(1000, help="random slices")
    shown: Any = traitlets.Any(0, help="number of the slice that is drawn")
    seed: Any = traitlets.Any(0, help="of the sample")
    scale: Any = traitlets.Any("raw", help="raw, unit or filter")
    extent: Any = traitlets.Any(1.0, help="± how far the surfaces go, in the unit of the scale")
    points: Any = traitlets.Any(25, help="points an axis of a surface")
    law = traitlets.Any(None, allow_none=True, help="the SliceLaw of the spectrum, once it is known")
    trace = traitlets.Any(None, allow_none=True, help="tr H, exact or estimated, once it is known")
    sentence = traitlets.Unicode(help="what happened, in one sentence")

    def __init__(
        self,
        model: Any = None,
        loss: Loss | None = None,
        data: Any = None,
        *,
        n: int | None = None,
        positive: int | None = None,
        draws: int | None = None,
        shown: int = 0,
        seed: int = 0,
        scale: SliceScale = "raw",
        extent: float | None = None,
        points: int | None = None,
        title: str = "",
        layout: Any = None,
        **options: Any,
    ) -> None:
        reject_unknown("SaddleLab", options, OBJECTIVE_OPTIONS, SaddleLab)
        objective = _objective(model, loss, data, n, positive, options)
        self._lab = lab = Saddles(objective, self)
        usual = MODEL if objective is not None else _toy(n)
        given = {"n": n, "positive": positive, "draws": draws, "points": points}
        chosen = {name: usual[name] if value is None else value for name, value in given.items()}
        asked = _settings({**chosen, "shown": shown, "seed": seed, "scale": scale, "extent": 1.0})
        lab.check(asked)
        asked = dataclasses.replace(asked, extent=_reach(lab, asked) if extent is None else _number("extent", extent))
        lab.check(asked)
        self._applying = self._following = self._ready = False
        state: dict[str, Any] = {} if layout is None else {"layout": layout}
        name, subtitle, footer = _titles(objective)
        super().__init__(title=title or name, subtitle=subtitle, footer=footer, **state)
        self.objective = objective
        self._follow(asked)
        self._open(lab)
        self._wanted = asked
        self._ready = True
        self.observe(self._changed, names=list(SETTINGS))

    # ------------------------------------------------------------ for users

    def draw_again(self) -> None:
        """Show the next random slice, drawing one more where all have been shown."""
        shown = self._wanted.shown + 1
        self._ask_for(shown=shown, draws=max(self._wanted.draws, shown + 1))

    def draw_more(self, count: int = 1000) -> None:
        """Draw so many further slices, on top of those there are."""
        if not isinstance(count, int) or count < 1:
            raise InputError(f"expected a number of slices of at least 1, got {count!r}", "pass for example 1000")
        self._ask_for(draws=self._wanted.draws + count)

    def save_png(self, path: str | Path, **options: Any) -> Path:
        """Write the picture as a PNG, drawn by matplotlib without a browser; returns the path."""
        target = Path(path)
        target.write_bytes(self._draw(**options))
        return target

    def __repr__(self) -> str:
        return f"SaddleLab({self.title}: {self.subtitle}; {self.status})"

    # ------------------------------------------------------------ what the lab reports (scheduler's thread)

    def begun(self, settings: SaddleSettings) -> None:
        """A run with these settings begins."""
        self._applying = True
        try:
            super().begun(settings)
            self._wanted = settings
            self._take(settings)
        finally:
            self._applying = False

    def shown_now(self, view: SaddleView, finished: bool) -> None:
        """The slices have moved."""
        with self.hold_trait_notifications():
            self.law = None if view.prediction is None else view.prediction.law
            self.trace, self.sentence = view.trace[0], view.sentence
            self.moved(self.result if view.sample is None else view.sample, view.status, view.progress, finished)

    # ------------------------------------------------------------ inside

    def _take(self, settings: SaddleSettings) -> None:
        model = self.objective is not None
        with self.hold_trait_notifications():
            for name in SETTINGS:
                setattr(self, name, None if model and name in ("n", "positive") else getattr(settings, name))

    def _follow(self, settings: SaddleSettings) -> None:
        """Show what is asked for, before it is begun."""
        self._following = True
        try:
            self.settings = encode(settings)
            self._take(settings)
        finally:
            self._following = False

    def _ask_for(self, **changes: Any) -> None:
        asked = self._moved_settings(changes)
        self._lab.check(asked)
        self._follow(asked)
        self._request(asked)

    def _moved_settings(self, changes: Mapping[str, Any]) -> SaddleSettings:
        """The settings with changes: another n keeps the share of ñ, another scale the region."""
        before = self._wanted
        values = {**dataclasses.asdict(before), **changes}
        if "n" in changes and "positive" not in changes and isinstance(changes["n"], int):
            values["positive"] = round(before.positive / before.n * max(changes["n"], 0))
        if "draws" in changes and "shown" not in changes and isinstance(changes["draws"], int):
            values["shown"] = max(0, min(before.shown, changes["draws"] - 1))
        asked = _settings(values)
        if "scale" in changes and "extent" not in changes and asked.scale != before.scale:
            self._lab.check(asked)
            ratio = self._lab.length(before, before.scale) / self._lab.length(asked, asked.scale)
            asked = dataclasses.replace(asked, extent=before.extent * ratio)
        return asked

    @traitlets.validate(*SETTINGS)
    def _check_trait(self, proposal: Any) -> Any:
        """Refuse what cannot be, where it is set: the trait keeps its value."""
        name, value = proposal["trait"].name, proposal["value"]
        if not self._ready or self._following or (self._applying and self._scheduler.on_own_thread):
            return value
        if self.objective is not None and name in ("n", "positive"):
            raise InputError(f"expected a toy saddle to set {name}, got a model", "make SaddleLab(n=500) without one")
        self._lab.check(self._moved_settings({name: value}))
        return value

    def _changed(self, change: Any) -> None:
        if self._following or (self._applying and self._scheduler.on_own_thread):
            return
        self._ask_for(**{change["name"]: change["new"]})

    def _png(self) -> bytes | None:
        return None if self.result is None else self._draw(dpi=100)

    def _draw(self, **options: Any) -> bytes:
        from landscape_widgets.figures import lab_saddle as figures

        work = self._work
        view = None if work is None else work.state
        if view is None:
            raise InputError("expected drawn slices, got none yet", "call wait() first")
        slices, shapes = _figure_parts(self._lab, view)
        words = {
            "title": f"{self.title}: {self.subtitle}",
            "sentence": view.sentence,
            "counts": counts_line(view),
            "caption": view.caption,
            "same_heights": _comparable([part.heights for part in slices[:2]]),
        }
        drawn: bytes = figures.png(slices, shapes, **{**words, **options})
        return drawn


def _figure_parts(lab: Saddles, view: SaddleView) -> tuple[list[Any], list[Any]]:
    """What the static picture draws."""
    from landscape_widgets.figures.lab_saddle import Bars, Shape, Slice

    pictures, histograms, arrays = lab.drawn(view)
    slices = [Slice(one.title, one.shows, one.note, arrays[one.array], one.extent * one.length) for one in pictures]
    shapes = []
    for names in (("A",), ("B",), ("kappa_plus", "kappa_minus")):
        found = [one for one in histograms if one.name in names]
        if not found:
            continue
        rows = [
            Bars(
                arrays[f"{one.name}-edges"],
                arrays[f"{one.name}-counts"],
                arrays.get(f"{one.name}-x"),
                arrays.get(f"{one.name}-density"),
                one.exact,
            )
            for one in found
        ]
        first = found[0]
        law = f"{'line' if first.exact else 'dashed'}: {first.law}" if first.law else "no law is known"
        mark = "tr H" if view.settings.scale == "raw" else "tr H/P"
        shapes.append(Shape(" and ".join(one.title for one in found), tuple(rows), first.marked, mark, law))
    return slices, shapes


def _comparable(heights: list[Any]) -> bool:
    """Whether one slice does not flatten the other on one height scale."""
    spans = [float(np.nanmax(one) - np.nanmin(one)) for one in heights if np.isfinite(one).any()]
    return len(spans) < 2 or min(spans) <= 0 or max(spans) <= WITHIN_REASON * min(spans)


def _objective(
    model: Any, loss: Loss | None, data: Any, n: Any, positive: Any, options: Mapping[str, Any]
) -> Objective | None:
    if model is None:
        if loss is not None or data is not None or options:
            raise InputError("expected a model with loss and data, got no model", "pass SaddleLab(model, loss, data)")
        return None
    if n is not None or positive is not None:
        raise InputError("expected a model, or n and positive of the toy, got both", "leave one of them out")
    return objective_of(model, loss, data, options)


def _toy(n: Any) -> dict[str, Any]:
    """Defaults of the toy: a little more than half of the directions curve up."""
    if n is None:
        return TOY
    return {**TOY, "n": n, "positive": n + n // 5 if isinstance(n, int) else 0}


def _settings(values: Mapping[str, Any]) -> SaddleSettings:
    whole = {name: _whole(name, values[name]) for name in SETTINGS if name not in ("scale", "extent")}
    return SaddleSettings(**whole, scale=values["scale"], extent=_number("extent", values["extent"]))


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InputError(f"expected {name} as a whole number, got {value!r}", f"pass for example {name}=1")
    return int(value)


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"expected {name} as a number, got {value!r}", f"pass for example {name}=0.125") from None


def _reach(lab: Saddles, asked: SaddleSettings) -> float:
    """How far the surfaces go unless it is given, in the unit of the scale; a power of √2 in the raw one."""
    raw = lab.length(asked, "raw")
    reach = TOY_REACH if lab.toy else MODEL_REACH * lab.length(asked, "filter") / raw
    stop = 2.0 ** (round(2 * math.log2(reach)) / 2)
    return float(stop * raw / lab.length(asked, asked.scale))


def _titles(objective: Objective | None) -> tuple[str, str, str]:
    if objective is None:
        return "Toy saddle", "everything exact, in closed form", "float64"
    about = f"{objective.size:,} parameters · {objective.loss_name}, {objective.samples:,} samples"
    return objective.name, about, f"{str(objective.dtype).removeprefix('torch.')} · {objective.device}"
