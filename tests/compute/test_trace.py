"""Hutchinson's estimator and the exact trace: dense oracles, curvlinops on the same probes, intervals, resumption."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.stats
import torch
from cases import CountingMLP, OnceDifferentiable, dense_hessian, problem
from curvlinops.trace import hutchinson
from torch import nn

from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import PartialProduct, SymmetricOperator
from landscape_widgets.compute.operators.dense import DenseOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.torch_state import normal_vector
from landscape_widgets.compute.trace import ExactTrace, HutchinsonTrace, exact_trace
from landscape_widgets.compute.trace_differences import LossDifferenceTrace
from landscape_widgets.compute.trace_low_rank import HutchPlusPlusTrace, XTrace
from landscape_widgets.compute.trace_probes import Moments, probe_vector, student_interval
from landscape_widgets.errors import InputError, ModelError, Outcome
from landscape_widgets.results import Eigenpairs, TraceEstimate
from landscape_widgets.zoo import toy_saddle

SMOOTH = ("MLP tanh", "tied weights")


class Counted(SymmetricOperator):
    """A matrix whose products come in three batches, are counted, and may turn NaN after some products."""

    def __init__(self, matrix, poisoned=None):
        self.matrix = torch.as_tensor(matrix)
        self.size, self.dtype, self.device = len(self.matrix), self.matrix.dtype, torch.device("cpu")
        self.batches, self.poisoned = 0, poisoned

    def product_steps(self, vector, partial=None):
        partial = PartialProduct() if partial is None else partial
        while partial.done < 3:
            share = self.matrix @ vector / 3
            self.batches += 1
            if self.poisoned is not None and self.batches > 3 * self.poisoned:
                share = share * math.nan
            partial.total = share if partial.total is None else partial.total + share
            partial.done += 1
            yield
        return partial.total


class Diagonal(SymmetricOperator):
    """A diagonal matrix, each product in one step."""

    def __init__(self, diagonal):
        self.diagonal = torch.as_tensor(diagonal)
        self.size, self.dtype, self.device = len(self.diagonal), self.diagonal.dtype, torch.device("cpu")

    def product_steps(self, vector, partial=None):
        return self.diagonal * vector
        yield


def random_matrix(size, seed=0, decay=0.9):
    """A symmetric matrix with eigenvalues of both signs that fall geometrically."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((size, size)))[0]
    values = decay ** np.arange(size) * rng.choice([-1.0, 1.0, 1.0], size)
    matrix = (rotation * values) @ rotation.T
    return (matrix + matrix.T) / 2


def outliers(size=60):
    """A spectrum as of a trained network: three large eigenvalues above a small bulk; (matrix, values, vectors)."""
    rng = np.random.default_rng(7)
    rotation = np.linalg.qr(rng.standard_normal((size, size)))[0]
    values = np.r_[[40.0, 25.0, 12.0], 0.1 * rng.standard_normal(size - 3)]
    return (rotation * values) @ rotation.T, values, rotation


def pairs_of(values, vectors, residuals=None):
    """Eigenpairs as Lanczos gives them."""
    values = np.asarray(values, dtype=np.float64)
    residuals = np.zeros(len(values)) if residuals is None else residuals
    names = ("relative",) * len(values)
    return Eigenpairs(values, vectors, residuals, residuals, names, 0, Outcome.CONVERGED, False, len(values), 0)


@pytest.mark.parametrize("distribution", ["gaussian", "rademacher"])
@pytest.mark.parametrize("name", SMOOTH)
def test_hutchinson_is_that_of_curvlinops_on_the_same_probes(name, distribution, monkeypatch, right):
    model, loss, data = problem(name)
    dense = dense_hessian(model, loss, data)
    H = HessianOperator(Objective(model, loss, data, batch_size=32))
    found = HutchinsonTrace(H, probes=20, seed=3, distribution=distribution).run()
    drawn = iter([probe_vector(H, 3, index, distribution) for index in range(20)])
    monkeypatch.setattr(hutchinson, "random_vector", lambda *_: next(drawn))
    expected = float(hutchinson.hutchinson_trace(torch.as_tensor(dense), 20, distribution))
    error = abs(found.value - expected) / np.linalg.norm(dense)
    right.record("Hutchinson's trace on given probes", "curvlinops on the dense Hessian", error, 1e-12, 20)


