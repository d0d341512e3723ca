"""The surface from above and the curves through its centre, for matplotlib."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from landscape_widgets.figures.heights import Heights, heights_of, linear_ticks, tick_labels
from landscape_widgets.figures.marks import LARGE, Labels, draw_marks, ring
from landscape_widgets.figures.picture import Picture
from landscape_widgets.figures.relief import TICK, TITLE
from landscape_widgets.figures.sheet import Horizontal, Region, Sheet, text_width, wrapped
from landscape_widgets.figures.triangles import crossings, divided, lines_on, triangles, whole
from landscape_widgets.figures.words import axis_title, lowered

Range = tuple[float, float]


class Frame:
    """A rectangle on the sheet with a linear scale along each side."""

    def __init__(self, sheet: Sheet, box: Region, x: Range, y: Range) -> None:
        self.sheet, self.box, self.x, self.y = sheet, box, x, y

    def flat(self, points: np.ndarray) -> np.ndarray:
        """Data coordinates (..., 2 or more) to inches (..., 2)."""
        left, bottom, width, height = self.box
        across = left + (points[..., 0] - self.x[0]) / (self.x[1] - self.x[0]) * width
        return np.stack([across, bottom + (points[..., 1] - self.y[0]) / (self.y[1] - self.y[0]) * height], axis=-1)

    def ticks_x(self, title: str, *, grid: bool) -> None:
        """Tick labels and title below."""
        left, bottom, width, height = self.box
        ticks = linear_ticks(*self.x)
        for tick, label in zip(ticks, tick_labels(ticks), strict=True):
            at = float(self.flat(np.array([tick, self.y[0]]))[0])
            self._write(at, bottom - 0.13, label, TICK)
            if grid:
                self.sheet.line([(at, bottom), (at, bottom + height)], color=self.sheet.palette.grid, width=0.7)
        middle = left + width / 2
        room = 2 * min(middle, self.sheet.width - middle) - 0.5
        for row, words in enumerate(wrapped(lowered(title), TITLE, room, lines=2)):
            self._write(middle, bottom - 0.36 - 0.17 * row, words, TITLE)

    def ticks_y(self, title: str, ticks: tuple[float, ...], labels: tuple[str, ...], *, grid: bool) -> None:
        """Tick labels and title at the left."""
        left, bottom, width, height = self.box
        for tick, label in zip(ticks, labels, strict=True):
            at = float(self.flat(np.array([self.x[0], tick]))[1])
            self._write(left - 0.08, at, label, TICK, ha="right")
            if grid:
                self.sheet.line([(left, at), (left + width, at)], color=self.sheet.palette.grid, width=0.7)
        rows = wrapped(lowered(title), TITLE, height, lines=2)
        x = left - 0.25 - max((text_width(label, TICK) for label in labels), default=0.0)
        for row, words in enumerate(reversed(rows)):
            self._write(x - 0.17 * row, bottom + height / 2, words, TITLE, angle=90)

    def _write(
        self, x: float, y: float, words: str, size: float, *, ha: Horizontal = "center", angle: float = 0.0
    ) -> None:
        self.sheet.text(x, y, words, size=size, color=self.sheet.palette.muted, ha=ha, angle=angle)


def draw_contour(sheet: Sheet, picture: Picture, heights: Heights, region: Region) -> None:
    """Filled contours with the model at the centre."""
    left, bottom, width, height = region
    box = (left + 0.85, bottom + 0.65, width - 0.95, height - 0.8)
    frame = Frame(sheet, _to_scale(picture, box), picture.window(0), picture.window(1))
    axes = picture.surface.axes
    ticks = linear_ticks(*frame.y)
    frame.ticks_x(axis_title("α", axes[0]), grid=False)
    frame.ticks_y(axis_title("β", axes[1]), tuple(ticks), tick_labels(ticks), grid=False)
    _fill(frame, picture, heights)
    left, bottom, width, height = frame.box
    corners = [(left, bottom), (left + width, bottom), (left + width, bottom + height), (left, bottom + height)]
    sheet.line([*corners, corners[0]], color=sheet.palette.border, width=0.8, layer=3)
    labels = Labels(sheet, frame.box)
    if picture.centre_inside:
        x, y = (float(value) for value in frame.flat(np.zeros(2)))
        sheet.dot(x, y, color=sheet.palette.mark, size=7.5, edge=sheet.palette.panel)
        labels.take(np.array([[x, y]]), 0.07)
        labels.add(x, y, picture.centre_label, LARGE)
    draw_marks(sheet, picture, lambda places: (frame.flat(places), np.ones(len(places), dtype=bool)), labels)
    labels.write()


def _to_scale(picture: Picture, box: Region) -> Region:
    """The box, narrowed so that one unit is as long on both axes, where the picture asks for it."""
    if not picture.to_scale:
        return box
    left, bottom, width, height = box
    (x0, x1), (y0, y1) = picture.window(0), picture.window(1)
    ratio = (x1 - x0) / (y1 - y0)
    w, h = min(width, height * ratio), min(height, width / ratio)
    return left + (width - w) / 2, bottom + (height - h) / 2, w, h


def _fill(frame: Frame, picture: Picture, heights: Heights) -> None:
    mesh, colours = picture.mesh, frame.sheet.palette
    if mesh is None or mesh.y is None:
        return
    x, y, z = divided(mesh.x, mesh.y, heights.z)
    grid = triangles(np.stack([*np.broadcast_arrays(x[None, :], y[:, None]), z], axis=-1))
    corners = grid.reshape(-1, 3, 3)[whole(grid)]
    segments, owners = crossings(corners, heights.levels)
    level = (corners[:, :, 2].mean(axis=1) - heights.lo) / (heights.hi - heights.lo)
    face = colormaps[picture.options.colours](level)
    if picture.options.preview:
        face[:, :3] = 0.5 * face[:, :3] + 0.5 * np.array(to_rgb(colours.panel))
    lines = lines_on(face[owners], colours.contour)
    frame.sheet.polygons(
        frame.flat(np.concatenate([corners, segments[:, [0, 1, 0]]])),
        face=np.concatenate([face, np.zeros_like(lines)]),
        edge=np.concatenate([face, lines]),
        width=np.repeat([0.0, 0.6], [len(corners), len(segments)]),
        smooth=np.repeat([False, True], [len(corners), len(segments)]),
    )


def draw_curves(sheet: Sheet, picture: Picture, region: Region) -> None:
    """Loss along each direction through the centre."""
    cuts, colours = picture.cuts, sheet.palette
    heights = heights_of(np.concatenate([cut.loss for cut in cuts]), picture.options.height)
    if heights is None:
        return
    left, bottom, width, height = region
    legend = 0.25 * len(cuts) if len(cuts) > 1 else 0.1
    box = (left + 0.85, bottom + 0.65, width - 1.05, height - 0.7 - legend)
    windows = [picture.window(which) for which in range(len(cuts))]
    span = heights.hi - heights.lo
    across = (min(lo for lo, _ in windows), max(hi for _, hi in windows))
    frame = Frame(sheet, box, across, (heights.lo - 0.06 * span, heights.hi + 0.06 * span))
    frame.ticks_x(picture.curves_title, grid=True)
    frame.ticks_y("loss", heights.ticks, heights.labels, grid=True)
    start = 0
    for place, (cut, colour) in enumerate(zip(cuts, (colours.accent, colours.second), strict=False)):
        z = heights.z[start : start + len(cut.at)]
        start += len(cut.at)
        points = frame.flat(np.stack([cut.at, z], axis=-1))
        sheet.line(points, color=colour, width=2.0, layer=3, marker=4.0 if len(cut.at) <= 27 else 0.0)
        if len(cuts) > 1:
            top = bottom + height - 0.12 - 0.25 * place
            sheet.line([(box[0], top), (box[0] + 0.25, top)], color=colour, width=2.0)
            words = wrapped(lowered(cut.name), TITLE, box[2] - 0.35, lines=1)[0]
            sheet.text(box[0] + 0.35, top, words, size=TITLE, color=colours.text, ha="left")
    if picture.centre_inside:
        _mark(frame, picture)
    found, low = picture.lowest, picture.lowest_height
    if found is not None and low is not None:
        ring(sheet, *frame.flat(np.array([found.alpha, low])).tolist())


def _mark(frame: Frame, picture: Picture) -> None:
    """The model: a thin line at the centre, with its loss in words at the top."""
    left, bottom, width, height = frame.box
    x = float(frame.flat(np.zeros(2))[0])
    frame.sheet.line([(x, bottom), (x, bottom + height)], color=frame.sheet.palette.mark, width=1.2, layer=2)
    half = text_width(picture.centre_label, 9) / 2 + 0.1
    x = min(max(x, left + half), left + width - half)
    colour = frame.sheet.palette.text
    frame.sheet.text(x, bottom + height - 0.15, picture.centre_label, size=9, color=colour, boxed=True, layer=7)
