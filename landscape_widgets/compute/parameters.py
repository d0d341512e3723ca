"""Named parameters as one flat vector: order, shapes, and the filter and layer blocks of normalisation."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _WeightNorm as FusedWeightNorm
from torch.nn.utils.weight_norm import WeightNorm as OlderWeightNorm

from landscape_widgets.errors import InputError, ModelError

Place = Callable[[Tensor], object]
"""Writes a flat vector into the one it is given."""

Selection = Callable[[str, Tensor], bool] | Collection[str] | None


@dataclasses.dataclass(frozen=True)
class Block:
    """One parameter tensor inside the flat vector: elements start to stop, of the given shape."""

    name: str
    shape: torch.Size
    start: int
    stop: int

    @property
    def is_weight(self) -> bool:
        """Whether it has filters (two dimensions or more); biases and norm vectors have none."""
        return len(self.shape) >= 2 and self.stop > self.start

    def rows(self, flat: Tensor) -> Tensor:
        """View this block of a flat (P,) vector as (filters, elements a filter); a scalar is one filter."""
        filters = self.shape[0] if self.shape else 1
        return flat[self.start : self.stop].view(filters, (self.stop - self.start) // max(1, filters))


class ParameterLayout:
    """The order of the selected parameters in the flat vector of length `size`."""

    def __init__(self, named: Sequence[tuple[str, Tensor]]) -> None:
        blocks, start = [], 0
        for name, tensor in named:
            blocks.append(Block(name, tensor.shape, start, start + tensor.numel()))
            start += tensor.numel()
        self.blocks = tuple(blocks)
        self.size = start

    def split(self, flat: Float[Tensor, " P"]) -> list[Tensor]:
        """Views of a flat vector, one a parameter, in order."""
        return [flat[block.start : block.stop].view(block.shape) for block in self.blocks]

    def split_chosen(self, flat: Float[Tensor, "*k p"], chosen: Sequence[int]) -> list[Tensor]:
        """One tensor a `chosen` parameter of the concatenation of these alone, or of k of them, as rows."""
        blocks, batch = [self.blocks[index] for index in chosen], flat.shape[:-1]
        pieces = torch.split(flat, [block.stop - block.start for block in blocks], dim=-1)
        return [piece.reshape(*batch, *block.shape) for piece, block in zip(pieces, blocks, strict=True)]

    def join(self, tensors: Sequence[Tensor], batch: Sequence[int] = ()) -> Float[Tensor, "*k P"]:
        """One new flat vector from one tensor a parameter; from k each, along a first dimension, k rows."""
        return torch.cat([tensor.reshape(*batch, tensor.numel() // math.prod(batch)) for tensor in tensors], dim=-1)


class Replica:
    """A private deep copy of a module whose selected parameters are views of one flat vector.

    Writing into `flat` moves the model; nothing the user holds shares memory with it. A replica
    serves one thread at a time.
    """

    def __init__(
        self, module: nn.Module, names: Collection[str], dtype: torch.dtype | None, device: torch.device
    ) -> None:
        self.module = copy_module(module).to(device=device)
        if dtype is not None:
            convert_floating(self.module, dtype)
        _mend_weight_norm(self.module)
        self._buffers = _SharedBuffer.all_of(self.module)
        named = [(name, parameter) for name, parameter in self.module.named_parameters() if name in names]
        self.layout = ParameterLayout(named)
        self.parameters = [parameter for _, parameter in named]
        self.flat = torch.empty(self.layout.size, dtype=self.parameters[0].dtype, device=device)
        for parameter in self.module.parameters():
            parameter.requires_grad_(False)
            parameter.grad = None
        for parameter, view in zip(self.parameters, self.layout.split(self.flat), strict=True):
            view.copy_(parameter.data)
            parameter.data = view
            parameter.requires_grad_(True)

    def move_to(self, theta: Float[Tensor, " P"] | Place) -> None:
        """Copy a flat vector into the parameters, or let a function write there (invalidates retained graphs)."""
        with torch.no_grad():
            if isinstance(theta, Tensor):
                self.flat.copy_(theta)
            else:
                theta(self.flat)

    def reset_buffers(self) -> None:
        """Put back the buffers that a forward pass has changed, so that the loss is a function of θ alone."""
        for buffer in self._buffers:
            buffer.reset()

    def storages(self) -> set[int]:
        """Addresses of the memory of all parameters and buffers."""
        held = [self.flat, *self.module.parameters(), *self.module.buffers()]
        return {tensor.untyped_storage().data_ptr() for tensor in held}


@dataclasses.dataclass
class _SharedBuffer:
    """A buffer, everywhere it is registered, and what it was at first."""

    holders: list[tuple[nn.Module, str]]
    current: Tensor
    version: int
    pristine: Tensor

    @classmethod
    def all_of(cls, module: nn.Module) -> list[_SharedBuffer]:
        """The buffers of a module, shared ones once."""
        holders: dict[int, list[tuple[nn.Module, str]]] = {}
        tensors: dict[int, Tensor] = {}
        for part in module.modules():
            for name, buffer in part.named_buffers(recurse=False):
                holders.setdefault(id(buffer), []).append((part, name))
                tensors[id(buffer)] = buffer
        return [cls(holders[key], tensor, tensor._version, tensor.clone()) for key, tensor in tensors.items()]

    def reset(self) -> None:
        """Register a fresh copy of the first value where it changed: graphs may hold the changed tensor."""
        registered = all(part._buffers.get(name) is self.current for part, name in self.holders)
        if registered and self.current._version == self.version:
            return
        self.current = self.pristine.clone()
        self.version = self.current._version
        for part, name in self.holders:
            part._buffers[name] = self.current


class _WeightNorm(nn.Module):
    """w = v g / ‖v‖, differentiable any number of times; torch's fused form has a wrong second derivative."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, magnitude: Tensor, direction: Tensor) -> Tensor:
        """Compose the weight from its magnitude and its direction."""
        norm: Tensor = torch.norm_except_dim(direction, 2, self.dim)
        return direction * (magnitude / norm)


