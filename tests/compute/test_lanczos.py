"""Lanczos against dense eigenvalues: both of its claims, every outcome, resumption, and its cost."""

import dataclasses

import numpy as np
import pytest
import torch
from cases import dense_hessian, problem
from scipy.sparse.linalg import eigsh
from torch import nn

from landscape_widgets.compute.krylov import KrylovSpace, KrylovState, length
from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.operators.dense import DenseOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.training import TrainingStream
from landscape_widgets.compute.verification import minimum_steps
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.zoo import digits_split, mlp, toy_saddle

EXACT = "NumPy eigvalsh of the same matrix in float64"


class Counted(DenseOperator):
    """A dense operator that counts its products, in as many batches as asked for."""

    def __init__(self, matrix, batches=1):
        super().__init__(matrix)
        self.products, self.batches = 0, batches

    def product_steps(self, vector, partial=None):
        from landscape_widgets.compute.operators.base import PartialProduct

        partial = PartialProduct() if partial is None else partial
        while partial.done < self.batches:
            share = self._matrix @ vector / self.batches
            partial.total = share if partial.total is None else partial.total + share
            partial.done += 1
            self.products += 1
            yield
        return partial.total


def spectrum(kind, size, rng):
    """Eigenvalues of one kind of difficult problem."""
    if kind == "spread":
        return rng.standard_normal(size) * 10.0 ** rng.uniform(-3, 3)
    if kind == "degenerate":
        return rng.choice(rng.standard_normal(max(2, size // 6)), size)
    if kind == "clustered":
        centres = rng.standard_normal(max(2, size // 8))
        return rng.choice(centres, size) + 10.0 ** rng.uniform(-9, -3) * rng.standard_normal(size)
    if kind == "rank-deficient":
        values = np.zeros(size)
        rank = rng.integers(1, max(2, size // 3))
        values[:rank] = rng.standard_normal(rank) * 10.0 ** rng.uniform(-2, 2, rank)
        return values
    if kind == "indefinite":
        return np.concatenate([-rng.random(size // 2), rng.random(size - size // 2)])
    if kind == "two-valued":
        return np.where(np.arange(size) % 2, 1.0, -1.0)
    if kind == "outliers":  # as a trained network's: few large, a bulk near zero
        values = 1e-3 * rng.standard_normal(size)
        values[: min(size, 5)] = 10.0 ** rng.uniform(0, 2, min(size, 5))
        return values
    return np.zeros(size)


KINDS = ("spread", "degenerate", "clustered", "rank-deficient", "indefinite", "two-valued", "outliers", "zero")


def random_problem(number):
    """(matrix in float64, Lanczos of it) number `number`: kind, size, ends, dtype and basis vary."""
    rng = np.random.default_rng(number)
    kind = KINDS[number % len(KINDS)]
    size = int(rng.integers(1, 150)) if number % 5 else int(rng.integers(1, 12))
    values = spectrum(kind, size, rng)
    rotation = np.linalg.qr(rng.standard_normal((size, size)))[0]
    matrix = (rotation * values) @ rotation.T
    matrix = (matrix + matrix.T) / 2
    dtype = torch.float32 if rng.random() < 0.4 else torch.float64
    given = torch.as_tensor(matrix).to(dtype)
    largest = int(rng.integers(0, min(4, size) + 1))
    smallest = int(rng.integers(0 if largest else 1, max(1 - largest, min(4, size - largest)) + 1))
    options = {
        "tol": 10.0 ** rng.uniform(-5, -2),
        "seed": int(rng.integers(2**31)),
        "max_basis": None if rng.random() < 0.5 else 10,
        "verify": bool(rng.random() < 0.6),
        "max_products": int(rng.choice([10, 100, 3000])),
    }
    return given.double().numpy(), Lanczos(DenseOperator(given), largest, smallest, **options)


def false_claims(matrix, run, pairs):
    """What a result claims that is not so, by dense float64 algebra; [] for an honest one."""
    wrong = []
    exact = np.linalg.eigvalsh(matrix)[::-1]
    scale = np.abs(exact).max()
    eps = torch.finfo(run.operator.dtype).eps
    slack = 4 * eps * scale * max(1, len(matrix)) ** 0.5  # the rounding of the check itself
    vectors = pairs.vectors.astype(np.float64)
    if pairs.outcome is Outcome.CONVERGED:
        residuals = np.linalg.norm(matrix @ vectors - vectors * pairs.values, axis=0)
        allowed = np.maximum(run.tol * np.abs(pairs.values), run.floor * scale)
        if not np.all(residuals <= allowed):
            wrong.append(f"converged, but residuals {residuals} above {allowed}")
        if not np.all(np.abs(pairs.residuals - residuals) <= slack):
            wrong.append(f"residuals {pairs.residuals} reported, {residuals} found")
        if np.abs(vectors.T @ vectors - np.eye(len(pairs.values))).max() > 1e-3:
            wrong.append("vectors are not orthonormal")
        if not np.all(pairs.residuals <= pairs.bounds):
            wrong.append("accepted above its own bound")
        if len(pairs.values) != run.largest + run.smallest:
            wrong.append(f"{len(pairs.values)} pairs for {run.largest} + {run.smallest}")
        if np.any(np.diff(pairs.values[: run.largest]) > 0) or np.any(np.diff(pairs.values[run.largest :]) > 0):
            wrong.append("values do not descend")
    if pairs.multiplicity_checked:
        ends = np.r_[exact[: run.largest], exact[len(exact) - run.smallest :]]
        allowed = np.maximum(run.tol * np.maximum(np.abs(ends), np.abs(pairs.values)), run.floor * scale)
        if not np.all(np.abs(pairs.values - ends) <= allowed + slack):
            wrong.append(f"{pairs.values} claimed as the extreme ones, {ends} are")
    if pairs.multiplicity_checked and not (run.verify and pairs.outcome is Outcome.CONVERGED):
        wrong.append("claims multiplicity without the right to")
    if pairs.products > run.max_products:
        wrong.append(f"{pairs.products} products, {run.max_products} allowed")
    return wrong


def run_problems(numbers, right):
    outcomes, checked, wrong = {}, 0, []
    for number in numbers:
        matrix, run = random_problem(number)
        pairs = run.run()
        outcomes[pairs.outcome] = outcomes.get(pairs.outcome, 0) + 1
        checked += pairs.multiplicity_checked
        wrong += [f"problem {number}: {text}" for text in false_claims(matrix, run, pairs)]
    total = len(numbers)
    right.record('false claims of "converged"', EXACT, sum("converged" in text for text in wrong), 0, total)
    right.record('false claims of "the k extreme ones"', EXACT, sum("extreme" in text for text in wrong), 0, checked)
    assert not wrong, "\n".join(wrong)
    return outcomes, checked


def test_no_false_claims_on_a_hundred_random_problems(right):
    outcomes, checked = run_problems(range(100), right)
    assert outcomes[Outcome.CONVERGED] > 50
    assert checked > 25


@pytest.mark.long
def test_no_false_claims_on_a_thousand_random_problems(right):
    outcomes, checked = run_problems(range(1000), right)
    assert outcomes[Outcome.CONVERGED] > 500
    assert checked > 250


def test_the_check_of_claims_catches_false_ones():
    solved = ((matrix, run, run.run()) for matrix, run in map(random_problem, range(8, 100, 8)) if run.largest > 1)
    matrix, run, pairs = next(found for found in solved if found[2].outcome is Outcome.CONVERGED)
    assert not false_claims(matrix, run, pairs)
    scale = np.abs(matrix).max()
    assert false_claims(matrix + scale * np.eye(len(matrix)), run, pairs)
    run.verify = True
    assert false_claims(matrix, run, dataclasses.replace(pairs, values=pairs.values[::-1], multiplicity_checked=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_more_than_fifty_steps_keep_the_basis_orthogonal(dtype):
    rng = np.random.default_rng(0)
    size = 300
    values = np.linspace(-1, 1, size) ** 3
    rotation = np.linalg.qr(rng.standard_normal((size, size)))[0]
    matrix = (rotation * values) @ rotation.T
    matrix = torch.as_tensor((matrix + matrix.T) / 2).to(dtype)
    for max_basis in (None, 40):
        run = Lanczos(DenseOperator(matrix), 5, 5, tol=1e-4, max_basis=max_basis, max_products=2000)
        pairs = run.run()
        assert pairs.products > 60
        assert pairs.outcome is Outcome.CONVERGED
        assert not false_claims(matrix.double().numpy(), run, pairs)
        spacing = np.diff(pairs.values)
        assert np.all(np.abs(spacing) > 1e-3), "no eigenvalue may come twice"


def test_a_bounded_basis_stays_bounded_and_finds_the_same():
    rng = np.random.default_rng(1)
    size = 400
    matrix = np.diag(np.r_[np.linspace(-1, 1, size - 4), 1.2, 1.3, -1.2, -1.3])
    free = Lanczos(DenseOperator(matrix), 2, 2, tol=1e-6).run()
    run = Lanczos(DenseOperator(matrix), 2, 2, tol=1e-6, max_basis=30, max_products=3000)
    stream = run.stream()
    for _ in stream:
        rows = sum(len(chunk) for chunk in stream.checkpoint().chunks) if rng.random() < 0.1 else 0
        assert rows <= 64
    np.testing.assert_allclose(stream.latest.values, free.values, atol=1e-9)
    np.testing.assert_allclose(free.values, [1.3, 1.2, -1.2, -1.3], atol=1e-9)
    assert stream.latest.outcome is Outcome.CONVERGED


@pytest.mark.parametrize("positive", [0, 7, 20, 40])
def test_the_degenerate_toy_saddle_with_multiplicity(positive, right):
    H = HessianOperator(Objective(*toy_saddle(20, positive)))
    pairs = Lanczos(H, 3, 3, verify=True).run()
    exact = np.sort(np.r_[np.ones(positive), -np.ones(40 - positive), 0.0])[::-1]
    error = np.abs(pairs.values - np.r_[exact[:3], exact[-3:]]).max()
    right.record("eigenvalues of toy saddles, counted with multiplicity", "closed form", error, 1e-10)
    assert pairs.multiplicity_checked
    assert 0 < pairs.verification_products < pairs.products


def test_without_verification_a_double_eigenvalue_is_seen_once_and_nothing_more_is_claimed():
    H = DenseOperator(np.diag([2.0, 2.0, *np.linspace(-1, 1, 60)]))
    plain, verified = Lanczos(H, 2, 0).run(), Lanczos(H, 2, 0, verify=True).run()
    assert plain.outcome is verified.outcome is Outcome.CONVERGED
    assert not plain.multiplicity_checked
    assert plain.values[1] < 1.5
    assert verified.multiplicity_checked
    np.testing.assert_allclose(verified.values, [2.0, 2.0])


def test_the_residual_bound_says_which_rule_applied():
    pairs = Lanczos(DenseOperator(np.diag([1.0, 0.5, 0.0, 0.0, 0.0])), 1, 1, tol=1e-3).run()
    assert pairs.criteria == ("relative", "floor")
    np.testing.assert_allclose(pairs.bounds, [1e-3, 1e-8])
    assert pairs.accepted.all()
    in_single = Lanczos(DenseOperator(torch.eye(5)), 1, 0)
    assert in_single.floor == 1e-5


@pytest.mark.parametrize("name", ["MLP tanh", "TransformerEncoder"])
def test_pairs_of_a_network_against_dense_and_eigsh(name, right):
    model, loss, data = problem(name)
    dense = dense_hessian(model, loss, data)
    exact = np.linalg.eigvalsh(dense)[::-1]
    pairs = Lanczos(HessianOperator(Objective(model, loss, data, batch_size=32)), 3, 2, tol=1e-6, verify=True).run()
    error = np.abs(pairs.values - np.r_[exact[:3], exact[-2:]]) / np.abs(exact).max()
    right.record(
        "extreme eigenvalues of networks", "NumPy eigvalsh of the double-backward Hessian", error.max(), 1e-9, 5
    )
    theirs = np.sort(eigsh(HessianOperator(Objective(model, loss, data)).to_scipy(), 3, which="LA")[0])[::-1]
    error = np.abs(pairs.values[:3] - theirs).max() / np.abs(exact).max()
    right.record("extreme eigenvalues of networks", "scipy eigsh", error, 1e-9, 3)
    residuals = np.linalg.norm(dense @ pairs.vectors - pairs.vectors * pairs.values, axis=0)
    right.record("reported residuals", "dense float64 residuals", np.abs(residuals - pairs.residuals).max(), 1e-12, 5)


def test_float32_residuals_hold_against_a_float64_operator(right):
    model, loss, data = problem("MLP tanh", torch.float32)
    pairs = Lanczos(HessianOperator(Objective(model, loss, data, batch_size=32)), 3, 2).run()
    dense = dense_hessian(model, loss, data)
    vectors = pairs.vectors.astype(np.float64)
    residuals = np.linalg.norm(dense @ vectors - vectors * pairs.values, axis=0)
    assert pairs.outcome is Outcome.CONVERGED
    right.record(
        "float32 residuals over their bound", "dense float64 residuals", (residuals / pairs.bounds).max(), 1.0, 5
    )


def test_products_for_five_pairs_of_a_digits_network(right):
    train, _ = digits_split()
    training = TrainingStream(mlp((64, 32, 10)), nn.CrossEntropyLoss(), train, batch_size=64, epochs=10, lr=0.05)
    training.run()
    pairs = Lanczos(HessianOperator(Objective(training.model, nn.CrossEntropyLoss(), train)), 5, 0).run()
    assert pairs.outcome is Outcome.CONVERGED
    right.record("products for the top five of a digits MLP (64-32-10)", "counted", pairs.products, 25)


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("batches", [1, 3])
def test_resumed_at_any_moment_nothing_is_computed_twice(verify, batches):
    rng = np.random.default_rng(3)
    matrix = rng.standard_normal((60, 60))
    matrix = matrix + matrix.T
    matrix[:, :6] = matrix[:6] = 0.0
    options = {"largest": 2, "smallest": 2, "verify": verify, "max_basis": 30, "seed": 5}
    straight = Counted(matrix, batches)
    expected = Lanczos(straight, **options).run()
    assert expected.outcome is Outcome.CONVERGED
    assert expected.products * batches == straight.products
    total = sum(1 for _ in Lanczos(Counted(matrix, batches), **options).stream())
    for stop in sorted({0, 1, total - 1, total} | set(rng.integers(0, total, 8).tolist())):
        operator = Counted(matrix, batches)
        stream = Lanczos(operator, **options).stream()
        for _ in range(stop):
            next(stream)
        state = stream.checkpoint()
        for _ in zip(range(3), stream, strict=False):  # later steps do not change the state
            pass
        stream.close()
        operator.products, before = 0, None
        counted = Counted(matrix, batches)
        resumed = list(Lanczos(counted, **options).stream(resume=state))
        before = straight.products - counted.products
        assert np.array_equal(resumed[-1].values, expected.values)
        assert np.array_equal(resumed[-1].vectors, expected.vectors)
        assert np.array_equal(resumed[-1].residuals, expected.residuals)
        assert resumed[-1].products == expected.products
        assert resumed[-1].multiplicity_checked == verify
        assert before >= stop - 1, f"{before} products kept after {stop} steps"
        assert before == min(stop, straight.products)


def test_a_spent_budget_resumes_with_a_larger_one():
    matrix = np.diag(np.linspace(-1, 1, 120))
    short = Lanczos(Counted(matrix), 2, 2, max_products=12)
    stream = short.stream()
    last = list(stream)[-1]
    assert last.outcome is Outcome.BUDGET_SPENT
    assert "Raise the budget of products" in last.outcome.advice
    assert last.products == 12
    operator = Counted(matrix)
    resumed = list(Lanczos(operator, 2, 2).stream(resume=stream.checkpoint()))[-1]
    straight = Lanczos(DenseOperator(matrix), 2, 2).run()
    assert resumed.outcome is Outcome.CONVERGED
    assert resumed.products == straight.products == operator.products + 12
    assert np.array_equal(resumed.values, straight.values)


def test_partial_results_stream_and_a_closed_stream_is_cancelled():
    stream = Lanczos(DenseOperator(np.diag(np.arange(50.0))), 2, 1).stream()
    partials = [next(stream) for _ in range(10)]
    assert all(partial.outcome is Outcome.RUNNING and partial.vectors.shape == (50, 0) for partial in partials)
    assert [partial.products for partial in partials] == list(range(1, 11))
    stream.close()
    assert stream.latest.outcome is Outcome.CANCELLED
    assert "resume from the checkpoint" in stream.latest.outcome.advice
    assert list(stream) == []


def test_an_interrupt_keeps_what_was_found():
    class Interrupted(Counted):
        def product_steps(self, vector, partial=None):
            if self.products == 7:
                raise KeyboardInterrupt
            return (yield from super().product_steps(vector, partial))

    run = Lanczos(Interrupted(np.diag(np.arange(50.0))), 2, 1)
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert run.partial.outcome is Outcome.CANCELLED
    assert run.partial.products == 7


def test_the_same_seed_repeats_and_another_starts_elsewhere():
    H = DenseOperator(np.diag(np.linspace(-1, 1, 80)))
    one, again, other = (Lanczos(H, 2, 1, seed=seed).run() for seed in (0, 0, 1))
    assert np.array_equal(one.vectors, again.vectors)
    assert not np.array_equal(one.residuals, other.residuals)
    np.testing.assert_allclose(one.values, other.values, atol=1e-6)
    assert (one.seed, other.seed) == (0, 1)


def test_an_operator_that_is_not_symmetric_breaks_down():
    skew = DenseOperator(np.eye(30))
    skew._matrix = torch.as_tensor(np.random.default_rng(0).standard_normal((30, 30)))
    pairs = Lanczos(skew, 1, 1).run()
    assert pairs.outcome is Outcome.BREAKDOWN
    assert pairs.products < 5, "it is seen at once, not at the end of the space"
    assert "not symmetric" in pairs.outcome.advice


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_operator_that_is_not_finite_says_so(bad):
    matrix = np.diag([bad, 1.0, 2.0])
    pairs = Lanczos(DenseOperator(matrix), 1, 0).run()
    assert pairs.outcome is Outcome.NOT_FINITE
    assert "NaN or infinity" in pairs.outcome.advice


@pytest.mark.parametrize("verify", [False, True])
def test_all_pairs_of_a_tiny_operator(verify):
    matrix = np.array([[2.0, 1.0, 0.0], [1.0, -1.0, 0.5], [0.0, 0.5, 0.0]])
    pairs = Lanczos(DenseOperator(matrix), 2, 1, verify=verify).run()
    np.testing.assert_allclose(pairs.values, np.linalg.eigvalsh(matrix)[::-1], atol=1e-12)
    assert pairs.outcome is Outcome.CONVERGED
    one = Lanczos(DenseOperator(np.array([[3.0]])), 1, 0, verify=verify).run()
    assert one.values.tolist() == [3.0]


def test_an_operator_too_rough_for_the_bound_is_not_believed():
    class Rough(DenseOperator):
        def product_steps(self, vector, partial=None):
            image = yield from super().product_steps(vector, partial)
            return (image * 2.0**30).round() / 2.0**30

    matrix = np.diag(np.r_[np.linspace(-1, 1, 200), 3.0, 4.0])
    pairs = Lanczos(Rough(matrix), 2, 0, tol=1e-12, floor=1e-12, max_products=60).run()
    assert pairs.outcome is Outcome.BUDGET_SPENT
    exact = Lanczos(DenseOperator(matrix), 2, 0, tol=1e-12, floor=1e-12, max_products=60).run()
    assert exact.outcome is Outcome.CONVERGED


def test_a_search_takes_as_many_steps_as_the_theorem_asks():
    H = DenseOperator(np.diag(np.r_[np.full(400, 0.0), 1.0, 2.0]))
    pairs = Lanczos(H, 2, 0, verify=True).run()
    assert pairs.multiplicity_checked
    assert pairs.verification_products >= minimum_steps(400)


def test_steps_before_a_search_counts_as_certain():
    for dimension in (1, 10, 1000, 10**6):
        steps = minimum_steps(dimension)
        assert 1 <= steps <= dimension
        if steps < dimension:
            assert 1.648 * dimension**0.5 * np.exp(-(0.01**0.5) * (2 * steps - 1)) <= 1e-3


def test_questions_that_cannot_be_asked():
    H = DenseOperator(np.eye(3))
    with pytest.raises(InputError, match=r"expected a symmetric operator, got ndarray.*HessianOperator"):
        Lanczos(np.eye(3))
    with pytest.raises(
        InputError, match="expected 1 to 3 eigenpairs of a 3 x 3 operator, got largest=2 and smallest=2"
    ):
        Lanczos(H, 2, 2)
    with pytest.raises(InputError, match="largest=0 and smallest=0"):
        Lanczos(H, 0, 0)
    with pytest.raises(InputError, match=r"expected tol > 0 and max_products of at least 1, got 0\.0 and 1000"):
        Lanczos(H, 1, 0, tol=0.0)
    state = Lanczos(DenseOperator(np.eye(4)), 1, 0).stream()
    next(state)
    with pytest.raises(InputError, match="expected a checkpoint of size 3, got 4"):
        Lanczos(H, 1, 0).stream(resume=state.checkpoint())


class Spread(SymmetricOperator):
    """H = W diag(λ) Wᵀ in float32, multiplied out in float64; W has few spread orthonormal columns."""

    def __init__(self, size, values):
        generator = torch.Generator().manual_seed(1)
        self.columns = torch.linalg.qr(torch.randn(size, len(values), generator=generator, dtype=torch.float64))[0]
        self.values = torch.tensor(values, dtype=torch.float64)
        self.size, self.dtype, self.device = size, torch.float32, torch.device("cpu")

    def product_steps(self, vector, partial=None):
        yield
        return (self.columns @ (self.values * (self.columns.T @ vector.double()))).float()


def test_millions_of_float32_parameters_keep_unit_vectors():
    """torch's own norm over millions of float32 may be off by a thousandth: the basis would not be orthonormal."""
    pairs = Lanczos(Spread(4_000_000, [800.0, 250.0, -20.0]), 1, 1, tol=1e-3, max_products=40).run()
    lengths = np.linalg.norm(pairs.vectors.astype(np.float64), axis=0)
    np.testing.assert_allclose(lengths, 1.0, atol=1e-6)
    np.testing.assert_allclose(pairs.values, [800.0, -20.0], rtol=1e-6)
    assert pairs.outcome is Outcome.CONVERGED


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("max_basis", [None, 24])
def test_the_basis_stays_orthonormal_to_rounding(dtype, max_basis, right):
    """One pass after the recurrence is enough; the recurrence alone, the negative control, is not."""
    values = np.r_[np.linspace(-1, 1, 400) ** 3, 3.0, 2.5, -2.0]  # ends found early: where Lanczos loses orthogonality
    operator = DenseOperator(torch.as_tensor(np.diag(values)).to(dtype))

    def lost(space):
        for _ in range(120):
            for _ in space.expand(2, 2):
                pass
        rows = torch.cat([chunk for _, chunk in space._used(space.state.count)]).double()
        return float((rows @ rows.T - torch.eye(len(rows), dtype=torch.float64)).abs().max())

    eps = torch.finfo(dtype).eps
    space = KrylovSpace(operator, KrylovState(0), max_basis or 200)
    right.record("loss of orthogonality of the basis, in units of rounding", "QᵀQ = I", lost(space) / eps, 100)

    class Bare(KrylovSpace):
        def _orthogonalize(self, vector, count):
            return np.zeros(count)

    assert lost(Bare(operator, KrylovState(0), 200)) > 1e-2


def test_lengths_and_overlaps_of_millions_of_float32_lose_no_digits():
    vector = torch.randn(3_000_001, generator=torch.Generator().manual_seed(0))
    exact = float(vector.double().norm())
    assert length(vector) == pytest.approx(exact, rel=1e-6)
    assert length(1e-30 * vector) == pytest.approx(1e-30 * exact, rel=1e-5)
    assert length(1e25 * vector) == pytest.approx(1e25 * exact, rel=1e-6)
    assert length(torch.zeros(3)) == 0.0
    assert np.isnan(length(torch.tensor([1.0, float("nan")])))
    assert length(torch.tensor([1.0, float("inf")])) == np.inf
    space = KrylovSpace(Spread(3_000_001, [1.0]), KrylovState(0), 20)
    assert float(space._overlaps(vector[None], vector)[0]) == pytest.approx(exact**2, rel=1e-6)


@pytest.mark.parametrize("number", range(6))
def test_a_basis_within_a_stated_memory_finds_the_pairs_of_the_dense_matrix(number, right):
    rng = np.random.default_rng(number)
    size = 300
    values = np.r_[np.linspace(-1, 1, size - 5), 1.5, 1.4, 1.3, -1.2, -1.3]
    rotation = np.linalg.qr(rng.standard_normal((size, size)))[0]
    matrix = (rotation * values) @ rotation.T
    matrix = (matrix + matrix.T) / 2
    memory = 30 * 8 * size
    run = Lanczos(DenseOperator(matrix), 3, 2, tol=1e-6, memory=memory, max_products=3000, seed=number)
    stream = run.stream()
    held = 0
    for _ in stream:
        held = max(held, sum(chunk.nbytes for chunk in stream.checkpoint().chunks))
    pairs = stream.latest
    assert pairs.outcome is Outcome.CONVERGED
    assert not false_claims(matrix, run, pairs)
    assert pairs.products > run.max_basis, "it was restarted"
    assert held + (len(pairs.values) + 3) * 8 * size <= memory
    exact = np.linalg.eigvalsh(matrix)[::-1]
    right.record(
        "eigenvalues with a restarted basis", EXACT, np.abs(pairs.values - np.r_[exact[:3], exact[-2:]]).max(), 1e-9, 5
    )


def test_memory_too_small_for_any_basis_is_refused_and_none_is_not():
    H = DenseOperator(np.eye(300))
    with pytest.raises(InputError, match=r"expected memory of at least 0 MiB for 4 eigenpairs of size 300, got 0 MiB"):
        Lanczos(H, 2, 2, memory=8 * 300 * 10)
    assert Lanczos(H, 2, 2).max_basis > 300
    assert Lanczos(Spread(2_000_000, [1.0]), 2, 2).max_basis == 2**31 // 8_000_000 - 8


def test_a_checkpoint_goes_on_with_a_larger_or_a_smaller_basis():
    matrix = np.diag(np.r_[np.linspace(-1, 1, 200), 1.5, 1.4])
    expected = Lanczos(DenseOperator(matrix), 2, 0, tol=1e-6).run()
    for first, second in ((14, 100), (60, 14)):
        stream = Lanczos(DenseOperator(matrix), 2, 0, tol=1e-6, max_basis=first).stream()
        for _ in range(25):
            next(stream)
        resumed = Lanczos(DenseOperator(matrix), 2, 0, tol=1e-6, max_basis=second)
        pairs = list(resumed.stream(resume=stream.checkpoint()))[-1]
        assert pairs.outcome is Outcome.CONVERGED
        np.testing.assert_allclose(pairs.values, expected.values, atol=1e-9)
