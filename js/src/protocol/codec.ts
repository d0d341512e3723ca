// Messages with their buffers: what the kernel sends is checked here, so that nothing behind meets a surprise.

import type { ArrayHeader, Curves, Frame, FromPage, Pair, Tile, ToPage } from "./messages";
import { KINDS, VERSION } from "./messages";
import { fail, ProtocolError, read } from "./shapes";

export { ProtocolError };

export type Arrays = ReadonlyMap<string, Float32Array | Int32Array>;

export interface Incoming {
  readonly message: ToPage;
  readonly arrays: Arrays;
}

/** Reads the head of a picture; also the one kept in a saved notebook. */
export function readFrame(value: unknown): Frame {
  const frame = read("Frame", value) as unknown as Frame;
  checkFrame(frame);
  return frame;
}

function checkFrame({ alpha, beta, levels, tracks, estimate }: Frame): void {
  if (levels.length === 0 || levels.some((level) => level < 1)) fail("no levels", levels.join(", "));
  if (estimate !== null && ![0, ...levels].includes(estimate.level))
    fail("an estimate of no level", estimate.level);
  for (const { points } of [alpha, beta]) if (points < 1) fail("an axis without points", points);
  for (const { labels, alpha: along, beta: across, off_plane, loss } of tracks) {
    const lengths = [labels, along, across, off_plane, loss].map((part) => part.length);
    if (new Set(lengths).size !== 1) fail("a track of unequal lengths", lengths.join(", "));
  }
}

/** Reads eigenpairs; also those of the `eigen` trait. */
export function readPairs(value: unknown): readonly Pair[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) fail('no list as "pairs"', value);
  return value.map((item) => read("Pair", item) as unknown as Pair);
}

type Buffer = DataView | ArrayBuffer | ArrayBufferView;

/** Copies a buffer's own bytes: a view may start anywhere in the socket's frame, and unaligned. */
export function bytesOf(buffer: Buffer): ArrayBuffer {
  if (buffer instanceof ArrayBuffer) return buffer.slice(0);
  if (!ArrayBuffer.isView(buffer)) fail("no buffer", buffer);
  const { buffer: whole, byteOffset, byteLength } = buffer;
  return (whole as ArrayBuffer).slice(byteOffset, byteOffset + byteLength);
}

function array(head: ArrayHeader, buffer: Buffer): Float32Array | Int32Array {
  const bytes = bytesOf(buffer);
  const size = head.shape.reduce((product, extent) => product * extent, 1);
  if (head.shape.some((extent) => extent < 0) || bytes.byteLength !== 4 * size)
    fail(`an array "${head.name}" of ${4 * size} bytes declared`, bytes.byteLength);
  return head.dtype === "float32" ? new Float32Array(bytes) : new Int32Array(bytes);
}

/** The float32 array of this name, or an error that names it. */
export function floats(arrays: Arrays, name: string): Float32Array {
  const found = arrays.get(name);
  return found instanceof Float32Array ? found : fail(`no float32 array "${name}"`, found);
}

function checkTile(tile: Tile, arrays: Arrays): void {
  for (const name of ["run", "seq", "level", "done", "total"] as const)
    if (tile[name] < 0) fail(`no whole number ≥ 0 as "${name}"`, tile[name]);
  const index = arrays.get("index");
  const loss = floats(arrays, "loss");
  if (!(index instanceof Int32Array)) fail('no int32 array "index" in a tile', index);
  if (index.length !== loss.length) fail(`${index.length} indices`, loss.length);
  const metrics = arrays.get("metrics");
  if (metrics !== undefined && (index.length === 0 ? metrics.length > 0 : metrics.length % index.length > 0))
    fail(`metrics of ${index.length} points`, metrics.length);
  if (tile.frame !== null) checkFrame(tile.frame);
  if (tile.frame?.estimate != null) {
    const values = floats(arrays, "estimate").length;
    const expected = tile.frame.alpha.points * tile.frame.beta.points;
    if (values !== expected) fail(`an estimate of ${expected} points`, values);
  }
}

function checkCurves({ curves }: Curves, arrays: Arrays): void {
  const [position, loss] = [floats(arrays, "position"), floats(arrays, "loss")];
  if (loss.length !== position.length * curves.length)
    fail(`${curves.length} curves of ${position.length}`, loss.length);
}

/** Decodes one message with its buffers, or throws a ProtocolError that says what was wrong. */
export function decode(raw: unknown, buffers: readonly Buffer[] = []): Incoming {
  const { v, kind } =
    typeof raw === "object" && raw !== null ? (raw as Record<string, unknown>) : fail("no message", raw);
  if (v !== VERSION) fail(`a version other than ${VERSION} (restart the kernel and reload the page)`, v);
  const name = typeof kind === "string" && Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (name === undefined) fail("an unknown kind of message", kind);
  const message = read(name, raw) as unknown as ToPage;
  const heads = "arrays" in message ? message.arrays : [];
  if (heads.length !== buffers.length) fail(`${heads.length} array headers`, buffers.length);
  const arrays: Arrays = new Map(heads.map((head, i) => [head.name, array(head, buffers[i] as Buffer)]));
  if (message.kind === "tile") checkTile(message, arrays);
  if (message.kind === "curves") checkCurves(message, arrays);
  return { message, arrays };
}

/** A message without what every message shares. */
export type Draft<T = FromPage> = T extends FromPage ? Omit<T, "v"> : never;

export function encode(draft: Draft): FromPage {
  return { ...draft, v: VERSION } as FromPage;
}
