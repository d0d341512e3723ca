// What one view knows, and how each message changes it: pure functions, no DOM.

import type { CurveSet } from "../../plots/curves";
import { type Arrays, bytesOf, type Incoming, readFrame } from "../../protocol/codec";
import { coordinates } from "../../protocol/grid";
import type {
  Curves,
  Error as Failure,
  Frame,
  Pair,
  Progress,
  QueuedJob,
  Result,
  Tile,
  Verdict,
} from "../../protocol/messages";

export interface Picture {
  readonly id: string;
  readonly run: number;
  readonly seq: number;
  readonly frame: Frame;
  /** Row-major beta × alpha values, and which of them are computed: a computed NaN is known. */
  readonly values: Float32Array;
  readonly known: Uint8Array;
  /** One a name in `frame.metrics`, laid out like `values`. */
  readonly metrics: readonly Float32Array[];
  /** Values for every point, exact where known, of a frame with an estimate. */
  readonly estimate: Float32Array | null;
  readonly level: number;
  readonly done: number;
  readonly total: number;
  readonly secondsLeft: number | null;
  /** The result that ended it, or null while it runs. */
  readonly end: Result | null;
}

export interface Problem {
  readonly message: string;
  readonly advice: string;
  /** Set where it tells of the curves alone: it goes when they are asked for anew. */
  readonly about?: "curves";
}

/** The jobs of an explorer. */
export type Work = "picture" | "eigenpairs" | "curves" | "slices";
export type Link = "waiting" | "live" | "saved";
export type Purpose = "hello" | "picture" | "eigenpairs" | "curves" | "settings";

export interface ExplorerState {
  readonly link: Link;
  readonly picture: Picture | null;
  /** Requests of this view that have no end yet. */
  readonly pending: ReadonlyMap<string, Purpose>;
  /** Our picture request that has no frame yet, and the one of its purpose that stopping refers to. */
  readonly wanted: string | null;
  /** The run of tiles that came and could not be placed, or null: ask for a replay. */
  readonly missed: number | null;
  readonly pairs: readonly Pair[];
  readonly stage: Progress | null;
  readonly eigen: Progress | null;
  readonly eigenEnd: Result | null;
  /** Random slices being drawn to compare with, or null. */
  readonly slices: Progress | null;
  /** Our newest request of curves, and what came of it: curves of other views and older requests are not ours. */
  readonly curvesId: string | null;
  readonly curves: CurveSet | null;
  readonly curvesStage: Progress | null;
  readonly curvesEnd: Result | null;
  /** The jobs of this widget that have not ended. */
  readonly queue: readonly QueuedJob[];
  readonly verdict: Verdict | null;
  readonly problem: Problem | null;
}

export function initialState(pairs: readonly Pair[] = []): ExplorerState {
  return {
    link: "waiting",
    picture: null,
    pending: new Map(),
    wanted: null,
    missed: null,
    pairs,
    stage: null,
    eigen: null,
    eigenEnd: null,
    slices: null,
    ...NO_CURVES,
    queue: [],
    verdict: null,
    problem: null,
  };
}

const NO_CURVES = { curvesId: null, curves: null, curvesStage: null, curvesEnd: null };

/** Notes a request that was sent; the latest picture request wins. */
export function requested(state: ExplorerState, id: string, purpose: Purpose): ExplorerState {
  const pending = new Map(state.pending).set(id, purpose);
  if (purpose === "hello") return { ...state, pending, missed: null };
  if (purpose === "curves") return { ...withoutCurves(state), pending, curvesId: id };
  return purpose === "picture" ? { ...state, pending, wanted: id, stage: null } : { ...state, pending };
}

/** Forgets the curves: what may still come of them is dropped. */
export function withoutCurves(state: ExplorerState): ExplorerState {
  const problem = state.problem?.about === "curves" ? null : state.problem;
  return { ...state, ...NO_CURVES, problem };
}

/** True while the kernel works on curves for this view. */
export function cutting({ curvesId, pending }: ExplorerState): boolean {
  return curvesId !== null && pending.has(curvesId);
}

export function refused(state: ExplorerState, problem: Problem): ExplorerState {
  return { ...state, problem };
}

/** True while the kernel works on a picture for this view. */
export function drawing(state: ExplorerState): boolean {
  if (state.wanted !== null) return true;
  const { picture } = state;
  return picture !== null && picture.end === null && picture.done < picture.total;
}

export function receive(state: ExplorerState, { message, arrays }: Incoming): ExplorerState {
  const live: ExplorerState = state.link === "live" ? state : { ...state, link: "live" };
  switch (message.kind) {
    case "tile":
      return placeTile(live, message, arrays);
    case "curves":
      return noteCurves(live, message, arrays);
    case "queue":
      return { ...live, queue: message.jobs };
    case "progress":
      return noteProgress(live, message);
    case "result":
      return noteResult(live, message);
    case "error":
      return noteError(live, message);
    default:
      return live;
  }
}

