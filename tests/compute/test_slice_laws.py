"""Laws of random slices against chi-square and Bessel forms, quadrature, and slices drawn coordinate by coordinate."""

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.special
import scipy.stats

from landscape_widgets.compute.quadratic_forms import QuadraticForm, density
from landscape_widgets.compute.slice_laws import (
    SliceLaw,
    gaussian_probabilities,
    per_length,
    principal_curvatures,
)
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import Eigenpairs

DRAWS = 100_000
SIMULATED = "simulation, target of the facts sheet"


def drawn(values, draws, seed=0):
    """A, B, C from the definition: Gaussian coordinates along every eigenvector."""
    values, rng = np.asarray(values, dtype=np.float64), np.random.default_rng(seed)
    found = []
    for _ in range(0, draws, 1000):
        eta, delta = rng.standard_normal((2, 1000, len(values)))
        found.append([(eta**2) @ values, (eta * delta) @ values, (delta**2) @ values])
    return np.concatenate(found, axis=1)


def signs(A, B, C):
    """Shares of minima, maxima, saddles by determinant and trace."""
    determinant, trace = A * C - B**2, A + C
    positive, negative = determinant > 1e-12 * trace**2, determinant < -1e-12 * trace**2
    return np.array([positive & (trace > 0), positive & (trace < 0), negative]).mean(axis=1)


def distance(sample, points, values):
    """Kolmogorov-Smirnov distance times √S of a sample to a density on a fine grid; 1.95 has probability 0.001."""
    cumulative = scipy.integrate.cumulative_simpson(values, x=points, initial=0.0)
    found = scipy.stats.kstest(sample, lambda x: np.interp(x, points, cumulative))
    return found.statistic * np.sqrt(len(sample))


def chi_square_difference(x, m):
    """Density of χ²(m) - χ²(m) at x != 0 by its Bessel form (scipy's overflows for large m)."""
    order, x = (m - 1) / 2, np.abs(x)
    logarithm = order * np.log(x / 4) + np.log(scipy.special.kve(order, x / 2)) - x / 2
    return np.exp(logarithm - scipy.special.gammaln(m / 2) - 0.5 * np.log(np.pi)) / 2


@pytest.mark.parametrize("degrees", [1, 2, 3, 7, 8, 9, 40, 1000])
@pytest.mark.parametrize("scale", [1.0, -2.5, 1e-6])
def test_one_eigenvalue_against_chi_square(degrees, scale, right):
    law = SliceLaw([scale], [degrees])
    points = scale * np.linspace(max(1e-3, degrees - 6 * np.sqrt(2 * degrees)), degrees + 9 * np.sqrt(2 * degrees), 501)
    found = law.density("A", points)
    exact = scipy.stats.chi2.pdf(points / scale, degrees) / abs(scale)
    error = np.abs(found.density - exact).max() / exact.max()
    right.record("Hessian directions: density of A, one eigenvalue (derived)", "scipy chi2", error, 1e-9, 501)
    beyond = law.density("A", [-scale])
    assert abs(beyond.density[0]) <= 1e-12 / abs(scale)
    assert not found.approximation


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 20, 50])
def test_toy_saddles_against_bessel_forms(n, right):
    law = SliceLaw.toy_saddle(n)
    points = np.r_[-np.geomspace(1e-4, 40, 200), np.geomspace(1e-4, 40, 200)]
    # B = Σ ±η_i δ_i is half the difference of two χ²(2n)
    exact = {"A": chi_square_difference(points, n), "B": 2 * chi_square_difference(2 * points, 2 * n)}
    for name, values in exact.items():
        inside = values > 1e-4 * values.max()
        worst = np.abs(law.density(name, points).density / values - 1)[inside].max()
        right.record(f"Hessian directions: density of {name}, ñ = n (derived)", "Bessel K, relative", worst, 1e-8, 400)


