"""What a spectrum says, in words: one sentence, a caption, a caution, and how far the computation is."""

from __future__ import annotations

import math
import re

import numpy as np

from landscape_widgets.compute.objective import Objective
from landscape_widgets.errors import Outcome
from landscape_widgets.protocol.labs import SpectrumSettings
from landscape_widgets.results import Eigenpairs, SpectrumEstimate, SpectrumHistory

BULK = 0.9
"""Share of the eigenvalues that counts as most of them."""

ROUND = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
"""Leads of round numbers."""

NAMES: dict[str, str] = {
    "hessian": "Hessian",
    "gauss_newton": "Gauss–Newton matrix",
    "difference": "H − G",
}


def matrix_name(matrix: str, layer: str) -> str:
    """What a matrix is called.

    >>> matrix_name("difference", "fc.0")
    'H − G of layer fc.0'
    """
    return f"{NAMES[matrix]} of layer {layer}" if layer else NAMES[matrix]


def short(value: float, digits: int = 3) -> str:
    """A number in few characters, with a true minus sign.

    >>> short(-0.05812), short(2.13e-6, 1), short(31250.0)
    ('−0.0581', '2e-6', '31,250')
    """
    if not math.isfinite(value):
        return "not finite"
    size = abs(value)
    text = f"{value:,.0f}" if 10**digits <= size < 1e6 else f"{value:.{digits}g}"
    return re.sub(r"e([+-])0*(\d)", r"e\1\2", text).replace("e+", "e").replace("-", "−", 1 if value < 0 else 0)


def measured(value: float, rounding: float = 0.0) -> str:
    """A measured number: its zeros are kept; within its rounding of 0 it is 0.

    >>> measured(1.0025), measured(-0.0), measured(12.5), measured(-1e-9, 1e-7)
    ('1.00', '0', '12.5', '0')
    """
    value = 0.0 if abs(value) <= rounding else value
    kept = value != 0 and 1e-4 <= abs(value) < 100
    return f"{value:#.3g}".replace("-", "−") if kept else short(value + 0.0)


def sentence(estimate: SpectrumEstimate | None, pairs: Eigenpairs | None, exact: np.ndarray | None) -> str:
    """Where most eigenvalues lie, how many stand out, the ends with their residuals, and the trace.

    All eigenvalues take the place of the estimate where they are known.
    """
    known = exact is not None and bool(np.isfinite(exact).all())
    if not known and (estimate is None or not len(estimate.nodes) or not np.isfinite(estimate.nodes).all()):
        return ""
    parts = [_bulk(estimate, pairs, exact if known else None), _ends(estimate, pairs, exact if known else None)]
    if known and exact is not None:
        parts.append(f"the trace is {measured(float(exact.sum()))}")
    elif estimate is not None:
        value, error = estimate.trace
        doubt = f" ± {short(error, 2)}" if math.isfinite(error) else ", from one probe"
        parts.append(f"the trace is {measured(value)}{doubt}")
    text = "; ".join(part for part in parts if part)
    return f"{text[0].upper()}{text[1:]}."


def _bulk(estimate: SpectrumEstimate | None, pairs: Eigenpairs | None, exact: np.ndarray | None) -> str:
    """Most lie near zero, so many stand out."""
    if exact is not None:
        nodes, weights, size = exact, np.full(len(exact), 1 / len(exact)), len(exact)
    else:
        assert estimate is not None
        used = estimate.probe < estimate.used
        nodes, weights, size = estimate.nodes[used], estimate.weights[used] / estimate.used, estimate.size
    order = np.argsort(np.abs(nodes))
    sizes, reached = np.abs(nodes)[order], np.cumsum(weights[order])
    bound = rounded_up(float(sizes[min(int(np.searchsorted(reached, BULK)), len(sizes) - 1)]))
    top = float(nodes.max())
    if float(sizes[-1]) == 0.0:
        return f"all {size:,} eigenvalues are 0"
    if bound == 0.0 or bound >= 0.8 * float(sizes[-1]):
        low = measured(float(nodes.min()), _noise(estimate))
        return f"{size:,} eigenvalues lie between {low} and {measured(top, _noise(estimate))}"
    share = float(weights[np.abs(nodes) <= bound].sum())
    words = f"{_share(share)} of {size:,} eigenvalues lie within ±{short(bound)}"
    threshold = rounded_up(max(2 * bound, 0.1 * top))
    return words if top <= threshold else f"{words}; {_above(estimate, pairs, exact, threshold)}"


