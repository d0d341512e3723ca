"""Frozen results, NumPy only: each carries the question it answers, its units and its seed."""

from landscape_widgets.results.base import FORMAT, Result
from landscape_widgets.results.landscape import (
    UNITS,
    Axis,
    Direction,
    Eigenpairs,
    SliceCurvature,
    Surface,
    Trajectory,
)

__all__ = [
    "FORMAT",
    "UNITS",
    "Axis",
    "Direction",
    "Eigenpairs",
    "Result",
    "SliceCurvature",
    "Surface",
    "Trajectory",
]
