"""A picture as one offline HTML file: plotly.js is in it, and nothing is fetched."""

from __future__ import annotations

from html import escape
from typing import Any

from landscape_widgets.figures.options import options_of
from landscape_widgets.figures.picture import Picture
from landscape_widgets.figures.plotly_figure import FONT, draw
from landscape_widgets.figures.theme import palette
from landscape_widgets.results import Surface

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; worker-src blob:"
)
"""The page forbids its own scripts every connection; plotly.js compiles shaders' helpers with `Function`."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>
body {{ margin: 0 auto; padding: 16px; max-width: {width}px; }}
body {{ font: 14px/1.5 {font}; color: {text}; background: {panel}; }}
h1 {{ margin: 0 0 8px; font-size: 18px; font-weight: 600; }}
p {{ margin: 8px 0 0; color: {muted}; overflow-wrap: anywhere; }}
</style>
</head>
<body>
{heading}{plot}
{words}</body>
</html>
"""


def html(surface: Surface, **options: Any) -> str:
    """Draw a surface as a complete HTML page of about 5 MB that works offline; arguments as in `figure`."""
    picture = Picture(surface, options_of("html", options))
    colours, title = palette(picture.options.dark), picture.options.title
    plot = draw(picture, words=False).to_html(
        full_html=False, include_plotlyjs=True, include_mathjax=False, config={"displaylogo": False, "responsive": True}
    )
    return PAGE.format(
        policy=POLICY, name=escape(title or "Loss landscape"), font=FONT, text=colours.text, panel=colours.panel,
        muted=colours.muted, heading=f"<h1>{escape(title)}</h1>\n" if title else "", plot=plot,
        words=f"<p>{escape(picture.words)}</p>\n" if picture.words else "",
        width=1400 if picture.view == "both" else 960,
    )  # fmt: skip
