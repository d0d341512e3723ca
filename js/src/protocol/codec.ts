// Reads what the kernel sends: checks every field once, so that nothing behind this file meets a surprise.

import type {
  ArrayHeader,
  AxisChoice,
  AxisInfo,
  CurveInfo,
  CurveSettings,
  Frame,
  FromPage,
  Pair,
  QueuedJob,
  ToPage,
  Track,
  Verdict,
} from "./messages";
import { VERSION } from "./messages";

export type Arrays = ReadonlyMap<string, Float32Array | Int32Array>;

export interface Incoming {
  readonly message: ToPage;
  readonly arrays: Arrays;
}

/** A message that cannot be read; its text is shown to the user. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

type Fields = Record<string, unknown>;

function fail(what: string, got: unknown): never {
  const shown =
    typeof got === "object" ? (got === null ? "null" : "an object") : `${typeof got} ${String(got)}`;
  throw new ProtocolError(`the kernel sent ${what}, got ${shown.slice(0, 80)}`);
}

function fields(value: unknown, where: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    fail(`no object as ${where}`, value);
  return value as Fields;
}

function text(owner: Fields, name: string): string {
  const value = owner[name];
  return typeof value === "string" ? value : fail(`no text as "${name}"`, value);
}

function finite(owner: Fields, name: string): number {
  const value = owner[name];
  return typeof value === "number" && Number.isFinite(value)
    ? value
    : fail(`no finite number as "${name}"`, value);
}

function whole(owner: Fields, name: string, least = 0): number {
  const value = finite(owner, name);
  return Number.isInteger(value) && value >= least
    ? value
    : fail(`no whole number ≥ ${least} as "${name}"`, value);
}

function optional(owner: Fields, name: string): number | null {
  return owner[name] === null || owner[name] === undefined ? null : finite(owner, name);
}

function list(owner: Fields, name: string): readonly unknown[] {
  const value = owner[name];
  return Array.isArray(value) ? value : fail(`no list as "${name}"`, value);
}

function texts(owner: Fields, name: string): readonly string[] {
  return list(owner, name).map((item) => text({ item }, "item"));
}

function numbers(owner: Fields, name: string): readonly number[] {
  return list(owner, name).map((item) => finite({ item }, "item"));
}

function axis(value: unknown, name: string): AxisInfo {
  const source = fields(value, name);
  return {
    label: text(source, "label"),
    normalization: text(source, "normalization"),
    unit: text(source, "unit"),
    seed: optional(source, "seed"),
    length: finite(source, "length"),
    lo: finite(source, "lo"),
    hi: finite(source, "hi"),
    points: whole(source, "points", 1),
  };
}

const TONES = ["minimum", "maximum", "saddle", "flat", "unknown"] as const;

function verdict(value: unknown): Verdict | null {
  if (value === null || value === undefined) return null;
  const source = fields(value, "verdict");
  const tone = TONES.find((known) => known === source.tone) ?? "unknown";
  return { title: text(source, "title"), text: text(source, "text"), tone };
}

function preview(value: unknown): Frame["preview"] {
  if (value === null || value === undefined) return null;
  const source = fields(value, "preview");
  return {
    loss: finite(source, "loss"),
    gradient_alpha: finite(source, "gradient_alpha"),
    gradient_beta: finite(source, "gradient_beta"),
    a: finite(source, "a"),
    b: finite(source, "b"),
    c: finite(source, "c"),
  };
}

function track(value: unknown): Track {
  const source = fields(value, "track");
  const loss = list(source, "loss").map((item) => optional({ item }, "item"));
  const read: Track = {
    kind: source.kind === "path" ? "path" : "points",
    labels: texts(source, "labels"),
    alpha: numbers(source, "alpha"),
    beta: numbers(source, "beta"),
    off_plane: numbers(source, "off_plane"),
    loss,
    shown: text(source, "shown"),
  };
  const lengths = [read.labels, read.alpha, read.beta, read.off_plane, loss].map((part) => part.length);
  return new Set(lengths).size === 1 ? read : fail("a track of unequal lengths", lengths.join(", "));
}

/** Reads the head of a picture; also the one kept in a saved notebook. */
export function readFrame(value: unknown): Frame {
  const source = fields(value, "frame");
  const levels = list(source, "levels").map((_, i) =>
    whole(list(source, "levels") as unknown as Fields, String(i), 1),
  );
  if (levels.length === 0) fail("no levels", levels);
  return {
    alpha: axis(source.alpha, "alpha"),
    beta: axis(source.beta, "beta"),
    levels,
    angle: optional(source, "angle"),
    loss: optional(source, "loss"),
    gradient_norm: optional(source, "gradient_norm"),
    preview: preview(source.preview),
    verdict: verdict(source.verdict),
    caption: text(source, "caption"),
    metrics: source.metrics === undefined ? [] : texts(source, "metrics"),
    tracks: source.tracks === undefined ? [] : list(source, "tracks").map(track),
  };
}

