"""What random slices of a known spectrum show, before one is drawn: densities, moments, probabilities."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import scipy.special
from jaxtyping import Float

from landscape_widgets.compute.quadratic_forms import QuadraticForm, density
from landscape_widgets.errors import InputError
from landscape_widgets.results import Eigenpairs, SliceDensity, SliceProbabilities

GAUSSIAN_LIMIT = 0.01
"""λ²max / ‖H‖_F² up to which the Gaussian formula is believed: it is then within 0.02 of the truth."""

ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""Smallest ratio of two principal curvatures that has a sign."""

PARALLEL = 1e-12
"""Least squared sine of the angle between two directions that still span a plane."""

FORMS = ("A", "B", "C", "kappa_plus", "kappa_minus")
"""What a density is asked of."""


class SliceLaw:
    """The law of the slice Hessian [[A, B], [B, C]] along η, δ ~ N(0, I), not normalised, for a known spectrum.

    A = ηᵀHη = Σ λ_i η_i², B = ηᵀHδ, C = δᵀHδ. E A = E C = tr H, E B = 0, Var A = Var C = 2‖H‖_F², Var B = ‖H‖_F²,
    all uncorrelated. κ± = ½ [(A + C) ± √((A - C)² + 4B²)] ≈ s ± R with s ~ N(tr H, ‖H‖_F²), R ~ Rayleigh(‖H‖_F),
    when λ²max ≪ ‖H‖_F². Costs no product; what a method costs stands there.

    Parameters
    ----------
    values : (k,), eigenvalues λ.
    multiplicities : (k,), how often each occurs; None takes 1.

    Raises
    ------
    InputError : values not finite, all zero, or none; multiplicities below 1 or not whole numbers.

    Source: L. Böttcher and G. Wheeler, "Visualizing high-dimensional loss landscapes with Hessian directions" (2024);
    variances, probabilities and the law of κ± are derived.

    >>> law = SliceLaw.toy_saddle(500, 500)
    >>> law.trace, law.frobenius_squared, [round(float(value), 2) for value in law.kappa_mean]
    (0.0, 1000.0, [39.63, -39.63])
    """

    def __init__(self, values: Any, multiplicities: Any = None) -> None:
        found = np.atleast_1d(np.asarray(values, dtype=np.float64))
        counts = np.ones(found.shape) if multiplicities is None else np.atleast_1d(np.asarray(multiplicities))
        if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
            raise InputError("expected one or more finite eigenvalues (k,)", "check the spectrum for NaN or infinity")
        if counts.shape != found.shape or not (counts >= 1).all() or (counts != np.round(counts)).any():
            raise InputError(
                f"expected one multiplicity of at least 1 an eigenvalue, got {list(counts[:5])} for {len(found)}",
                "pass whole numbers, or None for simple eigenvalues",
            )
        merged, place = np.unique(found, return_inverse=True)
        self.values = merged[::-1].copy()
        self.multiplicities = np.bincount(place.reshape(-1), counts).astype(np.int64)[::-1].copy()
        self.rest_trace, self.rest_square, self.rest_size = 0.0, 0.0, 0
        self.notes: tuple[str, ...] = ()
        _refuse_zero(self)

    @classmethod
    def toy_saddle(cls, n: int = 500, positive: int | None = None) -> SliceLaw:
        """The spectrum of `zoo.toy_saddle(n, positive)`: +1 ñ times, -1 2n - ñ times, and one 0.

        >>> SliceLaw.toy_saddle(2, 3).multiplicities.tolist()
        [3, 1, 1]
        """
        upwards = n if positive is None else positive
        whole = isinstance(n, numbers.Integral) and isinstance(upwards, numbers.Integral)
        if not whole or n < 1 or not 0 <= upwards <= 2 * n:
            raise InputError(
                f"expected whole n >= 1 and positive from 0 to 2n, got n={n}, positive={positive}",
                "pass for example n=500, positive=500",
            )
        pairs = [(1.0, upwards), (0.0, 1), (-1.0, 2 * n - upwards)]
        present = [(value, count) for value, count in pairs if count]
        return cls([value for value, _ in present], [count for _, count in present])

    @classmethod
    def partly_known(cls, pairs: Eigenpairs, trace: float, frobenius_squared: float, size: int) -> SliceLaw:
        """A spectrum of which only the ends are known; the rest is taken as a Gaussian bulk, an approximation.

        The P - k eigenvalues left add N(tr H - Σλ, 2(‖H‖_F² - Σλ²)) to A and C and N(0, ‖H‖_F² - Σλ²) to B.

        Parameters
        ----------
        pairs : accepted eigenpairs from both ends; others are left to the rest.
        trace, frobenius_squared : estimates of tr H and ‖H‖_F², e.g. of a `SliceSample`; their errors are not
            propagated.
        size : number of parameters P.
        """
        known = pairs.values[pairs.accepted]
        left = size - len(known)
        if left < 0 or not np.isfinite([trace, frobenius_squared]).all():
            raise InputError(
                f"expected finite estimates and at least {len(known)} parameters, got {trace}, {frobenius_squared}, "
                f"{size}",
                "estimate both with RandomSlices(operator, normalize=None).run()",
            )
        law = cls.__new__(cls)
        law.values, place = np.unique(known, return_inverse=True)
        law.values = law.values[::-1].copy()
        law.multiplicities = np.bincount(place.reshape(-1), minlength=len(law.values))[::-1].copy()
        law.rest_size, law.rest_trace = left, float(trace - known.sum()) if left else 0.0
        square, least = float(frobenius_squared - (known**2).sum()), law.rest_trace**2 / max(left, 1)
        law.rest_square = max(square, least) if left else 0.0
        law.notes = (f"{left} of {size} eigenvalues are not known: taken together as a Gaussian bulk",)
        if square < least and left:
            law.notes += (f"‖H‖_F² raised from the estimate {frobenius_squared:.4g} to what the known values ask for",)
        _refuse_zero(law)
        return law

    @property
    def trace(self) -> float:
        """The trace tr H."""
        return float(self.values @ self.multiplicities) + self.rest_trace

    @property
    def frobenius_squared(self) -> float:
        """‖H‖_F²."""
        return float(self.values**2 @ self.multiplicities) + self.rest_square

    @property
    def mean(self) -> Float[np.ndarray, "3"]:
        """E A, E B, E C, (3,)."""
        return np.array([self.trace, 0.0, self.trace])

    @property
    def variance(self) -> Float[np.ndarray, "3"]:
        """Var A, Var B, Var C, (3,): 2‖H‖_F², ‖H‖_F², 2‖H‖_F²."""
        return self.frobenius_squared * np.array([2.0, 1.0, 2.0])

    @property
    def kappa_mean(self) -> Float[np.ndarray, "2"]:
        """E κ₊ and E κ₋, (2,), asymptotic: tr H ± √(π/2) ‖H‖_F."""
        half = float(np.sqrt(np.pi / 2 * self.frobenius_squared))
        return np.array([self.trace + half, self.trace - half])

    @property
    def negative(self) -> int | None:
        """How many eigenvalues are negative; None where part of the spectrum is not known."""
        return None if self.rest_size else int(self.multiplicities[self.values < 0].sum())

    @property
    def positive(self) -> int | None:
        """How many eigenvalues are positive; None where part of the spectrum is not known."""
        return None if self.rest_size else int(self.multiplicities[self.values > 0].sum())

    @property
    def t(self) -> float:
        """The ratio tr H / ‖H‖_F."""
        return self.trace / float(np.sqrt(self.frobenius_squared))

    @property
    def outlier_ratio(self) -> float:
        """λ²max / ‖H‖_F², between 1/rank and 1."""
        return float(np.abs(self.values).max(initial=0.0) ** 2 / self.frobenius_squared)

    @property
    def gaussian_holds(self) -> bool:
        """Whether λ²max ≪ ‖H‖_F², so that the asymptotic formulas may be believed."""
        return self.outlier_ratio <= GAUSSIAN_LIMIT

    @property
    def gaussian_words(self) -> str:
        """In words, whether the Gaussian formula holds for this spectrum.

        >>> print(SliceLaw.toy_saddle(5).gaussian_words)
        The Gaussian formula does not hold: one eigenvalue carries 10 % of ‖H‖_F², and it needs 1 % or less; believe the simulation.
        """  # noqa: E501
        share = f"one eigenvalue carries {100 * self.outlier_ratio:.2g} % of ‖H‖_F²"
        if not self.gaussian_holds:
            return (
                f"The Gaussian formula does not hold: {share}, and it needs {100 * GAUSSIAN_LIMIT:.0f} % or less; "
                "believe the simulation."
            )
        rest = ", and the bulk that is not known is taken as many small ones" if self.rest_size else ""
        return f"The Gaussian formula holds: {share}{rest}; its probabilities are good to about 0.02."

    @property
    def question(self) -> dict[str, Any]:
        """What spectrum this is, in plain values; its first thousand distinct eigenvalues."""
        return {
            "computation": "SliceLaw",
            "values": self.values[:1000].tolist(),
            "multiplicities": self.multiplicities[:1000].tolist(),
            "rest_size": self.rest_size,
            "rest_trace": self.rest_trace,
            "rest_square": self.rest_square,
            "notes": list(self.notes),
        }

    def density(self, name: str = "A", points: Any = None) -> SliceDensity:
        """The density of A, B, C ("A" and "C" are alike), exact, or of κ₊, κ₋, asymptotic.

        A: characteristic function Π (1 - 2itλ)^(-1/2); B: Π (1 + t²λ²)^(-1/2), which is that of the spectrum ±λ/2;
        by FFT, or by a contour integral where few degrees of freedom make the density singular (infinite there:
        at 0 for A of n = 1). κ±: (1/F) φ-integral of s ± R in closed form, for λ²max ≪ ‖H‖_F² only.

        Parameters
        ----------
        name : "A", "B", "C", "kappa_plus" or "kappa_minus".
        points : (n,) where; None takes 1025 that hold all but about 1e-5 of the probability.

        Raises
        ------
        InputError : another name, or points that are not finite.

        >>> law = SliceLaw.toy_saddle(1)
        >>> [float(value) for value in law.density("B", [0.0, 1.0]).density.round(6)]       # ½ exp(-|x|)
        [0.5, 0.18394]
        """
        if name not in FORMS:
            raise InputError(f"expected one of {', '.join(FORMS)}, got {name!r}", "choose one of them")
        form = self._form("A" if name.startswith("kappa") else name)
        if points is None:
            low, high = form.span(1e-5)
            at = np.linspace(low, high, 1025)
        else:
            at = np.atleast_1d(np.asarray(points, dtype=np.float64))
        if at.ndim != 1 or not np.isfinite(at).all():
            raise InputError("expected finite points (n,)", "pass for example np.linspace(-100, 100, 401)")
        if name.startswith("kappa"):
            found = self._kappa_density(at, 1 if name == "kappa_plus" else -1)
            words = self.gaussian_words
            return SliceDensity(name, at, found, "asymptotic law s ± R", 0.0, True, words, self.question)
        found, method, cut = density(form, at)
        notes = list(self.notes)
        if np.isinf(found).any() or (form.variance == 0 and form.degrees.sum() <= 2):
            notes.append(f"the density is singular at {form.shift:.3g}: too few directions are curved")
        if cut:
            notes.append(f"cut off where the characteristic function is still {cut:.1g}")
        return SliceDensity(name, at, found, method, cut, bool(self.rest_size), "; ".join(notes), self.question)

    def draw(self, draws: int = 100_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A, B, C of random slices, each (draws,), from the spectrum alone: no vector of length P is drawn.

        An eigenvalue of multiplicity m adds λ times a 2×2 Wishart matrix of m degrees of freedom, by Bartlett's
        decomposition: exact. Costs 3 draws a slice and distinct eigenvalue.

        Source: T. Anderson, "An Introduction to Multivariate Statistical Analysis", 3rd ed., section 7.2.
        """
        if not isinstance(draws, numbers.Integral) or draws < 1:
            raise InputError(
                f"expected a whole number of draws, at least one, got {draws}", "pass for example draws=100_000"
            )
        generator = np.random.default_rng(seed)
        found = np.empty((3, draws))
        block = max(1, 2**20 // max(len(self.values), 1))
        curved = self.values != 0
        for start in range(0, draws, block):
            count = min(block, draws - start)
            found[:, start : start + count] = _wishart_sum(
                generator, self.values[curved], self.multiplicities[curved], count
            )
        if self.rest_size:
            spread = np.sqrt(self.rest_square * np.array([2.0, 1.0, 2.0]))
            bulk = np.array([self.rest_trace, 0.0, self.rest_trace])
            found += bulk[:, None] + spread[:, None] * generator.standard_normal((3, draws))
        return found[0], found[1], found[2]

    def probabilities(self, draws: int = 100_000, seed: int = 0) -> SliceProbabilities:
        """P(minimum), P(maximum), P(saddle) of one random slice: asymptotic, and simulated from the spectrum.

        With t = tr H / ‖H‖_F: P(saddle) ≈ exp(-t²/4)/√2, P(minimum) ≈ Φ(t) - P(saddle) Φ(t/√2), and P(maximum) with
        -t. What is missing to 1 is flat to rounding. The third way, slices of the model itself, is `RandomSlices`.
        Costs 3 draws a slice and distinct eigenvalue.

        >>> found = SliceLaw.toy_saddle(500).probabilities(draws=1000)
        >>> [round(float(value), 4) for value in found.asymptotic], found.gaussian_holds
        ([0.1464, 0.1464, 0.7071], True)
        """
        upper, lower = principal_curvatures(*self.draw(draws, seed)).T
        noise = ROUNDING * np.maximum(np.abs(upper), np.abs(lower))
        shown = [lower > noise, upper < -noise, (upper > noise) & (lower < -noise)]
        counts = np.array([kind.sum() for kind in shown])
        notes = [self.gaussian_words, *(note[0].upper() + note[1:] + "." for note in self.notes)]
        if self.multiplicities[self.values != 0].sum() + self.rest_size == 1:
            notes.append("Only one direction is curved: every slice is flat across it, and shows none of the three.")
        return SliceProbabilities(
            asymptotic=gaussian_probabilities(self.t),
            simulated=counts / draws,
            standard_error=np.sqrt((share := (counts + 0.5) / (draws + 1)) * (1 - share) / draws),
            draws=draws,
            seed=seed,
            t=self.t,
            outlier_ratio=self.outlier_ratio,
            gaussian_holds=self.gaussian_holds,
            approximation=bool(self.rest_size),
            words=" ".join(notes),
            question=self.question,
        )

    def _form(self, name: str) -> QuadraticForm:
        """A, C or B as a sum of χ² variables."""
        curved = self.values != 0
        values, degrees = self.values[curved], self.multiplicities[curved].astype(np.float64)
        if name != "B":
            return QuadraticForm(values, degrees, self.rest_trace, 2 * self.rest_square)
        return QuadraticForm(np.r_[values, -values] / 2, np.r_[degrees, degrees], 0.0, self.rest_square)

    def _kappa_density(self, points: Float[np.ndarray, " n"], sign: int) -> Float[np.ndarray, " n"]:
        """∫ r exp(-r²/2) φ(z - r) dr with z = ±(κ - tr H)/‖H‖_F, over ‖H‖_F."""
        scale = np.sqrt(self.frobenius_squared)
        z = sign * (points - self.trace) / scale
        tail = scipy.special.erfcx(np.abs(z) / 2)
        # erfc(-z/2) exp(-z²/4), without overflow on either side
        weighted = np.where(z < 0, tail * np.exp(-(z**2) / 2), 2 * np.exp(-(z**2) / 4) - tail * np.exp(-(z**2) / 2))
        found = (np.exp(-(z**2) / 2) + np.sqrt(np.pi) / 2 * z * weighted) / (2 * scale * np.sqrt(2 * np.pi))
        positive: np.ndarray = np.maximum(found, 0.0)  # rounding far out
        return positive


def gaussian_probabilities(t: float) -> Float[np.ndarray, "3"]:
    """P(minimum), P(maximum), P(saddle) of a random slice in the Gaussian limit, t = tr H / ‖H‖_F.

    >>> gaussian_probabilities(0.0).round(4).tolist()
    [0.1464, 0.1464, 0.7071]
    """
    saddle = np.exp(-(t**2) / 4) / np.sqrt(2)
    ends = [scipy.special.ndtr(s) - saddle * scipy.special.ndtr(s / np.sqrt(2)) for s in (t, -t)]
    found: np.ndarray = np.clip(np.array([*ends, saddle]), 0.0, 1.0)
    return found


def principal_curvatures(
    A: Float[np.ndarray, " S"], B: Float[np.ndarray, " S"], C: Float[np.ndarray, " S"]
) -> Float[np.ndarray, "S 2"]:
    """κ₊ and κ₋ of many slices, (S, 2)."""
    middle, radius = (A + C) / 2, np.hypot((A - C) / 2, B)
    return np.stack([middle + radius, middle - radius], axis=1)


def per_length(forms: Float[np.ndarray, "S 3"], gram: Float[np.ndarray, "S 3"]) -> Float[np.ndarray, "S 2"]:
    """κ₊ and κ₋ of (A, B, C) against the Gram matrix (|η|², η·δ, |δ|²); NaN where the directions are parallel.

    In the orthonormal basis e₁ = η/|η|, e₂ = (δ - (δ·e₁) e₁)/‖…‖ of the plane.

    >>> per_length(np.array([[4.0, 0.0, -9.0]]), np.array([[4.0, 0.0, 9.0]])).tolist()
    [[1.0, -1.0]]
    """
    A, B, C = forms.T
    g11, g12, g22 = gram.T
    with np.errstate(divide="ignore", invalid="ignore"):
        along = g12 / g11
        square = g22 - along * g12
        square = np.where(square > PARALLEL * g22, square, np.nan)
        one = A / g11
        mixed = (B - along * A) / np.sqrt(g11 * square)
        two = (C - 2 * along * B + along**2 * A) / square
    return principal_curvatures(one, mixed, two)


def _wishart_sum(
    generator: np.random.Generator,
    values: Float[np.ndarray, " k"],
    degrees: np.ndarray,
    count: int,
) -> Float[np.ndarray, "3 n"]:
    """Σ λ_j W_j as (A, B, C), with W_j = L Lᵀ, L = [[√χ²(m), 0], [z, √χ²(m - 1)]]."""
    simple, many = values[degrees == 1], degrees > 1
    one, two = generator.standard_normal((2, count, len(simple)))
    found: np.ndarray = np.stack([one**2 @ simple, (one * two) @ simple, two**2 @ simple])
    if many.any():
        values, degrees = values[many], degrees[many]
        first = generator.chisquare(degrees, (count, len(values)))
        cross = generator.standard_normal(first.shape)
        second = cross**2 + generator.chisquare(degrees - 1, first.shape)
        found += np.stack([first @ values, (np.sqrt(first) * cross) @ values, second @ values])
    return found


def _refuse_zero(law: SliceLaw) -> None:
    if not 0 < law.frobenius_squared < np.inf:
        raise InputError(
            "expected a spectrum with an eigenvalue other than zero",
            "a point without curvature shows nothing in any slice: check the operator and the point",
        )
