"""Paper for matplotlib pictures: text, lines and polygons in inches, untouched by rcParams and pyplot."""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from PIL import Image

from landscape_widgets.figures.theme import Palette

Horizontal = Literal["left", "center", "right"]
Vertical = Literal["bottom", "center", "top"]

Region = tuple[float, float, float, float]
"""Left, bottom, width, height in inches."""

Colour = str | tuple[float, float, float, float]

FONT = "DejaVu Sans"
"""Travels with matplotlib and has the Greek letters and superscripts."""


class Sheet:
    """One page of a given size in inches; (0, 0) is the lower left corner."""

    def __init__(self, width: float, height: float, palette: Palette) -> None:
        self.width, self.height, self.palette = width, height, palette
        self.figure = Figure(figsize=(width, height), facecolor=palette.panel, edgecolor="none", layout=None)
        self.texts: list[Text] = []
        _steady(self.figure.patch)

    def _add(self, artist: Artist, layer: float) -> None:
        _steady(artist)
        artist.set_zorder(layer)
        artist.set_transform(self.figure.dpi_scale_trans)
        artist.set_clip_on(False)
        self.figure.add_artist(artist)

    def text(
        self, x: float, y: float, words: str, *, size: float, color: str, bold: bool = False, boxed: bool = False,
        ha: Horizontal = "center", va: Vertical = "center", angle: float = 0.0, layer: float = 5,
    ) -> None:  # fmt: skip
        """Write words as they are: dollar signs and backslashes mean nothing."""
        artist = Text(
            x, y, words, color=color, fontproperties=_font(size, bold), parse_math=False, usetex=False,
            antialiased=True,
            horizontalalignment=ha, verticalalignment=va, rotation=angle, rotation_mode="anchor",
        )  # fmt: skip
        self._add(artist, layer)
        if boxed:
            style: dict[str, Any] = {
                "boxstyle": "round,pad=0.4,rounding_size=0.25",
                "linewidth": 0.6,
                "alpha": 0.92,
                "antialiased": True,
            }
            artist.set_bbox({**style, "facecolor": self.palette.panel, "edgecolor": self.palette.border})
            box = artist.get_bbox_patch()
            if box is not None:
                _steady(box)
        self.texts.append(artist)

    def line(
        self, points: Any, *, color: str, width: float, layer: float = 1, marker: float = 0.0, dotted: bool = False
    ) -> None:
        """Draw a line through points (n, 2); NaN breaks it; `marker` is the size of a dot at each point."""
        x, y = np.asarray(points, dtype=float).T
        artist = Line2D(
            x, y, color=color, linewidth=width, linestyle=(0, (0.1, 2.2)) if dotted else "-", antialiased=True,
            marker="o" if marker else "None", markersize=marker, markeredgewidth=0, markerfacecolor=color,
            solid_capstyle="round", solid_joinstyle="round", dash_capstyle="round",
        )  # fmt: skip
        self._add(artist, layer)

    def dot(
        self, x: float, y: float, *, color: Colour, size: float, edge: Colour, edge_width: float = 1.0,
        marker: str = "o", layer: float = 6,
    ) -> None:  # fmt: skip
        """A filled mark: a dot "o", a square "s" or a diamond "D"."""
        artist = Line2D(
            [x], [y], linestyle="None", marker=marker, markersize=size, markerfacecolor=color, markeredgecolor=edge,
            markeredgewidth=edge_width, antialiased=True,
        )  # fmt: skip
        self._add(artist, layer)

    def polygons(
        self, corners: np.ndarray, *, face: np.ndarray, edge: np.ndarray, width: np.ndarray, smooth: np.ndarray | bool
    ) -> None:
        """Paint polygons (K, c, 2) in their order; colours (K, 4), widths (K,) in points, smooth edges or sharp."""
        stacked: Any = corners  # an array of equal polygons is read much faster than a list
        artist = PolyCollection(
            stacked, facecolors=face, edgecolors=edge, linewidths=width,
            antialiaseds=np.atleast_1d(smooth).tolist(), closed=True, capstyle="round", joinstyle="round", snap=False,
        )  # fmt: skip
        self._add(artist, 2)

    def rectangle(self, x: float, y: float, width: float, height: float, *, face: Any, edge: str = "none") -> None:
        """A filled rectangle."""
        self._add(Rectangle((x, y), width, height, facecolor=face, edgecolor=edge, linewidth=0.6, fill=True), 1)

    def png(self, dpi: float) -> bytes:
        """The page as a PNG of size × dpi pixels."""
        self.figure.set_dpi(dpi)
        canvas: Any = FigureCanvasAgg(self.figure)
        canvas.draw()
        buffer = io.BytesIO()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3].copy())
        picture.save(buffer, format="png", dpi=(dpi, dpi))
        return buffer.getvalue()


def _steady(artist: Artist) -> None:
    """Draw straight lines without effects, whatever `rcParams` say."""
    artist.set_sketch_params(None)
    artist.set_path_effects([])


def _font(size: float, bold: bool) -> FontProperties:
    return FontProperties(
        family=FONT, size=size, weight="bold" if bold else "normal", style="normal", variant="normal", stretch="normal"
    )


def text_width(words: str, size: float, bold: bool = False) -> float:
    """Width of one line in inches."""
    return float(text_to_path.get_text_width_height_descent(words, _font(size, bold), ismath=False)[0]) / 72


def wrapped(words: str, size: float, width: float, lines: int | None = None, bold: bool = False) -> list[str]:
    """Lines no wider than `width` inches; where there would be more than `lines`, the last ends in an ellipsis."""
    found: list[str] = []
    for word in words.split():
        joined = f"{found[-1]} {word}" if found else word
        if found and text_width(joined, size, bold) <= width:
            found[-1] = joined
            continue
        while text_width(word, size, bold) > width and len(word) > 1:
            cut = _fitting(word, size, width, bold)
            found.append(word[:cut])
            word = word[cut:]
        found.append(word)
    if lines is not None and len(found) > lines:
        last = found[lines - 1]
        while last and text_width(last + "…", size, bold) > width:
            last = last[:-1]
        found = [*found[: lines - 1], last.rstrip() + "…"]
    return found


def _fitting(word: str, size: float, width: float, bold: bool) -> int:
    """How many characters of a long word fit, at least one."""
    cut = len(word)
    while cut > 1 and text_width(word[:cut], size, bold) > width:
        cut = max(1, min(cut - 1, int(cut * width / text_width(word[:cut], size, bold)) + 1))
    return cut
