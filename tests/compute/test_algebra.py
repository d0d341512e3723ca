"""Sums, multiples, shifts, deflations and projections against the same algebra of dense matrices."""

import numpy as np
import pytest
import torch
from cases import judge, problem
from scipy.sparse.linalg import eigsh

from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.algebra import SumOperator, deflate, project
from landscape_widgets.compute.operators.base import PartialProduct
from landscape_widgets.compute.operators.dense import DenseOperator
from landscape_widgets.compute.operators.gauss_newton import GaussNewtonOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.errors import InputError

DENSE = "the same algebra of dense matrices"
SIZE = 40


def symmetric(seed=0, size=SIZE):
    matrix = np.random.default_rng(seed).standard_normal((size, size))
    return (matrix + matrix.T) / 2


def thin(seed=0, columns=3, size=SIZE):
    return np.random.default_rng(100 + seed).standard_normal((size, columns))


def projector(vectors):
    basis = np.linalg.qr(vectors)[0]
    return np.eye(len(vectors)) - basis @ basis.T, basis


A, B = symmetric(0), symmetric(1)
IDENTITY = np.eye(SIZE)
V = thin()
OUT, U = projector(V)

CASES = {
    "sum": (lambda a, b: a + b, A + B),
    "difference": (lambda a, b: a - b, A - B),
    "multiple": (lambda a, b: 2.5 * a, 2.5 * A),
    "multiple from the right": (lambda a, b: a * -0.5, -0.5 * A),
    "NumPy multiple": (lambda a, b: np.float64(2.5) * a, 2.5 * A),
    "torch multiple": (lambda a, b: torch.tensor(2.5) * a, 2.5 * A),
    "minus": (lambda a, b: -a, -A),
    "shift": (lambda a, b: a.shift(3.0), A + 3 * IDENTITY),
    "shift back": (lambda a, b: a.shift(3.0).shift(-3.0), A),
    "everything": (lambda a, b: 2 * (a - 3 * b.shift(0.5)).shift(1) + a - b, 3 * A - 7 * B - IDENTITY),
    "deflation": (lambda a, b: deflate(a, V), OUT @ A @ OUT),
    "deflation by one vector": (lambda a, b: deflate(a, V[:, 0]), projector(V[:, :1])[0] @ A @ projector(V[:, :1])[0]),
    "deflation to a value": (lambda a, b: deflate(a, torch.as_tensor(V), 7.0), OUT @ A @ OUT + 7 * (IDENTITY - OUT)),
    "deflation to values": (
        lambda a, b: deflate(a, -U, [1.0, 2.0, 3.0]),
        OUT @ A @ OUT + U @ np.diag([1.0, 2.0, 3.0]) @ U.T,
    ),
    "deflation by nothing": (lambda a, b: deflate(a, V[:, :0]), A),
    "deflation twice": (
        lambda a, b: deflate(deflate(a, V[:, :2]), V[:, 2]),
        (lambda P, Q: Q @ P @ A @ P @ Q)(projector(V[:, :2])[0], projector(V[:, 2:])[0]),
    ),
    "deflation of a sum": (lambda a, b: deflate(a + b.shift(1), V), OUT @ (A + B + IDENTITY) @ OUT),
    "sum of deflations": (lambda a, b: deflate(a, V) - 2 * deflate(b, V), OUT @ (A - 2 * B) @ OUT),
    "projection": (lambda a, b: project(a, U), U.T @ A @ U),
    "projection on one vector": (lambda a, b: project(a, U[:, 1]), U[:, 1:2].T @ A @ U[:, 1:2]),
    "projection in raw coordinates": (lambda a, b: project(a, V, orthonormalize=False), V.T @ A @ V),
    "projection of a sum": (lambda a, b: project(a - b, torch.as_tensor(U)), U.T @ (A - B) @ U),
    "projection on everything": (lambda a, b: project(a, IDENTITY[:, ::-1]), A[::-1, ::-1]),
}


@pytest.mark.parametrize("name", CASES)
def test_algebra_in_every_form(name, right):
    make, dense = CASES[name]
    right.record("operator algebra", DENSE, judge(make(DenseOperator(A), DenseOperator(B)), dense), 1e-12, len(dense))


@pytest.mark.parametrize("name", ["everything", "deflation to values", "projection of a sum"])
def test_algebra_in_float32(name, right):
    make, dense = CASES[name]
    operators = [DenseOperator(matrix.astype(np.float32)) for matrix in (A, B)]
    right.record("operator algebra in float32", DENSE, judge(make(*operators), dense), 2e-6, len(dense))


