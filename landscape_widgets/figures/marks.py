"""What lies on the loss in matplotlib: the lowest point found, training paths and other models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.colors import to_rgba

from landscape_widgets.figures.picture import Picture
from landscape_widgets.figures.sheet import Region, Sheet, text_width
from landscape_widgets.figures.theme import CASING, INK
from landscape_widgets.figures.tracks import Role, Stop

SHAPES: dict[Role, str] = {"start": "o", "between": "o", "end": "s", "point": "D"}
SMALL, LARGE, HIGH = 8.5, 9.0, 0.26
"""Sizes of a label beside a mark and at the model, in points, and their height with the box, in inches."""

FAINT = 0.6
"""Opacity of what the surface hides."""

Place = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Positions (n, 2) in the plane to inches on the sheet (n, 2), NaN in holes, and whether each is seen (n,)."""


class Labels:
    """Labels of a region, written at the end: each where it covers least of the marks and of the others."""

    def __init__(self, sheet: Sheet, region: Region) -> None:
        self.sheet, self.region = sheet, region
        self._taken: list[Region] = []
        self._waiting: list[tuple[float, float, str, float]] = []

    def take(self, points: np.ndarray, half: float = 0.03) -> None:
        """Keep clear of points (n, 2)."""
        for x, y in points[np.isfinite(points).all(axis=1)].tolist():
            self._taken.append((x - half, y - half, 2 * half, 2 * half))

    def add(self, x: float, y: float, words: str, size: float = SMALL) -> None:
        """A label for the mark at (x, y); earlier ones choose first."""
        self._waiting.append((x, y, words, size))

    def write(self) -> None:
        """Write all labels."""
        for x, y, words, size in self._waiting:
            half = text_width(words, size) / 2 + 0.17
            near = [(0.0, 0.23), (0.0, -0.23), (half, 0.0), (-half, 0.0)]
            far = [(half, 0.2), (-half, 0.2), (half, -0.2), (-half, -0.2), (0.0, 0.46), (0.0, -0.46)]
            boxes = [self._box(x + right, y + up, words, size) for right, up in near + far]
            box = min(boxes, key=self._covered)
            self._taken.append(box)
            middle = box[0] + box[2] / 2, box[1] + box[3] / 2
            self.sheet.text(*middle, words, size=size, color=self.sheet.palette.text, boxed=True, layer=7)

    def _box(self, x: float, y: float, words: str, size: float) -> Region:
        """The box of a label around (x, y), moved into the region."""
        width = text_width(words, size) + 0.2
        left, bottom, across, up = self.region
        x = min(max(x, left + width / 2), left + across - width / 2)
        y = min(max(y, bottom + HIGH / 2), bottom + up - HIGH / 2)
        return x - width / 2, y - HIGH / 2, width, HIGH

    def _covered(self, box: Region) -> float:
        """How much of what is taken a box covers, in square inches."""
        x, y, width, height = box
        sides = ((min(x + width, a + w) - max(x, a), min(y + height, b + h) - max(y, b)) for a, b, w, h in self._taken)
        return round(sum(across * up for across, up in sides if across > 0 and up > 0), 6)


def draw_marks(sheet: Sheet, picture: Picture, place: Place, labels: Labels) -> None:
    """Paths and other models, then the ring at the lowest point; what the surface hides is faint."""
    for drawn in picture.drawn_tracks:
        _path(sheet, drawn.line, place, labels)
        for stop in drawn.stops:
            points, seen = place(np.array([[stop.alpha, stop.beta]]))
            x, y = points[0].tolist()
            if not np.isfinite(x) or (stop.role == "between" and not seen[0]):
                continue
            _stop(sheet, stop, x, y, stop.strength if seen[0] else stop.strength * FAINT)
            labels.take(points, 0.06)
            if stop.role == "point" or (stop.role != "between" and not picture.beside_model(stop)):
                labels.add(x, y, stop.name)
    found = picture.lowest
    if found is not None and found.beta is not None:
        points, seen = place(np.array([[found.alpha, found.beta]]))
        if np.isfinite(points).all():
            labels.take(points, 0.06)
            ring(sheet, *points[0].tolist(), seen=bool(seen[0]))


def _path(sheet: Sheet, line: np.ndarray, place: Place, labels: Labels) -> None:
    """A dark line in a light casing, dotted where it is hidden."""
    if not len(line):
        return
    points, seen = place(line)
    labels.take(points)
    shown, hidden = points.copy(), points.copy()
    shown[~seen] = np.nan
    hidden[seen] = np.nan
    sheet.line(shown, color=CASING, width=3.6, layer=3)
    sheet.line(shown, color=INK, width=1.6, layer=3.1)
    sheet.line(hidden, color=INK, width=1.2, layer=2.9, dotted=True)


def ring(sheet: Sheet, x: float, y: float, *, seen: bool = True) -> None:
    """The sign of the lowest point found, in a light casing; open where it is hidden."""
    if seen:
        sheet.dot(x, y, color=CASING, size=10.0, edge=CASING, layer=4.9)
    face, edge = to_rgba(sheet.palette.panel, 1.0 if seen else 0.0), to_rgba(sheet.palette.accent)
    sheet.dot(x, y, color=face, size=7.0, edge=edge, edge_width=2.0, layer=5)


def _stop(sheet: Sheet, stop: Stop, x: float, y: float, strength: float) -> None:
    """A path begins light and ends dark; paler, the farther off the plane."""
    face, edge = (INK, CASING) if stop.role in ("end", "point") else (CASING, INK)
    size = 4.2 if stop.role == "between" else 6.5
    layer = 3.2 if stop.role == "between" else 4.0
    colour, outline = to_rgba(face, strength), to_rgba(edge, strength)
    sheet.dot(x, y, color=colour, edge=outline, size=size, marker=SHAPES[stop.role], layer=layer)
