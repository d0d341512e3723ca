"""Checkpoints of one model in any form, read a range of the flat vector at a time, checked name by name."""

from __future__ import annotations

import bisect
import dataclasses
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from landscape_widgets.compute.checkpoint_readers import FileReader, TensorReader
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.parameters import Block, ParameterLayout, real_tensor
from landscape_widgets.errors import InputError, LandscapeWarning

LEAST_BLOCK, MOST_BLOCK = 2**16, 2**21
"""Bounds of the float64 numbers held at a time: two vectors of P elements, but no fewer and no more than these."""

COUNTERS = "num_batches_tracked"
"""Buffers of BatchNorm that change in training without a part in the loss."""


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What a checkpoint of an objective's model must hold: its parameters, tied names, other tensors."""

    name: str
    layout: ParameterLayout
    aliases: Mapping[str, tuple[str, ...]]
    others: Mapping[str, Tensor]
    """Frozen or unselected parameters, and buffers: no part of the flat vector."""

    @classmethod
    def of(cls, objective: Objective) -> Architecture:
        """Read it off a private copy of the model."""
        with objective.replica() as replica:
            replica.reset_buffers()
            module = replica.module
            chosen = {block.name for block in objective.layout.blocks}
            tied: dict[int, list[str]] = {}
            for name, tensor in module.named_parameters(remove_duplicate=False):
                tied.setdefault(id(tensor), []).append(name)
            aliases = {next((n for n in names if n in chosen), names[0]): tuple(names) for names in tied.values()}
            parameters = dict(module.named_parameters(remove_duplicate=False))
            others = {name: parameters[name].detach() for name in aliases if name not in chosen}
            others |= {name: buffer.clone() for name, buffer in module.named_buffers(remove_duplicate=False)}
        return cls(objective.name, objective.layout, aliases, others)


class Source:
    """One checkpoint: its words, and its flat vector a range at a time."""

    label: str
    eps: float
    """Relative rounding of its coarsest parameter."""
    step: int | None = None
    differing: tuple[str, ...] = ()
    """Buffers and unmoved parameters with other values than the objective's model has."""

    def fill(self, out: Float[np.ndarray, " m"], start: int) -> None:
        """Write elements start, start + 1, … of the flat vector into `out`, float64."""
        raise TypeError(f"{type(self).__name__} must define fill()")

    def address(self) -> frozenset[int]:
        """Where its parameters lie in the caller's memory."""
        return frozenset()


class FlatCheckpoint(Source):
    """A flat vector in memory."""

    def __init__(self, value: Any, size: int, label: str) -> None:
        self._tensor = real_tensor(value, label)
        self.label = label
        if self._tensor.shape != (size,) or not self._tensor.is_floating_point():
            raise InputError(
                f"expected {label} of shape ({size},) and a real floating-point dtype, "
                f"got shape {tuple(self._tensor.shape)} of {self._tensor.dtype}",
                "pass a flat vector, a module, a state dict or the path of a safetensors file of the same model",
            )
        self.eps = torch.finfo(self._tensor.dtype).eps

    def fill(self, out: Float[np.ndarray, " m"], start: int) -> None:
        """Write elements start, start + 1, … of the flat vector into `out`."""
        _copy(self._tensor[start : start + len(out)], out)

    def address(self) -> frozenset[int]:
        """Where it lies in memory."""
        return frozenset([self._tensor.data_ptr()])


