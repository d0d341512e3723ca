"""Write `messages.ts` from the dataclasses of `messages.py`, so that the page cannot disagree with the kernel.

Beside the types it holds their shapes as data, by which the page checks what it is sent.

`python -m landscape_widgets.protocol.typescript [--check] PATH` writes the file, or fails if it is stale.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import itertools
import json
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from landscape_widgets.protocol import base, labs, messages
from landscape_widgets.protocol.codec import fields_of, optional

COMMAND = "python -m landscape_widgets.protocol.typescript js/src/protocol/messages.ts"
CONSTANTS = ("VERSION", "MAX_UNACKNOWLEDGED")
WIDTH = 110
"""Column at which the formatter of js/biome.json breaks a line."""

_PLAIN = {str: "string", int: "number", float: "number", bool: "boolean"}


MODULES = (base, messages, labs)


def generate(modules: Sequence[types.ModuleType] = MODULES) -> str:
    """Return the TypeScript text: constants, one type an alias, one interface a dataclass, and the unions.

    >>> "export interface Ack {" in generate()
    True
    """
    names = {name: value for module in modules for name, value in vars(module).items()}
    aliases = {name: value for name, value in names.items() if typing.get_origin(value) is Literal}
    classes = [value for value in names.values() if isinstance(value, type) and dataclasses.is_dataclass(value)]
    blocks = [f"// Generated from landscape_widgets/protocol/messages.py: do not edit.\n// {COMMAND}\n"]
    docs = {name: doc for module in modules for name, doc in _constant_docs(module).items()}
    blocks += [f"{_comment(docs.get(name, ''))}export const {name} = {names[name]};\n" for name in CONSTANTS]
    blocks.append("".join(_union(name, _options(value)) for name, value in aliases.items()))
    blocks += [_interface(cls, aliases) for cls in classes]
    for name, members in (("FromPage", names["FROM_PAGE"]), ("ToPage", names["TO_PAGE"])):
        blocks.append(_union(name, [cls.__name__ for cls in members]))
    blocks += [_SHAPE, _shapes(classes), _kinds(names["TO_PAGE"])]
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


_SHAPE = """/** The shape of a value: what it is, whether it may be null, and what stands for it where it is absent. */
export type Shape = {
  readonly is: "text" | "number" | "whole" | "flag" | "list" | "message" | readonly string[];
  readonly of?: Shape;
  readonly name?: string;
  readonly nullable?: true;
  readonly absent?: unknown;
};
"""


def _shapes(classes: Sequence[type]) -> str:
    """The fields of every message as data."""
    rows = []
    for cls in classes:
        defaults = {field.name: field.default for field in dataclasses.fields(typing.cast(Any, cls))}
        fields = "".join(
            f"    {name}: {_shape(hint, defaults[name], 4, name)},\n" for name, hint in fields_of(cls).items()
        )
        rows.append(f"  {cls.__name__}: {{\n{fields}  }},\n")
    return f"export const SHAPES: Record<string, Record<string, Shape>> = {{\n{''.join(rows)}}};\n"


def _kinds(members: Sequence[type]) -> str:
    """Which message a kind from the kernel is."""
    rows = "".join(f'  {_options(fields_of(cls)["kind"])[0][1:-1]}: "{cls.__name__}",\n' for cls in members)
    return f"export const KINDS: Record<string, string> = {{\n{rows}}};\n"


def _shape(hint: Any, default: Any, indent: int, name: str) -> str:
    """A type as data; literals of one value need no default to be filled in."""
    inner, nullable = optional(hint)
    parts = _shape_parts(inner, indent + 2)
    if nullable:
        parts.append("nullable: true")
    if default is not dataclasses.MISSING and not (typing.get_origin(inner) is Literal and len(_options(inner)) == 1):
        parts.append(f"absent: {json.dumps(list(default) if isinstance(default, tuple) else default)}")
    line = "{ " + ", ".join(parts) + " }"
    if "\n" not in line and indent + len(f"{name}: {line},") <= WIDTH:
        return line
    space = "\n" + " " * (indent + 2)
    return "{" + space + f",{space}".join(parts) + ",\n" + " " * indent + "}"


def _shape_parts(hint: Any, indent: int) -> list[str]:
    names = {str: "text", int: "whole", float: "number", bool: "flag"}
    if hint in names:
        return [f'is: "{names[hint]}"']
    if typing.get_origin(hint) is tuple:
        return ['is: "list"', f"of: {_shape(typing.get_args(hint)[0], dataclasses.MISSING, indent, 'of')}"]
    if typing.get_origin(hint) is Literal:
        line = f"is: [{', '.join(_options(hint))}]"
        if indent + len(line) + 1 <= WIDTH:
            return [line]
        space = "\n" + " " * (indent + 2)
        return [f"is: [{space}{f',{space}'.join(_options(hint))},\n{' ' * indent}]"]
    return ['is: "message"', f'name: "{hint.__name__}"']


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
