"""The trace lab: the numbers of each estimator alone, nothing computed twice, equal cost at any moment."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from cases import OnceQuartic, dense_hessian
from torch import nn

from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import PartialProduct, SymmetricOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.trace import HutchinsonTrace
from landscape_widgets.compute.trace_differences import LossDifferenceTrace
from landscape_widgets.compute.trace_low_rank import HutchPlusPlusTrace, XTrace
from landscape_widgets.errors import InputError, ModelError, Outcome
from landscape_widgets.protocol.codec import encode
from landscape_widgets.protocol.labs import TraceSettings
from landscape_widgets.session.lab_trace import METHODS, NAMES, Traces, check_methods, thinned
from landscape_widgets.session.trace_runs_more import DEFLATED, LANCZOS_PRODUCTS, LANCZOS_TOLERANCE
from landscape_widgets.session.trace_words import sentence
from landscape_widgets.zoo import toy_saddle

BY_PRODUCTS = ("gaussian", "rademacher", "deflated", "hutch++", "xtrace")
COMPARED = ("value", "standard_error", "probes", "products", "evaluations", "cost")


class Counted(SymmetricOperator):
    """A matrix whose products come in two batches, which are counted."""

    def __init__(self, matrix):
        self.matrix = torch.as_tensor(matrix)
        self.size, self.dtype, self.device = len(self.matrix), self.matrix.dtype, torch.device("cpu")
        self.batches = 0

    def product_steps(self, vector, partial=None):
        partial = PartialProduct() if partial is None else partial
        while partial.done < 2:
            share = self.matrix @ vector / 2
            self.batches += 1
            partial.total = share if partial.total is None else partial.total + share
            partial.done += 1
            yield
        return partial.total


class Silent:
    """A listener that keeps what it is told."""

    def __init__(self):
        self.told = []

    def begun(self, settings):
        pass

    def traced(self, now, finished):
        self.told.append((now, finished))

    def failed(self, error):
        pass


def matrix(size=60, seed=0):
    """Symmetric, with a few large eigenvalues above many small ones of both signs."""
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.standard_normal((size, size)))
    values = np.r_[[30.0, 20.0, 12.0, -9.0, 7.0], rng.standard_normal(size - 5)]
    return (basis * values) @ basis.T


def parts(activation=nn.Tanh):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), activation(), nn.Linear(5, 2)).double()
    return model, nn.MSELoss(), (torch.randn(40, 3, dtype=torch.float64), torch.randn(40, 2, dtype=torch.float64))


def network(activation=nn.Tanh):
    return Objective(*parts(activation), batch_size=20)


def lab_of(operator, objective=None, **options):
    return Traces(operator, objective, Silent(), **options)


def run(lab, settings, steps=None):
    """Step to the end, or so many times; what is known then."""
    for _ in itertools.islice(lab.steps(settings), steps):
        pass
    return lab.now(settings, steps is None).results


def alone(method, operator, products, seed=0):
    """The estimator by itself, with so many products."""
    if method in ("gaussian", "rademacher"):
        return HutchinsonTrace(operator, products, seed, method).run()
    if method == "hutch++":
        return HutchPlusPlusTrace(operator, products, seed).run()
    if method == "xtrace":
        return XTrace(operator, products // 2 * 2, seed).run()
    pairs = Lanczos(operator, DEFLATED, 0, LANCZOS_TOLERANCE, max_products=LANCZOS_PRODUCTS).run()
    found = HutchinsonTrace(operator, products - pairs.products - DEFLATED, seed, deflate=pairs).run()
    return _shifted(found, pairs.products)


def _shifted(found, products):
    return dataclasses.replace(found, products=found.products + products, cost=found.cost + 2.0 * products)


def same(one, other):
    """Whether two estimates are the same numbers, bit by bit."""
    numbers = all(getattr(one, name) == getattr(other, name) for name in COMPARED)
    histories = all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in ("value_history", "error_history")
    )
    return numbers and histories and one.interval == pytest.approx(other.interval, rel=1e-12)


@pytest.mark.parametrize("method", BY_PRODUCTS)
def test_each_method_gives_the_numbers_of_its_estimator_alone(method):
    settings = TraceSettings((method,), 200, 3)
    found = run(lab_of(Counted(matrix())), settings)[method]
    assert same(found, alone(method, Counted(matrix()), 100, 3))
    assert found.outcome is Outcome.COMPLETE
    assert found.cost <= 200


@pytest.mark.parametrize("method", BY_PRODUCTS)
def test_a_larger_budget_goes_on_and_a_smaller_one_looks_back(method):
    lab = lab_of(Counted(matrix()))
    run(lab, TraceSettings((method,), 140, 0))
    run(lab, TraceSettings((method,), 200, 0))
    assert same(run(lab, TraceSettings((method,), 200, 0))[method], alone(method, Counted(matrix()), 100))
    before = lab.operator.batches
    again = run(lab, TraceSettings((method,), 140, 0))[method]
    assert same(again, alone(method, Counted(matrix()), 70))
    assert again.outcome is Outcome.COMPLETE
    assert lab.operator.batches == before  # what was known once is not computed again


@pytest.mark.parametrize("method", ["gaussian", "deflated", "xtrace"])
def test_growing_costs_no_product_twice(method):
    operator = Counted(matrix())
    lab = lab_of(operator)
    for budget in (140, 142, 180, 200):
        found = run(lab, TraceSettings((method,), budget, 0))[method]
    assert operator.batches == 2 * found.products


def test_a_larger_hutch_plus_plus_takes_over_its_sketch():
    operator = Counted(matrix())
    lab = lab_of(operator)
    run(lab, TraceSettings(("hutch++",), 60, 0))
    assert operator.batches == 2 * 30
    found = run(lab, TraceSettings(("hutch++",), 120, 0))["hutch++"]
    assert found.products == 60
    assert operator.batches == 2 * (60 + 10)  # only the 10 probes beside the smaller sketch are of no use


@pytest.mark.parametrize("method", BY_PRODUCTS)
def test_stopped_anywhere_and_gone_on_it_is_as_if_never_stopped(method):
    wanted = alone(method, Counted(matrix()), 60)
    steps = sum(1 for _ in lab_of(Counted(matrix())).steps(TraceSettings((method,), 90, 0)))
    for stop in range(1, steps, 17):
        lab = lab_of(Counted(matrix()))
        run(lab, TraceSettings((method,), 90, 0), stop)
        assert same(run(lab, TraceSettings((method,), 120, 0))[method], wanted), stop
        assert lab.operator.batches <= 2 * wanted.products + (2 * 16 if method == "hutch++" else 0)


def test_loss_differences_fill_the_budget_and_go_on():
    objective = network()
    lab = lab_of(HessianOperator(objective), objective)
    small = run(lab, TraceSettings(("differences",), 60, 0))["differences"]
    large = run(lab, TraceSettings(("differences",), 100, 0))["differences"]
    for found, budget in ((small, 60), (large, 100)):
        assert 3 * budget - 2 < found.evaluations <= 3 * budget
        assert same(found, LossDifferenceTrace(objective, found.probes, 0).run())
    looked_back = run(lab, TraceSettings(("differences",), 60, 0))["differences"]
    assert (looked_back.value, looked_back.probes) == (small.value, small.probes)
    assert looked_back.interval == pytest.approx(small.interval, rel=1e-12)
    assert (small.step, small.truncation) == (large.step, large.truncation)


def test_every_method_against_the_dense_trace(right):
    objective = network()
    truth = float(np.trace(dense_hessian(*parts())))
    lab = lab_of(HessianOperator(objective), objective)
    settings = TraceSettings(METHODS, 200, 0)
    found = run(lab, settings)
    now = lab.now(settings, True)
    right.record("exact trace in the trace lab", "dense float64 Hessian", abs(now.exact / truth - 1), 1e-12)
    distance = [abs(one.value - truth) / max(one.standard_error, 1e-12) for one in found.values()]
    assert max(distance) < 4.5  # standard errors
    assert found["exact"].interval_kind == "exact"
    assert "the exact trace is" in now.sentence
    assert now.progress == 1.0


def test_at_any_moment_all_have_spent_about_the_same():
    objective = network()
    lab = lab_of(HessianOperator(objective), objective)
    settings = TraceSettings(("gaussian", "rademacher", "xtrace", "hutch++", "differences"), 40, 0)
    for _ in lab.steps(settings):
        spent = [run.cost for run in lab._chosen(settings) if not run.done]
        assert max(spent, default=0.0) - min(spent, default=0.0) <= 4.0 + 1e-9


def test_another_seed_draws_again_and_keeps_what_knows_no_seed():
    operator = Counted(matrix())
    lab = lab_of(operator)
    first = run(lab, TraceSettings(("gaussian", "deflated", "exact"), 120, 0))
    spent = operator.batches
    second = run(lab, TraceSettings(("gaussian", "deflated", "exact"), 120, 1))
    assert first["gaussian"].value != second["gaussian"].value
    assert second["exact"] is first["exact"]
    lanczos = second["deflated"].products - second["deflated"].probes - DEFLATED
    assert operator.batches - spent == 2 * (60 + 60 - lanczos)


def test_switching_a_method_off_and_on_again_computes_nothing():
    operator = Counted(matrix())
    lab = lab_of(operator)
    run(lab, TraceSettings(("gaussian", "xtrace"), 60, 0))
    spent = operator.batches
    assert list(run(lab, TraceSettings(("gaussian",), 60, 0))) == ["gaussian"]
    assert list(run(lab, TraceSettings(("gaussian", "xtrace"), 60, 0))) == ["gaussian", "xtrace"]
    assert operator.batches == spent


def test_given_pairs_cost_nothing_and_must_fit():
    operator = Counted(matrix())
    pairs = Lanczos(operator, 4, 1).run()
    spent = operator.batches
    lab = lab_of(operator, pairs=pairs)
    found = run(lab, TraceSettings(("deflated",), 60, 0))["deflated"]
    assert (found.products, operator.batches - spent) == (30, 60)
    assert same(found, HutchinsonTrace(operator, 25, 0, deflate=pairs).run())
    with pytest.raises(InputError):
        lab_of(Counted(matrix(40)), pairs=pairs)


def test_a_budget_too_small_for_lanczos_says_what_is_needed():
    lab = lab_of(Counted(matrix()))
    settings = TraceSettings(("gaussian", "deflated"), 20, 0)
    assert list(run(lab, settings)) == ["gaussian"]
    message, _ = lab.message(settings, "q", 1, 0)
    deflated = next(curve for curve in message.curves if curve.method == "deflated")
    assert (deflated.value, deflated.outcome) == (pytest.approx(math.nan, nan_ok=True), "budget spent")
    assert deflated.advice
    assert deflated.cost <= 20
    assert "deflated" in run(lab, TraceSettings(("gaussian", "deflated"), 200, 0))


def test_one_failure_does_not_end_the_others():
    data = (torch.zeros(3, 1, dtype=torch.float64), torch.zeros(3, 1, dtype=torch.float64))
    objective = Objective(OnceQuartic(torch.linspace(-1.0, 1.0, 6)), lambda outputs, targets: outputs.mean(), data)
    lab = lab_of(HessianOperator(objective), objective)
    settings = TraceSettings(("gaussian", "xtrace", "differences"), 60, 0)
    found = run(lab, settings)
    assert list(found) == ["differences"]
    truth = 32.0 * float((torch.linspace(-1.0, 1.0, 6, dtype=torch.float64) ** 2).sum())
    assert found["differences"].interval[0] <= truth <= found["differences"].interval[1]
    message, _ = lab.message(settings, "q", 1, 0)
    outcomes = {curve.method: (curve.outcome, curve.caution) for curve in message.curves}
    assert outcomes["gaussian"][0] == outcomes["xtrace"][0] == "failed"
    assert outcomes["gaussian"][1]
    assert outcomes["differences"][0] == "complete"
    with pytest.raises(ModelError):
        run(lab, TraceSettings(("gaussian", "xtrace"), 60, 0))


def test_kinks_are_cautioned_and_the_products_are_not():
    objective = network(nn.ReLU)
    lab = lab_of(HessianOperator(objective), objective)
    settings = TraceSettings(("gaussian", "differences"), 60, 0)
    found = run(lab, settings)
    assert "kinks (ReLU)" in found["differences"].caution
    assert found["gaussian"].caution == ""
    assert "with a caution" in lab.now(settings, True).sentence


def test_not_finite_is_said_and_the_others_go_on():
    broken = matrix()
    broken[3, 3] = math.nan
    lab = lab_of(Counted(broken))
    found = run(lab, TraceSettings(("gaussian", "hutch++", "exact"), 40, 0))
    assert {one.outcome for one in found.values()} == {Outcome.NOT_FINITE}
    message, _ = lab.message(TraceSettings(("gaussian", "hutch++", "exact"), 40, 0), "q", 1, 0)
    assert all("NaN or infinity" in curve.caution for curve in message.curves)
    assert encode(message)["curves"][0]["value"] is None


def test_the_toy_saddle_has_no_loss_differences():
    model, _, _ = toy_saddle(n=20, positive=30)
    lab = lab_of(model.hessian_operator())
    assert lab.usual == ("gaussian", "rademacher", "deflated", "hutch++", "xtrace", "exact")
    found = run(lab, TraceSettings(("rademacher", "exact"), 20, 0))
    assert found["rademacher"].value == found["exact"].value == 20.0
    with pytest.raises(InputError, match="needs an objective"):
        lab.check(TraceSettings(("differences",), 20, 0))


def test_the_exact_value_is_offered_with_its_cost():
    offers = {offer.method: offer for offer in lab_of(Counted(np.eye(3000))).offered}
    assert offers["exact"].available
    assert offers["exact"].note == "3,000 products = 6,000 gradient evaluations"
    assert "exact" not in lab_of(Counted(np.eye(3000))).usual


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (TraceSettings((), 100, 0), "at least one of"),
        (TraceSettings(("gaussian",), 0, 0), "budget of 8"),
        (TraceSettings(("gaussian",), 7, 0), "budget of 8"),
        (TraceSettings(("gaussian",), 100, -1), "seed from"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(InputError, match=words):
        lab_of(Counted(matrix())).check(settings)


def test_methods_by_name():
    assert check_methods("xtrace") == ("xtrace",)
    assert check_methods(["xtrace", "gaussian", "xtrace"]) == ("gaussian", "xtrace")
    with pytest.raises(InputError, match="'hutch', "):
        check_methods(("hutch", "xtrace"))
    assert set(NAMES) == set(METHODS)


def test_the_least_budget_gives_every_method_a_value_or_a_reason():
    objective = network()
    lab = lab_of(HessianOperator(objective), objective)
    settings = TraceSettings(METHODS, 8, 0)
    run(lab, settings)
    message, _ = lab.message(settings, "q", 1, 0)
    for curve in message.curves:
        assert math.isfinite(curve.value) or curve.advice, curve.method


def test_a_message_thins_long_histories_and_keeps_both_ends():
    found = HutchinsonTrace(toy_saddle(n=5)[0].hessian_operator(), 700).run()
    rows = thinned(found)
    assert len(rows["cost"]) <= 300
    assert rows["value"][[0, -1]].tolist() == found.value_history[[0, -1]].tolist()
    assert rows["half"][-1] == pytest.approx((found.interval[1] - found.interval[0]) / 2, rel=1e-12)
    assert math.isnan(rows["half"][0])
    assert rows["probes"][-1] == 700


def test_the_sentence_names_the_surest_and_the_truth():
    lab = lab_of(Counted(matrix()))
    assert sentence({}, None, 200, 0, True) == "After 0 of 200 gradient evaluations no method has a value yet."
    settings = TraceSettings(("gaussian", "xtrace", "exact"), 100, 0)
    run(lab, settings)
    words = lab.now(settings, True).sentence
    assert words.startswith("After 100 gradient evaluations: ")
    assert "inside 1 of 1 confidence interval." in words
    assert "XTrace" in words
