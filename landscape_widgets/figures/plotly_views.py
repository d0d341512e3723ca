"""The surface and the view from above in plotly."""

from __future__ import annotations

import numpy as np

from landscape_widgets.figures import camera
from landscape_widgets.figures.heights import Heights
from landscape_widgets.figures.picture import ABOVE, Picture
from landscape_widgets.figures.plotly_marks import labels, marks, stem
from landscape_widgets.figures.plotly_parts import (
    Attributes,
    Parts,
    axis,
    colorbar,
    height_axis,
    hover,
    margin,
    note,
    xyz,
)
from landscape_widgets.figures.theme import Palette
from landscape_widgets.figures.words import axis_title, number, plain, plain_3d

FARTHER = 1.22
"""How much farther the eye stands than in the PNG: plotly keeps no room for the labels."""


def surface(picture: Picture, heights: Heights, colours: Palette) -> Parts:
    """Loss as height and colour, contour lines on it, the model on a stem."""
    top = heights.hi + ABOVE * (heights.hi - heights.lo)
    # No contour lines beside holes: plotly draws lines to NaN there, which drivers without a graphics card take
    # minutes for.
    lines: Attributes = {"show": not heights.holes + heights.hidden, "color": colours.contour_css, "width": 1.5}
    lines |= {"start": heights.lo + heights.step / 2, "end": heights.hi, "size": heights.step, "highlight": False}
    data: list[Attributes] = [
        {
            **_filled(picture, heights, colours),
            "type": "surface",
            "cmin": heights.lo,
            "cmax": heights.hi,
            "contours": {"z": lines, "x": {"highlight": False}, "y": {"highlight": False}},
            "lighting": {"ambient": 0.82, "diffuse": 0.5, "specular": 0.04, "roughness": 0.9, "fresnel": 0.05},
            "lightposition": {"x": 2000, "y": -4000, "z": 8000},
        },
        *marks(picture, heights, colours, solid=True),
    ]
    annotations = []
    if picture.centre_inside:
        data += stem(picture.centre_height(heights), top, colours)
        annotations.append({"x": 0, "y": 0, "z": top, "yshift": 19, **note(picture.centre_label, colours)})
    return data, {"scene": {**_box(picture, heights, top, colours), "annotations": annotations}, "margin": margin(0)}


def _box(picture: Picture, heights: Heights, top: float, colours: Palette) -> Attributes:
    """The axes of the surface, and the eye."""
    axes = picture.surface.axes
    bottom = heights.lo - 0.02 * (heights.hi - heights.lo)
    bare = {"showbackground": False, "showspikes": False}
    return {
        "xaxis": {**axis(plain_3d(axis_title("α", axes[0])), picture.window(0), colours), **bare},
        "yaxis": {**axis(plain_3d(axis_title("β", axes[1])), picture.window(1), colours), **bare},
        "zaxis": {**height_axis(heights, (bottom, top), colours), **bare},
        "aspectmode": "manual",
        "aspectratio": xyz(camera.ASPECT),
        "camera": {"eye": xyz(camera.CENTRE + FARTHER * (camera.EYE - camera.CENTRE)), "center": xyz(camera.CENTRE)},
        "domain": {"x": [0, 0.95], "y": [0, 1]},
    }


def contour(picture: Picture, heights: Heights, colours: Palette) -> Parts:
    """The surface from above, with equal lengths equal where the units are."""
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
        },
        *marks(picture, heights, colours, solid=False),
    ]
    axes = picture.surface.axes
    layout: Attributes = {
        "margin": margin(64, bottom=50),
        "xaxis": {**axis(plain(axis_title("α", axes[0])), picture.window(0), colours), "constrain": "domain"},
        "yaxis": {**axis(plain(axis_title("β", axes[1])), picture.window(1), colours), "constrain": "domain"},
        "annotations": labels(picture, colours),
    }
    if picture.to_scale:
        layout["yaxis"]["scaleanchor"] = "x"
    if picture.centre_inside:
        marker = {"size": 9, "color": colours.mark, "line": {"width": 1.5, "color": colours.panel}}
        model = {"type": "scatter", "mode": "markers", "name": "model", "hoverinfo": "skip", "marker": marker}
        data.append({**model, "x": [0], "y": [0]})
        layout["annotations"] += [{"x": 0, "y": 0, "yshift": 20, **note(picture.centre_label, colours)}]
    return data, layout


def both(picture: Picture, heights: Heights, colours: Palette) -> Parts:
    """The surface, and beside it the view from above, with one bar of colours."""
    solid, beside = surface(picture, heights, colours), contour(picture, heights, colours)
    solid[0][0] |= {"showscale": False}
    scene = {**solid[1]["scene"], "domain": {"x": [0, 0.48], "y": [0, 1]}}
    layout = {**beside[1], "scene": scene, "margin": margin(0, bottom=50)}
    layout["xaxis"]["domain"] = [0.56, 1]
    return [*solid[0], *beside[0]], layout


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
        "colorscale": picture.options.colours.capitalize(),
        "connectgaps": False,
        "opacity": 0.45 if picture.options.preview else 1,
        "colorbar": colorbar(heights, colours),
    }


def _hover(picture: Picture) -> np.ndarray:
    """α, β, loss and metrics of every point; an array, because plotly writes nested lists as their `repr`."""
    mesh = picture.mesh
    assert mesh is not None
    assert mesh.y is not None
    columns = [f"α {number(float(x))}" for x in mesh.x]
    values = hover(mesh.loss, mesh.exact & (not picture.options.preview), mesh.metrics)
    rows = [f"<br>β {number(float(y))}<br>" for y in mesh.y]
    texts = [
        [f"{column}{row}{value}" for column, value in zip(columns, line, strict=True)]
        for row, line in zip(rows, values.tolist(), strict=True)
    ]
    return np.array(texts, dtype=object)
