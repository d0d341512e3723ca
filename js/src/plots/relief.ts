// What is read off the drawn mesh: its lowest computed point, and its height anywhere between its points.

import type { Heights } from "./heights";
import type { Mesh } from "./mesh";

export interface Place {
  readonly alpha: number;
  readonly beta: number;
}

export interface Lowest extends Place {
  readonly loss: number;
  /** Its number in the mesh. */
  readonly at: number;
}

/** The lowest finite loss among exact points, the first of equals; null where there is none. */
export function lowestOf(mesh: Mesh): Lowest | null {
  let at = -1;
  mesh.z.forEach((loss, i) => {
    if (mesh.exact[i] !== 1 || Number.isNaN(loss)) return;
    if (at < 0 || loss < (mesh.z[at] as number)) at = i;
  });
  if (at < 0) return null;
  const width = mesh.x.length;
  const [alpha, beta] = [mesh.x[at % width] as number, mesh.y[Math.floor(at / width)] as number];
  return { alpha, beta, loss: mesh.z[at] as number, at };
}

/** Height of the drawn relief by bilinear interpolation; null outside of the window and in holes. */
export function heightAt(mesh: Mesh, heights: Heights, { alpha, beta }: Place): number | null {
  const [across, along] = [cellOf(mesh.x, alpha), cellOf(mesh.y, beta)];
  if (across === null || along === null) return null;
  const width = mesh.x.length;
  const row = (j: number) =>
    blend(heights.z[j * width + across.cell], heights.z[j * width + across.next], across.part);
  const height = blend(row(along.cell), row(along.next), along.part);
  return Number.isNaN(height) ? null : height;
}

/** A weight of 0 asks for nothing: a hole beside the point does not make it a hole. */
function blend(from: number | undefined, to: number | undefined, part: number): number {
  const [start, end] = [from ?? Number.NaN, to ?? Number.NaN];
  if (part === 0) return start;
  return part === 1 ? end : start + part * (end - start);
}

interface Cell {
  readonly cell: number;
  readonly next: number;
  readonly part: number;
}

function cellOf(axis: Float64Array, value: number): Cell | null {
  const last = axis.length - 1;
  const [lo, hi] = [axis[0] as number, axis[last] as number];
  if (!(value >= lo && value <= hi)) return null;
  let [cell, next] = [0, last];
  while (next - cell > 1) {
    const middle = (cell + next) >> 1;
    if ((axis[middle] as number) <= value) cell = middle;
    else next = middle;
  }
  const [from, to] = [axis[cell] as number, axis[next] as number];
  return { cell, next, part: to > from ? (value - from) / (to - from) : 0 };
}
