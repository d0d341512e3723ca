"""The static picture of a spectrum explorer: density with its band, eigenvalues beneath, and the training run."""

from __future__ import annotations

import math
import threading
from typing import Literal

import numpy as np
from matplotlib.colors import to_rgba

from landscape_widgets.errors import InputError
from landscape_widgets.figures.flat import Frame
from landscape_widgets.figures.heights import linear_ticks, log_ticks, tick_labels
from landscape_widgets.figures.sheet import Region, Sheet, wrapped
from landscape_widgets.figures.theme import palette
from landscape_widgets.figures.words import lowered
from landscape_widgets.results import Eigenpairs, SpectrumEstimate, SpectrumHistory

WIDTH, MARGIN, PLOT_HEIGHT, PAST_HEIGHT, RUG = 7.2, 0.2, 3.9, 2.1, 0.42
"""Inches."""

TITLE, TITLE_LINE, BODY, BODY_LINE, SMALL = 12.0, 0.24, 9.5, 0.2, 8.5

POINTS = 801

_LOCK = threading.Lock()
"""Matplotlib's font cache is shared by all threads."""


def png(
    estimate: SpectrumEstimate,
    *,
    width: float | None = None,
    pairs: Eigenpairs | None = None,
    exact: np.ndarray | None = None,
    history: SpectrumHistory | None = None,
    matrix: str = "Hessian",
    title: str = "",
    sentence: str = "",
    caption: str = "",
    axis: Literal["log", "linear"] = "log",
    dpi: float = 150,
    dark: bool = False,
) -> bytes:
    """Draw a spectral density as a PNG, 7.2 inches wide.

    Parameters
    ----------
    estimate : the density; width : σ of its smoothing, None takes its own.
    pairs, exact, history : eigenpairs and all eigenvalues marked beneath; the training run in a second row.
    matrix : whose eigenvalues they are; title, sentence, caption : words around the picture.
    axis : "log" or "linear" densities.
    dpi, dark : pixels an inch; whether on a dark ground.

    Raises
    ------
    InputError : another axis than "log" or "linear".
    """
    if axis not in ("log", "linear"):
        raise InputError(f'expected axis as "log" or "linear", got {axis!r}', "choose one of them")
    with _LOCK:
        past = PAST_HEIGHT if history is not None and history.known.any() else 0.0
        page, region = _page(title, sentence, caption, past, dark)
        left, bottom, across, _ = region
        sigma = estimate.width if width is None else width
        if len(estimate.nodes) and np.isfinite(estimate.nodes).all():
            main = (left, bottom + past, across, PLOT_HEIGHT)
            _density(page, main, estimate, sigma, axis, matrix, _marks(estimate, pairs, exact))
        if history is not None and past:
            _past(page, (left, bottom, across, past), history)
        return page.png(dpi)


def _page(title: str, sentence: str, caption: str, past: float, dark: bool) -> tuple[Sheet, Region]:
    """The sheet with its words, and the room that is left."""
    colours = palette(dark)
    inner = WIDTH - 2 * MARGIN
    titles = wrapped(title, TITLE, 0.97 * inner, bold=True)
    sentences = wrapped(lowered(sentence), BODY, 0.97 * inner)
    captions = wrapped(lowered(caption), SMALL, 0.97 * inner)
    above = TITLE_LINE * len(titles) + BODY_LINE * len(sentences) + 0.05
    below = 0.18 * len(captions) + (0.08 if captions else 0.0)
    page = Sheet(WIDTH, 2 * MARGIN + above + below + PLOT_HEIGHT + past, colours)
    top = page.height - MARGIN
    for words in titles:
        page.text(MARGIN, top, words, size=TITLE, color=colours.text, bold=True, ha="left", va="top")
        top -= TITLE_LINE
    for words in sentences:
        page.text(MARGIN, top, words, size=BODY, color=colours.text, ha="left", va="top")
        top -= BODY_LINE
    for row, words in enumerate(captions):
        y = MARGIN + 0.18 * (len(captions) - row)
        page.text(MARGIN, y, words, size=SMALL, color=colours.muted, ha="left", va="top")
    return page, (MARGIN, MARGIN + below, inner, PLOT_HEIGHT + past)


Marks = list[tuple[str, np.ndarray, bool]]


def _marks(estimate: SpectrumEstimate, pairs: Eigenpairs | None, exact: np.ndarray | None) -> Marks:
    """The rows beneath the density: name, eigenvalues, and whether they are eigenpairs."""
    rows: Marks = [("Ritz values", estimate.nodes, False)]
    if exact is not None:
        rows.append(("all eigenvalues", exact, False))
    if pairs is not None:
        rows.append(("eigenpairs", pairs.values, True))
    return rows


