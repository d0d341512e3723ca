"""The density of eigenvalues against dense float64 eigenvalues, moments, closed forms, scipy and curvlinops."""

import dataclasses

import numpy as np
import pytest
import torch
from cases import build, dense_hessian, mlp, problem, seeded
from scipy.sparse.linalg import eigsh
from torch import nn

from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import PartialProduct
from landscape_widgets.compute.operators.blocks import BlockOperator, layer_blocks
from landscape_widgets.compute.operators.dense import DenseOperator
from landscape_widgets.compute.operators.gauss_newton import GaussNewtonOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.spectrum import SpectralDensity, gauss_rule, layer_sizes
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import SpectrumEstimate
from landscape_widgets.results.spectrum import CHANGE
from landscape_widgets.zoo import toy_saddle

EXACT = "NumPy eigvalsh of the dense float64 Hessian"
GAUSSIANS = "the sum of Gaussians at the exact eigenvalues"


def symmetric(values, seed=0):
    """A float64 matrix with these eigenvalues in a random basis."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((len(values), len(values))))[0]
    matrix = (basis * values) @ basis.T
    return (matrix + matrix.T) / 2


def outliers(size, seed=0):
    """Eigenvalues as a trained network's: a few large, a bulk near zero, some negative."""
    values = 0.05 * np.random.default_rng(seed).standard_normal(size)
    values[:4] = [5.0, 3.0, 2.0, -0.7]
    return values