/** Reads eigenpairs; also those of the `eigen` trait. */
export function readPairs(value: unknown): readonly Pair[] {
  if (value === null || value === undefined) return [];
  return list({ pairs: value }, "pairs").map((item) => {
    const source = fields(item, "pair");
    return {
      index: finite(source, "index"),
      value: optional(source, "value"),
      residual: optional(source, "residual"),
      accepted: source.accepted === true,
    };
  });
}

function header(value: unknown): ArrayHeader {
  const source = fields(value, "array header");
  const dtype = source.dtype;
  if (dtype !== "float32" && dtype !== "int32") fail('no dtype "float32" or "int32"', dtype);
  const shape = list(source, "shape").map((size) => whole({ size }, "size"));
  return { name: text(source, "name"), dtype, shape };
}

type Buffer = DataView | ArrayBuffer | ArrayBufferView;

/** Copies a buffer's own bytes: a view may start anywhere in the socket's frame, and unaligned. */
export function bytesOf(buffer: Buffer): ArrayBuffer {
  if (buffer instanceof ArrayBuffer) return buffer.slice(0);
  if (!ArrayBuffer.isView(buffer)) fail("no buffer", buffer);
  const { buffer: whole_, byteOffset, byteLength } = buffer;
  return (whole_ as ArrayBuffer).slice(byteOffset, byteOffset + byteLength);
}

function array(head: ArrayHeader, buffer: Buffer): Float32Array | Int32Array {
  const bytes = bytesOf(buffer);
  const size = head.shape.reduce((product, extent) => product * extent, 1);
  if (bytes.byteLength !== 4 * size)
    fail(`an array "${head.name}" of ${4 * size} bytes declared`, bytes.byteLength);
  return head.dtype === "float32" ? new Float32Array(bytes) : new Int32Array(bytes);
}

function readArrays(source: Fields, buffers: readonly Buffer[]): [ArrayHeader[], Arrays] {
  const heads = list(source, "arrays").map(header);
  if (heads.length !== buffers.length) fail(`${heads.length} array headers`, buffers.length);
  return [heads, new Map(heads.map((head, i) => [head.name, array(head, buffers[i] as Buffer)]))];
}

function readTile(source: Fields, buffers: readonly Buffer[]): Incoming {
  const [arrays, values] = readArrays(source, buffers);
  const index = values.get("index");
  const loss = values.get("loss");
  if (!(index instanceof Int32Array)) fail('no int32 array "index" in a tile', index);
  if (!(loss instanceof Float32Array)) fail('no float32 array "loss" in a tile', loss);
  if (index.length !== loss.length) fail(`${index.length} indices`, loss.length);
  const metrics = values.get("metrics");
  if (metrics !== undefined && (index.length === 0 ? metrics.length > 0 : metrics.length % index.length > 0))
    fail(`metrics of ${index.length} points`, metrics.length);
  const message = {
    v: VERSION,
    kind: "tile" as const,
    id: text(source, "id"),
    run: whole(source, "run"),
    seq: whole(source, "seq"),
    level: whole(source, "level"),
    done: whole(source, "done"),
    total: whole(source, "total"),
    seconds_left: optional(source, "seconds_left"),
    frame: source.frame === null || source.frame === undefined ? null : readFrame(source.frame),
    arrays,
  };
  return { message, arrays: values };
}

const PURPOSES = ["hello", "picture", "eigenpairs", "curves", "settings"] as const;

function purpose(source: Fields): (typeof PURPOSES)[number] {
  const found = PURPOSES.find((known) => known === source.purpose);
  return found ?? fail("no known purpose", source.purpose);
}

const SOURCES = ["random", "hessian", "gradient", "trajectory", "model", "custom"] as const;
const SCALES = ["unit", "filter", "raw"] as const;

function oneOf<T extends string>(known: readonly T[], owner: Fields, name: string): T {
  return known.find((value) => value === owner[name]) ?? fail(`no known "${name}"`, owner[name]);
}

