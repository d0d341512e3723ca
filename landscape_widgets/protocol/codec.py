"""Messages to and from plain JSON values, arrays to and from buffers; every failure is a `ProtocolError`.

All functions are pure and may be called from any thread.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import reprlib
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from landscape_widgets.errors import ProtocolError
from landscape_widgets.protocol import limits
from landscape_widgets.protocol.labs import SaddleRequest, SendPair, SpectrumRequest, TraceRequest
from landscape_widgets.protocol.messages import (
    FROM_PAGE,
    VERSION,
    Ack,
    ArrayHeader,
    Cancel,
    CurvesRequest,
    Goodbye,
    Hello,
    Pause,
    PictureRequest,
    SettingsRequest,
)

Labs: TypeAlias = SaddleRequest | TraceRequest | SpectrumRequest | SendPair
FromPage: TypeAlias = Hello | Goodbye | PictureRequest | CurvesRequest | SettingsRequest | Cancel | Pause | Ack | Labs
"""Any message that the page may send."""

_ADVICE = "reload the page; if the error stays, the page and the kernel do not fit together: report it with this text"
_RELOAD = "reload the page, so that it loads the version that the kernel has"
_KERNEL = "this is a bug of the kernel side: report it with this text"


# ---------------------------------------------------------------- declarations


@functools.cache
def fields_of(cls: type) -> Mapping[str, Any]:
    """Return the resolved type of each field of a message class, in order."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def optional(hint: Any) -> tuple[Any, bool]:
    """Split `T | None` into T and whether None is allowed."""
    if typing.get_origin(hint) not in (types.UnionType, typing.Union):
        return hint, False
    inner = [part for part in typing.get_args(hint) if part is not types.NoneType]
    if len(inner) != 1:
        raise TypeError(f"expected T or T | None in a message, got {hint}")
    return inner[0], True


@functools.cache
def _required(cls: type) -> frozenset[str]:
    """Fields that have to be there: those without a default, and those that say which message it is."""
    return frozenset(
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING or field.name == "v" or field.name in _tags(cls)
    )


@functools.cache
def _tags(cls: type) -> Mapping[str, str]:
    """Fields with one possible value, which tell the messages apart: kind, and purpose for requests."""
    single = {name: typing.get_args(hint) for name, hint in fields_of(cls).items() if _is_literal(hint)}
    return {name: options[0] for name, options in single.items() if len(options) == 1}


def _is_literal(hint: Any) -> bool:
    return typing.get_origin(hint) is Literal


# ---------------------------------------------------------------- message -> JSON


def encode(message: Any) -> dict[str, Any]:
    """Turn a message into plain JSON values: tuples become lists, NumPy scalars become numbers.

    A float that is not finite becomes None where its field allows None, and otherwise raises `ProtocolError`
    naming the field. Half a surrogate pair, which no comm can send, becomes "?".

    >>> from landscape_widgets.protocol.messages import Ack
    >>> encode(Ack(run=1, seq=0))
    {'run': 1, 'seq': 0, 'v': 1, 'kind': 'ack'}
    """
    return _encode_object(message, type(message), type(message).__name__)


def _encode_object(value: Any, cls: type, path: str) -> dict[str, Any]:
    if type(value) is not cls or not dataclasses.is_dataclass(cls):
        raise _rejection(path, f"a {cls.__name__} message", value, _KERNEL)
    return {
        name: _encode(getattr(value, name), hint, f"{path}.{name}")
        for name, hint in fields_of(typing.cast(type, cls)).items()
    }


def _encode(value: Any, hint: Any, path: str) -> Any:
    hint, nullable = optional(hint)
    if value is None and nullable:
        return None
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (tuple, list)):
            raise _rejection(path, "a tuple", value, _KERNEL)
        inner = typing.get_args(hint)[0]
        return [_encode(item, inner, f"{path}[{index}]") for index, item in enumerate(value)]
    if dataclasses.is_dataclass(hint):
        return _encode_object(value, typing.cast(type, hint), path)
    return _encode_plain(value, hint, nullable, path)


