// A slice as a small surface: heights above the centre, warm below it and cool above.

import { number } from "../protocol/format";
import { type Camera, HOME, zoom } from "./camera";
import { type Attributes, type Figure, plain } from "./figure";
import { linearTicks, niceStep } from "./heights";
import { type Colourscale, PALETTES, type Theme } from "./palette";

export interface Slice {
  readonly name: string;
  /** Rows of a square grid, k × k, centred on the point. */
  readonly heights: Float32Array;
  /** Half the width of each axis. */
  readonly extent: number;
  readonly alpha: string;
  readonly beta: string;
  /** Of the height axis, from the lowest to the highest value that it must hold. */
  readonly range: readonly [number, number];
  readonly theme: Theme;
  readonly font: string;
  readonly heightTitle: string;
}

const DIVERGING: Readonly<Record<Theme, readonly string[]>> = {
  light: ["#9a3412", "#d9702f", "#f3b98b", "#eef0f2", "#9cc3d8", "#4a8eb1", "#1f5673"],
  dark: ["#ff9a5c", "#d9702f", "#8a4a26", "#39414b", "#2c6482", "#4a93b8", "#8ccdef"],
};

/** Width over height, less what the axis titles take of it in pixels, from which a surface fits. */
const [WIDE, LABELS] = [0.92, 90];

/** Nearer than the explorer's, since no words stand beside it; farther where the plot is narrow. */
export function sliceHome(width: number, height: number): Camera {
  const aspect = Math.max(width - LABELS, 1) / Math.max(height, 1);
  const home = { ...HOME, center: { x: 0, y: 0, z: -0.2 } };
  return zoom(home, Math.min(Math.max(WIDE / aspect, 1.08), 2));
}

/** The least and greatest height, finite ones only; null where there is none. */
export function reachOf(heights: Float32Array): readonly [number, number] | null {
  let [lo, hi] = [Infinity, -Infinity];
  for (const value of heights)
    if (Number.isFinite(value)) [lo, hi] = [Math.min(lo, value), Math.max(hi, value)];
  return lo > hi ? null : [lo, hi];
}

/** A range rounded outward, so that it rarely moves while values stream; never empty. */
export function roundedRange(lo: number, hi: number): readonly [number, number] {
  const span = hi - lo || Math.abs(hi) || 1;
  const unit = niceStep(span / 12);
  const low = Math.floor(lo / unit + 1e-6) * unit;
  return [low, Math.max(Math.ceil(hi / unit - 1e-6) * unit, low + unit)];
}

export function sliceFigure(slice: Slice): Figure {
  const size = Math.round(Math.sqrt(slice.heights.length));
  const axis = Array.from({ length: size }, (_, i) => ((2 * i) / Math.max(size - 1, 1) - 1) * slice.extent);
  const rows = Array.from({ length: size }, (_, row) => slice.heights.subarray(row * size, (row + 1) * size));
  const values = { x: axis, y: axis, z: rows };
  const holes = slice.heights.some((value) => !Number.isFinite(value));
  const drawable = reachOf(slice.heights) !== null;
  const data = drawable ? [{ ...surface(slice, holes), ...values }, centre(slice)] : [centre(slice)];
  const key = JSON.stringify([
    ...[slice.name, slice.extent, slice.alpha, slice.beta, slice.range, slice.heightTitle],
    ...[slice.theme, slice.font, holes],
  ]);
  const changing = drawable ? [{ trace: 0, attributes: values }] : [];
  return { key, data, layout: layoutOf(slice), values: changing, threeD: true, plane: null };
}

function surface({ range, theme }: Slice, holes: boolean): Attributes {
  const most = Math.max(Math.abs(range[0]), Math.abs(range[1]));
  const step = niceStep((range[1] - range[0]) / 14);
  const contour = theme === "light" ? "rgba(31,35,40,0.34)" : "rgba(230,237,243,0.34)";
  return {
    type: "surface",
    colorscale: DIVERGING[theme].map((colour, i, all) => [i / (all.length - 1), colour]) as Colourscale,
    cmin: -most,
    cmax: most,
    showscale: false,
    hovertemplate: "α %{x:.3g}<br>β %{y:.3g}<br>ΔL %{z:.4g}<extra></extra>",
    lighting: { ambient: 0.86, diffuse: 0.45, specular: 0.03, roughness: 0.9, fresnel: 0.05 },
    lightposition: { x: 2000, y: -4000, z: 8000 },
    contours: {
      // Lines to NaN take software GL minutes.
      z: {
        show: !holes,
        start: Math.floor(range[0] / step) * step + step / 2,
        end: range[1],
        ...{ size: step, color: contour, width: 1.2, highlight: false },
      },
      x: { highlight: false },
      y: { highlight: false },
    },
  };
}

/** The point itself. */
function centre({ theme, range }: Slice): Attributes {
  const lift = 0.02 * (range[1] - range[0]);
  return {
    type: "scatter3d",
    mode: "markers",
    ...{ x: [0], y: [0], z: [lift], hoverinfo: "skip" },
    marker: { size: 4, color: PALETTES[theme].mark, line: { width: 0 } },
  };
}

function layoutOf(slice: Slice): Attributes {
  const { text, panel, border } = PALETTES[slice.theme];
  const { extent, range } = slice;
  const spread = range[1] - range[0];
  return {
    autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: slice.font, size: 11, color: text },
    hoverlabel: {
      bgcolor: panel,
      bordercolor: border,
      align: "left",
      font: { family: slice.font, size: 12, color: text },
    },
    showlegend: false,
    uirevision: "kept",
    separators: ".",
    margin: { l: 0, r: 0, t: 0, b: 0 },
    scene: {
      xaxis: axisOf(slice, plain(slice.alpha), [-extent, extent], 4),
      yaxis: axisOf(slice, plain(slice.beta), [-extent, extent], 4),
      zaxis: axisOf(slice, slice.heightTitle, [range[0] - 0.03 * spread, range[1] + 0.03 * spread], 4),
      aspectmode: "manual",
      aspectratio: { x: 1.2, y: 1.2, z: 0.86 },
      dragmode: "orbit",
    },
  };
}

function axisOf(
  { theme }: Slice,
  title: string,
  range: readonly [number, number],
  about: number,
): Attributes {
  const { muted, grid } = PALETTES[theme];
  const ticks = linearTicks(...range, about);
  return {
    title: { text: title, font: { size: 10, color: muted } },
    range,
    tickmode: "array",
    tickvals: ticks,
    ticktext: ticks.map((tick) => number(tick)),
    tickfont: { size: 10, color: muted },
    ...{ gridcolor: grid, showbackground: false, showspikes: false, zeroline: false, ticks: "" },
  };
}
