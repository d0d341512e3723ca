"""Pieces of a plotly layout that several views share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from landscape_widgets.figures.heights import Heights, linear_ticks, tick_labels
from landscape_widgets.figures.picture import Picture
from landscape_widgets.figures.theme import Palette
from landscape_widgets.figures.words import number, plain, said

Attributes = dict[str, Any]
Parts = tuple[list[Attributes], Attributes]
"""Traces, and the part of the layout they need."""


def margin(left: int, right: int = 20, top: int = 20, bottom: int = 20) -> dict[str, int]:
    """Margins in pixels."""
    return {"l": left, "r": right, "t": top, "b": bottom}


def xyz(values: np.ndarray) -> dict[str, float]:
    """Three numbers by name."""
    return dict(zip("xyz", values.tolist(), strict=True))


def axis(title: str, span: tuple[float, float], colours: Palette) -> Attributes:
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


def height_axis(heights: Heights, span: tuple[float, float], colours: Palette) -> Attributes:
    """The axis of the loss, with ticks in loss whatever the height is."""
    ticks = {"tickvals": list(heights.ticks), "ticktext": list(heights.labels)}
    return {**axis("loss", span, colours), **ticks}


def colorbar(heights: Heights, colours: Palette) -> Attributes:
    """The colours with their losses."""
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


def hover(loss: np.ndarray, exact: np.ndarray, metrics: Mapping[str, np.ndarray]) -> np.ndarray:
    """What is known at every point, in plotly's text: the loss, with ≈ where it is not exact, else every metric too.

    >>> hover(np.array([0.25, 0.5]), np.array([True, False]), {"accuracy": np.array([0.9, np.nan])}).tolist()
    ['loss 0.25<br>accuracy 0.9', 'loss ≈ 0.5']
    """
    texts = np.empty(loss.size, dtype=object)
    texts[:] = [_loss_text(*point) for point in zip(loss.ravel().tolist(), exact.ravel().tolist(), strict=True)]
    for name, values in metrics.items():
        words = plain(name)
        pairs = zip(values.ravel().tolist(), exact.ravel().tolist(), strict=True)
        texts += np.array([f"<br>{words} {said(value, 4)}" if known else "" for value, known in pairs], dtype=object)
    return texts.reshape(loss.shape)


def _loss_text(loss: float, exact: bool) -> str:
    if exact:
        return f"loss {said(loss, 4)}"
    return "loss not computed" if math.isnan(loss) else f"loss ≈ {number(loss, 4)}"


def note(text: str, colours: Palette, *, small: bool = False) -> Attributes:
    """A boxed label that says `text` as it is written."""
    return {
        "text": plain(text),
        "showarrow": False,
        "font": {"size": 11 if small else 12, "color": colours.text},
        "bgcolor": colours.panel,
        "bordercolor": colours.border,
        "borderpad": 2 if small else 4,
        "opacity": 0.92,
    }


def sentence(picture: Picture, colours: Palette) -> Parts:
    """What stands where nothing can be drawn."""
    words: Attributes = {
        "text": plain(picture.message),
        "showarrow": False,
        "font": {"size": 14, "color": colours.muted},
    }
    words |= {"xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
    hidden = {"visible": False}
    return [], {"margin": margin(20), "annotations": [words], "xaxis": hidden, "yaxis": hidden}
