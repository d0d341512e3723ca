// From points as they arrive to a mesh that can be drawn: nothing computed is ever replaced, no hole ever filled.

import { coordinates, levelIndices } from "../protocol/grid";
import type { Frame } from "../protocol/messages";

/** A rectangular mesh: z[row * x.length + column], NaN where there is a hole; exact is 1 where the value is computed. */
export interface Mesh {
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly z: Float32Array;
  readonly exact: Uint8Array;
  /** Losses as they were computed, infinite ones too, or interpolated: what z draws, NaN where it is not known. */
  readonly losses: Float32Array;
  /** One a name in `frame.metrics`, laid out like z: only where a point is exact. */
  readonly metrics: readonly Float32Array[];
  /**
   * "quadratic": the model from the centre; "exact": a complete level; "refining": the next one, partly interpolated;
   * "estimated": the level of the kernel's estimate, which stands where a point is not exact.
   */
  readonly stage: "quadratic" | "refining" | "estimated" | "exact";
  /** Number of the finest complete level in `frame.levels`, -1 for the quadratic model. */
  readonly level: number;
}

export interface Points {
  readonly frame: Frame;
  readonly values: Float32Array;
  readonly known: Uint8Array;
  /** One a name in `frame.metrics`, laid out like `values`. */
  readonly metrics: readonly Float32Array[];
  /** Values at every point of the level that the estimate is of, exact where they were known then, or null. */
  readonly estimate: Float32Array | null;
  /** Points an axis of the finest complete level, 0 where there is none. */
  readonly level: number;
  readonly done: number;
}

const PREVIEW_POINTS = 25;

/** The mesh to draw now, or null while there is nothing to show. */
export function meshOf(points: Points): Mesh | null {
  const which = completeLevel(points);
  if (points.estimate !== null && which < estimatedLevel(points.frame))
    return estimatedMesh(points, points.estimate, which);
  if (which < 0) return quadraticMesh(points.frame);
  const coarse = levelGrid(points, which);
  const last = which === points.frame.levels.length - 1;
  if (last || points.done <= coarse.columns.length * coarse.rows.length)
    return exactMesh(points, coarse, which);
  return refiningMesh(points, coarse, levelGrid(points, which + 1), which);
}

/** The finest level that is known everywhere: a stopped picture may claim more than it has. */
export function completeLevel(points: Points): number {
  const { frame, known, level } = points;
  let which = frame.levels.findLastIndex((size) => size <= level);
  while (which >= 0 && !complete(levelGrid(points, which), known, frame.alpha.points)) which -= 1;
  return which;
}

/** Number of the level that an estimate is of. */
function estimatedLevel({ levels, estimate }: Frame): number {
  const which = levels.indexOf(estimate?.level ?? 0);
  return which < 0 ? levels.length - 1 : which;
}

function complete({ columns, rows }: Grid, known: Uint8Array, width: number): boolean {
  return rows.every((row) => columns.every((column) => known[row * width + column] === 1));
}

interface Grid {
  readonly columns: Int32Array;
  readonly rows: Int32Array;
}

function levelGrid({ frame }: Points, which: number): Grid {
  const levels = frame.levels.length;
  return {
    columns: levelIndices(frame.alpha.points, levels, which),
    rows: levelIndices(frame.beta.points, levels, which),
  };
}

function pick(all: Float64Array, indices: Int32Array): Float64Array {
  return Float64Array.from(indices, (index) => all[index] as number);
}

function emptyMesh(points: Points, grid: Grid, stage: Mesh["stage"], level: number): Mesh {
  const size = grid.columns.length * grid.rows.length;
  return {
    x: pick(coordinates(points.frame.alpha), grid.columns),
    y: pick(coordinates(points.frame.beta), grid.rows),
    z: new Float32Array(size).fill(Number.NaN),
    exact: new Uint8Array(size),
    losses: new Float32Array(size).fill(Number.NaN),
    metrics: points.metrics.map(() => new Float32Array(size).fill(Number.NaN)),
    stage,
    level,
  };
}

function exactMesh(points: Points, grid: Grid, level: number): Mesh {
  const mesh = emptyMesh(points, grid, "exact", level);
  copyKnown(points, grid, mesh);
  return mesh;
}

function copyKnown(points: Points, grid: Grid, mesh: Mesh): void {
  const width = points.frame.alpha.points;
  let at = 0;
  for (const row of grid.rows) {
    for (const column of grid.columns) {
      const from = row * width + column;
      if (points.known[from] === 1) {
        mesh.losses[at] = points.values[from] as number;
        mesh.z[at] = drawable(points.values[from] as number);
        mesh.exact[at] = 1;
        mesh.metrics.forEach((metric, k) => {
          metric[at] = points.metrics[k]?.[from] ?? Number.NaN;
        });
      }
      at += 1;
    }
  }
}

function drawable(value: number): number {
  return Number.isFinite(value) ? value : Number.NaN;
}

