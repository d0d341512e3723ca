// The surface: loss as height and colour, contour lines on it, the model on a stem at the centre.

import { number } from "../protocol/format";
import {
  type Attributes,
  axisTitle,
  baseLayout,
  centreInside,
  centreLabel,
  colorbar,
  type Figure,
  keyOf,
  lossColours,
  palette,
  plain,
  planeOf,
  type Scene,
} from "./figure";
import { type Heights, linearTicks } from "./heights";
import { hoverTexts } from "./hover";
import { labelsOf, marksOf } from "./marks";
import { type Mesh, rowsOf } from "./mesh";

const EMPTY: Pick<Heights, "lo" | "hi" | "ticks" | "labels"> = { lo: 0, hi: 1, ticks: [], labels: [] };

export function surfaceFigure(scene: Scene): Figure {
  const { heights, mesh } = scene;
  const shared = {
    key: keyOf("surface", scene),
    layout: layoutOf(scene),
    threeD: true,
    plane: planeOf(scene),
  };
  const model = centreInside(scene) ? stem(scene) : [];
  if (mesh === null || heights === null) return { ...shared, data: model, values: [] };
  const attributes = surfaceValues(scene, mesh, heights);
  const marks = marksOf(scene, 1, true);
  const data = [{ ...surfaceStyle(scene, heights), ...attributes }, ...marks.data, ...model];
  return { ...shared, data, values: [{ trace: 0, attributes }, ...marks.values] };
}

function surfaceValues(scene: Scene, mesh: Mesh, heights: Heights): Attributes {
  return { x: mesh.x, y: mesh.y, z: rowsOf(heights.z, mesh.x.length), text: hoverTexts(scene, mesh) };
}

/** No contour lines beside holes: plotly draws lines to NaN there, which take software GL minutes. */
function surfaceStyle(scene: Scene, heights: Heights): Attributes {
  const gaps = heights.holes + heights.hidden > 0;
  return {
    type: "surface",
    colorscale: lossColours(scene),
    cmin: heights.lo,
    cmax: heights.hi,
    // Beside a contour of the same picture one bar is enough.
    ...(scene.paired ? { showscale: false } : { colorbar: colorbar(scene, heights) }),
    hoverinfo: "text",
    lighting: { ambient: 0.82, diffuse: 0.5, specular: 0.04, roughness: 0.9, fresnel: 0.05 },
    lightposition: { x: 2000, y: -4000, z: 8000 },
    contours: {
      z: {
        show: !gaps,
        start: heights.lo + heights.step / 2,
        end: heights.hi,
        size: heights.step,
        color: palette(scene).contour,
        width: 1.5,
        highlight: false,
      },
      x: { highlight: false },
      y: { highlight: false },
    },
  };
}

/** The model: a stem from the surface up to a marker. One trace each: a marker of size 0 costs minutes in software GL. */
function stem(scene: Scene): Attributes[] {
  const { lo, hi } = scene.heights ?? EMPTY;
  const { mark } = palette(scene);
  const top = hi + 0.06 * (hi - lo);
  const shared = { type: "scatter3d", hoverinfo: "skip" };
  return [
    {
      ...shared,
      mode: "lines",
      x: [0, 0],
      y: [0, 0],
      z: [centreHeight(scene), top],
      line: { color: mark, width: 3 },
    },
    {
      ...shared,
      mode: "markers",
      x: [0],
      y: [0],
      z: [top],
      marker: { size: 6, color: mark, line: { width: 0 } },
    },
  ];
}

function centreHeight(scene: Scene): number {
  const { lo, hi } = scene.heights ?? EMPTY;
  const loss = scene.points.frame.loss;
  const height = loss === null ? lo : scene.scale === "log" ? Math.log10(Math.max(loss, 1e-300)) : loss;
  return Math.min(Math.max(height, lo), hi);
}

function layoutOf(scene: Scene): Attributes {
  const { frame } = scene.points;
  const { lo, hi, ticks, labels } = scene.heights ?? EMPTY;
  const spread = hi - lo;
  return {
    ...baseLayout(scene),
    margin: { l: 0, r: scene.paired ? 0 : 56, t: 0, b: 0 },
    scene: {
      xaxis: axis(scene, plain(axisTitle("α", frame.alpha, scene.roomy)), [frame.alpha.lo, frame.alpha.hi]),
      yaxis: axis(scene, plain(axisTitle("β", frame.beta, scene.roomy)), [frame.beta.lo, frame.beta.hi]),
      zaxis: {
        ...axis(scene, scene.roomy ? "loss" : "", [lo - 0.05 * spread, hi + 0.06 * spread]),
        tickvals: ticks,
        ticktext: labels,
      },
      aspectmode: "manual",
      aspectratio: { x: 1.2, y: 1.2, z: 0.72 },
      dragmode: "orbit",
      // Just inside the axis: at its very end, rounding would decide whether plotly leaves the label out.
      annotations: [
        ...labelsOf(scene, true),
        ...(centreInside(scene) ? [annotation(scene, hi + 0.055 * spread)] : []),
      ],
    },
  };
}

function axis(scene: Scene, title: string, range: readonly [number, number]): Attributes {
  const { muted, grid } = palette(scene);
  const ticks = linearTicks(...range, 8);
  return {
    title: { text: title, font: { size: 12, color: muted } },
    range,
    tickmode: "array",
    tickvals: ticks,
    ticktext: ticks.map((tick) => number(tick)),
    tickfont: { size: 10, color: muted },
    gridcolor: grid,
    showbackground: false,
    showspikes: false,
    zeroline: false,
    ticks: "",
  };
}

function annotation(scene: Scene, z: number): Attributes {
  const { text, panel, border } = palette(scene);
  return {
    x: 0,
    y: 0,
    z,
    text: plain(centreLabel(scene)),
    showarrow: false,
    yshift: 19,
    font: { size: 12, color: text },
    bgcolor: panel,
    bordercolor: border,
    borderpad: 4,
    opacity: 0.92,
  };
}
