"""Between the page's settings and the directions they mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from landscape_widgets.compute import directions
from landscape_widgets.compute.objective import Objective
from landscape_widgets.errors import InputError
from landscape_widgets.protocol.messages import AxisChoice, PictureSettings, Scale
from landscape_widgets.results import Direction, Eigenpairs

EXTENTS = tuple(math.ldexp(1.0 if step % 2 == 0 else math.sqrt(2.0), step // 2) for step in range(-16, 13))
"""Range stops from 1/256 to 64, a factor √2 apart: at every second one the grids share points."""

RESOLUTIONS = (7, 13, 25, 49, 97)
"""Points an axis, 6·2ᵏ + 1: nested, with an exact centre."""

PARALLEL_DEGREES = 0.01
"""Two directions closer than this span no plane."""


def needs_eigenpairs(settings: PictureSettings) -> bool:
    """Whether an axis is a Hessian direction."""
    return "hessian" in (settings.alpha.source, settings.beta.source)


def check_offered(settings: PictureSettings, given: int, eigenpairs: int) -> None:
    """Raise `InputError` where an axis is none of the `given` directions or of the `eigenpairs` to be computed.

    >>> check_offered(PictureSettings(AxisChoice("hessian", index=5), AxisChoice("random"), "unit", 1.0, 7), 0, 2)
    Traceback (most recent call last):
    landscape_widgets.errors.InputError: expected an eigenpair index within the 2 computed, got 5...
    """
    for choice in (settings.alpha, settings.beta):
        if choice.source == "custom" and not 0 <= choice.index < given:
            raise InputError(
                f"expected one of {given} given directions, got number {choice.index}", "pass directions= to explore()"
            )
        if choice.source == "hessian" and not -eigenpairs <= choice.index < eigenpairs:
            raise InputError(
                f"expected an eigenpair index within the {eigenpairs} computed, got {choice.index}",
                "pass largest= and smallest= to explore()",
            )


def plane(
    settings: PictureSettings, objective: Objective, pairs: Eigenpairs | None, given: Sequence[Direction]
) -> tuple[Direction, Direction]:
    """The two directions of a picture; raises `InputError` where they span no plane or one is not offered."""
    first = _direction(settings.alpha, settings.scale, objective, pairs, given)
    second = _direction(settings.beta, settings.scale, objective, pairs, given)
    degrees = directions.angle(first, second)
    if min(degrees, 180.0 - degrees) < PARALLEL_DEGREES:
        raise InputError(
            f"expected two different directions, got {first.label} on both axes", "choose another direction or seed"
        )
    return first, second


def _direction(
    choice: AxisChoice, scale: Scale, objective: Objective, pairs: Eigenpairs | None, given: Sequence[Direction]
) -> Direction:
    if choice.source == "random":
        return directions.random(objective, choice.seed, None if scale == "raw" else scale)
    if choice.source == "custom":
        return given[choice.index]
    if pairs is None:
        raise InputError("expected Hessian directions to be computed, got none", "wait for them")
    return directions.rescale(directions.hessian(pairs, (choice.index,))[0], objective, scale)


_NUMBERED: Mapping[str, Callable[[int], AxisChoice]] = {
    "random": lambda number: AxisChoice("random", seed=number),
    "eigenvector": lambda number: AxisChoice("hessian", index=number),
    "custom": lambda number: AxisChoice("custom", index=number),
}


def parse_axis(value: Any, seed: int, custom: list[Direction], objective: Objective) -> AxisChoice:
    """Read what a user may say for an axis; a vector is appended to `custom`.

    "random", "random 7", "λ_max" or "max", "λ_min" or "min", "eigenvector 1" or an index, "custom 0",
    a `Direction`, a flat vector.
    """
    if isinstance(value, AxisChoice):
        return value
    if isinstance(value, bool) or value is None:
        raise InputError(f"expected a direction, got {value!r}", 'use for example "random", "λ_max" or "λ_min"')
    if isinstance(value, int):
        return AxisChoice("hessian", index=value)
    if not isinstance(value, str):
        custom.append(directions.custom(objective, value))
        return AxisChoice("custom", index=len(custom) - 1)
    words = value.strip().split()
    names = {"λ_max": 0, "max": 0, "hessian": 0, "λ_min": -1, "min": -1}
    if len(words) == 1 and words[0] in names:
        return AxisChoice("hessian", index=names[words[0]])
    if words == ["random"]:
        return AxisChoice("random", seed=seed)
    if len(words) == 2 and words[0] in _NUMBERED and words[1].removeprefix("-").isdigit():
        return _NUMBERED[words[0]](int(words[1]))
    raise InputError(
        f"expected a direction, got {value[:80]!r}", 'use "random", "random 7", "λ_max", "λ_min", an index or a vector'
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
    return f"custom {choice.index}"
