"""An exact fast forward pass: BatchNorm folded at every point, channels last, samples in blocks that fit the cache."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from landscape_widgets.compute.convolutions import (
    Pair,
    fixed_norm,
    folded,
    ordinary,
    plain_convolution,
    unchanged,
    watched_pass,
)
from landscape_widgets.compute.data import Batch, slice_tensors, tensors_of
from landscape_widgets.compute.fast_pooling import plain_poolings, pooled_by_maxima
from landscape_widgets.compute.parameters import Place, Replica
from landscape_widgets.compute.torch_state import differentiation

BLOCK = 64
"""Samples a block: their activations stay in the cache of one core."""
IMAGE = 4
"""Dimensions of a batch of images, which "channels last" is about."""


class NotPerSampleError(Exception):
    """The inputs or the outputs of a model do not have one row a sample, so that they cannot be cut into blocks."""


@dataclasses.dataclass(frozen=True)
class FastPlan:
    """Which transformations a forward pass goes through; none of them: the plain one.

    Parameters
    ----------
    pairs : names of convolutions and of the BatchNorm layers folded into them.
    channels_last : whether images and filters are kept with their channels last.
    block : samples a block; 0 passes a batch as a whole.
    pooling : whether max-pooling goes by maxima of rows and columns.
    points : points in one pass, their parameters stacked; 1: one by one.
    first : name of the layer whose outputs are precomputed in the coordinates of the plane; "" for none.
    losses : whether the losses of these points are taken in one call.
    reason : why something was left out.
    """

    pairs: tuple[Pair, ...] = ()
    channels_last: bool = False
    block: int = 0
    pooling: bool = False
    points: int = 1
    first: str = ""
    losses: bool = False
    reason: str = ""

    @property
    def fast(self) -> bool:
        """Whether anything differs from the plain pass."""
        return self.reshaped or self.points > 1

    @property
    def reshaped(self) -> bool:
        """Whether one point takes another forward pass than the plain one."""
        return bool(self.pairs or self.channels_last or self.block or self.pooling)

    @property
    def words(self) -> str:
        """The plan in words, for a result.

        >>> FastPlan(channels_last=True, block=64).words, FastPlan(reason="few points").words
        ('channels last, blocks of 64', 'plain: few points')
        """
        if not self.fast:
            return f"plain: {self.reason}" if self.reason else "plain"
        parts = ["BatchNorm folded"] if self.pairs else []
        parts += ["channels last"] if self.channels_last else []
        parts += [f"blocks of {self.block}"] if self.block else []
        parts += ["pooling by maxima"] if self.pooling else []
        parts += [f"{self.points} points at once"] if self.points > 1 else []
        parts += ["first layer precomputed"] if self.first else []
        return ", ".join(parts) + (f" ({self.reason})" if self.reason else "")


class FastForward(Replica):
    """A replica whose forward pass takes the shortcuts of a plan; losses only, no gradient.

    Folding: BN(w∗x + b) = (s w)∗x + s (b - μ) + β with s = γ / √(σ² + ε), for w, b, γ, β of every point and the
    running statistics μ, σ² of the centre. The same sums in another order: equal to the plain pass up to rounding.

    Cost: one forward pass, and one pass over the filters a point.

    Parameters
    ----------
    source : a replica of the objective; copied, not changed.
    plan : what to do; not checked here, see `fast_choice`.

    Source: B. Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
    inference" (2018), section 3.2.
    """

    def __init__(self, source: Replica, plan: FastPlan) -> None:
        super().__init__(source.module, [block.name for block in source.layout.blocks], None, source.flat.device)
        self.plan = plan
        self._convolutions = list(_convolutions(self.module, plan))
        for convolution in self._convolutions:
            convolution.install()
        for layer, size in plain_poolings(self.module) if plan.pooling else ():
            if ordinary(layer):
                layer.forward = functools.partial(pooled_by_maxima, size=size)
        self.module = _InBlocks(self.module, plan)
        self.move_to(source.flat)

    def move_to(self, theta: Float[Tensor, " P"] | Place) -> None:
        """Copy a flat vector into the parameters, or let a function write there, and fold them anew."""
        super().move_to(theta)
        with torch.no_grad():
            for convolution in self._convolutions:
                convolution.refresh()


class _Convolution:
    """A convolution that takes its filters from here, with the BatchNorm layer behind it folded in."""

    def __init__(self, layer: Any, norm: Any, channels_last: bool) -> None:
        self.layer, self.norm = layer, norm
        self.channels_last = channels_last and isinstance(layer, nn.Conv2d)
        self.weight: Tensor = layer.weight
        self.bias: Tensor | None = layer.bias

    def install(self) -> None:
        """Take the place of the layer's forward pass; its parameters stay where they are, shared or not."""
        self.layer.forward = self.forward
        if self.norm is not None:
            self.norm.forward = unchanged

    def refresh(self) -> None:
        """Compute filters and bias from the parameters as they are now."""
        self.weight, self.bias = (
            (self.layer.weight, self.layer.bias) if self.norm is None else folded(self.layer, self.norm)
        )
        if self.channels_last:
            self.weight = self.weight.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """The convolution, normalised already."""
        result: Tensor = self.layer._conv_forward(x, self.weight, self.bias)
        return result


