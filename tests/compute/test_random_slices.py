"""Random slices against the dense Hessian, the closed-form toy saddle, and the table of derived values."""

import dataclasses

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from cases import dense_hessian, problem, whole_gradient

from landscape_widgets.compute import directions
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import PartialProduct, SymmetricOperator
from landscape_widgets.compute.operators.dense import DenseOperator
from landscape_widgets.compute.operators.diagonal import DiagonalOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.random_slices import RandomSlices, average_surface, percentile, slice_seeds
from landscape_widgets.compute.slice_curvature import slice_curvature
from landscape_widgets.compute.slice_laws import SliceLaw
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import KINDS, SliceSample, wilson
from landscape_widgets.zoo import toy_saddle

SHEET = "simulation, target of the facts sheet"


def toy(n, positive):
    return DiagonalOperator(np.r_[np.ones(positive), -np.ones(2 * n - positive), 0.0])


@pytest.fixture(scope="module")
def repeats():
    """200 samples of 500 slices, 1000 vectors, of the toy saddle n = ñ = 500."""
    return [RandomSlices(toy(500, 500), draws=500, seed=seed).run() for seed in range(200)]


def joined(samples, name):
    return np.concatenate([getattr(sample, name) for sample in samples])


def test_trace_standard_error_over_repeats(repeats, right):
    estimates = np.array([sample.trace for sample in repeats])
    name = "Hessian directions: standard error of the trace, 1000 vectors, n = 500 (derived)"
    right.record(name, f"{SHEET}: 1.414, relative", abs(estimates.std(ddof=1) / 1.414 - 1), 0.15, 200)
    reported = np.array([sample.trace_error for sample in repeats])
    right.record(f"{name}, as reported", f"{SHEET}: 1.414, relative", np.abs(reported / 1.414 - 1).max(), 0.15, 200)
    covered = np.abs(estimates) <= 1.96 * reported
    assert 0.9 <= covered.mean() <= 0.99


def test_toy_saddle_of_a_thousand_directions(repeats, right):
    A, B, C, kappa = (joined(repeats, name) for name in ("A", "B", "C", "kappa"))
    S = len(A)
    assert S == 100_000
    right.record("Hessian directions: mean of A, n = ñ = 500 (derived)", SHEET, abs(A.mean()), 4 * np.sqrt(2000 / S), S)
    error = np.abs(np.array([A.var(), B.var(), C.var()]) / [2000, 1000, 2000] - 1).max()
    right.record("Hessian directions: Var A, Var B of drawn slices (derived)", SHEET, error, 0.03, S)
    error = np.abs(kappa.mean(axis=0) - [39.63, -39.63]).max()
    right.record("Hessian directions: E κ± of drawn slices, ñ = 500 (derived)", SHEET, error, 0.5, S)
    saddles = (joined(repeats, "kinds") == KINDS.index("saddle")).mean()
    right.record(
        "Hessian directions: P(saddle) of drawn slices, ñ = 500 (derived)", SHEET, abs(saddles - 0.7071), 5e-3, S
    )
    F2 = np.array([sample.frobenius_squared for sample in repeats])
    right.record(
        "Hessian directions: ‖H‖_F² from B² (derived)",
        "1000, in standard errors",
        abs(F2.mean() - 1000) / (F2.std() / np.sqrt(len(F2))),
        4.0,
        200,
    )


def test_spectrum_of_the_toy_saddle_of_a_thousand_directions(right):
    model, loss, data = toy_saddle(500)
    found = np.linalg.eigvalsh(HessianOperator(Objective(model, loss, data)).to_dense())
    error = np.abs(found - np.r_[-np.ones(500), 0.0, np.ones(500)]).max()
    right.record(
        "Hessian directions: eigenvalues, n = ñ = 500 (derived)", "500 × 1, one 0, 500 × -1", error, 1e-10, 1001
    )
    law = SliceLaw(found.round(9))
    assert (law.positive, law.negative) == (500, 500)
    np.testing.assert_allclose(law.multiplicities, SliceLaw.toy_saddle(500).multiplicities)


