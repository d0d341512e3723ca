"""What a page may choose from: range stops, resolutions, and what an axis can show."""

from __future__ import annotations

from typing import Any

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


def eigenvalue_name(index: int) -> str:
    """What the eigenvalue of an index is called, from the top (0, 1, …) or from the bottom (-1, -2, …).

    >>> [eigenvalue_name(index) for index in (0, 1, -2, -1)]
    ['λ_max', 'λ_2', 'λ_min+1', 'λ_min']
    """
    if index >= 0:
        return "λ_max" if index == 0 else f"λ_{index + 1}"
    return "λ_min" if index == -1 else f"λ_min+{-index - 1}"