def test_mean_error_and_interval_are_those_of_scipy(right):
    matrix = random_matrix(30)
    H = DenseOperator(matrix)
    found = HutchinsonTrace(H, probes=17, seed=5, confidence=0.9).run()
    numbers = [float(v @ matrix @ v) for v in (probe_vector(H, 5, index).numpy() for index in range(17))]
    expected = scipy.stats.t.interval(0.9, 16, loc=np.mean(numbers), scale=scipy.stats.sem(numbers))
    assert found.interval_kind == "Student t, 90 %"
    error = np.abs(
        np.r_[found.value, found.standard_error, found.interval]
        - np.r_[np.mean(numbers), scipy.stats.sem(numbers), expected]
    ).max()
    right.record("Student t interval of a trace", "SciPy t.interval", error, 1e-12, 4)


def test_probes_are_standard_normal_or_signs_and_independent_of_each_other():
    H = Diagonal(torch.ones(4000))
    gaussian = np.stack([probe_vector(H, 0, index).numpy() for index in range(20)])
    signs = np.stack([probe_vector(H, 0, index, "rademacher").numpy() for index in range(20)])
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert abs(signs.mean()) < 4 / math.sqrt(signs.size)
    assert scipy.stats.kstest(gaussian.reshape(-1), "norm").pvalue > 1e-3
    for drawn in (gaussian, signs):
        correlations = np.corrcoef(drawn)[np.triu_indices(20, 1)]
        assert np.abs(correlations).max() < 5 / math.sqrt(4000)
    start_of_lanczos = normal_vector(4000, 0, "cpu", torch.float32).numpy()  # from the same seed
    assert abs(np.corrcoef(start_of_lanczos, gaussian[0])[0, 1]) < 5 / math.sqrt(4000)


def toy_saddle_errors(probes, repeats, saddle=500):
    """(spread of the values over repeats, mean of the standard errors given) on the toy saddle's Hessian."""
    model, _, _ = toy_saddle(saddle)
    H = Diagonal(model.hessian_diagonal())
    found = [HutchinsonTrace(H, probes=probes, seed=seed).run() for seed in range(repeats)]
    return np.std([one.value for one in found]), np.mean([one.standard_error for one in found])


def test_standard_error_on_the_toy_saddle(right):
    exact = math.sqrt(2 * 1000 / 16)
    spread, given = toy_saddle_errors(probes=16, repeats=200)
    right.record(
        "trace standard error, toy saddle, S = 16 [relative]", "‖H‖_F √(2/S), given", abs(given / exact - 1), 0.15, 200
    )
    right.record(
        "trace standard error, toy saddle, S = 16 [relative]",
        "‖H‖_F √(2/S), spread",
        abs(spread / exact - 1),
        0.15,
        200,
    )


@pytest.mark.long
def test_standard_error_of_a_thousand_probes_on_the_toy_saddle(right):
    spread, given = toy_saddle_errors(probes=1000, repeats=200)
    for name, error in (("given", given), ("spread", spread)):
        right.record(
            "trace standard error, toy saddle, S = 1000 [relative]",
            f"1.414 within 15 %, {name}",
            abs(error / 1.414 - 1),
            0.15,
            200,
        )


def test_signs_are_exact_on_a_diagonal_and_gaussian_probes_are_not():
    H = Diagonal(toy_saddle(500, 600)[0].hessian_diagonal())
    signs = HutchinsonTrace(H, probes=5, distribution="rademacher").run()
    assert signs.value == 200.0
    assert signs.standard_error == 0.0
    assert signs.interval == (200.0, 200.0)
    gaussian = HutchinsonTrace(H, probes=5, distribution="gaussian").run()
    assert gaussian.value != 200.0
    assert gaussian.standard_error > 1.0


def test_deflation_lowers_the_variance_of_a_spectrum_with_outliers():
    matrix, values, vectors = outliers()
    H, known = DenseOperator(matrix), pairs_of(values[:3], vectors[:, :3])
    plain = HutchinsonTrace(H, probes=50).run()
    deflated = HutchinsonTrace(H, probes=47, deflate=known).run()
    assert deflated.products == plain.products == 50
    assert deflated.standard_error < plain.standard_error / 20
    bulk = math.sqrt(2 * np.sum(values[3:] ** 2) / 47)
    assert deflated.standard_error == pytest.approx(bulk, rel=0.4)
    assert deflated.exact_part == pytest.approx(77.0)
    assert abs(deflated.value - values.sum()) < 4 * bulk