def _density(
    page: Sheet, region: Region, estimate: SpectrumEstimate, width: float, axis: str, matrix: str, rows: Marks
) -> None:
    left, bottom, across, height = region
    box = (left + 1.05, bottom + 0.6 + RUG, across - 1.15, height - 0.7 - RUG)
    x = estimate.grid(POINTS, width)
    density, spread = estimate.density(x, width), np.nan_to_num(estimate.spread(x, width))
    top = float((density + spread).max())
    one = 1 / (estimate.size * width * math.sqrt(2 * math.pi))
    floor = min(0.3 * one, top / 10) if axis == "log" else 0.0

    def heights(values: np.ndarray) -> np.ndarray:
        clipped: np.ndarray = np.maximum(values, floor)
        return np.log10(clipped) if axis == "log" else clipped

    lo, hi = float(heights(np.zeros(1))[0]), float(heights(np.array([top]))[0])
    frame = Frame(page, box, (float(x[0]), float(x[-1])), (lo, hi + 0.06 * (hi - lo)))
    ticks = log_ticks(lo, hi) if axis == "log" else linear_ticks(lo, hi)
    labels = tick_labels([10.0**tick for tick in ticks] if axis == "log" else ticks)
    frame.ticks_y("share of eigenvalues per unit", tuple(ticks), labels, grid=True)
    below = Frame(page, (box[0], bottom + 0.6, box[2], RUG), frame.x, (0.0, 1.0))
    article = "" if matrix.startswith("H −") else "the "
    below.ticks_x(f"eigenvalue of {article}{matrix} (loss per squared parameter distance)", grid=False)
    _ribbon(frame, x, heights(density - spread), heights(density + spread))
    page.line(frame.flat(np.stack([x, heights(density)], -1)), color=page.palette.accent, width=1.6, layer=3)
    if axis == "log":
        y = math.log10(one)
        page.line(frame.flat(np.array([[x[0], y], [x[-1], y]])), color=page.palette.muted, width=0.8, dotted=True)
        at = frame.flat(np.array([_quietest(x, density, one), y]))
        page.text(float(at[0]), float(at[1]) + 0.09, "one eigenvalue", size=SMALL, color=page.palette.muted)
    _rug(below, rows)


def _quietest(x: np.ndarray, density: np.ndarray, one: float) -> float:
    """The middle of the longest stretch without eigenvalues: words there hide nothing."""
    edges = np.r_[-1, np.flatnonzero(density >= 0.5 * one), len(x)]
    longest = int(np.argmax(np.diff(edges)))
    return float(x[min((edges[longest] + edges[longest + 1]) // 2, len(x) - 1)])


def _ribbon(frame: Frame, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """The band of the standard error, a strip a segment."""
    a, b = np.stack([x, low], -1), np.stack([x, high], -1)
    corners = frame.flat(np.stack([a[:-1], a[1:], b[1:], b[:-1]], axis=1))
    face = np.tile(np.array(to_rgba(frame.sheet.palette.accent, 0.25)), (len(corners), 1))
    frame.sheet.polygons(corners, face=face, edge=face * [1, 1, 1, 0], width=np.zeros(len(corners)), smooth=False)


def _rug(frame: Frame, rows: Marks) -> None:
    """A tick or a diamond an eigenvalue, a row a kind."""
    page, colours = frame.sheet, frame.sheet.palette
    left, bottom, _, height = frame.box
    step = height / len(rows)
    for row, (name, values, pairs) in enumerate(rows):
        y = bottom + height - step * (row + 0.5)
        page.text(left - 0.08, y, name, size=SMALL, color=colours.muted, ha="right")
        places = frame.flat(np.stack([values, np.zeros(len(values))], -1))[:, 0]
        for place in places:
            if pairs:
                page.dot(float(place), y, color=colours.second, size=4.5, edge=colours.second, marker="D")
            else:
                page.line([(place, y - 0.3 * step), (place, y + 0.3 * step)], color=colours.muted, width=0.6, layer=3)


def _past(page: Sheet, region: Region, history: SpectrumHistory) -> None:
    """λ_max and λ_min at the left, the trace at the right, over the training step."""
    left, bottom, across, height = region
    half = across / 2
    known = history.known
    steps = history.steps[known].astype(float)
    colours = page.palette
    ends = [("λ_max", history.values[known, 0], colours.accent)]
    if history.values.shape[1] > history.largest:
        ends.append(("λ_min", history.values[known, -1], colours.second))
    values = np.concatenate([row for _, row, _ in ends])
    frame = _small(page, (left + 1.05, bottom + 0.55, half - 1.15, height - 0.8), steps, values, "eigenvalue")
    for place, (name, row, colour) in enumerate(ends):
        page.line(frame.flat(np.stack([steps, row], -1)), color=colour, width=1.6, marker=3.5, layer=3)
        x, y = frame.box[0] + 0.7 * place, bottom + height - 0.12
        page.line([(x, y), (x + 0.2, y)], color=colour, width=1.6)
        page.text(x + 0.26, y, lowered(name), size=SMALL, color=colours.text, ha="left")
    trace, error = history.trace[known], np.nan_to_num(history.trace_error[known])
    if not np.isfinite(trace).any():
        return
    reach = np.concatenate([trace - error, trace + error])
    right = (left + half + 0.85, bottom + 0.55, half - 0.95, height - 0.8)
    frame = _small(page, right, steps, reach, "trace ± error")
    page.line(frame.flat(np.stack([steps, trace], -1)), color=colours.text, width=1.4, marker=3.5, layer=3)
    for step, value, off in zip(steps, trace, error, strict=True):
        page.line(frame.flat(np.array([[step, value - off], [step, value + off]])), color=colours.text, width=0.8)


def _small(page: Sheet, box: Region, steps: np.ndarray, values: np.ndarray, title: str) -> Frame:
    finite = values[np.isfinite(values)]
    lo, hi = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    room = 0.08 * (hi - lo) or 0.5
    across = 0.04 * float(np.ptp(steps)) or 0.5
    frame = Frame(page, box, (float(steps.min()) - across, float(steps.max()) + across), (lo - room, hi + room))
    ticks = linear_ticks(*frame.y)
    numbered = np.array_equal(steps, np.arange(len(steps)))
    frame.ticks_x("checkpoint" if numbered else "training step", grid=False)
    frame.ticks_y(title, tuple(ticks), tick_labels(ticks), grid=True)
    return frame
