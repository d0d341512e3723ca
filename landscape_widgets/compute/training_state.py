"""The resumable state of a training run, and its file: safetensors with a JSON header, never pickle."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from landscape_widgets.errors import InputError, Outcome

FORMAT = 1
"""Version of the file format written by `TrainingState.save`."""
KEY = "landscape_widgets.training"
"""Name of the JSON text in the header of the file."""


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingState:
    """All that is needed to go on with a training run: a copy, changed by no later step.

    No generator state is among it: the order of an epoch and the noise of a step are functions of
    the seed and of the counter. `dataclasses.replace(state, seed=7)` gives a child run, which goes on from
    the same point with other mini-batch noise.

    Parameters
    ----------
    step : mini-batch steps taken.
    seed : seed of the shuffling and of the noise inside the model.
    samples, batch_size, steps_per_epoch : what fixes the position inside the epoch.
    parameters, buffers : name -> tensor in its own shape and dtype.
    optimizer : the optimizer's `state_dict()`.
    losses : mini-batch mean loss of every step taken, (step,).
    trajectory : the flat parameter vectors kept, (P,) each; trajectory_steps : the step of each.
    outcome : how the run stood.
    """

    step: int
    seed: int
    samples: int
    batch_size: int
    steps_per_epoch: int
    parameters: Mapping[str, Tensor]
    buffers: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]
    losses: tuple[float, ...]
    trajectory: tuple[Tensor, ...]
    trajectory_steps: tuple[int, ...]
    outcome: Outcome = Outcome.RUNNING

    def save(self, path: str | Path) -> Path:
        """Write this state to `path` (suffix `.safetensors` is added if missing) and return the path.

        Raises
        ------
        InputError : the optimizer's state holds something that is neither a tensor nor plain data.
        """
        target = Path(path)
        if target.suffix != ".safetensors":
            target = target.with_name(target.name + ".safetensors")
        tensors: dict[str, Tensor] = {}
        fields = {
            field.name: _pack(getattr(self, field.name), field.name, tensors) for field in dataclasses.fields(self)
        }
        header = {KEY: json.dumps({"format": FORMAT, "fields": fields})}
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, target, metadata=header)
        return target

    @classmethod
    def load(cls, path: str | Path) -> TrainingState:
        """Read a state written by `save`, its tensors on the CPU.

        Raises
        ------
        FileNotFoundError : no such file.
        InputError : the file is damaged, or was not written by `save`.
        """
        source = Path(path)
        if not source.is_file():
            raise FileNotFoundError(f"no training checkpoint at {source}")
        try:
            with safe_open(source, framework="pt") as archive:
                header = json.loads((archive.metadata() or {})[KEY])
                tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118 -- not a mapping
            version = header["format"]
            fields = {name: _unpack(item, tensors) for name, item in header["fields"].items()}
            state = cls(**{**fields, "outcome": Outcome(fields["outcome"])}) if version == FORMAT else None
        except Exception as error:
            raise InputError(
                f"expected a file written by TrainingStream.save_checkpoint, got {source.name} ({error})",
                "save the checkpoint again; a file cut short cannot be read",
            ) from error
        if state is None:
            raise InputError(
                f"expected a training checkpoint of format {FORMAT}, got format {version}",
                "load it with the version of landscape_widgets that wrote it",
            )
        return state


def copied(value: Any) -> Any:
    """Copy nested tuples, lists and mappings with every tensor in them cloned."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(copied(item) for item in value)
    return value


def _pack(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Replace tensors by references into `tensors`, and tag what JSON cannot tell apart."""
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu()
        return {"$tensor": path}
    if isinstance(value, Mapping):
        return {"$map": [[key, _pack(item, f"{path}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"$tuple": _pack_all(value, path, tensors)}
    if isinstance(value, list):
        return _pack_all(value, path, tensors)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise InputError(
        f"expected tensors, numbers, texts and containers of them, got {type(value).__name__} at {path}",
        "keep the checkpoint in memory, or use an optimizer whose state is tensors and numbers",
    )


def _pack_all(values: Sequence[Any], path: str, tensors: dict[str, Tensor]) -> list[Any]:
    return [_pack(item, f"{path}.{index}", tensors) for index, item in enumerate(values)]


def _unpack(packed: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Undo `_pack`."""
    if isinstance(packed, list):
        return [_unpack(item, tensors) for item in packed]
    if not isinstance(packed, dict):
        return packed
    if "$tensor" in packed:
        return tensors[packed["$tensor"]]
    if "$tuple" in packed:
        return tuple(_unpack(item, tensors) for item in packed["$tuple"])
    return {key: _unpack(item, tensors) for key, item in packed["$map"]}


def mixed_seed(seed: int, purpose: int, counter: int) -> int:
    """Return an independent seed for one purpose at one count, 64 bits.

    >>> mixed_seed(0, 0, 1) == mixed_seed(0, 1, 0)
    False
    """
    return int(np.random.SeedSequence((seed, purpose, counter)).generate_state(1, np.uint64)[0])


def load_into(live: Mapping[str, Tensor], kept: Mapping[str, Tensor], what: str) -> None:
    """Copy kept tensors into live ones of the same names and shapes.

    Raises
    ------
    InputError : names or shapes differ.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in live.items()}
    given = {name: tuple(tensor.shape) for name, tensor in kept.items()}
    if shapes != given:
        differing = sorted(name for name in shapes.keys() | given.keys() if shapes.get(name) != given.get(name))
        raise InputError(
            f"expected a checkpoint of this model, got other {what}: {', '.join(differing[:4])}",
            "resume with the model that the checkpoint was made with",
        )
    with torch.no_grad():
        for name, tensor in live.items():
            tensor.copy_(kept[name])
