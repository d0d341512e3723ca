"""Colours of the two themes, the same as in the widget."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Palette:
    """Colours by their use; `contour` with its opacity."""

    text: str
    muted: str
    grid: str
    panel: str
    border: str
    accent: str
    second: str
    mark: str
    contour: tuple[float, float, float, float]

    @property
    def contour_css(self) -> str:
        """The colour of contour lines, for plotly."""
        red, green, blue, opacity = self.contour
        return f"rgba({red * 255:.0f},{green * 255:.0f},{blue * 255:.0f},{opacity:g})"


LIGHT = Palette(
    text="#1f2328",
    muted="#59636e",
    grid="#dde2e8",
    panel="#ffffff",
    border="#d0d7de",
    accent="#2f6f8f",
    second="#8a5a00",
    mark="#e5382b",
    contour=(1.0, 1.0, 1.0, 0.9),
)
DARK = Palette(
    text="#e6edf3",
    muted="#9aa4af",
    grid="#2d343d",
    panel="#0f1318",
    border="#30363d",
    accent="#6bb3d9",
    second="#e0a04a",
    mark="#ff6a52",
    contour=(1.0, 1.0, 1.0, 0.7),
)


INK, CASING = "#14181d", "#ffffff"
"""What lies on the loss itself, in both themes: dark in a light casing is seen on every colour of every scale."""


def sheer(colour: str, opacity: float) -> str:
    """A colour (#rrggbb) of this opacity, for plotly.

    >>> sheer("#14181d", 0.5)
    'rgba(20,24,29,0.5)'
    """
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{round(opacity, 2):g})"


def palette(dark: bool) -> Palette:
    """The palette of a theme."""
    return DARK if dark else LIGHT