@pytest.fixture(scope="module")
def network():
    """(Hessian operator, its dense matrix, eigenvalues) of a trained tanh MLP with P = 503 in float64."""
    data = torch.randn(64, 16, generator=seeded(1), dtype=torch.float64)
    targets = (data[:, 0] * data[:, 1] > 0).long() + (data[:, 2] > 0.5)
    model = build(lambda: mlp(nn.Tanh, (16, 25, 3)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(data), targets).backward()
        optimizer.step()
    dense = dense_hessian(model, nn.CrossEntropyLoss(), (data, targets))
    H = HessianOperator(Objective(model, nn.CrossEntropyLoss(), (data, targets)))
    return H, dense, np.linalg.eigvalsh(dense)


def start_vector(run, number=0):
    """The unit start vector of a probe, float64, drawn again as the documentation says."""
    state = run._start(number)
    seed = (state.seed + 0x9E3779B97F4A7C15 * number) % 2**63
    drawn = torch.randn(run.operator.size, generator=seeded(seed)).double().numpy()
    return drawn / np.linalg.norm(drawn)


def transport(estimate, exact):
    """∫ |cumulative - exact cumulative| dx, over the width of the spectrum."""
    edges = np.unique(np.r_[estimate.nodes, exact])
    truth = np.searchsorted(np.sort(exact), edges[:-1], side="right") / len(exact)
    return (np.abs(estimate.cumulative(edges[:-1]) - truth) * np.diff(edges)).sum() / np.ptp(exact)


def bells(x, nodes, width):
    """Normal densities around the nodes, (len(x), len(nodes))."""
    return np.exp(-((x[:, None] - nodes) ** 2) / (2 * width**2)) / (2 * np.pi * width**2) ** 0.5


def smoothed(exact, x, width):
    """The exact density, smoothed, written out."""
    return bells(x, exact, width).mean(axis=1)


def test_the_mass_is_one_in_every_partial_result(right):
    worst, cases = 0.0, 0
    for values, dtype in ((outliers(60), torch.float64), (outliers(60), torch.float32), (np.zeros(9), torch.float32)):
        operator = DenseOperator(torch.as_tensor(symmetric(values)).to(dtype))
        stream = SpectralDensity(operator, steps=20, probes=3).stream()
        assert np.isnan(next(stream).mass)
        for partial in stream:
            if not len(partial.nodes):
                continue
            sums = [partial.weights[partial.probe == number].sum() for number in range(len(partial.taken))]
            worst, cases = max(worst, np.abs(np.array([*sums, partial.mass]) - 1).max()), cases + len(sums)
            assert (partial.weights >= 0).all()
            x = np.linspace(partial.lowest[0] - 1, partial.highest[0] + 1, 2001)
            worst = max(worst, abs(partial.density(x, 0.1).sum() * (x[1] - x[0]) - 1))
    right.record("mass of the spectral density, weights and integral", "1", worst, 1e-6, cases)


@pytest.mark.parametrize("steps", [1, 2, 5, 9])
def test_the_quadrature_is_exact_for_moments_up_to_twice_the_steps(steps, right):
    matrix = symmetric(np.linspace(-1.0, 0.8, 80))
    run = SpectralDensity(DenseOperator(matrix), steps=steps, probes=2, seed=3)
    found = run.run()
    for number in range(2):
        vector = image = start_vector(run, number)
        nodes, weights = found.nodes[found.probe == number], found.weights[found.probe == number]
        assert len(nodes) == steps
        for order in range(2 * steps + 1):
            error = abs((weights * nodes**order).sum() - vector @ image) / (weights * np.abs(nodes) ** order).sum()
            if order < 2 * steps:
                right.record("Gauss quadrature, moments vᵀAᵏv, k ≤ 2m - 1", "NumPy powers of the matrix", error, 1e-10)
            image = matrix @ image
        assert error > 1e-8  # not for k = 2m: the comparison can fail


def test_all_unit_vectors_and_all_steps_give_the_exact_density(right):
    model, loss, data = problem("MLP tanh")
    exact = np.linalg.eigvalsh(dense_hessian(model, loss, data))
    H = HessianOperator(Objective(model, loss, data, batch_size=None))
    found = SpectralDensity(DenseOperator(H.to_dense()), steps=len(exact), probes=np.eye(len(exact))).run()
    check_exact(found, exact, right)
    assert found.question["start vectors"] == "given"


def check_exact(found, exact, right):
    assert found.outcome is Outcome.COMPLETE
    assert found.exact.all()
    width = 0.02 * np.ptp(exact)
    x = found.grid(301, width)
    truth = smoothed(exact, x, width)
    error = np.abs(found.density(x, width) - truth).max() / truth.max()
    right.record("spectral density of all unit vectors", GAUSSIANS, error, 1e-8, len(exact))
    right.record("cumulative of all unit vectors", EXACT, transport(found, exact), 1e-8, len(exact))
    trace, _ = found.trace
    right.record("trace of all unit vectors", EXACT, abs(trace - exact.sum()) / np.abs(exact).sum(), 1e-10)
    assert transport(found, exact + 0.01 * np.ptp(exact)) > 1e-3  # a shifted spectrum is told apart


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_smoothed_density_of_five_hundred_parameters(network, right):
    """All unit vectors leave no sampling error, and 100 steps none above 1e-8 at a width of 5 %."""
    _, dense, exact = network
    found = SpectralDensity(DenseOperator(dense), steps=100, probes=np.eye(len(exact))).run()
    width = 0.05 * np.ptp(exact)
    x = found.grid(301, width)
    truth = smoothed(exact, x, width)
    error = np.abs(found.density(x, width) - truth).max() / truth.max()
    right.record("spectral density of all unit vectors, P = 503", GAUSSIANS, error, 1e-8, len(exact))
    for order in range(1, 9):
        error = abs(found.moment(order)[0] - np.mean(exact**order)) / np.mean(np.abs(exact) ** order)
        right.record("moments of all unit vectors, P = 503", EXACT, error, 1e-10)


def test_random_probes_of_a_network_agree_to_sampling_error(network, right):
    H, _, exact = network
    found = SpectralDensity(H, steps=40, probes=20, seed=1).run()
    assert found.outcome is Outcome.COMPLETE
    assert found.products == found.total == 800
    right.record("cumulative of 20 random probes", EXACT, transport(found, exact), 0.02)
    for order in range(1, 5):
        value, error = found.moment(order)
        deviation = abs(value - np.mean(exact**order)) / error
        right.record("moments of 20 random probes, in standard errors", EXACT, deviation, 4)
    trace, error = found.trace
    assert trace == pytest.approx(len(exact) * found.moment(1)[0])
    assert abs(trace - exact.sum()) < 4 * error < abs(exact.sum())
    x = np.linspace(exact[0], exact[-1], 200)
    width = 0.05 * np.ptp(exact)
    outside = np.abs(found.density(x, width) - smoothed(exact, x, width)) > 4 * found.spread(x, width) + 1e-6
    assert outside.mean() <= 0.02
    steps = np.abs(found.cumulative(x) - np.searchsorted(exact, x, side="right") / len(exact))
    assert (steps > 4 * found.cumulative_spread(x) + 0.05).mean() <= 0.02


def test_the_standard_error_is_that_of_repeated_runs(right):
    """Over 50 seeds the trace deviates by the error stated, and is not biased."""
    values = outliers(200)
    operator = DenseOperator(np.diag(values))
    runs = [SpectralDensity(operator, steps=2, probes=10, seed=seed).run().trace for seed in range(50)]
    traces, errors = np.array(runs).T
    ratio = traces.std() / np.sqrt(np.mean(errors**2))
    right.record("standard error of the trace over 50 seeds", "their standard deviation", abs(ratio - 1), 0.3, 50)
    assert abs(traces.mean() - values.sum()) < 4 * traces.std() / 50**0.5


def test_the_ends_agree_with_scipy_and_say_their_residual(network, right):
    H, _, exact = network
    found = SpectralDensity(H, steps=60, probes=2).run()
    ends = eigsh(H.to_scipy(), 2, which="BE", return_eigenvectors=False, v0=np.ones(len(exact)))
    for (value, residual), oracle in zip((found.lowest, found.highest), ends, strict=True):
        right.record("ends of the spectral density", "scipy eigsh", abs(value - oracle) / exact[-1], 1e-6)
        assert residual < 1e-3 * exact[-1]
    distances = np.abs(exact[:, None] - found.nodes).min(axis=0)
    assert (distances <= found.residuals + 1e-12 * exact[-1]).all()


def test_a_lanczos_by_hand_on_the_hessian_of_curvlinops(right):
    """An independent operator and an independent recurrence, orthogonalised by QR."""
    model, loss, data = problem("MLP tanh")
    curvlinops = pytest.importorskip("curvlinops")
    parameters = list(model.parameters())
    peer = curvlinops.HessianLinearOperator(model, loss, parameters, [data], check_deterministic=False).to_scipy()
    run = SpectralDensity(HessianOperator(Objective(model, loss, data, batch_size=32)), steps=12, probes=1, seed=2)
    found = run.run()
    basis = [start_vector(run)]
    for _ in range(11):
        basis.append(np.linalg.qr(np.column_stack([*basis, peer @ basis[-1]]))[0][:, -1])
    Q = np.column_stack(basis)
    nodes, vectors = np.linalg.eigh(Q.T @ (peer @ Q))
    right.record(
        "quadrature nodes", "QR Lanczos on curvlinops", np.abs(found.nodes - nodes).max() / nodes[-1], 1e-9, 12
    )
    right.record(
        "quadrature weights", "QR Lanczos on curvlinops", np.abs(found.weights - vectors[0] ** 2).max(), 1e-9, 12
    )


def test_the_toy_saddle_breaks_down_after_three_steps_with_exact_nodes(right):
    model, loss, data = toy_saddle(n=500)
    H = HessianOperator(Objective(model, loss, data))
    found = SpectralDensity(H, steps=50, probes=40).run()
    assert found.outcome is Outcome.COMPLETE
    assert found.exact.all()
    assert found.taken.tolist() == [3] * 40
    nodes, weights = found.nodes.reshape(40, 3), found.weights.reshape(40, 3)
    worst = np.abs(nodes - [-1.0, 0.0, 1.0]).max()
    right.record("nodes of the toy saddle", "-1, 0 and 1", worst, 1e-10, 120)
    expected = np.array([500, 1, 500]) / 1001
    deviation = np.abs(weights.mean(axis=0) - expected) / (weights.std(axis=0, ddof=1) / 40**0.5)
    right.record("weights of the toy saddle, in standard errors", "500, 1, 500 of 1001", deviation.max(), 4, 3)
    assert found.cumulative([-1.5, -0.5, 0.5, 1.5]) == pytest.approx([0, 0.5, 0.5, 1], abs=0.02)
    assert "exhaust the Krylov space" in found.summary
    assert "steps" not in found.caution()
    assert found.width == pytest.approx(2 / 50)
    assert found.products < found.total


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("values", [np.zeros(5), np.full(7, -3.0), np.array([2.0]), np.repeat([1.0, 4.0], 6)])
def test_degenerate_spectra_end_early_and_exact(values, dtype, right):
    operator = DenseOperator(torch.as_tensor(np.diag(values)).to(dtype))
    found = SpectralDensity(operator, steps=50, probes=3).run()
    assert found.outcome is Outcome.COMPLETE
    assert found.exact.all()
    assert found.taken.tolist() == [len(np.unique(values))] * 3
    error = np.abs(found.nodes.reshape(3, -1) - np.unique(values)).max()
    right.record(
        f"nodes of degenerate spectra, {dtype}", "the distinct eigenvalues", error, 100 * torch.finfo(dtype).eps
    )
    assert np.isfinite(found.density(found.grid())).all()
    assert found.caution() == "" or "Few probes" in found.caution()


def test_more_steps_than_parameters_are_exact(right):
    values = np.array([3.0, 1.0, 0.5, -2.0])
    found = SpectralDensity(DenseOperator(symmetric(values)), steps=50, probes=2).run()
    assert found.taken.tolist() == [4, 4]
    assert found.exact.all()
    assert "exact" in found.summary
    error = np.abs(found.nodes.reshape(2, 4) - np.sort(values)).max()
    right.record("nodes of more steps than parameters", EXACT, error, 1e-12, 8)


def test_no_ghosts_after_many_steps():
    """Without reorthogonalisation copies of the outliers appear, and take a visible share of the nodes."""
    exact = outliers(300)
    found = SpectralDensity(DenseOperator(symmetric(exact)), steps=150, probes=1).run()
    assert (found.nodes > 1.0).sum() == 3
    assert (found.nodes < -0.5).sum() == 1


def test_float32_agrees_with_float64(network):
    _, dense, exact = network
    single = SpectralDensity(DenseOperator(torch.as_tensor(dense).float()), steps=25, probes=2).run()
    double = SpectralDensity(DenseOperator(dense), steps=25, probes=2).run()
    assert single.question["dtype"] == "float32"
    x = double.grid(101)
    difference = np.abs(single.density(x, double.width) - double.density(x, double.width)).max()
    assert difference < 1e-3 * double.density(x).max()
    assert single.highest[0] == pytest.approx(double.highest[0], abs=1e-5 * exact[-1])


def test_hessian_minus_gauss_newton(right):
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data, batch_size=32)
    H, G = HessianOperator(objective), GaussNewtonOperator(objective)
    dense = dense_hessian(model, loss, data)
    exact = np.linalg.eigvalsh(dense - gauss_newton(model, data))
    unit = np.eye(H.size)
    found = SpectralDensity(DenseOperator((H - G).to_dense()), steps=H.size, probes=unit).run()
    right.record("density of H - G, cumulative", "dense H - JᵀH_ℓJ by jacrev", transport(found, exact), 1e-8, H.size)
    random = SpectralDensity(H - G, steps=30, probes=3).run()
    trace, error = random.trace
    assert abs(trace - exact.sum()) < 4 * error
    right.record("ends of H - G", "dense H - JᵀH_ℓJ by jacrev", abs(random.highest[0] - exact[-1]) / exact[-1], 1e-8)
    assert random.question["operator"] == "SumOperator"


