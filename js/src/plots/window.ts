// Dragging a window on the contour: a rubber band of our own, since plotly's would only enlarge pixels.

import type { Range } from "../protocol/messages";
import type { Plane } from "./figure";

/** Where the contour lies in its host, in pixels. */
export interface Area {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface Chosen {
  readonly alpha: Range;
  readonly beta: Range;
}

/** Below this part of either axis a drag was a click. */
const LEAST = 0.02;

type Point = readonly [x: number, y: number];

/** The window between two points of the area, clipped to it, in short numbers; null for a mere click. */
export function windowBetween(plane: Plane, area: Area, from: Point, to: Point): Chosen | null {
  const across = [from[0], to[0]].map((x) => part(x - area.left, area.width)).sort((a, b) => a - b);
  const down = [from[1], to[1]].map((y) => 1 - part(y - area.top, area.height)).sort((a, b) => a - b);
  const [alpha, beta] = [rangeOf(plane.alpha, across), rangeOf(plane.beta, down)];
  return alpha === null || beta === null ? null : { alpha, beta };
}

function part(pixels: number, whole: number): number {
  return Math.min(Math.max(pixels / whole, 0), 1);
}

function rangeOf({ lo, hi }: Range, [from = 0, to = 0]: readonly number[]): Range | null {
  if (to - from < LEAST) return null;
  const span = (to - from) * (hi - lo);
  const digit = 10 ** (Math.floor(Math.log10(span)) - 2);
  const tidy = (value: number) => Number((Math.round(value / digit) * digit).toPrecision(12));
  const [low, high] = [tidy(lo + from * (hi - lo)), tidy(lo + to * (hi - lo))];
  return { lo: Math.max(low, lo), hi: Math.min(high, hi) };
}

/** What the rubber band needs to know of the plot; null where there is no contour to drag on. */
export type Ground = () => { readonly plane: Plane; readonly area: Area } | null;

/** Lets a window be dragged on the contour; Escape gives up. */
export function dragWindow(
  host: HTMLElement,
  ground: Ground,
  onWindow: (chosen: Chosen) => void,
  signal: AbortSignal,
): void {
  host.addEventListener(
    "pointerdown",
    (event) => {
      const found = event.button === 0 && event.pointerType !== "touch" ? ground() : null;
      if (found === null) return;
      const start = pointIn(host, event);
      if (!within(found.area, start)) return;
      follow(host, found, start, onWindow, signal);
    },
    { signal },
  );
}

function pointIn(host: HTMLElement, event: PointerEvent): Point {
  const { left, top } = host.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}

function within({ left, top, width, height }: Area, [x, y]: Point): boolean {
  return x >= left && x <= left + width && y >= top && y <= top + height;
}

/** Plotly covers the page while a button is down: the rest of the drag is heard on the document. */
function follow(
  host: HTMLElement,
  { plane, area }: NonNullable<ReturnType<Ground>>,
  start: Point,
  onWindow: (chosen: Chosen) => void,
  owner: AbortSignal,
): void {
  const band = rubberBand(host);
  const drag = new AbortController();
  const end = () => {
    drag.abort();
    band.remove();
  };
  const options = { signal: drag.signal, capture: true };
  const page = host.ownerDocument;
  page.addEventListener("pointermove", (event) => stretch(band, area, start, pointIn(host, event)), options);
  page.addEventListener("pointercancel", end, options);
  page.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      end();
    },
    options,
  );
  page.addEventListener(
    "pointerup",
    (event) => {
      end();
      const chosen = windowBetween(plane, area, start, pointIn(host, event));
      if (chosen !== null) onWindow(chosen);
    },
    options,
  );
  owner.addEventListener("abort", end, { signal: drag.signal });
}

function rubberBand(host: HTMLElement): HTMLElement {
  const band = document.createElement("div");
  band.className = "lw-band";
  Object.assign(band.style, {
    ...{ position: "absolute", display: "none", pointerEvents: "none", boxSizing: "border-box" },
    ...{
      border: "1.5px solid #ffffff",
      outline: "1.5px solid #14181d",
      background: "rgba(255,255,255,0.16)",
    },
  });
  host.append(band);
  return band;
}

function stretch(band: HTMLElement, area: Area, from: Point, to: Point): void {
  const clamp = (value: number, least: number, size: number) =>
    Math.min(Math.max(value, least), least + size);
  const [x, y] = [clamp(to[0], area.left, area.width), clamp(to[1], area.top, area.height)];
  Object.assign(band.style, {
    display: "block",
    left: `${Math.min(from[0], x)}px`,
    top: `${Math.min(from[1], y)}px`,
    width: `${Math.abs(x - from[0])}px`,
    height: `${Math.abs(y - from[1])}px`,
  });
}
