"""A picture as a PNG, without a browser and without pyplot."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from matplotlib import colormaps

from landscape_widgets.figures.flat import draw_contour, draw_curves
from landscape_widgets.figures.heights import Heights
from landscape_widgets.figures.options import options_of
from landscape_widgets.figures.picture import Picture
from landscape_widgets.figures.relief import TICK, Relief
from landscape_widgets.figures.sheet import Region, Sheet, wrapped
from landscape_widgets.figures.theme import palette
from landscape_widgets.figures.words import lowered
from landscape_widgets.results import Surface

WIDTH, BOTH_WIDTH, PLOT_HEIGHT, MARGIN, GAP = 7.2, 12.4, 4.6, 0.2, 0.25
"""Inches; at 100 dpi the width is 720 pixels, of both views side by side 1240."""

HINTED = 0.97
"""How wide text may be measured to be as wide as asked for when drawn: pixels round letters up."""

CAPTION, CAPTION_LINE = 9.0, 0.185
TITLE, TITLE_LINE = 12.0, 0.24

_LOCK = threading.Lock()
"""Matplotlib's font cache is shared by all threads."""


def png(surface: Surface, *, dpi: float = 150, **options: Any) -> bytes:
    """Draw a surface as a PNG, 7.2 inches wide, 12.4 in the view "both"; title and caption add to its height.

    Right on any thread: two calls wait for each other.

    Parameters
    ----------
    surface : one or two directions; of a partial one the finest complete coarse grid is drawn, and the caption says so.
    dpi : pixels an inch.
    options : fields of `Options`, as keywords; an unknown one raises with the nearest name.

    Raises
    ------
    InputError : for an option that cannot be, or arrays that do not fit together.
    """
    picture = Picture(surface, options_of("png", options))
    with _LOCK:
        return sheet(picture).png(dpi)


def sheet(picture: Picture) -> Sheet:
    """The page before it becomes pixels."""
    colours = palette(picture.options.dark)
    across = BOTH_WIDTH if picture.view == "both" else WIDTH
    inner = across - 2 * MARGIN
    column = inner * HINTED
    titles = wrapped(picture.options.title, TITLE, column, bold=True)
    dotted = picture.view in ("surface", "both") and any(len(drawn.line) for drawn in picture.drawn_tracks)
    words = f"{picture.words} Dotted where the surface hides it." if dotted else picture.words
    captions = wrapped(lowered(words), CAPTION, column)
    below = CAPTION_LINE * len(captions) + (0.1 if captions else 0.0)
    above = TITLE_LINE * len(titles)
    page = Sheet(across, 2 * MARGIN + below + PLOT_HEIGHT + above, colours)
    for row, words in enumerate(titles):
        top = page.height - MARGIN - TITLE_LINE * row
        page.text(MARGIN, top, words, size=TITLE, color=colours.text, bold=True, ha="left", va="top")
    for row, words in enumerate(captions):
        top = MARGIN + CAPTION_LINE * (len(captions) - row)
        page.text(MARGIN, top, words, size=CAPTION, color=colours.muted, ha="left", va="top")
    _plot(page, picture, (MARGIN, MARGIN + below, inner, PLOT_HEIGHT))
    return page


def _plot(page: Sheet, picture: Picture, region: Region) -> None:
    left, bottom, width, height = region
    heights = picture.heights
    if heights is None:
        _message(page, picture.message, region)
    elif picture.view == "curves":
        draw_curves(page, picture, region)
    else:
        colorbar(page, picture, heights, (left + width - 0.62, bottom + 0.2 * height, 0.12, 0.6 * height))
        width -= 0.75
        half = (width - GAP) / 2 if picture.view == "both" else width
        if picture.view in ("surface", "both"):
            Relief(page, picture, heights, (left, bottom, half, height)).draw()
        if picture.view in ("contour", "both"):
            draw_contour(page, picture, heights, (left + width - half, bottom, half, height))


def _message(page: Sheet, message: str, region: Region) -> None:
    """What stands where nothing can be drawn."""
    left, bottom, width, height = region
    colours = page.palette
    page.rectangle(left, bottom, width, height, face=colours.panel, edge=colours.border)
    for row, words in enumerate(wrapped(message, 12, width - 0.5)):
        page.text(left + width / 2, bottom + height / 2 - 0.25 * row, words, size=12, color=colours.muted)


def colorbar(page: Sheet, picture: Picture, heights: Heights, region: Region) -> None:
    """The colours with their losses."""
    left, bottom, width, height = region
    colours, steps = page.palette, 128
    edges = bottom + np.linspace(0, 1, steps + 1) * height
    low, high = edges[:-1], edges[1:]
    corners = np.stack([low, low, high, high], axis=1)
    across = np.broadcast_to([left, left + width, left + width, left], corners.shape)
    face = colormaps[picture.options.colours]((np.arange(steps) + 0.5) / steps)
    page.polygons(np.stack([across, corners], axis=-1), face=face, edge=face, width=np.zeros(steps), smooth=False)
    page.text(left + width / 2, bottom + height + 0.15, "loss", size=TICK, color=colours.muted)
    for tick, label in zip(heights.ticks, heights.labels, strict=True):
        at = bottom + (tick - heights.lo) / (heights.hi - heights.lo) * height
        page.text(left + width + 0.06, at, label, size=TICK, color=colours.muted, ha="left")
