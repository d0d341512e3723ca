"""The static picture of a saddle lab: three slices on one page, histograms over their laws, what was counted."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.colors import LinearSegmentedColormap, to_rgba

from landscape_widgets.figures import camera
from landscape_widgets.figures.flat import Frame
from landscape_widgets.figures.heights import linear_ticks, tick_labels
from landscape_widgets.figures.sheet import Region, Sheet, text_width, wrapped
from landscape_widgets.figures.theme import palette
from landscape_widgets.figures.words import lowered

WIDTH, MARGIN, SLICE, SHAPE = 9.6, 0.2, 3.0, 2.1
"""Inches."""
TITLE, TITLE_LINE, BODY, BODY_LINE, SMALL, SMALL_LINE = 12.0, 0.26, 9.5, 0.2, 8.5, 0.17

DIVERGING = {
    False: ("#9a3412", "#d9702f", "#f3b98b", "#eef0f2", "#9cc3d8", "#4a8eb1", "#1f5673"),
    True: ("#ff9a5c", "#d9702f", "#8a4a26", "#39414b", "#2c6482", "#4a93b8", "#8ccdef"),
}
"""Below the centre and above it, on a light ground and on a dark one."""

_LOCK = threading.Lock()
"""Matplotlib's font cache is shared by all threads."""


@dataclasses.dataclass(frozen=True, eq=False)
class Slice:
    """One surface: heights (k, k) above the centre, ± how far it goes in parameter distance, and its words."""

    title: str
    shows: str
    note: str
    heights: Float[np.ndarray, "k k"]
    reach: float


@dataclasses.dataclass(frozen=True, eq=False)
class Bars:
    """A histogram (k,) between edges (k + 1,), and the density it should follow, or None."""

    edges: Float[np.ndarray, " k1"]
    counts: Float[np.ndarray, " k"]
    x: Float[np.ndarray, " m"] | None
    density: Float[np.ndarray, " m"] | None
    exact: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Shape:
    """One plot of one or two histograms, with what is marked on it."""

    title: str
    bars: tuple[Bars, ...]
    marked: float | None
    mark: str
    law: str


def png(
    slices: Sequence[Slice],
    shapes: Sequence[Shape],
    *,
    title: str = "",
    sentence: str = "",
    counts: str = "",
    caption: str = "",
    same_heights: bool = True,
    apart: str = "Hessian slice",
    dpi: float = 150,
    dark: bool = False,
) -> bytes:
    """Draw slices side by side and histograms beneath as a PNG, 9.6 inches wide.

    Parameters
    ----------
    slices, shapes : up to three of each.
    title, sentence, counts, caption : words above and below.
    same_heights : one height scale for all slices; otherwise that of the title `apart` has its own.
    dpi, dark : pixels an inch; whether on a dark ground.
    """
    with _LOCK:
        inner = WIDTH - 2 * MARGIN
        above = [(title, TITLE, TITLE_LINE, True), (sentence, BODY, BODY_LINE, False)]
        below = [(counts, BODY, BODY_LINE, False), (caption, SMALL, SMALL_LINE, False)]
        rows = {text: wrapped(lowered(text), size, 0.97 * inner, bold=bold) for text, size, _, bold in above + below}
        room = {id(part): sum(line * len(rows[text]) for text, _, line, _ in part) for part in (above, below)}
        height = 2 * MARGIN + room[id(above)] + room[id(below)] + SLICE + SHAPE + 0.2
        page = Sheet(WIDTH, height, palette(dark))
        _write(page, page.height - MARGIN, above, rows)
        _write(page, MARGIN + room[id(below)], below, rows)
        bottom, width = MARGIN + room[id(below)] + 0.1, inner / 3
        alike = slices if same_heights else [part for part in slices if part.title != apart]
        for column, part in enumerate(slices[:3]):
            region = (MARGIN + column * width, bottom + SHAPE, width, SLICE)
            _slice(page, region, part, _span(alike if part in alike else [part]), dark)
        for column, shape in enumerate(shapes[:3]):
            _shape(page, (MARGIN + column * width, bottom, width, SHAPE), shape)
        return page.png(dpi)