def gauss_newton(model, data):
    """Σ JᵀH_ℓJ / N of the mean cross-entropy, by jacrev and the closed form of its Hessian in the outputs."""
    inputs, _ = data
    parameters = {name: value.detach() for name, value in model.named_parameters()}
    jacobians = torch.func.jacrev(lambda values: torch.func.functional_call(model, values, (inputs,)))(parameters)
    J = torch.cat([jacobian.flatten(2) for jacobian in jacobians.values()], dim=2)
    p = model(inputs).detach().softmax(1)
    curved = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    return (torch.einsum("nap,nab,nbq->pq", J, curved, J) / len(inputs)).numpy()


def test_the_layers_of_a_hessian(right):
    model, loss, data = problem("LayerNorm")
    H = HessianOperator(Objective(model, loss, data, batch_size=32))
    dense = dense_hessian(model, loss, data)
    sizes = layer_sizes(H)
    assert sum(sizes.values()) == H.size
    assert list(sizes) == [layer for layer, part in model.named_modules() if list(part.parameters(recurse=False))]
    start = 0
    for layer, size in sizes.items():
        exact = np.linalg.eigvalsh(dense[start : start + size, start : start + size])
        start += size
        block = BlockOperator(H, layer)
        assert block.size == layer_blocks(H)[layer].size == size
        found = SpectralDensity(DenseOperator(block.to_dense()), steps=size, probes=np.eye(size)).run()
        right.record("density of layer blocks, cumulative", "the dense block", transport(found, exact), 1e-8, size)
        streamed = SpectralDensity(block, steps=size, probes=1).run()
        error = abs(streamed.highest[0] - exact[-1]) / exact[-1]
        right.record("ends of layer blocks", "the dense block", error, 1e-10)