def test_deflated_parts_against_dense_projections_whatever_the_vectors(right):
    matrix = random_matrix(40, seed=1)
    rng = np.random.default_rng(0)
    rough = rng.standard_normal((40, 4))  # no eigenvectors, not even orthogonal: still unbiased
    found = HutchinsonTrace(DenseOperator(matrix), 30, seed=2, deflate=pairs_of(np.zeros(4), rough)).run()
    Q = np.linalg.qr(rough)[0]
    P = np.eye(40) - Q @ Q.T
    probes = [probe_vector(DenseOperator(matrix), 2, index).numpy() for index in range(30)]
    expected = np.trace(Q.T @ matrix @ Q) + np.mean([v @ P @ matrix @ P @ v for v in probes])
    right.record("deflated trace on given probes", "dense projections", abs(found.value - expected), 1e-12, 30)
    assert found.exact_part == pytest.approx(np.trace(Q.T @ matrix @ Q), abs=1e-12)
    assert np.trace(Q.T @ matrix @ Q) + np.trace(P @ matrix @ P) == pytest.approx(np.trace(matrix), abs=1e-12)


def test_values_may_be_reused_with_their_residuals_stated():
    matrix, values, vectors = outliers()
    H = DenseOperator(matrix)
    pairs = Lanczos(H, largest=3, smallest=0, tol=1e-2).run()
    found = HutchinsonTrace(H, 10, deflate=pairs, reuse_values=True).run()
    assert found.products == 10
    assert found.exact_part == pytest.approx(pairs.values.sum())
    assert found.exact_part_error == pytest.approx(pairs.residuals.sum())
    honest = HutchinsonTrace(H, 10, deflate=pairs).run()
    assert honest.products == 13
    assert honest.exact_part_error == 0.0
    assert abs(honest.exact_part - found.exact_part) <= found.exact_part_error
    wrong = pairs_of(values[:3] + 0.5, vectors[:, :3], np.full(3, 0.5))  # eigenvalues that are off by their residuals
    off = HutchinsonTrace(H, 10, deflate=wrong, reuse_values=True).run()
    assert abs(off.exact_part - 77.0) == pytest.approx(off.exact_part_error)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", SMOOTH)
def test_exact_trace_of_networks(name, dtype, right):
    model, loss, data = problem(name, dtype)
    dense = dense_hessian(model, loss, data)
    found = exact_trace(HessianOperator(Objective(model, loss, data, batch_size=32)))
    scale = np.abs(np.linalg.eigvalsh(dense)).sum()
    error = abs(found.value - np.trace(dense)) / scale
    bound = {torch.float64: 1e-13, torch.float32: 1e-5}[dtype]
    right.record(f"exact trace of networks, {dtype}", "double-backward Hessian", error, bound, len(dense))
    assert found.products == len(dense)
    assert found.interval == (found.value, found.value)
    assert found.outcome is Outcome.COMPLETE


def test_the_exact_trace_on_its_way_is_a_sample_without_replacement():
    diagonal = np.random.default_rng(0).gamma(2.0, size=200)
    found = ExactTrace(DenseOperator(np.diag(diagonal)), block=50, seed=1).run()
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1)).numpy()
    first = diagonal[order[:50]]
    assert found.cost_history.tolist() == [100.0, 200.0, 300.0, 400.0]
    assert found.value_history[0] == pytest.approx(200 * first.mean())
    assert found.error_history[0] == pytest.approx(200 * first.std(ddof=1) / math.sqrt(50) * math.sqrt(0.75))
    assert found.error_history[-1] == 0.0
    assert found.value == pytest.approx(diagonal.sum(), rel=1e-14)
    with pytest.raises(InputError, match="at most 100 parameters for the exact trace, got 200"):
        exact_trace(DenseOperator(np.diag(diagonal)), limit=100)


MATRIX = random_matrix(24, seed=4)
METHODS = {
    "Hutchinson": lambda H: HutchinsonTrace(H, 12),
    "Rademacher": lambda H: HutchinsonTrace(H, 12, distribution="rademacher"),
    "deflated": lambda H: HutchinsonTrace(H, 9, deflate=pairs_of(np.zeros(3), np.eye(24)[:, :3])),
    "Hutch++": lambda H: HutchPlusPlusTrace(H, 13),
    "XTrace": lambda H: XTrace(H, 12),
    "exact": lambda H: ExactTrace(H, block=5),
}


