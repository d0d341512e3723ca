"""Keyword arguments of the constructors: an unknown one raises, with the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


def reject_unknown(owner: str, given: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """Raise `TypeError` for a keyword that is not allowed (traitlets would only warn).

    >>> reject_unknown("explore", {"resolutoin": 7}, ["resolution", "extent"])
    Traceback (most recent call last):
    TypeError: explore() got an unexpected keyword argument 'resolutoin'. Did you mean 'resolution'?
    """
    names = sorted(allowed)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(names)}."
            raise TypeError(f"{owner}() got an unexpected keyword argument '{name}'.{hint}")
