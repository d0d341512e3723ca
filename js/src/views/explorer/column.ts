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
  const change = (part: Partial<PictureSettings>) => onCommit({ ...settings(), ...part });
  const alpha = axisControl("α", (choice) => change({ alpha: choice }), signal);
  const beta = axisControl("β", (choice) => change({ beta: choice }), signal);
  const angle = h("p", { class: "lw-angle lw-muted" });
  const range = slider("Range", extent, (value) => change({ extent: value }), signal);
  const resolution = slider("Resolution", grid, (value) => change({ resolution: value }), signal);
  const scale = segmented("Scale", SCALES, (value) => change({ scale: value }), signal);
  const centre = centreTable();
  const verdict = verdictBox();
  const controls = [alpha, beta, range, resolution, scale];
  const scaleRow = h(
    "div",
    { class: "lw-row" },
    h("span", { "aria-hidden": "true" }, "Scale"),
    scale.element,
  );
  return {
    element: h(
      "div",
      { class: "lw-column" },
      section("Directions", alpha.element, beta.element, angle),
      section("Window", range.element, resolution.element, scaleRow),
      section("At the centre", centre.element),
      verdict.element,
    ),
    setOptions({ extents, resolutions, sources }) {
      alpha.setSources(sources);
      beta.setSources(sources);
      range.setStops(extents);
      resolution.setStops(resolutions);
    },
    setSettings(next) {
      alpha.set(next.alpha);
      beta.set(next.beta);
      range.set(next.extent);
      resolution.set(next.resolution);
      scale.set(next.scale);
    },
    setState(state) {
      for (const control of controls) control.enable(state.link !== "saved");
      const computing = state.eigen !== null;
      alpha.setPairs(state.pairs, computing);
      beta.setPairs(state.pairs, computing);
      say(angle, angleText(state));
      const frame = state.picture?.frame;
      centre.set(frame?.loss ?? null, frame?.gradient_norm ?? null, state.pairs, computing);
      verdict.set(state.verdict);
    },
  };
}

function section(title: string, ...children: readonly HTMLElement[]): HTMLElement {
  return h("section", { "aria-label": title }, h("h3", {}, title), ...children);
}