def _mend_weight_norm(module: nn.Module) -> None:
    """Replace torch's fused weight norm in our copy, both the parametrization and the older hook."""
    for part in module.modules():
        if isinstance(part, nn.utils.parametrize.ParametrizationList):
            for index, parametrization in enumerate(part):
                if isinstance(parametrization, FusedWeightNorm):
                    part[index] = _WeightNorm(parametrization.dim)
        for hook in part._forward_pre_hooks.values():
            if isinstance(hook, OlderWeightNorm):
                hook.compute_weight = partial(_older_weight, hook.name, _WeightNorm(hook.dim))  # type: ignore[method-assign]


def _older_weight(name: str, compose: _WeightNorm, module: nn.Module) -> Tensor:
    composed: Tensor = compose(getattr(module, f"{name}_g"), getattr(module, f"{name}_v"))
    return composed


def convert_floating(module: nn.Module, dtype: torch.dtype) -> None:
    """Convert real floating-point parameters and buffers; `.to(dtype)` would also discard imaginary parts."""
    for part in module.modules():
        for name, buffer in part.named_buffers(recurse=False):
            if buffer.is_floating_point():
                setattr(part, name, buffer.to(dtype))
    for parameter in module.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)


def copy_module(module: nn.Module) -> nn.Module:
    """Deep-copy a module, or raise `ModelError` naming the attribute that cannot be copied."""
    try:
        with torch.inference_mode(False):
            return copy.deepcopy(module, _cached_results(module))
    except Exception as error:
        culprit = _uncopyable_attribute(module)
        raise ModelError(
            f"expected a module that copy.deepcopy accepts, but {culprit} cannot be copied ({error})",
            "remove or detach that attribute (a lock, file, or non-leaf tensor), or give the module a __deepcopy__",
        ) from error


