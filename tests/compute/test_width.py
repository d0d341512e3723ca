"""Blocks of vectors: products against dense matrices, the choice of a width, and estimators that step in blocks."""

import math
import warnings

import curvlinops.trace
import numpy as np
import pytest
import torch
from cases import Once, build, dense_hessian, judge, problem
from curvlinops.trace import epperly2024xtrace, meyer2020hutch
from test_gauss_newton import dense_gauss_newton
from torch import nn

from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators import width as choice
from landscape_widgets.compute.operators.algebra import deflate, project
from landscape_widgets.compute.operators.base import PartialProduct
from landscape_widgets.compute.operators.blocks import BlockOperator
from landscape_widgets.compute.operators.dense import DenseOperator
from landscape_widgets.compute.operators.gauss_newton import GaussNewtonOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.operators.width import Sample, Width, choose_width
from landscape_widgets.compute.trace import ExactTrace, HutchinsonTrace
from landscape_widgets.compute.trace_basis import orthogonal_block, orthogonal_part
from landscape_widgets.compute.trace_low_rank import HutchPlusPlusTrace, XTrace
from landscape_widgets.compute.trace_probes import probe_vector
from landscape_widgets.errors import ModelError, Outcome

ROW_BY_ROW = "dense float64 matrix, row by row"
NAMES = [
    "MLP tanh",
    "BatchNorm in eval mode",
    "TransformerEncoder",
    "tied weights",
    "embedding",
    "frozen and unused",
    "depthwise convolution",
    "LSTM",
    "parametrizations",
]


def wide(operator, width=5):
    """The same operator, that takes so many vectors at a time without a choice."""
    operator._width = Width(width)
    return operator


@pytest.fixture
def eager(monkeypatch):
    """Let every operator choose at once, and take blocks that are no faster."""
    monkeypatch.setattr(choice, "DUE", 0)
    monkeypatch.setattr(choice, "WORTH", 0.0)
    monkeypatch.setattr(choice, "GAIN", math.inf)
    monkeypatch.setattr(choice, "HELD", math.inf)


@pytest.mark.parametrize("name", NAMES)
def test_blocks_of_every_model_with_uneven_batches(name, right):
    model, loss, data = problem(name)
    objective = Objective(model, loss, data, batch_size=32)
    vectors = np.random.default_rng(0).standard_normal((objective.size, 7))
    kinds = {HessianOperator: dense_hessian}
    if name in ("frozen and unused", "TransformerEncoder"):
        kinds[GaussNewtonOperator] = dense_gauss_newton
    for kind, make in kinds.items():
        dense = make(model, loss, data)
        scale = np.linalg.norm(dense, 2) * np.linalg.norm(vectors, axis=0)
        for memory in (2**30, 0):
            operator = wide(kind(objective, graph_memory=memory))
            error = (np.linalg.norm(operator @ vectors - dense @ vectors, axis=0) / scale).max()
            right.record(f"products of blocks of vectors, {kind.__name__}", ROW_BY_ROW, error, 1e-12, 7)


def test_blocks_in_every_form_they_are_asked_in(right):
    model, loss, data = problem("MLP tanh")
    H = wide(HessianOperator(Objective(model, loss, data, batch_size=32)), 2)
    error = judge(H, dense_hessian(model, loss, data))
    right.record("products of blocks of vectors, HessianOperator", ROW_BY_ROW, error, 1e-12)


@pytest.mark.parametrize("name", ["MLP tanh", "LayerNorm", "TransformerEncoder", "BatchNorm in eval mode"])
def test_blocks_in_float32_are_as_near_to_float64_as_single_products(name, right):
    model, loss, data = problem(name, torch.float32)
    dense = dense_hessian(model, loss, data)
    vectors = np.random.default_rng(0).standard_normal((len(dense), 6)).astype(np.float32)
    objective = Objective(model, loss, data)
    exact = dense @ vectors

    def off(operator):
        return np.linalg.norm(operator @ vectors - exact) / np.linalg.norm(exact)

    bound = 3 * off(HessianOperator(objective)) + np.finfo(np.float32).eps
    right.record("blocks in float32, in allowed errors", ROW_BY_ROW, off(wide(HessianOperator(objective))) / bound, 1.0)


