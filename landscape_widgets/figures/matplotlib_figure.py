"""A picture as a PNG, without a browser and without pyplot."""

from __future__ import annotations

import threading

import numpy as np
from matplotlib import colormaps

from landscape_widgets.figures.flat import draw_contour, draw_curves
from landscape_widgets.figures.heights import Heights, HeightScale
from landscape_widgets.figures.picture import Picture, View
from landscape_widgets.figures.relief import TICK, Region, Relief
from landscape_widgets.figures.sheet import Sheet, wrapped
from landscape_widgets.figures.theme import palette
from landscape_widgets.figures.words import lowered
from landscape_widgets.results import Surface

WIDTH, PLOT_HEIGHT, MARGIN = 7.2, 4.6, 0.2
"""Inches; at 100 dpi the width is 720 pixels."""

CAPTION, CAPTION_LINE = 9.0, 0.185
TITLE, TITLE_LINE = 12.0, 0.24

_LOCK = threading.Lock()
"""Matplotlib's font cache is shared by all threads."""


def png(
    surface: Surface,
    *,
    height: HeightScale = "log",
    title: str = "",
    caption: str = "",
    dark: bool = False,
    view: View = "surface",
    dpi: float = 150,
    preview: bool = False,
    centre_loss: float | None = None,
) -> bytes:
    """Draw a surface as a PNG, 7.2 inches wide; title and caption are wrapped and add to its height.

    Right on any thread: two calls wait for each other.

    Parameters
    ----------
    surface : one or two directions; of a partial one the finest complete coarse grid is drawn, and the caption says so.
    height : "log" draws log10 of the loss with ticks in loss, "linear" the loss.
    title, caption : plain text.
    view : "surface", "contour" or "curves" (cuts through the centre); one direction is always drawn as a curve.
    preview : whether the values are the quadratic model, drawn pale and named so.
    centre_loss : loss of the model; by default the surface's value at its centre.

    Raises
    ------
    InputError : for an unknown height or view, or arrays that do not fit together.
    """
    picture = Picture(surface, title, caption, height, preview, centre_loss)
    with _LOCK:
        return sheet(picture, dark=dark, view=picture.view(view)).png(dpi)


def sheet(picture: Picture, *, dark: bool = False, view: View = "surface") -> Sheet:
    """The page before it becomes pixels."""
    colours = palette(dark)
    inner = WIDTH - 2 * MARGIN
    titles = wrapped(picture.title, TITLE, inner, bold=True)
    captions = wrapped(lowered(picture.words), CAPTION, inner)
    below = CAPTION_LINE * len(captions) + (0.1 if captions else 0.0)
    above = TITLE_LINE * len(titles)
    page = Sheet(WIDTH, 2 * MARGIN + below + PLOT_HEIGHT + above, colours)
    for row, words in enumerate(titles):
        top = page.height - MARGIN - TITLE_LINE * row
        page.text(MARGIN, top, words, size=TITLE, color=colours.text, bold=True, ha="left", va="top")
    for row, words in enumerate(captions):
        top = MARGIN + CAPTION_LINE * (len(captions) - row)
        page.text(MARGIN, top, words, size=CAPTION, color=colours.muted, ha="left", va="top")
    _plot(page, picture, view, (MARGIN, MARGIN + below, inner, PLOT_HEIGHT))
    return page


def _plot(page: Sheet, picture: Picture, view: View, region: Region) -> None:
    left, bottom, width, height = region
    heights = picture.heights
    if heights is None:
        colours = page.palette
        page.rectangle(left, bottom, width, height, face=colours.panel, edge=colours.border)
        for row, words in enumerate(wrapped(picture.message, 12, width - 0.5)):
            page.text(left + width / 2, bottom + height / 2 - 0.25 * row, words, size=12, color=colours.muted)
    elif view == "curves":
        draw_curves(page, picture, region)
    else:
        colorbar(page, picture, heights, (left + width - 0.62, bottom + 0.2 * height, 0.12, 0.6 * height))
        plot = (left, bottom, width - 0.75, height)
        if view == "surface":
            Relief(page, picture, heights, plot).draw()
        else:
            draw_contour(page, picture, heights, plot)


def colorbar(page: Sheet, picture: Picture, heights: Heights, region: Region) -> None:
    """The colours with their losses."""
    left, bottom, width, height = region
    colours, steps = page.palette, 128
    edges = bottom + np.linspace(0, 1, steps + 1) * height
    low, high = edges[:-1], edges[1:]
    corners = np.stack([low, low, high, high], axis=1)
    across = np.broadcast_to([left, left + width, left + width, left], corners.shape)
    face = colormaps["viridis"]((np.arange(steps) + 0.5) / steps)
    page.polygons(np.stack([across, corners], axis=-1), face=face, edge=face, width=np.zeros(steps), smooth=False)
    page.text(left + width / 2, bottom + height + 0.15, "loss", size=TICK, color=colours.muted)
    for tick, label in zip(heights.ticks, heights.labels, strict=True):
        at = bottom + (tick - heights.lo) / (heights.hi - heights.lo) * height
        page.text(left + width + 0.06, at, label, size=TICK, color=colours.muted, ha="left")
