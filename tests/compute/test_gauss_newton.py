"""Gauss-Newton products against JᵀHJ built row by row, a second library, and the Hessian where they must agree."""

import collections
import copy
import dataclasses
import functools

import numpy as np
import pytest
import torch
from cases import (
    COUNTER,
    MODELS,
    SAMPLES,
    CountingMLP,
    OnceDifferentiable,
    build,
    dense_hessian,
    judge,
    mlp,
    problem,
    seeded,
    written_out,
)
from scipy.sparse.linalg import eigsh
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import PartialProduct
from landscape_widgets.compute.operators.gauss_newton import GaussNewtonOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.errors import ModelError

ROW_BY_ROW = "dense float64 Jᵀ H_ℓ J, Jacobian and H_ℓ row by row"
PRODUCTS = "Gauss-Newton products"


def rows_of(values, variables):
    """The Jacobian of the elements of some tensors, one reverse pass a row."""
    flat = torch.cat([value.reshape(-1) for value in values])
    options = {"retain_graph": True, "allow_unused": True, "materialize_grads": True}
    zeros = torch.zeros(sum(variable.numel() for variable in variables), dtype=flat.dtype)
    return torch.stack(
        [
            torch.cat([part.reshape(-1) for part in torch.autograd.grad(element, variables, **options)])
            if element.requires_grad
            else zeros
            for element in flat
        ]
    )


def dense_gauss_newton(model, loss, data, at=None, tensors=lambda outputs: (outputs,), rebuild=lambda parts: parts[0]):
    """The (P, P) matrix JᵀHJ of the whole batch in float64; NumPy. `tensors` takes outputs apart, `rebuild` back."""
    model = written_out(model)
    inputs, targets = (part.double() if part.is_floating_point() else part for part in data)
    moved = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if at is not None:
        nn.utils.vector_to_parameters(at, moved)
    with sdpa_kernel(SDPBackend.MATH), torch.enable_grad():
        outputs = tensors(model(inputs))
        J = rows_of(outputs, moved)
        points = [output.detach().requires_grad_() for output in outputs]
        slopes = torch.autograd.grad(loss(rebuild(points), targets), points, create_graph=True, materialize_grads=True)
        return (J.T @ rows_of(slopes, points) @ J).numpy()


@functools.cache
def known(name):
    """(model, loss, data, dense matrix) of a kind, built once for all tests."""
    model, loss, data = problem(name)
    return model, loss, data, dense_gauss_newton(model, loss, data)


JUDGED = ["LayerNorm", "embedding"]
"""Models seen by the whole judge, in every form; the others by a few vectors, which is 20 times less work."""


def worst(operator, dense, convex=True):
    """The worst relative error over a few vectors; symmetry and a curvature that is not negative are asserted."""
    vectors = np.random.default_rng(0).standard_normal((len(dense), 3))
    products = operator @ vectors
    scale, eps = np.linalg.norm(dense, 2), torch.finfo(operator.dtype).eps
    small = vectors.T @ products
    assert np.abs(small - small.T).max() <= 10 * eps * scale * len(dense)
    assert not convex or np.diag(small).min() > 0
    error = np.linalg.norm(products - dense @ vectors, axis=0) / np.linalg.norm(vectors, axis=0)
    return error.max() / scale


@pytest.mark.parametrize("name", MODELS)
def test_products_of_every_model_with_uneven_batches(name, right):
    model, loss, data, dense = known(name)
    G = GaussNewtonOperator(Objective(model, loss, data, batch_size=32))
    assert [batch.size for batch in G.objective.batches] == [32, 32, 32, 7]
    error, cases = (judge(G, dense), len(dense)) if name in JUDGED else (worst(G, dense), 3)
    right.record(PRODUCTS, ROW_BY_ROW, error, 1e-12, cases)
    rebuilt = worst(GaussNewtonOperator(G.objective, graph_memory=0), dense)
    right.record(f"{PRODUCTS}, graphs rebuilt", ROW_BY_ROW, rebuilt, 1e-12, 3)


@pytest.mark.parametrize("name", ["LayerNorm", "TransformerEncoder"])
def test_products_in_float32(name, right):
    model, loss, data = problem(name, torch.float32, samples=39)
    G = GaussNewtonOperator(Objective(model, loss, data, batch_size=32))
    error = (judge if name in JUDGED else worst)(G, dense_gauss_newton(model, loss, data))
    right.record(f"{PRODUCTS} in float32", ROW_BY_ROW, error, 2e-6)