def _cached_results(module: nn.Module) -> dict[int, Any]:
    """Detached copies of what forward passes left in attributes (features, old-style weight norm), for deepcopy."""
    cached: dict[int, Any] = {}
    for part in module.modules():
        for value in vars(part).values():
            items = (
                value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
            )
            for item in items:
                if isinstance(item, Tensor) and not item.is_leaf:
                    cached[id(item)] = item.detach().clone()
    return cached


def _uncopyable_attribute(module: nn.Module) -> str:
    """The dotted name of the first attribute that deepcopy refuses."""
    for path, part in module.named_modules():
        for name, value in _own_attributes(part):
            try:
                copy.deepcopy(value)
            except Exception:  # noqa: BLE001 -- any refusal counts
                return f"attribute '{path}.{name}'".replace("'.", "'") + f" of type {type(value).__name__}"
    return f"the module {type(module).__name__}"


def _own_attributes(module: nn.Module) -> Iterator[tuple[str, object]]:
    """Attributes, parameters and buffers of one module, without its submodules."""
    for name, value in vars(module).items():
        if name in ("_parameters", "_buffers"):
            yield from value.items()
        elif name != "_modules":
            yield name, value


def select_parameters(module: nn.Module, selection: Selection) -> list[tuple[str, Tensor]]:
    """The parameters to move: trainable ones by default, else those named or accepted by a predicate."""
    named: dict[str, Tensor] = dict(module.named_parameters())
    if not named:
        raise ModelError(
            f"expected a module with parameters, got {type(module).__name__} with none",
            "pass a model that has at least one nn.Parameter",
        )
    if selection is None:
        chosen = [(name, tensor) for name, tensor in named.items() if tensor.requires_grad]
    elif callable(selection):
        chosen = [(name, tensor) for name, tensor in named.items() if selection(name, tensor)]
    else:
        unknown = sorted(set(selection) - set(named))
        if isinstance(selection, str) or unknown:
            raise InputError(
                f"expected parameter names of the model, got {selection if isinstance(selection, str) else unknown}",
                f"choose among {', '.join(list(named)[:8])}{' …' if len(named) > 8 else ''}",
            )
        chosen = [(name, tensor) for name, tensor in named.items() if name in set(selection)]
    if not chosen:
        raise ModelError(
            f"expected at least one parameter to move, got none of {len(named)} (all frozen or none selected)",
            "set requires_grad, or pass parameters=[names] or a predicate that accepts some",
        )
    _check_dtypes(chosen)
    return chosen


def real_tensor(value: Any, what: str) -> Tensor:
    """A tensor of what was given: a tensor, an array in any memory layout, a sequence of numbers."""
    try:
        if isinstance(value, np.ndarray):
            value = np.require(value, requirements=["C", "W"])
            value = value.copy() if min(value.strides, default=0) < 0 else value  # one element, read backwards
        return torch.as_tensor(value).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"expected {what} as a tensor or array, got {type(value).__name__}", "convert it") from error


def array_of(tensor: Tensor) -> np.ndarray:
    """A tensor as a NumPy array; bfloat16, which NumPy lacks, as float32."""
    plain = tensor.detach().cpu()
    array: np.ndarray = (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
    return array


def _check_dtypes(chosen: Sequence[tuple[str, Tensor]]) -> None:
    """Refuse complex, integer and uninitialised parameters, and a mixture of devices."""
    for name, tensor in chosen:
        if isinstance(tensor, nn.parameter.UninitializedParameter):
            raise ModelError(
                f"expected initialised parameters, got '{name}' of a lazy layer that has seen no data",
                "run the model once on one batch, then pass it",
            )
        if not tensor.is_floating_point():
            raise ModelError(
                f"expected real floating-point parameters, got '{name}' of dtype {tensor.dtype}",
                "leave it out with parameters=, or represent it by real tensors (torch.view_as_real)",
            )
    devices = {str(tensor.device) for _, tensor in chosen}
    if len(devices) > 1:
        raise ModelError(
            f"expected all parameters on one device, got {sorted(devices)}",
            "move the model to one device first: model.to(device)",
        )
