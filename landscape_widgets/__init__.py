"""Jupyter widgets that show where a PyTorch model stands in its loss landscape."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Outcome": "errors",
    "LandscapeError": "errors",
    "InputError": "errors",
    "ModelError": "errors",
    "Direction": "results",
    "Eigenpairs": "results",
    "Surface": "results",
    "Estimate": "results",
    "SliceCurvature": "results",
    "Trajectory": "results",
    "SpectrumEstimate": "results",
    "SpectrumHistory": "results",
    "TraceEstimate": "results",
    "LandscapeWarning": "errors",
    "Objective": "compute.objective",
    "HessianOperator": "compute.operators.hessian",
    "GaussNewtonOperator": "compute.operators.gauss_newton",
    "BlockOperator": "compute.operators.blocks",
    "layer_blocks": "compute.operators.blocks",
    "layer_sizes": "compute.spectrum",
    "Lanczos": "compute.lanczos",
    "SpectralDensity": "compute.spectrum",
    "CheckpointSpectrum": "compute.spectrum_history",
    "GridEvaluator": "compute.grid",
    "AdaptiveGrid": "compute.adaptive",
    "PreviewGrid": "compute.preview",
    "HutchinsonTrace": "compute.trace",
    "ExactTrace": "compute.trace",
    "exact_trace": "compute.trace",
    "HutchPlusPlusTrace": "compute.trace_low_rank",
    "XTrace": "compute.trace_low_rank",
    "LossDifferenceTrace": "compute.trace_differences",
    "slice_curvature": "compute.slice_curvature",
    "RandomSlices": "compute.random_slices",
    "SliceLaw": "compute.slice_laws",
    "SliceSample": "results",
    "DiagonalOperator": "compute.operators.diagonal",
    "TrajectoryProjection": "compute.trajectory",
    "save_parameters": "compute.checkpoint_readers",
    "TrainingStream": "compute.training",
    "LandscapeExplorer": "widgets.explorer",
    "explore": "widgets.explore",
    "SaddleLab": "widgets.saddle",
    "TraceLab": "widgets.trace",
    "SpectrumExplorer": "widgets.spectrum",
}
_MODULES = {"directions": "compute.directions", "zoo": "zoo"}

__all__ = [*_PUBLIC, *_MODULES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import landscape_widgets` itself costs nothing."""
    if name in _MODULES:
        value: Any = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    elif name in _PUBLIC:
        value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(set(globals()) | set(__all__))
