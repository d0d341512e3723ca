"""The curves through the centre in plotly."""

from __future__ import annotations

import numpy as np

from landscape_widgets.figures.heights import Heights, heights_of
from landscape_widgets.figures.picture import Picture
from landscape_widgets.figures.plotly_parts import Attributes, Parts, axis, height_axis, hover, margin, note, sentence
from landscape_widgets.figures.theme import Palette
from landscape_widgets.figures.words import number, plain


def curves(picture: Picture, _: Heights, colours: Palette) -> Parts:
    """Loss along each direction; their heights have an axis of their own."""
    cuts = picture.cuts
    heights = heights_of(np.concatenate([cut.loss for cut in cuts]), picture.options.height)
    if heights is None:
        return sentence(picture, colours)
    windows = [picture.window(which) for which in range(len(cuts))]
    across = (min(lo for lo, _ in windows), max(hi for _, hi in windows))
    room = 0.06 * (heights.hi - heights.lo)
    layout: Attributes = {
        "margin": margin(64, top=72 if len(cuts) > 1 else 20, bottom=50),
        "showlegend": len(cuts) > 1,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"color": colours.text}},
        "xaxis": axis(plain(picture.curves_title), across, colours),
        "yaxis": height_axis(heights, (heights.lo - room, heights.hi + room), colours),
    }
    if picture.centre_inside:
        line = {"color": colours.mark, "width": 1.5}
        ends = {"x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1}
        layout["shapes"] = [{"type": "line", **ends, "line": line, "layer": "below"}]
        place = {"x": 0, "yref": "paper", "y": 1, "yanchor": "top", "xanchor": "left", "xshift": 6}
        layout["annotations"] = [{**place, **note(picture.centre_label, colours)}]
    return [*_lines(picture, heights, colours), *_ring(picture, colours)], layout


def _lines(picture: Picture, heights: Heights, colours: Palette) -> list[Attributes]:
    data: list[Attributes] = []
    start = 0
    for cut, colour, name in zip(picture.cuts, (colours.accent, colours.second), "αβ", strict=False):
        values = hover(cut.loss, cut.exact & (not picture.options.preview), cut.metrics)
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(cut.at) <= 27 else "lines",
                "name": plain(cut.name),
                "x": cut.at,
                "y": heights.z[start : start + len(cut.at)],
                "text": [f"{name} {number(at)}<br>{value}" for at, value in zip(cut.at.tolist(), values, strict=True)],
                "hoverinfo": "text",
                "connectgaps": False,
                "line": {"color": colour, "width": 2.5},
                "marker": {"color": colour, "size": 5},
            }
        )
        start += len(cut.at)
    return data


def _ring(picture: Picture, colours: Palette) -> list[Attributes]:
    """The lowest point of the one curve."""
    found, height = picture.lowest, picture.lowest_height
    if found is None or height is None:
        return []
    marker = {"symbol": "circle", "size": 10, "color": colours.panel, "line": {"width": 3, "color": colours.accent}}
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "lowest point found",
            "showlegend": False,
            "x": [found.alpha],
            "y": [height],
            "marker": marker,
            "hoverinfo": "text",
            "hovertext": [f"lowest point found<br>loss {number(found.loss, 4)}<br>α {number(found.alpha)}"],
        }
    ]
