"""What a page may choose from: range stops, resolutions, and what an axis can show."""

from __future__ import annotations

from typing import Any

from landscape_widgets.compute.directions import eigenvalue_name
from landscape_widgets.session.session import Session
from landscape_widgets.session.settings import EXTENTS, RESOLUTIONS


def offered(session: Session, extent: float, resolution: int) -> dict[str, Any]:
    """The choices of a session, those in use included."""
    sources: list[dict[str, Any]] = [{"source": "random", "index": 0, "label": "Random"}]
    sources += [
        {"source": "hessian", "index": index, "label": f"Hessian {eigenvalue_name(index)}"}
        for index in session.eigenpair_indices
    ]
    sources += [
        {"source": "custom", "index": place, "label": direction.label} for place, direction in enumerate(session.given)
    ]
    return {
        "extents": sorted({*EXTENTS, float(extent)}),
        "resolutions": sorted({*RESOLUTIONS, int(resolution)}),
        "sources": sources,
    }