def _encode_plain(value: Any, hint: Any, nullable: bool, path: str) -> Any:
    if _is_literal(hint):
        if value not in typing.get_args(hint):
            raise _rejection(path, _one_of(hint), value, _KERNEL)
        return value
    if hint is str and isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode("utf-8")
    if hint is bool and isinstance(value, (bool, np.bool_)):
        return bool(value)
    if hint is int and isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    if hint is float and isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        number = _to_float(value)
        if math.isfinite(number):
            return number
        if nullable:
            return None
        raise _rejection(path, "a finite number (send it in a buffer, or let the field be None)", value, _KERNEL)
    raise _rejection(path, _words(hint), value, _KERNEL)


# ---------------------------------------------------------------- JSON -> message


def decode(content: object) -> FromPage:
    """Read a message from the page; anything that is not exactly a declared one raises `ProtocolError`.

    Checked: version, kind and purpose, unknown and missing fields, exact types (true is not 1), finite numbers,
    the bounds of `limits`. The error repeats at most 80 characters of what came.

    >>> decode({"v": 1, "kind": "ack", "run": 3, "seq": 0})
    Ack(run=3, seq=0, v=1, kind='ack')
    """
    return typing.cast(FromPage, decode_any(content, FROM_PAGE, text_limit=limits.MAX_TEXT))


def decode_any(content: object, classes: Sequence[type], *, text_limit: int = limits.MAX_REPLY_TEXT) -> Any:
    """Read a message that is one of `classes`, as strictly as `decode`; for tests of both ways."""
    if not isinstance(content, dict):
        raise _rejection("the message", "an object with the fields v and kind", content)
    version = content.get("v")
    if type(version) is not int or version != VERSION:
        raise ProtocolError(f"expected protocol version {VERSION}, got {show(version)}", _RELOAD)
    candidates = list(classes)
    for tag in ("kind", "purpose"):
        candidates = _matching(content, candidates, tag)
    return _decode_object(content, candidates[0], "", text_limit)


def _matching(content: dict[Any, Any], candidates: list[type], tag: str) -> list[type]:
    """Keep the classes whose fixed value of `tag` is the one that came, and those that have none."""
    known = {_tags(cls)[tag] for cls in candidates if tag in _tags(cls)}
    if not known:
        return candidates
    value = content.get(tag)
    found = [cls for cls in candidates if isinstance(value, str) and _tags(cls).get(tag, value) == value]
    if not found:
        raise _rejection(tag, "one of " + ", ".join(sorted(known)), value, _RELOAD)
    return found


def _decode_object(content: object, cls: type, path: str, text_limit: int) -> Any:
    if not isinstance(content, dict):
        raise _rejection(path or "the message", "an object", content)
    prefix = f"{path}." if path else ""
    fields = fields_of(cls)
    for key in content:
        if key not in fields:
            raise ProtocolError(f"expected the fields {', '.join(fields)} in {cls.__name__}, got {show(key)}", _ADVICE)
    missing = [name for name in fields if name in _required(cls) and name not in content]
    if missing:
        raise ProtocolError(f"expected {prefix}{missing[0]} in {cls.__name__}, got none", _ADVICE)
    values = {}
    for name, hint in fields.items():
        if name in content:
            values[name] = _decode(content[name], hint, prefix + name, text_limit)
            _check_bounds(values[name], cls, name, prefix + name)
    return cls(**values)


def _decode(value: object, hint: Any, path: str, text_limit: int) -> Any:
    hint, nullable = optional(hint)
    if value is None and nullable:
        return None
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise _rejection(path, "a list", value)
        inner = typing.get_args(hint)[0]
        return tuple(_decode(item, inner, f"{path}[{index}]", text_limit) for index, item in enumerate(value))
    if dataclasses.is_dataclass(hint):
        return _decode_object(value, typing.cast(type, hint), path, text_limit)
    if _is_literal(hint):
        if not isinstance(value, str) or value not in typing.get_args(hint):
            raise _rejection(path, _one_of(hint), value)
        return value
    if hint is str:
        return _decode_text(value, path, text_limit)
    if hint is float and type(value) in (int, float):
        number = _to_float(value)
        if not math.isfinite(number):
            raise _rejection(path, "a finite number", value)
        return number
    if type(value) is not hint:
        raise _rejection(path, _words(hint), value)
    return value


def _decode_text(value: object, path: str, text_limit: int) -> str:
    if not isinstance(value, str):
        raise _rejection(path, "a text", value)
    if len(value) > text_limit:
        raise _rejection(path, f"a text of at most {text_limit} characters, not {len(value)}", value)
    if not value and path.rsplit(".", 1)[-1] == "id":
        raise _rejection(path, "a text that is not empty", value)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise _rejection(path, "a text without half a surrogate pair", value)
    return value