function placeTile(state: ExplorerState, tile: Tile, arrays: Arrays): ExplorerState {
  const { picture } = state;
  if (picture !== null && tile.run < picture.run) return state;
  if (tile.frame === null) {
    if (picture === null || tile.run > picture.run)
      return state.wanted === null ? { ...state, missed: tile.run } : state;
    return tile.seq <= picture.seq ? state : { ...state, picture: extend(picture, tile, arrays) };
  }
  if (picture !== null && tile.run === picture.run && sameShape(picture.frame, tile.frame)) {
    const verdict = tile.frame.verdict ?? state.verdict;
    return { ...state, verdict, picture: extend({ ...picture, frame: tile.frame }, tile, arrays) };
  }
  if (state.wanted !== null && tile.id !== state.wanted) return { ...state, missed: tile.run };
  return {
    ...state,
    wanted: null,
    missed: null,
    stage: null,
    verdict: tile.frame.verdict,
    picture: extend(blank(tile, tile.frame), tile, arrays),
  };
}

function sameShape(a: Frame, b: Frame): boolean {
  return a.alpha.points === b.alpha.points && a.beta.points === b.beta.points;
}

function blank(tile: Tile, frame: Frame): Picture {
  const size = frame.alpha.points * frame.beta.points;
  return {
    id: tile.id,
    run: tile.run,
    seq: tile.seq,
    frame,
    values: new Float32Array(size).fill(Number.NaN),
    known: new Uint8Array(size),
    metrics: frame.metrics.map(() => new Float32Array(size).fill(Number.NaN)),
    estimate: null,
    level: 0,
    done: 0,
    total: tile.total,
    secondsLeft: null,
    end: null,
  };
}

function extend(picture: Picture, tile: Tile, arrays: Arrays): Picture {
  const index = arrays.get("index") as Int32Array;
  const known = picture.known.slice();
  for (const at of index) if (at >= 0 && at < known.length) known[at] = 1;
  const rows = rowsOf(arrays.get("metrics"), index.length);
  return {
    ...picture,
    values: placed(picture.values, index, arrays.get("loss") as Float32Array),
    known,
    metrics: picture.metrics.map((metric, k) => placed(metric, index, rows[k] ?? new Float32Array())),
    estimate: tile.frame === null ? picture.estimate : estimateOf(tile.frame, arrays),
    seq: tile.seq,
    level: Math.max(picture.level, tile.level),
    done: Math.max(picture.done, tile.done),
    total: tile.total,
    secondsLeft: tile.seconds_left,
  };
}

function estimateOf(frame: Frame, arrays: Arrays): Float32Array | null {
  return frame.estimate === null ? null : (arrays.get("estimate") as Float32Array);
}

/** A copy with the fresh values in their places; what is missing among them is not known. */
function placed(values: Float32Array, index: Int32Array, fresh: Float32Array): Float32Array {
  const next = values.slice();
  index.forEach((at, k) => {
    if (at >= 0 && at < next.length) next[at] = fresh[k] ?? Number.NaN;
  });
  return next;
}

function rowsOf(metrics: Float32Array | Int32Array | undefined, width: number): Float32Array[] {
  if (!(metrics instanceof Float32Array) || width === 0) return [];
  return Array.from({ length: metrics.length / width }, (_, k) =>
    metrics.subarray(k * width, (k + 1) * width),
  );
}

function noteCurves(state: ExplorerState, message: Curves, arrays: Arrays): ExplorerState {
  const { id, settings, curves, done, total, caption } = message;
  if (id !== state.curvesId || done < (state.curves?.done ?? 0)) return state;
  const [position, loss] = [arrays.get("position") as Float32Array, arrays.get("loss") as Float32Array];
  return { ...state, curves: { settings, curves, position, loss, done, total, caption } };
}

function newerPairs(state: ExplorerState, pairs: readonly Pair[]): readonly Pair[] {
  if (pairs.length === 0) return state.pairs;
  const merged = new Map(state.pairs.map((pair) => [pair.index, pair]));
  for (const pair of pairs) merged.set(pair.index, pair);
  return [...merged.values()];
}

function noteProgress(state: ExplorerState, progress: Progress): ExplorerState {
  const pairs = newerPairs(state, progress.pairs);
  if (progress.purpose === "eigenpairs") return { ...state, pairs, ...eigenStage(progress) };
  if (progress.purpose === "curves")
    return progress.id === state.curvesId ? { ...state, curvesStage: progress } : state;
  if (progress.purpose === "slices") return { ...state, slices: progress };
  if (progress.purpose !== "picture") return { ...state, pairs };
  const stale = state.wanted !== null && state.pending.has(progress.id) && progress.id !== state.wanted;
  return stale ? { ...state, pairs } : { ...state, pairs, stage: progress };
}