class NamedCheckpoint(Source):
    """Named tensors, checked against the architecture when built and read by name."""

    def __init__(self, reader: TensorReader | FileReader, architecture: Architecture, label: str) -> None:
        self._reader, self._layout, self.label = reader, architecture.layout, label
        self.step = reader.step
        self._stops = [block.stop for block in architecture.layout.blocks]
        given = set(reader.names())
        self._keys = {block.name: self._key(block, given, architecture) for block in architecture.layout.blocks}
        known = {name for names in architecture.aliases.values() for name in names} | set(architecture.others)
        if unknown := [name for name in reader.names() if name not in known]:
            raise InputError(
                f"expected only the parameters of {architecture.name} in {label}, got also '{unknown[0]}' of shape "
                f"{reader.describe(unknown[0])[0]}",
                "pass a checkpoint of the same architecture",
            )
        self.eps = max(torch.finfo(reader.describe(key)[1]).eps for key in self._keys.values())
        self.differing = tuple(
            name for name, tensor in architecture.others.items() if name in given and self._differs(name, tensor)
        )

    def fill(self, out: Float[np.ndarray, " m"], start: int) -> None:
        """Write elements start, start + 1, … of the flat vector into `out`."""
        stop = start + len(out)
        for block in self._layout.blocks[bisect.bisect_right(self._stops, start) :]:
            if block.start >= stop:
                return
            first, last = max(start, block.start), min(stop, block.stop)
            if first < last:
                elements = self._elements(block, first - block.start, last - block.start)
                _copy(elements, out[first - start : last - start])

    def address(self) -> frozenset[int]:
        """Where its tensors lie in memory."""
        return self._reader.address(self._keys.values())

    def _elements(self, block: Block, first: int, last: int) -> Float[Tensor, " m"]:
        """Elements of one parameter, of which only the rows concerned are read."""
        width = (block.stop - block.start) // (block.shape[0] if block.shape else 1)
        top = first // width
        rows = self._reader.rows(self._keys[block.name], top, -(-last // width))
        return rows.reshape(-1)[first - top * width : last - top * width]

    def _key(self, block: Block, given: set[str], architecture: Architecture) -> str:
        """The name under which a parameter is kept: a tied one may have any of its names."""
        names = [name for name in architecture.aliases[block.name] if name in given]
        if not names:
            raise InputError(
                f"expected parameter '{block.name}' of shape {tuple(block.shape)} in {self.label}, got none",
                _prefix_advice(block.name, given),
            )
        for name in names:
            shape, dtype = self._reader.describe(name)
            if shape != tuple(block.shape) or not dtype.is_floating_point:
                raise InputError(
                    f"expected parameter '{name}' of shape {tuple(block.shape)} and a real floating-point dtype in "
                    f"{self.label}, got shape {shape} of {dtype}",
                    "pass a checkpoint of the same architecture",
                )
        for other in names[1:]:
            rows = block.shape[0] if block.shape else 1
            if not torch.equal(self._reader.rows(names[0], 0, rows), self._reader.rows(other, 0, rows)):
                raise InputError(
                    f"expected '{names[0]}' and '{other}' to be equal in {self.label}, as the model ties them, "
                    "got different values",
                    "pass a checkpoint of the tied model, or untie the model first",
                )
        return names[0]

    def _differs(self, name: str, tensor: Tensor) -> bool:
        shape, _ = self._reader.describe(name)
        if name.endswith(COUNTERS):
            return False
        if shape != tuple(tensor.shape):
            return True
        theirs = self._reader.rows(name, 0, shape[0] if shape else 1).to(tensor.device, tensor.dtype)
        return not torch.equal(theirs.reshape(-1), tensor.reshape(-1))


class SpooledCheckpoint(Source):
    """A checkpoint of a generator, kept on disk: the generator may change it or drop it."""

    def __init__(self, source: Source, size: int, file: IO[bytes]) -> None:
        self.label, self.step, self.eps, self.differing = source.label, source.step, source.eps, source.differing
        self._file, self._offset = file, file.seek(0, os.SEEK_END)
        for start in range(0, size, LEAST_BLOCK):
            part = np.empty(min(LEAST_BLOCK, size - start))
            source.fill(part, start)
            file.write(part.tobytes())

    def fill(self, out: Float[np.ndarray, " m"], start: int) -> None:
        """Write elements start, start + 1, … of the flat vector into `out`."""
        self._file.seek(self._offset + 8 * start)
        out[:] = np.frombuffer(self._file.read(8 * len(out)))


class Checkpoints:
    """The flat vectors θ_1 … θ_n of checkpoints of one model, read a block of elements at a time.

    Memory: one float64 block of n·m ≈ 2P numbers (65,536 to 2,097,152), whatever n; references to tensors given
    in memory, nothing for files. What a generator makes is written to a temporary file of
    8·n·P bytes, since it may hand out the same live model every time. Costs no evaluation of the model.

    Parameters
    ----------
    objective : whose model they are checkpoints of.
    items : at least `least` flat (P,) vectors, modules, state dicts, or paths of safetensors files (of a state dict,
        or of `TrainingStream.save_checkpoint`), in order of training.
    least : fewest accepted.

    Raises
    ------
    InputError : too few, another architecture (the first parameter that is missing or differs), not safetensors.
    FileNotFoundError : no such file.
    """

    def __init__(self, objective: Objective, items: Iterable[Any], least: int = 1) -> None:
        self.size = objective.size
        self._objective = objective
        architecture = Architecture.of(objective)
        self._sources = list(_sources(items, architecture))
        if len(self._sources) < least:
            raise InputError(
                f"expected at least {least} checkpoints, got {len(self._sources)}",
                "keep more of them, e.g. TrainingStream(..., record_every='epoch').trajectory_checkpoints",
            )
        ends = [self._sources[0], self._sources[-1]] if self._sources else []
        self.differing = tuple(dict.fromkeys(name for source in ends for name in source.differing))
        self.labels = tuple(source.label for source in self._sources)
        self.eps = max((source.eps for source in self._sources), default=0.0)
        self._checked = 0
        self._warn_of_shared_memory()

    @classmethod
    def of(cls, objective: Objective, items: Iterable[Any] | Checkpoints, least: int = 1) -> Checkpoints:
        """The same where they are read already, else read them."""
        return items if isinstance(items, Checkpoints) else cls(objective, items, least)

    @property
    def count(self) -> int:
        """How many checkpoints, n."""
        return len(self._sources)

    @property
    def steps(self) -> Int[np.ndarray, " n"]:
        """The training step of each, from the files where all name one, else 0, 1, 2, …, (n,), int64."""
        found = [source.step for source in self._sources]
        return np.array(range(len(found)) if None in found else found, dtype=np.int64)

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Ranges (start, stop) of elements of the flat vector that are read at a time."""
        numbers = min(max(2 * self.size, LEAST_BLOCK), MOST_BLOCK)
        width = min(self.size, max(1, numbers // max(1, self.count)))
        return [(start, min(start + width, self.size)) for start in range(0, self.size, width)]

    def read(self, start: int, stop: int, buffer: np.ndarray) -> Float[np.ndarray, "n m"]:
        """Elements start to stop of every checkpoint, (n, stop - start), float64, in the memory of `buffer`."""
        matrix: np.ndarray = buffer[: self.count * (stop - start)].reshape(self.count, stop - start)
        for source, row in zip(self._sources, matrix, strict=True):
            source.fill(row, start)
        if stop > self._checked:
            self._check_finite(matrix, start)
            self._checked = stop
        return matrix

    def _check_finite(self, matrix: Float[np.ndarray, "n m"], start: int) -> None:
        if np.isfinite(matrix).all():
            return
        index, column = np.argwhere(~np.isfinite(matrix))[0]
        place = next(block for block in self._objective.layout.blocks if block.stop > start + column)
        raise InputError(
            f"expected finite parameters, got {matrix[index, column]} in '{place.name}' of {self.labels[index]}",
            "leave out the checkpoints after the training diverged",
        )

    def vector(self, index: int) -> Float[np.ndarray, " P"]:
        """The whole flat vector of one checkpoint, (P,), float64."""
        out = np.empty(self.size)
        self._sources[index].fill(out, 0)
        return out

    def _warn_of_shared_memory(self) -> None:
        seen: dict[frozenset[int], str] = {}
        for source in self._sources:
            place = source.address()
            if place and place in seen:
                warnings.warn(
                    f"{seen[place]} and {source.label} share their memory, so they are the same point; clone the "
                    "tensors when a checkpoint is kept: state_dict() refers to the live model",
                    LandscapeWarning,
                    stacklevel=4,
                )
                return
            seen[place] = source.label


def _sources(items: Any, architecture: Architecture) -> Iterator[Source]:
    single = isinstance(items, (str, os.PathLike, nn.Module, Mapping)) or getattr(items, "ndim", 2) < 2
    if single or not isinstance(items, Iterable):
        raise InputError(
            f"expected several checkpoints, got one {type(items).__name__}",
            'pass a list of them, e.g. sorted(Path("run").glob("*.safetensors"))',
        )
    spool: IO[bytes] | None = None
    for index, item in enumerate(items):
        source = source_of(item, architecture, f"checkpoint {index}")
        if isinstance(items, Iterator) and not isinstance(item, (str, os.PathLike)):
            spool = tempfile.TemporaryFile() if spool is None else spool  # noqa: SIM115 -- lives with its checkpoints
            source = SpooledCheckpoint(source, architecture.layout.size, spool)
        yield source


def source_of(item: Any, architecture: Architecture, label: str) -> Source:
    """One checkpoint of any form, checked against the architecture."""
    if isinstance(item, (str, os.PathLike)):
        label = f"{label} ({Path(item).name})"
        return NamedCheckpoint(FileReader(Path(item), label), architecture, label)
    if isinstance(item, nn.Module):
        parameters = dict(item.named_parameters(remove_duplicate=False))
        item = {**parameters, **dict(item.named_buffers(remove_duplicate=False))}
    if isinstance(item, Mapping):
        return NamedCheckpoint(TensorReader(item, label), architecture, label)
    return FlatCheckpoint(item, architecture.layout.size, label)


def _copy(tensor: Float[Tensor, " m"], out: Float[np.ndarray, " m"]) -> None:
    """Copy into float64 numbers, without an array of them in between."""
    torch.from_numpy(out).copy_(tensor.detach())


def _prefix_advice(name: str, given: set[str]) -> str:
    for other in given:
        if other.endswith("." + name):
            prefix = other.removesuffix(name)
            return f"remove the prefix '{prefix}' from the names, which a wrapper has added"
    return "pass a checkpoint of the same architecture"
