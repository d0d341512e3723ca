"""BatchNorm in evaluation mode folded into the convolution before it, inside the graph of second derivatives."""

from __future__ import annotations

import dataclasses
import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from landscape_widgets.compute.convolutions import (
    CONVOLUTIONS,
    NORMS,
    Pair,
    fixed_norm,
    folded,
    plain_convolution,
    unchanged,
    watched_pass,
)
from landscape_widgets.compute.data import Batch
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.rounding import allowed, first_line
from landscape_widgets.compute.torch_state import evaluation, normal_vector

CHECKED = 2
"""Samples the check multiplies."""
FEWEST = 16
"""Samples from which on the check pays within one Krylov run."""

Product = Callable[[Replica, Batch, Tensor], Tensor | None]
"""The product with one vector on one batch, in the dtype of the replica; None where the loss has no gradient."""


@dataclasses.dataclass(frozen=True)
class Folding:
    """Which BatchNorm layers are folded into which convolutions, by name, and if none why.

    >>> Folding((("0", "1"),)).words, Folding(reason="no BatchNorm to fold").words
    ('BatchNorm folded', 'plain: no BatchNorm to fold')
    """

    pairs: tuple[Pair, ...] = ()
    reason: str = ""

    @property
    def words(self) -> str:
        """The path of a product, for a result."""
        return "BatchNorm folded" if self.pairs else f"plain: {self.reason}"

    def install(self, replica: Replica) -> None:
        """Let the layers of a private copy compute the folded form, as functions of its own parameters."""
        parts = dict(replica.module.named_modules())
        for name, norm_name in self.pairs:
            layer, norm = parts[name], parts[norm_name]
            layer.forward = functools.partial(_folded, layer, norm)
            norm.forward = unchanged


_known: weakref.WeakKeyDictionary[Objective, dict[str, Folding]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def folding_of(objective: Objective, replica: Replica, product: Product, kind: str) -> Folding:
    """The folding that products of one kind may use: all that can be found, if its product equals the plain one.

    BN(w∗x + b) = (s w)∗x + s (b - μ) + β with s = γ / √(σ² + ε), differentiated through s: the same matrix, in
    other sums. Checked by one random product on the first samples, at the replica's point: in float64 equal to
    the plain one up to 1e-12; in float32 at most three times as far from float64 as the plain one. Kept with
    the objective, for every point of it.

    Cost: once an objective, two or three products on two samples, graphs included.

    Parameters
    ----------
    objective : whose batches are multiplied.
    replica : a plain replica of it; unchanged.
    product : the product to compare.
    kind : which matrix it is, since each is checked by itself.

    Source: B. Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
    inference" (2018), section 3.2.
    """
    with _lock:
        known = _known.get(objective, {}).get(kind)
    if known is None:
        known = _checked(objective, replica, product)
        with _lock:
            known = _known.setdefault(objective, {}).setdefault(kind, known)
    return known


def _checked(objective: Objective, replica: Replica, product: Product) -> Folding:
    if reason := _refusal(objective, replica):
        return Folding(reason=reason)
    few = objective.batches.first.head(CHECKED)
    if few is None or objective.samples < FEWEST:
        return Folding(reason="too few samples for a check to pay")
    try:
        folding = Folding(neighbours(replica, few))
        if not folding.pairs:
            return Folding(reason="no BatchNorm behind a convolution")
        error, bound = _errors(objective, replica, few, product, folding)
    except Exception as failure:  # noqa: BLE001 -- a model may refuse the check in any way: the plain product stays
        return Folding(reason=f"no check: {first_line(failure)}")
    if error <= bound:
        return folding
    return Folding(reason=f"folded products differ by {error:.1e}, allowed {bound:.1e}")


def _refusal(objective: Objective, replica: Replica) -> str:
    """Why nothing is folded, known without running the model; "" where nothing speaks against it."""
    parts = list(replica.module.modules())
    if not any(type(part) in NORMS for part in parts) or not any(type(part) in CONVOLUTIONS for part in parts):
        return "no BatchNorm behind a convolution"
    if objective.writes_data:
        return "the model or the loss writes into its inputs"
    if objective.dtype not in (torch.float32, torch.float64):
        return f"no check in {str(objective.dtype).removeprefix('torch.')}"
    if any(isinstance(part, torch.jit.ScriptModule) for part in parts):
        return "a compiled model"
    return "" if objective.device.type == "cpu" else f"on {objective.device.type}"


def _errors(
    objective: Objective, replica: Replica, few: Batch, product: Product, folding: Folding
) -> tuple[float, float]:
    """Relative error of the folded product on a few samples, and the bound it is held to."""
    vector = normal_vector(objective.size, 0, objective.device, objective.dtype)
    other = _copy(objective, replica, None)
    folding.install(other)
    plain, found = product(replica, few, vector), product(other, few, vector)
    if plain is None or found is None:
        return 0.0, 0.0
    if objective.dtype == torch.float64:
        return _distance(found, plain), allowed(0.0, single=False)
    exact = product(_copy(objective, replica, torch.float64), few.double(), vector.double())
    assert exact is not None
    return _distance(found, exact), allowed(_distance(plain, exact), single=True)


def _copy(objective: Objective, replica: Replica, dtype: torch.dtype | None) -> Replica:
    return Replica(replica.module, [block.name for block in objective.layout.blocks], dtype, objective.device)


def _distance(found: Tensor, exact: Tensor) -> float:
    wide = exact.double()
    length = float(torch.linalg.vector_norm(wide))
    return float(torch.linalg.vector_norm(found.double() - wide)) / (length or 1.0)


def neighbours(replica: Replica, batch: Batch) -> tuple[Pair, ...]:
    """Names of convolutions and of the BatchNorm layers in evaluation mode that took the very tensor they gave.

    Candidates only: that nothing else reads that tensor is for the comparison of products to find out.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.ReLU(), nn.BatchNorm2d(2)).eval()
    >>> replica = Replica(net, [name for name, _ in net.named_parameters()], None, torch.device("cpu"))
    >>> neighbours(replica, Batch(torch.ones(3, 1, 2, 2), None, 3, 3.0))
    (('0', '1'),)
    """
    given: list[tuple[str, Tensor]] = []
    taken: list[tuple[str, Any]] = []

    def convolved(name: str, layer: nn.Module, inputs: Any, output: Tensor) -> None:
        given.append((name, output))

    def normed(name: str, norm: nn.Module, inputs: Any) -> None:
        taken.append((name, inputs[0] if len(inputs) == 1 else None))

    handles = []
    for name, part in replica.module.named_modules():
        if plain_convolution(part):
            handles.append(part.register_forward_hook(functools.partial(convolved, name)))
        elif fixed_norm(part):
            handles.append(part.register_forward_pre_hook(functools.partial(normed, name)))
    watched_pass(replica, batch, handles, evaluation())
    once = [name for name, _ in given], [name for name, _ in taken]
    return tuple(
        (layer, norm)
        for layer, output in given
        for norm, value in taken
        if value is output and once[0].count(layer) == once[1].count(norm) == 1
    )


def _folded(layer: Any, norm: Any, x: Tensor) -> Tensor:
    """The convolution, normalised already; filters and bias are functions of the parameters, with their graph."""
    weight, bias = folded(layer, norm)
    result: Tensor = layer._conv_forward(x, weight, bias)
    return result
