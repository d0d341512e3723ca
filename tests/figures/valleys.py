"""Analytic surfaces for the tests of figures."""

import dataclasses

import numpy as np

from landscape_widgets.errors import Outcome
from landscape_widgets.figures.options import Options
from landscape_widgets.figures.picture import Picture
from landscape_widgets.figures.tracks import Track
from landscape_widgets.results import Axis, Surface

EVIL = "<img src=x onerror=alert(1)> a<b & $c$"


def surface(loss, known=None, extent=4.0, label="Hessian λ_max", unit="parameter distance", axes=None):
    """A surface or curve with these losses on [-extent, extent]."""
    loss = np.asarray(loss, dtype=np.float64)
    known = np.ones(loss.shape, dtype=bool) if known is None else known
    places = [np.linspace(-extent, extent, count) for count in reversed(loss.shape)]
    axes = axes or (Axis(label, "unit", unit), Axis("Hessian λ_min", "unit", unit))[: loss.ndim]
    return Surface(places[0], places[1] if loss.ndim == 2 else None, loss, known, axes, Outcome.COMPLETE)


def valley(columns=25, rows=None, **more):
    """A bent valley from 0.0036 at the centre to about 10."""
    a = np.linspace(-4, 4, columns)
    b = np.linspace(-4, 4, rows or columns)[:, None]
    return surface(0.0036 * np.exp(0.1 * b**2) + 0.6 * (a - 0.02 * b**2) ** 2, **more)


def curve(columns=25):
    """One row of the valley."""
    return surface(valley(columns).loss[columns // 2])


def picture_of(one, **options):
    """What is drawn of a surface."""
    return Picture(one, Options(**options))


def bowl(alpha=(-4.0, 4.0), beta=(-4.0, 4.0), columns=25, rows=25):
    """0.5 + (α - 1)² + 2 (β + 2)²: lowest, with loss 0.5, at (1, -2); 9.5 at the model."""
    a, b = np.linspace(*alpha, columns), np.linspace(*beta, rows)
    one = surface(0.5 + (a - 1) ** 2 + 2 * (b[:, None] + 2) ** 2)
    return dataclasses.replace(one, alpha=a, beta=b)


def path(alpha, beta, labels=None, shown=""):
    """A training path in the plane."""
    labels = tuple(labels or (f"step {place}" for place in range(len(alpha))))
    zeros = (0.0,) * len(labels)
    return Track("path", labels, tuple(map(float, alpha)), tuple(map(float, beta)), zeros, zeros, shown)


def points(alpha, beta, labels=None, off=None):
    """Other models."""
    labels = tuple(labels or (f"model {place}" for place in range(len(alpha))))
    zeros = (0.0,) * len(labels)
    return Track("points", labels, tuple(map(float, alpha)), tuple(map(float, beta)), tuple(off or zeros), zeros)