def test_a_convex_loss_has_no_negative_eigenvalue():
    model, loss, data = problem("MLP tanh")
    values = np.linalg.eigvalsh(GaussNewtonOperator(Objective(model, loss, data, batch_size=32)).to_dense())
    assert values[0] > -1e-14 * values[-1]


def test_products_away_from_the_centre(right):
    model, loss, data = problem("LayerNorm", samples=39)
    objective = Objective(model, loss, data, batch_size=32)
    theta = objective.center + 0.3 * torch.sin(torch.arange(objective.size, dtype=torch.float64))
    G, given = GaussNewtonOperator(objective, theta), theta.clone()
    theta.zero_()  # the operator keeps the point it was given
    right.record(PRODUCTS, ROW_BY_ROW, worst(G, dense_gauss_newton(model, loss, data, given)), 1e-12, 3)


def test_the_judge_rejects_the_hessian_in_place_of_gauss_newton():
    model, loss, data, dense = known("MLP tanh")
    assert judge(HessianOperator(Objective(model, loss, data)), dense) > 1e-3

    class Forgetful(GaussNewtonOperator):
        """Leaves the Hessian of the loss out: JᵀJ."""

        def _build(self, replica, batch):
            graph = super()._build(replica, batch)
            points = [point.detach().requires_grad_() for point in graph.points]
            with torch.enable_grad():
                return dataclasses.replace(graph, points=points, slopes=[point * 1.0 for point in points])

    assert judge(Forgetful(Objective(model, loss, data)), dense) > 1e-3


@pytest.mark.parametrize("name", ["LayerNorm", "depthwise convolution"])
@pytest.mark.parametrize("squares", [False, True])
def test_products_agree_with_curvlinops(name, squares, right):
    curvlinops = pytest.importorskip("curvlinops")
    model, loss, (inputs, targets) = problem(name)
    if squares:
        loss, targets = nn.MSELoss(), torch.randn(SAMPLES, 3, generator=seeded(), dtype=torch.float64)
    G = GaussNewtonOperator(Objective(model, loss, (inputs, targets), batch_size=32))
    theirs = copy.deepcopy(model)
    parts = [(inputs[start : start + 32], targets[start : start + 32]) for start in range(0, SAMPLES, 32)]
    peer = curvlinops.GGNLinearOperator(theirs, loss, list(theirs.parameters()), parts, check_deterministic=False)
    vectors = np.random.default_rng(0).standard_normal((G.size, 4))
    ours, other = G @ vectors, peer.to_scipy() @ vectors
    error = np.linalg.norm(ours - other, axis=0) / np.linalg.norm(other, axis=0)
    right.record(PRODUCTS, "curvlinops GGNLinearOperator", error.max(), 1e-11, 4)


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.CrossEntropyLoss()])
def test_a_model_linear_in_its_parameters_has_g_equal_to_h(loss, right):
    model = build(lambda: nn.Linear(5, 3))
    inputs = torch.randn(SAMPLES, 5, generator=seeded(), dtype=torch.float64)
    targets = torch.randn(SAMPLES, 3, generator=seeded(1), dtype=torch.float64)
    targets = targets.argmax(1) if isinstance(loss, nn.CrossEntropyLoss) else targets
    objective = Objective(model, loss, (inputs, targets), batch_size=32)
    error = judge(GaussNewtonOperator(objective), HessianOperator(objective).to_dense())
    right.record("Gauss-Newton equals the Hessian of a linear model", "the Hessian operator", error, 1e-12)


def test_what_gauss_newton_leaves_out_is_the_models_own_curvature(right):
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data, batch_size=32)
    residual = (HessianOperator(objective) - GaussNewtonOperator(objective)).to_dense()
    with torch.no_grad():
        probabilities = torch.softmax(model(data[0]), 1)
    errors = (probabilities - nn.functional.one_hot(data[1], 3)) / SAMPLES  # the gradient of cross-entropy in z
    expected = dense_hessian(model, lambda outputs, _: (errors * outputs).sum(), data)
    wrong = np.linalg.norm(residual - expected, 2) / np.linalg.norm(expected, 2)
    right.record("H - G", "the Hessian of Σ (p - y) z, row by row", wrong, 1e-12)
    assert np.linalg.norm(expected) > 1e-2


def test_a_loss_that_is_not_convex_may_have_negative_curvature(right):
    model, _, data = problem("MLP tanh", samples=39)

    def loss(outputs, targets):
        return torch.sin(outputs * 2).prod(1).mean()

    dense = dense_gauss_newton(model, loss, data)
    right.record(PRODUCTS, ROW_BY_ROW, judge(GaussNewtonOperator(Objective(model, loss, data)), dense), 1e-12)
    assert np.linalg.eigvalsh(dense).min() < -1e-2


