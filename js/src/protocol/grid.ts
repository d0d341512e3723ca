// The nested grids of a picture, as kernel and page agree on them, and the windows they cover.

import type { AxisInfo, Range } from "./messages";

/**
 * Indices (0..n-1, ascending) of level `which` of `levels` nested ones on an axis of n points:
 * the centre ± k·s and both ends, where s is 1 at the last level and doubles towards the first.
 */
export function levelIndices(n: number, levels: number, which: number): Int32Array {
  const centre = (n - 1) >> 1;
  const stride = 2 ** (levels - 1 - which);
  const indices = new Set<number>([0, n - 1]);
  for (let index = centre % stride; index < n; index += stride) indices.add(index);
  return Int32Array.from([...indices].sort((a, b) => a - b));
}

/** Coordinates of an axis, by the kernel's own expression, in double precision. */
export function coordinates(axis: AxisInfo): Float64Array {
  const n = axis.points;
  const middle = (axis.lo + axis.hi) / 2;
  const half = (axis.hi - axis.lo) / 2;
  return Float64Array.from({ length: n }, (_, i) =>
    n === 1 ? middle : middle + (half * (2 * i - (n - 1))) / (n - 1),
  );
}

export function middle({ lo, hi }: Range): number {
  return (lo + hi) / 2;
}

export function halfWidth({ lo, hi }: Range): number {
  return (hi - lo) / 2;
}

export function around(centre: number, half: number): Range {
  return { lo: centre - half, hi: centre + half };
}

/** Equal up to rounding on their way through decimals and float32. */
export function alike(a: number, b: number, size: number): boolean {
  return Math.abs(a - b) <= 1e-6 * Math.abs(size);
}

/** Whether the model stands in the middle of the window. */
export function centred(range: Range): boolean {
  return alike(middle(range), 0, halfWidth(range));
}

/** The smallest window about the model that covers this one. */
export function covering({ lo, hi }: Range): Range {
  return around(0, Math.max(Math.abs(lo), Math.abs(hi)));
}