def same(one, other):
    """Whether two results are equal field by field, NaN to NaN."""
    for field in dataclasses.fields(TraceEstimate):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in ("interval",) or isinstance(a, (np.ndarray, float)):
            np.testing.assert_array_equal(a, b, err_msg=field.name)
        else:
            assert a == b, field.name
    return True


@pytest.mark.parametrize("name", METHODS)
def test_a_run_resumed_at_every_partial_result_is_the_same_run_and_repeats_nothing(name):
    straight = Counted(MATRIX)
    whole = METHODS[name](straight).run()
    assert straight.batches == 3 * whole.products
    broken = Counted(MATRIX)
    state, taken, last = None, 0, None
    while last is None or not last.outcome.succeeded:
        stream = METHODS[name](broken).stream(state)
        last = next(stream)
        state = stream.checkpoint()
        stream.close()
        taken += 1
        assert taken < 200
    assert same(last, whole)
    assert broken.batches == straight.batches
    assert same(METHODS[name](broken).stream(state).__next__(), whole)  # nothing is left to do


@pytest.mark.parametrize("name", METHODS)
def test_a_checkpoint_is_not_changed_by_the_run_that_goes_on(name):
    stream = METHODS[name](Counted(MATRIX)).stream()
    for _ in range(20):
        next(stream)
    state = stream.checkpoint()
    one = list(METHODS[name](Counted(MATRIX)).stream(state))[-1]
    list(stream)
    other = list(METHODS[name](Counted(MATRIX)).stream(state))[-1]
    assert same(one, other)


@pytest.mark.parametrize("name", METHODS)
def test_partial_results_grow_towards_the_last(name):
    partials = list(METHODS[name](Counted(MATRIX)).stream())
    last = partials[-1]
    assert all(part.outcome is Outcome.RUNNING for part in partials[:-1])
    assert last.outcome is Outcome.COMPLETE
    assert last.done == last.products == last.total
    assert last.cost == 2.0 * last.products
    assert np.all(np.diff(last.cost_history) > 0)
    assert last.value_history[-1] == last.value
    for part in partials:
        np.testing.assert_array_equal(part.value_history, last.value_history[: len(part.value_history)])
    assert not last.value_history.flags.writeable


@pytest.mark.parametrize("name", METHODS)
def test_products_that_are_not_finite_end_the_run_and_are_named(name):
    found = METHODS[name](Counted(MATRIX, poisoned=4)).run()
    assert found.outcome is Outcome.NOT_FINITE
    assert math.isnan(found.value)
    assert math.isnan(found.standard_error)
    assert found.products == 5
    assert "gave NaN or infinity" in found.caution
    if name == "Hutchinson":
        assert found.caution.startswith("The product of probe 5 ")
        assert np.isfinite(found.value_history).all()


def test_a_longer_run_goes_on_from_a_shorter_one():
    for make in (lambda n: HutchinsonTrace(Counted(MATRIX), n), lambda n: XTrace(Counted(MATRIX), 2 * n)):
        stream = make(5).stream()
        list(stream)
        resumed = list(make(9).stream(stream.checkpoint()))[-1]
        np.testing.assert_array_equal(resumed.value_history, make(9).run().value_history)


def test_a_checkpoint_of_another_question_is_refused():
    state = HutchinsonTrace(DenseOperator(MATRIX), 5).stream().checkpoint()
    with pytest.raises(InputError, match="expected a checkpoint of"):
        HutchinsonTrace(DenseOperator(MATRIX), 5, seed=1).stream(state)


def test_cancelling_keeps_the_estimate_so_far():
    stream = HutchinsonTrace(DenseOperator(MATRIX), 50).stream()
    for _ in range(21):
        next(stream)
    stream.close()
    assert stream.latest.outcome is Outcome.CANCELLED
    assert stream.latest.probes == 10
    assert math.isfinite(stream.latest.value)


def test_results_are_saved_and_loaded(tmp_path):
    found = HutchinsonTrace(DenseOperator(MATRIX), 5).run()
    assert same(TraceEstimate.load(found.save(tmp_path / "trace")), found)