def test_the_singular_cases_are_exact_and_say_so():
    law = SliceLaw.toy_saddle(1)
    found = law.density("A", [0.0, 1e-9, 1.0, -1.0, 30.0])
    assert np.isinf(found.density[0])
    exact = scipy.special.k0(np.abs(found.points[1:]) / 2) / (2 * np.pi)
    np.testing.assert_allclose(found.density[1:], exact, rtol=1e-12)
    assert "singular at 0" in found.note
    assert "contour" in found.method
    flat = SliceLaw([2.0, 0.0], [2, 5]).density("A", [-1.0, 0.0, 1.0])
    np.testing.assert_allclose(flat.density, [0.0, 0.25, 0.25 * np.exp(-0.25)], rtol=1e-12)
    assert np.isinf(SliceLaw([3.0]).density("A", [0.0]).density[0])
    assert SliceLaw([3.0], [4]).density("A", [0.0]).density[0] == 0.0
    jump = SliceLaw([1.0, -1.0], [2, 1]).density("A", [0.0])
    np.testing.assert_allclose(jump.density, [0.5 / np.sqrt(2)], rtol=1e-12)  # ∫ ½ exp(-y/2) χ²₁(y) dy


@pytest.mark.parametrize(("n", "positive"), [(500, 500), (500, 600), (500, 1000), (3, 5), (10, 3)])
def test_unequal_toy_saddles_against_a_convolution(n, positive, right):
    law = SliceLaw.toy_saddle(n, positive)
    negative = 2 * n - positive
    deviation = np.sqrt(law.variance[0])
    points = law.trace + deviation * np.array([-3.0, -1.0, 0.0, 0.5, 2.0, 4.0])
    exact = scipy.stats.chi2.pdf(points, positive)
    if negative:
        exact = np.array(
            [
                scipy.integrate.quad(
                    lambda y, x=x: scipy.stats.chi2.pdf(x + y, positive) * scipy.stats.chi2.pdf(y, negative),
                    max(0.0, -x, negative - 12 * np.sqrt(2 * negative)),
                    negative + 60 + 12 * np.sqrt(2 * negative),
                    epsabs=1e-13,
                    limit=200,
                )[0]
                for x in points
            ]
        )
    error = np.abs(law.density("A", points).density - exact).max() / exact.max()
    right.record("Hessian directions: density of A, any ñ (derived)", "convolution by scipy quad", error, 1e-8, 6)


MIXED = {
    "few": np.array([3.0, 1.0, 0.2, -0.5, -2.0]),
    "outlier and bulk": np.r_[40.0, 7.0, np.linspace(-0.05, 0.05, 400)],
    "half and half": np.r_[np.full(30, 0.5), np.linspace(-1, 0, 41)],
    "one": np.array([-2.0]),
}


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize("which", ["A", "B"])
def test_densities_of_mixed_spectra_against_drawn_slices(name, which, right):
    law, values = SliceLaw(MIXED[name]), MIXED[name]
    sample = drawn(values, 20_000, 3)["AB".index(which)]
    low, high = sample.min() - 1.0, sample.max() + 1.0
    # odd multiples of a small step never meet the singular point, and lie close where the density is steep
    points = np.unique(np.r_[-np.geomspace(1e-7, -low, 6_001) if low < 0 else [], np.geomspace(1e-7, high, 6_001)])
    worst = distance(sample, points, law.density(which, points).density)
    right.record(
        "Hessian directions: densities of mixed spectra (derived)", "drawn slices, KS distance · √S", worst, 1.95
    )


def test_the_comparison_of_densities_tells_laws_apart():
    sample = drawn(MIXED["few"], 20_000)[0]
    points = np.linspace(-100, 100, 100_001)
    normal = scipy.stats.norm.pdf(points, MIXED["few"].sum(), np.sqrt(2 * (MIXED["few"] ** 2).sum()))
    assert distance(sample, points, normal) > 5


