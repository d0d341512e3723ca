// Cuts through the landscape: along the picture's two axes with their quadratic model, further directions, a band.

import { number } from "../protocol/format";
import type { AxisInfo, CurveInfo, CurveSettings } from "../protocol/messages";
import { bandOf, bandTraces } from "./band";
import {
  type Attributes,
  axisTitle,
  baseLayout,
  centreLabel,
  type Figure,
  keyOf,
  palette,
  plain,
  type Scene,
} from "./figure";
import { type HeightScale, type Heights, height, heightsOf, linearTicks } from "./heights";
import { said } from "./hover";
import { type Cut, cutOf, quadratic } from "./mesh";

/** Cuts through the model along further directions, as far as they are finished. */
export interface CurveSet {
  readonly settings: CurveSettings;
  readonly curves: readonly CurveInfo[];
  /** (n,), in the unit of each curve's direction; `loss` is (curves, n) row-major. */
  readonly position: Float32Array;
  readonly loss: Float32Array;
  readonly done: number;
  readonly total: number;
  readonly caption: string;
}

interface Curve extends Pick<Cut, "at" | "loss" | "exact"> {
  readonly name: string;
  readonly colour: string;
  readonly dash: string;
  readonly model: ((at: number) => number) | null;
  readonly span: readonly [number, number];
}

export function curvesFigure(scene: Scene): Figure {
  const curves = [...own(scene), ...further(scene)];
  const losses = curves.flatMap((curve) => [...curve.loss]);
  const heights = heightsOf(Float32Array.from([...losses, ...membersOf(scene.curves)]), scene.scale);
  const data = [
    ...band(scene),
    ...curves.flatMap((curve) => [...parabola(curve, scene.scale), line(curve, scene.scale)]),
  ];
  const { points } = scene;
  const more = [
    points.done,
    points.level,
    points.estimate !== null,
    points.frame.preview,
    ...identity(scene.curves),
  ];
  const key = keyOf("curves", { ...scene, heights }, ...more);
  return { key, data, layout: layoutOf(scene, heights), values: [], threeD: false, plane: null };
}

function identity(set: CurveSet | null): unknown[] {
  return set === null ? [] : [set.settings, set.curves, [...set.position], [...set.loss].map(String)];
}

/** The picture's own cuts, through the row and column nearest to the model. */
function own(scene: Scene): Curve[] {
  const { accent, second } = palette(scene);
  const { frame } = scene.points;
  const preview = frame.preview;
  const [row, column] = [cutOf(scene.points, "alpha"), cutOf(scene.points, "beta")];
  const shared = { dash: "solid" };
  return [
    {
      ...{ ...shared, ...row, colour: accent, span: [frame.alpha.lo, frame.alpha.hi] },
      name: `${axisTitle("α", frame.alpha, false)}${place("β", row.across)}${unitOf(scene, frame.alpha)}`,
      model: preview && ((at) => quadratic(preview, at, row.across)),
    },
    {
      ...{ ...shared, ...column, colour: second, span: [frame.beta.lo, frame.beta.hi] },
      name: `${axisTitle("β", frame.beta, false)}${place("α", column.across)}${unitOf(scene, frame.beta)}`,
      model: preview && ((at) => quadratic(preview, column.across, at)),
    },
  ];
}

function place(axis: "α" | "β", across: number): string {
  return across === 0 ? "" : ` at ${axis} = ${number(across)}`;
}

/** Each fits twice into its sample in the legend, or once and is told by its dots. */
const DASHES = ["9px,4px", "9px,3px,2px,3px", "4px,3px", "12px,3px,2px,3px,2px,3px"] as const;

/** Colours come first; where they run out, the same colour wears another dash. */
function further(scene: Scene): Curve[] {
  const set = scene.curves;
  if (set === null) return [];
  const { more } = palette(scene);
  const at = [...set.position];
  return set.curves
    .flatMap((info, k) => (info.band ? [] : [{ info, k }]))
    .map(({ info, k }, i) => ({
      at,
      loss: [...set.loss.subarray(k * at.length, (k + 1) * at.length)],
      exact: at.map(() => true),
      name: `${info.label.replaceAll("λ_", "λ")}${unitOf(scene, info)}`,
      colour: more[i % more.length] as string,
      dash: DASHES[(i + Math.floor(i / more.length)) % DASHES.length] as string,
      model: null,
      span: [at[0] ?? 0, at.at(-1) ?? 0],
    }));
}

function band(scene: Scene): Attributes[] {
  const set = scene.curves;
  const found = set && bandOf(set);
  if (set === null || found === null) return [];
  const member = set.curves.find((info) => info.band) as CurveInfo;
  return bandTraces(scene, set, found, unitOf(scene, member));
}

