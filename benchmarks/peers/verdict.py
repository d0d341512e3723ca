"""What an arm's numbers are worth: an error against the reference, and whether it passes."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Words for the table, and whether the numbers are right."""

    words: str
    right: bool | None
    """None: nothing to compare with."""

    def __str__(self) -> str:
        return self.words if self.right in (True, None) else f"**wrong**: {self.words}"


def relative(found: Any, expected: Any) -> float:
    """Largest difference over the largest expected magnitude; NaN found where a number is expected is infinite."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    if found.shape != expected.shape:
        return math.inf
    if not np.array_equal(np.isfinite(found), np.isfinite(expected)):
        return math.inf
    finite = np.isfinite(expected)
    scale = float(np.abs(expected[finite]).max(initial=0.0)) or 1.0
    return float(np.abs(found - expected)[finite].max(initial=0.0)) / scale


def within(error: float, bound: float, what: str = "error") -> Verdict:
    """An error against its bound."""
    return Verdict(f"{what} {error:.1e} (bound {bound:.0e})", error <= bound)
