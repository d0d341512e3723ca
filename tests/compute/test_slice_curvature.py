"""Slice curvature against closed forms and a dense Hessian."""

import numpy as np
import pytest
import scipy.linalg
import torch
from cases import dense_hessian, problem, whole_gradient

from landscape_widgets.compute import directions
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.dense import DenseOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.slice_curvature import curvatures, kind_of, slice_curvature, slice_curvature_steps
from landscape_widgets.errors import InputError
from landscape_widgets.zoo import toy_saddle


@pytest.mark.parametrize("seed", range(5))
def test_the_toy_saddle_in_closed_form(seed, right):
    objective = Objective(*toy_saddle(50, 40))
    pair = [directions.random(objective, 2 * seed + k, None) for k in (0, 1)]
    found = slice_curvature(HessianOperator(objective), pair)
    eta, delta = (direction.vector for direction in pair)
    diagonal = np.r_[np.ones(40), -np.ones(60), 0.0]
    A, B, C = eta @ (diagonal * eta), eta @ (diagonal * delta), delta @ (diagonal * delta)
    radius = np.sqrt((A - C) ** 2 + 4 * B**2)
    kappa = np.array([(A + C + radius) / 2, (A + C - radius) / 2])
    error = np.abs(np.r_[found.A, found.B, found.C, found.kappa] - np.r_[A, B, C, kappa]).max() / np.abs(kappa).max()
    right.record("slice curvature of toy saddles", "closed form", error, 1e-12, 5)
    signs = {(True, True): "minimum", (False, False): "maximum", (True, False): "saddle"}
    assert found.kind == signs[tuple(kappa > 0)]
    assert found.loss == 0.0
    assert found.gradient_norm == 0.0
    np.testing.assert_array_equal(found.gradient, [0.0, 0.0])


@pytest.mark.parametrize("name", ["MLP tanh", "LayerNorm", "tied weights"])
def test_a_network_against_the_dense_hessian(name, right):
    model, loss, data = problem(name)
    dense = dense_hessian(model, loss, data)
    objective = Objective(model, loss, data, batch_size=32)
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    found = slice_curvature(HessianOperator(objective), pair)
    V = np.stack([direction.vector for direction in pair], axis=1)
    H, gram = V.T @ dense @ V, V.T @ V
    general = scipy.linalg.eigh(H, gram, eigvals_only=True)[::-1]
    scale = np.abs(H).max()
    error = np.abs(np.r_[found.A - H[0, 0], found.B - H[0, 1], found.C - H[1, 1]]).max() / scale
    error = max(error, np.abs(found.kappa - np.linalg.eigvalsh(H)[::-1]).max() / scale)
    error = max(error, np.abs(found.kappa_per_length - general).max() / np.abs(general).max())
    right.record("slice curvature of networks", "double-backward Hessian, scipy eigh", error, 1e-12, 7)
    gradient = whole_gradient(model, loss, data)
    np.testing.assert_allclose(found.gradient, V.T @ gradient, rtol=1e-12, atol=1e-14)
    assert found.gradient_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-12)
    assert found.loss == objective.loss()


def test_per_length_does_not_depend_on_the_scale_or_the_angle_of_the_directions():
    matrix = np.diag([3.0, -1.0, 0.5])
    H = DenseOperator(matrix)
    plain = slice_curvature(H, np.eye(3)[:2])
    bent = slice_curvature(H, np.array([[10.0, 0.0, 0.0], [3.0, 0.2, 0.0]]))
    np.testing.assert_allclose(plain.kappa_per_length, [3.0, -1.0])
    np.testing.assert_allclose(bent.kappa_per_length, [3.0, -1.0], rtol=1e-10)
    assert not np.allclose(bent.kappa, [3.0, -1.0])


def test_parallel_directions_have_no_curvature_per_length():
    found = slice_curvature(DenseOperator(np.diag([3.0, -1.0])), np.array([[1.0, 0.0], [2.0, 0.0]]))
    assert np.isnan(found.kappa_per_length).all()
    assert found.kind == "flat"


@pytest.mark.parametrize(
    ("diagonal", "kind"),
    [
        ((2.0, 1.0), "minimum"),
        ((-2.0, -1.0), "maximum"),
        ((2.0, -1.0), "saddle"),
        ((2.0, 0.0), "flat"),
        ((0, 0), "flat"),
    ],
)
def test_kinds(diagonal, kind):
    assert slice_curvature(DenseOperator(np.diag(np.array(diagonal, dtype=float))), np.eye(2)).kind == kind


def test_curvatures_against_eigvalsh(right):
    rng = np.random.default_rng(0)
    worst = 0.0
    for a, b, c in rng.standard_normal((200, 3)) * 10.0 ** rng.uniform(-8, 8, (200, 1)):
        exact = np.linalg.eigvalsh([[a, b], [b, c]])[::-1]
        worst = max(worst, np.abs(curvatures(a, b, c) - exact).max() / np.abs(exact).max())
    right.record("κ± of 2×2 matrices", "NumPy eigvalsh", worst, 1e-14, 200)
    assert kind_of(np.array([1.0, 1e-9]), noise=1e-6) == "flat"


def test_two_products_and_one_gradient_in_bounded_steps():
    model, loss, data = problem("MLP tanh")
    H = HessianOperator(Objective(model, loss, data, batch_size=32))
    pair = [directions.random(H.objective, seed) for seed in (0, 1)]
    results = []

    def run():
        results.append((yield from slice_curvature_steps(H, pair)))

    assert sum(1 for _ in run()) >= 8
    assert results[0].A == slice_curvature(H, pair).A


def test_at_another_point_the_slope_and_loss_are_those_of_that_point():
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data)
    theta = objective.center * 0.5
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    found = slice_curvature(HessianOperator(objective, theta), pair)
    assert found.loss == objective.loss(theta)
    assert found.gradient_norm == pytest.approx(objective.gradient(theta).norm().item())


def test_what_is_no_pair_of_directions_is_refused():
    H = DenseOperator(np.eye(3))
    with pytest.raises(InputError, match="expected two directions, got 1"):
        slice_curvature(H, [torch.ones(3)])
    with pytest.raises(InputError, match=r"expected a direction of shape \(3,\), got \(2,\)"):
        slice_curvature(H, [torch.ones(3), torch.ones(2)])
    with pytest.raises(InputError, match="expected a finite direction of positive length"):
        slice_curvature(H, [torch.ones(3), torch.zeros(3)])
