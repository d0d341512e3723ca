// The column of controls, and what is known beside the picture.

import { axisControl } from "../../controls/axis";
import { centreTable, verdictBox } from "../../controls/centre";
import { h, say } from "../../controls/dom";
import { segmented } from "../../controls/segmented";
import { slider } from "../../controls/slider";
import { extent, grid } from "../../protocol/format";
import type { PictureSettings } from "../../protocol/messages";
import type { Options } from "./options";
import type { ExplorerState } from "./state";
import { angleText } from "./words";

export interface Column {
  readonly element: HTMLElement;
  setOptions(options: Options): void;
  setSettings(settings: PictureSettings): void;
  setState(state: ExplorerState): void;
}

const SCALES = [
  {
    value: "unit",
    label: "unit",
    title: "Each direction has length 1: distances are raw parameter distances",
  },
  {
    value: "filter",
    label: "filter",
    title: "Each filter of a direction is as long as the model's own filter",
  },
  { value: "raw", label: "raw", title: "Directions as they are drawn, not rescaled" },
] as const;

export function column(
  settings: () => PictureSettings,
  onCommit: (settings: PictureSettings) => void,
  signal: AbortSignal,
): Column {
  const parts = build((part) => onCommit({ ...settings(), ...part }), signal);
  return {
    element: arrange(parts),
    setOptions({ extents, resolutions, sources }) {
      parts.alpha.setSources(sources);
      parts.beta.setSources(sources);
      parts.range.setStops(extents);
      parts.resolution.setStops(resolutions);
    },
    setSettings(next) {
      parts.alpha.set(next.alpha);
      parts.beta.set(next.beta);
      parts.range.set(next.extent);
      parts.resolution.set(next.resolution);
      parts.scale.set(next.scale);
    },
    setState(state) {
      const { alpha, beta, range, resolution, scale } = parts;
      for (const control of [alpha, beta, range, resolution, scale]) control.enable(state.link !== "saved");
      const computing = state.eigen !== null;
      alpha.setPairs(state.pairs, computing);
      beta.setPairs(state.pairs, computing);
      say(parts.angle, angleText(state));
      const frame = state.picture?.frame;
      parts.centre.set(frame?.loss ?? null, frame?.gradient_norm ?? null, state.pairs, computing);
      parts.verdict.set(state.verdict);
    },
  };
}

function build(change: (part: Partial<PictureSettings>) => void, signal: AbortSignal) {
  return {
    alpha: axisControl("α", (choice) => change({ alpha: choice }), signal),
    beta: axisControl("β", (choice) => change({ beta: choice }), signal),
    angle: h("p", { class: "lw-angle lw-muted" }),
    range: slider("Range", extent, (value) => change({ extent: value }), signal),
    resolution: slider("Resolution", grid, (value) => change({ resolution: value }), signal),
    scale: segmented("Scale", SCALES, (value) => change({ scale: value }), signal),
    centre: centreTable(),
    verdict: verdictBox(),
  };
}

function arrange(parts: ReturnType<typeof build>): HTMLElement {
  const scale = h(
    "div",
    { class: "lw-row" },
    h("span", { "aria-hidden": "true" }, "Scale"),
    parts.scale.element,
  );
  return h(
    "div",
    { class: "lw-column" },
    section("Directions", parts.alpha.element, parts.beta.element, parts.angle),
    section("Window", parts.range.element, parts.resolution.element, scale),
    section("At the centre", parts.centre.element),
    parts.verdict.element,
  );
}

function section(title: string, ...children: readonly HTMLElement[]): HTMLElement {
  return h(
    "div",
    { class: "lw-section", role: "group", "aria-label": title },
    h("h3", {}, title),
    ...children,
  );
}
