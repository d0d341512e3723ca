"""What a session keeps of each plane: surfaces to take values from, curvature at the centre, tracks."""

from __future__ import annotations

import dataclasses

from landscape_widgets.protocol.messages import AxisChoice, PictureSettings, Track
from landscape_widgets.results import SliceCurvature, Surface

KEPT_SURFACES = 8
"""Surfaces of one plane kept for reuse."""


@dataclasses.dataclass(eq=False)
class Plane:
    """What is known of the plane of two choices; `surfaces` with the settings that each was drawn for."""

    surfaces: list[tuple[PictureSettings, Surface]] = dataclasses.field(default_factory=list)
    curvature: SliceCurvature | None = None
    tracks: tuple[Track, ...] = ()

    def remember(self, settings: PictureSettings, surface: Surface) -> None:
        """Keep a surface; of many the latest."""
        self.surfaces.append((settings, surface))
        del self.surfaces[:-KEPT_SURFACES]


class Planes:
    """The planes of a session, by what their axes show; ranges and resolution do not matter."""

    def __init__(self) -> None:
        self._planes: dict[tuple[AxisChoice, AxisChoice], Plane] = {}

    def of(self, settings: PictureSettings) -> Plane:
        """The plane of a picture."""
        return self._planes.setdefault((settings.alpha, settings.beta), Plane())

    def all(self) -> list[Plane]:
        """Every plane looked at so far, in order."""
        return list(self._planes.values())
