"""Between words, page and kernel: windows, normalisations, and the choice of each axis."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from landscape_widgets.compute import directions
from landscape_widgets.errors import InputError
from landscape_widgets.protocol.limits import MAX_EXTENT, MIN_EXTENT
from landscape_widgets.protocol.messages import AxisChoice, PictureSettings, Range, Scale
from landscape_widgets.results import Direction, Eigenpairs
from landscape_widgets.session.sources import AS_GIVEN, Sources

EXTENTS = tuple(math.ldexp(1.0 if step % 2 == 0 else math.sqrt(2.0), step // 2) for step in range(-16, 13))
"""Range stops from 1/256 to 64, a factor √2 apart: at every second one the grids share points."""

RESOLUTIONS = (7, 13, 25, 49, 97)
"""Points an axis, 6·2ᵏ + 1: nested, with an exact centre."""

SCALES: tuple[Scale, ...] = typing.get_args(Scale)

PARALLEL_DEGREES = 0.01
"""Two directions closer than this span no plane."""


def needs_eigenpairs(settings: PictureSettings) -> bool:
    """Whether an axis is a Hessian direction."""
    return "hessian" in (settings.alpha.source, settings.beta.source)


def check(settings: PictureSettings, sources: Sources) -> None:
    """Raise `InputError` for an empty window or a direction that is not offered."""
    for choice, window in ((settings.alpha, settings.alpha_range), (settings.beta, settings.beta_range)):
        if not window.hi - window.lo >= 2 * MIN_EXTENT:
            raise InputError(
                f"expected a range from lo to a larger hi, got {window.lo:g} to {window.hi:g}",
                f"make it at least {2 * MIN_EXTENT:g} wide",
            )
        sources.check(choice)


def plane(settings: PictureSettings, sources: Sources, pairs: Eigenpairs | None) -> tuple[Direction, Direction]:
    """The two directions of a picture; raises `InputError` where they span no plane."""
    first, second = (sources.direction(choice, pairs) for choice in (settings.alpha, settings.beta))
    degrees = directions.angle(first, second)
    if min(degrees, 180.0 - degrees) < PARALLEL_DEGREES:
        raise InputError(
            f"expected two different directions, got {first.label} on both axes", "choose another direction or seed"
        )
    return first, second


def same_region(
    settings: PictureSettings,
    before: PictureSettings,
    old: tuple[Direction, Direction],
    sources: Sources,
    pairs: Eigenpairs | None,
) -> PictureSettings:
    """The settings with each range covering the parameter distance that it covered before a change of scale.

    Unchanged where the new directions are not known yet.
    """
    choices = (settings.alpha, settings.beta)
    if (needs_eigenpairs(settings) and pairs is None) or sources.preparation(choices) is not None:
        return settings
    new = [sources.direction(choice, pairs) for choice in choices]
    changes: dict[str, Any] = {}
    for name, was, now in zip(("alpha", "beta"), old, new, strict=True):
        choice, earlier = getattr(settings, name), getattr(before, name)
        window: Range = getattr(before, f"{name}_range")
        if dataclasses.replace(choice, scale=earlier.scale) == earlier and choice != earlier:
            ratio = float(np.linalg.norm(was.vector.astype(np.float64)) / np.linalg.norm(now.vector.astype(np.float64)))
            changes[f"{name}_range"] = _within(window, ratio)
    return dataclasses.replace(settings, **changes)


def _within(window: Range, ratio: float) -> Range:
    """A range times a ratio, shrunk where its ends would lie outside of the limits."""
    largest = max(abs(window.lo), abs(window.hi))
    ratio = min(max(ratio, 2 * MIN_EXTENT / (window.hi - window.lo)), MAX_EXTENT / largest)
    return Range(window.lo * ratio, window.hi * ratio)


def ranges_of(extent: Any) -> tuple[Range, Range]:
    """The ranges that an `extent` means: 1.0 is ±1 on both axes, (lo, hi) one range for both, or one of these each.

    >>> ranges_of(2.0)[0], ranges_of((1.0, (-1.0, 3.0)))[1]
    (Range(lo=-2.0, hi=2.0), Range(lo=-1.0, hi=3.0))
    """
    if _number(extent):
        return _range(extent), _range(extent)
    if isinstance(extent, (tuple, list)) and len(extent) == 2:
        if all(_number(part) for part in extent):
            return _range(extent), _range(extent)
        return _range(extent[0]), _range(extent[1])
    raise _bad_extent(extent)


def extent_of(alpha: Range, beta: Range) -> float | tuple[tuple[float, float], tuple[float, float]]:
    """The shortest `extent` that means these ranges."""
    if alpha == beta and alpha.lo == -alpha.hi:
        return alpha.hi
    return (alpha.lo, alpha.hi), (beta.lo, beta.hi)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _range(value: Any) -> Range:
    lo, hi = (-value, value) if _number(value) else value if isinstance(value, (tuple, list)) else (None, None)
    if not (_number(lo) and _number(hi) and -MAX_EXTENT <= lo < hi <= MAX_EXTENT and hi - lo >= 2 * MIN_EXTENT):
        raise _bad_extent(value)
    return Range(float(lo), float(hi))


def _bad_extent(value: Any) -> InputError:
    return InputError(
        f"expected extent from {MIN_EXTENT:g} to {MAX_EXTENT:g}, (lo, hi), or one of these an axis, got {value!r}",
        "use for example 1.0",
    )


def scales_of(scale: Any) -> tuple[Scale, Scale]:
    """The normalisation of each axis, from one for both or from a pair.

    >>> scales_of("filter"), scales_of(("unit", "raw"))
    (('filter', 'filter'), ('unit', 'raw'))
    """
    pair = (scale, scale) if isinstance(scale, str) else tuple(scale) if isinstance(scale, (tuple, list)) else ()
    if len(pair) != 2 or any(one not in SCALES for one in pair):
        raise InputError(f'expected scale as "unit", "filter" or "raw", or a pair, got {scale!r}', "choose one of them")
    return pair[0], pair[1]


def scale_of(alpha: AxisChoice, beta: AxisChoice) -> Scale | tuple[Scale, Scale]:
    """The shortest `scale` that means the normalisations of these axes."""
    return alpha.scale if alpha.scale == beta.scale else (alpha.scale, beta.scale)


_NUMBERED: Mapping[str, Callable[[int], AxisChoice]] = {
    "random": lambda number: AxisChoice("random", seed=number),
    "eigenvector": lambda number: AxisChoice("hessian", index=number),
    "trajectory": lambda number: AxisChoice("trajectory", index=number),
    "model": lambda number: AxisChoice("model", index=number),
    "custom": lambda number: AxisChoice("custom", index=number),
}
_NAMED: Mapping[str, AxisChoice] = {
    "λ_max": AxisChoice("hessian", index=0),
    "max": AxisChoice("hessian", index=0),
    "hessian": AxisChoice("hessian", index=0),
    "λ_min": AxisChoice("hessian", index=-1),
    "min": AxisChoice("hessian", index=-1),
    "gradient": AxisChoice("gradient"),
    "trajectory": AxisChoice("trajectory"),
    "model": AxisChoice("model"),
}


def parse_axis(value: Any, seed: int, scale: Scale, sources: Sources) -> AxisChoice:
    """Read what a user may say for an axis; a vector is added to the `sources`.

    "random", "random 7", "λ_max" or "max", "λ_min" or "min", "eigenvector 1" or an index, "gradient",
    "trajectory 0", "model 0", "custom 0", a `Direction`, a flat vector. What has a length of its own ("model",
    "custom") keeps it: its scale is "raw".
    """
    if isinstance(value, AxisChoice):
        choice = value
    elif isinstance(value, bool) or value is None:
        raise InputError(f"expected a direction, got {value!r}", 'use for example "random", "λ_max" or "λ_min"')
    elif isinstance(value, int):
        choice = AxisChoice("hessian", index=value, scale=scale)
    elif isinstance(value, str):
        choice = _parse_words(value, seed)
        own = choice.source in AS_GIVEN and choice.source != "gradient"
        choice = dataclasses.replace(choice, scale="raw" if own else scale)
    else:
        choice = sources.add(value)
    sources.check(choice)
    return choice


def _parse_words(value: str, seed: int) -> AxisChoice:
    words = value.strip().split()
    if words == ["random"]:
        return AxisChoice("random", seed=seed)
    if len(words) == 1 and words[0] in _NAMED:
        return _NAMED[words[0]]
    if len(words) == 2 and words[0] in _NUMBERED and words[1].removeprefix("-").isdigit():
        return _NUMBERED[words[0]](int(words[1]))
    raise InputError(
        f"expected a direction, got {value[:80]!r}",
        'use "random", "random 7", "λ_max", "λ_min", "gradient", "trajectory 0", "model 0", an index or a vector',
    )


def describe_axis(choice: AxisChoice) -> str:
    """The words that `parse_axis` reads back.

    >>> describe_axis(AxisChoice("random", seed=7)), describe_axis(AxisChoice("hessian", index=-1))
    ('random 7', 'λ_min')
    """
    if choice.source == "random":
        return f"random {choice.seed}"
    if choice.source == "hessian":
        return {0: "λ_max", -1: "λ_min"}.get(choice.index, f"eigenvector {choice.index}")
    return "gradient" if choice.source == "gradient" else f"{choice.source} {choice.index}"