def test_the_judge_rejects_a_deflation_from_one_side_and_a_lost_shift():
    class OneSided(DenseOperator):
        def product_steps(self, vector, partial=None):
            return (yield from super().product_steps(torch.as_tensor(OUT) @ vector, partial))

    assert judge(OneSided(A), OUT @ A @ OUT) > 1e-3
    assert judge(DenseOperator(A).shift(1.0), A + 1.001 * IDENTITY) > 1e-5


@pytest.mark.parametrize("name", CASES)
def test_lanczos_agrees_with_dense_eigenvalues(name, right):
    make, dense = CASES[name]
    operator = make(DenseOperator(A), DenseOperator(B))
    exact = np.linalg.eigvalsh(dense)[::-1]
    ends = 1 if operator.size == 1 else 2
    pairs = Lanczos(operator, largest=1, smallest=ends - 1, tol=1e-8).run()
    expected = exact[[0, -1][:ends]]
    error = np.abs(pairs.values - expected).max() / np.abs(exact).max()
    right.record("Lanczos on operator algebra", "numpy eigvalsh of the dense matrix", error, 1e-12, ends)


def test_eigsh_on_a_deflated_sum(right):
    operator = deflate(DenseOperator(A) + DenseOperator(B), V, 100.0)
    found = np.sort(eigsh(operator.to_scipy(), k=5, which="LA", return_eigenvectors=False))
    exact = np.linalg.eigvalsh(OUT @ (A + B) @ OUT + 100 * (IDENTITY - OUT))[-5:]
    right.record("to_scipy under eigsh", "numpy eigvalsh of the dense matrix", np.abs(found - exact).max() / 100, 1e-12)


def test_eigenvectors_that_were_found_can_be_taken_out(right):
    model, loss, data = problem("MLP tanh")
    H = HessianOperator(Objective(model, loss, data, batch_size=32))
    pairs = Lanczos(H, largest=2, smallest=1, tol=1e-9).run()
    rest = Lanczos(deflate(H, pairs.vectors), largest=2, smallest=1, tol=1e-9).run()
    exact = np.linalg.eigvalsh(H.to_dense())[::-1]
    error = np.abs(rest.values - exact[[2, 3, -2]]).max() / exact[0]
    right.record("eigenvalues after deflation", "numpy eigvalsh of the dense Hessian", error, 1e-9, 3)
    swapped = deflate(H, pairs.vectors, pairs.values[::-1].copy()).to_dense()
    assert np.abs(np.linalg.eigvalsh(swapped)[::-1] - exact).max() < 1e-8 * exact[0]
    small = project(H, pairs.vectors).to_dense()
    assert np.abs(small - np.diag(pairs.values)).max() < 1e-8 * exact[0]


def test_the_hessian_minus_gauss_newton(right):
    model, loss, data = problem("MLP GELU")
    objective = Objective(model, loss, data, batch_size=32)
    H, G = HessianOperator(objective), GaussNewtonOperator(objective)
    dense = H.to_dense() - 0.5 * G.to_dense() + np.eye(H.size)
    right.record("operator algebra", DENSE, judge((H - 0.5 * G).shift(1.0), dense), 1e-12, H.size)


def steps_of(operator, vector, partial=None):
    """(number of steps, product)."""
    run, count = operator.product_steps(vector, partial), 0
    while True:
        try:
            next(run)
            count += 1
        except StopIteration as end:
            return count, end.value


def test_every_batch_of_every_term_is_a_step_and_can_be_the_last_before_a_checkpoint():
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data, batch_size=32)
    H, G = HessianOperator(objective), GaussNewtonOperator(objective)
    vectors = np.random.default_rng(0).standard_normal((H.size, 2))
    operator = deflate((2 * H - G + deflate(G, vectors[:, 0])).shift(0.3), vectors, 2.0)
    vector = torch.cos(torch.arange(H.size, dtype=torch.float64))
    count, expected = steps_of(operator, vector)
    assert count == 3 * 4
    for stop in range(1, count + 1):
        partial = PartialProduct()
        run = operator.product_steps(vector, partial)
        for _ in range(stop):
            next(run)
        state = partial.copy()
        for _ in run:  # the run goes on, and must not change the copy
            pass
        assert steps_of(operator, vector, state)[0] == count - stop
        again = operator.product_steps(vector, partial.copy())  # a finished one gives its product at once
        with pytest.raises(StopIteration) as end:
            next(again)
        assert torch.equal(end.value.value, expected)
        assert torch.equal(steps_of(operator, vector, state.copy())[1], expected)


def test_lanczos_on_a_sum_resumes_inside_a_term():
    operator = DenseOperator(A) - DenseOperator(B)
    lanczos = Lanczos(operator, largest=2, smallest=2, tol=1e-8)
    whole = lanczos.run()
    stream = lanczos.stream()
    for _ in range(13):
        next(stream)
    state = stream.checkpoint()
    stream.close()
    resumed = list(lanczos.stream(resume=state))[-1]
    assert np.array_equal(resumed.values, whole.values)
    assert resumed.products == whole.products