def test_a_slowly_decaying_law_of_many_degrees_states_where_it_was_cut():
    form = QuadraticForm(np.array([1.0, 1e-9]), np.array([1.0, 60.0]))
    _, method, cut = density(form, np.array([0.5]))
    assert "FFT" in method
    assert cut > 1e-3
    found = SliceLaw([1.0, 1e-9], [1, 60]).density("A", [0.5])
    assert "cut off" in found.note
    assert density(QuadraticForm(np.ones(1), np.array([60.0])), np.array([0.5]))[2] == 0.0


def test_points_by_default_hold_the_law():
    for law in (SliceLaw.toy_saddle(500, 700), SliceLaw(MIXED["half and half"])):
        for name in ("A", "B", "C", "kappa_plus", "kappa_minus"):
            found = law.density(name)
            assert scipy.integrate.simpson(found.density, x=found.points) == pytest.approx(1.0, abs=1e-4)
            assert found.name == name
    np.testing.assert_array_equal(law.density("A").density, law.density("C").density)


@pytest.mark.parametrize("name", MIXED)
def test_simulation_from_the_spectrum_against_drawn_slices(name):
    one, other = SliceLaw(MIXED[name]).draw(20_000, seed=1), drawn(MIXED[name], 20_000, seed=2)
    for mine, theirs in zip((*one, one[0] + one[1] - one[2]), (*other, other[0] + other[1] - other[2]), strict=True):
        assert scipy.stats.ks_2samp(mine, theirs).pvalue > 1e-3
    mine, theirs = signs(*one), signs(*other)
    assert np.abs(mine - theirs).max() < 4 * np.sqrt(2 * 0.25 / 20_000)


def test_multiplicities_are_merged_and_draws_are_seeded():
    law = SliceLaw([1.0, -1.0, 1.0, 0.0], [2, 3, 4, 1])
    assert law.values.tolist() == [1.0, 0.0, -1.0]
    assert law.multiplicities.tolist() == [6, 1, 3]
    assert (law.positive, law.negative) == (6, 3)
    np.testing.assert_array_equal(law.draw(100, 5), law.draw(100, 5))
    assert not np.array_equal(law.draw(100, 5)[0], law.draw(100, 6)[0])


