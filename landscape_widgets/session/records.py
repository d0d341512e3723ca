"""Pictures that a session has computed, as plain values and bytes, for a file that replays them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from landscape_widgets.compute.grid import GridEvaluator
from landscape_widgets.protocol.codec import encode, pack
from landscape_widgets.protocol.messages import Frame, PictureSettings
from landscape_widgets.results import Direction, Surface
from landscape_widgets.session.code import python_code
from landscape_widgets.session.frames import make_frame
from landscape_widgets.session.honesty import common_scale
from landscape_widgets.session.planes import Plane
from landscape_widgets.session.session import Session
from landscape_widgets.session.settings import describe_axis, extent_of, plane, scale_of
from landscape_widgets.session.sources import Sources
from landscape_widgets.session.verdict import verdict


def records(session: Session, view: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every surface that is kept, of all planes, and the one under way as far as it is known.

    Each is `{settings, frame, code, loss, metrics, known}`: loss and metrics (one row each) as little-endian float32
    bytes in C order, `known` as a byte a point: where it is 0 the loss is an estimate, if the head names one.
    `code` draws it again, shown in the way `view`. Heads are made anew, with what is known of each plane by now. On
    the scheduler's thread.

    Cost: each direction is drawn once more; no forward pass.
    """
    found = []
    for kept in session.planes.all():
        pictures = _distinct([*kept.surfaces, *_under_way(session, kept)])
        if not pictures:
            continue
        directions = plane(pictures[0][0], session.sources, session.pairs)
        for settings, surface in pictures:
            frame = _frame(session, kept, settings, directions, surface)
            found.append(_portable(settings, frame, code_of(settings, view, session.sources), surface))
    return found


def _under_way(session: Session, kept: Plane) -> list[tuple[PictureSettings, Surface]]:
    run = session.run
    if run is None or run.ended or run.surface is None or session.planes.of(run.settings) is not kept:
        return []
    return [(run.settings, run.surface)]


def _distinct(pairs: Iterable[tuple[PictureSettings, Surface]]) -> list[tuple[PictureSettings, Surface]]:
    """One surface for each settings: that which knows most, of equals the latest."""
    best: dict[PictureSettings, Surface] = {}
    for settings, surface in pairs:
        if surface.done and (settings not in best or surface.done >= best[settings].done):
            best[settings] = surface
    return list(best.items())


def _frame(
    session: Session,
    kept: Plane,
    settings: PictureSettings,
    directions: tuple[Direction, Direction],
    surface: Surface,
) -> Frame:
    windows = [(window.lo, window.hi) for window in (settings.alpha_range, settings.beta_range)]
    evaluator = GridEvaluator(session.objective, directions, windows, settings.resolution)
    found = None
    if kept.curvature is not None:
        sample = session.slices.sample(common_scale(settings.alpha, settings.beta))
        found = verdict(kept.curvature, session.pairs, sample)
    return make_frame(session.objective, evaluator, directions, kept.curvature, found, "", kept.tracks, surface=surface)


def _portable(settings: PictureSettings, frame: Frame, code: str, surface: Surface) -> dict[str, Any]:
    metrics = np.array([surface.metrics[name] for name in frame.metrics], dtype=np.float64)
    _, (loss, rows) = pack({"loss": surface.filled, "metrics": metrics})
    return {
        "settings": encode(settings),
        "frame": encode(frame),
        "code": code,
        "loss": bytes(loss),
        "metrics": bytes(rows),
        "known": surface.known.astype(np.uint8).tobytes(),
    }


def code_of(settings: PictureSettings, view: Mapping[str, Any], sources: Sources) -> str:
    """Python code that draws a picture again, shown in the given way."""
    axes = settings.alpha, settings.beta
    values = {
        "extent": extent_of(settings.alpha_range, settings.beta_range),
        "resolution": settings.resolution,
        "until": settings.until,
        "scale": scale_of(*axes),
        **view,
        "largest": sum(index >= 0 for index in sources.eigenpairs),
        "smallest": sum(index < 0 for index in sources.eigenpairs),
    }
    further = tuple(name for name in ("models", "checkpoints") if getattr(sources, name))
    return python_code(tuple(describe_axis(axis) for axis in axes), values, further)
