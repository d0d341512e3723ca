"""Trace estimates against their cost as a PNG, without a browser and without pyplot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import to_rgba
from scipy.special import stdtrit

from landscape_widgets.figures.flat import Frame
from landscape_widgets.figures.heights import linear_ticks, tick_labels
from landscape_widgets.figures.matplotlib_figure import _LOCK as LOCK
from landscape_widgets.figures.sheet import Sheet, wrapped
from landscape_widgets.figures.theme import palette
from landscape_widgets.results import TraceEstimate

WIDTH, PLOT_HEIGHT, MARGIN, ROW = 7.2, 3.6, 0.2, 0.22
"""Inches."""

COLOURS: Mapping[str, tuple[str, str]] = {
    "gaussian": ("#2f6f8f", "#6bb3d9"),
    "rademacher": ("#8a5a00", "#e0a04a"),
    "deflated": ("#00795c", "#3fc49b"),
    "hutch++": ("#a8437f", "#e08cc0"),
    "xtrace": ("#5b53c4", "#a5a0f5"),
    "differences": ("#b3471f", "#f08a5d"),
}
"""Of each method, in the light and in the dark theme, the same as in the widget."""

DOTTED = ("rademacher", "hutch++", "differences")


def png(
    results: Mapping[str, TraceEstimate],
    *,
    title: str = "",
    caption: str = "",
    exact: float | None = None,
    budget: float | None = None,
    dark: bool = False,
    dpi: float = 150,
) -> bytes:
    """Draw estimates with their error bands as a PNG, 7.2 inches wide; right on any thread.

    Parameters
    ----------
    results : estimate of each method, by its name in `TraceLab`; "exact" is drawn as the level it gives.
    title, caption : words above and below.
    exact : the exact trace, drawn as a line.
    budget : end of the axis of cost; None takes the largest cost there is.
    dark : the dark theme.
    dpi : pixels an inch.
    """
    with LOCK:
        return _page(results, title, caption, exact, budget, dark).png(dpi)


def _page(
    results: Mapping[str, TraceEstimate],
    title: str,
    caption: str,
    exact: float | None,
    budget: float | None,
    dark: bool,
) -> Sheet:
    colours = palette(dark)
    drawn = {name: found for name, found in results.items() if name in COLOURS and len(found.cost_history)}
    titles = wrapped(title, 12, WIDTH - 2 * MARGIN, bold=True)
    captions = wrapped(caption, 9, WIDTH - 2 * MARGIN)
    rows = math.ceil((len(drawn) + (exact is not None)) / 2)
    below = 0.185 * len(captions) + 0.1
    above = 0.24 * len(titles) + ROW * rows
    sheet = Sheet(WIDTH, 2 * MARGIN + below + PLOT_HEIGHT + above, colours)
    for row, words in enumerate(titles):
        top = sheet.height - MARGIN - 0.24 * row
        sheet.text(MARGIN, top, words, size=12, color=colours.text, bold=True, ha="left", va="top")
    for row, words in enumerate(captions):
        top = MARGIN + 0.185 * (len(captions) - row)
        sheet.text(MARGIN, top, words, size=9, color=colours.muted, ha="left", va="top")
    _legend(sheet, drawn, exact, dark, sheet.height - MARGIN - 0.24 * len(titles) - 0.12)
    longest = max((float(found.cost_history[-1]) for found in drawn.values()), default=1.0)
    box = (MARGIN + 0.75, MARGIN + below + 0.55, WIDTH - 2 * MARGIN - 0.85, PLOT_HEIGHT - 0.65)
    frame = Frame(sheet, box, (0.0, 1.02 * (budget or longest)), _values(drawn, exact))
    _plot(frame, drawn, exact, dark)
    return sheet


def _legend(sheet: Sheet, drawn: Mapping[str, TraceEstimate], exact: float | None, dark: bool, top: float) -> None:
    entries: list[tuple[str, str, bool]] = []
    for name, found in drawn.items():
        half = (found.interval[1] - found.interval[0]) / 2
        words = f"{found.method}, {name}" if found.method == "Hutchinson" else found.method
        entries.append((f"{words}: {_with_error(found.value, half)}", COLOURS[name][dark], name in DOTTED))
    if exact is not None:
        entries.append((f"exact: {exact:.5g}", sheet.palette.text, False))
    for place, (words, colour, dotted) in enumerate(entries):
        x, y = MARGIN + 0.75 + 3.1 * (place % 2), top - ROW * (place // 2)
        sheet.line([(x, y), (x + 0.3, y)], color=colour, width=2.0, dotted=dotted)
        sheet.text(x + 0.4, y, words.replace("-", "−"), size=9.5, color=sheet.palette.text, ha="left")


def _with_error(value: float, half: float) -> str:
    """A value with the digits that its error leaves meaning to."""
    if not (math.isfinite(half) and half > 0):
        return f"{value:.4g}"
    places = 1 - math.floor(math.log10(half))
    if not -4 <= places <= 8:
        return f"{value:.5g} ± {half:.2g}"
    return f"{value:.{max(places, 0)}f} ± {half:.{max(places, 0)}f}"


def _values(drawn: Mapping[str, TraceEstimate], exact: float | None) -> tuple[float, float]:
    """Heights that the later part of the curves needs."""
    needed: list[Any] = [] if exact is None else [np.array([exact])]
    ends = [(found.interval[1] - found.interval[0]) / 2 for found in drawn.values()]
    usual = float(np.median([end for end in ends if math.isfinite(end)] or [0.0]))
    for found, end in zip(drawn.values(), ends, strict=True):
        reach = min(end, 2.5 * usual) if math.isfinite(end) else 0.0
        needed += [found.value_history[len(found.value_history) // 6 :], found.value + np.array([-reach, reach])]
    together = np.concatenate([*needed, np.zeros(0)])
    together = together[np.isfinite(together)]
    if not len(together):
        return -1.0, 1.0
    low, high = float(together.min()), float(together.max())
    span = high - low or abs(high) or 1.0
    return low - 0.08 * span, high + 0.08 * span


def _plot(frame: Frame, drawn: Mapping[str, TraceEstimate], exact: float | None, dark: bool) -> None:
    sheet = frame.sheet
    ticks = linear_ticks(*frame.y)
    frame.ticks_x("cost (gradient evaluations)", grid=True)
    frame.ticks_y("trace", tuple(ticks), tick_labels(ticks), grid=True)
    for name, found in drawn.items():
        _band(frame, found, COLOURS[name][dark])
    for name, found in drawn.items():
        value = np.where(_inside(frame, found.value_history), found.value_history, np.nan)
        points = frame.flat(np.stack([found.cost_history, value], axis=-1))
        sheet.line(points, color=COLOURS[name][dark], width=1.8, layer=4, dotted=name in DOTTED)
    if exact is not None:
        ends = frame.flat(np.array([[frame.x[0], exact], [frame.x[1], exact]]))
        sheet.line(ends, color=sheet.palette.text, width=1.2, layer=5)


def _inside(frame: Frame, values: np.ndarray) -> np.ndarray:
    inside: np.ndarray = (values >= frame.y[0]) & (values <= frame.y[1])
    return inside


def _band(frame: Frame, found: TraceEstimate, colour: str) -> None:
    """Value ± half the interval, where that is narrower than the plot."""
    half = found.error_history
    if found.interval_kind.startswith("Student"):
        level = float(found.question.get("confidence", 0.95))
        half = half * stdtrit(np.maximum(np.arange(len(half)), 1), (1 + level) / 2)
    there = np.isfinite(half) & (half < frame.y[1] - frame.y[0])
    cost, value, half = found.cost_history[there], found.value_history[there], half[there]
    if len(cost) < 2:
        return
    low, high = (np.clip(value + side * half, *frame.y) for side in (-1, 1))
    outline = np.stack([np.concatenate([cost, cost[::-1]]), np.concatenate([low, high[::-1]])], axis=-1)
    face = np.array([to_rgba(colour, 0.1)])
    frame.sheet.polygons(
        frame.flat(outline)[None], face=face, edge=np.zeros_like(face), width=np.zeros(1), smooth=False
    )
