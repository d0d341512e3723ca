// The column of controls, and what is known beside the picture.

import { type AxisCommit, axisControl } from "../../controls/axis";
import { centreTable, verdictBox } from "../../controls/centre";
import { checks } from "../../controls/checks";
import { h, say, show } from "../../controls/dom";
import { pointsControl } from "../../controls/points";
import { segmented } from "../../controls/segmented";
import { slider } from "../../controls/slider";
import { windowControl } from "../../controls/window";
import { grid } from "../../protocol/format";
import { besides, type Cuts, MOST_CUTS } from "./cuts";
import type { Session } from "./session";
import { angleText } from "./words";

export interface Column {
  readonly element: HTMLElement;
  /** Shows what the session holds. */
  update(): void;
}

const BANDS = [
  { value: "0", label: "0", title: "No band" },
  { value: "8", label: "8", title: "The spread of the loss along 8 random directions" },
  { value: "32", label: "32", title: "The spread of the loss along 32 random directions" },
] as const;

export function column(session: Session, signal: AbortSignal): Column {
  const parts = build(session, signal);
  const { element, curves } = arrange(parts);
  return {
    element,
    update() {
      const { options, settings, state, cuts, view } = session;
      parts.alpha.setSources(options.sources);
      parts.beta.setSources(options.sources);
      parts.window.setStops(options.extents);
      parts.resolution.setStops(options.resolutions);
      parts.alpha.set(settings.alpha);
      parts.beta.set(settings.beta);
      parts.window.set(settings.alpha_range, settings.beta_range);
      parts.window.setUndo(session.zoomed);
      parts.resolution.set(settings.resolution);
      parts.points.set(settings.until);
      parts.extra.set(besides(options.sources, settings), cuts.extra);
      parts.band.set(bandOf(cuts));
      show(curves, view.view === "curves" && state.link !== "saved");
      for (const control of parts.all) control.enable(state.link !== "saved");
      inform(parts, session);
    },
  };
}

type Parts = ReturnType<typeof build>;

function bandOf({ seeds }: Cuts): (typeof BANDS)[number]["value"] {
  return BANDS.find(({ value }) => value === String(seeds))?.value ?? "0";
}

function inform(parts: Parts, { state }: Session): void {
  const computing = state.eigen !== null;
  parts.alpha.setPairs(state.pairs, computing);
  parts.beta.setPairs(state.pairs, computing);
  say(parts.angle, angleText(state));
  const frame = state.picture?.frame;
  parts.centre.set(frame?.loss ?? null, frame?.gradient_norm ?? null, state.pairs, computing);
  parts.verdict.set(state.verdict);
}

function build(session: Session, signal: AbortSignal) {
  const axis =
    (name: "alpha" | "beta"): AxisCommit =>
    (choice, keepRegion) =>
      session.commit({ ...session.settings, [name]: choice }, keepRegion);
  const alpha = axisControl("α", axis("alpha"), signal);
  const beta = axisControl("β", axis("beta"), signal);
  const window = windowControl(
    {
      onCommit: (alpha_range, beta_range) => session.commit({ ...session.settings, alpha_range, beta_range }),
      onZoomOut: () => session.zoomOut(),
    },
    signal,
  );
  const resolution = slider(
    "Resolution",
    grid,
    (value) => session.commit({ ...session.settings, resolution: value }),
    signal,
  );
  const points = pointsControl((until) => session.commit({ ...session.settings, until }), signal);
  const extra = checks("Further directions", MOST_CUTS, (chosen) => session.cut({ extra: chosen }), signal);
  const band = segmented("Random band", BANDS, (value) => session.cut({ seeds: Number(value) }), signal);
  return {
    ...{ alpha, beta, window, resolution, points, extra, band },
    all: [alpha, beta, window, resolution, points, extra, band],
    angle: h("p", { class: "lw-angle lw-muted" }),
    centre: centreTable(),
    verdict: verdictBox(),
  };
}

function arrange(parts: Parts): { element: HTMLElement; curves: HTMLElement } {
  const band = h(
    "div",
    { class: "lw-band" },
    h("span", { "aria-hidden": "true" }, "Random band"),
    parts.band.element,
    h("span", { class: "lw-muted", "aria-hidden": "true" }, "seeds"),
  );
  const curves = section("Curves", h("p", { class: "lw-note" }, "Beside α and β"), parts.extra.element, band);
  const element = h(
    "div",
    { class: "lw-column" },
    section("Directions", parts.alpha.element, parts.beta.element, parts.angle),
    curves,
    section(
      "Window",
      h("div", { class: "lw-sliders" }, parts.window.element, parts.resolution.element),
      parts.points.element,
    ),
    section("At the centre", parts.centre.element),
    parts.verdict.element,
  );
  return { element, curves };
}

function section(title: string, ...children: readonly HTMLElement[]): HTMLElement {
  return h(
    "div",
    { class: "lw-section", role: "group", "aria-label": title },
    h("h3", {}, title),
    ...children,
  );
}