def _check_bounds(value: Any, cls: type, name: str, path: str) -> None:
    bounds = limits.BOUNDS.get((cls.__name__, name))
    if bounds is not None and not bounds[0] <= value <= bounds[1]:
        raise _rejection(
            path, f"between {bounds[0]:.15g} and {bounds[1]:.15g}", value, "choose a value within these bounds"
        )


# ---------------------------------------------------------------- words of errors


class _Short(reprlib.Repr):
    """A `repr` that looks at a bounded part of the value only."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple, self.maxset = 2, 4, 4, 4, 4
        self.maxstring = self.maxother = limits.MAX_SHOWN


_SHORT = _Short()


def show(value: object) -> str:
    """Return a `repr` of at most 80 characters that never raises, whatever the value.

    >>> len(show("x" * 10_000))
    80
    """
    try:
        text = _SHORT.repr(value)
    except Exception:  # noqa: BLE001 - a repr may raise anything, an int of 5000 digits does
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limits.MAX_SHOWN else text[: limits.MAX_SHOWN - 1] + "…"


def _rejection(path: str, expected: str, value: object, advice: str = _ADVICE) -> ProtocolError:
    return ProtocolError(f"expected {path} to be {expected}, got {show(value)}", advice)


def _one_of(hint: Any) -> str:
    return "one of " + ", ".join(str(option) for option in typing.get_args(hint))


def _words(hint: Any) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}.get(hint, str(hint))


def _to_float(value: Any) -> float:
    """Convert to float; an int beyond its range is infinite rather than an OverflowError."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


# ---------------------------------------------------------------- arrays


def pack(arrays: Mapping[str, np.ndarray]) -> tuple[tuple[ArrayHeader, ...], list[memoryview]]:
    """Copy arrays into buffers, C order, little endian, floats as float32 and integers as int32.

    A float beyond float32 becomes infinite, which a page draws as no value; an integer beyond int32 raises
    `ProtocolError`, and so does any other dtype. The buffers never alias the arrays.
    """
    headers, buffers = [], []
    for name, array in arrays.items():
        values = np.asarray(array)
        narrow: Literal["float32", "int32"]
        if np.issubdtype(values.dtype, np.floating):
            narrow = "float32"
        elif np.issubdtype(values.dtype, np.integer):
            narrow = "int32"
            bounds = np.iinfo(np.int32)
            if values.size and (int(values.min()) < bounds.min or int(values.max()) > bounds.max):
                raise ProtocolError(f"expected {name} within int32, got {values.min()} to {values.max()}", _KERNEL)
        else:
            raise ProtocolError(f"expected {name} to hold floats or integers, got {values.dtype}", _KERNEL)
        with np.errstate(over="ignore"):
            copy = np.array(values, dtype=np.dtype(narrow).newbyteorder("<"), order="C", copy=True)
        headers.append(ArrayHeader(name, narrow, tuple(copy.shape)))
        raw: Any = copy.reshape(-1).view(np.uint8)
        buffers.append(memoryview(raw))
    return tuple(headers), buffers


def unpack(headers: Sequence[ArrayHeader], buffers: Sequence[Any]) -> dict[str, np.ndarray]:
    """Copy buffers (bytes, or memoryviews at any offset) back into arrays, checking each length."""
    if len(headers) != len(buffers):
        raise ProtocolError(f"expected {len(headers)} buffers, got {len(buffers)}", _ADVICE)
    arrays: dict[str, np.ndarray] = {}
    for header, buffer in zip(headers, buffers, strict=True):
        view = memoryview(buffer)
        if header.name in arrays or any(length < 0 for length in header.shape):
            raise ProtocolError(f"expected names once and lengths from 0, got {show(header)}", _ADVICE)
        expected = math.prod(header.shape) * 4
        if view.nbytes != expected:
            raise ProtocolError(
                f"expected {expected} bytes for {show(header.name)} of shape {show(header.shape)}, got {view.nbytes}",
                _ADVICE,
            )
        data = view if view.c_contiguous else view.tobytes()
        dtype = np.dtype(header.dtype).newbyteorder("<")
        array = np.frombuffer(data, dtype=dtype) if expected else np.empty(0, dtype)
        arrays[header.name] = array.reshape(header.shape).astype(header.dtype, copy=True)
    return arrays
