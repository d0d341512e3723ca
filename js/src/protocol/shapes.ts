// Reads plain values by the shapes that the kernel declares: every field is checked once, by name.

import { SHAPES, type Shape } from "./messages";

/** A message that cannot be read; its text is shown to the user. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

type Fields = Record<string, unknown>;

export function fail(what: string, got: unknown): never {
  const shown =
    typeof got === "object" ? (got === null ? "null" : "an object") : `${typeof got} ${String(got)}`;
  throw new ProtocolError(`the kernel sent ${what}, got ${shown.slice(0, 80)}`);
}

/** The declared message of this name, with its own fields only; what is absent takes its declared value. */
export function read(name: string, value: unknown): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    fail(`no object as ${name}`, value);
  const shapes = SHAPES[name] as Record<string, Shape>;
  return Object.fromEntries(
    Object.entries(shapes).map(([field, shape]) => [
      field,
      readField(shape, (value as Fields)[field], field),
    ]),
  );
}

function readField(shape: Shape, value: unknown, field: string): unknown {
  if (value === undefined && "absent" in shape) return shape.absent;
  if (value === null || value === undefined) {
    return shape.nullable ? null : fail(`no ${wordsOf(shape)} as "${field}"`, value);
  }
  if (shape.is === "list") {
    if (!Array.isArray(value)) fail(`no list as "${field}"`, value);
    return value.map((item) => readField(shape.of as Shape, item, field));
  }
  if (shape.is === "message") return read(shape.name as string, value);
  return fits(shape.is, value) ? value : fail(`no ${wordsOf(shape)} as "${field}"`, value);
}

function fits(is: Shape["is"], value: unknown): boolean {
  if (Array.isArray(is)) return is.includes(value);
  if (is === "text") return typeof value === "string";
  if (is === "flag") return typeof value === "boolean";
  return is === "whole" ? Number.isInteger(value) : Number.isFinite(value);
}

const WORDS: Readonly<Record<string, string>> = {
  text: "text",
  flag: "true or false",
  whole: "whole number",
  number: "finite number",
  message: "object",
};

function wordsOf({ is }: Shape): string {
  return Array.isArray(is) ? `known word (${is.join(", ")})` : (WORDS[is as string] ?? "list");
}
