"""Named tensors of one checkpoint, in memory or in a safetensors file, read some rows at a time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from landscape_widgets.compute.parameters import real_tensor
from landscape_widgets.errors import InputError

TRAINING_KEY = "landscape_widgets.training"
"""Name of the header text of a file written by `TrainingStream.save_checkpoint`, whose tensors have prefixes."""


class TensorReader:
    """Named tensors in memory: a state dict, or the parameters and buffers of a module."""

    def __init__(self, tensors: Mapping[str, Any], what: str) -> None:
        nested = [name for name, value in tensors.items() if isinstance(value, Mapping)]
        if nested:
            raise InputError(
                f"expected {what} as names and tensors, got a mapping at '{nested[0]}'",
                "pass the state dict inside, for example checkpoint['model']",
            )
        self._tensors = {
            str(name): real_tensor(value, f"'{name}' in {what}")
            for name, value in tensors.items()
            if not str(name).endswith("_extra_state")
        }
        self.step: int | None = None

    def names(self) -> list[str]:
        """Names of all tensors."""
        return list(self._tensors)

    def describe(self, name: str) -> tuple[tuple[int, ...], torch.dtype]:
        """Shape and dtype of one tensor."""
        return tuple(self._tensors[name].shape), self._tensors[name].dtype

    def rows(self, name: str, first: int, last: int) -> Tensor:
        """Rows `first` to `last` along the first dimension; a scalar is one row."""
        tensor = self._tensors[name]
        return tensor[first:last] if tensor.dim() else tensor.reshape(1)

    def address(self, names: Iterable[str]) -> frozenset[int]:
        """Where these tensors lie in memory."""
        return frozenset(self._tensors[name].data_ptr() for name in names if self._tensors[name].numel())


class FileReader:
    """Named tensors in a safetensors file, of which only the rows asked for are read, into memory of their own.

    A memory map would do, but the system maps up to 2 MB around every row: 2 GB for 1,000 files.

    Source: https://huggingface.co/docs/safetensors, "Format": a length in 8 bytes, a JSON header, the tensors.
    """

    def __init__(self, path: Path, what: str) -> None:
        if not path.exists():
            raise FileNotFoundError(f"no checkpoint at {path}")
        self._path, self._what = path, what
        try:
            with safe_open(path, framework="pt") as opened:  # it checks all of the header
                header, keys = opened.metadata() or {}, list(opened.keys())
                mapped = {key: opened.get_tensor(key) for key in keys}
                self._forms = {key: (tuple(tensor.shape), tensor.dtype) for key, tensor in mapped.items()}
                self._places = _places(path)
        except (SafetensorError, OSError) as error:
            raise _unreadable(path, what, error) from error
        training = TRAINING_KEY in header
        parts = ("parameters.", "buffers.") if training else ("",)
        self._keys = {key.removeprefix(part): key for part in parts for key in keys if key.startswith(part)}
        self.step = _step_of(header, training)

    def names(self) -> list[str]:
        """Names of the model's tensors."""
        return list(self._keys)

    def describe(self, name: str) -> tuple[tuple[int, ...], torch.dtype]:
        """Shape and dtype of one tensor."""
        return self._forms[self._keys[name]]

    def rows(self, name: str, first: int, last: int) -> Tensor:
        """Rows `first` to `last` along the first dimension; a scalar is one row."""
        (shape, dtype), place = self._forms[self._keys[name]], self._places[self._keys[name]]
        width = math.prod(shape[1:])
        content = bytearray((last - first) * width * dtype.itemsize)
        if not content:
            return torch.empty((last - first, *shape[1:]), dtype=dtype)
        with self._path.open("rb", buffering=0) as file:
            file.seek(place + first * width * dtype.itemsize)
            found = file.readinto(content)
        if found != len(content):
            raise _unreadable(self._path, self._what, OSError("it ends early"))
        return torch.frombuffer(content, dtype=dtype).reshape(last - first, *shape[1:])

    def address(self, names: Iterable[str]) -> frozenset[int]:
        """Where these tensors lie in memory: nowhere."""
        return frozenset()


def save_parameters(path: str | Path, module: nn.Module, step: int | None = None) -> Path:
    """Write the parameters and buffers of a module as a safetensors file, tied ones once, and return the path.

    Parameters
    ----------
    path : the file; the suffix `.safetensors` is added if missing.
    module : left as it is.
    step : training step, kept in the file's header.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_parameters(Path(folder) / "start", nn.Linear(3, 2)).name
    'start.safetensors'
    """
    target = Path(path)
    if target.suffix != ".safetensors":
        target = target.with_name(target.name + ".safetensors")
    named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    kept = {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in named.items()}
    save_file(kept, target, metadata={} if step is None else {"step": str(step)})
    return target


def _places(path: Path) -> dict[str, int]:
    """Where each tensor begins in a file whose header has been checked."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    return {name: 8 + size + entry["data_offsets"][0] for name, entry in header.items() if name != "__metadata__"}


def _step_of(header: Mapping[str, str], training: bool) -> int | None:
    try:
        found = json.loads(header[TRAINING_KEY])["fields"]["step"] if training else header["step"]
        return int(found)
    except (KeyError, ValueError, TypeError):
        return None


def _unreadable(path: Path, what: str, error: Exception) -> InputError:
    """The error for a path that is no safetensors file: a folder, a pickle, or damaged."""
    if path.is_dir():
        advice = f'pass its files: sorted(Path("{path.name}").glob("*.safetensors"))'
        return InputError(f"expected {what} as a file, got a folder", advice)
    with path.open("rb") as file:
        start = file.read(2)
    if start in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return InputError(
            f"expected {what} as a safetensors file, got a pickle, which may run code when it is read",
            "pass torch.load(path, weights_only=True, mmap=True), or the state dict inside what that gives",
        )
    return InputError(
        f"expected {what} as a safetensors file, got one that cannot be read ({error})",
        "save it again with safetensors.torch.save_file(model.state_dict(), path)",
    )
