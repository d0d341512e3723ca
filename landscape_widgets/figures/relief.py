"""The surface in perspective for matplotlib: hidden parts hidden, contour lines on it, the model on a stem."""

from __future__ import annotations

import math

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb, to_rgba

from landscape_widgets.figures import camera
from landscape_widgets.figures.heights import Heights, linear_ticks, tick_labels
from landscape_widgets.figures.marks import LARGE, Labels, draw_marks
from landscape_widgets.figures.mesh import height_at
from landscape_widgets.figures.picture import ABOVE, Picture
from landscape_widgets.figures.sheet import Region, Sheet, text_width, wrapped
from landscape_widgets.figures.triangles import crossings, divided, facing, lines_on, shade, triangles, whole
from landscape_widgets.figures.words import axis_title, lowered

TICK, TITLE = 8.5, 9.5
"""Sizes of tick labels and axis titles, in points."""

SEAM = 0.6
"""Width of the outline of each triangle in its own colour, in points: no background between neighbours."""

LIFT = 0.012
"""How far a path stands above the surface, in parts of the height axis."""

STEPS = 240
"""Places along a line of sight, from the surface to the eye, where something could stand in front."""


class Relief:
    """Draws one surface into a region of a sheet."""

    def __init__(self, sheet: Sheet, picture: Picture, heights: Heights, region: Region) -> None:
        self.sheet, self.picture, self.heights, self.region = sheet, picture, heights, region
        span = heights.hi - heights.lo
        (x0, x1), (y0, y1) = picture.window(0), picture.window(1)
        self.lower = np.array([x0, y0, heights.lo - 0.02 * span])
        self.upper = np.array([x1, y1, heights.hi + ABOVE * span])
        self.scale, self.origin = 1.0, np.zeros(2)
        self._fit(region)

    def _fit(self, region: Region) -> None:
        """Scale and move the projected box into the region, leaving room for labels around it."""
        left, bottom, width, height = region
        corners = np.array(np.meshgrid(*([0, 1],) * 3)).reshape(3, -1).T
        flat = self.flat(self.lower + corners * (self.upper - self.lower))
        low, size = flat.min(axis=0), np.ptp(flat, axis=0)
        room = np.array([width - 1.25, height - 0.75])
        self.scale = float((room / size).min())
        self.origin = np.array([left + 0.85, bottom + 0.45]) + (room - self.scale * size) / 2 - self.scale * low

    def flat(self, points: np.ndarray) -> np.ndarray:
        """Data coordinates (..., 3) to inches on the sheet (..., 2)."""
        projected = camera.project(camera.place(points, self.lower, self.upper))
        return np.asarray(self.origin + self.scale * projected)

    def draw(self) -> None:
        """Box, surface and marks."""
        self._box()
        self._surface()
        labels = Labels(self.sheet, self.region)
        if self.picture.centre_inside:
            x, y = self.flat(np.array([0.0, 0.0, self.upper[2]])).tolist()
            colours = self.sheet.palette
            self.sheet.dot(x, y, color=colours.mark, size=6.5, edge=colours.mark)
            stem = np.array([[0.0, 0.0, self.picture.centre_height(self.heights)], [0.0, 0.0, self.upper[2]]])
            foot, head = self.flat(stem)
            labels.take(np.linspace(foot, head, 9))
            labels.add(x, y, self.picture.centre_label, LARGE)
        draw_marks(self.sheet, self.picture, self._on_surface, labels)
        labels.write()

    def _on_surface(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions (n, 2) in the plane to inches, on the surface, and whether each is seen; NaN in holes."""
        mesh = self.picture.mesh
        assert mesh is not None
        z = height_at(mesh, self.heights.z, *places.T) + LIFT * (self.heights.hi - self.heights.lo)
        points = np.concatenate([places, z[:, None]], axis=1)
        return self.flat(points), self.visible(points)

    def visible(self, points: np.ndarray) -> np.ndarray:
        """Whether nothing of the surface stands between each point (n, 3) and the eye, (n,)."""
        mesh = self.picture.mesh
        assert mesh is not None
        eye = (camera.EYE / camera.ASPECT + 0.5) * (self.upper - self.lower) + self.lower
        along = np.linspace(0, 1, STEPS + 1)[1:, None, None]
        sight = points + along * (eye - points)
        before = height_at(mesh, self.heights.z, sight[..., 0], sight[..., 1]) > sight[..., 2]
        return np.asarray(np.isfinite(points).all(axis=1) & ~before.any(axis=0))

    def _surface(self) -> None:
        mesh, heights, colours = self.picture.mesh, self.heights, self.sheet.palette
        if mesh is None or mesh.y is None:
            return
        x, y, z = divided(mesh.x, mesh.y, heights.z)
        points = np.stack([*np.broadcast_arrays(x[None, :], y[:, None]), z], axis=-1)
        grid = triangles(points)
        shown = whole(grid)
        corners = grid.reshape(-1, 3, 3)[shown]
        rows, late = self._rows(grid, shown)
        segments, owners = crossings(corners, heights.levels)
        level = (corners[:, :, 2].mean(axis=1) - heights.lo) / (heights.hi - heights.lo)
        face = colormaps[self.picture.options.colours](level)
        face[:, :3] *= shade(camera.place(corners, self.lower, self.upper))[:, None]
        face = np.clip(face, 0, 1)
        if self.picture.options.preview:
            face[:, :3] = 0.5 * face[:, :3] + 0.5 * np.array(to_rgb(colours.panel))
        stem, stem_row = self._stem(y)
        polygons = np.concatenate([corners, segments[:, [0, 1, 0]], stem])
        count, lines, stems = len(corners), len(segments), len(stem)
        bare = np.zeros((lines + stems, 4))
        over = lines_on(face[owners], colours.contour)
        edge = np.concatenate([face, over, np.tile(to_rgba(colours.mark), (stems, 1))])
        width = np.repeat([SEAM, 0.7, 1.6], [count, lines, stems])
        row = np.concatenate([rows, late[owners], stem_row])
        order = np.lexsort((np.repeat([0, 1, 2], [count, lines, stems]), row))
        face = np.concatenate([face, bare])
        self.sheet.polygons(
            self.flat(polygons)[order], face=face[order], edge=edge[order], width=width[order], smooth=True
        )

    def _rows(self, grid: np.ndarray, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The row of cells with which each shown triangle is painted, and the one with which its contour lines are.

        Lines come one row late, so that the next cell does not cover half of them, except where a next cell is
        seen from the other side: there they would shine through.
        """
        side = facing(self.flat(grid))
        same = np.zeros(side.shape, dtype=bool)
        same[:-1] = side[1:] == side[:-1]
        same[:, :-1] &= side[:, 1:] == side[:, :-1]
        row = np.broadcast_to(np.arange(len(side))[:, None, None], side.shape)
        return row.reshape(-1)[shown], (row + same).reshape(-1)[shown]

    def _stem(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The stem as a flat polygon (0 or 1, 3, 3), and the row of cells after which it is painted."""
        if not self.picture.centre_inside:
            return np.empty((0, 3, 3)), np.empty(0)
        clear = 0.015 * (self.heights.hi - self.heights.lo)  # or its round end shows below the surface
        foot = self.picture.centre_height(self.heights) + clear
        ends = np.array([[0.0, 0.0, foot], [0.0, 0.0, self.upper[2]], [0.0, 0.0, foot]])
        return ends[None], np.array([float((y > 0).sum()) - 0.5])

    def _box(self) -> None:
        """Grid lines on the floor and the two far walls, ticks and titles on the near edges."""
        (x0, y0, z0), (x1, y1, z1) = self.lower, self.upper
        surface, colours = self.picture.surface, self.sheet.palette
        lines = []
        for which, near in ((0, (y0, z0)), (1, (x1, z0))):
            ticks = linear_ticks(*self.picture.window(which))
            for tick, label in zip(ticks, tick_labels(ticks), strict=True):
                if which == 0:
                    lines.append([(tick, y0, z0), (tick, y1, z0), (tick, y1, z1)])
                    self._tick((tick, *near), (tick, y1, z0), label)
                else:
                    lines.append([(x1, tick, z0), (x0, tick, z0), (x0, tick, z1)])
                    self._tick((near[0], tick, near[1]), (x0, tick, z0), label)
        for height, label in zip(self.heights.ticks, self.heights.labels, strict=True):
            lines.append([(x0, y0, height), (x0, y1, height), (x1, y1, height)])
            self._tick((x0, y0, height), (x1, y0, height), label)
        for line in lines:
            self.sheet.line(self.flat(np.array(line)), color=colours.grid, width=0.7)
        self._title(axis_title("α", surface.axes[0]), (x0, y0, z0), (x1, y0, z0))
        self._title(axis_title("β", surface.axes[1]), (x1, y0, z0), (x1, y1, z0))
        self._height_title()

    def _tick(self, at: tuple[float, ...], inside: tuple[float, ...], label: str) -> None:
        """A tick label just outside the box, on the continuation of its grid line."""
        place, within = self.flat(np.array([at, inside]))
        out = (place - within) / np.linalg.norm(place - within)
        half = text_width(label, TICK) / 2
        x, y = place + out * (0.1 + half * abs(out[0]))
        self.sheet.text(x, y, label, size=TICK, color=self.sheet.palette.muted)

    def _title(self, words: str, start: tuple[float, ...], end: tuple[float, ...]) -> None:
        """An axis title along its edge, below the tick labels."""
        one, other = self.flat(np.array([start, end]))
        along = (other - one) / np.linalg.norm(other - one)
        below = np.array([along[1], -along[0]])
        rows = wrapped(lowered(words), TITLE, float(np.linalg.norm(other - one)) * 1.2, lines=2)
        middle = (one + other) / 2 + below * 0.42
        angle = math.degrees(math.atan2(along[1], along[0]))
        for number, row in enumerate(rows):
            x, y = middle + below * 0.17 * number
            self.sheet.text(x, y, row, size=TITLE, color=self.sheet.palette.muted, angle=angle)

    def _height_title(self) -> None:
        (x0, y0, z0), z1 = self.lower, self.upper[2]
        x, y = self.flat(np.array([x0, y0, (z0 + z1) / 2]))
        widest = max((text_width(label, TICK) for label in self.heights.labels), default=0.0)
        self.sheet.text(x - widest - 0.2, y, "loss", size=TITLE, color=self.sheet.palette.muted, ha="right")
