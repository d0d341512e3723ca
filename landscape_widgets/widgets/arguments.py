"""Keyword arguments of the constructors: an unknown one raises, with the nearest name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def reject_unknown(
    owner: str, given: Mapping[str, Any], allowed: Iterable[str], function: Callable[..., Any] | None = None
) -> None:
    """Raise `TypeError` for a keyword that is not allowed (traitlets would only warn).

    The hint also knows the named parameters of `function`, of which `given` are the further keywords.

    >>> reject_unknown("explore", {"resolutoin": 7}, ["resolution", "extent"])
    Traceback (most recent call last):
    TypeError: explore() got an unexpected keyword argument 'resolutoin'. Did you mean 'resolution'?
    """
    names = sorted(allowed)
    own = [] if function is None else list(inspect.signature(function).parameters)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, [*names, *own], n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(sorted([*names, *own]))}."
            raise TypeError(f"{owner}() got an unexpected keyword argument '{name}'.{hint}")
