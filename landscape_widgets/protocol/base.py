"""What several messages share."""

from __future__ import annotations

import dataclasses
from typing import Literal

VERSION = 1
"""Raised by one whenever an old page could misread a new message."""


@dataclasses.dataclass(frozen=True)
class ArrayHeader:
    """Describes one buffer: what it is, little-endian dtype, shape in C order."""

    name: str
    dtype: Literal["float32", "int32"]
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Pair:
    """An eigenvalue, its residual |Hv - λv|, and whether the residual meets its bound."""

    index: int
    value: float | None
    residual: float | None
    accepted: bool
