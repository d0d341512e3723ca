// The density of eigenvalues with its band, and beneath it a rug: Ritz values, all eigenvalues, eigenpairs found.

import { count, number, residual } from "../protocol/format";
import type { SpectrumState } from "../protocol/messages";
import { type Attributes, baseLayout, type Dress, type Figure, palette, plain } from "./figure";
import { linearTicks, logTicks } from "./heights";
import { sheer } from "./palette";

export type DensityScale = "log" | "linear";

export interface SpectrumScene extends Dress {
  readonly state: SpectrumState;
  readonly arrays: ReadonlyMap<string, Float32Array | Int32Array>;
  readonly scale: DensityScale;
  readonly roomy: boolean;
  /** Index of the eigenpair chosen in the table. */
  readonly chosen: number | null;
  /** Differs wherever the state differs. */
  readonly key: string;
}

type Numbers = readonly number[];

/** The name of an eigenvalue in plain text: λmax, λ2 … λmin. */
export function eigenName(index: number): string {
  if (index >= 0) return index === 0 ? "λmax" : `λ${index + 1}`;
  return index === -1 ? "λmin" : `λmin+${-1 - index}`;
}

/** "of the Hessian of layer 0", "of H − G". */
export function ofMatrix({ name }: SpectrumState): string {
  return name.startsWith("H −") ? `of ${name}` : `of the ${name}`;
}

/** The height of a single eigenvalue, smoothed: nothing lower is an eigenvalue. */
export function oneEigenvalue({ size, width }: SpectrumState): number | null {
  return width === null || width <= 0 || size < 1 ? null : 1 / (size * width * Math.sqrt(2 * Math.PI));
}

export function spectrumFigure(scene: SpectrumScene): Figure {
  const [x, density, spread] = ["x", "density", "spread"].map((name) => [...(scene.arrays.get(name) ?? [])]);
  const known = x !== undefined && density !== undefined && spread !== undefined && x.length > 0;
  const axis = known ? axisOf(scene, density, spread) : null;
  const curves =
    known && axis !== null
      ? [area(scene, x, density, axis), band(scene, x, density, spread, axis), line(scene, x, density, axis)]
      : [];
  return {
    key: `spectrum ${scene.key} ${scene.theme} ${scene.scale} ${scene.roomy} ${scene.chosen}`,
    data: [...curves, ...rugs(scene)],
    layout: layoutOf(scene, x ?? [], axis),
    values: [],
    threeD: false,
    plane: null,
  };
}

interface Axis {
  readonly lo: number;
  readonly hi: number;
  readonly ticks: Numbers;
  readonly labels: readonly string[];
  /** The height of a density. */
  readonly at: (value: number) => number;
}

function axisOf(scene: SpectrumScene, density: Numbers, spread: Numbers): Axis | null {
  const tops = density.map((value, i) => value + (Number.isFinite(spread[i]) ? (spread[i] as number) : 0));
  const most = Math.max(...tops.filter(Number.isFinite));
  if (!(most > 0)) return null;
  if (scene.scale === "linear") {
    const ticks = linearTicks(0, most, 5);
    return { lo: 0, hi: 1.06 * most, ticks, labels: ticks.map((tick) => number(tick)), at: (value) => value };
  }
  const floor = Math.min(0.3 * (oneEigenvalue(scene.state) ?? most * 1e-4), most / 10);
  const [lo, top] = [Math.log10(floor), Math.log10(most)];
  const ticks = logTicks(lo, top);
  const labels = ticks.map((tick) => number(10 ** tick, 4));
  return { lo, hi: top + 0.06 * (top - lo), ticks, labels, at: (value) => Math.max(lo, Math.log10(value)) };
}

