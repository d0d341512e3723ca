// Two cuts through the centre: loss along each direction, over the parabola that the curvature predicts.

import { number } from "../protocol/format";
import type { AxisInfo } from "../protocol/messages";
import {
  type Attributes,
  axisTitle,
  baseLayout,
  centreInside,
  centreLabel,
  type Figure,
  keyOf,
  palette,
  plain,
  type Scene,
} from "./figure";
import { type HeightScale, type Heights, heightsOf, linearTicks } from "./heights";
import { curveOf, quadratic } from "./mesh";

interface Curve {
  readonly name: string;
  readonly axis: AxisInfo;
  readonly at: readonly number[];
  readonly loss: readonly number[];
  readonly colour: string;
  readonly model: (at: number) => number | null;
}

export function curvesFigure(scene: Scene): Figure {
  const curves = curvesOf(scene);
  const heights = heightsOf(Float32Array.from(curves.flatMap((curve) => curve.loss)), scene.scale);
  const data = curves.flatMap((curve) => [parabola(curve, scene.scale), line(curve, scene.scale)]);
  const key = keyOf("curves", { ...scene, heights }, scene.points.done, scene.points.level);
  return { key, data, layout: layoutOf(scene, heights, data.length > 0), values: {}, threeD: false };
}

function curvesOf(scene: Scene): Curve[] {
  const { accent, second } = palette(scene);
  const { frame } = scene.points;
  const model = frame.preview;
  return [
    {
      name: axisTitle("α", frame.alpha, false),
      axis: frame.alpha,
      colour: accent,
      model: (at) => model && quadratic(model, at, 0),
      ...curveOf(scene.points, "alpha"),
    },
    {
      name: axisTitle("β", frame.beta, false),
      axis: frame.beta,
      colour: second,
      model: (at) => model && quadratic(model, 0, at),
      ...curveOf(scene.points, "beta"),
    },
  ];
}

function height(value: number | null, scale: HeightScale): number | null {
  if (value === null || !Number.isFinite(value) || (scale === "log" && value <= 0)) return null;
  return scale === "log" ? Math.log10(value) : value;
}

function line(curve: Curve, scale: HeightScale): Attributes {
  return {
    type: "scatter",
    mode: curve.at.length <= 27 ? "lines+markers" : "lines",
    name: plain(curve.name),
    x: curve.at,
    y: curve.loss.map((value) => height(value, scale)),
    text: curve.loss.map((value, i) => `${number(curve.at[i])}<br>loss ${number(value)}`),
    hoverinfo: "text",
    connectgaps: false,
    line: { color: curve.colour, width: 2.5 },
    marker: { color: curve.colour, size: 5 },
  };
}

const PARABOLA_POINTS = 81;

function parabola(curve: Curve, scale: HeightScale): Attributes {
  const { lo, hi } = curve.axis;
  const at = Array.from({ length: PARABOLA_POINTS }, (_, i) => lo + ((hi - lo) * i) / (PARABOLA_POINTS - 1));
  return {
    type: "scatter",
    mode: "lines",
    name: "its quadratic model",
    x: at,
    y: at.map((position) => height(curve.model(position), scale)),
    hoverinfo: "skip",
    connectgaps: false,
    line: { color: curve.colour, width: 1.2, dash: "dot" },
    showlegend: false,
  };
}

function layoutOf(scene: Scene, heights: Heights | null, legend: boolean): Attributes {
  const { muted, grid, text } = palette(scene);
  const { alpha, beta } = scene.points.frame;
  const range = [Math.min(alpha.lo, beta.lo), Math.max(alpha.hi, beta.hi)] as const;
  const unit = alpha.unit === beta.unit && alpha.unit !== "" ? ` (${alpha.unit})` : "";
  const common = { tickfont: { size: 11, color: muted }, gridcolor: grid, zeroline: false, ticks: "" };
  const span = heights ? heights.hi - heights.lo : 1;
  const ticks = linearTicks(...range, 8);
  return {
    ...baseLayout(scene),
    margin: { l: 64, r: 20, t: 72, b: 50 },
    showlegend: legend,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12, color: text } },
    xaxis: {
      ...common,
      title: { text: plain(`position along the direction${unit}`), font: { size: 12, color: muted } },
      range,
      tickmode: "array",
      tickvals: ticks,
      ticktext: ticks.map((tick) => number(tick)),
    },
    yaxis: {
      ...common,
      title: { text: "loss", font: { size: 12, color: muted }, standoff: 8 },
      range: heights ? [heights.lo - 0.06 * span, heights.hi + 0.06 * span] : [0, 1],
      tickmode: "array",
      tickvals: heights?.ticks ?? [],
      ticktext: heights?.labels ?? [],
    },
    ...marks(scene, heights),
  };
}

/** The model: a thin line at the centre, with its loss in words at the top. */
function marks(scene: Scene, heights: Heights | null): Attributes {
  if (!centreInside(scene) || heights === null) return {};
  const { mark, text, panel } = palette(scene);
  return {
    shapes: [
      {
        type: "line",
        x0: 0,
        x1: 0,
        yref: "paper",
        y0: 0,
        y1: 1,
        line: { color: mark, width: 1.5 },
        layer: "below",
      },
    ],
    annotations: [
      {
        x: 0,
        yref: "paper",
        y: 1,
        yanchor: "top",
        xanchor: "left",
        xshift: 6,
        showarrow: false,
        text: plain(centreLabel(scene)),
        font: { size: 12, color: text },
        bgcolor: panel,
        opacity: 0.92,
      },
    ],
  };
}
