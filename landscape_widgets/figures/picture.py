"""What a static picture shows, for both back ends: which points, at which heights, in which words."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping

import numpy as np

from landscape_widgets.errors import InputError
from landscape_widgets.figures import tracks
from landscape_widgets.figures.heights import ROUNDING, Heights, heights_of
from landscape_widgets.figures.mesh import Lowest, Mesh, coordinates_of, lowest_of, mesh_of
from landscape_widgets.figures.options import Options, View
from landscape_widgets.figures.words import axis_title, counted, number
from landscape_widgets.results import Axis, Surface

SAME_PLACE = 1e-9
"""Coordinates closer than this part of the window are the same point."""

ABOVE = 0.06
"""How far the marker stands above the surface, in parts of the height axis."""

ELONGATED = 3.0
"""Windows of the same unit are drawn to scale from above, up to this ratio of their sides."""


@dataclasses.dataclass(frozen=True, eq=False)
class Cut:
    """A curve through the centre along one direction."""

    name: str
    axis: Axis
    at: np.ndarray
    loss: np.ndarray
    exact: np.ndarray
    metrics: Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class DrawnTrack:
    """What is drawn of a track, and what the caption says of it; a row of NaN in the line is where it leaves."""

    line: np.ndarray
    stops: tuple[tracks.Stop, ...]
    sentences: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A surface with everything that a static picture says about it.

    Parameters
    ----------
    surface : what is drawn; of a partial one, the finest complete coarse grid.
    options : how it is drawn.

    Raises
    ------
    InputError : for arrays whose shapes do not fit together.
    """

    surface: Surface
    options: Options = dataclasses.field(default_factory=Options)

    def __post_init__(self) -> None:
        surface = self.surface
        shape = tuple(len(axis) for axis in reversed(coordinates_of(surface)))
        arrays = (surface.loss, surface.known, *surface.metrics.values())
        if 0 in shape or any(array.shape != shape for array in arrays) or len(surface.axes) != len(shape):
            raise InputError(
                f"expected loss, known and metrics of shape {shape} and {len(shape)} axes, got "
                f"{', '.join(str(array.shape) for array in arrays)} and {len(surface.axes)}",
                "draw a surface as GridEvaluator returns it",
            )

    @property
    def view(self) -> View:
        """The view that is drawn: one direction has curves only."""
        return "curves" if self.surface.beta is None else self.options.view

    @functools.cached_property
    def mesh(self) -> Mesh | None:
        """The finest complete grid of known points, or None where there is none; coordinates ascend."""
        return mesh_of(self.surface)

    @functools.cached_property
    def heights(self) -> Heights | None:
        """Heights of the mesh, or None where nothing can be drawn."""
        return None if self.mesh is None else heights_of(self.mesh.loss, self.options.height)

    @functools.cached_property
    def cuts(self) -> tuple[Cut, ...]:
        """The curves through the centre, one a direction; where no point lies there, the nearest ones, named so."""
        if self.mesh is None:
            return ()
        axes, mesh = self.surface.axes, self.mesh
        if mesh.y is None:
            return (Cut(axis_title("α", axes[0]), axes[0], mesh.x, mesh.loss, mesh.exact, mesh.metrics),)
        row, column = int(np.abs(mesh.y).argmin()), int(np.abs(mesh.x).argmin())
        across = axis_title("α", axes[0]) + _away("β", mesh.y, row)
        along = axis_title("β", axes[1]) + _away("α", mesh.x, column)
        rows = {name: values[row] for name, values in mesh.metrics.items()}
        columns = {name: values[:, column] for name, values in mesh.metrics.items()}
        return (
            Cut(across, axes[0], mesh.x, mesh.loss[row], mesh.exact[row], rows),
            Cut(along, axes[1], mesh.y, mesh.loss[:, column], mesh.exact[:, column], columns),
        )

    def window(self, which: int) -> tuple[float, float]:
        """Ends of an axis of the whole surface, known or not."""
        axis = coordinates_of(self.surface)[which]
        lo, hi = float(axis.min()), float(axis.max())
        return (lo, hi) if hi > lo else (lo - 0.5, hi + 0.5)

    @property
    def to_scale(self) -> bool:
        """Whether one unit is drawn as long on both axes of the view from above."""
        (x0, x1), (y0, y1) = self.window(0), self.window(1)
        one, other = self.surface.axes
        return one.unit == other.unit and 1 / ELONGATED <= (x1 - x0) / (y1 - y0) <= ELONGATED

    @property
    def curves_title(self) -> str:
        """Title of the axis below the curves: of one curve its own, of two what they share."""
        if len(self.cuts) == 1:
            return self.cuts[0].name
        units = {cut.axis.unit for cut in self.cuts} - {""}
        return "position along the direction" + (f" ({units.pop()})" if len(units) == 1 else "")

    @property
    def centre_inside(self) -> bool:
        """Whether the model itself lies in the window."""
        return all(lo <= 0 <= hi for lo, hi in map(self.window, range(len(self.surface.axes))))

    @functools.cached_property
    def centre(self) -> float | None:
        """Loss at the centre: as given, or the known value there, or None."""
        if self.options.centre_loss is not None:
            return float(self.options.centre_loss)
        places = [_zero(axis) for axis in reversed(coordinates_of(self.surface))]
        if any(place is None for place in places) or not self.surface.known[tuple(places)]:
            return None
        return float(self.surface.loss[tuple(places)])

    @property
    def centre_label(self) -> str:
        """The words at the marker."""
        if self.centre is None:
            return "model"
        return "model, loss NaN" if math.isnan(self.centre) else f"model, loss {number(self.centre, 2)}"

    def centre_height(self, heights: Heights) -> float:
        """Height at which the stem of the marker starts, inside the axis."""
        loss = self.centre
        if loss is None or math.isnan(loss) or (self.options.height == "log" and loss <= 0):
            return heights.lo
        return min(max(math.log10(loss) if self.options.height == "log" else loss, heights.lo), heights.hi)

    @functools.cached_property
    def lowest(self) -> Lowest | None:
        """The lowest point computed, unless the model is as low; none of a preview, which computed no point."""
        found = None if self.options.preview else lowest_of(self.surface)
        if found is None or not self.centre_inside:
            return found
        ends = [self.window(which) for which in range(len(self.surface.axes))]
        at_model = all(
            abs(place) <= SAME_PLACE * (hi - lo)
            for place, (lo, hi) in zip((found.alpha, found.beta or 0.0), ends, strict=False)
        )
        model = math.nan if self.centre is None else self.centre
        as_low = model <= found.loss or math.isclose(model, found.loss, rel_tol=ROUNDING)
        return None if at_model or as_low else found

    @property
    def lowest_height(self) -> float | None:
        """Height of the lowest point of a curve; None on a plane, and where a logarithm cannot show it."""
        found = self.lowest
        if found is None or found.beta is not None or (self.options.height == "log" and found.loss <= 0):
            return None
        return math.log10(found.loss) if self.options.height == "log" else found.loss

    @functools.cached_property
    def drawn_tracks(self) -> tuple[DrawnTrack, ...]:
        """The tracks inside the window; none on curves, where they have no place."""
        if self.view == "curves":
            return ()
        window = self.window(0), self.window(1)
        axes, angle = self.surface.axes, self.options.angle
        return tuple(
            DrawnTrack(
                tracks.line(track, window),
                tuple(tracks.stops(track, window, axes, angle)),
                tracks.sentences(track, window, axes, angle),
            )
            for track in self.options.tracks
            if track.labels
        )

    def beside_model(self, stop: tracks.Stop) -> bool:
        """Whether a stop lies where the model has its own label."""
        places = zip((stop.alpha, stop.beta), map(self.window, range(2)), strict=True)
        return self.centre_inside and all(abs(place) < 0.03 * (hi - lo) for place, (lo, hi) in places)

    @property
    def message(self) -> str:
        """Why there is no picture; empty where there is one."""
        if self.mesh is None:
            return f"no complete grid is known yet: {self.surface.done:,} of {self.surface.total:,} points"
        if self.heights is not None:
            return ""
        if np.isfinite(self.mesh.loss).any() and self.options.height == "log":
            return "no value is positive: choose linear height"
        return "every value is NaN or infinite"

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that the caption must not leave out."""
        notes = []
        if self.options.preview:
            notes.append("Preview: the quadratic model at the centre, not computed losses.")
        if self.surface.estimated and self.surface.estimated not in self.options.caption:
            notes.append(self.surface.estimated)
        if self.mesh is not None and self.mesh.loss.size < self.surface.loss.size:
            notes.append(f"{_grid(self.mesh.loss)} of {_grid(self.surface.loss)} points.")
        if self.heights is not None and self.heights.holes:
            notes.append(counted(self.heights.holes, "value is", "values are") + " NaN or infinite: holes.")
        if self.heights is not None and self.heights.hidden:
            notes.append(counted(self.heights.hidden, "value is", "values are") + " not positive: holes in log height.")
        return tuple(notes)

    @property
    def words(self) -> str:
        """Caption, notes and what the signs mean, one text."""
        return " ".join(part for part in (self.options.caption.strip(), *self.notes, *self.legend) if part)

    @property
    def legend(self) -> tuple[str, ...]:
        """What the ring and the tracks are."""
        if self.heights is None:
            return ()
        found = self.lowest
        ring: tuple[str, ...] = ()
        if found is not None and self.rings:
            beta = "" if found.beta is None else f", β {number(found.beta)}"
            ring = (f"Ring: lowest point found, loss {number(found.loss)} at α {number(found.alpha)}{beta}.",)
        return (*ring, *(sentence for drawn in self.drawn_tracks for sentence in drawn.sentences))

    @property
    def rings(self) -> bool:
        """Whether the view has a place for the lowest point: cuts through a plane may pass beside it."""
        return self.view != "curves" or self.surface.beta is None


def _grid(loss: np.ndarray) -> str:
    return " × ".join(str(count) for count in reversed(loss.shape))


def _zero(axis: np.ndarray) -> int | None:
    """Index of the point at 0, or None."""
    nearest = int(np.abs(axis).argmin())
    return nearest if abs(axis[nearest]) <= SAME_PLACE * np.ptp(axis) else None


def _away(name: str, axis: np.ndarray, index: int) -> str:
    return "" if _zero(axis) is not None else f", at {name} = {number(float(axis[index]))}"
