"""Pictures that were computed: kept for reuse, and for a file that replays them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from landscape_widgets.protocol.codec import encode, pack
from landscape_widgets.protocol.messages import Frame, PictureSettings
from landscape_widgets.results import Surface
from landscape_widgets.session.code import python_code
from landscape_widgets.session.settings import describe_axis, extent_of
from landscape_widgets.session.sources import Sources

REUSED = 8
"""Newest pictures of one plane whose values a new one looks through."""

KEPT_POINTS = 2_000_000
"""Points kept in all; beyond it the oldest pictures are forgotten."""


@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """One picture: what was asked for, its head, and its surface as far as it was computed."""

    settings: PictureSettings
    frame: Frame
    surface: Surface


class Shelf:
    """Records of every plane of a session, oldest first, one for each settings."""

    def __init__(self, most_points: int = KEPT_POINTS) -> None:
        self._most_points = most_points
        self._records: tuple[Record, ...] = ()

    @property
    def records(self) -> tuple[Record, ...]:
        """What is kept, oldest first; any thread."""
        return self._records

    def add(self, record: Record) -> None:
        """Keep a record; of two with the same settings the one that knows more."""
        same = [old for old in self._records if old.settings == record.settings]
        best = max([record, *same], key=lambda one: one.surface.done)
        kept = [*(old for old in self._records if old.settings != record.settings), best]
        points = sum(one.surface.total for one in kept)
        while len(kept) > 1 and points > self._most_points:
            points -= kept.pop(0).surface.total
        self._records = tuple(kept)

    def surfaces(self, settings: PictureSettings) -> list[Surface]:
        """The newest surfaces in the plane of these settings, newest last."""
        plane = settings.alpha, settings.beta
        return [one.surface for one in self._records if (one.settings.alpha, one.settings.beta) == plane][-REUSED:]


def portable(record: Record, code: str) -> dict[str, Any]:
    """A record as plain values and float32 bytes, little-endian, points in C order; `known` holds a byte a point."""
    surface = record.surface
    metrics = np.array([surface.metrics[name] for name in record.frame.metrics], dtype=np.float64)
    _, (loss, rows) = pack({"loss": surface.loss, "metrics": metrics})
    return {
        "settings": encode(record.settings),
        "frame": encode(record.frame),
        "code": code,
        "loss": bytes(loss),
        "metrics": bytes(rows),
        "known": surface.known.astype(np.uint8).tobytes(),
    }


def code_of(settings: PictureSettings, view: Mapping[str, Any], sources: Sources) -> str:
    """Python code that draws a picture again, shown in the given way."""
    axes = settings.alpha, settings.beta
    alpha, beta = (axis.scale for axis in axes)
    values = {
        "extent": extent_of(settings.alpha_range, settings.beta_range),
        "resolution": settings.resolution,
        "scale": alpha if alpha == beta else (alpha, beta),
        **view,
        "largest": sum(index >= 0 for index in sources.eigenpairs),
        "smallest": sum(index < 0 for index in sources.eigenpairs),
    }
    further = tuple(name for name in ("models", "checkpoints") if getattr(sources, name))
    return python_code(tuple(describe_axis(axis) for axis in axes), values, further)