def test_sums_are_flat_and_multiply_a_repeated_operator_once():
    class Counted(DenseOperator):
        products = 0

        def product_steps(self, vector, partial=None):
            Counted.products += 1
            return super().product_steps(vector, partial)

    a, b = Counted(A), DenseOperator(B)
    operator = (a + b) + 2 * (a - b).shift(1.0) - a
    assert isinstance(operator, SumOperator)
    assert [factor for factor, _ in operator.terms] == [2.0, -1.0]
    assert operator.shift_by == 2.0
    operator @ np.ones(SIZE)
    assert Counted.products == 1
    assert np.array_equal((a - a) @ np.ones(SIZE), np.zeros(SIZE))


def test_questions_name_what_they_are_made_of():
    a = DenseOperator(A)
    question = deflate(2.0 * a.shift(1.0), V, 3.0).question
    assert (question["operator"], question["deflated"]) == ("DeflatedOperator", [3.0, 3.0, 3.0])
    assert question["of"]["shift"] == 2.0
    assert question["of"]["terms"][0]["factor"] == 2.0
    assert question["of"]["terms"][0]["operator"] == "DenseOperator"
    assert project(a, V).question["size"] == 3


def test_bases_are_orthonormal_and_keep_orthonormal_vectors():
    a = DenseOperator(A)
    basis = project(a, 1e-9 * V * [1.0, 1e6, 1e-3]).basis.numpy()
    assert np.abs(basis.T @ basis - np.eye(3)).max() < 1e-14
    assert np.linalg.norm(projector(basis)[1] @ projector(basis)[1].T - U @ U.T, 2) < 1e-13
    assert np.abs(project(a, U).basis.numpy() - U).max() < 1e-14
    single = project(DenseOperator(A.astype(np.float32)), U.astype(np.float32)).basis
    assert single.dtype == torch.float32


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda a: a + DenseOperator(np.eye(3)), "expected operators of one size, got 40 and 3.*from one objective"),
        (
            lambda a: a - DenseOperator(np.eye(SIZE, dtype=np.float32)),
            "one dtype, got torch.float64 and torch.float32.*dtype=",
        ),
        (lambda a: a + 3, r"expected a symmetric operator, got int.*A\.shift\(mu\)"),
        (lambda a: a + A, "expected a symmetric operator, got ndarray.*DenseOperator"),
        (lambda a: a * a, r"expected a factor as a finite real number, got .*2\.0 \* A"),
        (lambda a: float("nan") * a, "expected a factor as a finite real number, got nan"),
        (lambda a: 1j * a, "expected a factor as a finite real number, got 1j"),
        (lambda a: a * True, "expected a factor as a finite real number, got True"),
        (lambda a: a * torch.ones(2), "expected a factor as a finite real number"),
        (lambda a: a.shift("1"), "expected a shift as a finite real number, got '1'"),
        (lambda a: SumOperator([]), "expected at least one operator to sum, got none"),
        (lambda a: deflate(A, V), "expected a symmetric operator, got ndarray"),
        (lambda a: deflate(a, V[:-1]), r"columns \(40, k\) or one of shape \(40,\), got shape \(39, 3\)"),
        (lambda a: deflate(a, V.astype(int)), r"got shape \(40, 3\) of torch.int64"),
        (lambda a: deflate(a, V * np.nan), "expected finite vectors, got NaN"),
        (lambda a: deflate(a, V[:, [0, 1, 0]]), "expected linearly independent vectors, got 3 that span fewer"),
        (lambda a: deflate(a, np.zeros(SIZE)), "expected linearly independent vectors, got 1 that span fewer"),
        (lambda a: deflate(a, thin(columns=41)), "expected linearly independent vectors, got 41"),
        (lambda a: deflate(a, V, [1.0, 2.0]), r"expected values as one finite real number or 3.*got shape \(2,\)"),
        (lambda a: deflate(a, V, np.inf), "expected values as one finite real number or 3"),
        (lambda a: deflate(a, V, [1.0, 2.0, 3.0]), "expected orthogonal vectors .* got a cosine of .*orthogonalise"),
        (lambda a: project(a, V[:, :0]), "expected at least one vector to project on, got none"),
        (lambda a: project(a, V[:-1], orthonormalize=False), r"got shape \(39, 3\)"),
    ],
)
@pytest.mark.wrong_types
def test_what_does_not_fit_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make(DenseOperator(A))


def test_another_device_is_refused():
    elsewhere = DenseOperator(np.eye(SIZE))
    elsewhere.device = torch.device("meta")
    with pytest.raises(InputError, match="expected operators of one device, got cpu and meta"):
        DenseOperator(A) + elsewhere