def _write(page: Sheet, top: float, parts: list[tuple[str, float, float, bool]], rows: dict[str, list[str]]) -> None:
    for text, size, line, bold in parts:
        colour = page.palette.text if size > SMALL else page.palette.muted
        for words in rows[text]:
            page.text(MARGIN, top, words, size=size, color=colour, bold=bold, ha="left", va="top")
            top -= line


def _span(slices: Sequence[Slice]) -> tuple[float, float]:
    """The lowest and the highest height of all, never equal."""
    values = np.concatenate([part.heights[np.isfinite(part.heights)] for part in slices] or [np.zeros(1)])
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    return (low, high) if high > low else (low - 1.0, high + 1.0)


# ---------------------------------------------------------------- surfaces


class _View:
    """From coordinates of a slice to inches: the box of the explorer's static picture, fitted into a region."""

    def __init__(self, region: Region, reach: float, span: tuple[float, float]) -> None:
        self.lower = np.array([-reach, -reach, span[0]])
        self.upper = np.array([reach, reach, span[1]])
        self.scale, self.origin = 1.0, np.zeros(2)
        corners = np.array(np.meshgrid(*([0, 1],) * 3)).reshape(3, -1).T
        flat = self.flat(self.lower + corners * (self.upper - self.lower))
        low, size = flat.min(axis=0), np.ptp(flat, axis=0)
        left, bottom, width, height = region
        room = np.array([width - 0.75, height - 0.55])
        self.scale = float((room / size).min())
        self.origin = np.array([left + 0.45, bottom + 0.42]) + (room - self.scale * size) / 2 - self.scale * low

    def flat(self, points: np.ndarray) -> np.ndarray:
        """Coordinates (..., 3) to inches (..., 2)."""
        projected = camera.project(camera.place(points, self.lower, self.upper))
        return np.asarray(self.origin + self.scale * projected)

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Distance from the eye (...,)."""
        return np.asarray(np.linalg.norm(camera.place(points, self.lower, self.upper) - camera.EYE, axis=-1))


def _slice(page: Sheet, region: Region, part: Slice, span: tuple[float, float], dark: bool) -> None:
    left, bottom, width, height = region
    colours = page.palette
    page.text(left, bottom + height - 0.1, part.title, size=BODY, color=colours.text, bold=True, ha="left")
    beside = left + text_width(part.title, BODY, bold=True) + 0.12
    page.text(beside, bottom + height - 0.1, part.shows, size=BODY, color=colours.accent, ha="left")
    for row, words in enumerate(wrapped(lowered(part.note), SMALL, width - 0.1, lines=2)):
        page.text(left, bottom + height - 0.29 - SMALL_LINE * row, words, size=SMALL, color=colours.muted, ha="left")
    view = _View((left, bottom, width, height - 0.5), part.reach, span)
    _box(page, view, part.reach, span)
    axis = np.linspace(-part.reach, part.reach, len(part.heights))
    points = np.stack([*np.meshgrid(axis, axis), part.heights], axis=-1)
    quads = np.stack([points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1]], axis=2).reshape(-1, 4, 3)
    quads = quads[np.isfinite(quads).all(axis=(1, 2))]
    if not len(quads):
        return
    most = max(abs(span[0]), abs(span[1])) or 1.0
    chart = LinearSegmentedColormap.from_list("slices", DIVERGING[dark])
    face = chart(0.5 + 0.5 * np.clip(quads[:, :, 2].mean(axis=1) / most, -1, 1))
    edge = np.clip(face * np.array([0.9, 0.9, 0.9, 1.0]), 0, 1)
    order = np.argsort(-view.depth(quads.mean(axis=1)))
    widths = np.full(len(quads), 0.4)
    page.polygons(view.flat(quads)[order], face=face[order], edge=edge[order], width=widths, smooth=True)
    x, y = view.flat(np.zeros(3)).tolist()
    page.dot(x, y, color=colours.mark, size=4.5, edge=colours.mark)


def _box(page: Sheet, view: _View, reach: float, span: tuple[float, float]) -> None:
    colours = page.palette
    ticks = linear_ticks(-reach, reach)
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        for line in (
            [(tick, -reach, span[0]), (tick, reach, span[0])],
            [(-reach, tick, span[0]), (reach, tick, span[0])],
        ):
            page.line(view.flat(np.array(line)), color=colours.grid, width=0.6)
        for at in ((tick, -1.13 * reach, span[0]), (1.13 * reach, tick, span[0])):
            x, y = view.flat(np.array(at)).tolist()
            page.text(x, y, label, size=SMALL - 1.5, color=colours.muted)
    for at, words in (((0, -1.42 * reach, span[0]), "α (distance)"), ((1.45 * reach, 0, span[0]), "β (distance)")):
        x, y = view.flat(np.array(at, dtype=float)).tolist()
        page.text(x, y, words, size=SMALL - 0.5, color=colours.muted)
    heights = linear_ticks(*span)
    for tick, label in zip(heights, tick_labels(heights), strict=True):
        x, y = view.flat(np.array([-1.08 * reach, -1.08 * reach, tick])).tolist()
        page.text(x, y, label, size=SMALL - 1.5, color=colours.muted, ha="right")


# ---------------------------------------------------------------- histograms


def _shape(page: Sheet, region: Region, shape: Shape) -> None:
    left, bottom, width, height = region
    colours = page.palette
    ends = np.concatenate([bars.edges for bars in shape.bars] + [b.x for b in shape.bars if b.x is not None])
    parts = [_area(bars) for bars in shape.bars]
    tops = [float(part.max(initial=0.0)) for part in parts]
    for bars, top in zip(shape.bars, list(tops), strict=True):
        law = np.empty(0) if bars.density is None else bars.density[np.isfinite(bars.density)]
        tops.append(min(float(law.max(initial=0.0)), 4 * top if top > 0 else np.inf))
    box = (left + 0.72, bottom + 0.72, width - 0.85, height - 0.98)
    frame = Frame(page, box, (float(ends.min()), float(ends.max())), (0.0, 1.12 * max(tops) or 1.0))
    ticks = linear_ticks(*frame.y)
    frame.ticks_y("density", tuple(ticks), tick_labels(ticks), grid=True)
    frame.ticks_x(shape.title, grid=False)
    for bars, part, colour in zip(shape.bars, parts, (colours.accent, colours.second), strict=False):
        _steps(frame, bars, part, colour)
        _law(frame, bars, colour if len(shape.bars) > 1 else colours.text)
    page.text(left + 0.72, bottom + 0.1, shape.law, size=SMALL - 0.5, color=colours.muted, ha="left")
    if shape.marked is not None and frame.x[0] <= shape.marked <= frame.x[1]:
        line = frame.flat(np.array([[shape.marked, 0.0], [shape.marked, frame.y[1]]]))
        page.line(line, color=colours.mark, width=1.2, layer=4, dotted=True)
        page.text(float(line[1, 0]), float(line[1, 1]) + 0.1, shape.mark, size=SMALL - 0.5, color=colours.text)


def _area(bars: Bars) -> np.ndarray:
    """Heights of a histogram of area 1."""
    total, widths = bars.counts.sum(), np.diff(bars.edges)
    heights: np.ndarray = bars.counts / (total * widths) if total > 0 else np.zeros(len(bars.counts))
    return heights


def _steps(frame: Frame, bars: Bars, heights: np.ndarray, colour: str) -> None:
    low, high = bars.edges[:-1], bars.edges[1:]
    zero = np.zeros(len(heights))
    corners = np.stack([np.stack(pair, -1) for pair in ((low, zero), (low, heights), (high, heights), (high, zero))], 1)
    there = heights > 0
    face = np.tile(to_rgba(colour, 0.3), (int(there.sum()), 1))
    edge = np.tile(to_rgba(colour, 0.7), (int(there.sum()), 1))
    frame.sheet.polygons(
        frame.flat(corners[there]), face=face, edge=edge, width=np.full(int(there.sum()), 0.6), smooth=True
    )


def _law(frame: Frame, bars: Bars, colour: str) -> None:
    if bars.x is None or bars.density is None:
        return
    shown = np.where(bars.density <= frame.y[1], bars.density, np.nan)
    points = frame.flat(np.stack([bars.x, shown], -1))
    if not bars.exact:  # dashed: every other stretch is left out
        points[(np.arange(len(points)) // 4) % 2 == 1] = np.nan
    frame.sheet.line(points, color=colour, width=1.3, layer=3)
