"""The training path and other models as seen from the plane: cut off at the window, which they never stretch."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from landscape_widgets.errors import InputError
from landscape_widgets.figures.words import counted, number, said
from landscape_widgets.results import Axis

Kind = Literal["path", "points"]
Role = Literal["start", "between", "end", "point"]
Window = tuple[tuple[float, float], tuple[float, float]]

PIECES = 60
"""Pieces of a line across the window: so many that a draped one follows the surface."""

LONGEST = 24
"""Letters of a label beside a model."""

FADING = 0.7
"""How much of its strength a stop loses that lies wholly off the plane."""


@dataclasses.dataclass(frozen=True)
class Track:
    """Models seen from the plane, one (α, β) each: where they project to, how far off it they are, their own loss.

    Parameters
    ----------
    kind : "path" for a training trajectory in order, "points" for other models.
    labels : what each is called, plain text.
    alpha, beta : coordinates of each projection, in the unit of the axes.
    off_plane : distance of each from the plane, in parameter distance.
    loss : the model's own loss, not that of its projection; None where not computed.
    shown : how much of the whole lies in the plane, in words; where empty, the caption says it from the numbers.

    Raises
    ------
    InputError : for another kind, or lengths that differ.
    """

    kind: Kind
    labels: tuple[str, ...]
    alpha: tuple[float, ...]
    beta: tuple[float, ...]
    off_plane: tuple[float, ...]
    loss: tuple[float | None, ...]
    shown: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InputError(f'expected a track of kind "path" or "points", got {self.kind!r}', 'pass kind="path"')
        lengths = [len(values) for values in (self.labels, self.alpha, self.beta, self.off_plane, self.loss)]
        if len(set(lengths)) > 1:
            raise InputError(
                f"expected a track with labels, alpha, beta, off_plane and loss of one length, got {lengths}",
                "give one value of each for every model",
            )


def track_of(given: Any) -> Track:
    """A track from anything with its attributes."""
    if isinstance(given, Track):
        return given
    names = [field.name for field in dataclasses.fields(Track)]
    missing = [name for name in names if not hasattr(given, name)]
    if missing:
        raise InputError(
            f"expected a track with {', '.join(names)}, got {type(given).__name__} without {', '.join(missing)}",
            "pass landscape_widgets.figures.tracks.Track(...)",
        )
    words = [str(label) for label in given.labels]
    alpha, beta, off_plane = (
        tuple(float(value) for value in values) for values in (given.alpha, given.beta, given.off_plane)
    )
    losses = tuple(None if loss is None else float(loss) for loss in given.loss)
    return Track(given.kind, tuple(words), alpha, beta, off_plane, losses, str(given.shown))


@dataclasses.dataclass(frozen=True)
class Stop:
    """A model of a track that projects into the window.

    `strength` is 1 in the plane, less the more of its distance from the model lies off the plane.
    """

    alpha: float
    beta: float
    label: str
    role: Role
    strength: float
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """The words beside it: what a model is called, or which end of the path it is."""
        if self.role != "point":
            return self.role
        return self.label if len(self.label) <= LONGEST else self.label[: LONGEST - 1] + "…"


def stops(track: Track, window: Window, axes: Sequence[Axis], angle: float | None) -> list[Stop]:
    """The models of a track inside the window, in order."""
    found = []
    for i, (alpha, beta) in enumerate(zip(track.alpha, track.beta, strict=True)):
        if not _inside((alpha, beta), window):
            continue
        share = off_plane_share((alpha, beta), track.off_plane[i], axes, angle)
        strength = 1.0 if share is None else 1 - FADING * share
        found.append(Stop(alpha, beta, track.labels[i], _role(track, i), strength, _words(track, i, share)))
    return found


def _inside(place: tuple[float, float], window: Window) -> bool:
    return all(lo <= value <= hi for value, (lo, hi) in zip(place, window, strict=True))


def _role(track: Track, i: int) -> Role:
    if track.kind == "points":
        return "point"
    return "end" if i == len(track.labels) - 1 else "start" if i == 0 else "between"


def off_plane_share(
    place: tuple[float, float], off_plane: float, axes: Sequence[Axis], angle: float | None
) -> float | None:
    """How much of a model's distance from the centre lies off the plane, 0 to 1; None where lengths are unknown.

    >>> one = Axis("", "unit", "", length=1.0)
    >>> off_plane_share((0.6, 0.0), 0.8, (one, one), None)
    0.8
    """
    x, y = (value * axis.length for value, axis in zip(place, axes, strict=True))
    slant = 2 * x * y * math.cos(math.radians(angle)) if angle is not None else 0.0
    whole = math.sqrt(max(x * x + y * y + slant, 0.0) + off_plane**2)
    if not math.isfinite(whole):
        return None
    return min(off_plane / whole, 1.0) if whole > 0 else 0.0


def _words(track: Track, i: int, share: float | None) -> tuple[str, ...]:
    """What is said on hover: the track does not lie in the plane, so its own loss and how far off it is."""
    off = f"off the plane by {number(track.off_plane[i])} (parameter distance)"
    return (
        track.labels[i],
        f"projects to α {number(track.alpha[i])}, β {number(track.beta[i])}",
        f"its own loss {said(track.loss[i])}",
        off if share is None else f"{off},",
        *(() if share is None else (f"{number(100 * share, 2)} % of its distance from the model",)),
    )


def line(track: Track, window: Window) -> np.ndarray:
    """The path inside the window as points (n, 2), with a row of NaN where it leaves; empty for other models."""
    found: list[np.ndarray] = []
    if track.kind == "path":
        points = np.stack([track.alpha, track.beta], axis=1).astype(np.float64)
        for start, end in itertools.pairwise(points):
            part = clip(start, end, window)
            if part is not None:
                found.append(_pieces(start, end, part, window))
    parts: list[np.ndarray] = []
    for piece in found:
        joined = bool(parts) and np.array_equal(parts[-1][-1], piece[0])
        parts += [piece[1:]] if joined else [np.full((1, 2), np.nan), piece]
    return np.concatenate(parts[1:]) if parts else np.empty((0, 2))


def clip(start: np.ndarray, end: np.ndarray, window: Window) -> tuple[float, float] | None:
    """The part of a segment inside the window, as fractions of it, or None (Liang and Barsky 1984).

    >>> clip(np.array([-2.0, 0.0]), np.array([2.0, 0.0]), ((-1, 1), (-1, 1)))
    (0.25, 0.75)
    """
    first, last = 0.0, 1.0
    for a, b, (lo, hi) in zip(start.tolist(), end.tolist(), window, strict=True):
        step = b - a
        if not math.isfinite(step) or (step == 0 and not lo <= a <= hi):
            return None
        if step != 0:
            enter, leave = sorted(((lo - a) / step, (hi - a) / step))
            first, last = max(first, enter), min(last, leave)
    return (first, last) if first < last else None


def _pieces(start: np.ndarray, end: np.ndarray, part: tuple[float, float], window: Window) -> np.ndarray:
    """Points along the part of a segment; its own ends exactly, where they are inside."""
    sides = np.array([hi - lo for lo, hi in window])
    across = float((np.abs(end - start) / sides).max()) * (part[1] - part[0])
    at = np.linspace(*part, 1 + max(1, min(math.ceil(across * PIECES), PIECES)))[:, None]
    points = np.where(at == 1, end, start + at * (end - start))
    return np.clip(points, [lo for lo, _ in window], [hi for _, hi in window])


def sentences(track: Track, window: Window, axes: Sequence[Axis], angle: float | None) -> tuple[str, ...]:
    """What the caption must say of a track: its signs, how much of it lies off the plane, what the window cuts off."""
    name = "Path from circle to square" if track.kind == "path" else "Diamonds"
    shares = [
        off_plane_share((alpha, beta), off, axes, angle)
        for alpha, beta, off in zip(track.alpha, track.beta, track.off_plane, strict=True)
    ]
    known = [share for share in shares if share is not None]
    worst = f"up to {number(100 * max(known), 2)} % of the distance from the model lies off this plane" if known else ""
    pale = ", paler where farther off the plane" if any(share > 0.01 for share in known) else ""
    outside = len(shares) - len(stops(track, window, axes, angle))
    noun = (
        counted(len(shares), "checkpoint", "checkpoints")
        if track.kind == "path"
        else counted(len(shares), "model", "models")
    )
    cut = f"{outside:,} of {noun} {'lies' if outside == 1 else 'lie'} outside of the window." if outside else ""
    said_so = track.shown or worst
    return tuple(part for part in (f"{name}{pale}: {said_so}." if said_so else f"{name}{pale}.", cut) if part)
