"""The arguments of a training run, checked, and its samples in one piece."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from landscape_widgets.compute.data import Batches, tensors_of
from landscape_widgets.errors import InputError, ModelError

ONE_BATCH = 2**62
"""A batch size that leaves (inputs, targets) in one piece."""


def check_numbers(
    batch_size: Any, epochs: Any, lr: Any, momentum: Any, weight_decay: Any, seed: Any, threads: Any
) -> None:
    """Refuse numbers out of range.

    Raises
    ------
    InputError : names the argument and its range.
    """
    integers = [("batch_size", batch_size, 1), ("epochs", epochs, 1), ("seed", seed, 0)]
    for name, value, least in integers + ([("threads", threads, 1)] if threads is not None else []):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"expected {name} as an integer of at least {least}, got {value!r}", f"raise {name}")
    if not (_is_finite(lr) and lr > 0):
        raise InputError(f"expected a finite lr above 0, got {lr!r}", "try lr=0.1, or 0.001 with Adam")
    if not (_is_finite(momentum) and 0 <= momentum < 1):
        raise InputError(f"expected momentum in [0, 1), got {momentum!r}", "try momentum=0.9, or 0 for none")
    if not (_is_finite(weight_decay) and weight_decay >= 0):
        raise InputError(f"expected weight_decay of at least 0, got {weight_decay!r}", "try weight_decay=5e-4, or 0")


def check_kinds(model: Any, loss: Any, optimizer: Any, record_every: Any) -> None:
    """Refuse arguments of the wrong kind.

    Raises
    ------
    InputError : names the argument and the kind expected.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"expected model as a torch.nn.Module, got {type(model).__name__}", "pass the module itself")
    if not callable(loss):
        raise InputError(
            f"expected loss as a callable loss(outputs, targets), got {type(loss).__name__}",
            "pass for example torch.nn.CrossEntropyLoss()",
        )
    if optimizer is not None and not callable(optimizer):
        raise InputError(
            f"expected optimizer as a callable of the parameters, got {type(optimizer).__name__}",
            "pass for example optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-3)",
        )
    by_count = isinstance(record_every, int) and not isinstance(record_every, bool) and record_every >= 1
    if not (record_every is None or record_every == "epoch" or by_count):
        raise InputError(
            f'expected record_every as "epoch", a number of steps of at least 1 or None, got {record_every!r}',
            'pass record_every="epoch"',
        )


def all_samples(data: Any) -> tuple[Any, Any, int]:
    """Return (inputs, targets, number of samples) of the data in one piece, batches joined in their order.

    Raises
    ------
    InputError : empty data, tensors without a common first dimension, or batches that do not fit together.
    """
    batches = Batches(data, batch_size=ONE_BATCH) if isinstance(data, tuple) else Batches(data)
    parts = list(batches)
    try:
        inputs, targets = _join([part.inputs for part in parts]), _join([part.targets for part in parts])
    except RuntimeError as error:
        raise InputError(
            f"expected batches that can be joined, got tensors that cannot ({error})",
            "give all samples one shape, for example by padding",
        ) from error
    lengths = sorted({tensor.shape[0] if tensor.ndim else 0 for tensor in tensors_of((inputs, targets))})
    if lengths != [batches.samples]:
        raise InputError(
            f"expected inputs and targets with {batches.samples} samples each, got {lengths}",
            "give every tensor the samples in its first dimension",
        )
    return inputs, targets, batches.samples


def take_rows(value: Any, rows: Tensor, device: torch.device) -> Any:
    """Select samples of every tensor in nested tuples, lists and mappings, moved to the device."""
    if isinstance(value, Tensor):
        return value[rows.to(value.device)].to(device)
    if isinstance(value, Mapping):
        return {key: take_rows(item, rows, device) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return tuple(take_rows(item, rows, device) for item in value)
    return value


def checked_loss(loss: Any) -> Tensor:
    """Return the loss as a 0-dimensional tensor.

    Raises
    ------
    ModelError : it is not one real number, or does not depend on the parameters.
    """
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.is_floating_point():
        got = f"shape {tuple(loss.shape)} of {loss.dtype}" if isinstance(loss, Tensor) else type(loss).__name__
        raise ModelError(
            f"expected loss(outputs, targets) to give one real floating-point number, got {got}",
            'return the mean over the samples, e.g. reduction="mean" or losses.mean()',
        )
    if not loss.requires_grad:
        raise ModelError(
            "expected a loss that depends on the trainable parameters, got one without a gradient",
            "remove detach() and torch.no_grad() from the model and the loss",
        )
    return loss.reshape(())


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _join(values: Sequence[Any]) -> Any:
    """Concatenate the tensors of equal trees along their first dimension."""
    first = values[0]
    if len(values) == 1:
        return first
    if isinstance(first, Tensor):
        return torch.cat(list(values))
    if isinstance(first, Mapping):
        return {key: _join([value[key] for value in values]) for key in first}
    if isinstance(first, (tuple, list)):
        return tuple(_join(items) for items in zip(*values, strict=True))
    return first
