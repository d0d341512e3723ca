"""Extreme eigenvalues and trace over checkpoints against the dense Hessian at each of them."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from cases import dense_hessian, problem
from scipy.sparse.linalg import eigsh

from landscape_widgets.compute.checkpoint_readers import save_parameters
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.spectrum_history import CheckpointSpectrum
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import SpectrumHistory

EXACT = "NumPy eigvalsh of the dense float64 Hessian at each checkpoint"


def trained(name="MLP tanh", count=4, steps=15, batch_size=None):
    """(objective, modules on the way of a training, model, loss, data)."""
    model, loss, data = problem(name)
    moving = copy.deepcopy(model)
    optimizer = torch.optim.SGD(moving.parameters(), lr=0.3)
    kept = [copy.deepcopy(moving)]
    for _ in range(count - 1):
        for _ in range(steps):
            optimizer.zero_grad()
            loss(moving(data[0]), data[1]).backward()
            optimizer.step()
        kept.append(copy.deepcopy(moving))
    return Objective(model, loss, data, batch_size=batch_size), kept, model, loss, data


def same(one, other):
    return all(
        np.array_equal(np.asarray(getattr(one, field.name)), np.asarray(getattr(other, field.name)), equal_nan=True)
        for field in dataclasses.fields(one)
        if field.name in ("values", "residuals", "bounds", "trace", "trace_error", "products")
    ) and (one.outcomes, one.outcome) == (other.outcomes, other.outcome)


def test_eigenvalues_and_trace_of_every_checkpoint(right):
    objective, kept, _, loss, data = trained()
    history = CheckpointSpectrum(objective, kept, 2, 1, trace_probes=8, tol=1e-6).run()
    assert history.outcome is Outcome.COMPLETE
    assert history.outcomes == ("converged",) * 4
    assert history.known.all()
    assert (history.done, history.total) == (4, 4)
    assert history.accepted.all()
    for number, module in enumerate(kept):
        exact = np.linalg.eigvalsh(dense_hessian(module, loss, data))
        error = np.abs(history.values[number] - exact[[-1, -2, 0]]).max() / exact[-1]
        right.record("eigenvalues over checkpoints", EXACT, error, 1e-8, 3)
        deviation = abs(history.trace[number] - exact.sum()) / history.trace_error[number]
        right.record("trace over checkpoints, in standard errors", EXACT, deviation, 5)
        assert history.trace_error[number] < 0.5 * np.abs(exact).sum()
    assert np.ptp(history.values[:, 0]) > 1e-2  # they do change: the comparison can fail


def test_the_ends_agree_with_scipy_at_a_flat_vector(right):
    objective, kept, *_ = trained(count=2)
    vectors = [objective.layout.join(list(module.parameters())).detach() for module in kept]
    history = CheckpointSpectrum(objective, vectors, trace_probes=0, tol=1e-6).run()
    assert np.isnan(history.trace).all()
    for number, theta in enumerate(vectors):
        operator = HessianOperator(objective, theta).to_scipy()
        ends = eigsh(operator, 2, which="BE", return_eigenvectors=False, v0=np.ones(objective.size))
        error = np.abs(history.values[number] - ends[::-1]).max() / ends[-1]
        right.record("eigenvalues over checkpoints", "scipy eigsh", error, 1e-8, 2)


def test_the_error_of_the_trace_is_that_of_repeated_runs(right):
    objective, kept, _, loss, data = trained(count=2)
    exact = np.trace(dense_hessian(kept[1], loss, data))
    runs = [CheckpointSpectrum(objective, kept[1:], trace_probes=10, seed=seed, tol=0.05).run() for seed in range(12)]
    traces, errors = np.array([(run.trace[0], run.trace_error[0]) for run in runs]).T
    ratio = traces.std(ddof=1) / np.sqrt(np.mean(errors**2))
    right.record("standard error of the deflated trace, 12 seeds", "their standard deviation", abs(ratio - 1), 0.6, 12)
    assert abs(traces.mean() - exact) < 4 * traces.std(ddof=1) / 12**0.5


def test_files_modules_and_vectors_are_the_same_and_the_model_is_not_touched(tmp_path):
    objective, kept, model, *_ = trained(count=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.random.get_rng_state()
    files = [save_parameters(tmp_path / f"{number}.safetensors", module) for number, module in enumerate(kept)]
    given = [kept, [module.state_dict() for module in kept], files]
    histories = [CheckpointSpectrum(objective, items, trace_probes=2).run() for items in given]
    assert all(same(histories[0], other) for other in histories[1:])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(random, torch.random.get_rng_state())
    assert torch.equal(objective.center, objective.layout.join(list(model.parameters())))


def test_ritz_values_stream_and_rows_fill_from_the_first():
    objective, kept, *_ = trained(count=3, batch_size=64)
    run = CheckpointSpectrum(objective, kept, trace_probes=3)
    results = list(run.stream())
    assert {result.outcome for result in results[:-1]} == {Outcome.RUNNING}
    done = [result.done for result in results]
    assert done == sorted(done)
    assert set(done) == {0, 1, 2, 3}
    first = [result for result in results if result.done == 0]
    ritz = [result.values[0, 0] for result in first if np.isfinite(result.values[0, 0])]
    assert len(set(ritz)) > 5
    assert ritz[-1] == results[-1].values[0, 0]
    assert all(np.isnan(result.values[1:]).all() for result in first)
    products = [result.products for result in results]
    assert products == sorted(products)
    batches = objective.batches.count
    assert len(results) >= batches * products[-1]


def test_resuming_computes_nothing_twice_and_ends_the_same():
    objective, kept, *_ = trained(count=2, batch_size=64)
    run = CheckpointSpectrum(objective, kept, trace_probes=3)
    states, results = [], []
    stream = run.stream()
    for result in stream:
        states.append(stream.checkpoint())
        results.append(result)
    trace = next(number for number, result in enumerate(results) if np.isfinite(result.trace[0]))
    for stop in [0, 1, 2, trace - 1, trace, trace + 1, len(results) // 2, len(results) - 2, len(results) - 1]:
        rest = list(run.stream(resume=states[stop]))
        assert same(rest[-1], results[-1])
        assert len(rest) <= len(results) - stop + 2
    again = list(run.stream(resume=states[trace]))
    assert same(again[-1], results[-1])  # a state is not used up


def test_a_checkpoint_that_diverged_keeps_the_others():
    objective, kept, *_ = trained(count=3)
    with torch.no_grad():
        kept[1][0].weight[0, 0] = float("nan")
    history = CheckpointSpectrum(objective, kept, trace_probes=2).run()
    assert history.outcome is Outcome.NOT_FINITE
    assert history.outcomes == ("converged", "not finite", "converged")
    assert np.isfinite(history.values[[0, 2]]).all()
    assert np.isfinite(history.trace[[0, 2]]).all()
    assert np.isnan(history.values[1]).all()
    assert np.isnan(history.trace[1])
    assert history.known.all()


def test_a_budget_is_said_where_it_was_spent():
    objective, kept, *_ = trained(count=2)
    history = CheckpointSpectrum(objective, kept, trace_probes=2, max_products=4).run()
    assert history.outcome is Outcome.BUDGET_SPENT
    assert history.outcomes == ("budget spent",) * 2
    assert history.products == 2 * (4 + 2)
    assert not history.accepted.all()
    assert np.isfinite(history.trace).all()


def test_closing_early_keeps_what_is_known():
    objective, kept, *_ = trained(count=2)
    stream = CheckpointSpectrum(objective, kept).stream()
    while next(stream).done < 1:
        pass
    stream.close()
    assert stream.latest.outcome is Outcome.CANCELLED
    assert stream.latest.known.tolist() == [True, False]


def test_bad_arguments_are_refused():
    objective, kept, *_ = trained(count=2)
    for probes in (-1, 1, 2.5, True):
        with pytest.raises(InputError, match="expected trace_probes of at least 2, or 0"):
            CheckpointSpectrum(objective, kept, trace_probes=probes)
    with pytest.raises(InputError, match="expected 1 to 57 eigenpairs"):
        CheckpointSpectrum(objective, kept, 0, 0)
    with pytest.raises(InputError, match="expected at least 1 checkpoints, got 0"):
        CheckpointSpectrum(objective, [])
    with pytest.raises(InputError, match=r"of shape \(57,\)"):
        CheckpointSpectrum(objective, [torch.zeros(56)])
    state = CheckpointSpectrum(objective, kept).stream().checkpoint()
    with pytest.raises(InputError, match="resume with the arguments that made it"):
        CheckpointSpectrum(objective, kept, seed=1).stream(resume=state)


def test_a_history_comes_back_from_its_file(tmp_path):
    objective, kept, *_ = trained(count=2)
    history = CheckpointSpectrum(objective, kept, trace_probes=2).run()
    loaded = SpectrumHistory.load(history.save(tmp_path / "history"))
    assert same(history, loaded)
    assert loaded.labels == history.labels
