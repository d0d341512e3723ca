"""Frozen results, NumPy only: each carries the question it answers, its units and its seed."""

from landscape_widgets.results.base import FORMAT, Result
from landscape_widgets.results.landscape import (
    UNITS,
    Axis,
    Direction,
    Eigenpairs,
    Estimate,
    SliceCurvature,
    Surface,
    Trajectory,
)
from landscape_widgets.results.slices import (
    KINDS,
    SliceDensity,
    SliceProbabilities,
    SliceSample,
    SliceStanding,
    wilson,
)
from landscape_widgets.results.spectrum import SpectrumEstimate, SpectrumHistory
from landscape_widgets.results.trace import TraceEstimate

__all__ = [
    "FORMAT",
    "KINDS",
    "UNITS",
    "Axis",
    "Direction",
    "Eigenpairs",
    "Estimate",
    "Result",
    "SliceCurvature",
    "SliceDensity",
    "SliceProbabilities",
    "SliceSample",
    "SliceStanding",
    "SpectrumEstimate",
    "SpectrumHistory",
    "Surface",
    "TraceEstimate",
    "Trajectory",
    "wilson",
]
