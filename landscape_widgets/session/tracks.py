"""A training path and other models, seen from the plane of a picture: where they project to, and how far off."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from landscape_widgets.compute.stream import relabelled
from landscape_widgets.compute.trajectory import TrajectoryProjection, percent
from landscape_widgets.protocol.messages import Track
from landscape_widgets.results import Direction, Trajectory
from landscape_widgets.session.sources import Sources

MOST_POINTS = 200
"""Points of a path that a page is sent; of a longer one evenly chosen, its ends among them."""


def track_steps(sources: Sources, plane: tuple[Direction, Direction]) -> Generator[tuple[Track, ...], None, None]:
    """Yield the tracks as far as they are known, after every bounded step."""
    found: list[Track] = []
    if sources.models:
        found.append((yield from _points(sources, plane)))
    if sources.checkpoints is not None:
        projection = TrajectoryProjection(sources.objective, sources.checkpoints, directions=plane, losses=True)
        for path in projection.stream():
            yield tuple(found)
            newest = path
        found.append(_path(newest))
    yield tuple(found)


def _points(sources: Sources, plane: tuple[Direction, Direction]) -> Generator[tuple[Track, ...], None, Track]:
    """The other models: coordinates by least squares, and their own loss."""
    basis = np.stack([direction.vector.astype(np.float64) for direction in plane], axis=1)
    gram = basis.T @ basis
    places, distances, losses = [], [], []
    for model in sources.models:
        vector = model.vector.astype(np.float64)
        place = np.linalg.solve(gram, basis.T @ vector)
        places.append(place)
        distances.append(float(np.linalg.norm(vector - basis @ place)))
        steps = sources.objective.loss_steps(sources.objective.center.cpu().double().numpy() + vector)
        losses.append((yield from relabelled(steps, ())))
    alpha, beta = np.array(places).T
    return Track(
        "points",
        tuple(model.label.removeprefix("towards ") for model in sources.models),
        tuple(alpha.tolist()),
        tuple(beta.tolist()),
        tuple(distances),
        tuple(loss if np.isfinite(loss) else None for loss in losses),
        _shown("of the way to the other models", [m.vector for m in sources.models], distances),
    )


def _shown(what: str, vectors: list[np.ndarray], off_plane: list[float]) -> str:
    """How much of squared lengths lies in the plane, in words."""
    whole = sum(float(np.linalg.norm(vector.astype(np.float64)) ** 2) for vector in vectors)
    share = 1 - sum(distance**2 for distance in off_plane) / whole if whole else 1.0
    return f"{percent(share)} {what} lies in this plane (share of squared distance)."


def _path(path: Trajectory) -> Track:
    """A training path, thinned to what a page can show."""
    count = len(path.coordinates)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int))
    thinned = f", {len(chosen)} of {count:,} checkpoints drawn" if len(chosen) < count else ""
    whole = (path.distance**2).sum()
    share = 1 - float((path.residual**2).sum() / whole) if whole > 0 else 1.0
    losses = np.where(path.known, path.loss, np.nan)[chosen]
    return Track(
        "path",
        tuple(f"step {step:,}" for step in path.steps[chosen]),
        tuple(path.coordinates[chosen, 0].tolist()),
        tuple(path.coordinates[chosen, 1].tolist()),
        tuple(path.residual[chosen].tolist()),
        tuple(float(loss) if np.isfinite(loss) else None for loss in losses),
        f"{percent(share)} of the training path lies in this plane (share of squared distance){thinned}.",
    )
