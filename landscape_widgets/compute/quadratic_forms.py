"""The density of a Gaussian quadratic form Σ λ_j χ²(m_j) + N(μ, σ²), from its characteristic function."""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.fft
import scipy.interpolate
from jaxtyping import Float

MOST_NODES = 2**17
"""Frequencies summed by the FFT; a form that needs more is singular or nearly so."""

FEW_DEGREES, MOST_DEGREES = 8, 32
"""Degrees of freedom up to which the contour integral is taken at once, and up to which it keeps its precision."""

NEGLIGIBLE = 1e-15
"""|φ| at which the integral over frequencies ends, and the probability outside the period."""

FINER = 8
"""The FFT's points lie this much closer than its highest frequency asks for, so that a cubic spline may join them."""


@dataclasses.dataclass(frozen=True)
class QuadraticForm:
    """X = Σ λ_j χ²(m_j) + N(μ, σ²), all independent.

    φ(t) = Π (1 - 2itλ_j)^(-m_j/2) · exp(iμt - σ²t²/2): every factor has a positive real part, so the sum of principal
    logarithms is the continuous branch.

    Parameters
    ----------
    values : (k,), λ_j, none of them zero.
    degrees : (k,), m_j, at least 1.
    shift, variance : μ and σ² of the Gaussian part.

    Source: J. Imhof, "Computing the distribution of quadratic forms in normal variables" (1961).
    """

    values: Float[np.ndarray, " k"]
    degrees: Float[np.ndarray, " k"]
    shift: float = 0.0
    variance: float = 0.0

    def log_characteristic(self, t: Float[np.ndarray, " n"]) -> np.ndarray:
        """Log φ(t), (n,), complex; cost n·k logarithms."""
        total = 1j * self.shift * t - 0.5 * self.variance * t**2
        for value, degrees in zip(self.values, self.degrees, strict=True):
            angle = 2 * value * t
            total = total - 0.5 * degrees * (0.5 * np.log1p(angle**2) - 1j * np.arctan(angle))
        return total

    def decay(self, t: float) -> float:
        """Log |φ(t)|."""
        squares = (2 * self.values * t) ** 2
        return float(-0.25 * (self.degrees * np.log1p(squares)).sum() - 0.5 * self.variance * t**2)

    def upper(self, probability: float) -> float:
        """A point that is exceeded with at most this probability (Chernoff): min over s of (K(s) - log p)/s."""
        deviation = np.sqrt(2 * (self.degrees * self.values**2).sum() + self.variance)
        if self.values.max(initial=0.0) <= 0 and self.variance == 0:
            return self.shift
        tilts = np.geomspace(1e-3, 30, 200) / deviation
        if len(self.values) and self.values.max() > 0:
            tilts = np.r_[tilts, np.linspace(0.02, 0.98, 49) / (2 * self.values.max())]
            tilts = tilts[2 * tilts * self.values.max() < 0.99]
        logs = np.log1p(-2 * np.outer(tilts, self.values)) @ (-0.5 * self.degrees)
        bounds = logs + self.shift * tilts + 0.5 * self.variance * tilts**2 - np.log(probability)
        return float((bounds / tilts).min())

    @property
    def mirrored(self) -> QuadraticForm:
        """The form -X."""
        return QuadraticForm(-self.values, self.degrees, -self.shift, self.variance)

    def span(self, probability: float) -> tuple[float, float]:
        """An interval left on either side with at most this probability."""
        return -self.mirrored.upper(probability), self.upper(probability)


def density(form: QuadraticForm, points: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " n"], str, float]:
    """The density at the points, how it was computed, and |φ| where the integral was cut off (0: nowhere).

    f(x) = (1/2π) ∫ φ(t) exp(-itx) dt, by the trapezoidal rule over one period that holds all but 1e-15 of the
    probability, an FFT. Where φ decays too slowly for that (few degrees of freedom, so that the density has a kink
    or a pole), the integral is bent around the branch cut of φ for every point by itself, and is exact to rounding up
    to the singular point. Cost: frequencies or contour nodes (some hundred a point) times distinct eigenvalues.

    Source: J. Imhof (1961); J. Weideman and L. Trefethen, "Parabolic and hyperbolic contours for computing the
    Bromwich integral" (2007).

    >>> values, method, _ = density(QuadraticForm(np.array([1.0]), np.array([10.0])), np.array([8.0]))
    >>> round(float(values[0]), 6), method      # the density of χ²(10)
    (0.097683, 'FFT of the characteristic function')
    """
    low, high = form.span(NEGLIGIBLE)
    period = high - low
    last = _last_frequency(form)
    nodes = np.ceil(last * period / (2 * np.pi)) + 1
    degrees = form.degrees.sum()
    if form.variance == 0 and (degrees <= FEW_DEGREES or (nodes > MOST_NODES and degrees <= MOST_DEGREES)):
        return _bent(form, points), "contour integral of the moment generating function", 0.0
    count = int(min(nodes, MOST_NODES))
    values = _by_fft(form, points, low, period, count)
    cut = float(np.exp(form.decay(2 * np.pi * count / period)))
    return values, "FFT of the characteristic function", cut if nodes > MOST_NODES else 0.0


