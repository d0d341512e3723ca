"""Hutch++ and XTrace: curvlinops on the same vectors, a naive leave-one-out, low rank, variance, coverage."""

import math

import numpy as np
import pytest
import torch
from cases import WITHOUT_LAYERNORM, dense_hessian, problem
from curvlinops.trace import epperly2024xtrace, meyer2020hutch

from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.dense import DenseOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.trace import HutchinsonTrace
from landscape_widgets.compute.trace_low_rank import HutchPlusPlusTrace, XTrace
from landscape_widgets.compute.trace_probes import probe_vector
from landscape_widgets.errors import Outcome

NETWORKS = [name for name in WITHOUT_LAYERNORM if name in ("MLP tanh", "depthwise convolution")]


def rotated(values, seed=0):
    """A symmetric matrix with these eigenvalues."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((len(values), len(values))))[0]
    matrix = (rotation * values) @ rotation.T
    return (matrix + matrix.T) / 2


SPECTRA = {
    "power law": 1.0 / np.arange(1, 51) ** 2,
    "both signs": 0.9 ** np.arange(50) * np.where(np.arange(50) % 3, 1.0, -1.0),
    "flat": np.ones(50) + 0.01 * np.arange(50),
    "step": np.r_[np.full(8, 10.0), np.full(42, 1e-3)],
}


def leave_one_out_written_out(matrix, tests, resphere):
    """XTrace as it is defined: a QR decomposition for every test vector left out."""
    size, count = tests.shape
    numbers = []
    for i in range(count):
        Q = np.linalg.qr(matrix @ np.delete(tests, i, axis=1))[0]
        left = tests[:, i] - Q @ (Q.T @ tests[:, i])
        sampled = left @ matrix @ left
        if resphere:
            sampled *= (size - count + 1) / (left @ left)
        numbers.append(np.trace(Q.T @ matrix @ Q) + sampled)
    return np.mean(numbers), np.std(numbers, ddof=1) / math.sqrt(count)


@pytest.mark.parametrize("resphere", [True, False])
@pytest.mark.parametrize("kind", SPECTRA)
def test_xtrace_is_the_naive_leave_one_out_at_every_number_of_vectors(kind, resphere, right):
    matrix = rotated(SPECTRA[kind])
    H = DenseOperator(matrix)
    found = XTrace(H, products=24, seed=2, resphere=resphere).run()
    tests = np.stack([probe_vector(H, 2, index).numpy() for index in range(12)], axis=1)
    scale = np.abs(SPECTRA[kind]).sum()
    for count in range(2, 13):
        value, error = leave_one_out_written_out(matrix, tests[:, :count], resphere)
        wrong = max(abs(found.value_history[count - 1] - value), abs(found.error_history[count - 1] - error)) / scale
        right.record("XTrace and its error estimate", "leave-one-out by one QR a vector", wrong, 1e-10, 1)
    assert found.interval == (found.value - found.standard_error, found.value + found.standard_error)
    assert found.interval_kind == "error estimate"


@pytest.mark.parametrize("name", NETWORKS)
def test_xtrace_is_that_of_curvlinops_on_the_same_vectors(name, monkeypatch, right):
    model, loss, data = problem(name)
    dense = dense_hessian(model, loss, data)
    H = HessianOperator(Objective(model, loss, data, batch_size=32))
    drawn = iter([probe_vector(H, 1, index) for index in range(9)])
    monkeypatch.setattr(epperly2024xtrace, "random_vector", lambda *_: next(drawn))
    expected = float(epperly2024xtrace.xtrace(torch.as_tensor(dense), 18, "normal"))
    found = XTrace(H, 18, seed=1, resphere=False).run()
    assert found.products == 18
    right.record(
        "XTrace on given vectors",
        "curvlinops on the dense Hessian",
        abs(found.value - expected) / np.linalg.norm(dense),
        1e-10,
        9,
    )


@pytest.mark.parametrize("distribution", ["gaussian", "rademacher"])
@pytest.mark.parametrize("name", NETWORKS)
def test_hutch_plus_plus_is_that_of_curvlinops_on_the_same_vectors(name, distribution, monkeypatch, right):
    model, loss, data = problem(name)
    dense = dense_hessian(model, loss, data)
    H = HessianOperator(Objective(model, loss, data, batch_size=32))
    drawn = iter([probe_vector(H, 1, index, distribution) for index in range(14)])
    monkeypatch.setattr(meyer2020hutch, "random_vector", lambda *_: next(drawn))
    expected = float(meyer2020hutch.hutchpp_trace(torch.as_tensor(dense), 21, "normal"))
    found = HutchPlusPlusTrace(H, 21, seed=1, distribution=distribution).run()
    assert (found.products, found.probes) == (21, 7)
    right.record(
        "Hutch++ on given vectors",
        "curvlinops on the dense Hessian",
        abs(found.value - expected) / np.linalg.norm(dense),
        1e-10,
        14,
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rank", [0, 1, 3])
def test_the_range_of_a_low_rank_matrix_is_exhausted(rank, dtype, right):
    values = np.r_[[4.0, -2.0, 1.0][:rank], np.zeros(40 - rank)]
    H = DenseOperator(torch.as_tensor(rotated(values)).to(dtype) if rank else torch.zeros(40, 40, dtype=dtype))
    eps = torch.finfo(dtype).eps
    found = XTrace(H, products=30).run()
    error = abs(found.value - values.sum())
    right.record(f"XTrace of low rank, {dtype}", "sum of the eigenvalues", error, 200 * eps, 1)
    assert error <= max(found.standard_error, 50 * eps)
    assert found.standard_error < 4000 * eps
    if dtype == torch.float64 or rank == 0:
        assert found.outcome is Outcome.CONVERGED
        assert found.products == 2 * rank + 1
    plus = HutchPlusPlusTrace(H, products=30).run()
    right.record(
        f"Hutch++ of low rank, {dtype}", "sum of the eigenvalues", abs(plus.value - values.sum()), 200 * eps, 1
    )


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_as_many_vectors_as_parameters_are_exact(size, right):
    values = np.random.default_rng(size).standard_normal(size)
    H = DenseOperator(rotated(values))
    found = XTrace(H, products=1000).run()
    assert found.products <= 2 * size
    assert found.total == 2 * size
    error = abs(found.value - values.sum()) / np.abs(values).sum()
    right.record("XTrace with P test vectors", "sum of the eigenvalues", error, 1e-10, 1)
    plus = HutchPlusPlusTrace(H, products=3 * size + 6).run()
    error = abs(plus.value - values.sum()) / np.abs(values).sum()
    right.record("Hutch++ with a sketch of all there is", "sum of the eigenvalues", error, 1e-10, 1)


def errors(make, matrix, seeds):
    """(errors of the values, standard errors given) over seeds."""
    found = [make(DenseOperator(matrix), seed).run() for seed in range(seeds)]
    return np.array([one.value for one in found]) - np.trace(matrix), np.array([one.standard_error for one in found])


def test_all_are_unbiased_and_the_later_ones_more_accurate_where_the_spectrum_falls():
    matrix = rotated(SPECTRA["power law"])
    rms = {}
    for name, make in {
        "Hutchinson": lambda H, seed: HutchinsonTrace(H, 18, seed),
        "Hutch++": lambda H, seed: HutchPlusPlusTrace(H, 18, seed),
        "XTrace": lambda H, seed: XTrace(H, 18, seed),
        "XTrace, lengths left in": lambda H, seed: XTrace(H, 18, seed, resphere=False),
    }.items():
        wrong, given = errors(make, matrix, 36)
        rms[name] = math.sqrt(np.mean(wrong**2))
        assert abs(wrong.mean()) < 4 * wrong.std() / math.sqrt(36), name
        assert 0.5 < math.sqrt(np.mean(given**2)) / rms[name] < 2.0, name
    assert rms["Hutch++"] < rms["Hutchinson"] / 3
    assert rms["XTrace"] < rms["Hutch++"]
    assert rms["XTrace"] < rms["XTrace, lengths left in"]


def test_float32_networks_within_a_few_error_estimates():
    for name in NETWORKS:
        model, loss, data = problem(name, torch.float32)
        dense = dense_hessian(model, loss, data)
        H = HessianOperator(Objective(model, loss, data))
        for method in (HutchPlusPlusTrace(H, 45), XTrace(H, 40)):
            found = method.run()
            assert abs(found.value - np.trace(dense)) < 5 * found.standard_error, name


@pytest.mark.long
@pytest.mark.parametrize("distribution", ["gaussian", "rademacher"])
@pytest.mark.parametrize("products", [30, 90])
def test_the_interval_of_hutch_plus_plus_holds_the_truth_as_often_as_it_says(products, distribution, right):
    matrix = rotated(0.97 ** np.arange(200) * np.where(np.arange(200) % 3, 1.0, -1.0), seed=9)
    held = [
        (found := HutchPlusPlusTrace(DenseOperator(matrix), products, seed, distribution).run()).interval[0]
        <= np.trace(matrix)
        <= found.interval[1]
        for seed in range(200)
    ]
    right.record(
        "95 % intervals of Hutch++ hold it in 90 to 99 %: distance from 94.5 %",
        "truth, 200 seeds",
        abs(np.mean(held) - 0.945),
        0.045,
        200,
    )
