"""T8: the spectral density by stochastic Lanczos quadrature, against all eigenvalues of the dense Hessian."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.peers.problems import Samples, dense_hessian, small_problem
from benchmarks.peers.tasks import products
from benchmarks.peers.verdict import Verdict

TITLE = "T8 spectral density"
WHAT = "float64, 506 parameters, 10 probes of 50 steps; area between the distribution and the exact one, over the range"
CASES = ("",)
TIMED = False
STEPS, PROBES, POINTS = 50, 10, 4000
ORACLE = "floor: dense Hessian"
BOUND = 0.05


def ours(model: nn.Module, data: Samples) -> Any:
    """Our density at its own width."""
    import landscape_widgets as lw

    operator = lw.HessianOperator(lw.Objective(model, nn.CrossEntropyLoss(), data))
    spectrum = lw.SpectralDensity(operator, STEPS, PROBES).run()
    grid = spectrum.grid(POINTS)
    return {"grid": grid, "density": spectrum.density(grid)}


def curvlinops(model: nn.Module, data: Samples) -> Any:
    """Its linear spectrum at its own width."""
    from curvlinops import lanczos_approximate_spectrum

    torch.manual_seed(0)
    operator = products.curvlinops_operator(model, [data])
    grid, density = lanczos_approximate_spectrum(operator, STEPS, num_points=POINTS, num_repeats=PROBES)
    return {"grid": grid, "density": density}


def eigenthings(model: nn.Module, data: Samples) -> Any:
    """Its density at its own width."""
    from hessian_eigenthings import spectral_density

    operator = products.eigenthings_operator(model, [data])
    found = spectral_density(operator, num_runs=PROBES, lanczos_steps=STEPS, num_grid_points=POINTS, seed=0)
    return {"grid": found.grid, "density": found.density}


def pyhessian(model: nn.Module, data: Samples) -> Any:
    """Its nodes and weights."""
    nodes, weights = products.pyhessian_object(model, [data]).density(iter=STEPS, n_v=PROBES)
    return {"nodes": np.asarray(nodes).ravel(), "weights": np.asarray(weights).ravel() / PROBES}


def oracle(model: nn.Module, data: Samples) -> Any:
    """All eigenvalues."""
    return {"eigenvalues": torch.linalg.eigvalsh(dense_hessian(model, data))}


def _arm(call: Callable[..., Any], quick: bool) -> Callable[[], dict[str, Any]]:
    model, data = small_problem(width=16)
    products_spent = None if call is oracle else STEPS * PROBES
    return lambda: {"values": call(model, data), "products": products_spent}


def arms(case: str) -> dict[str, Callable[[bool], Callable[[], dict[str, Any]]]]:
    """Who offers a density."""
    own = {"ours": ours, "curvlinops": curvlinops, "hessian-eigenthings": eigenthings, "pyhessian": pyhessian}
    return {name: functools.partial(_arm, call) for name, call in (own | {ORACLE: oracle}).items()}


def distance(grid: np.ndarray, density: np.ndarray, spectrum: np.ndarray) -> float:
    """Area between two distribution functions over the range of the exact one; the density must have mass 1."""
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(grid))])
    exact = np.searchsorted(np.sort(spectrum), grid, side="right") / len(spectrum)
    gap = np.abs(cumulative - exact)
    return float(np.sum(0.5 * (gap[1:] + gap[:-1]) * np.diff(grid)) / np.ptp(spectrum))


def judge(case: str, values: Mapping[str, Any]) -> dict[str, Verdict]:
    """Distance and mass."""
    if ORACLE not in values:
        return {arm: Verdict("nothing to compare with", None) for arm in values}
    spectrum, verdicts = np.asarray(values[ORACLE]["eigenvalues"]), {}
    for arm, own in values.items():
        if arm == ORACLE:
            verdicts[arm] = Verdict("the reference", None)
            continue
        if "grid" not in own:
            verdicts[arm] = Verdict(f"mass {np.sum(own['weights']):.3f}, nodes only", None)
            continue
        grid, density = (np.asarray(own[key], dtype=float) for key in ("grid", "density"))
        mass = float(np.trapezoid(density, grid))
        off = distance(grid, density, spectrum)
        right = off <= BOUND and abs(mass - 1) <= BOUND
        verdicts[arm] = Verdict(f"distance {100 * off:.2f} % of the range, mass {mass:.3f}", right)
    return verdicts