def test_slices_of_the_toy_saddle_of_a_thousand_directions(right):
    model, loss, data = toy_saddle(500, 600)
    objective = Objective(model, loss, data)
    alpha = torch.tensor([-0.7, 0.3, 1.1]).double()
    eta, delta = (
        torch.as_tensor(directions.random(objective, seed, None).vector) for seed in slice_seeds(0, 0).tolist()
    )
    A, B, C = ((model.hessian_diagonal() * v * w).sum() for v, w in ((eta, eta), (eta, delta), (delta, delta)))
    worst = 0.0
    for a in alpha:
        for b in alpha:
            exact = 0.5 * (1 + a * eta[-1] + b * delta[-1]) * (A * a**2 + 2 * B * a * b + C * b**2)
            found = objective.loss(objective.center + a * eta + b * delta)
            worst = max(worst, abs(found / exact.item() - 1))
    right.record("Hessian directions: slice of the toy, n = 500 (derived)", "closed form, relative", worst, 1e-12, 9)


@pytest.mark.parametrize(("n", "target", "bound"), [(5, 0.7295, 0.007), (1, 1.0, 0.0)])
def test_small_toy_saddles_contradict_the_asymptotic_formula(n, target, bound, right):
    sample = RandomSlices(toy(n, n), draws=50_000, seed=1).run()
    share, low, high = sample.shares["saddle"]
    right.record(f"Hessian directions: P(saddle) of drawn slices, n = {n} (derived)", SHEET, abs(share - target), bound)
    assert not low <= 1 / np.sqrt(2) <= high


@pytest.mark.long
@pytest.mark.parametrize(
    ("positive", "upper", "lower", "saddle", "bounds"),
    [
        (510, None, None, 0.6398, (0, 0.007)),
        (550, None, None, 0.0580, (0, 0.004)),
        (600, 239.63, 160.37, 3.2e-5, (1.0, 3e-4)),
        (800, 639.63, 560.37, None, (1.0, 0)),
    ],
)
def test_unequal_toy_saddles(positive, upper, lower, saddle, bounds, right):
    sample = RandomSlices(toy(500, positive), draws=100_000, seed=3).run()
    if upper is not None:
        error = np.abs(sample.kappa.mean(axis=0) - [upper, lower]).max()
        right.record(f"Hessian directions: E κ± of drawn slices, ñ = {positive} (derived)", SHEET, error, bounds[0])
    if saddle is not None:
        error = abs(sample.shares["saddle"][0] - saddle)
        right.record(
            f"Hessian directions: P(saddle) of drawn slices, ñ = {positive} (derived)", SHEET, error, bounds[1]
        )
    error = np.abs(np.array([sample.A.var(), sample.B.var()]) / [2000, 1000] - 1).max()
    right.record("Hessian directions: Var A, Var B of drawn slices (derived)", SHEET, error, 0.03)


@pytest.mark.parametrize("normalize", [None, "unit"])
def test_the_fast_path_draws_the_same_slices_as_products(normalize, right):
    model, loss, data = toy_saddle(20, 27)
    fast = RandomSlices(model.hessian_operator(), 100, seed=4, normalize=normalize).run()
    slow = RandomSlices(Objective(model, loss, data), 100, seed=4, normalize=normalize).run()
    assert (fast.products, slow.products) == (0, 200)
    np.testing.assert_array_equal(fast.seeds, slow.seeds)
    np.testing.assert_array_equal(fast.kinds, slow.kinds)
    scale = np.abs(slow.kappa).max()
    error = max(np.abs(getattr(fast, name) - getattr(slow, name)).max() for name in ("A", "B", "C", "kappa")) / scale
    right.record(
        "Hessian directions: slices of the toy by coordinates (derived)", "Hessian products", error, 1e-12, 100
    )
    np.testing.assert_allclose(fast.kappa_per_length, slow.kappa_per_length, rtol=1e-9, atol=1e-12)
    assert slow.gradient_norm == 0.0
    assert np.isnan(fast.gradient_norm)


@pytest.mark.parametrize("normalize", [None, "unit", "filter"])
def test_a_network_against_the_dense_hessian(normalize, right):
    model, loss, data = problem("MLP tanh")
    dense = dense_hessian(model, loss, data)
    objective = Objective(model, loss, data, batch_size=32)
    sample = RandomSlices(objective, draws=40, seed=5, normalize=normalize).run()
    assert sample.outcome is Outcome.COMPLETE
    assert (sample.done, sample.total, sample.products) == (40, 40, 80)
    assert sample.normalization == (normalize or "raw")
    worst, H = 0.0, HessianOperator(objective)
    for number, seeds in enumerate(sample.seeds.tolist()):
        pair = [directions.random(objective, seed, normalize) for seed in seeds]
        V = np.stack([direction.vector for direction in pair], axis=1)
        form, gram = V.T @ dense @ V, V.T @ V
        exact = [form[0, 0], form[0, 1], form[1, 1], *np.linalg.eigvalsh(form)[::-1]]
        found = [sample.A[number], sample.B[number], sample.C[number], *sample.kappa[number]]
        worst = max(worst, np.abs(np.subtract(found, exact)).max() / np.abs(exact).max())
        general = scipy.linalg.eigh(form, gram, eigvals_only=True)[::-1]
        worst = max(worst, np.abs(sample.kappa_per_length[number] - general).max() / np.abs(general).max())
        if number < 5:
            assert KINDS[sample.kinds[number]] == slice_curvature(H, pair).kind
    right.record(
        "Hessian directions: random slices of a network (derived)", "double-backward Hessian", worst, 1e-12, 40
    )
    assert sample.gradient_norm == pytest.approx(np.linalg.norm(whole_gradient(model, loss, data)))