def _above(
    estimate: SpectrumEstimate | None, pairs: Eigenpairs | None, exact: np.ndarray | None, threshold: float
) -> str:
    """How many stand out above a threshold."""
    if exact is not None:
        count, words = int((exact > threshold).sum()), ""
    else:
        assert estimate is not None
        found = 0 if pairs is None else int(((pairs.values > threshold) & pairs.accepted).sum())
        at = np.array([threshold])
        sampled = estimate.size * (1 - float(estimate.cumulative(at)[0]))
        error = estimate.size * float(estimate.cumulative_spread(at)[0])
        count = max(round(sampled), found, 1)
        words = f" ± {math.ceil(error):,}" if error >= 0.5 else ""
    about = "" if exact is not None else "about "
    return f"{about}{count:,}{words} {'stands' if count == 1 and not words else 'stand'} out above {short(threshold)}"


def _ends(estimate: SpectrumEstimate | None, pairs: Eigenpairs | None, exact: np.ndarray | None) -> str:
    """The ends of the spectrum, and how well they are known."""
    noise = _noise(estimate)

    def named(high: float, low: float) -> str:
        return f"λ_max = {measured(high, noise)}, λ_min = {measured(low, noise)}"

    if pairs is not None and pairs.vectors.shape[1] and pairs.largest and len(pairs.values) > pairs.largest:
        residuals = f"{short(float(pairs.residuals[0]), 1)}, {short(float(pairs.residuals[-1]), 1)}"
        doubt = "" if pairs.accepted[[0, -1]].all() else ", not yet converged"
        return f"{named(float(pairs.values[0]), float(pairs.values[-1]))} (true residuals {residuals}{doubt})"
    if exact is not None:
        return named(float(exact[-1]), float(exact[0]))
    assert estimate is not None
    high, low = measured(estimate.highest[0], noise), measured(estimate.lowest[0], noise)
    return f"the largest and smallest Ritz values so far are {high} and {low}"


def _noise(estimate: SpectrumEstimate | None) -> float:
    """Below it an eigenvalue is zero to rounding."""
    return 0.0 if estimate is None or not len(estimate.nodes) else 4 * rounding(estimate)


def _share(share: float) -> str:
    """A share in words; never all where it is not all."""
    if share > 0.9999:
        return "nearly all"
    return f"over {math.floor(1000 * share) / 10:g} %" if share > 0.99 else f"{100 * share:.0f} %"


def rounded_up(value: float) -> float:
    """The next round number.

    >>> rounded_up(0.0431), rounded_up(0.5), rounded_up(0.11), rounded_up(9.0)
    (0.05, 0.5, 0.15, 10.0)
    """
    if value <= 0 or not math.isfinite(value):
        return 0.0
    power = math.floor(math.log10(value))
    lead = value / 10.0**power
    return float(f"{next((nice for nice in ROUND if nice >= lead - 1e-9), 10)}e{power}")


def caution(estimate: SpectrumEstimate | None, pairs: Eigenpairs | None, width: float | None) -> str:
    """What keeps the picture from being taken at its word."""
    words = []
    if estimate is not None and len(estimate.nodes):
        words.append(estimate.caution(width))
        if estimate.outcome in (Outcome.NOT_FINITE, Outcome.BREAKDOWN):
            words.append(f"The density ended early ({estimate.outcome}). {estimate.outcome.advice}")
    if pairs is not None and not pairs.outcome.succeeded and pairs.outcome is not Outcome.RUNNING:
        words.append(f"The eigenpairs ended early ({pairs.outcome}). {pairs.outcome.advice}")
    return " ".join(part for part in words if part)


