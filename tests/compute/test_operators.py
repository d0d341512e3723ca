"""Every operator against the dense Hessian made by double backward, in every form it is asked in."""

import copy

import numpy as np
import pytest
import torch
from cases import MODELS, SAMPLES, WITHOUT_LAYERNORM, OnceDifferentiable, dense_hessian, judge, problem
from scipy.sparse.linalg import eigsh
from torch import nn

from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.dense import DenseOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.errors import InputError, ModelError

DOUBLE_BACKWARD = "dense float64 Hessian by double backward, row by row"


@pytest.mark.parametrize("name", MODELS)
def test_hessian_of_every_model_with_uneven_batches(name, right):
    model, loss, data = problem(name)
    dense = dense_hessian(model, loss, data)
    H = HessianOperator(Objective(model, loss, data, batch_size=32))
    assert [batch.size for batch in H.objective.batches] == [32, 32, 32, 7]
    right.record("Hessian-vector products", DOUBLE_BACKWARD, judge(H, dense), 1e-12, len(dense))
    vectors = np.random.default_rng(0).standard_normal((len(dense), 2))
    rebuilt = HessianOperator(H.objective, graph_memory=0) @ vectors
    error = np.linalg.norm(rebuilt - dense @ vectors, axis=0) / np.linalg.norm(vectors, axis=0)
    right.record(
        "Hessian-vector products, graphs rebuilt", DOUBLE_BACKWARD, error.max() / np.linalg.norm(dense, 2), 1e-12, 2
    )


@pytest.mark.parametrize("name", ["MLP tanh", "LayerNorm", "TransformerEncoder", "tied weights"])
def test_hessian_in_float32(name, right):
    model, loss, data = problem(name, torch.float32)
    H = HessianOperator(Objective(model, loss, data, batch_size=32))
    right.record(
        "Hessian-vector products in float32", DOUBLE_BACKWARD, judge(H, dense_hessian(model, loss, data)), 2e-6
    )


def test_hessian_away_from_the_centre(right):
    model, loss, data = problem("LayerNorm")
    objective = Objective(model, loss, data, batch_size=32)
    theta = objective.center + 0.3 * torch.sin(torch.arange(objective.size, dtype=torch.float64))
    H = HessianOperator(objective, theta)
    theta_given = theta.clone()
    theta.zero_()  # the operator keeps the point it was given
    error = judge(H, dense_hessian(model, loss, data, theta_given))
    right.record("Hessian-vector products", DOUBLE_BACKWARD, error, 1e-12)


def test_the_double_backward_oracle_agrees_with_finite_differences():
    model, loss, data = problem("LayerNorm")
    objective = Objective(model, loss, data)
    direction = torch.cos(torch.arange(objective.size, dtype=torch.float64))
    h = 1e-5
    steep = objective.gradient(objective.center + h * direction) - objective.gradient(objective.center - h * direction)
    dense = dense_hessian(model, loss, data)
    assert np.linalg.norm(steep.numpy() / (2 * h) - dense @ direction.numpy()) < 1e-7 * np.linalg.norm(dense)


def test_the_judge_rejects_a_mean_over_batches_instead_of_samples():
    model, loss, data = problem("MLP tanh")
    wrong = Objective(model, loss, data, batch_size=32, weight=lambda inputs, targets: 1.0)
    assert judge(HessianOperator(wrong), dense_hessian(model, loss, data)) > 1e-3


def test_the_judge_rejects_an_operator_that_is_not_symmetric_or_not_linear():
    dense = np.diag(np.arange(1.0, 5.0))
    skew = DenseOperator(dense)
    skew._matrix = torch.as_tensor(dense + 1e-6 * np.triu(np.ones((4, 4)), 1))
    assert judge(skew, dense) > 1e-8

    class Bent(DenseOperator):
        def product_steps(self, vector):
            return (yield from super().product_steps(vector + 1e-6 * vector**2))

    assert judge(Bent(dense), dense) > 1e-8


