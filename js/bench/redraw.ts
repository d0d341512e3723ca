// What one redraw costs: the explorer's own figures of an analytic landscape, drawn in a page without a notebook.

import { contourFigure } from "../src/plots/contour";
import type { Attributes, Figure, Scene } from "../src/plots/figure";
import { heightsOf } from "../src/plots/heights";
import { meshOf, type Points } from "../src/plots/mesh";
import { Plotly } from "../src/plots/plotly";
import { surfaceFigure } from "../src/plots/surface";
import { coordinates, levelIndices } from "../src/protocol/grid";
import type { Frame } from "../src/protocol/messages";

const LEVELS = [7, 13, 25, 49, 97];
const SIZE = { width: 785, height: 480 };

type Kind = "surface" | "contour" | "heatmap";
/** All anew; all that changes while a picture streams; its heights alone; past plotly, straight into WebGL. */
type Way = "react" | "restyle" | "z" | "direct";

/** Loss of a curved valley: 4 decades, as of a small trained net. */
function valley(alpha: number, beta: number): number {
  const across = alpha - 0.06 * beta * beta;
  const wall = (13 * across * across) / (across * across + 24);
  return 0.0011 + 0.0024 * Math.exp(-0.45 * beta * beta) + wall + 1.7 / (1 + Math.exp(-2.2 * (beta - 4.4)));
}

function frameOf(points: number): Frame {
  const axis = {
    ...{ label: "random 0", normalization: "filter", unit: "2 × parameter distance", seed: 0, length: 2 },
    ...{ lo: -4, hi: 4, points },
  };
  return {
    ...{ alpha: axis, beta: axis, levels: LEVELS.filter((n) => n <= points), angle: 90, loss: 0.0036 },
    preview: { loss: 0.0036, gradient_alpha: 0.02, gradient_beta: 0.001, a: 0.312, b: 0.002, c: 0.015 },
    ...{ gradient_norm: 0.03, verdict: null, caption: "", metrics: ["accuracy"], tracks: [] },
    estimate: null,
  };
}

/** A picture of n × n points whose level before the last is complete, and of the last this part. */
function pointsOf(n: number, part: number): Points {
  const frame = frameOf(n);
  const [x, y] = [coordinates(frame.alpha), coordinates(frame.beta)];
  const [values, known] = [new Float32Array(n * n).fill(Number.NaN), new Uint8Array(n * n)];
  const set = (at: number) => {
    values[at] = valley(x[at % n] as number, y[Math.floor(at / n)] as number);
    known[at] = 1;
  };
  const coarse = levelIndices(n, frame.levels.length, frame.levels.length - 2);
  for (const row of coarse) for (const column of coarse) set(row * n + column);
  for (let at = 0; at < part * n * n; at += 1) set(at);
  const done = known.reduce((sum, one) => sum + one, 0);
  const level = done === n * n ? n : (frame.levels.at(-2) as number);
  return { frame, values, known, metrics: [values.slice()], estimate: null, level, done };
}

function figureOf(kind: Kind, n: number, part: number): Figure {
  const points = pointsOf(n, part);
  const mesh = meshOf(points);
  const heights = mesh && heightsOf(mesh.z, "log");
  const scene: Scene = {
    ...{ points, mesh, heights, scale: "log", colours: "viridis", curves: null, theme: "light" },
    ...{ font: "sans-serif", roomy: true, paired: false },
  };
  if (kind === "surface") return surfaceFigure(scene);
  const figure = contourFigure(scene);
  if (kind === "contour") return figure;
  const { contours: _, line: __, autocontour: ___, ...map } = figure.data[0] as Attributes;
  return { ...figure, data: [{ ...map, type: "heatmap" }, ...figure.data.slice(1)] };
}

/** Resolves in the second frame from now: what was drawn before the first has been handed to the screen. */
function painted(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve())));
}

interface SurfaceTrace {
  readonly surface?: unknown;
  readonly data: Attributes;
  update(data: Attributes): void;
}

interface Drawn extends HTMLElement {
  readonly _fullLayout: { readonly scene: { readonly _scene: { traces: Record<string, SurfaceTrace> } } };
}

async function draw(host: HTMLElement, figure: Figure, way: Way): Promise<void> {
  if (way === "react") {
    await Plotly.react(host, figure.data, { ...figure.layout, ...SIZE }, { displayModeBar: false });
  } else if (way === "direct") {
    const traces = Object.values((host as Drawn)._fullLayout.scene._scene.traces);
    const trace = traces.find(({ surface }) => surface !== undefined) as SurfaceTrace;
    trace.update(Object.assign(trace.data, figure.values[0]?.attributes));
  } else {
    const moved = way === "z" ? figure.values.slice(0, 1) : figure.values;
    const names = way === "z" ? ["z"] : [...new Set(moved.flatMap((one) => Object.keys(one.attributes)))];
    const update = Object.fromEntries(names.map((name) => [name, moved.map((one) => one.attributes[name])]));
    await Plotly.restyle(
      host,
      update,
      moved.map(({ trace }) => trace),
    );
  }
}

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[list.length >> 1] as number;
}

/**
 * Medians in milliseconds over so many redraws: making the figure, drawing it on the main thread, until it is on the
 * screen, and the longest that the main thread was held by one task.
 */
export async function redraw(kind: Kind, n: number, way: Way, times = 7) {
  const host = document.createElement("div");
  Object.assign(host.style, { width: `${SIZE.width}px`, height: `${SIZE.height}px` });
  document.body.replaceChildren(host);
  await draw(host, figureOf(kind, n, 0.02), "react");
  await painted();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const tasks: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) tasks.push(duration);
  });
  observer.observe({ type: "longtask" });
  const rows: number[][] = [];
  for (let k = 1; k <= times; k += 1) {
    const start = performance.now();
    const figure = figureOf(kind, n, 0.02 + (0.9 * k) / times);
    const made = performance.now();
    await draw(host, figure, way);
    const called = performance.now();
    await painted();
    rows.push([made - start, called - made, performance.now() - start]);
  }
  observer.disconnect();
  Plotly.purge(host);
  const [make, call, screen] = [0, 1, 2].map((i) => median(rows.map((row) => row[i] as number)));
  return { make, call, screen, stall: Math.max(0, ...tasks) };
}

Object.assign(globalThis, { redraw });
