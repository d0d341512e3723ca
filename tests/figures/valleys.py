"""Analytic surfaces for the tests of figures."""

import numpy as np

from landscape_widgets.errors import Outcome
from landscape_widgets.figures.options import Options
from landscape_widgets.figures.picture import Picture
from landscape_widgets.results import Axis, Surface

EVIL = "<img src=x onerror=alert(1)> a<b & $c$"


def surface(loss, known=None, extent=4.0, label="Hessian λ_max", unit="parameter distance"):
    """A surface or curve with these losses on [-extent, extent]."""
    loss = np.asarray(loss, dtype=np.float64)
    known = np.ones(loss.shape, dtype=bool) if known is None else known
    places = [np.linspace(-extent, extent, count) for count in reversed(loss.shape)]
    axes = (Axis(label, "unit", unit), Axis("Hessian λ_min", "unit", unit))[: loss.ndim]
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
