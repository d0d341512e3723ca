"""Toy saddle and quadratic form against dense Hessians and closed forms."""

import pytest
import torch

from landscape_widgets import zoo
from landscape_widgets.compute.objective import Objective
from landscape_widgets.errors import InputError


def dense_hessian(model, loss, data):
    """Row by row, by differentiating the gradient."""
    (parameter,) = model.parameters()
    value = loss(model(data[0]), data[1])
    (gradient,) = torch.autograd.grad(value, parameter, create_graph=True)
    rows = [torch.autograd.grad(element, parameter, retain_graph=True)[0] for element in gradient]
    return torch.stack(rows)


@pytest.mark.parametrize(("n", "positive"), [(1, 1), (5, 0), (5, 7), (5, 10), (50, None)])
def test_dense_hessian_of_the_saddle_is_its_diagonal(n, positive):
    model, loss, data = zoo.toy_saddle(n, positive)
    upwards = n if positive is None else positive
    H = dense_hessian(model, loss, data)
    diagonal = model.hessian_diagonal()
    assert (H - torch.diag(diagonal)).abs().max() < 1e-12
    assert abs(model.hessian_operator().to_dense() - H.numpy()).max() < 1e-12
    assert sorted(diagonal.tolist()) == [-1.0] * (2 * n - upwards) + [0.0] + [1.0] * upwards
    assert diagonal.sum() == 2 * (upwards - n)
    assert (H**2).sum() == 2 * n


def test_the_saddle_has_no_slope_at_its_centre():
    objective = Objective(*zoo.toy_saddle(20, 25))
    assert objective.size == 41
    assert objective.center.tolist() == [0.0] * 40 + [1.0]
    assert objective.loss() == 0
    assert objective.gradient().abs().max() == 0


def test_slices_of_the_saddle_match_the_closed_form():
    model, loss, data = zoo.toy_saddle(50, 60)
    objective = Objective(model, loss, data)
    generator = torch.Generator().manual_seed(0)
    eta, delta = torch.randn(2, 101, generator=generator, dtype=torch.float64)
    alpha, beta = torch.linspace(-0.3, 0.3, 5).double(), torch.linspace(-0.2, 0.4, 4).double()
    exact = model.slice_loss(alpha, beta, eta, delta)
    assert exact.shape == (4, 5)
    for j, b in enumerate(beta):
        for i, a in enumerate(alpha):
            measured = objective.loss(objective.center + a * eta + b * delta)
            assert measured == pytest.approx(exact[j, i].item(), rel=1e-12, abs=1e-13)


def test_the_slice_along_eigenvectors_is_a_half_difference_of_squares():
    model, _, _ = zoo.toy_saddle(3, 3)
    eta, delta = torch.eye(7, dtype=torch.float64)[[0, 5]]
    alpha = torch.linspace(-1, 1, 7).double()
    assert torch.equal(model.slice_loss(alpha, alpha, eta, delta), 0.5 * (alpha**2 - (alpha**2)[:, None]))


def test_saddle_in_single_precision_and_on_many_samples():
    model, _, data = zoo.toy_saddle(2, dtype=torch.float32)
    assert data[0].dtype == model.theta.dtype == torch.float32
    assert model(torch.zeros(5, 1)).shape == (5, 1)


def test_quadratic_has_the_given_hessian_gradient_and_loss():
    generator = torch.Generator().manual_seed(1)
    A = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    A, b, theta = A + A.T, *torch.randn(2, 6, generator=generator, dtype=torch.float64)
    model, loss, data = zoo.quadratic(A, b, theta)
    assert (dense_hessian(model, loss, data) - A).abs().max() < 1e-12
    objective = Objective(model, loss, data)
    assert torch.allclose(objective.gradient(), A @ theta + b, atol=1e-13)
    assert objective.loss() == pytest.approx((0.5 * theta @ A @ theta + b @ theta).item(), rel=1e-13)
    A.zero_()  # the caller's matrix may change: the model has its own
    assert model.A.abs().sum() > 0


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: zoo.toy_saddle(0), "expected n >= 1 and positive from 0 to 2n, got n=0"),
        (lambda: zoo.toy_saddle(2, 5), "got n=2, positive=5. To fix it"),
        (lambda: zoo.quadratic(torch.ones(2, 3)), r"real symmetric matrix, got shape \(2, 3\)"),
        (lambda: zoo.quadratic(torch.tensor([[1.0, 2.0], [0.0, 1.0]])), "real symmetric matrix"),
        (lambda: zoo.quadratic(torch.ones(2, 2, dtype=torch.int64)), "of torch.int64"),
        (lambda: zoo.quadratic(torch.eye(2), b=torch.ones(3)), r"expected b of shape \(2,\), got \(3,\)"),
        (lambda: zoo.quadratic(torch.eye(2), theta=torch.ones(1)), r"expected theta of shape \(2,\), got \(1,\)"),
    ],
)
def test_bad_arguments(build, text):
    with pytest.raises(InputError, match=text):
        build()