def _convolutions(module: nn.Module, plan: FastPlan) -> Iterator[_Convolution]:
    parts, norms = dict(module.named_modules()), dict(plan.pairs)
    for name, part in parts.items():
        norm = parts[norms[name]] if name in norms else None
        if norm is not None or (plan.channels_last and type(part) is nn.Conv2d and ordinary(part)):
            yield _Convolution(part, norm, plan.channels_last)


class _InBlocks(nn.Module):
    """Runs a model on blocks of samples, images with their channels last, and puts the outputs together."""

    def __init__(self, inner: nn.Module, plan: FastPlan) -> None:
        super().__init__()
        self.inner, self.plan = inner, plan
        self.training = inner.training

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the model gives for the whole batch."""
        rows = {len(tensor) if tensor.ndim else -1 for tensor in tensors_of((inputs, named))}
        block = self.plan.block
        if not block or max(rows, default=0) <= block:
            return _in_rows(self._one(inputs, named))
        if len(rows) > 1:
            raise NotPerSampleError("inputs without one row a sample")
        count = rows.pop()
        pieces = [slice(start, min(start + block, count)) for start in range(0, count, block)]
        outputs = [self._one(slice_tensors(inputs, piece), slice_tensors(named, piece)) for piece in pieces]
        lengths = [piece.stop - piece.start for piece in pieces]
        for output, length in zip(outputs, lengths, strict=True):
            if not isinstance(output, Tensor) or output.ndim == 0 or len(output) != length:
                raise NotPerSampleError("outputs without one row a sample")
        return _in_rows(torch.cat(outputs))

    def _one(self, inputs: Sequence[Any], named: dict[str, Any]) -> Any:
        if self.plan.channels_last:
            inputs = [_channels_last(value) for value in inputs]
            named = {name: _channels_last(value) for name, value in named.items()}
        return self.inner(*inputs, **named)


def _channels_last(value: Any) -> Any:
    if isinstance(value, Tensor) and value.ndim == IMAGE and value.is_floating_point():
        return value.contiguous(memory_format=torch.channels_last)
    return value


def _in_rows(output: Any) -> Any:
    """An output in the usual memory layout, as a loss that uses `view` wants it."""
    return output.contiguous() if isinstance(output, Tensor) else output


def foldable_pairs(replica: Replica, batch: Batch) -> tuple[Pair, ...]:
    """Names of convolutions and BatchNorm layers in evaluation mode that read nothing but their output.

    Each is called once, the output of the convolution reaches the normalisation unchanged, and no other node of the
    graph reads it. Cost: one forward pass over the batch.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.ReLU(), nn.BatchNorm2d(2)).eval()
    >>> replica = Replica(net, [name for name, _ in net.named_parameters()], None, torch.device("cpu"))
    >>> foldable_pairs(replica, Batch(torch.ones(3, 1, 2, 2), None, 3, 3.0))
    (('0', '1'),)
    """
    names = {part: name for name, part in replica.module.named_modules()}
    watch = _Watch()
    handles = []
    for part in names:
        if plain_convolution(part):
            handles.append(part.register_forward_hook(watch.convolved))
        elif fixed_norm(part):
            handles.append(part.register_forward_hook(watch.normed))
    readers = _readers(watched_pass(replica, batch, handles, differentiation()))
    found = [(layer, norm) for layer, norm in watch.pairs() if readers.get(watch.node(layer), 1) == 1]
    return tuple((names[layer], names[norm]) for layer, norm in found)


class _Watch:
    """Notes what convolutions give and what normalisations take."""

    def __init__(self) -> None:
        self.given: dict[nn.Module, list[tuple[Tensor, int, Any]]] = {}
        self.taken: dict[nn.Module, list[tuple[Any, int]]] = {}

    def convolved(self, layer: nn.Module, inputs: Any, output: Tensor) -> None:
        """Note the output, its version and its node of the graph."""
        self.given.setdefault(layer, []).append((output, output._version, output.grad_fn))

    def normed(self, norm: nn.Module, inputs: Any, output: Tensor) -> None:
        """Note the input and its version, that it was changed meanwhile or not."""
        value = inputs[0] if len(inputs) == 1 else None
        self.taken.setdefault(norm, []).append((value, getattr(value, "_version", -1)))

    def node(self, layer: nn.Module) -> Any:
        """The node of the graph that made the one output of a layer."""
        return self.given[layer][0][2]

    def pairs(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        """Layers called once each, one reading what the other gave."""
        for layer, outputs in self.given.items():
            readers = [
                (norm, value[1], len(taken))
                for norm, taken in self.taken.items()
                for value in taken
                if value[0] is outputs[0][0]
            ]
            if len(outputs) == 1 and len(readers) == 1 and readers[0][1:] == (outputs[0][1], 1):
                yield layer, readers[0][0]


def _readers(outputs: Any) -> dict[Any, int]:
    """How many edges of the graph behind some outputs lead to each node."""
    count: dict[Any, int] = {}
    waiting = [tensor.grad_fn for tensor in tensors_of(outputs) if tensor.grad_fn is not None]
    seen = set(waiting)
    for node in waiting:  # an output is read too, by the loss
        count[node] = count.get(node, 0) + 1
    while waiting:
        for following, _ in waiting.pop().next_functions:
            if following is None:
                continue
            count[following] = count.get(following, 0) + 1
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return count