class Batched(DenseOperator):
    """A dense operator that takes several batches a product, counts them, and may go wrong after some."""

    def __init__(self, matrix, batches=3, wrong=None, after=10**9):
        super().__init__(matrix)
        self.batches, self.wrong, self.after, self.steps = batches, wrong, after, 0

    def product_steps(self, vector, partial=None):
        partial = PartialProduct() if partial is None else partial
        while partial.done < self.batches:
            share = self._matrix @ vector / self.batches
            if self.steps >= self.after:
                share = self.wrong(share)
            partial.total = share if partial.total is None else partial.total + share
            partial.done += 1
            self.steps += 1
            yield
        return partial.total


def same(one, other):
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        for field in dataclasses.fields(one)
        if field.name != "question"
    )


def test_ritz_values_stream_after_every_product():
    stream = SpectralDensity(Batched(symmetric(outliers(40))), steps=6, probes=2).stream()
    results = list(stream)
    counts = [
        (result.finished, int(result.taken[-1]) if len(result.taken) > result.finished else 0) for result in results
    ]
    assert set(counts) >= {(probe, step) for probe in (0, 1) for step in range(6)}
    assert len(results) == 2 * 6 * 3 + 1
    assert results[-1].outcome is Outcome.COMPLETE
    assert {result.outcome for result in results[:-1]} == {Outcome.RUNNING}
    assert [result.products for result in results] == sorted(result.products for result in results)
    running = next(result for result in results if result.finished == 0 and len(result.nodes) == 4)
    assert running.used == 1
    assert "unfinished" in running.caution()
    assert np.isnan(running.moment(1)[1])
    assert results[-1].mass == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("stop", [0, 1, 7, 20, 33, 100])
