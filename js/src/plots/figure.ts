// What every picture shares: the question it answers, and the plotly figure it becomes.

import { number } from "../protocol/format";
import type { AxisInfo, Colours, Range } from "../protocol/messages";
import type { CurveSet } from "./curves";
import type { HeightScale, Heights } from "./heights";
import type { Mesh, Points } from "./mesh";
import { type Colourscale, colourscale, faded, PALETTES, type Palette, type Theme } from "./palette";
import { heightAt, type Place } from "./relief";

export type Attributes = Record<string, unknown>;

/** What is drawn, and how; heights is null where no value can be drawn. */
export interface Scene {
  readonly points: Points;
  readonly mesh: Mesh | null;
  readonly heights: Heights | null;
  readonly scale: HeightScale;
  readonly colours: Colours;
  /** Cuts along further directions, or null where none were asked for. */
  readonly curves: CurveSet | null;
  readonly theme: Theme;
  readonly font: string;
  /** Whether the plot is wide enough for long titles. */
  readonly roomy: boolean;
  /** Whether a second plot of the same picture stands beside it. */
  readonly paired: boolean;
}

/** Attributes of one trace that change while a picture streams. */
export interface Values {
  readonly trace: number;
  readonly attributes: Attributes;
}

/** The window of a figure that shows the plane, and the height of what is drawn there (null: nothing is). */
export interface Plane {
  readonly alpha: Range;
  readonly beta: Range;
  readonly heightAt: (place: Place) => number | null;
}

/** A figure in plotly's terms. Figures of equal key differ only in `values`; `data` holds them too. */
export interface Figure {
  readonly key: string;
  readonly data: readonly Attributes[];
  readonly layout: Attributes;
  readonly values: readonly Values[];
  readonly threeD: boolean;
  readonly plane: Plane | null;
}

/** What every figure is dressed in. */
export type Dress = Pick<Scene, "theme" | "font">;

export function palette(scene: Pick<Scene, "theme">): Palette {
  return PALETTES[scene.theme];
}

/** Text for plotly, which reads some HTML: shown as it is written. */
export function plain(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

const LONGEST = 30;

/** α · Hessian λmax (parameter distance); without the unit where there is little room. */
export function axisTitle(name: "α" | "β", axis: AxisInfo, roomy = true): string {
  // The share of variance stands in the caption: on the axis it would push the unit out.
  const label = axis.label.replaceAll("λ_", "λ").replace(/ \([^()]* of variance\)$/, "");
  const short = label.length > LONGEST ? `${label.slice(0, LONGEST - 1)}…` : label;
  const words = short === "" ? name : `${name} · ${short}`;
  const unit = (axis.unit.split(",")[0] ?? "").replace("× parameter distance", "× distance");
  return unit === "" || !roomy ? words : `${words} (${unit})`;
}

export function centreLabel(scene: Scene): string {
  return `model, loss ${number(scene.points.frame.loss, 2)}`;
}

/** Whether the model itself lies in the window. */
export function centreInside({ points: { frame } }: Scene): boolean {
  return [frame.alpha, frame.beta].every((axis) => axis.lo <= 0 && axis.hi >= 0);
}

/** The scale of the loss: half way to the background while only the quadratic model is known. */
export function lossColours(scene: Scene): Colourscale {
  const preview = scene.mesh?.stage === "quadratic";
  return preview ? faded(scene.colours, palette(scene).panel) : colourscale(scene.colours);
}

export function planeOf({ points: { frame }, mesh, heights }: Scene): Plane {
  const height = (place: Place) => (mesh && heights ? heightAt(mesh, heights, place) : null);
  const [alpha, beta] = [frame.alpha, frame.beta].map(({ lo, hi }) => ({ lo, hi })) as [Range, Range];
  return { alpha, beta, heightAt: height };
}

export function colorbar(scene: Scene, heights: Heights): Attributes {
  const { muted } = palette(scene);
  return {
    title: {
      text: 'loss<br><span style="font-size:3px"> </span>',
      side: "top",
      font: { size: 11, color: muted },
    },
    tickmode: "array",
    tickvals: heights.ticks,
    ticktext: heights.labels,
    tickfont: { size: 10, color: muted },
    ticklen: 0,
    thickness: 10,
    outlinewidth: 0,
    len: 0.62,
    x: 1,
    xanchor: "left",
    xpad: 4,
    y: 0.5,
  };
}

export function baseLayout(scene: Dress): Attributes {
  const colours = palette(scene);
  return {
    autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: scene.font, size: 12, color: colours.text },
    hoverlabel: {
      bgcolor: colours.panel,
      bordercolor: colours.border,
      align: "left",
      font: { family: scene.font, size: 12, color: colours.text },
    },
    showlegend: false,
    uirevision: "kept",
    separators: ".",
    dragmode: "zoom",
  };
}

/** The identity of a figure's structure. */
export function keyOf(view: string, scene: Scene, ...more: readonly unknown[]): string {
  const { frame } = scene.points;
  const { heights, mesh } = scene;
  const bounds = heights === null ? null : [heights.lo, heights.hi, heights.ticks];
  const kind = [
    scene.roomy,
    scene.paired,
    scene.colours,
    mesh?.stage === "quadratic",
    heights !== null && heights.holes + heights.hidden > 0,
  ];
  return JSON.stringify([
    view,
    scene.theme,
    scene.scale,
    frame.alpha,
    frame.beta,
    frame.loss,
    frame.metrics,
    frame.tracks,
    bounds,
    kind,
    ...more,
  ]);
}
