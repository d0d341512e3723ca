"""What a page may choose from: range stops, resolutions, and what an axis can show."""

from __future__ import annotations

from typing import Any

from landscape_widgets.protocol.messages import PictureSettings, Range
from landscape_widgets.session.settings import EXTENTS, RESOLUTIONS
from landscape_widgets.session.sources import Sources


def offered(sources: Sources, settings: PictureSettings) -> dict[str, Any]:
    """The choices of a session, those in use included."""
    halves = {_half(settings.alpha_range), _half(settings.beta_range)}
    return {
        "extents": sorted({*EXTENTS, *halves}),
        "resolutions": sorted({*RESOLUTIONS, settings.resolution}),
        "sources": sources.options(),
    }


def _half(window: Range) -> float:
    return (window.hi - window.lo) / 2
