"""Every check of random and Hessian slices, target against measured: `make hessian-directions`.

Writes the first part of docs/hessian-directions.md. The targets are derived (from the moments of Gaussian quadratic
forms, and by simulations of their own), none is quoted from a paper. What is measured comes from the public classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

import landscape_widgets as lw
from benchmarks.page import ROOT, replace_part, table

PAGE = ROOT / "docs" / "hessian-directions.md"
N, DRAWS, REPEATS, SEED = 500, 100_000, 200, 0


@dataclasses.dataclass(frozen=True)
class Check:
    """One number against its target; `allowed` is the largest difference, in the unit of the number."""

    what: str
    target: float
    tolerance: str
    allowed: float
    measured: float
    places: int = 4

    @property
    def row(self) -> tuple[str, ...]:
        """The line of the table."""
        holds = abs(self.measured - self.target) <= self.allowed
        shown = f"{self.measured:.{self.places}f}" if self.places else f"{self.measured:.2g}"
        return self.what, f"{self.target:g}", self.tolerance, shown, "holds" if holds else "**FAILS**"


def saddle(positive: int = N, n: int = N) -> lw.Objective:
    """The toy saddle as an objective in float64."""
    return lw.Objective(*lw.zoo.toy_saddle(n, positive), name="toy saddle")


def dense_spectrum() -> Iterator[Check]:
    """The Hessian made of 1,001 products, its eigenvalues by LAPACK."""
    found = np.linalg.eigvalsh(lw.HessianOperator(saddle()).to_dense())
    expected = np.r_[-np.ones(N), 0.0, np.ones(N)]
    error = float(np.abs(found - expected).max())
    yield Check(
        "Hessian of n = ñ = 500: worst distance to 500×(+1), 500×(-1), one 0", 0, "1e-10", 1e-10, error, places=0
    )


def closed_form() -> Iterator[Check]:
    """Slices of the model itself against ½ (1 + αη_N + βδ_N)(Aα² + 2Bαβ + Cβ²) in NumPy."""
    worst = 0.0
    for positive in (500, 600, 800):
        objective = saddle(positive)
        eta, delta = (lw.directions.random(objective, seed, None).vector for seed in (SEED, SEED + 1))
        surface = lw.GridEvaluator(objective, (eta, delta), extent=0.05, resolution=25).run()
        signs = np.r_[np.ones(positive), -np.ones(2 * N - positive), 0.0]
        A, B, C = eta @ (signs * eta), eta @ (signs * delta), delta @ (signs * delta)
        a, b = surface.alpha[None, :], surface.beta[:, None]
        exact = 0.5 * (1 + a * eta[-1] + b * delta[-1]) * (A * a**2 + 2 * B * a * b + C * b**2)
        worst = max(worst, float(np.abs(surface.loss - exact).max() / np.abs(exact).max()))
    yield Check("slice against the closed form, ñ = 500, 600, 800, relative", 0, "1e-12", 1e-12, worst, places=0)


def extreme_pairs() -> Iterator[Check]:
    """Both ends, which tie in magnitude."""
    pairs = lw.Lanczos(lw.HessianOperator(saddle()), 1, 1, seed=SEED).run()
    for name, index, target in (("λ_max", 0, 1.0), ("λ_min", -1, -1.0)):
        yield Check(f"{name} of n = ñ = 500 by Lanczos", target, "1e-8", 1e-8, float(pairs.values[index]))
    objective = saddle()
    directions = np.eye(2 * N + 1)[[0, N]]
    surface = lw.GridEvaluator(objective, directions, extent=1.0, resolution=25).run()
    exact = 0.5 * (surface.alpha[None, :] ** 2 - surface.beta[:, None] ** 2)
    error = float(np.abs(surface.loss - exact).max())
    yield Check("slice along e(+1), e(-1) against ½(α² - β²)", 0, "1e-12", 1e-12, error, places=0)


def sample(positive: int, n: int = N) -> lw.SliceSample:
    """A hundred thousand random slices."""
    return lw.RandomSlices(lw.zoo.toy_saddle(n, positive)[0].hessian_operator(), DRAWS, seed=SEED).run()


def random_slices() -> Iterator[Check]:
    """Moments, mean principal curvatures and shares of saddles."""
    curvatures = {500: (39.63, -39.63, 0.5), 600: (239.63, 160.37, 1.0), 800: (639.63, 560.37, 1.0)}
    shares = {500: (0.7071, 0.005), 510: (0.6398, 0.007), 550: (0.0580, 0.004), 600: (3.2e-5, 3e-4)}
    samples = {positive: sample(positive) for positive in sorted({*curvatures, *shares})}
    bound = 4 * float(np.sqrt(2000 / DRAWS))
    yield Check("mean of A, ñ = 500", 0, f"4·√(2000/S) = {bound:.2f}", bound, float(samples[500].mean[0]))
    for positive, found in samples.items():
        for name, values, target in (("A", found.A, 2000), ("B", found.B, 1000)):
            yield Check(f"Var {name}, ñ = {positive}", target, "3 %", 0.03 * target, float(values.var()), places=1)
    for positive, (upper, lower, allowed) in curvatures.items():
        means = samples[positive].kappa.mean(axis=0)
        for name, target, value in (("κ₊", upper, means[0]), ("κ₋", lower, means[1])):
            yield Check(f"E {name}, ñ = {positive}", target, f"{allowed:g}", allowed, float(value), places=2)
    for positive, (target, allowed) in shares.items():
        share = samples[positive].shares["saddle"][0]
        words = "at most 3e-4" if positive == 600 else f"{allowed:g}"
        limit = 3e-4 - target if positive == 600 else allowed
        yield Check(f"P(saddle), ñ = {positive}", target, words, limit, share, places=5)
    yield Check("P(saddle), n = ñ = 5", 0.7295, "0.007", 0.007, sample(5, 5).shares["saddle"][0])
    yield Check("P(saddle), n = ñ = 1", 1.0, "exact", 0.0, sample(1, 1).shares["saddle"][0])


def trace_error() -> Iterator[Check]:
    """Hutchinson's standard error: what it reports, and the spread over 200 repeats."""
    operator = lw.zoo.toy_saddle(N)[0].hessian_operator()
    runs = [lw.HutchinsonTrace(operator, probes=1000, seed=SEED + repeat).run() for repeat in range(REPEATS)]
    spread = float(np.std([run.value for run in runs], ddof=1))
    reported = float(np.mean([run.standard_error for run in runs]))
    for name, value in ((f"spread over {REPEATS} repeats", spread), ("mean of what is reported", reported)):
        yield Check(f"trace, standard error of 1,000 probes, ñ = 500: {name}", 1.414, "15 %", 0.15 * 1.414, value)


def main() -> None:
    """Run every check, write the page's first part."""
    parts = (dense_spectrum, closed_form, extreme_pairs, random_slices, trace_error)
    checks = [check for part in parts for check in part()]
    failed = [check.what for check in checks if check.row[-1] != "holds"]
    lines = [
        "# Hessian directions: targets and what was measured",
        "",
        "Written by `make hessian-directions`; nothing here is typed by hand. The toy saddle is",
        "L(θ) = ½ θ_N (Σ_{i≤ñ} θ_i² - Σ_{ñ<i≤2n} θ_i²) at θ* = (0, …, 0, 1), with n = 500 unless said otherwise. All",
        "targets are derived, from the moments of Gaussian quadratic forms and from simulations that share no code",
        f"with this package. {DRAWS:,} random slices each, raw Gaussian directions, seed {SEED}.",
        "",
        *table(("check", "target", "tolerance", "measured", ""), (check.row for check in checks)),
        "",
        f"{len(checks) - len(failed)} of {len(checks)} checks hold.",
    ]
    replace_part(PAGE, "checks", lines)
    if failed:
        raise SystemExit(f"failed: {'; '.join(failed)}")


if __name__ == "__main__":
    main()
