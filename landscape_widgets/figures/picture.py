"""What a static picture shows, for both back ends: which points, at which heights, in which words."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Literal, get_args

import numpy as np

from landscape_widgets.errors import InputError
from landscape_widgets.figures.heights import Heights, HeightScale, heights_of
from landscape_widgets.figures.words import axis_title, counted, number
from landscape_widgets.results import Axis, Surface

View = Literal["surface", "contour", "curves"]

SAME_PLACE = 1e-9
"""Coordinates closer than this part of the window are the same point."""

ABOVE = 0.06
"""How far the marker stands above the surface, in parts of the height axis."""

ELONGATED = 3.0
"""Windows of the same unit are drawn to scale from above, up to this ratio of their sides."""


@dataclasses.dataclass(frozen=True, eq=False)
class Mesh:
    """A complete rectangle of known points: loss[j, i] at (x[i], y[j]), or loss[i] at x[i] where y is None."""

    x: np.ndarray
    y: np.ndarray | None
    loss: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Cut:
    """A curve through the centre along one direction."""

    name: str
    axis: Axis
    at: np.ndarray
    loss: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A surface with everything that a static picture says about it.

    Parameters
    ----------
    surface : what is drawn; of a partial one, the finest complete coarse grid.
    title, caption : plain text.
    height : "log" draws log10 of the loss, "linear" the loss.
    preview : whether the values are the quadratic model at the centre instead of computed losses.
    centre_loss : loss of the model itself; None takes the surface's value at its centre.

    Raises
    ------
    InputError : for another height, or arrays whose shapes do not fit together.
    """

    surface: Surface
    title: str = ""
    caption: str = ""
    height: HeightScale = "log"
    preview: bool = False
    centre_loss: float | None = None

    def __post_init__(self) -> None:
        surface = self.surface
        if self.height not in get_args(HeightScale):
            raise InputError(f'expected height "log" or "linear", got {self.height!r}', 'pass height="log"')
        coordinates = self._coordinates(surface)
        shape = tuple(len(axis) for axis in reversed(coordinates))
        if 0 in shape or surface.loss.shape != shape or surface.known.shape != shape or len(surface.axes) != len(shape):
            raise InputError(
                f"expected loss and known of shape {shape} and {len(shape)} axes, got {surface.loss.shape}, "
                f"{surface.known.shape} and {len(surface.axes)}",
                "draw a surface as GridEvaluator returns it",
            )

    @staticmethod
    def _coordinates(surface: Surface) -> list[np.ndarray]:
        return [surface.alpha] if surface.beta is None else [surface.alpha, surface.beta]

    def view(self, wanted: str) -> View:
        """The view that is drawn: one direction has curves only."""
        if wanted not in get_args(View):
            raise InputError(f'expected view "surface", "contour" or "curves", got {wanted!r}', 'pass view="surface"')
        chosen: View = next(view for view in get_args(View) if view == wanted)
        return "curves" if self.surface.beta is None else chosen

    @functools.cached_property
    def mesh(self) -> Mesh | None:
        """The finest complete grid of known points, or None where there is none; coordinates ascend."""
        surface = self.surface
        coordinates = self._coordinates(surface)
        found = complete_grid(surface.known)
        if found is None:
            return None
        orders = [
            index[np.argsort(axis[index], kind="stable")]
            for axis, index in zip(coordinates, reversed(found), strict=True)
        ]
        loss = surface.loss[np.ix_(*reversed(orders))].astype(np.float64)
        points = [axis[order].astype(np.float64) for axis, order in zip(coordinates, orders, strict=True)]
        return Mesh(points[0], points[1] if len(points) == 2 else None, loss)

    @functools.cached_property
    def heights(self) -> Heights | None:
        """Heights of the mesh, or None where nothing can be drawn."""
        return None if self.mesh is None else heights_of(self.mesh.loss, self.height)

    @functools.cached_property
    def cuts(self) -> tuple[Cut, ...]:
        """The curves through the centre, one a direction; where no point lies there, the nearest ones, named so."""
        if self.mesh is None:
            return ()
        axes, mesh = self.surface.axes, self.mesh
        if mesh.y is None:
            return (Cut(axis_title("α", axes[0]), axes[0], mesh.x, mesh.loss),)
        row, column = int(np.abs(mesh.y).argmin()), int(np.abs(mesh.x).argmin())
        across = axis_title("α", axes[0]) + _away("β", mesh.y, row)
        along = axis_title("β", axes[1]) + _away("α", mesh.x, column)
        return Cut(across, axes[0], mesh.x, mesh.loss[row]), Cut(along, axes[1], mesh.y, mesh.loss[:, column])

    def window(self, which: int) -> tuple[float, float]:
        """Ends of an axis of the whole surface, known or not."""
        axis = self._coordinates(self.surface)[which]
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
        if self.centre_loss is not None:
            return float(self.centre_loss)
        places = [_zero(axis) for axis in reversed(self._coordinates(self.surface))]
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
        if loss is None or math.isnan(loss) or (self.height == "log" and loss <= 0):
            return heights.lo
        return min(max(math.log10(loss) if self.height == "log" else loss, heights.lo), heights.hi)

    @property
    def message(self) -> str:
        """Why there is no picture; empty where there is one."""
        if self.mesh is None:
            return f"no complete grid is known yet: {self.surface.done:,} of {self.surface.total:,} points"
        if self.heights is not None:
            return ""
        if np.isfinite(self.mesh.loss).any() and self.height == "log":
            return "no value is positive: choose linear height"
        return "every value is NaN or infinite"

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that the caption must not leave out."""
        notes = []
        if self.preview:
            notes.append("Preview: the quadratic model at the centre, not computed losses.")
        if self.mesh is not None and self.mesh.loss.size < self.surface.loss.size:
            notes.append(f"{_grid(self.mesh.loss)} of {_grid(self.surface.loss)} points.")
        if self.heights is not None and self.heights.holes:
            notes.append(counted(self.heights.holes, "value is", "values are") + " NaN or infinite: holes.")
        if self.heights is not None and self.heights.hidden:
            notes.append(counted(self.heights.hidden, "value is", "values are") + " not positive: holes in log height.")
        return tuple(notes)

    @property
    def words(self) -> str:
        """Caption and notes, one text."""
        return " ".join(part for part in (self.caption.strip(), *self.notes) if part)


def complete_grid(known: np.ndarray) -> tuple[np.ndarray, ...] | None:
    """Indices, one array a dimension, of the finest nested grid that is known everywhere; None where there is none.

    >>> known = np.zeros((13, 13), dtype=bool)
    >>> known[::2, ::2] = True
    >>> [len(index) for index in complete_grid(known)]
    [7, 7]
    """
    best: tuple[np.ndarray, ...] | None = None
    options = [nested_indices(count) for count in known.shape]
    for indices in np.ndindex(*(len(option) for option in options)):
        grid = tuple(option[i] for option, i in zip(options, indices, strict=True))
        size = math.prod(len(index) for index in grid)
        if (best is None or size > math.prod(len(index) for index in best)) and known[np.ix_(*grid)].all():
            best = grid
    return best


def nested_indices(count: int) -> list[np.ndarray]:
    """Nested grids of an axis, coarse to fine: the centre ± k·s and both ends, s halving to 1."""
    centre, stride = (count - 1) // 2, 1
    strides = [1]
    while stride * 2 <= centre:
        stride *= 2
        strides.append(stride)
    return [np.union1d(np.arange(centre % s, count, s), [0, count - 1]) for s in reversed(strides)]


def _grid(loss: np.ndarray) -> str:
    return " × ".join(str(count) for count in reversed(loss.shape))


def _zero(axis: np.ndarray) -> int | None:
    """Index of the point at 0, or None."""
    nearest = int(np.abs(axis).argmin())
    return nearest if abs(axis[nearest]) <= SAME_PLACE * np.ptp(axis) else None


def _away(name: str, axis: np.ndarray, index: int) -> str:
    return "" if _zero(axis) is not None else f", at {name} = {number(float(axis[index]))}"