function refiningMesh(points: Points, coarse: Grid, fine: Grid, level: number): Mesh {
  const mesh = emptyMesh(points, fine, "refining", level);
  copyKnown(points, fine, mesh);
  const across = brackets(fine.columns, coarse.columns);
  const along = brackets(fine.rows, coarse.rows);
  const width = points.frame.alpha.points;
  let at = 0;
  for (const [top, bottom, down] of along) {
    for (const [left, right, over] of across) {
      if (mesh.exact[at] !== 1) {
        const upper = blend(points.values, top * width + left, top * width + right, over);
        const lower = blend(points.values, bottom * width + left, bottom * width + right, over);
        mesh.z[at] = drawable(down === 0 ? upper : upper + down * (lower - upper));
        mesh.losses[at] = mesh.z[at] as number;
      }
      at += 1;
    }
  }
  return mesh;
}

function estimatedMesh(points: Points, estimate: Float32Array, level: number): Mesh {
  const grid = levelGrid(points, estimatedLevel(points.frame));
  const mesh = emptyMesh(points, grid, "estimated", level);
  copyKnown(points, grid, mesh);
  const width = points.frame.alpha.points;
  let at = 0;
  for (const row of grid.rows) {
    for (const column of grid.columns) {
      if (mesh.exact[at] !== 1)
        mesh.z[at] = mesh.losses[at] = drawable(estimate[row * width + column] as number);
      at += 1;
    }
  }
  return mesh;
}

function blend(values: Float32Array, from: number, to: number, part: number): number {
  const start = values[from] as number;
  return part === 0 ? start : start + part * ((values[to] as number) - start);
}

/** For each fine index the coarse ones around it, and the part of the way between them. */
function brackets(fine: Int32Array, coarse: Int32Array): [number, number, number][] {
  let cell = 0;
  return [...fine].map((index) => {
    while (cell < coarse.length - 2 && (coarse[cell + 1] as number) <= index) cell += 1;
    const low = coarse[cell] as number;
    const high = coarse[Math.min(cell + 1, coarse.length - 1)] as number;
    if (index === low || high === low) return [low, low, 0];
    return index === high ? [high, high, 0] : [low, high, (index - low) / (high - low)];
  });
}

/** The quadratic model loss + g·x + ½ xᵀHx over the window, or null where it is not known. */
function quadraticMesh(frame: Frame): Mesh | null {
  const model = frame.preview;
  if (model === null) return null;
  const x = coordinates({ ...frame.alpha, points: PREVIEW_POINTS });
  const y = coordinates({ ...frame.beta, points: PREVIEW_POINTS });
  const z = new Float32Array(x.length * y.length);
  y.forEach((beta, row) => {
    x.forEach((alpha, column) => {
      z[row * x.length + column] = quadratic(model, alpha, beta);
    });
  });
  return { x, y, z, losses: z, exact: new Uint8Array(z.length), metrics: [], stage: "quadratic", level: -1 };
}

export function quadratic(model: NonNullable<Frame["preview"]>, alpha: number, beta: number): number {
  const slope = model.gradient_alpha * alpha + model.gradient_beta * beta;
  return (
    model.loss + slope + 0.5 * (model.a * alpha * alpha + 2 * model.b * alpha * beta + model.c * beta * beta)
  );
}

/** Rows that share the mesh's memory, as plotly takes them. */
export function rowsOf(z: Float32Array, width: number): Float32Array[] {
  return Array.from({ length: z.length / width }, (_, row) => z.subarray(row * width, (row + 1) * width));
}

/** A cut through the picture: known losses at positions along one axis, and where it crosses the other. */
export interface Cut {
  readonly at: readonly number[];
  readonly loss: readonly number[];
  /** Whether each was computed; the others are estimates. */
  readonly exact: readonly boolean[];
  readonly across: number;
}

/**
 * The known values, and estimates where there are any, along the row (alpha) or column (beta) nearest to the model, NaN where a value is a hole.
 * Only rows of the finest complete level are considered: another would be nearly empty until the end.
 */
export function cutOf(points: Points, along: "alpha" | "beta"): Cut {
  const { frame, values, known, estimate } = points;
  const [other, width] = [along === "alpha" ? "beta" : "alpha", frame.alpha.points] as const;
  const axis = coordinates(frame[along]);
  const { index, across } = nearest(points, other);
  const [at, loss, exact]: [number[], number[], boolean[]] = [[], [], []];
  const { columns, rows } = levelGrid(points, estimatedLevel(frame));
  const estimated = new Set(estimate === null ? [] : along === "alpha" ? columns : rows);
  axis.forEach((position, i) => {
    const from = along === "alpha" ? index * width + i : i * width + index;
    const computed = known[from] === 1;
    if (!computed && !estimated.has(i)) return;
    at.push(position);
    loss.push(drawable((computed ? values : (estimate ?? values))[from] as number));
    exact.push(computed);
  });
  return { at, loss, exact, across };
}

function nearest(points: Points, axis: "alpha" | "beta"): { index: number; across: number } {
  const { frame } = points;
  const all = coordinates(frame[axis]);
  const which = Math.max(completeLevel(points), 0);
  const indices = levelIndices(all.length, frame.levels.length, which);
  const away = (i: number) => Math.abs(all[i] as number);
  const index = indices.reduce((best, i) => (away(i) < away(best) ? i : best), indices[0] as number);
  const rounding = 1e-9 * (frame[axis].hi - frame[axis].lo);
  return { index, across: away(index) <= rounding ? 0 : (all[index] as number) };
}