def test_moments_of_the_slice_hessian(right):
    values = MIXED["half and half"]
    law = SliceLaw(values)
    assert law.trace == pytest.approx(values.sum())
    assert law.frobenius_squared == pytest.approx((values**2).sum())
    A, B, C = drawn(values, DRAWS)
    spread = np.sqrt(law.variance)
    worst = np.abs((np.array([A.mean(), B.mean(), C.mean()]) - law.mean) / spread).max() * np.sqrt(DRAWS)
    right.record("Hessian directions: E A, E B, E C (derived)", "drawn slices, standard errors", worst, 4.0, 3)
    ratio = np.abs(np.array([A.var(), B.var(), C.var()]) / law.variance - 1).max()
    right.record("Hessian directions: Var A, Var B, Var C (derived)", "drawn slices, relative", ratio, 0.03, 3)
    correlations = np.corrcoef([A, B, C])[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 4 / np.sqrt(DRAWS)


@pytest.mark.parametrize("positive", [0, 500, 510, 600, 800])
def test_variances_of_toy_saddles(positive, right):
    law = SliceLaw.toy_saddle(500, positive)
    np.testing.assert_allclose(law.variance, [2000.0, 1000.0, 2000.0])
    A, B, C = law.draw(DRAWS, seed=positive)
    error = np.abs(np.array([A.var(), B.var(), C.var()]) / [2000, 1000, 2000] - 1).max()
    right.record("Hessian directions: Var A, Var B, n = 500, any ñ (derived)", SIMULATED, error, 0.03, 3)


@pytest.mark.parametrize(
    ("positive", "upper", "lower", "bound"),
    [(500, 39.63, -39.63, 0.5), (600, 239.63, 160.37, 1.0), (800, 639.63, 560.37, 1.0)],
)
def test_expected_principal_curvatures_of_toy_saddles(positive, upper, lower, bound, right):
    law = SliceLaw.toy_saddle(500, positive)
    np.testing.assert_allclose(law.kappa_mean, [upper, lower], atol=0.005)
    error = np.abs(principal_curvatures(*law.draw(DRAWS, seed=1)).mean(axis=0) - [upper, lower]).max()
    right.record(f"Hessian directions: E κ±, n = 500, ñ = {positive} (derived)", SIMULATED, error, bound, 2)


@pytest.mark.parametrize(
    ("n", "positive", "target", "bound"),
    [
        (500, 500, 0.7071, 0.005),
        (500, 510, 0.6398, 0.007),
        (500, 550, 0.0580, 0.004),
        (500, 600, 3.2e-5, 3e-4),
        (5, 5, 0.7295, 0.007),
        (1, 1, 1.0, 0.0),
    ],
)
def test_probability_of_a_saddle(n, positive, target, bound, right):
    found = SliceLaw.toy_saddle(n, positive).probabilities(DRAWS, seed=2)
    error = abs(found.simulated[2] - target)
    right.record(f"Hessian directions: P(saddle), n = {n}, ñ = {positive} (derived)", SIMULATED, error, bound, 1)
    assert found.simulated.sum() == pytest.approx(1.0)
    assert (found.standard_error > 0).all()
    if n == 500:
        assert found.asymptotic[2] == pytest.approx(target, abs=6e-5)
        assert found.gaussian_holds
    else:  # the negative control: here the formula is seen to fail, and the report says so
        assert abs(found.asymptotic[2] - found.simulated[2]) > 10 * found.standard_error[2]
        assert not found.gaussian_holds
        assert "does not hold" in found.words


def exact_minimum(positive, negative):
    """P(W₁ - W₂ > 0) for Wishart matrices of 2×2: both eigenvalues of W₁ (W₁ + W₂)⁻¹ above ½, by their density."""

    def weight(y, x):
        return (x * y) ** ((positive - 3) / 2) * ((1 - x) * (1 - y)) ** ((negative - 3) / 2) * (x - y)

    whole = scipy.integrate.dblquad(weight, 0, 1, 0, lambda x: x)[0]
    return scipy.integrate.dblquad(weight, 0.5, 1, 0.5, lambda x: x)[0] / whole


@pytest.mark.parametrize(("n", "positive"), [(5, 5), (5, 7), (3, 3), (20, 22)])
def test_probability_of_a_minimum_against_the_multivariate_beta_law(n, positive, right):
    found = SliceLaw.toy_saddle(n, positive).probabilities(400_000, seed=3)
    exact = np.array([exact_minimum(positive, 2 * n - positive), exact_minimum(2 * n - positive, positive)])
    errors = np.abs(found.simulated[:2] - exact) / found.standard_error[:2]
    right.record(
        "Hessian directions: P(minimum), P(maximum) of toy saddles (derived)",
        "multivariate beta density by scipy dblquad, standard errors",
        errors.max(),
        4.0,
        2,
    )


def test_the_gaussian_probabilities_by_quadrature(right):
    for t in (-3.0, -0.5, 0.0, 1.0, 6.3):
        inner = [
            scipy.integrate.quad(lambda s, t=t: scipy.stats.norm.pdf(s - t) * (1 - np.exp(-(s**2) / 2)), *ends)[0]
            for ends in ((0, 40), (-40, 0))
        ]
        error = np.abs(gaussian_probabilities(t) - [*inner, 1 - sum(inner)]).max()
        right.record("Hessian directions: Gaussian P of each kind (derived)", "scipy quad", error, 1e-8, 3)
    assert gaussian_probabilities(0.0)[2] == pytest.approx(1 / np.sqrt(2))


def test_a_single_curved_direction_is_flat_in_every_slice():
    found = SliceLaw([-2.0, 0.0], [1, 50]).probabilities(10_000)
    np.testing.assert_array_equal(found.simulated, [0.0, 0.0, 0.0])
    assert "only one direction is curved" in found.words.lower()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_asymptotic_density_of_principal_curvatures(sign, right):
    law = SliceLaw.toy_saddle(500, 600)
    F = np.sqrt(law.frobenius_squared)
    points = law.trace + F * np.linspace(-9, 9, 25)
    found = law.density("kappa_plus" if sign > 0 else "kappa_minus", points)
    exact = [
        scipy.integrate.quad(
            lambda r, x=x: scipy.stats.rayleigh.pdf(r, scale=F) * scipy.stats.norm.pdf(x - sign * r, law.trace, F),
            0,
            14 * F,
            points=[F, 4 * F],
            epsabs=1e-14,
        )[0]
        for x in points
    ]
    error = np.abs(found.density - exact).max() * F
    right.record("Hessian directions: asymptotic density of κ± (derived)", "scipy quad", error, 1e-10, 25)
    assert found.approximation
    assert "asymptotic" in found.method
    kappa = principal_curvatures(*law.draw(20_000, seed=4))[:, 0 if sign > 0 else 1]
    grid = law.trace + F * np.linspace(-9, 9, 4001)
    assert distance(kappa, grid, law.density(found.name, grid).density) < 3  # asymptotic: 1.95 and a little more
    small = SliceLaw.toy_saddle(1)
    grid = np.linspace(-30, 30, 4001)
    wrong = distance(principal_curvatures(*small.draw(20_000))[:, 0], grid, small.density("kappa_plus", grid).density)
    assert wrong > 20  # for n = 1 κ₊ is never negative
    assert "does not hold" in small.density("kappa_plus", [0.0]).note


def test_an_outlier_spectrum_is_simulated_and_the_formula_is_not_believed(right):
    values = np.r_[60.0, 25.0, np.full(300, -0.5)]
    law = SliceLaw(values)
    found = law.probabilities(DRAWS, seed=5)
    direct = signs(*drawn(values, 20_000, seed=6))
    error = np.abs(found.simulated - direct).max()
    right.record("Hessian directions: P of an outlier spectrum (derived)", "drawn slices", error, 0.015, 3)
    assert np.abs(found.asymptotic - direct).max() > 0.1
    assert not found.gaussian_holds
    assert found.outlier_ratio == pytest.approx(3600 / (values**2).sum())
    assert found.words.startswith("The Gaussian formula does not hold: one eigenvalue carries 84 %")
    assert "The Gaussian formula holds" in SliceLaw.toy_saddle(500).gaussian_words


def test_where_the_formula_is_said_to_hold_it_is_good_to_what_is_said():
    skewed = [SliceLaw([1.0, -0.01], [102, 10_000]), SliceLaw([1.0, -0.01], [102, 9_000])]
    for law in [*skewed, SliceLaw.toy_saddle(50, 55), SliceLaw([1.0, 0.1, -0.1], [1, 5000, 5000])]:
        found = law.probabilities(DRAWS, seed=7)
        assert found.gaussian_holds
        assert np.abs(found.asymptotic - found.simulated).max() < 0.025


def known_ends(values, count):
    """Eigenpairs of the `count` largest and smallest of a spectrum."""
    ends = np.sort(values)[::-1]
    ends = np.r_[ends[:count], ends[-count:]]
    return Eigenpairs(
        ends,
        np.zeros((len(values), 2 * count)),
        np.zeros(2 * count),
        np.full(2 * count, 1e-6),
        ("relative",) * (2 * count),
        0,
        Outcome.CONVERGED,
        False,
        count,
        0,
    )


def test_a_partly_known_spectrum_is_labelled_and_close(right):
    rng = np.random.default_rng(8)
    values = np.r_[30.0, 12.0, 9.0, -4.0, 0.3 * rng.standard_normal(2000) + 0.005]
    whole = SliceLaw(values)
    part = SliceLaw.partly_known(known_ends(values, 4), values.sum(), (values**2).sum(), len(values))
    assert part.trace == pytest.approx(whole.trace)
    assert part.frobenius_squared == pytest.approx(whole.frobenius_squared)
    one, other = (law.probabilities(40_000, seed=9) for law in (part, whole))
    error = np.abs(one.simulated - other.simulated).max()
    right.record("Hessian directions: P from part of a spectrum (derived)", "the whole spectrum", error, 0.01, 3)
    assert one.approximation
    assert not other.approximation
    assert "Gaussian bulk" in one.words
    points = np.linspace(-60, 250, 400)
    for name in ("A", "B"):
        mine, exact = part.density(name, points), whole.density(name, points)
        error = np.abs(mine.density - exact.density).max() / exact.density.max()
        right.record(
            "Hessian directions: densities from part of a spectrum (derived)", "the whole spectrum", error, 0.01, 400
        )
        assert mine.approximation
        assert "Gaussian bulk" in mine.note
    assert part.negative is None
    assert part.question["rest_size"] == 2004 - 8


def test_estimates_that_contradict_the_known_values_are_raised_and_say_so():
    values = np.array([3.0, 1.0, 0.5, 0.5, -2.0])
    law = SliceLaw.partly_known(known_ends(values, 1), 3.0, 12.0, 5)
    assert law.frobenius_squared == pytest.approx(13 + 2.0**2 / 3)
    assert "raised" in law.notes[1]
    whole = SliceLaw.partly_known(known_ends(values, 2), 2.0, 14.25, 4)
    assert whole.negative == 1
    assert not whole.probabilities(10).approximation


def test_per_length_against_generalised_eigenvalues(right):
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(100):
        V, M = rng.standard_normal((7, 2)) * 10.0 ** rng.uniform(-3, 3, 2), rng.standard_normal((7, 7))
        M, gram = V.T @ (M + M.T) @ V, V.T @ V
        exact = scipy.linalg.eigh(M, gram, eigvals_only=True)[::-1]
        found = per_length(M[[0, 0, 1], [0, 1, 1]][None], gram[[0, 0, 1], [0, 1, 1]][None])[0]
        worst = max(worst, np.abs(found - exact).max() / np.abs(exact).max())
    right.record("Hessian directions: curvature per length (derived)", "scipy eigh", worst, 1e-11, 100)
    assert np.isnan(per_length(np.array([[1.0, 2.0, 4.0]]), np.array([[1.0, 2.0, 4.0]]))).all()


@pytest.mark.wrong_types
@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: SliceLaw([0.0, 0.0]), "expected a spectrum with an eigenvalue other than zero"),
        (lambda: SliceLaw([]), "one or more finite eigenvalues"),
        (lambda: SliceLaw([1.0, np.nan]), "one or more finite eigenvalues"),
        (lambda: SliceLaw([1.0, 2.0], [1]), "one multiplicity of at least 1 an eigenvalue"),
        (lambda: SliceLaw([1.0, 2.0], [1, 0]), "one multiplicity of at least 1 an eigenvalue"),
        (lambda: SliceLaw([1.0], [1.5]), "one multiplicity of at least 1 an eigenvalue"),
        (lambda: SliceLaw.toy_saddle(0), "expected whole n >= 1 and positive from 0 to 2n, got n=0"),
        (lambda: SliceLaw.toy_saddle(2, 5), "got n=2, positive=5"),
        (lambda: SliceLaw.toy_saddle(2.5), "expected whole n"),
        (lambda: SliceLaw.toy_saddle(2, -1), "got n=2, positive=-1"),
        (lambda: SliceLaw.toy_saddle(3).density("D"), "expected one of A, B, C, kappa_plus, kappa_minus, got 'D'"),
        (lambda: SliceLaw.toy_saddle(3).density("A", [np.inf]), "expected finite points"),
        (lambda: SliceLaw.toy_saddle(3).probabilities(0), "whole number of draws, at least one, got 0"),
        (lambda: SliceLaw.partly_known(known_ends(np.ones(4), 2), 4.0, 4.0, 3), "at least 4 parameters"),
        (lambda: SliceLaw.partly_known(known_ends(np.ones(4), 1), np.nan, 4.0, 4), "expected finite estimates"),
    ],
)
def test_bad_arguments(build, text):
    with pytest.raises(InputError, match=text):
        build()