@pytest.mark.parametrize("normalize", [None, "unit"])
def test_trace_and_norm_of_a_network(normalize, right):
    dense = dense_hessian(*problem("MLP GELU"))
    sample = RandomSlices(DenseOperator(dense), draws=500, seed=6, normalize=normalize).run()
    error = abs(sample.trace - np.trace(dense)) / sample.trace_error
    right.record("Hessian directions: trace of a network (derived)", "dense Hessian, standard errors", error, 4.0)
    error = abs(sample.frobenius_squared - (dense**2).sum()) / sample.frobenius_squared_error
    right.record("Hessian directions: ‖H‖_F² of a network (derived)", "dense Hessian, standard errors", error, 4.0)
    if normalize is None:
        found = SliceLaw(np.linalg.eigvalsh(dense)).probabilities(50_000)
        counts = np.array([sample.counts[kind] for kind in KINDS[:3]]) / sample.done
        spread = np.sqrt(found.simulated * (1 - found.simulated) / sample.done) + found.standard_error
        error = (np.abs(counts - found.simulated) / spread).max()
        right.record("Hessian directions: what slices of a network show (derived)", "law of its spectrum", error, 4.0)
        assert not found.gaussian_holds


def test_under_filter_normalisation_the_trace_is_not_claimed():
    model, loss, data = problem("MLP tanh")
    sample = RandomSlices(Objective(model, loss, data), draws=3, normalize="filter").run()
    assert np.isnan([sample.trace, sample.trace_error, sample.frobenius_squared]).all()
    assert np.isfinite(sample.mean).all()


def test_slices_are_those_of_their_seeds_whatever_the_number_of_draws():
    few, many = (RandomSlices(toy(9, 5), draws=draws, seed=7).run() for draws in (300, 700))
    np.testing.assert_array_equal(few.A, many.A[:300])
    np.testing.assert_array_equal(few.seeds[299], slice_seeds(7, 299))
    other = RandomSlices(toy(9, 5), draws=700, seed=8).run()
    assert not set(other.seeds.ravel().tolist()) & set(many.seeds.ravel().tolist())
    assert len(np.unique(many.seeds)) == many.seeds.size
    drawn = torch.randn(19, generator=torch.Generator().manual_seed(int(many.seeds[600, 0]))).double().numpy()
    assert many.A[600] == pytest.approx((drawn**2) @ np.r_[np.ones(5), -np.ones(13), 0.0], rel=1e-12)


def test_float32_products_are_summed_in_float64():
    dense = dense_hessian(*problem("MLP tanh"))
    single = RandomSlices(DenseOperator(dense.astype(np.float32)), 50, seed=1).run()
    double = RandomSlices(DenseOperator(dense), 50, seed=1).run()
    assert np.abs(single.kappa - double.kappa).max() < 1e-5 * np.abs(double.kappa).max()


def test_the_running_average_of_slices(right):
    model, _, _ = toy_saddle(30, 40)
    sample = RandomSlices(model.hessian_operator(), draws=4000, seed=9).run()
    np.testing.assert_allclose(sample.running_mean[-1], sample.mean)
    np.testing.assert_allclose(
        sample.running_mean[9], [sample.A[:10].mean(), sample.B[:10].mean(), sample.C[:10].mean()]
    )
    alpha, beta = np.linspace(-1, 1, 5), np.linspace(-0.5, 1, 4)
    surface = average_surface(sample, alpha, beta)
    limit = 0.5 * 20 * (alpha[None, :] ** 2 + beta[:, None] ** 2)
    spread = np.sqrt(120 / 4000) * (alpha[None, :] ** 2 + beta[:, None] ** 2)
    assert (np.abs(surface - limit) <= 4 * spread + 1e-12).all()
    first = RandomSlices(model.hessian_operator(), draws=1, seed=9).run()
    eta, delta = (torch.randn(61, generator=torch.Generator().manual_seed(int(s))).double() for s in sample.seeds[0])
    small = 1e-6 * alpha
    exact = model.slice_loss(torch.tensor(small), torch.tensor(small), eta, delta).numpy()
    error = np.abs(average_surface(first, small, small) - exact).max() / np.abs(exact).max()
    right.record("Hessian directions: slice to second order (derived)", "closed-form toy slice", error, 1e-5, 25)


