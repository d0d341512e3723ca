"""Write `messages.ts` from the dataclasses of `messages.py`, so that the page cannot disagree with the kernel.

`python -m landscape_widgets.protocol.typescript [--check] PATH` writes the file, or fails if it is stale.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import itertools
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from landscape_widgets.protocol import messages
from landscape_widgets.protocol.codec import fields_of, optional

COMMAND = "python -m landscape_widgets.protocol.typescript js/src/protocol/messages.ts"
CONSTANTS = ("VERSION", "MAX_UNACKNOWLEDGED")
WIDTH = 110
"""Column at which the formatter of js/biome.json breaks a line."""

_PLAIN = {str: "string", int: "number", float: "number", bool: "boolean"}


def generate(module: types.ModuleType = messages) -> str:
    """Return the TypeScript text: constants, one type an alias, one interface a dataclass, and the unions.

    >>> "export interface Ack {" in generate()
    True
    """
    names = vars(module)
    aliases = {name: value for name, value in names.items() if typing.get_origin(value) is Literal}
    classes = [value for value in names.values() if isinstance(value, type) and dataclasses.is_dataclass(value)]
    blocks = [f"// Generated from landscape_widgets/protocol/messages.py: do not edit.\n// {COMMAND}\n"]
    docs = _constant_docs(module)
    blocks += [f"{_comment(docs.get(name, ''))}export const {name} = {names[name]};\n" for name in CONSTANTS]
    blocks.append("".join(_union(name, _options(value)) for name, value in aliases.items()))
    blocks += [_interface(cls, aliases) for cls in classes]
    for name, members in (("FromPage", module.FROM_PAGE), ("ToPage", module.TO_PAGE)):
        blocks.append(_union(name, [cls.__name__ for cls in members]))
    return "\n".join(blocks)


def _interface(cls: type, aliases: Mapping[str, Any]) -> str:
    """One dataclass as an interface of read-only fields."""
    lines = [f"  readonly {name}: {_type(hint, aliases)};\n" for name, hint in fields_of(cls).items()]
    return f"{_comment(inspect.getdoc(cls) or '')}export interface {cls.__name__} {{\n{''.join(lines)}}}\n"


def _type(hint: Any, aliases: Mapping[str, Any]) -> str:
    """The TypeScript type of a field."""
    inner, nullable = optional(hint)
    if nullable:
        return f"{_type(inner, aliases)} | null"
    if hint is types.NoneType:
        return "null"
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin = typing.get_origin(hint)
    if origin is tuple:
        item = _type(typing.get_args(hint)[0], aliases)
        return f"readonly ({item})[]" if "|" in item else f"readonly {item}[]"
    if origin is Literal:
        named = [name for name, value in aliases.items() if value == hint]
        return named[0] if named else " | ".join(_options(hint))
    if dataclasses.is_dataclass(hint):
        return str(typing.cast(type, hint).__name__)
    raise TypeError(f"expected a type that a message may hold, got {hint}")


def _options(hint: Any) -> list[str]:
    """The values of a Literal, quoted."""
    return [f'"{value}"' for value in typing.get_args(hint)]


def _union(name: str, members: Sequence[str]) -> str:
    """A union type, on one line where it fits."""
    line = f"export type {name} = {' | '.join(members)};"
    if len(line) <= WIDTH:
        return line + "\n"
    return f"export type {name} =\n" + "\n".join(f"  | {member}" for member in members) + ";\n"


def _comment(doc: str) -> str:
    """The first line of a docstring as a JSDoc comment."""
    first = doc.strip().split("\n")[0].replace("*/", "* /")
    return f"/** {first} */\n" if first else ""


def _constant_docs(module: types.ModuleType) -> dict[str, str]:
    """Texts that stand below the assignments of a module."""
    body = ast.parse(inspect.getsource(module)).body
    docs = {}
    for node, follower in itertools.pairwise(body):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = follower.value if isinstance(follower, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                docs[node.targets[0].id] = value.value
    return docs


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or with `--check` return 1 if it is not what would be written."""
    parser = argparse.ArgumentParser(prog="landscape_widgets.protocol.typescript", description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file is stale")
    options = parser.parse_args(arguments)
    text = generate()
    if options.check:
        fresh = options.path.is_file() and options.path.read_text(encoding="utf-8") == text
        if not fresh:
            print(f"{options.path} is stale; to fix it: {COMMAND}")
        return 0 if fresh else 1
    options.path.parent.mkdir(parents=True, exist_ok=True)
    options.path.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
