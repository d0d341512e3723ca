"""A picture as a plotly figure: the same content as in the widget, to turn, hover and save."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import plotly.graph_objects as go

from landscape_widgets.figures import camera
from landscape_widgets.figures.heights import Heights, HeightScale, heights_of, linear_ticks, tick_labels
from landscape_widgets.figures.picture import ABOVE, Picture, View
from landscape_widgets.figures.theme import Palette, palette
from landscape_widgets.figures.words import axis_title, number, plain, plain_3d
from landscape_widgets.results import Surface

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

CAPTION_LETTERS, CAPTION_LINE = 100, 17
"""Letters in a line of the caption, and its height in pixels."""

FARTHER = 1.22
"""How much farther the eye stands than in the PNG: plotly keeps no room for the labels."""

Attributes = dict[str, Any]


def figure(
    surface: Surface,
    *,
    height: HeightScale = "log",
    title: str = "",
    caption: str = "",
    dark: bool = False,
    view: View = "surface",
    preview: bool = False,
    centre_loss: float | None = None,
) -> go.Figure:
    """Draw a surface as a plotly figure; arguments as in `matplotlib_figure.png`.

    Heights are log10 of the loss where `height` is "log", with ticks and hover in loss; NaN is a hole.
    """
    picture = Picture(surface, title, caption, height, preview, centre_loss)
    return draw(picture, dark=dark, view=picture.view(view))


def draw(picture: Picture, *, dark: bool = False, view: View = "surface", words: bool = True) -> go.Figure:
    """The figure of a picture, with or without its title and words."""
    colours = palette(dark)
    if picture.heights is None:
        data, layout = _sentence(picture, colours)
    else:
        data, layout = {"surface": _surface, "contour": _contour, "curves": _curves}[view](
            picture, picture.heights, colours
        )
    return go.Figure(data=data, layout=_complete(layout, picture if words else None, colours))


def _complete(layout: Attributes, words: Picture | None, colours: Palette) -> Attributes:
    """The layout with what all views share, and the title and words of a picture."""
    margin = dict(layout.pop("margin"))
    notes = list(layout.pop("annotations", []))
    title: Attributes = {}
    if words is not None and words.title:
        margin["t"] += 36
        title = {"text": plain(words.title), "x": 0.02, "font": {"size": 16, "weight": 600}}
    lines = textwrap.wrap(words.words, CAPTION_LETTERS) if words is not None else []
    if lines:
        shift = margin["b"] + 6
        margin["b"] += 14 + CAPTION_LINE * len(lines)
        place: Attributes = {"xref": "paper", "x": 0, "xanchor": "left", "yref": "paper", "y": 0, "yanchor": "top"}
        text = "<br>".join(plain(line) for line in lines)
        style = {"align": "left", "showarrow": False, "font": {"color": colours.muted}}
        notes.append({**place, "yshift": -shift, "text": text, **style})
    return {
        "template": go.layout.Template(),
        "title": title,
        "margin": margin,
        "annotations": notes,
        "paper_bgcolor": colours.panel,
        "plot_bgcolor": colours.panel,
        "font": {"family": FONT, "size": 12, "color": colours.text},
        "hoverlabel": {"bgcolor": colours.panel, "bordercolor": colours.border, "font": {"color": colours.text}},
        "showlegend": False,
        "uirevision": "kept",
        "height": 480 + margin["t"] + margin["b"],
        **layout,
    }


def _sentence(picture: Picture, colours: Palette) -> tuple[list[Attributes], Attributes]:
    words: Attributes = {
        "text": plain(picture.message),
        "showarrow": False,
        "font": {"size": 14, "color": colours.muted},
    }
    words |= {"xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
    hidden = {"visible": False}
    return [], {"margin": _margin(20), "annotations": [words], "xaxis": hidden, "yaxis": hidden}


def _margin(left: int, right: int = 20, top: int = 20, bottom: int = 20) -> dict[str, int]:
    return {"l": left, "r": right, "t": top, "b": bottom}


def _surface(picture: Picture, heights: Heights, colours: Palette) -> tuple[list[Attributes], Attributes]:
    span = heights.hi - heights.lo
    top = heights.hi + ABOVE * span
    contours: Attributes = {
        "show": True,
        "start": heights.lo + heights.step / 2,
        "end": heights.hi,
        "size": heights.step,
    }
    contours |= {"color": colours.contour_css, "width": 1.5, "highlight": False}
    data: list[Attributes] = [
        {
            **_filled(picture, heights, colours),
            "type": "surface",
            "cmin": heights.lo,
            "cmax": heights.hi,
            "contours": {"z": contours, "x": {"highlight": False}, "y": {"highlight": False}},
            "lighting": {"ambient": 0.82, "diffuse": 0.5, "specular": 0.04, "roughness": 0.9, "fresnel": 0.05},
            "lightposition": {"x": 2000, "y": -4000, "z": 8000},
        }
    ]
    annotations = []
    if picture.centre_inside:
        data.append(_stem(picture.centre_height(heights), top, colours))
        annotations.append({"x": 0, "y": 0, "z": top, "yshift": 19, **_label(picture, colours)})
    axes = picture.surface.axes
    box: Attributes = {
        "xaxis": _axis(plain_3d(axis_title("α", axes[0])), picture.window(0), colours),
        "yaxis": _axis(plain_3d(axis_title("β", axes[1])), picture.window(1), colours),
        "zaxis": _height_axis(heights, (heights.lo - 0.02 * span, top), colours),
        "aspectmode": "manual",
        "aspectratio": _xyz(camera.ASPECT),
        "camera": {"eye": _xyz(camera.CENTRE + FARTHER * (camera.EYE - camera.CENTRE)), "center": _xyz(camera.CENTRE)},
        "domain": {"x": [0, 0.95], "y": [0, 1]},
        "annotations": annotations,
    }
    for axis in (box["xaxis"], box["yaxis"], box["zaxis"]):
        axis |= {"showbackground": False, "showspikes": False}
    return data, {"scene": box, "margin": _margin(0)}


def _xyz(values: np.ndarray) -> dict[str, float]:
    return dict(zip("xyz", values.tolist(), strict=True))


def _stem(foot: float, top: float, colours: Palette) -> Attributes:
    return {
        "type": "scatter3d",
        "mode": "lines+markers",
        "x": [0, 0],
        "y": [0, 0],
        "z": [foot, top],
        "marker": {"size": [0, 6], "color": colours.mark, "line": {"width": 0}},
        "line": {"color": colours.mark, "width": 3},
        "hoverinfo": "skip",
    }


def _contour(picture: Picture, heights: Heights, colours: Palette) -> tuple[list[Attributes], Attributes]:
    lines = {"start": heights.lo + heights.step / 2, "end": heights.hi, "size": heights.step, "coloring": "heatmap"}
    data: list[Attributes] = [
        {
            **_filled(picture, heights, colours),
            "type": "contour",
            "zmin": heights.lo,
            "zmax": heights.hi,
            "autocontour": False,
            "contours": {**lines, "showlines": True},
            "line": {"width": 0.7, "color": colours.contour_css, "smoothing": 0.6},
        }
    ]
    axes = picture.surface.axes
    layout: Attributes = {
        "margin": _margin(64, bottom=50),
        "xaxis": {**_axis(plain(axis_title("α", axes[0])), picture.window(0), colours), "constrain": "domain"},
        "yaxis": {**_axis(plain(axis_title("β", axes[1])), picture.window(1), colours), "constrain": "domain"},
    }
    if picture.to_scale:
        layout["yaxis"]["scaleanchor"] = "x"
    if picture.centre_inside:
        marker = {"size": 9, "color": colours.mark, "line": {"width": 1.5, "color": colours.panel}}
        data.append({"type": "scatter", "mode": "markers", "x": [0], "y": [0], "marker": marker, "hoverinfo": "skip"})
        layout["annotations"] = [{"x": 0, "y": 0, "yshift": 20, **_label(picture, colours)}]
    return data, layout


def _filled(picture: Picture, heights: Heights, colours: Palette) -> Attributes:
    """What surface and contour share."""
    mesh = picture.mesh
    assert mesh is not None
    return {
        "x": mesh.x,
        "y": mesh.y,
        "z": heights.z,
        "text": _hover(picture),
        "hoverinfo": "text",
        "colorscale": "Viridis",
        "connectgaps": False,
        "opacity": 0.45 if picture.preview else 1,
        "colorbar": _colorbar(heights, colours),
    }


def _hover(picture: Picture) -> np.ndarray:
    """α, β and loss of every point; an array, because plotly writes nested lists as their `repr`."""
    mesh = picture.mesh
    assert mesh is not None
    assert mesh.y is not None
    about = "≈ " if picture.preview else ""
    columns = [f"α {number(float(x))}<br>β " for x in mesh.x]
    rows = zip((number(float(y)) for y in mesh.y), mesh.loss.tolist(), strict=True)
    texts = [
        [f"{column}{beta}<br>loss {about}{number(loss, 4)}" for column, loss in zip(columns, row, strict=True)]
        for beta, row in rows
    ]
    return np.array(texts, dtype=object)


def _curves(picture: Picture, _: Heights, colours: Palette) -> tuple[list[Attributes], Attributes]:
    cuts = picture.cuts
    heights = heights_of(np.concatenate([cut.loss for cut in cuts]), picture.height)
    if heights is None:
        return _sentence(picture, colours)
    data: list[Attributes] = []
    start = 0
    for cut, colour, name in zip(cuts, (colours.accent, colours.second), "αβ", strict=False):
        places = zip(cut.at.tolist(), cut.loss.tolist(), strict=True)
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(cut.at) <= 27 else "lines",
                "name": plain(cut.name),
                "x": cut.at,
                "y": heights.z[start : start + len(cut.at)],
                "text": [f"{name} {number(at)}<br>loss {number(loss, 4)}" for at, loss in places],
                "hoverinfo": "text",
                "connectgaps": False,
                "line": {"color": colour, "width": 2.5},
                "marker": {"color": colour, "size": 5},
            }
        )
        start += len(cut.at)
    windows = [picture.window(which) for which in range(len(cuts))]
    across = (min(lo for lo, _ in windows), max(hi for _, hi in windows))
    room = 0.06 * (heights.hi - heights.lo)
    layout: Attributes = {
        "margin": _margin(64, top=72 if len(cuts) > 1 else 20, bottom=50),
        "showlegend": len(cuts) > 1,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"color": colours.text}},
        "xaxis": _axis(plain(picture.curves_title), across, colours),
        "yaxis": _height_axis(heights, (heights.lo - room, heights.hi + room), colours),
    }
    if picture.centre_inside:
        line = {"color": colours.mark, "width": 1.5}
        ends = {"x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1}
        layout["shapes"] = [{"type": "line", **ends, "line": line, "layer": "below"}]
        place = {"x": 0, "yref": "paper", "y": 1, "yanchor": "top", "xanchor": "left", "xshift": 6}
        layout["annotations"] = [{**place, **_label(picture, colours)}]
    return data, layout


def _axis(title: str, span: tuple[float, float], colours: Palette) -> Attributes:
    """An axis with even ticks; the title is plotly's text already."""
    ticks = linear_ticks(*span)
    return {
        "title": {"text": title, "font": {"size": 12, "color": colours.muted}},
        "range": list(span),
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": list(tick_labels(ticks)),
        "tickfont": {"size": 11, "color": colours.muted},
        "gridcolor": colours.grid,
        "zeroline": False,
        "ticks": "",
    }


def _height_axis(heights: Heights, span: tuple[float, float], colours: Palette) -> Attributes:
    ticks = {"tickvals": list(heights.ticks), "ticktext": list(heights.labels)}
    return {**_axis("loss", span, colours), **ticks}


def _colorbar(heights: Heights, colours: Palette) -> Attributes:
    return {
        "title": {"text": "loss", "side": "top", "font": {"size": 11, "color": colours.muted}},
        "tickmode": "array",
        "tickvals": list(heights.ticks),
        "ticktext": list(heights.labels),
        "tickfont": {"size": 10, "color": colours.muted},
        "ticklen": 0,
        "thickness": 10,
        "outlinewidth": 0,
        "len": 0.62,
        "y": 0.5,
    }


def _label(picture: Picture, colours: Palette) -> Attributes:
    return {
        "text": plain(picture.centre_label),
        "showarrow": False,
        "font": {"size": 12, "color": colours.text},
        "bgcolor": colours.panel,
        "bordercolor": colours.border,
        "borderpad": 4,
        "opacity": 0.92,
    }
