"""Interpolations against FITPACK and polynomials they must reproduce; errors against their definition; holes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RectBivariateSpline

from landscape_widgets.compute.grid import axis_levels
from landscape_widgets.compute.interpolation import Fits, Spans, polynomial_matrix, spline_matrix
from landscape_widgets.errors import Outcome
from landscape_widgets.results import Surface
from landscape_widgets.results.landscape import percent

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("level", [7, 13, 25])
def test_the_splines_are_fitpacks(level, right):
    samples = np.exp(RNG.standard_normal((level, level)))
    step = 48 // (level - 1)
    fits = Fits(samples, (np.arange(0, 49, step),) * 2, (49, 49))
    knots, everywhere = np.arange(0.0, 49.0, step), np.arange(49.0)
    worst = 0.0
    for name, forward, back in (
        ("L", lambda x: x, lambda x: x),
        ("log L", np.log, np.exp),
        ("√L", np.sqrt, np.square),
    ):
        oracle = back(RectBivariateSpline(knots, knots, forward(samples), s=0)(everywhere, everywhere))
        worst = max(worst, np.abs(fits.values[f"cubic spline of {name}"] - oracle).max() / np.abs(oracle).max())
    right.record("interpolated surfaces", "FITPACK's tensor spline", worst, 1e-12, 3 * 49 * 49)


@settings(deadline=None, max_examples=40)
@given(st.integers(3, 60), st.integers(0, 10))
def test_polynomials_are_reproduced(count, degree):
    index = axis_levels(count)[0]
    line = np.polynomial.chebyshev.chebval(np.linspace(-1, 1, count), np.ones(degree + 1))
    for matrix, most in ((spline_matrix(index, count), 3), (polynomial_matrix(index, count), 8)):
        if degree <= min(most, len(index) - 1):
            np.testing.assert_allclose(matrix @ line[index], line, atol=1e-9)


def test_a_polynomial_of_a_higher_degree_is_not():  # the tests above can fail
    index = axis_levels(49)[0]
    line = np.polynomial.chebyshev.chebval(np.linspace(-1, 1, 49), np.ones(11))
    assert np.abs(polynomial_matrix(index, 49) @ line[index] - line).max() > 0.1
    assert np.abs(spline_matrix(index, 49) @ line[index] - line).max() > 0.1


def test_errors_are_parts_of_the_drawn_range_and_decades():
    losses = np.array([1.0, 10.0, 100.0, np.nan])
    spans = Spans.of(losses)
    assert (spans.linear, spans.log) == (99.0, 2.0)
    linear, log = spans.errors(np.array([1.0, 100.0, 50.5]), losses[:3])
    np.testing.assert_allclose(linear, [0.0, 90 / 99, 0.5])
    np.testing.assert_allclose(log, [0.0, 0.5, np.log10(100 / 50.5) / 2])
    np.testing.assert_allclose(spans.distance(np.array([100.0]), losses[1:2]), [90 / 99])


def test_what_cannot_be_drawn_is_an_infinite_error():
    spans = Spans.of(np.array([1.0, 2.0]))
    found = spans.distance(np.array([np.nan, 1.0, -1.0, 1.0]), np.array([1.0, np.inf, 1.0, 1.0]))
    np.testing.assert_array_equal(found, [np.inf, np.inf, np.inf, 0.0])
    signed = Spans.of(np.array([-1.0, 2.0]))
    assert signed.log is None
    assert signed.distance(np.array([-1.0]), np.array([-0.7]))[0] == pytest.approx(0.1)


def test_near_a_hole_nothing_is_interpolated():
    y, x = np.meshgrid(np.linspace(-1, 1, 49), np.linspace(-1, 1, 49), indexing="ij")
    exact = 1.0 + x**2 + 0.5 * y**2
    index = np.arange(0, 49, 4)
    samples = exact[np.ix_(index, index)].copy()
    samples[2, 3] = np.nan
    fits = Fits(samples, (index, index), exact.shape)
    rows, columns = np.nonzero(fits.near_holes)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 15, 5, 19)  # less than two cells of 4
    assert fits.near_holes.sum() == 15 * 15
    for fit in fits.values.values():
        assert np.isnan(fit[fits.near_holes]).all()
        assert np.isfinite(fit[~fits.near_holes]).all()
    error = np.where(fits.near_holes, 0.0, np.abs(fits.values["cubic spline of L"] - exact))
    patch = np.abs(np.diff(exact[np.ix_(index, index)], axis=0)).max()  # at most what stands in the hole is wrong by
    assert error.max() < 0.5 * patch
    away = np.hypot(np.arange(49)[:, None] - 8, np.arange(49) - 12) > 24
    assert error[away].max() < 0.005 * patch  # a cubic spline forgets: 2 - √3 a cell


def test_losses_that_are_not_positive_have_no_logarithm():
    fits = Fits(np.linspace(-1, 1, 7), (np.arange(0, 49, 8),), (49,))
    assert list(fits.values) == ["cubic spline of L", "Chebyshev polynomial"]


def test_exact_values_replace_estimates():
    line = np.cosh(np.linspace(-2, 2, 49))
    index = np.arange(0, 49, 8)
    losses = np.full(49, np.nan)
    losses[index] = line[index]
    losses[[3, 10]] = 9.0, np.inf  # nothing an interpolation would give
    held_out = np.zeros(49, dtype=bool)
    held_out[[20, 30]] = True
    losses[held_out] = line[held_out]
    fits, spans = Fits(line[index], (index,), (49,)), Spans.of(losses)
    estimate = fits.estimate(fits.closest(losses, held_out, spans), losses, held_out, spans)
    known = ~np.isnan(losses)
    np.testing.assert_array_equal(estimate.values[known], losses[known])
    assert np.isfinite(estimate.values[~known]).all()
    assert estimate.held_out == 2
    worst = np.abs(estimate.values - line)[20]
    assert worst == 0.0  # the exact value stands there; the error is that of the fit
    assert 0 < estimate.error_linear < 1e-3
    surface = Surface(np.arange(49.0), None, losses, known, (), Outcome.RUNNING, estimate=estimate)
    later = np.where(np.arange(49) == 5, 7.0, losses)
    refined = Surface(
        np.arange(49.0), None, later, known | (np.arange(49) == 5), (), Outcome.RUNNING, estimate=estimate
    )
    assert surface.filled[5] == estimate.values[5]
    assert refined.filled[5] == 7.0


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (0.00373, "0.38"),
        (0.004, "0.4"),
        (0.01, "1"),
        (0.0100001, "1.1"),
        (0.5, "50"),
        (0.0999, "10"),
        (1e-5, "0.001"),
        (1.234, "130"),
    ],
)
def test_an_error_is_never_said_smaller_than_it_is(part, words):
    assert percent(part) == words
    assert float(words) >= 100 * part - 1e-12