def density_status(estimate: SpectrumEstimate) -> str:
    """How far the density is."""
    at = min(estimate.finished + 1, estimate.probes)
    words = f"Density: probe {at} of {estimate.probes}, {estimate.products:,} of {estimate.total:,} products"
    if not len(estimate.nodes):
        return words
    value, residual = estimate.highest
    return f"{words}; largest Ritz value {measured(value)} (residual {short(max(residual, rounding(estimate)), 1)})"


def rounding(estimate: SpectrumEstimate) -> float:
    """What the rounding of the products leaves of any residual, whatever the recurrence says."""
    eps = float(np.finfo(str(estimate.question.get("dtype", "float64"))).eps)
    return eps * max(abs(estimate.highest[0]), abs(estimate.lowest[0]))


def pairs_status(pairs: Eigenpairs) -> str:
    """How far the eigenpairs are."""
    words = f"Eigenpairs: {pairs.products:,} products, {int(pairs.accepted.sum())} of {len(pairs.values)} within bounds"
    return f"{words}; largest residual {short(float(pairs.residuals.max()), 1)}" if len(pairs.values) else words


def done_status(estimate: SpectrumEstimate | None, pairs: Eigenpairs | None) -> str:
    """What it took."""
    density = 0 if estimate is None else estimate.products
    if pairs is None:
        return f"Complete: {density:,} products"
    worst = short(float(pairs.residuals.max()), 1) if len(pairs.values) else "none"
    return (
        f"Complete: {density:,} products for the density, {pairs.products:,} for {len(pairs.values)} eigenpairs "
        f"(largest residual {worst})"
    )


def history_status(history: SpectrumHistory) -> str:
    """How far the checkpoints are."""
    return f"Checkpoints: {history.done} of {history.total}, {history.products:,} products"


def history_axis(history: SpectrumHistory | None) -> str:
    """What the checkpoints are drawn against: their steps where these are known, else their numbers."""
    numbered = history is None or np.array_equal(history.steps, np.arange(history.total))
    return "checkpoint" if numbered else "training step"


def history_caption(history: SpectrumHistory | None) -> str:
    """What the second plot shows."""
    words = "Hessian of the whole model over the training run: its ends, and its trace ± one standard error"
    if history is None or not history.known.any():
        return f"{words}."
    missed = int((history.known[:, None] & ~history.accepted).any(axis=1).sum())
    note = f" {missed} of the checkpoints did not converge." if missed else ""
    return f"{words}; {history.products:,} products.{note}"


def caption(
    objective: Objective,
    settings: SpectrumSettings,
    size: int,
    estimate: SpectrumEstimate | None,
    pairs: Eigenpairs | None,
    width: float | None,
) -> str:
    """What is drawn, from how much, and how wide it was smoothed."""
    name = matrix_name(settings.matrix, settings.layer)
    words = (
        f"{name[0].upper()}{name[1:]}, {size:,} × {size:,}: {objective.name}, mean {objective.loss_name} over all "
        f"{objective.samples:,} samples."
    )
    if estimate is None or width is None:
        return words
    taken = estimate.taken[: estimate.used]
    steps = f"{taken.min()}" if taken.min() == taken.max() else f"{taken.min()} to {taken.max()}"
    exact = ", exact" if estimate.finished and estimate.exact[: estimate.finished].all() else ""
    band = "band ± one standard error between probes, " if estimate.used > 1 else ""
    return (
        f"{words} Lanczos quadrature: {estimate.used} probe{'s' * (estimate.used != 1)} × {steps} steps{exact}; {band}"
        f"smoothed by σ = {short(width)}, mass {estimate.mass:.6f}.{_copies(pairs)}"
    )


def _copies(pairs: Eigenpairs | None) -> str:
    """What a single Krylov vector cannot see."""
    if pairs is None or not pairs.vectors.shape[1] or pairs.multiplicity_checked:
        return ""
    return " Of a multiple eigenvalue, eigenpairs show one copy (verify=True finds the others)."
