"""The head of a picture: axes with their units, preview, readout, caption."""

from __future__ import annotations

import numpy as np

from landscape_widgets.compute.directions import angle
from landscape_widgets.compute.grid import GridEvaluator
from landscape_widgets.compute.objective import Objective
from landscape_widgets.errors import Outcome
from landscape_widgets.protocol.messages import AxisInfo, EstimateInfo, Frame, Preview, Track, Verdict
from landscape_widgets.results import Direction, Estimate, SliceCurvature, Surface


def make_frame(
    objective: Objective,
    evaluator: GridEvaluator,
    plane: tuple[Direction, Direction],
    curvature: SliceCurvature | None,
    verdict: Verdict | None,
    caution: str,
    tracks: tuple[Track, ...] = (),
    degrees: float | None = None,
    surface: Surface | None = None,
) -> Frame:
    """Everything about a picture but its points."""
    axes = [axis_info(direction, points) for direction, points in zip(plane, evaluator.coordinates, strict=True)]
    known = curvature is not None and np.isfinite(curvature.loss)
    return Frame(
        alpha=axes[0],
        beta=axes[1],
        levels=tuple(len(level) for level in evaluator.levels[0]),
        angle=angle(*plane) if degrees is None else degrees,
        loss=curvature.loss if curvature is not None and known else None,
        gradient_norm=curvature.gradient_norm if curvature is not None and known else None,
        preview=preview(curvature),
        verdict=verdict,
        caption=caption(objective, evaluator, plane, caution, surface),
        metrics=objective.metric_names,
        tracks=tracks,
        estimate=estimate_info(evaluator, surface),
    )


def estimate_info(evaluator: GridEvaluator, surface: Surface | None) -> EstimateInfo | None:
    """What is said of the values beside the computed points, where any are drawn."""
    if surface is None or surface.estimate is None or surface.done == surface.total:
        return None
    estimate = surface.estimate
    level = level_of(evaluator, surface.drawable)
    return EstimateInfo(estimate.words, estimate.method, estimate.held_out, estimate.kind, level)


def level_of(evaluator: GridEvaluator, known: np.ndarray) -> int:
    """Points an axis of the finest level that is complete, 0 before the first."""
    reached = evaluator.level_reached(known)
    return len(evaluator.levels[0][reached - 1]) if reached else 0


def axis_info(direction: Direction, coordinates: np.ndarray) -> AxisInfo:
    """An axis with its words and its window."""
    axis = direction.axis
    return AxisInfo(
        axis.label,
        axis.normalization,
        axis.unit,
        axis.seed,
        axis.length,
        float(coordinates[0]),
        float(coordinates[-1]),
        len(coordinates),
    )


def preview(curvature: SliceCurvature | None) -> Preview | None:
    """The quadratic model, if all its numbers are finite."""
    if curvature is None:
        return None
    numbers = (curvature.loss, *curvature.gradient, curvature.A, curvature.B, curvature.C)
    if not np.isfinite(numbers).all():
        return None
    return Preview(*(float(number) for number in numbers))


def caption(
    objective: Objective,
    evaluator: GridEvaluator,
    plane: tuple[Direction, Direction],
    caution: str = "",
    surface: Surface | None = None,
) -> str:
    """What is drawn: loss, data, directions with unit and seed, points, how each value was got."""
    alpha, beta = (f"{direction.label} (1.0 = {unit_in_words(direction)})" for direction in plane)
    n, m = (len(axis) for axis in evaluator.coordinates)
    samples = f"all {objective.samples:,} samples given" if objective.samples > 1 else "one sample"
    notes = "".join(f"; {note}" for note in objective.batches.notes)
    exact = f"exact {str(objective.dtype).removeprefix('torch.')} evaluation"
    between = ""
    if surface is not None and surface.estimate is not None and surface.estimated:
        ended = surface.outcome is not Outcome.RUNNING
        between = surface.estimated if ended else f"Until all are computed the others are {kinds(surface.estimate)}."
    text = (
        f"Mean {objective.loss_name} over {samples}{notes}. α: {alpha}; β: {beta}. "
        f"{n} × {m} points, each {'computed one ' if between else ''}an {exact}."
    )
    return " ".join(part for part in (text, between, caution) if part)


def kinds(estimate: Estimate) -> str:
    """What the points that are not computed yet are."""
    return estimate.kind if estimate.kind == "interpolated" else f"a {estimate.kind}"


def unit_in_words(direction: Direction) -> str:
    """What 1.0 on the axis is, with its length in raw parameter distance."""
    length = f"parameter distance {direction.axis.length:.3g}"
    if direction.unit.startswith("parameter distance") or "× parameter distance" in direction.unit:
        return length
    words = {"filter": "each filter moved by its own norm", "layer": "each layer moved by its own norm"}
    return f"{words.get(direction.normalization, 'one raw Gaussian step')}, {length}"