function membersOf(set: CurveSet | null): number[] {
  if (set === null) return [];
  const width = set.position.length;
  return set.curves.flatMap(({ band }, k) =>
    band ? [...set.loss.subarray(k * width, (k + 1) * width)] : [],
  );
}

function short({ unit }: Pick<AxisInfo, "unit">): string {
  return (unit.split(",")[0] ?? "").replace("× parameter distance", "× distance");
}

function units({ points: { frame }, curves }: Scene): ReadonlySet<string> {
  return new Set([frame.alpha, frame.beta, ...(curves?.curves ?? [])].map(short));
}

/** Where units differ, each curve names its own. */
function unitOf(scene: Scene, curve: Pick<AxisInfo, "unit">): string {
  return units(scene).size > 1 && short(curve) !== "" ? ` (${short(curve)})` : "";
}

/** One unit where all share it; else positions do not compare, and the title says so. */
function title(scene: Scene): string {
  const all = [...units(scene)];
  if (all.length > 1) return "position along each direction, in its own unit (see the legend)";
  return `position along the direction${all[0] ? ` (${all[0]})` : ""}`;
}

function line(curve: Curve, scale: HeightScale): Attributes {
  const dots = curve.exact.filter(Boolean).length;
  return {
    type: "scatter",
    mode: dots <= 27 && curve.dash === "solid" ? "lines+markers" : "lines",
    name: plain(curve.name),
    x: curve.at,
    y: curve.loss.map((value) => height(value, scale)),
    text: curve.loss.map(
      (value, i) =>
        `${plain(curve.name)}<br>${number(curve.at[i])}<br>loss ${curve.exact[i] ? "" : "≈ "}${said(value)}`,
    ),
    hoverinfo: "text",
    connectgaps: false,
    line: { color: curve.colour, width: 2.5, dash: curve.dash },
    marker: {
      color: curve.colour,
      size: curve.exact.map((computed) => (computed ? 5 : 0)),
      line: { width: 0 },
    },
  };
}

const PARABOLA_POINTS = 81;

function parabola({ span: [lo, hi], model, colour }: Curve, scale: HeightScale): Attributes[] {
  if (model === null) return [];
  const at = Array.from({ length: PARABOLA_POINTS }, (_, i) => lo + ((hi - lo) * i) / (PARABOLA_POINTS - 1));
  const trace = {
    type: "scatter",
    mode: "lines",
    name: "its quadratic model",
    x: at,
    y: at.map((position) => height(model(position), scale)),
    hoverinfo: "skip",
    connectgaps: false,
    line: { color: colour, width: 1.2, dash: "dot" },
    showlegend: false,
  };
  return [trace];
}

function rangeOf({ points: { frame }, curves }: Scene): readonly [number, number] {
  const ends = [frame.alpha.lo, frame.beta.lo, frame.alpha.hi, frame.beta.hi];
  if (curves !== null && curves.curves.length > 0) ends.push(...curves.position);
  return [Math.min(...ends), Math.max(...ends)];
}

function layoutOf(scene: Scene, heights: Heights | null): Attributes {
  const { muted, grid, text } = palette(scene);
  const range = rangeOf(scene);
  const common = { tickfont: { size: 11, color: muted }, gridcolor: grid, zeroline: false, ticks: "" };
  const span = heights ? heights.hi - heights.lo : 1;
  const ticks = linearTicks(...range, 8);
  return {
    ...baseLayout(scene),
    margin: { l: 64, r: 20, t: 72, b: 50 },
    showlegend: true,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12, color: text } },
    xaxis: {
      ...common,
      title: { text: plain(title(scene)), font: { size: 12, color: muted } },
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
    ...marks(scene, heights, range),
  };
}

/** Whether any cut passes through the model; where none does, position 0 is another place. */
function throughModel({ points, curves }: Scene): boolean {
  const own = (["alpha", "beta"] as const).some((along) => {
    const { lo, hi } = points.frame[along];
    return lo <= 0 && hi >= 0 && cutOf(points, along).across === 0;
  });
  return own || (curves !== null && curves.curves.length > 0);
}

/** The model: a thin line at 0, where a cut passes through it, with its loss in words at the top. */
function marks(scene: Scene, heights: Heights | null, [lo, hi]: readonly [number, number]): Attributes {
  if (heights === null || lo > 0 || hi < 0 || !throughModel(scene)) return {};
  const { mark, text, panel } = palette(scene);
  const ink = { color: mark, width: 1.5 };
  return {
    shapes: [{ type: "line", x0: 0, x1: 0, yref: "paper", y0: 0, y1: 1, line: ink, layer: "below" }],
    annotations: [
      {
        ...{ x: 0, yref: "paper", y: 1, yanchor: "top", xanchor: "left", xshift: 6, showarrow: false },
        text: plain(centreLabel(scene)),
        font: { size: 12, color: text },
        bgcolor: panel,
        opacity: 0.92,
      },
    ],
  };
}