@pytest.mark.parametrize("probes", [3, np.random.default_rng(0).standard_normal((40, 3))], ids=["random", "given"])
def test_resuming_computes_nothing_twice_and_ends_the_same(stop, probes):
    operator = Batched(symmetric(outliers(40)))
    run = SpectralDensity(operator, steps=8, probes=probes, seed=5)
    whole = run.run()
    operator.steps = 0
    stream = run.stream()
    for _ in zip(range(stop), stream, strict=False):
        pass
    state = stream.checkpoint()
    stream.close()
    if stop and stop < 70:
        assert stream.latest.outcome is Outcome.CANCELLED
    for _ in range(2):  # the state is not used up
        *_, last = run.stream(resume=state)
    assert same(last, whole)
    operator.steps = 0
    list(run.stream(resume=state))
    assert operator.steps == 72 - max(0, min(stop, 73) - 1 + (stop > 0) - (stop > 72))


def test_more_probes_go_on_from_fewer():
    operator = Batched(symmetric(outliers(40)))
    few = SpectralDensity(operator, steps=8, probes=2).stream()
    list(few)
    operator.steps = 0
    *_, more = SpectralDensity(operator, steps=8, probes=5).stream(resume=few.checkpoint())
    assert operator.steps == 3 * 8 * 3
    assert same(more, SpectralDensity(operator, steps=8, probes=5).run())
    assert np.array_equal(more.nodes[:16], few.latest.nodes)
    with pytest.raises(InputError, match=r"expected a checkpoint of .*at most 1 probes, got .* with 2"):
        SpectralDensity(operator, steps=8, probes=1).stream(resume=few.checkpoint())
    with pytest.raises(InputError, match=r"\(40, 9, 0\).*got \(40, 8, 0\)"):
        SpectralDensity(operator, steps=9, probes=5).stream(resume=few.checkpoint())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_products_that_are_not_finite_end_the_run_and_keep_what_is_known(value):
    operator = Batched(symmetric(outliers(40)), 1, lambda share: share * value, after=11)
    found = SpectralDensity(operator, steps=8, probes=5).run()
    assert found.outcome is Outcome.NOT_FINITE
    assert found.taken.tolist() == [8, 3]
    assert found.finished == 1
    assert np.isfinite(found.nodes).all()
    whole = SpectralDensity(Batched(symmetric(outliers(40)), 1), steps=8, probes=5).run()
    assert np.array_equal(found.nodes[:8], whole.nodes[:8])
    first = SpectralDensity(Batched(symmetric(outliers(40)), 1, lambda share: share * value, 0), steps=8).run()
    assert first.outcome is Outcome.NOT_FINITE
    assert len(first.nodes) == 0
    assert np.isnan([first.mass, *first.trace, *first.lowest, first.width, first.change(), first.noise()]).all()
    assert np.isnan(first.density([0.0, 1.0])).all()
    assert first.grid().shape == (0,)


