"""What lies on the loss in plotly: the model, the lowest point found, training paths and other models."""

from __future__ import annotations

import numpy as np

from landscape_widgets.figures.heights import Heights
from landscape_widgets.figures.mesh import height_at
from landscape_widgets.figures.picture import DrawnTrack, Picture
from landscape_widgets.figures.plotly_parts import Attributes, note
from landscape_widgets.figures.theme import CASING, INK, Palette, sheer
from landscape_widgets.figures.tracks import Role, Stop
from landscape_widgets.figures.words import number, plain

SYMBOLS: dict[Role, str] = {"start": "circle", "between": "circle", "end": "square", "point": "diamond"}
LIFT = 0.02
"""How far a mark on the surface stands above it, in parts of the height axis, so that it is not half buried."""


def stem(foot: float, top: float, colours: Palette) -> list[Attributes]:
    """The model: a stem from its loss up to a marker; one trace each, since some drivers draw size 0 slowly."""
    shared: Attributes = {"type": "scatter3d", "hoverinfo": "skip", "name": "model"}
    line = {"mode": "lines", "x": [0, 0], "y": [0, 0], "z": [foot, top], "line": {"color": colours.mark, "width": 3}}
    marker = {"size": 6, "color": colours.mark, "line": {"width": 0}}
    return [{**shared, **line}, {**shared, "mode": "markers", "x": [0], "y": [0], "z": [top], "marker": marker}]


def marks(picture: Picture, heights: Heights, colours: Palette, *, solid: bool) -> list[Attributes]:
    """Paths and other models, then the ring at the lowest point; flat, or on the solid surface."""
    traces = [trace for drawn in picture.drawn_tracks for trace in _track(picture, heights, drawn, solid)]
    return [*traces, *_ring(picture, heights, colours, solid)]


def _ring(picture: Picture, heights: Heights, colours: Palette, solid: bool) -> list[Attributes]:
    found = picture.lowest
    if found is None or found.beta is None:
        return []
    words = f"lowest point found<br>loss {number(found.loss, 4)}<br>α {number(found.alpha)}<br>β {number(found.beta)}"
    line = {"width": 3, "color": colours.accent}
    places = np.array([[found.alpha, found.beta]])
    return [
        {
            **_placed(picture, heights, places, LIFT, solid),
            "name": "lowest point found",
            "mode": "markers",
            "marker": {"symbol": "circle", "size": 6 if solid else 10, "color": colours.panel, "line": line},
            "hoverinfo": "text",
            "hovertext": [words],
        }
    ]


def _placed(picture: Picture, heights: Heights, places: np.ndarray, lift: float, solid: bool) -> Attributes:
    """Positions (n, 2) of a trace; on the surface with heights."""
    x, y = places.T
    flat: Attributes = {"x": x, "y": y, "showlegend": False, "connectgaps": False}
    if not solid:
        return {"type": "scatter", **flat}
    assert picture.mesh is not None
    z = height_at(picture.mesh, heights.z, x, y) + lift * (heights.hi - heights.lo)
    return {"type": "scatter3d", **flat, "z": z}


def _track(picture: Picture, heights: Heights, drawn: DrawnTrack, solid: bool) -> list[Attributes]:
    groups = [
        [stop for stop in drawn.stops if stop.role in roles] for roles in (("between",), ("start", "end"), ("point",))
    ]
    path = _line(picture, heights, drawn.line, solid) if len(drawn.line) else []
    return [*path, *(_stops(picture, heights, group, solid) for group in groups if group)]


def _line(picture: Picture, heights: Heights, line: np.ndarray, solid: bool) -> list[Attributes]:
    """Dark in a light casing: seen on every colour of every scale."""
    traces = []
    for place, (colour, width) in enumerate(zip((CASING, INK), (8, 4) if solid else (4.5, 2), strict=True)):
        style = {"mode": "lines", "name": "path", "line": {"color": colour, "width": width}, "hoverinfo": "skip"}
        traces.append({**_placed(picture, heights, line, 0.008 + 0.004 * place, solid), **style})
    return traces


def _stops(picture: Picture, heights: Heights, stops: list[Stop], solid: bool) -> Attributes:
    places = np.array([[stop.alpha, stop.beta] for stop in stops])
    large = stops[0].role != "between"
    inks = [(INK, CASING) if stop.role in ("end", "point") else (CASING, INK) for stop in stops]
    outline = {
        "width": 1 if solid else 1.5,
        "color": [sheer(edge, stop.strength) for (_, edge), stop in zip(inks, stops, strict=True)],
    }
    return {
        **_placed(picture, heights, places, LIFT, solid),
        "name": {"point": "models", "between": "checkpoints"}.get(stops[0].role, "ends"),
        "mode": "markers",
        "marker": {
            "symbol": [SYMBOLS[stop.role] for stop in stops],
            "size": (6 if large else 3) if solid else (11 if large else 6),
            "color": [sheer(face, stop.strength) for (face, _), stop in zip(inks, stops, strict=True)],
            "line": outline,
        },
        "hoverinfo": "text",
        "hovertext": ["<br>".join(plain(words) for words in stop.words) for stop in stops],
    }


def labels(picture: Picture, colours: Palette) -> list[Attributes]:
    """Words beside the ends of paths and other models; none where the model itself has its own."""
    shown = [stop for drawn in picture.drawn_tracks for stop in drawn.stops if stop.role != "between"]
    return [
        {"x": stop.alpha, "y": stop.beta, "yshift": 17, **note(stop.name, colours, small=True)}
        for stop in shown
        if stop.role == "point" or not picture.beside_model(stop)
    ]
