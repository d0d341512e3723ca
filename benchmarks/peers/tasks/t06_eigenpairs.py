"""T6: the five largest and three smallest eigenvalues, by tolerance, against the dense float64 Hessian."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.peers.problems import Counted, Samples, dense_hessian, small_problem
from benchmarks.peers.tasks import products
from benchmarks.peers.verdict import Verdict

TITLE = "T6 five largest and three smallest eigenvalues"
WHAT = "float64, a trained perceptron with 754 parameters; tolerance on the residual, relative to each eigenvalue"
CASES, QUICK = ("1e-2", "1e-4", "1e-6"), ("1e-4",)
TIMED = True
LARGEST, SMALLEST = 5, 3
ORACLE = "floor: dense Hessian"
BY_MAGNITUDE = "pyhessian five by magnitude"
ROUNDING = 1e-8
"""Of the largest magnitude: what no residual can be asked to fall below."""


def ours(model: nn.Module, data: Samples, tol: float) -> dict[str, Any]:
    """Both ends from one Krylov space."""
    import landscape_widgets as lw

    operator = lw.HessianOperator(lw.Objective(model, nn.CrossEntropyLoss(), data))
    pairs = lw.Lanczos(operator, LARGEST, SMALLEST, tol).run()
    return {
        "values": {"eigenvalues": pairs.values, "claimed": pairs.accepted, "residuals": pairs.residuals},
        "products": pairs.products,
    }


def _two_ends(operator: Any, tol: float) -> dict[str, Any]:
    """Scipy's eigsh at both ends; what it returns without an error it claims."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    count = Counted(lambda x: operator @ x.reshape(-1))
    wrapped = LinearOperator(operator.shape, matvec=count, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(operator.shape[0])
    ends = [eigsh(wrapped, k, which=which, tol=tol, v0=start) for k, which in ((LARGEST, "LA"), (SMALLEST, "SA"))]
    spent = count.calls
    values = np.concatenate([np.sort(end[0])[::-1] for end in ends])
    vectors = np.concatenate([end[1][:, np.argsort(-end[0])] for end in ends], axis=1)
    residuals = [
        np.linalg.norm(operator @ vector - value * vector) for value, vector in zip(values, vectors.T, strict=True)
    ]
    claimed = np.ones(len(values), dtype=bool)
    return {"values": {"eigenvalues": values, "claimed": claimed, "residuals": residuals}, "products": spent}


def scipy_eigsh(model: nn.Module, data: Samples, tol: float) -> dict[str, Any]:
    """Scipy over our operator."""
    import landscape_widgets as lw

    return _two_ends(lw.HessianOperator(lw.Objective(model, nn.CrossEntropyLoss(), data)).to_scipy(), tol)


def curvlinops(model: nn.Module, data: Samples, tol: float) -> dict[str, Any]:
    """Scipy over the operator of curvlinops."""
    return _two_ends(products.curvlinops_operator(model, [data]).to_scipy(), tol)


def eigenthings(model: nn.Module, data: Samples, tol: float, steps: int | None = 100) -> dict[str, Any]:
    """Its Lanczos at both ends with its own default for reorthogonalisation; `steps` is ours, as its default is 2k."""
    from hessian_eigenthings import lanczos

    operator = products.eigenthings_operator(model, [data])
    count = Counted(operator.matvec)
    operator.matvec = count
    ends = [
        lanczos(operator, k=k, which=which, tol=tol, max_iter=steps, seed=0)
        for k, which in ((LARGEST, "LA"), (SMALLEST, "SA"))
    ]
    spent = count.calls
    values, claimed, residuals = [], [], []
    for end in ends:
        order = torch.argsort(end.eigenvalues, descending=True)
        for index in order.tolist():
            value, vector = end.eigenvalues[index], end.eigenvectors[index]
            values.append(float(value))
            claimed.append(bool(end.converged[index]))
            residuals.append(float((operator.matvec(vector) - value * vector).norm()))
    return {"values": {"eigenvalues": values, "claimed": claimed, "residuals": residuals}, "products": spent}


def pyhessian(model: nn.Module, data: Samples, tol: float) -> dict[str, Any]:
    """Power iteration: five by magnitude, since it offers nothing else; what it returns it claims."""
    module = importlib.import_module("pyhessian.hessian")  # the package's attribute of that name is the class

    torch.manual_seed(0)
    own = products.pyhessian_object(model, [data])
    count = Counted(module.hessian_vector_product)
    module.hessian_vector_product = count
    values, _ = own.eigenvalues(maxIter=1000, tol=tol, top_n=LARGEST)
    module.hessian_vector_product = count.function
    return {"values": {"eigenvalues": values, "claimed": [True] * len(values)}, "products": count.calls}


def oracle(model: nn.Module, data: Samples, tol: float) -> dict[str, Any]:
    """All eigenvalues of the dense Hessian."""
    dense = dense_hessian(model, data)
    return {"values": {"eigenvalues": torch.linalg.eigvalsh(dense)}, "products": len(dense)}


def _arm(call: Callable[..., dict[str, Any]], tol: float, quick: bool) -> Callable[[], dict[str, Any]]:
    model, data = small_problem()
    return lambda: call(model, data, tol)


def arms(case: str) -> dict[str, Callable[[bool], Callable[[], dict[str, Any]]]]:
    """The eigensolvers."""
    own = {
        "ours": ours,
        "scipy eigsh": scipy_eigsh,
        "curvlinops + eigsh": curvlinops,
        "hessian-eigenthings 100 steps": eigenthings,
        "hessian-eigenthings default": functools.partial(eigenthings, steps=None),
        BY_MAGNITUDE: pyhessian,
        ORACLE: oracle,
    }
    return {name: functools.partial(_arm, call, float(case)) for name, call in own.items()}


def expected_of(arm: str, spectrum: np.ndarray) -> np.ndarray:
    """The exact eigenvalues an arm was asked for, in its order."""
    falling = np.sort(spectrum)[::-1]
    if arm == BY_MAGNITUDE:
        return spectrum[np.argsort(-np.abs(spectrum))][:LARGEST]
    return np.concatenate([falling[:LARGEST], falling[-SMALLEST:]])


def judge(case: str, values: Mapping[str, Any]) -> dict[str, Verdict]:
    """Worst relative error, and pairs flagged converged that are not within tolerance: these must be none."""
    tol = float(case)
    if ORACLE not in values:
        return {arm: Verdict("nothing to compare with", None) for arm in values}
    spectrum = np.asarray(values[ORACLE]["eigenvalues"])
    verdicts = {}
    for arm, own in values.items():
        if arm == ORACLE:
            verdicts[arm] = Verdict("the reference", None)
            continue
        exact, found = expected_of(arm, spectrum), np.asarray(own["eigenvalues"], dtype=float)
        claimed = np.asarray(own["claimed"], dtype=bool)
        error = np.abs(found - exact)
        allowed = np.maximum(tol * np.abs(exact), ROUNDING * np.abs(spectrum).max())
        false = int((claimed & ~(error <= allowed)).sum())
        words = f"worst error {np.max(error / np.abs(exact)):.1e}, {claimed.sum()} of {len(exact)} flagged converged"
        if own.get("residuals") is not None:
            words += f", worst residual {np.max(np.asarray(own['residuals']) / np.abs(exact)):.1e}"
        verdicts[arm] = Verdict(f"{words}, {false} of them are not", false == 0 and bool(claimed.all()))
        if false == 0 and not claimed.all():
            verdicts[arm] = Verdict(f"{words}; not converged, and says so", None)
    return verdicts