def test_an_operator_that_is_not_symmetric_is_a_breakdown():
    rng = np.random.default_rng(0)
    operator = Batched(symmetric(outliers(40)), 1)
    operator._matrix = operator._matrix + 0.1 * torch.as_tensor(rng.standard_normal((40, 40)))
    assert SpectralDensity(operator, steps=8, probes=5).run().outcome is Outcome.BREAKDOWN


def test_the_caution_says_what_is_missing():
    operator = DenseOperator(symmetric(np.random.default_rng(1).standard_normal(300)))
    one = SpectralDensity(operator, steps=1, probes=5).run()
    assert "One step a probe" in one.caution()
    assert "One probe" in SpectralDensity(operator, steps=30, probes=1).run().caution()
    assert "Few probes" in SpectralDensity(DenseOperator(np.diag([1.0, 2.0, 5.0])), steps=9, probes=3).run().caution()
    spiked = SpectralDensity(DenseOperator(np.diag(np.r_[100.0, np.linspace(0, 0.1, 300)])), probes=5).run()
    assert "a few large eigenvalues carry the spectrum" in spiked.caution()
    good = SpectralDensity(operator, steps=60, probes=12).run()
    assert good.caution() == ""
    assert good.summary.startswith("12 probes × 60 steps, 720 products, width ")
    assert "Not yet converged in steps: without the last fifth of them" in good.caution(good.width / 8)


@pytest.mark.parametrize("kind", ["outliers", "bell", "two clusters", "lattice"])
def test_steps_without_a_caution_leave_little_error(kind):
    """Where the change from fewer steps raises no caution, many more steps change little too."""
    values = {
        "outliers": outliers(300),
        "bell": np.random.default_rng(1).standard_normal(300),
        "two clusters": np.r_[np.linspace(0, 0.1, 150), np.linspace(0.9, 1, 150)],
        "lattice": np.repeat(np.arange(40.0), 8),
    }[kind]
    operator = DenseOperator(np.diag(values))
    best = SpectralDensity(operator, steps=100, probes=2).run()
    warned = 0
    for steps in (3, 10, 30):
        found = SpectralDensity(operator, steps=steps, probes=2).run()
        for share in (1.0, 0.5, 0.25, 0.1):
            width = share * found.width
            x = best.grid(1001, width)
            error = 0.5 * np.abs(found.density(x, width) - best.density(x, width)).sum() * (x[1] - x[0])
            if found.change(width) > CHANGE:
                warned += 1
            else:
                assert error < 3 * CHANGE, (steps, share)
    assert warned


