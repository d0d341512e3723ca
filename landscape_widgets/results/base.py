"""The base of all results: one `.npz` file without pickle, loaded back equal."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from landscape_widgets.errors import InputError, Outcome

R = TypeVar("R", bound="Result")

FORMAT = 1
"""Version of the file format written by `Result.save`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """Base of all results: saved as one `.npz` file without pickle, loaded back equal.

    Arrays become members of the archive; everything else travels as one JSON text.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Keep the short `__repr__`: a dataclass writes one only where its class has none."""
        super().__init_subclass__(**options)
        cls.__repr__ = Result.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        """Name the fields, arrays by shape and dtype, without the question: a result may hold a million numbers."""
        names = [field.name for field in dataclasses.fields(self) if field.name != "question"]
        return f"{type(self).__name__}({', '.join(f'{name}={_short(getattr(self, name))}' for name in names)})"

    def save(self, path: str | Path) -> Path:
        """Write this result to `path` (suffix `.npz` is added if missing) and return the path."""
        target = Path(path)
        if target.suffix != ".npz":
            target = target.with_name(target.name + ".npz")
        arrays: dict[str, np.ndarray] = {}
        header = {"format": FORMAT, "type": type(self).__name__, "fields": _pack(self, "", arrays)}
        text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
        np.savez_compressed(target, allow_pickle=False, header=text, **arrays)
        return target

    @classmethod
    def load(cls: type[R], path: str | Path) -> R:
        """Read a result written by `save`; raises `InputError` if the file holds another kind."""
        try:
            with np.load(Path(path), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            header = json.loads(bytes(arrays.pop("header")))
            kind, version, fields = header["type"], header["format"], header["fields"]
            same = kind == cls.__name__ and version == FORMAT
            result: R | None = _unpack(fields, arrays) if same else None
            if same and not isinstance(result, cls):
                raise TypeError(f"it holds no {cls.__name__}")
        except FileNotFoundError:
            raise
        except Exception as error:
            raise InputError(
                f"expected a file written by {cls.__name__}.save, got {Path(path).name} ({error})",
                "save the result again with .save(path)",
            ) from error
        if result is None:
            raise InputError(
                f"expected a {cls.__name__} of format {FORMAT}, got a {kind} of format {version}",
                f"load it with {kind}.load, or with the version that wrote it",
            )
        return result


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"<{value.dtype} {value.shape}>"
    if isinstance(value, Outcome):
        return repr(str(value))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_short(item)}" for key, item in value.items()) + "}"
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:119]}…"


def _pack(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """Replace arrays by references and nested results by tagged mappings."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {"$array": path}
    if isinstance(value, Result):
        fields = {
            field.name: _pack(getattr(value, field.name), f"{path}.{field.name}".lstrip("."), arrays)
            for field in dataclasses.fields(value)
        }
        return {"$result": type(value).__name__, "fields": fields}
    if isinstance(value, Mapping):
        return {"$map": {key: _pack(item, f"{path}.{key}", arrays) for key, item in value.items()}}
    if isinstance(value, (list, tuple)):
        items = [_pack(item, f"{path}.{index}", arrays) for index, item in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, np.generic):
        return value.item()
    return value


def _unpack(packed: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Undo `_pack`; only the result types of this module are ever built."""
    if isinstance(packed, list):
        return [_unpack(item, arrays) for item in packed]
    if not isinstance(packed, dict):
        return packed
    if "$array" in packed:
        return arrays[packed["$array"]]
    if "$map" in packed:
        return {key: _unpack(item, arrays) for key, item in packed["$map"].items()}
    if "$tuple" in packed:
        return tuple(_unpack(item, arrays) for item in packed["$tuple"])
    kinds = {kind.__name__: kind for kind in _all_results(Result)}
    kind = kinds[packed["$result"]]
    values = {name: _unpack(item, arrays) for name, item in packed["fields"].items()}
    if "outcome" in values:
        values["outcome"] = Outcome(values["outcome"])
    return kind(**values)


def _all_results(base: type[Result]) -> list[type[Result]]:
    """`base` and every class derived from it."""
    return [base] + [found for child in base.__subclasses__() for found in _all_results(child)]
