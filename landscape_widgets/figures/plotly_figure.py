"""A picture as a plotly figure: the same content as in the widget, to turn, hover and save."""

from __future__ import annotations

import textwrap
from typing import Any

import plotly.graph_objects as go

from landscape_widgets.figures import plotly_views
from landscape_widgets.figures.options import options_of
from landscape_widgets.figures.picture import Picture
from landscape_widgets.figures.plotly_curves import curves
from landscape_widgets.figures.plotly_parts import Attributes, sentence
from landscape_widgets.figures.theme import Palette, palette
from landscape_widgets.figures.words import plain
from landscape_widgets.results import Surface

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

CAPTION_LETTERS, CAPTION_LINE = 100, 17
"""Letters in a line of the caption, and its height in pixels."""


def figure(surface: Surface, **options: Any) -> go.Figure:
    """Draw a surface as a plotly figure.

    Heights are log10 of the loss where `height` is "log", with ticks and hover in loss; NaN is a hole.

    Parameters
    ----------
    surface : one or two directions; of a partial one the finest complete coarse grid is drawn, and the caption says so.
    options : fields of `Options`, as keywords; an unknown one raises with the nearest name.

    Raises
    ------
    InputError : for an option that cannot be, or arrays that do not fit together.
    """
    return draw(Picture(surface, options_of("figure", options)))


def draw(picture: Picture, *, words: bool = True) -> go.Figure:
    """The figure of a picture, with or without its title and words."""
    colours = palette(picture.options.dark)
    views = {
        "surface": plotly_views.surface,
        "contour": plotly_views.contour,
        "both": plotly_views.both,
        "curves": curves,
    }
    if picture.heights is None:
        data, layout = sentence(picture, colours)
    else:
        data, layout = views[picture.view](picture, picture.heights, colours)
    return go.Figure(data=data, layout=_complete(layout, picture, colours, words))


def _complete(layout: Attributes, picture: Picture, colours: Palette, words: bool) -> Attributes:
    """The layout with what all views share, and the title and words of a picture."""
    around = dict(layout.pop("margin"))
    notes = list(layout.pop("annotations", []))
    title: Attributes = {}
    if words and picture.options.title:
        around["t"] += 36
        title = {"text": plain(picture.options.title), "x": 0.02, "font": {"size": 16, "weight": 600}}
    lines = textwrap.wrap(picture.words, CAPTION_LETTERS * (2 if picture.view == "both" else 1)) if words else []
    if lines:
        shift = around["b"] + 6
        around["b"] += 14 + CAPTION_LINE * len(lines)
        place: Attributes = {"xref": "paper", "x": 0, "xanchor": "left", "yref": "paper", "y": 0, "yanchor": "top"}
        text = "<br>".join(plain(line) for line in lines)
        style = {"align": "left", "showarrow": False, "font": {"color": colours.muted}}
        notes.append({**place, "yshift": -shift, "text": text, **style})
    return {
        "template": go.layout.Template(),
        "title": title,
        "margin": around,
        "annotations": notes,
        "paper_bgcolor": colours.panel,
        "plot_bgcolor": colours.panel,
        "font": {"family": FONT, "size": 12, "color": colours.text},
        "hoverlabel": {"bgcolor": colours.panel, "bordercolor": colours.border, "font": {"color": colours.text}},
        "showlegend": False,
        "uirevision": "kept",
        "height": 480 + around["t"] + around["b"],
        **layout,
    }