def _last_frequency(form: QuadraticForm) -> float:
    """The least t with |φ(t)| negligible, to 1 %."""
    low, high = 0.0, 1 / max(float(np.abs(form.values).max(initial=0.0)), float(np.sqrt(form.variance)))
    while form.decay(high) > np.log(NEGLIGIBLE):
        low, high = high, 2 * high
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if form.decay(middle) > np.log(NEGLIGIBLE) else (low, middle)
    return high


def _by_fft(
    form: QuadraticForm, points: Float[np.ndarray, " n"], low: float, period: float, count: int
) -> Float[np.ndarray, " n"]:
    t = 2 * np.pi / period * np.arange(count)
    size = int(scipy.fft.next_fast_len(max(2 * count * FINER, 4096), real=True))
    terms = np.zeros(size // 2 + 1, dtype=np.complex128)
    terms[:count] = np.exp(np.conj(form.log_characteristic(t) - 1j * t * low))
    values = scipy.fft.irfft(terms, size) * (size / period)
    grid = low + period / size * np.arange(size + 1)
    spline = scipy.interpolate.CubicSpline(grid, np.r_[values, values[0]], bc_type="periodic")
    inside = (points >= low) & (points <= low + period)
    found = np.zeros(len(points))
    found[inside] = np.maximum(spline(points[inside]), 0.0)
    return found


def _bent(form: QuadraticForm, points: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The density on both sides of the singular point, and at it."""
    found = np.empty(len(points))
    offset = points - form.shift
    for side, chosen in ((form, offset > 0), (form.mirrored, offset < 0)):
        found[chosen] = _around_the_cut(side, np.abs(offset[chosen]))
    found[offset == 0] = _at_the_origin(form)
    return found


def _at_the_origin(form: QuadraticForm) -> float:
    """The density where every χ² is zero: infinite up to two degrees of freedom, but for a jump."""
    degrees, one_sided = form.degrees.sum(), bool((form.values > 0).all() or (form.values < 0).all())
    if one_sided and degrees >= 2:
        return float(np.prod((2 * np.abs(form.values)) ** (-form.degrees / 2))) if degrees == 2 else 0.0
    return float("inf") if degrees <= 2 else float(_around_the_cut(form, np.zeros(1))[0])


def _around_the_cut(form: QuadraticForm, x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """f(x) = (1/2πi) ∫ M(s) exp(-sx) ds for x ≥ 0, along a hyperbola around the cut from s = 1/(2 λ_max) on.

    s = b - z, z(u) = μ (1 - sin π/4 cosh u + i cos π/4 sinh u); the trapezoidal rule converges geometrically.
    """
    if not len(x) or form.values.max() <= 0:
        return np.zeros(len(x))
    step, root = 0.12, np.sqrt(0.5)
    branch = 1 / (2 * form.values.max())
    other = 1 / (2 * -form.values.min()) if form.values.min() < 0 else np.inf
    degrees = form.degrees.sum()
    with np.errstate(divide="ignore"):
        scale = np.minimum(max(degrees / 2, 4.0) / x, 0.9 * (branch + other))
        reach = np.minimum(np.arccosh(1 + 60 / (root * scale * x)), 80 / max(degrees / 2 - 1, 1e-3))
    u = step * np.arange(int(np.ceil(reach.max() / step)) + 1)
    weights = np.r_[0.5, np.ones(len(u) - 1)] * step / np.pi
    found = np.empty(len(x))
    for start in range(0, len(x), 64):
        block = slice(start, start + 64)
        mu, at = scale[block, None], x[block, None]
        z = mu * (1 - root * np.cosh(u) + 1j * root * np.sinh(u))
        slope = mu * (-root * np.sinh(u) + 1j * root * np.cosh(u))
        exponent = (z - branch) * at
        for value, count in zip(form.values, form.degrees, strict=True):
            exponent = exponent - 0.5 * count * np.log((1 - 2 * value * branch) + 2 * value * z)
        found[block] = np.imag(np.exp(exponent) * slope) @ weights
    return np.maximum(found, 0.0)
