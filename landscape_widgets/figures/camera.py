"""The eye of the surface picture: perspective, from the front and above, as the widget opens."""

from __future__ import annotations

import numpy as np

EYE = np.array([1.05, -1.35, 0.72])
CENTRE = np.array([0.02, 0.0, -0.14])
ASPECT = np.array([1.2, 1.2, 0.72])
"""Edges of the box around the origin; EYE and CENTRE are in the same units, as plotly has them."""


def place(points: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Data coordinates (..., 3) to places in the box."""
    return np.asarray(((points - lower) / (upper - lower) - 0.5) * ASPECT)


def project(places: np.ndarray) -> np.ndarray:
    """Places (..., 3) to the picture plane (..., 2): right and up."""
    forward = CENTRE - EYE
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, np.array([0.0, 0.0, 1.0]))
    right = right / np.linalg.norm(right)
    up = np.cross(right, forward)
    away = places - EYE
    depth = away @ forward
    return np.stack([away @ right / depth, away @ up / depth], axis=-1)
