// The pictures that a file holds, and the coarser ones nested in them.

import { readFrame } from "../protocol/codec";
import { coordinates, levelIndices } from "../protocol/grid";
import type { AxisInfo, Frame, PictureSettings } from "../protocol/messages";
import { read } from "../protocol/shapes";

/** One picture as it was computed; row-major beta × alpha. */
export interface Recorded {
  readonly settings: PictureSettings;
  readonly frame: Frame;
  /** Python code that draws it again. */
  readonly code: string;
  /** Computed, or estimated where the frame names an estimate. */
  readonly loss: Float32Array;
  /** One a name in `frame.metrics`, laid out like `loss`. */
  readonly metrics: readonly Float32Array[];
  /** 1 where a point was computed. */
  readonly known: Uint8Array;
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function bytes(value: unknown): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(typeof value === "string" ? value : ""), (letter) => letter.charCodeAt(0));
}

/** Reads one record of a file, or throws an error that says what is wrong with it. */
export function readRecord(value: unknown): Recorded {
  const { settings, frame: head, code, loss: values, metrics: rows, known: mask } = fields(value);
  const frame = readFrame(head);
  const size = frame.alpha.points * frame.beta.points;
  const loss = new Float32Array(bytes(values).buffer);
  const metrics = new Float32Array(bytes(rows).buffer);
  const known = mask === "" ? new Uint8Array(size).fill(1) : bytes(mask);
  if (loss.length !== size || known.length !== size || metrics.length !== size * frame.metrics.length)
    throw new Error(`this file holds a picture of ${loss.length} values, expected ${size}`);
  return {
    settings: read("PictureSettings", settings) as unknown as PictureSettings,
    frame,
    code: typeof code === "string" ? code : "",
    loss,
    metrics: frame.metrics.map((_, k) => metrics.subarray(k * size, (k + 1) * size)),
    known,
  };
}

/** Number of points that are known. */
export function doneOf({ known }: Pick<Recorded, "known">): number {
  return known.reduce((sum, one) => sum + one, 0);
}

interface Level {
  readonly which: number;
  readonly columns: Int32Array;
  readonly rows: Int32Array;
}

/** The levels of a picture that are evenly spaced grids of their own, coarse to fine. */
function levels({ frame }: Recorded): Level[] {
  const count = frame.levels.length;
  return frame.levels
    .map((_, which) => ({
      which,
      columns: levelIndices(frame.alpha.points, count, which),
      rows: levelIndices(frame.beta.points, count, which),
    }))
    .filter(({ columns, rows }) => even(columns) && even(rows));
}

function even(indices: Int32Array): boolean {
  const step = (indices[1] ?? 0) - (indices[0] ?? 0);
  return indices.every((index, k) => k === 0 || index - (indices[k - 1] as number) === step);
}

/** The resolutions that a picture holds. */
export function resolutionsOf(record: Recorded): number[] {
  return levels(record).map(({ columns }) => columns.length);
}

/** The picture at one of its resolutions, every value as it was computed; null where it has none such. */
export function nested(record: Recorded, resolution: number): Recorded | null {
  if (resolution === record.settings.resolution) return record;
  const level = levels(record).find(({ columns }) => columns.length === resolution);
  if (level === undefined) return null;
  const { frame, settings } = record;
  const width = frame.alpha.points;
  const places = Int32Array.from(
    [...level.rows].flatMap((row) => [...level.columns].map((column) => row * width + column)),
  );
  const pick = (values: Float32Array) => Float32Array.from(places, (at) => values[at] as number);
  const known = Uint8Array.from(places, (at) => record.known[at] as number);
  const exact = known.every((one) => one === 1);
  return {
    settings: { ...settings, resolution },
    frame: exact ? withoutEstimate(coarser(frame, level)) : coarser(frame, level),
    code: record.code,
    loss: pick(record.loss),
    metrics: record.metrics.map(pick),
    known,
  };
}

/** A level that is known everywhere needs no estimate, whatever the finer picture says of itself. */
function withoutEstimate(frame: Frame): Frame {
  const caption = frame.caption
    .replace("points, each computed one an", "points, each an")
    .replace(/ [\d,]+ of [\d,]+ points computed, .*? held out\)\./, "")
    .replace(/ Until all are computed the others are [^.]*\./, "");
  return { ...frame, caption, estimate: null };
}

function coarser(frame: Frame, { which, columns, rows }: Level): Frame {
  const { alpha, beta, levels: sizes, caption, estimate } = frame;
  const [all, fewer] = [
    `${alpha.points} × ${beta.points} points`,
    `${columns.length} × ${rows.length} points`,
  ];
  return {
    ...frame,
    alpha: { ...alpha, points: columns.length },
    beta: { ...beta, points: rows.length },
    levels: sizes.slice(0, which + 1),
    estimate: estimate && { ...estimate, level: Math.min(estimate.level, columns.length) },
    caption: caption.replace(all, fewer),
  };
}

/** Points an axis of the finest complete level, 0 where there is none. */
export function completeLevel({ frame, known }: Recorded): number {
  const [width, count] = [frame.alpha.points, frame.levels.length];
  let reached = 0;
  for (let which = 0; which < count; which += 1) {
    const columns = levelIndices(width, count, which);
    const rows = levelIndices(frame.beta.points, count, which);
    if (!rows.every((row) => columns.every((column) => known[row * width + column] === 1))) break;
    reached = columns.length;
  }
  return reached;
}

/** The losses along one axis through the model, or null where they are not all known. */
export function cutThrough(
  record: Recorded,
  along: "alpha" | "beta",
): { axis: AxisInfo; position: Float64Array; loss: Float32Array } | null {
  const { frame, loss, known } = record;
  const width = frame.alpha.points;
  const position = coordinates(frame[along]);
  const across = coordinates(frame[along === "alpha" ? "beta" : "alpha"]).indexOf(0);
  if (across < 0) return null;
  const places = Array.from(position, (_, i) =>
    along === "alpha" ? across * width + i : i * width + across,
  );
  if (!places.every((at) => known[at] === 1)) return null;
  return { axis: frame[along], position, loss: Float32Array.from(places, (at) => loss[at] as number) };
}