def test_products_run_in_bounded_steps_and_the_model_is_not_run_beyond_them():
    model, (_, loss, data) = CountingMLP(), problem("MLP tanh")
    H = HessianOperator(Objective(model, loss, data, batch_size=32))
    partials = list(HutchinsonTrace(H, 3).stream())
    assert len(partials) >= 3 * 4  # a partial result after each of four batches of each product


def test_arguments_that_cannot_be_are_refused():
    H = DenseOperator(MATRIX)
    for probes in (0, 1, -3, 2.5, True, None):
        with pytest.raises(InputError, match="expected probes as a whole number of at least 2"):
            HutchinsonTrace(H, probes)
    with pytest.raises(InputError, match="expected a symmetric operator, got ndarray"):
        HutchinsonTrace(MATRIX)
    with pytest.raises(InputError, match='distribution as "gaussian" or "rademacher", got \'uniform\''):
        HutchinsonTrace(H, distribution="uniform")
    with pytest.raises(InputError, match="confidence between 0 and 1, got 95"):
        HutchinsonTrace(H, confidence=95)
    partial = next(Lanczos(H, 1, 1).stream())
    with pytest.raises(InputError, match="expected finished eigenpairs to deflate"):
        HutchinsonTrace(H, deflate=partial)
    other = Lanczos(DenseOperator(np.eye(5)), 1, 0).run()
    with pytest.raises(InputError, match=r"expected real vectors as columns \(24, k\)"):
        HutchinsonTrace(H, deflate=other)
    slanted = pairs_of(np.ones(2), np.random.default_rng(0).standard_normal((24, 2)))
    with pytest.raises(InputError, match="expected orthogonal eigenvectors where their values are reused"):
        HutchinsonTrace(H, deflate=slanted, reuse_values=True)
    for products in (0, 3):
        with pytest.raises(InputError, match="expected products as a whole number of at least 4"):
            HutchPlusPlusTrace(H, products)
        with pytest.raises(InputError, match="expected products as a whole number of at least 4"):
            XTrace(H, products)
    with pytest.raises(InputError, match="expected an Objective, got DenseOperator"):
        LossDifferenceTrace(H)
    with pytest.raises(InputError, match="expected block as a whole number of at least 1"):
        ExactTrace(H, block=0)


def test_a_loss_differentiable_once_is_an_error_that_says_so():
    objective = Objective(OnceDifferentiable(), nn.MSELoss(), (torch.ones(4, 3), torch.zeros(4, 1)))
    with pytest.raises(ModelError, match="twice"):
        HutchinsonTrace(HessianOperator(objective), 2).run()


def test_moments_against_numpy():
    numbers = 1e6 + np.random.default_rng(0).standard_normal(100)
    moments = Moments()
    for number in numbers:
        moments.add(number)
    assert moments.mean == pytest.approx(numbers.mean(), rel=1e-15)
    assert moments.standard_error == pytest.approx(scipy.stats.sem(numbers), rel=1e-9)
    assert all(math.isnan(end) for end in student_interval(1.0, math.nan, 1, 0.95))


def coverage(make, truth, seeds=200):
    """The share of seeds whose interval holds the truth."""
    held = [(found := make(seed).run()).interval[0] <= truth <= found.interval[1] for seed in range(seeds)]
    return np.mean(held)


@pytest.mark.long
@pytest.mark.parametrize("probes", [10, 100])
@pytest.mark.parametrize("kind", ["gaussian", "rademacher", "deflated"])
def test_the_interval_holds_the_truth_as_often_as_it_says(kind, probes, right):
    matrix, values, vectors = outliers()
    if kind == "deflated":
        H, known = DenseOperator(matrix), pairs_of(values[:3], vectors[:, :3])
        held = coverage(lambda seed: HutchinsonTrace(H, probes, seed, deflate=known), np.trace(matrix))
    else:
        matrix = random_matrix(60, seed=9, decay=0.97)
        H = DenseOperator(matrix)
        held = coverage(lambda seed: HutchinsonTrace(H, probes, seed, kind), np.trace(matrix))
    right.record(
        "95 % intervals of Hutchinson's trace hold it in 90 to 99 %: distance from 94.5 %",
        "truth, 200 seeds",
        abs(held - 0.945),
        0.045,
        200,
    )