function choice(value: unknown): AxisChoice {
  const source = fields(value, "axis choice");
  return {
    source: oneOf(SOURCES, source, "source"),
    seed: whole(source, "seed"),
    index: finite(source, "index"),
    scale: oneOf(SCALES, source, "scale"),
  };
}

function curveSettings(value: unknown): CurveSettings {
  const source = fields(value, "curve settings");
  const range = fields(source.range, "range");
  return {
    choices: list(source, "choices").map(choice),
    seeds: whole(source, "seeds"),
    seed: whole(source, "seed"),
    scale: oneOf(SCALES, source, "scale"),
    range: { lo: finite(range, "lo"), hi: finite(range, "hi") },
    points: whole(source, "points", 1),
  };
}

function curveInfo(value: unknown): CurveInfo {
  const source = fields(value, "curve");
  const band = source.band === true;
  return { label: text(source, "label"), unit: text(source, "unit"), length: finite(source, "length"), band };
}

function readCurves(source: Fields, buffers: readonly Buffer[]): Incoming {
  const [arrays, values] = readArrays(source, buffers);
  const curves = list(source, "curves").map(curveInfo);
  const [position, loss] = [values.get("position"), values.get("loss")];
  if (!(position instanceof Float32Array)) fail('no float32 array "position" in curves', position);
  if (!(loss instanceof Float32Array)) fail('no float32 array "loss" in curves', loss);
  if (loss.length !== position.length * curves.length)
    fail(`${curves.length} curves of ${position.length}`, loss.length);
  const message = {
    v: VERSION,
    kind: "curves" as const,
    id: text(source, "id"),
    settings: curveSettings(source.settings),
    curves,
    done: whole(source, "done"),
    total: whole(source, "total"),
    caption: text(source, "caption"),
    arrays,
  };
  return { message, arrays: values };
}

const WORK = ["picture", "eigenpairs", "curves"] as const;

function queuedJob(value: unknown): QueuedJob {
  const source = fields(value, "queued job");
  return {
    purpose: oneOf(WORK, source, "purpose"),
    paused: source.paused === true,
    position: whole(source, "position", 1),
    of: whole(source, "of", 1),
  };
}

function readQueue(source: Fields): ToPage {
  return { v: VERSION, kind: "queue", jobs: list(source, "jobs").map(queuedJob) };
}

function readProgress(source: Fields): ToPage {
  return {
    v: VERSION,
    kind: "progress",
    id: text(source, "id"),
    purpose: purpose(source),
    stage: text(source, "stage"),
    done: finite(source, "done"),
    total: optional(source, "total"),
    seconds_left: optional(source, "seconds_left"),
    pairs: readPairs(source.pairs),
  };
}

function readResult(source: Fields): ToPage {
  return {
    v: VERSION,
    kind: "result",
    id: text(source, "id"),
    purpose: purpose(source),
    outcome: text(source, "outcome"),
    advice: text(source, "advice"),
    pairs: readPairs(source.pairs),
    products: optional(source, "products") ?? 0,
    evaluations: optional(source, "evaluations") ?? 0,
    seconds: optional(source, "seconds") ?? 0,
    verdict: verdict(source.verdict),
  };
}

function readError(source: Fields): ToPage {
  return {
    v: VERSION,
    kind: "error",
    id: source.id === null ? null : text(source, "id"),
    purpose: source.purpose === null ? null : purpose(source),
    message: text(source, "message"),
    advice: text(source, "advice"),
  };
}

/** Decodes one message with its buffers, or throws a ProtocolError that says what was wrong. */
export function decode(raw: unknown, buffers: readonly Buffer[] = []): Incoming {
  const source = fields(raw, "message");
  if (source.v !== VERSION)
    fail(`a version other than ${VERSION} (restart the kernel and reload the page)`, source.v);
  const none: Arrays = new Map();
  switch (source.kind) {
    case "tile":
      return readTile(source, buffers);
    case "curves":
      return readCurves(source, buffers);
    case "queue":
      return { message: readQueue(source), arrays: none };
    case "progress":
      return { message: readProgress(source), arrays: none };
    case "result":
      return { message: readResult(source), arrays: none };
    case "error":
      return { message: readError(source), arrays: none };
    default:
      return fail("an unknown kind of message", source.kind);
  }
}

/** A message without what every message shares. */
export type Draft<T = FromPage> = T extends FromPage ? Omit<T, "v"> : never;

export function encode(draft: Draft): FromPage {
  return { ...draft, v: VERSION } as FromPage;
}