def test_the_average_of_exact_toy_slices_is_the_average_surface():
    model, _, _ = toy_saddle(30, 40)
    sample = RandomSlices(model.hessian_operator(), draws=2000, seed=10).run()
    alpha = torch.linspace(-0.5, 0.5, 5).double()
    total = torch.zeros(5, 5, dtype=torch.float64)
    for seeds in sample.seeds.tolist():
        eta, delta = (torch.randn(61, generator=torch.Generator().manual_seed(seed)).double() for seed in seeds)
        total += model.slice_loss(alpha, alpha, eta, delta)
    surface = average_surface(sample, alpha.numpy(), alpha.numpy())
    # the cubic terms average out: each slice's are ½ (αη_N + βδ_N) (Aα² + …), of mean 0
    assert np.abs(total.numpy() / 2000 - surface).max() < 4 * 0.5 * 0.5**3 * 8 * np.sqrt(520) / np.sqrt(2000)


class Counting(SymmetricOperator):
    """diag(d) in two steps a product, counting them; NaN from one product on."""

    def __init__(self, diagonal, bad=None):
        self.diagonal, self.bad, self.steps, self.products = torch.as_tensor(diagonal), bad, 0, 0
        self.size, self.dtype, self.device = len(diagonal), torch.float64, torch.device("cpu")

    def product_steps(self, vector, partial=None):
        partial = PartialProduct() if partial is None else partial
        half = self.size // 2
        if partial.total is None:
            partial.total, partial.done = torch.zeros_like(vector), 0
        for done in range(partial.done, 2):
            chosen = slice(0, half) if done == 0 else slice(half, None)
            partial.total[chosen] = self.diagonal[chosen] * vector[chosen]
            partial.done, self.steps = done + 1, self.steps + 1
            yield
        self.products += 1
        return partial.total * np.nan if self.bad is not None and self.products > self.bad else partial.total


def same(one, other):
    for field in dataclasses.fields(SliceSample):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b or (a != a and b != b), field.name


def test_partial_results_after_every_bounded_step():
    H = Counting(np.linspace(-1.0, 1.0, 8))
    seen = 0
    for sample in RandomSlices(H, draws=5, seed=0).stream():
        assert H.steps - seen <= 1
        seen = H.steps
        assert sample.done == H.products // 2 or sample.outcome is Outcome.COMPLETE
        assert sample.total == 5
        assert len(sample.kappa) == len(sample.kinds) == sample.done
    assert (sample.done, sample.products, H.steps) == (5, 10, 20)
    first = next(iter(RandomSlices(H, draws=5).stream()))
    assert first.done == 0
    assert np.isnan(first.mean).all()
    assert np.isnan(first.trace)
    with pytest.raises(ValueError, match="read-only"):
        sample.kappa[0, 0] = 1.0


@pytest.mark.parametrize("stop", [1, 2, 3, 5, 6, 7, 13])
def test_resuming_computes_nothing_twice(stop):
    diagonal = np.linspace(-1.0, 1.0, 8)
    whole = RandomSlices(Counting(diagonal), draws=6, seed=2).run()
    H = Counting(diagonal)
    stream = RandomSlices(H, draws=6, seed=2).stream()
    for _ in range(stop):
        next(stream)
    state = stream.checkpoint()
    next(stream)
    stream.close()
    assert stream.latest.outcome is Outcome.CANCELLED
    before = H.steps
    H.steps -= 1  # the step after the checkpoint is lost
    *_, resumed = RandomSlices(H, draws=6, seed=2).stream(resume=state)
    same(resumed, whole)
    assert H.steps in (24, 25 if before % 2 else 24)


def test_more_slices_from_a_checkpoint_and_no_fewer():
    stream = RandomSlices(toy(10, 12), draws=400, seed=3).stream()
    *_, first = stream
    *_, more = RandomSlices(toy(10, 12), draws=900, seed=3).stream(resume=stream.checkpoint())
    same(more, RandomSlices(toy(10, 12), draws=900, seed=3).run())
    assert first.done == 400  # the earlier result is as it was
    for other in (RandomSlices(toy(10, 12), draws=399, seed=3), RandomSlices(toy(10, 12), draws=900, seed=4)):
        with pytest.raises(InputError, match="expected a checkpoint of at most"):
            other.stream(resume=stream.checkpoint())