/** One standard error between probes to either side; with a single probe there is none. */
function band(
  scene: SpectrumScene,
  x: Numbers,
  density: Numbers,
  spread: Numbers,
  { at, lo }: Axis,
): Attributes {
  const there = Number.isFinite(spread[0]);
  const up = density.map((value, i) => at(value + (spread[i] as number)));
  const down = density.map((value, i) => Math.max(lo, at(Math.max(value - (spread[i] as number), 0))));
  return {
    ...{ type: "scatter", mode: "lines", fill: "toself", hoverinfo: "skip", line: { width: 0 } },
    x: there ? [...x, ...[...x].reverse()] : [],
    y: there ? [...up, ...down.reverse()] : [],
    fillcolor: sheer(palette(scene).accent, 0.24),
  };
}

/** The area under the density, down to the axis. */
function area(scene: SpectrumScene, x: Numbers, density: Numbers, { at, lo }: Axis): Attributes {
  return {
    ...{ type: "scatter", mode: "lines", fill: "toself", hoverinfo: "skip", line: { width: 0 } },
    x: [x[0], ...x, x.at(-1)],
    y: [lo, ...density.map(at), lo],
    fillcolor: sheer(palette(scene).accent, 0.1),
  };
}

function line(scene: SpectrumScene, x: Numbers, density: Numbers, { at }: Axis): Attributes {
  const { accent } = palette(scene);
  return {
    ...{ type: "scatter", mode: "lines", x, y: density.map(at), line: { color: accent, width: 2 } },
    ...{ hovertext: hovers(scene, x, density), hoverinfo: "text" },
  };
}

function hovers({ arrays, state }: SpectrumScene, x: Numbers, density: Numbers): string[] {
  const [spread, above] = [arrays.get("spread"), arrays.get("above")];
  return x.map((value, i) => {
    const error = spread?.[i];
    const doubt = error !== undefined && Number.isFinite(error) ? ` ± ${number(error)}` : "";
    const more = Math.max(0, above?.[i] ?? 0);
    return (
      `eigenvalue ${number(value)}<br>density ${number(density[i])}${doubt}<br>` +
      `about ${more >= 10 ? count(more) : number(more, 1)} of ${count(state.size)} lie above`
    );
  });
}

const ROWS = { ritz: 2, exact: 1, pairs: 0 } as const;

function rugs(scene: SpectrumScene): Attributes[] {
  const { muted, accent } = palette(scene);
  const tick = (name: string, row: number, colour: string, words: (value: number, i: number) => string) => {
    const values = [...(scene.arrays.get(name) ?? [])];
    return {
      ...{ type: "scatter", mode: "markers", x: values, y: values.map(() => row), yaxis: "y2" },
      marker: { symbol: "line-ns-open", size: 11, color: colour, line: { width: 1, color: colour } },
      ...{ hovertext: values.map(words), hoverinfo: "text" },
    };
  };
  const residuals = scene.arrays.get("residuals");
  const ritz = (value: number, i: number) =>
    `Ritz value ${number(value)}<br>an eigenvalue lies within ${residual(residuals?.[i] ?? null)}`;
  return [
    tick("nodes", ROWS.ritz, muted, ritz),
    tick("exact", ROWS.exact, accent, (value) => `eigenvalue ${number(value)}`),
    pairMarks(scene),
  ];
}

function pairMarks(scene: SpectrumScene): Attributes {
  const { second, panel } = palette(scene);
  const pairs = scene.state.pairs.filter(({ value }) => value !== null);
  return {
    ...{ type: "scatter", mode: "markers", yaxis: "y2" },
    x: pairs.map(({ value }) => value),
    y: pairs.map(() => ROWS.pairs),
    marker: {
      symbol: "diamond",
      size: pairs.map(({ index }) => (index === scene.chosen ? 13 : 9)),
      color: pairs.map(({ accepted }) => (accepted ? second : panel)),
      line: { width: 1.5, color: second },
      opacity: 1,
    },
    hovertext: pairs.map(
      ({ index, value, residual: off, accepted }) =>
        `${eigenName(index)} = ${number(value)}<br>residual ${residual(off)}, ${accepted ? "accepted" : "not yet within its bound"}`,
    ),
    hoverinfo: "text",
  };
}