def test_operators_made_of_operators_multiply_blocks(right):
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data, batch_size=32)
    H, G = (wide(kind(objective)) for kind in (HessianOperator, GaussNewtonOperator))
    dense, other = dense_hessian(model, loss, data), dense_gauss_newton(model, loss, data)
    size = len(dense)
    rng = np.random.default_rng(1)
    U = np.linalg.qr(rng.standard_normal((size, 3)))[0]
    P = np.eye(size) - U @ U.T
    first = slice(0, 36)
    cases = [
        ((2.0 * H - G).shift(0.5), 2.0 * dense - other + 0.5 * np.eye(size)),
        (deflate(H, U, np.array([1.0, 2.0, 3.0])), P @ dense @ P + U @ np.diag([1.0, 2.0, 3.0]) @ U.T),
        (project(H, U), U.T @ dense @ U),
        (BlockOperator(H, "0"), dense[first, first]),
        (BlockOperator(H + G, "0"), (dense + other)[first, first]),
    ]
    for operator, expected in cases:
        vectors = rng.standard_normal((operator.size, 7))
        error = np.linalg.norm(operator @ vectors - expected @ vectors) / np.linalg.norm(dense)
        right.record("blocks of sums, deflations, projections, layers", ROW_BY_ROW, error, 1e-11, 7)
    assert [operator.width(9) for operator, _ in cases] == [5, 5, 5, 5, 1]
    assert (H + DenseOperator(dense)).width(9) == 1  # as many as every term takes


def test_a_loss_that_is_linear_has_zero_blocks():
    model = nn.Linear(3, 1, bias=False).double()
    inputs = torch.ones(4, 3, dtype=torch.float64)
    objective = Objective(model, lambda outputs, targets: outputs.mean(), (inputs, inputs))
    for kind in (HessianOperator, GaussNewtonOperator):
        assert np.array_equal(wide(kind(objective)) @ np.ones((3, 2)), np.zeros((3, 2)))


def test_a_choice_is_made_where_it_pays_and_kept(eager):
    model, loss, data = problem("MLP tanh")
    H = HessianOperator(Objective(model, loss, data, batch_size=32))
    assert H.question["width"] == "one vector at a time"
    assert H.width(100) == 1  # nothing is known before a product
    dense = dense_hessian(model, loss, data)
    assert np.linalg.norm(H.to_dense() - dense) < 1e-12 * np.linalg.norm(dense)
    assert H.question["width"] == "32 vectors at a time"
    assert [H.width(count) for count in (1, 20, 100)] == [1, 20, 32]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_blocks_of_every_model_pass_their_own_check(name, dtype, eager):
    model, loss, data = problem(name, dtype)
    H = HessianOperator(Objective(model, loss, data))
    vector = torch.ones(H.size, dtype=dtype)
    H @ vector, H @ vector
    width = H.width(100)
    assert width == 32, H.question["width"]


def test_the_second_derivative_of_groupnorm_is_not_mapped_by_torch_which_is_said(eager):
    model, loss, data = problem("GroupNorm")
    H = HessianOperator(Objective(model, loss, data))
    dense = dense_hessian(model, loss, data)
    assert np.linalg.norm(H.to_dense() - dense) < 1e-12 * np.linalg.norm(dense)
    assert H.question["width"].startswith("one vector at a time: The size of tensor")


def test_without_pressing_a_small_sum_of_products_takes_no_choice():
    model, loss, data = problem("MLP tanh")
    H = HessianOperator(Objective(model, loss, data))
    H @ np.ones((H.size, 3))
    assert H.question["width"] == "one vector at a time"