Pair = collections.namedtuple("Pair", ["first", "second"])


class Several(nn.Module):
    """Returns two curved outputs, one that the loss takes linearly, one that it does not use, and a constant."""

    def __init__(self, form):
        super().__init__()
        self.trunk, self.head, self.side = nn.Linear(5, 4), nn.Linear(4, 3), nn.Linear(4, 2)
        self.form = form

    def forward(self, x):
        hidden = torch.tanh(self.trunk(x))
        return self.form(self.head(hidden), self.side(hidden), hidden.sum(1), self.head.weight, x)


FORMS = {
    "tuple": (lambda *parts: parts, lambda outputs: outputs),
    "nested dict": (
        lambda a, b, c, d, e: {"a": a, "rest": [b, (c, d)], "none": None, "const": e},
        lambda o: (o["a"], o["rest"][0], *o["rest"][1], o["const"]),
    ),
    "named tuple": (
        lambda a, b, c, d, e: Pair(Pair(a, b), {"c": c, "d": d, "e": e}),
        lambda o: (o.first.first, o.first.second, *o.second.values()),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_outputs_of_any_structure(form, right):
    pack, unpack = FORMS[form]
    model = build(lambda: Several(pack))
    _, _, data = problem("MLP tanh", samples=39)

    def value(parts, targets):
        a, b, c, weight, x = parts
        coupled = (a.tanh()[:, :2] * b * x[:, :2]).sum(1).mean()
        return nn.functional.cross_entropy(a, targets) + coupled + c.mean() + 0.1 * (weight**4).sum()

    def loss(outputs, targets):
        return value(unpack(outputs), targets)

    kept = (0, 1, 3)  # of the outputs, those that the loss is curved in; the model's own parameter is one

    def rebuild(points):
        parts = [part.detach() for part in unpack(model(data[0]))]
        for index, point in zip(kept, points, strict=True):
            parts[index] = point
        return parts

    dense = dense_gauss_newton(
        model, value, data, tensors=lambda outputs: [unpack(outputs)[index] for index in kept], rebuild=rebuild
    )
    G = GaussNewtonOperator(Objective(model, loss, data, batch_size=32))
    right.record(PRODUCTS, ROW_BY_ROW, worst(G, dense, convex=False), 1e-12, 3)


def test_outputs_whose_tensors_cannot_be_found_are_refused():
    class Answer:
        def __init__(self, logits):
            self.logits = logits

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x):
            return Answer(self.layer(x))

    data = (torch.ones(4, 3), torch.zeros(4, 2))
    G = GaussNewtonOperator(Objective(Model(), lambda out, y: ((out.logits - y) ** 2).mean(), data))
    with pytest.raises(
        ModelError,
        match=r"expected model outputs as a tensor, or .* got a loss that uses tensors inside Answer.*return a tuple",
    ):
        G @ torch.ones(8)


def test_a_loss_that_writes_into_the_outputs(right):
    model, _, data = problem("MLP tanh", samples=39)

    def written(outputs, targets):
        outputs *= 2.0
        return nn.functional.cross_entropy(outputs, targets)

    dense = dense_gauss_newton(model, lambda outputs, y: nn.functional.cross_entropy(outputs * 2.0, y), data)
    G = GaussNewtonOperator(Objective(model, written, data, batch_size=32))
    right.record(PRODUCTS, ROW_BY_ROW, worst(G, dense), 1e-12, 3)


def test_a_loss_linear_in_the_outputs_gives_zero_and_one_of_no_parameter_an_error():
    model, _, data = problem("MLP tanh")
    G = GaussNewtonOperator(Objective(model, lambda outputs, targets: outputs.mean(), data, batch_size=32))
    assert np.array_equal(G.to_dense(), np.zeros((57, 57)))
    detached = Objective(model, lambda outputs, targets: outputs.detach().square().mean(), data)
    with pytest.raises(ModelError, match="expected a loss that depends on the parameters"):
        GaussNewtonOperator(detached) @ torch.ones(57)


def test_a_layer_without_second_derivative_says_so():
    G = GaussNewtonOperator(Objective(OnceDifferentiable(), nn.MSELoss(), (torch.ones(4, 3), torch.zeros(4, 1))))
    with pytest.raises(ModelError, match="expected a loss that can be differentiated twice"):
        G @ torch.ones(4)


def test_kept_graphs_are_counted_and_used_again():
    data = problem("MLP tanh")[2]
    objective = Objective(CountingMLP(), nn.CrossEntropyLoss(), data, batch_size=32)
    unlimited, none = GaussNewtonOperator(objective), GaussNewtonOperator(objective, graph_memory=0)
    vector = torch.ones(objective.size, dtype=torch.float64)
    COUNTER.clear()
    first = unlimited @ vector
    assert COUNTER == [32, 32, 32, 7]
    assert torch.equal(first, unlimited @ vector)
    assert len(COUNTER) == 4  # no forward pass for the second product
    torch.testing.assert_close(none @ vector, first, rtol=1e-13, atol=1e-16)
    assert len(COUNTER) == 8
    half = GaussNewtonOperator(objective, graph_memory=unlimited._graphs.memory // 2)
    torch.testing.assert_close(half @ vector, first, rtol=1e-13, atol=1e-16)
    assert 0 < half._graphs.memory <= unlimited._graphs.memory // 2
    assert none._graphs.memory == 0


def test_products_interleave_resume_and_restore_the_attention_back_end():
    model, loss, data = problem("TransformerEncoder")
    G = GaussNewtonOperator(Objective(model, loss, data, batch_size=32))
    one, other = torch.ones(G.size, dtype=torch.float64), torch.arange(G.size, dtype=torch.float64)
    expected = [G @ one, G @ other]
    partials = [PartialProduct(), PartialProduct()]
    runs = [G.product_steps(vector, partial) for vector, partial in zip([one, other], partials, strict=True)]
    flash = torch.backends.cuda.flash_sdp_enabled()
    for _ in range(2):
        for run in runs:
            next(run)
            assert torch.backends.cuda.flash_sdp_enabled() is flash
    states = [partial.copy() for partial in partials]
    for vector, state, product in zip([one, other], states, expected, strict=True):
        assert state.done == 2
        run = G.product_steps(vector, state)
        for _ in range(2):
            next(run)
        with pytest.raises(StopIteration) as end:
            next(run)
        assert torch.equal(end.value.value, product)


def test_lanczos_and_eigsh_find_the_dense_eigenvalues(right):
    model, loss, data, dense = known("TransformerEncoder")
    G = GaussNewtonOperator(Objective(model, loss, data, batch_size=32))
    exact = np.linalg.eigvalsh(dense)[::-1]
    found = np.sort(eigsh(G.to_scipy(), k=4, which="LA", return_eigenvectors=False))[::-1]
    right.record("to_scipy under eigsh", "numpy eigvalsh of JᵀHJ", np.abs(found - exact[:4]).max() / exact[0], 1e-10)
    pairs = Lanczos(G, largest=3, smallest=0, tol=1e-8).run()
    error = np.abs(pairs.values - exact[:3]).max() / exact[0]
    right.record("Lanczos on Gauss-Newton", "numpy eigvalsh of JᵀHJ", error, 1e-10, 3)


@pytest.mark.parametrize("inference", [False, True])
def test_products_are_the_same_in_the_users_grad_modes(inference):
    model, loss, data = problem("MLP tanh")
    vector = torch.ones(57, dtype=torch.float64)
    expected = GaussNewtonOperator(Objective(model, loss, data, batch_size=32)) @ vector
    with torch.inference_mode(inference), torch.no_grad():
        G = GaussNewtonOperator(Objective(model, loss, tuple(part.clone() for part in data), batch_size=32))
        assert torch.equal(G @ vector.clone(), expected)
    assert torch.equal(G @ vector, expected)


def test_the_users_model_is_as_before():
    model, loss, data = problem("BatchNorm in eval mode")
    before = copy.deepcopy(model.state_dict())
    G = GaussNewtonOperator(Objective(model, loss, data, batch_size=32))
    G @ torch.ones(G.size)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert G.question["operator"] == "GaussNewtonOperator"
    assert G.question["objective"]["samples"] == SAMPLES


def test_weights_of_batches(right):
    model = build(lambda: mlp(nn.Tanh))
    _, loss, data = problem("MLP tanh")
    parts = [(data[0][start : start + 32], data[1][start : start + 32]) for start in range(0, SAMPLES, 32)]
    weights = [3.0, 1.0, 0.5, 2.0]
    waiting = iter(weights)
    objective = Objective(model, loss, parts, weight=lambda inputs, targets: next(waiting))
    dense = sum(w * dense_gauss_newton(model, loss, part) for w, part in zip(weights, parts, strict=True)) / 6.5
    right.record(PRODUCTS, ROW_BY_ROW, worst(GaussNewtonOperator(objective), dense), 1e-12, 3)