def test_a_slice_that_is_not_finite_ends_the_sample():
    sample = RandomSlices(Counting(np.linspace(-1.0, 1.0, 8), bad=7), draws=10).run()
    assert sample.outcome is Outcome.NOT_FINITE
    assert (sample.done, sample.products) == (3, 8)
    assert np.isfinite(sample.kappa).all()
    blocks = RandomSlices(DiagonalOperator(np.full(4, 1e308)), draws=10).run()  # overflows in the sum
    assert blocks.outcome is Outcome.NOT_FINITE
    assert blocks.done < 10


def test_percentiles_against_a_count(right):
    H = toy(20, 25)
    sample = RandomSlices(H, draws=1500, seed=11).run()
    for seed in (0, 1, 2):
        pair = torch.randn(2, 41, generator=torch.Generator().manual_seed(seed)).double()
        found = percentile(sample, slice_curvature(H, pair * 0.01))  # another scale changes nothing
        kappa = slice_curvature(H, pair).kappa_per_length
        for end in (0, 1):
            count = int((sample.kappa_per_length[:, end] < kappa[end]).sum())
            interval = scipy.stats.binomtest(count, 1500).proportion_ci(0.95, method="wilson")
            error = np.abs(np.r_[found.below[end], found.interval[end]] - [count / 1500, *interval]).max()
            right.record("Hessian directions: percentiles of a slice (derived)", "scipy binomtest", error, 1e-12, 3)
    assert found.words.startswith("Among 1,500 random slices, κ₊ is above")
    own = [torch.randn(41, generator=torch.Generator().manual_seed(int(seed))).double() for seed in sample.seeds[7]]
    tied = percentile(sample, slice_curvature(H, own)).below
    rank = (scipy.stats.rankdata(sample.kappa_per_length[:, 0])[7] - 0.5) / 1500
    assert tied[0] == pytest.approx(rank, abs=1 / 1500)
    with pytest.raises(InputError, match="expected a slice of two independent directions"):
        percentile(sample, slice_curvature(H, [own[0], own[0]]))


def test_wilson_intervals_against_scipy():
    for count, total in ((0, 10), (10, 10), (3, 7), (146, 1000)):
        exact = scipy.stats.binomtest(count, total).proportion_ci(0.95, method="wilson")
        np.testing.assert_allclose(wilson(count, total), [count / total, *exact], atol=1e-12)
    assert np.isnan(wilson(0, 0)).all()
    with pytest.raises(InputError, match="expected a count from 0 to 3, got 4"):
        wilson(4, 3)


def test_the_diagonal_operator_is_its_matrix():
    diagonal = np.array([2.0, 0.0, -1.5])
    np.testing.assert_array_equal(DiagonalOperator(diagonal).to_dense(), np.diag(diagonal))
    assert DiagonalOperator(torch.ones(2)).dtype is torch.float32
    for bad in (np.ones((2, 2)), np.array([1.0, np.nan]), np.array([1, 2]), np.empty(0)):
        with pytest.raises(InputError, match="expected a diagonal of finite real numbers"):
            DiagonalOperator(bad)


def test_drawing_leaves_the_global_generators_and_the_model_alone():
    model, loss, data = problem("MLP tanh")
    torch.manual_seed(0)
    before, weights = torch.get_rng_state(), [p.detach().clone() for p in model.parameters()]
    RandomSlices(Objective(model, loss, data), draws=3).run()
    RandomSlices(toy(3, 2), draws=3).run()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.wrong_types
@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: RandomSlices(toy(2, 2), draws=0), "expected whole draws >= 1 and seed >= 0, got 0 and 0"),
        (lambda: RandomSlices(toy(2, 2), seed=-1), "got 1000 and -1"),
        (lambda: RandomSlices(toy(2, 2), draws=10.5), "got 10.5 and 0"),
        (lambda: RandomSlices(np.eye(3)), "expected a symmetric operator or an Objective, got ndarray"),
        (lambda: RandomSlices(toy(2, 2), normalize="layer"), 'expected normalize as None, "unit"'),
        (lambda: RandomSlices(toy(2, 2), normalize="filter"), "got 'filter' for a DiagonalOperator"),
    ],
)
def test_bad_arguments(build, text):
    with pytest.raises(InputError, match=text):
        build()