/** A replay brings the newest pairs as progress, but no end: nothing is left to do once all are accepted. */
function eigenStage(progress: Progress): Pick<ExplorerState, "eigen" | "eigenEnd"> {
  const over = progress.pairs.length > 0 && progress.pairs.every((pair) => pair.accepted);
  return { eigen: over ? null : progress, eigenEnd: null };
}

function settle(state: ExplorerState, id: string | null): ExplorerState {
  if (id === null) return state;
  const pending = new Map(state.pending);
  pending.delete(id);
  return state.wanted === id ? { ...state, pending, wanted: null, stage: null } : { ...state, pending };
}

function noteResult(state: ExplorerState, result: Result): ExplorerState {
  const next = { ...settle(state, result.id), pairs: newerPairs(state, result.pairs) };
  if (result.purpose === "eigenpairs")
    return { ...next, eigen: null, eigenEnd: result, verdict: result.verdict ?? next.verdict };
  if (result.purpose === "slices") return { ...next, slices: null };
  if (result.id === state.curvesId) return { ...next, curvesStage: null, curvesEnd: result };
  if (result.purpose !== "picture" || state.picture === null || result.id !== state.picture.id) return next;
  const picture = { ...state.picture, end: result, secondsLeft: null };
  const succeeded = picture.done >= picture.total || result.outcome === "converged";
  return {
    ...next,
    picture,
    stage: null,
    verdict: result.verdict ?? next.verdict,
    problem: succeeded ? null : next.problem,
  };
}

function problemOf({ message, advice, purpose }: Failure): Problem {
  return purpose === "curves" ? { message, advice, about: "curves" } : { message, advice };
}

function noteError(state: ExplorerState, failure: Failure): ExplorerState {
  const next = settle(state, failure.id);
  const eigen = failure.purpose === "eigenpairs" ? null : next.eigen;
  const problem = problemOf(failure);
  if (failure.purpose === "slices") return { ...next, slices: null, problem };
  const { picture } = next;
  if (picture === null || picture.id !== failure.id) return { ...next, eigen, problem };
  const end: Result = {
    ...{
      id: picture.id,
      purpose: "picture",
      outcome: "failed",
      advice: failure.advice,
      pairs: [],
      products: 0,
    },
    ...{ evaluations: picture.done, seconds: 0, verdict: null, v: failure.v, kind: "result" },
  };
  return { ...next, eigen, problem, stage: null, picture: { ...picture, end, secondsLeft: null } };
}

/** The picture kept in a saved notebook, or null where there is none; throws a ProtocolError where it is unreadable. */
export function savedPicture(trait: unknown): Picture | null {
  if (typeof trait !== "object" || trait === null) return null;
  const source = trait as { frame?: unknown; loss?: unknown; metrics?: unknown; known?: unknown };
  if (source.frame === undefined || source.loss === undefined) return null;
  const frame = readFrame(source.frame);
  const total = coordinates(frame.alpha).length * coordinates(frame.beta).length;
  const metrics = savedRows(source.metrics, total, frame.metrics.length);
  const values = savedRows(source.loss, total, 1)[0] as Float32Array;
  const known = savedMask(source.known, total);
  return {
    id: "",
    run: -1,
    seq: 0,
    frame,
    values,
    known,
    metrics,
    estimate: frame.estimate === null ? null : values,
    level: frame.levels.at(-1) ?? 0,
    done: known.reduce((sum, one) => sum + one, 0),
    total,
    secondsLeft: null,
    end: null,
  };
}

/** Rows of `width` values; metrics that were not saved are not known. */
function savedRows(bytes: unknown, width: number, rows: number): Float32Array[] {
  const missing = bytes === undefined || bytes === null;
  const values = missing
    ? new Float32Array(rows * width).fill(Number.NaN)
    : new Float32Array(bytesOf(bytes as DataView));
  if (values.length !== rows * width)
    throw new Error(`the saved picture has ${values.length} values, expected ${rows * width}`);
  return Array.from({ length: rows }, (_, k) => values.subarray(k * width, (k + 1) * width));
}

/** A byte a point; without them every point was computed. */
function savedMask(bytes: unknown, total: number): Uint8Array {
  const given = bytes === undefined || bytes === null ? new ArrayBuffer() : bytesOf(bytes as DataView);
  return given.byteLength === total ? new Uint8Array(given) : new Uint8Array(total).fill(1);
}

/** The state of a reopened notebook, until a kernel answers. */
export function withSaved(state: ExplorerState, picture: Picture | null): ExplorerState {
  return picture === null ? state : { ...state, picture, verdict: picture.frame.verdict };
}