class Hooked(nn.Module):
    """Looks at a gradient on its way and branches: not to be mapped over vectors."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x):
        hidden = torch.tanh(self.first(x))
        if hidden.requires_grad:
            hidden.register_hook(lambda gradient: gradient if bool(gradient.sum() < 1e9) else 2 * gradient)
        return self.second(hidden)


def test_a_model_that_cannot_be_mapped_is_multiplied_one_by_one_and_says_why(eager):
    (_, loss, data), model = problem("MLP tanh"), build(Hooked)
    H = HessianOperator(Objective(model, loss, data, batch_size=32))
    dense = dense_hessian(model, loss, data)
    assert np.linalg.norm(H.to_dense() - dense) < 1e-12 * np.linalg.norm(dense)
    assert H.question["width"].startswith("one vector at a time: ")
    assert "is_nonzero" in H.question["width"]
    found = HutchinsonTrace(H, 12).run()
    assert found.products == 12
    assert found.question["width"] == H.question["width"]


def test_a_loss_without_second_derivative_still_says_so(eager):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 1)

        def forward(self, x):
            return Once.apply(self.layer(x).tanh())

    H = HessianOperator(Objective(Model(), nn.MSELoss(), (torch.ones(4, 3), torch.zeros(4, 1))))
    for ask in (lambda: H @ torch.ones(4, 6), lambda: wide(H) @ torch.ones(4, 6), lambda: XTrace(H, 8).run()):
        with pytest.raises(ModelError, match="expected a loss that can be differentiated twice"):
            ask()


MATRIX = torch.diag(torch.arange(1.0, 8.0, dtype=torch.float64))
SAMPLE = Sample(seconds=1e-3, memory=1.0, batches=1)


def chosen(monkeypatch, multiply, seconds, sample=SAMPLE, exact=None, theta=MATRIX[0]):
    """The choice where one vector takes a millisecond, and the block that is tried as many as given."""
    now = [0.0]

    def timed(vectors):
        product = multiply(vectors)
        now[0] += 1e-3 * (1.0 if vectors.ndim == 1 else seconds)
        return product

    monkeypatch.setattr(choice, "clock", lambda device: now[0])
    return choose_width(sample, theta, timed, exact)


def test_the_faster_way_is_chosen(monkeypatch):
    for seconds, count in ((0.5, 25), (14.3, 25), (14.5, 1), (40.0, 1)):  # against sixteen one by one
        found = chosen(monkeypatch, lambda vectors: MATRIX @ vectors, seconds)
        assert found.count == count
        assert found.reason == ("" if count > 1 else "no slower than several")


def test_a_block_is_bounded_in_time_and_memory():
    assert Sample(1e-9, 1.0, 1).most == 32
    assert Sample(0.005, 1.0, 1).most == 5
    assert Sample(1e-9, 2.0**23, 1).most == 8
    assert Sample(1.0, 1.0, 1).most == 0
    assert [Sample(1e-3, 1.0, 4).pays(due) for due in (11, 12)] == [False, True]
    assert not Sample(1e-6, 1.0, 1).pays(1000)


def wrong(factor):
    return lambda vectors: MATRIX @ vectors * (1.0 if vectors.ndim == 1 else factor)


def test_a_block_with_other_products_is_refused(monkeypatch):
    found = chosen(monkeypatch, wrong(1 + 1e-10), 0.5)
    assert (found.count, found.reason) == (1, "products of a block differ by 1.0e-10, allowed 1.0e-12")
    assert chosen(monkeypatch, wrong(math.nan), 0.5).count == 1
    single = {"exact": lambda vector: MATRIX @ vector, "theta": MATRIX[0].float()}

    def rounded(factor):
        return lambda vectors: (MATRIX.float() @ vectors) * (1.0 if vectors.ndim == 1 else factor)

    assert chosen(monkeypatch, rounded(1.0), 0.5, **single).count == 25
    assert chosen(monkeypatch, rounded(1 + 1e-5), 0.5, **single).reason.startswith("products of a block differ by 1")


def test_a_block_that_raises_or_is_not_mapped_is_refused(monkeypatch):
    def refusing(vectors):
        if vectors.ndim == 2:
            raise RuntimeError("vmap: no\nmore")
        return MATRIX @ vectors

    def slow(vectors):
        if vectors.ndim == 2:
            warnings.warn("we have not yet implemented the batching rule for aten::odd", UserWarning, stacklevel=1)
        return MATRIX @ vectors

    assert chosen(monkeypatch, refusing, 0.5) == Width(reason="vmap: no")
    assert "batching rule for aten::odd" in chosen(monkeypatch, slow, 0.5).reason


def test_other_dtypes_and_large_products_keep_single_vectors(eager, monkeypatch):
    model, loss, data = problem("MLP tanh", torch.float32)
    half = HessianOperator(Objective(model, loss, data, dtype=torch.bfloat16))
    half @ torch.ones(half.size)
    assert half.width(100) == 1
    assert half.question["width"] == "one vector at a time: no check in bfloat16"
    monkeypatch.setattr(choice, "HELD", 0.0)
    H = HessianOperator(Objective(model, loss, data))
    H @ torch.ones(H.size, 2)
    assert H.width(100) == 1
    assert H.question["width"] == "one vector at a time: too large to share an overhead"
    monkeypatch.setattr(choice, "HELD", math.inf)  # it only seemed so, beside a busy neighbour
    assert H.width(100) == 32


def estimators(H):
    pairs = Lanczos(H, 2, 1, tol=1e-1).run()
    return {
        "Hutchinson": HutchinsonTrace(H, 23),
        "Rademacher": HutchinsonTrace(H, 23, 1, "rademacher"),
        "deflated": HutchinsonTrace(H, 12, deflate=pairs),
        "Hutch++": HutchPlusPlusTrace(H, 25),
        "XTrace": XTrace(H, 27),
        "exact": ExactTrace(H, block=10),
    }


@pytest.mark.parametrize("width", [2, 7, 32])
def test_estimates_do_not_depend_on_the_width_and_take_as_many_products(width, right):
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data, batch_size=32)
    single, several = estimators(HessianOperator(objective)), estimators(HessianOperator(objective))
    scale = np.abs(np.linalg.eigvalsh(dense_hessian(model, loss, data))).sum()
    for name, method in several.items():
        wide(method.operator, width)
        found, plain = method.run(), single[name].run()
        assert (found.products, found.probes, found.done, found.total) == (
            plain.products,
            plain.probes,
            plain.done,
            plain.total,
        )
        assert found.outcome is plain.outcome is Outcome.COMPLETE
        np.testing.assert_array_equal(found.cost_history, plain.cost_history)
        off = np.abs(np.r_[found.value_history - plain.value_history, found.value - plain.value]).max()
        off = max(off, np.nanmax(np.abs(found.error_history - plain.error_history), initial=0.0))
        right.record("traces by blocks of vectors", "the same vectors one by one", off / scale, 1e-9, 1)
        assert found.question["width"] == f"{width} vectors at a time"


@pytest.mark.parametrize("name", ["MLP tanh", "depthwise convolution"])
def test_estimates_by_blocks_are_those_of_curvlinops_on_the_same_vectors(name, monkeypatch, right):
    model, loss, data = problem(name)
    dense = dense_hessian(model, loss, data)
    H = wide(HessianOperator(Objective(model, loss, data, batch_size=32)), 4)
    peers = {
        "hutchinson": (curvlinops.trace.hutchinson, "hutchinson_trace", 20, 20, HutchinsonTrace(H, 20, 1)),
        "Hutch++": (meyer2020hutch, "hutchpp_trace", 21, 14, HutchPlusPlusTrace(H, 21, 1)),
        "XTrace": (epperly2024xtrace, "xtrace", 18, 9, XTrace(H, 18, 1, resphere=False)),
    }
    for module, function, products, vectors, ours in peers.values():
        drawn = iter([probe_vector(H, 1, index) for index in range(vectors)])
        monkeypatch.setattr(module, "random_vector", lambda *_, drawn=drawn: next(drawn))
        expected = float(getattr(module, function)(torch.as_tensor(dense), products, "normal"))
        error = abs(ours.run().value - expected) / np.linalg.norm(dense)
        right.record("traces by blocks on given vectors", "curvlinops on the dense Hessian", error, 1e-10, vectors)


@pytest.mark.parametrize("name", ["Hutchinson", "deflated", "Hutch++", "XTrace", "exact"])
def test_a_block_under_way_is_taken_up_again_where_blocks_pay_and_where_they_do_not(name):
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data, batch_size=32)
    whole = wide(estimators(HessianOperator(objective))[name].operator, 6)
    method = estimators(whole)[name]
    straight = method.run()
    for other in (wide(HessianOperator(objective), 6), HessianOperator(objective)):
        stream = method.stream()
        states = [stream.checkpoint() for _, _ in zip(range(14), stream, strict=False)]
        under_way = [state for state in states if state.together > 1 and state.pending.done]
        assert under_way
        for state in under_way[:3]:
            before = state.products
            again = type(method).__new__(type(method))
            again.__dict__.update(method.__dict__, operator=other)
            resumed = list(again.stream(state))[-1]
            assert state.products == before  # a checkpoint is not changed
            assert resumed.products == straight.products
            assert resumed.value == pytest.approx(straight.value, rel=1e-10)
            np.testing.assert_array_equal(resumed.cost_history, straight.cost_history)


class Wide(DenseOperator):
    """A matrix whose products come in blocks of three; column `bad` of all columns is turned NaN."""

    def __init__(self, matrix, bad=None):
        super().__init__(matrix)
        self.multiplied, self.bad, self.shapes = 0, bad, []

    def width(self, count):
        return min(count, 3)

    def product_steps(self, vector, partial=None):
        self.shapes.append(tuple(vector.shape[1:]))
        image = yield from super().product_steps(vector, PartialProduct() if partial is None else partial)
        image, first = image.clone(), self.multiplied
        self.multiplied += math.prod(vector.shape[1:])
        if self.bad is not None and first <= self.bad < self.multiplied:
            image.reshape(self.size, -1)[0, self.bad - first] = math.nan
        return image


def test_a_matrix_is_multiplied_in_blocks_and_a_vector_by_itself():
    A = Wide(MATRIX)
    assert torch.equal(A @ torch.ones(7, 7, dtype=torch.float64), MATRIX @ torch.ones(7, 7, dtype=torch.float64))
    assert A.shapes == [(3,), (3,), ()]
    assert (A @ torch.ones(7, 0, dtype=torch.float64)).shape == (7, 0)


def test_the_bad_vector_of_a_block_is_named_and_those_before_it_kept():
    matrix = np.diag(np.arange(1.0, 21.0))
    found = HutchinsonTrace(Wide(matrix, bad=7), 12).run()
    assert found.outcome is Outcome.NOT_FINITE
    assert found.caution.startswith("The product of probe 8 ")
    assert len(found.value_history) == 7
    assert np.isfinite(found.value_history).all()
    assert found.products == 9  # the whole block is paid for
    words = {
        "sketch vector 2": HutchPlusPlusTrace(Wide(matrix, bad=1), 12),
        "basis vector 2": HutchPlusPlusTrace(Wide(matrix, bad=5), 12),
        "test vector 3": XTrace(Wide(matrix, bad=2), 12),
        "column 3": XTrace(Wide(matrix, bad=5), 12),
    }
    for name, method in words.items():
        found = method.run()
        assert found.outcome is Outcome.NOT_FINITE
        assert found.caution.startswith(f"The product of {name} gave NaN")


@pytest.mark.parametrize("rank", [0, 1, 2, 4, 5])
def test_the_range_of_a_low_rank_matrix_is_exhausted_inside_a_block(rank, right):
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((40, 40)))[0]
    values = np.r_[[4.0, -2.0, 1.0, 3.0, 0.5][:rank], np.zeros(40 - rank)]
    matrix = (rotation * values) @ rotation.T
    found = XTrace(Wide((matrix + matrix.T) / 2), 30).run()
    error = abs(found.value - values.sum())
    right.record("XTrace of low rank by blocks", "sum of the eigenvalues", error, 1e-13, 1)
    assert found.outcome is Outcome.CONVERGED
    assert error <= max(found.standard_error, 1e-14)
    assert found.products == rank + 3 * (rank // 3 + 1)  # blocks that were begun count in full
    plus = HutchPlusPlusTrace(Wide((matrix + matrix.T) / 2), 30).run()
    right.record("Hutch++ of low rank by blocks", "sum of the eigenvalues", abs(plus.value - values.sum()), 1e-13, 1)


def test_a_block_is_orthogonalised_as_its_vectors_one_by_one(right):
    rng = np.random.default_rng(0)
    basis = list(torch.as_tensor(np.linalg.qr(rng.standard_normal((50, 6)))[0].T.copy()))
    graded = rng.standard_normal((50, 4)) * np.array([1.0, 1e-3, 1e-6, 1e-9])  # each far smaller than those before
    images = torch.as_tensor(np.cumsum(graded[:, ::-1], axis=1)[:, ::-1].copy())
    columns, coefficients = orthogonal_block(images, basis)
    everything = torch.cat([torch.stack(basis, 1), columns], 1).numpy()
    off = np.abs(everything.T @ everything - np.eye(10)).max()
    right.record("orthogonality of a block", "QᵀQ = I", off, 1e-14, 1)
    right.record("a block from its basis", "QR", np.abs(everything @ coefficients - images.numpy()).max(), 1e-14, 1)
    one, single = orthogonal_part(images[:, 0], basis)
    np.testing.assert_allclose(coefficients[:7, 0], single, atol=1e-14)
    np.testing.assert_allclose(columns[:, 0], one, atol=1e-13)
    assert orthogonal_block(images[:, [0, 1, 0]], basis) is None