function layoutOf(scene: SpectrumScene, x: Numbers, axis: Axis | null): Attributes {
  const { muted, grid } = palette(scene);
  const { state, roomy } = scene;
  const common = { gridcolor: grid, zeroline: false, ticks: "", tickfont: { size: 11, color: muted } };
  const title = (text: string) => ({ text, font: { size: 12, color: muted } });
  const exact = scene.arrays.get("exact") !== undefined;
  const words = roomy ? ["eigenpairs", "all eigenvalues", "Ritz values"] : ["pairs", "all", "Ritz"];
  const broken = roomy ? " " : "<br>";
  const xTitle = `eigenvalue ${plain(ofMatrix(state))}${broken}(loss per squared parameter distance)`;
  return {
    ...baseLayout(scene),
    margin: { l: roomy ? 104 : 66, r: 16, t: 14, b: roomy ? 48 : 60 },
    hovermode: "closest",
    uirevision: JSON.stringify([state.settings.matrix, state.settings.layer, scene.scale]),
    xaxis: {
      ...common,
      title: { ...title(xTitle), standoff: 10 },
      range: x.length > 0 ? [x[0], x.at(-1)] : [-1, 1],
      anchor: "y2",
      nticks: roomy ? 9 : 5,
      exponentformat: "power",
    },
    yaxis: {
      ...common,
      title: { ...title("share of eigenvalues per unit"), standoff: 6 },
      domain: [0.2, 1],
      range: axis === null ? [0, 1] : [axis.lo, axis.hi],
      tickmode: "array",
      tickvals: axis?.ticks ?? [],
      ticktext: axis?.labels ?? [],
    },
    yaxis2: {
      ...common,
      ...{ domain: [0, 0.17], range: [-0.7, 2.6], fixedrange: true, showgrid: false, tickmode: "array" },
      tickvals: exact ? [0, 1, 2] : [0, 2],
      ticktext: exact ? words : [words[0], words[2]],
    },
    ...marks(scene, x, axis),
  };
}

/** The height of one eigenvalue on a log axis, and the chosen pair through the whole plot. */
function marks(scene: SpectrumScene, x: Numbers, axis: Axis | null): Attributes {
  const { muted, second, panel } = palette(scene);
  const one = oneEigenvalue(scene.state);
  const pair = scene.state.pairs.find(({ index }) => index === scene.chosen);
  const shapes: Attributes[] = [];
  const annotations: Attributes[] = [];
  if (axis !== null && scene.scale === "log" && one !== null) {
    const y = Math.log10(one);
    const ink = { color: muted, width: 1, dash: "dot" };
    shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line: ink, layer: "below" });
    annotations.push({
      ...{
        x: quietest(scene, x, one),
        y,
        yanchor: "bottom",
        showarrow: false,
        text: "one eigenvalue",
      },
      ...{ font: { size: 11, color: muted }, bgcolor: sheer(panel, 0.8), borderpad: 1 },
    });
  }
  if (pair?.value != null) {
    const ink = { color: second, width: 1.2, dash: "dash" };
    shapes.push({ type: "line", x0: pair.value, x1: pair.value, yref: "paper", y0: 0, y1: 1, line: ink });
    annotations.push({
      ...{ x: pair.value, yref: "paper", y: 1, yanchor: "top", xanchor: pair.value > 0 ? "right" : "left" },
      ...{
        text: `${eigenName(pair.index)} ${number(pair.value)}`,
        showarrow: false,
        xshift: pair.value > 0 ? -4 : 4,
      },
      ...{ font: { size: 12, color: second }, bgcolor: sheer(panel, 0.85) },
    });
  }
  return { shapes, annotations };
}

/** The middle of the longest stretch without eigenvalues: words there hide nothing. */
function quietest({ arrays }: SpectrumScene, x: Numbers, one: number): number {
  const density = arrays.get("density") ?? [];
  let [from, best, middle] = [0, -1, Math.floor(x.length / 2)];
  for (let i = 0; i <= x.length; i += 1) {
    if (i < x.length && (density[i] as number) < 0.5 * one) continue;
    if (i - from > best) [best, middle] = [i - from, Math.floor((from + i) / 2)];
    from = i + 1;
  }
  return x[middle] ?? 0;
}
