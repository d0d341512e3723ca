// The linked cursor: a ring at the point that is pointed at in the other plot. It lies over the plot, so that moving it
// draws nothing anew.

import type { Plane } from "./figure";
import type { Place } from "./relief";
import type { Area } from "./window";

const SIZE = 16;

type Matrix = readonly number[];

/** The parts of plotly's inside that tell where a point is on the screen. */
interface FullAxis {
  readonly _offset: number;
  readonly _length: number;
}
interface FullLayout {
  readonly xaxis?: FullAxis;
  readonly yaxis?: FullAxis;
  readonly scene?: { readonly _scene?: FullScene };
}
interface FullScene {
  readonly dataScale: readonly number[];
  readonly container: HTMLElement;
  readonly glplot: {
    readonly cameraParams: Readonly<Record<"model" | "view" | "projection", Matrix>>;
  } | null;
}

function layoutOf(host: HTMLElement): FullLayout {
  return (host as { _fullLayout?: FullLayout })._fullLayout ?? {};
}

/** Where the flat axes lie in the host, or null where none are drawn. */
export function areaOf(host: HTMLElement): Area | null {
  const { xaxis, yaxis } = layoutOf(host);
  if (!(xaxis && yaxis && xaxis._length > 0 && yaxis._length > 0)) return null;
  return { left: xaxis._offset, top: yaxis._offset, width: xaxis._length, height: yaxis._length };
}

/** Shows or hides the ring; hidden too where the place is not drawn. */
export function placeCursor(host: HTMLElement, plane: Plane | null, threeD: boolean, at: Place | null): void {
  const point = at && plane && (threeD ? onSurface(host, plane, at) : onContour(host, plane, at));
  const ring = host.querySelector<HTMLElement>(":scope > .lw-cursor");
  if (point === null) {
    ring?.remove();
    return;
  }
  const [x, y] = point;
  (ring ?? makeRing(host)).style.transform = `translate(${x - SIZE / 2}px, ${y - SIZE / 2}px)`;
}

function onContour(host: HTMLElement, { alpha, beta }: Plane, at: Place): readonly [number, number] | null {
  const area = areaOf(host);
  const [x, y] = [(at.alpha - alpha.lo) / (alpha.hi - alpha.lo), (beta.hi - at.beta) / (beta.hi - beta.lo)];
  if (area === null || !(x >= 0 && x <= 1 && y >= 0 && y <= 1)) return null;
  return [area.left + x * area.width, area.top + y * area.height];
}

function onSurface(host: HTMLElement, plane: Plane, at: Place): readonly [number, number] | null {
  const scene = layoutOf(host).scene?._scene;
  const height = plane.heightAt(at);
  if (!scene?.glplot || height === null) return null;
  const { model, view, projection } = scene.glplot.cameraParams;
  const scaled = [at.alpha, at.beta, height].map((value, k) => value * (scene.dataScale[k] as number));
  const [x = 0, y = 0, , w = 0] = [model, view, projection].reduce(times, [...scaled, 1]);
  if (!(w > 0)) return null;
  const [box, outer] = [scene.container.getBoundingClientRect(), host.getBoundingClientRect()];
  const [left, top] = [box.left - outer.left, box.top - outer.top];
  return [left + (0.5 + (0.5 * x) / w) * box.width, top + (0.5 - (0.5 * y) / w) * box.height];
}

/** A 4 × 4 matrix, column by column, times a vector. */
function times(vector: readonly number[], matrix: Matrix): number[] {
  return [0, 1, 2, 3].map((row) =>
    vector.reduce((sum, value, column) => sum + (matrix[4 * column + row] as number) * value, 0),
  );
}

function makeRing(host: HTMLElement): HTMLElement {
  const ring = document.createElement("div");
  ring.className = "lw-cursor";
  Object.assign(ring.style, {
    ...{ position: "absolute", left: "0", top: "0", width: `${SIZE}px`, height: `${SIZE}px` },
    ...{ boxSizing: "border-box", borderRadius: "50%", pointerEvents: "none" },
    ...{ border: "2px solid #ffffff", boxShadow: "0 0 0 2px #14181d, inset 0 0 0 1.5px #14181d" },
  });
  host.append(ring);
  return ring;
}
