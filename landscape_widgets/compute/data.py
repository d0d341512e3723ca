"""Fixed batches read from tensors, lists or a DataLoader; the same ones in the same order every time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from landscape_widgets.compute.torch_state import RandomState, preserved_random_state
from landscape_widgets.errors import InputError

WeightFunction = Callable[[Any, Any], float]

ELEMENTS_PER_BATCH = 2**20
"""Default batch size for plain tensors: as many samples as hold about this many input elements."""


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """One batch: inputs (tensor, tuple for positional, mapping for keyword arguments), targets, its size and weight."""

    inputs: Any
    targets: Any
    size: int
    weight: float

    def apply(self, module: Callable[..., Any]) -> Any:
        """Call a module with the inputs in the form they were given."""
        if isinstance(self.inputs, Mapping):
            return module(**self.inputs)
        if isinstance(self.inputs, (tuple, list)):
            return module(*self.inputs)
        return module(self.inputs)

    @property
    def nbytes(self) -> int:
        """Memory of its tensors in bytes."""
        return sum(tensor.nbytes for tensor in tensors_of((self.inputs, self.targets)))

    def head(self, count: int) -> Batch | None:
        """The first `count` samples, or None where the tensors do not share their first dimension."""
        return self._reindexed(lambda tensor: tensor[:count], min(count, self.size))

    def doubled(self) -> Batch | None:
        """Every sample twice, or None where the tensors do not share their first dimension."""
        return self._reindexed(lambda tensor: torch.cat([tensor, tensor]), 2 * self.size)

    def cloned(self) -> Batch:
        """The same batch on memory of its own, for a model that writes into its inputs."""
        return dataclasses.replace(
            self, inputs=_map(self.inputs, torch.Tensor.clone), targets=_map(self.targets, torch.Tensor.clone)
        )

    def double(self) -> Batch:
        """The same batch with its floating tensors in float64."""
        wide = torch.float64
        return dataclasses.replace(self, inputs=in_dtype(self.inputs, wide), targets=in_dtype(self.targets, wide))

    def _reindexed(self, function: Callable[[Tensor], Tensor], size: int) -> Batch | None:
        tensors = list(tensors_of((self.inputs, self.targets)))
        if any(tensor.ndim == 0 or len(tensor) != self.size for tensor in tensors):
            return None
        return Batch(_map(self.inputs, function), _map(self.targets, function), size, float(size))


class Batches:
    """The data of an objective, in a fixed order.

    Parameters
    ----------
    data : `(inputs, targets)`, a list of batches, or a re-iterable such as a DataLoader. A batch is
        `(inputs, targets)`; a mapping alone is passed to the model as keywords and to the loss as targets.
    batch_size : samples a batch for `(inputs, targets)`; None chooses by the size of a sample.
    weight : `(inputs, targets) -> float`, the weight of a batch in the mean; None: its number of samples.
    memory : bytes up to which the batches of a loader are kept; above, the loader is read again every time.
    convert : applied to every tensor read (device and dtype).
    """

    def __init__(
        self,
        data: Any,
        *,
        batch_size: int | None = None,
        weight: WeightFunction | None = None,
        memory: int = 2**30,
        convert: Callable[[Tensor], Tensor] = lambda tensor: tensor,
    ) -> None:
        self._weight, self._convert = weight, convert
        self._loader: Any = None
        self._random_state: RandomState | None = None
        self.notes: tuple[str, ...] = ()
        if isinstance(data, tuple) and len(data) == 2:
            self._kept = self._from_tensors(data[0], data[1], batch_size)
        elif isinstance(data, (list, tuple)):
            self._kept = [self._batch(item) for item in data]
        elif hasattr(data, "__iter__") and not isinstance(data, (Iterator, Mapping, Tensor, str)):
            self._kept = self._from_loader(data, memory)
        else:
            raise InputError(
                f"expected data as (inputs, targets), a list of batches or a DataLoader, got {type(data).__name__}",
                "wrap it: data=(inputs, targets); an iterator can be read once only, so pass list(iterator)",
            )
        if not self._kept:
            raise InputError("expected at least one batch, got empty data", "check the data set or the loader's length")
        self._measure()

    def _measure(self) -> None:
        sizes = [(batch.size, batch.weight) for batch in self]
        self.count = len(sizes)
        self.samples = sum(size for size, _ in sizes)
        self.total_weight = sum(weight for _, weight in sizes)
        if self.samples == 0 or not self.total_weight > 0:
            raise InputError(
                f"expected data with samples, got {self.samples} samples of total weight {self.total_weight}",
                "check the shapes of the inputs, and that the weight of a batch is positive",
            )

    @property
    def first(self) -> Batch:
        """The first batch."""
        return self._kept[0]

    def __iter__(self) -> Iterator[Batch]:
        if self._loader is None:
            yield from self._kept
        else:
            yield from self._read_again()

    def _from_tensors(self, inputs: Any, targets: Any, batch_size: int | None) -> list[Batch]:
        whole = self._batch((inputs, targets))
        lengths = {len(tensor) for tensor in tensors_of((inputs, targets)) if tensor.ndim}
        if len(lengths) > 1:
            raise InputError(
                f"expected inputs and targets with one number of samples, got {sorted(lengths)}",
                "give every tensor the samples in its first dimension",
            )
        if whole.size == 0:
            raise InputError("expected at least one sample, got empty tensors", "check the slice of the data set")
        size = batch_size or max(1, ELEMENTS_PER_BATCH // max(1, _elements(inputs) // whole.size))
        if size < 1:
            raise InputError(f"expected batch_size of at least 1, got {batch_size}", "leave it out for a good default")
        if size >= whole.size:
            return [whole]
        pieces = [slice(start, start + size) for start in range(0, whole.size, size)]
        return [self._batch((slice_tensors(inputs, piece), slice_tensors(targets, piece))) for piece in pieces]

    def _from_loader(self, loader: Any, memory: int) -> list[Batch]:
        kept: list[Batch] = []
        used = 0
        for batch in self._read(loader):
            kept.append(batch)
            used += batch.nbytes
            if used > memory:
                self._loader = loader
                self.notes = (f"the loader is read again for every pass (over {memory / 2**20:.0f} MiB)",)
                return kept[:1]
        self.notes = ("the loader's batches were read once and kept: shuffling and augmentation are frozen",)
        return kept

    def _read_again(self) -> Iterator[Batch]:
        for number, batch in enumerate(self._read(self._loader)):
            if number == 0 and not _same(batch, self._kept[0]):
                raise InputError(
                    "expected a loader that gives the same first batch every time, got another one",
                    "turn off shuffling and random augmentation, or raise data_memory= so that batches are kept",
                )
            yield batch

    def _read(self, loader: Any) -> Iterator[Batch]:
        """Read a loader without a trace in anybody's random state, none held across a yield.

        Every reading starts from the state at the first one, so that a shuffled loader gives one order.
        """
        generators = _generators(loader)
        if self._random_state is None:
            self._random_state = RandomState.capture(*generators)
        state, iterator = self._random_state, None
        while True:
            with preserved_random_state(*generators):
                state.restore(*generators)
                iterator = iter(loader) if iterator is None else iterator
                try:
                    item = next(iterator)
                except StopIteration:
                    return
                state = RandomState.capture(*generators)
            yield self._batch(item)

    def _batch(self, item: Any) -> Batch:
        if isinstance(item, Mapping):
            inputs = targets = _map(item, self._convert)
        elif isinstance(item, (tuple, list)) and len(item) == 2:
            inputs, targets = _map(item[0], self._convert), _map(item[1], self._convert)
        else:
            kind = f"{type(item).__name__} of {len(item)}" if isinstance(item, Sequence) else type(item).__name__
            raise InputError(
                f"expected each batch as (inputs, targets) or a mapping, got {kind}",
                "for several inputs pass ((input_1, input_2), targets)",
            )
        tensors = [tensor for tensor in (*tensors_of(targets), *tensors_of(inputs)) if tensor.ndim]
        if not tensors:
            raise InputError(
                "expected tensors with a first dimension of samples, got none",
                "convert the data with torch.as_tensor",
            )
        size = len(tensors[0])
        weight = float(size) if self._weight is None else float(self._weight(inputs, targets))
        return Batch(inputs, targets, size, weight)


def _generators(loader: Any) -> list[torch.Generator]:
    """The private generators that a DataLoader draws its order from, each once."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    owners = (loader, getattr(loader, "sampler", None), batch_sampler, getattr(batch_sampler, "sampler", None))
    found = [getattr(owner, "generator", None) for owner in owners]
    return list({id(item): item for item in found if isinstance(item, torch.Generator)}.values())


def tensors_of(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested tuples, lists and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_of(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_of(item)


def _map(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to every tensor in nested tuples, lists and mappings."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, Mapping):
        return {key: _map(item, function) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return tuple(_map(item, function) for item in value)
    return value


def in_dtype(value: Any, dtype: torch.dtype) -> Any:
    """Every floating-point tensor in nested tuples, lists and mappings in a dtype."""
    return _map(value, lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)


def in_single(value: Any) -> Any:
    """Every floating-point tensor in nested tuples, lists and mappings as float32."""
    return in_dtype(value, torch.float32)


def slice_tensors(value: Any, piece: slice) -> Any:
    """The same samples of every tensor; a scalar goes with every piece."""
    return _map(value, lambda tensor: tensor[piece] if tensor.ndim else tensor)


def _elements(value: Any) -> int:
    return sum(tensor.numel() for tensor in tensors_of(value))


def _same(one: Batch, other: Batch) -> bool:
    mine, theirs = list(tensors_of((one.inputs, one.targets))), list(tensors_of((other.inputs, other.targets)))
    return len(mine) == len(theirs) and all(_equal(a, b) for a, b in zip(mine, theirs, strict=True))


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())