def test_change_and_noise_are_the_areas_they_claim():
    operator = DenseOperator(symmetric(outliers(120)))
    found = SpectralDensity(operator, steps=20, probes=4).run()
    fewer = SpectralDensity(operator, steps=16, probes=4).run()
    x = found.grid(20001, 0.3)
    step = x[1] - x[0]
    area = 0.5 * np.abs(found.density(x, 0.3) - fewer.density(x, 0.3)).sum() * step
    assert found.change(0.3) == pytest.approx(area, rel=1e-2)
    assert found.noise(0.3) == pytest.approx(found.spread(x, 0.3).sum() * step, rel=1e-2)
    rules = [(found.nodes[found.probe == number], found.weights[found.probe == number]) for number in range(4)]
    values = np.array([(weights * bells(x, nodes, 0.3)).sum(axis=1) for nodes, weights in rules])
    assert np.allclose(found.spread(x, 0.3), values.std(axis=0, ddof=1) / 2)
    assert np.allclose(found.density(x, 0.3), values.mean(axis=0))


def test_a_seed_means_the_same_density_and_another_another():
    operator = DenseOperator(symmetric(outliers(40)))
    state = torch.random.get_rng_state()
    first, again, other = (SpectralDensity(operator, steps=8, probes=3, seed=seed).run() for seed in (4, 4, 5))
    assert same(first, again)
    assert not np.allclose(first.nodes, other.nodes)
    assert len({float(first.nodes[8 * probe]) for probe in range(3)}) == 3
    assert torch.equal(state, torch.random.get_rng_state())


def test_long_probes_find_their_nodes_less_often():
    run = SpectralDensity(DenseOperator(symmetric(outliers(260))), steps=230, probes=1)
    counts = sorted({len(partial.nodes) for partial in run.stream()})
    assert counts[:101] == list(range(101))
    assert 20 < len(counts[101:]) < 70
    assert counts[-1] == 230


def test_gauss_rule_of_legendre(right):
    """The Jacobi matrix of the Legendre polynomials gives NumPy's Gauss-Legendre rule."""
    for count in (1, 2, 7, 20):
        k = np.arange(1, count)
        off = k / np.sqrt(4.0 * k**2 - 1)
        rule = gauss_rule(np.diag(off, 1) + np.diag(off, -1))
        nodes, weights = np.polynomial.legendre.leggauss(count)
        error = max(np.abs(rule.nodes - nodes).max(), np.abs(rule.weights - weights / 2).max())
        right.record("Gauss rules", "NumPy leggauss", error, 1e-13, count)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"steps": 0}, "at least 1, got 0 and 10"),
        ({"probes": 0}, "at least 1, got 50 and 0"),
        ({"steps": 2.5}, "whole numbers"),
        ({"steps": True}, "whole numbers"),
        ({"probes": 3.0}, "whole numbers"),
        ({"probes": np.ones(4)}, r"start vectors of shape \(4, k\)"),
        ({"probes": np.ones((5, 2))}, r"start vectors of shape \(4, k\)"),
        ({"probes": np.ones((4, 0))}, r"start vectors of shape \(4, k\)"),
        ({"probes": np.zeros((4, 1))}, "finite length above 0"),
        ({"probes": np.full((4, 1), np.nan)}, "finite length above 0"),
        ({"probes": "many"}, "start vectors as a tensor or array"),
    ],
)
def test_bad_arguments_are_refused(arguments, words):
    with pytest.raises(InputError, match=words):
        SpectralDensity(DenseOperator(np.eye(4)), **arguments)


def test_bad_operators_and_widths_are_refused():
    with pytest.raises(InputError, match="expected a symmetric operator, got ndarray"):
        SpectralDensity(np.eye(4))
    found = SpectralDensity(DenseOperator(np.diag([1.0, 2.0])), probes=2).run()
    with pytest.raises(InputError, match=r"expected a width above 0, got 0\.0"):
        found.density([0.0], 0.0)
    assert float(found.density(1.0, 0.1)) > float(found.density(1.5, 0.1))


def test_an_estimate_comes_back_from_its_file(tmp_path):
    found = SpectralDensity(DenseOperator(np.diag([1.0, 2.0, 5.0])), steps=2, probes=2).run()
    loaded = SpectrumEstimate.load(found.save(tmp_path / "density"))
    assert same(found, loaded)
    assert loaded.question == found.question
    assert loaded.caution() == found.caution()