def test_the_judge_rejects_the_functional_hessian_through_layernorm():
    model, loss, data = problem("LayerNorm")
    named = dict(model.named_parameters())

    def value(flat):
        pieces, start = {}, 0
        for name, parameter in named.items():
            pieces[name] = flat[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()
        return loss(torch.func.functional_call(model, pieces, (data[0],)), data[1])

    flat = torch.cat([parameter.detach().reshape(-1) for parameter in named.values()])
    other = torch.func.hessian(value)(flat).numpy()
    dense = dense_hessian(model, loss, data)
    if np.linalg.norm(other - dense) < 1e-10 * np.linalg.norm(dense):
        pytest.skip("this torch has a right torch.func.hessian through LayerNorm")
    assert np.linalg.norm(other - dense) > 1e-3 * np.linalg.norm(dense)
    assert np.linalg.norm(other - other.T) > 1e-3 * np.linalg.norm(other)


@pytest.mark.parametrize("name", [name for name in WITHOUT_LAYERNORM if "MLP" in name or "convolution" in name])
def test_hessian_agrees_with_curvlinops(name, right):
    curvlinops = pytest.importorskip("curvlinops")
    model, loss, (inputs, targets) = problem(name)
    H = HessianOperator(Objective(model, loss, (inputs, targets), batch_size=32))
    theirs = copy.deepcopy(model)
    parts = [(inputs[start : start + 32], targets[start : start + 32]) for start in range(0, SAMPLES, 32)]
    parameters = [value for value in theirs.parameters() if value.requires_grad]
    peer = curvlinops.HessianLinearOperator(theirs, loss, parameters, parts, check_deterministic=False).to_scipy()
    vectors = np.random.default_rng(0).standard_normal((H.size, 4))
    ours, other = H @ vectors, peer @ vectors
    error = np.linalg.norm(ours - other, axis=0) / np.linalg.norm(other, axis=0)
    right.record("Hessian-vector products", "curvlinops HessianLinearOperator", error.max(), 1e-11, 4)


def test_eigsh_on_our_operator_finds_the_dense_eigenvalues(right):
    model, loss, data = problem("MLP tanh")
    H = HessianOperator(Objective(model, loss, data, batch_size=32))
    exact = np.linalg.eigvalsh(dense_hessian(model, loss, data))
    found = np.sort(eigsh(H.to_scipy(), k=6, which="BE", return_eigenvectors=False))
    error = np.abs(found - np.r_[exact[:3], exact[-3:]]).max() / np.abs(exact).max()
    right.record("to_scipy under eigsh", "numpy eigvalsh of the dense Hessian", error, 1e-10, 6)


def test_kept_graphs_are_counted_and_used_again():
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data, batch_size=32)
    unlimited, none = HessianOperator(objective), HessianOperator(objective, graph_memory=0)
    vector = torch.ones(objective.size, dtype=torch.float64)
    first = unlimited @ vector
    assert unlimited._graphs.memory > 0
    assert len(unlimited._graphs._kept) == 4
    assert torch.equal(first, unlimited @ vector)
    torch.testing.assert_close(none @ vector, first, rtol=1e-13, atol=1e-16)
    assert none._graphs.memory == 0
    half = HessianOperator(objective, graph_memory=unlimited._graphs.memory // 2)
    torch.testing.assert_close(half @ vector, first, rtol=1e-13, atol=1e-16)
    assert 0 < half._graphs.memory <= unlimited._graphs.memory // 2
    assert 0 < len(half._graphs._kept) < 4


def test_products_interleave_on_one_operator():
    model, loss, data = problem("MLP tanh")
    H = HessianOperator(Objective(model, loss, data, batch_size=32), graph_memory=0)
    one, other = torch.ones(H.size, dtype=torch.float64), torch.arange(H.size, dtype=torch.float64)
    runs = [H.product_steps(one), H.product_steps(other)]
    results = {}
    while len(results) < 2:
        for index, run in enumerate(runs):
            try:
                next(run)
            except StopIteration as end:
                results.setdefault(index, end.value)
    assert torch.equal(results[0], H @ one)
    assert torch.equal(results[1], H @ other)


def test_a_loss_that_is_linear_in_the_parameters_has_a_zero_hessian():
    model = nn.Linear(3, 1, bias=False).double()
    inputs = torch.ones(4, 3, dtype=torch.float64)
    H = HessianOperator(Objective(model, lambda outputs, targets: outputs.mean(), (inputs, inputs)))
    assert np.array_equal(H.to_dense(), np.zeros((3, 3)))


def test_what_cannot_be_multiplied_is_refused():
    H = DenseOperator(np.eye(3))
    for operand, got in [
        (torch.ones(4), r"shape \(4,\)"),
        (torch.ones(3, dtype=torch.int64), "torch.int64"),
        (torch.ones(2, 3), r"shape \(2, 3\)"),
        (torch.ones(3, 1, 1), r"shape \(3, 1, 1\)"),
        (torch.ones(3, dtype=torch.complex64), "complex64"),
    ]:
        with pytest.raises(InputError, match=r"expected a real floating-point vector \(3,\) or matrix.*got .*" + got):
            H @ operand
    with pytest.raises(InputError, match="expected a symmetric matrix, got one that differs from its transpose by 1"):
        DenseOperator(np.array([[0.0, 1.0], [0.0, 0.0]]))
    with pytest.raises(InputError, match=r"expected a square real matrix, got shape \(2, 3\)"):
        DenseOperator(np.zeros((2, 3)))


def test_a_loss_without_second_derivative_says_so():
    data = torch.ones(4, 3), torch.zeros(4, 1)
    for loss in (nn.MSELoss(), lambda outputs, targets: outputs.mean()):  # the second hands back a constant gradient
        H = HessianOperator(Objective(OnceDifferentiable(), loss, data))
        with pytest.raises(ModelError, match="expected a loss that can be differentiated twice"):
            H @ torch.ones(4)


def test_the_dense_oracle_of_weight_norm_agrees_with_finite_differences():
    model, loss, data = problem("parametrizations")
    objective = Objective(model, loss, data)
    direction, h = torch.cos(torch.arange(objective.size, dtype=torch.float64)), 1e-5
    steep = objective.gradient(objective.center + h * direction) - objective.gradient(objective.center - h * direction)
    dense = dense_hessian(model, loss, data)
    assert np.linalg.norm(steep.numpy() / (2 * h) - dense @ direction.numpy()) < 1e-7 * np.linalg.norm(dense)


def test_the_older_weight_norm_is_copied_and_differentiated_right():
    with pytest.warns(FutureWarning, match="weight_norm"):
        model = nn.Sequential(nn.utils.weight_norm(nn.Linear(5, 4)), nn.Tanh(), nn.Linear(4, 3)).double()
    _, loss, data = problem("MLP tanh")
    model(data[0])  # leaves a weight that is no leaf behind, which deepcopy refuses
    H = HessianOperator(Objective(model, loss, data, batch_size=32))
    v, h = torch.cos(torch.arange(H.size, dtype=torch.float64)), 1e-5
    center = H.objective.center
    steep = H.objective.gradient(center + h * v) - H.objective.gradient(center - h * v)
    assert (H @ v - steep / (2 * h)).norm() < 1e-7 * (H @ v).norm()


def test_the_fused_weight_norm_called_by_hand_is_refused():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.g, self.v = nn.Parameter(torch.ones(2, 1)), nn.Parameter(torch.ones(2, 3))

        def forward(self, x):
            return x @ torch._weight_norm(self.v, self.g, 0).T

    H = HessianOperator(Objective(Model(), nn.MSELoss(), (torch.ones(4, 3), torch.zeros(4, 2))))
    with pytest.raises(ModelError, match=r"differentiated twice, but torch says: torch\._weight_norm"):
        H @ torch.ones(8)


@pytest.mark.parametrize("inference", [False, True])
def test_products_are_the_same_in_the_users_grad_modes(inference):
    model, loss, data = problem("MLP tanh")
    vector = torch.ones(57, dtype=torch.float64)
    expected = HessianOperator(Objective(model, loss, data, batch_size=32)) @ vector
    with torch.inference_mode(inference), torch.no_grad():
        copies = tuple(part.clone() for part in data)  # inference tensors, where that mode is on
        objective = Objective(model, loss, copies, batch_size=32)
        H = HessianOperator(objective)
        assert torch.equal(H @ vector.clone(), expected)
        gradient = objective.gradient()
    assert torch.equal(H @ vector, expected)
    assert torch.equal(gradient, objective.gradient())
    assert gradient.norm() > 0
