// The window of the picture: how wide it is on each axis, and the ways back to where it was.

import { span } from "../protocol/format";
import { alike, around, centred, halfWidth, middle } from "../protocol/grid";
import type { Range } from "../protocol/messages";
import { iconButton, redraw, textButton } from "./button";
import { h, show } from "./dom";
import { type Slider, slider } from "./slider";

export interface WindowControl {
  readonly element: HTMLElement;
  setStops(extents: readonly number[]): void;
  set(alpha: Range, beta: Range): void;
  /** Whether there is a window to go back to. */
  setUndo(possible: boolean): void;
  enable(enabled: boolean): void;
}

export interface WindowActions {
  readonly onCommit: (alpha: Range, beta: Range) => void;
  readonly onZoomOut: () => void;
}

interface Axes<T> {
  readonly alpha: T;
  readonly beta: T;
}

type Name = keyof Axes<unknown>;

function sameWidth({ alpha, beta }: Axes<Range>): boolean {
  return alike(halfWidth(alpha), halfWidth(beta), halfWidth(alpha));
}

function same(axes: Axes<Range>): boolean {
  return sameWidth(axes) && alike(middle(axes.alpha), middle(axes.beta), halfWidth(axes.alpha));
}

function resized(range: Range, half: number): Range {
  return around(middle(range), half);
}

/** Axes of one width are linked, and share one slider where they are the same; others have a slider each. */
export function windowControl({ onCommit, onZoomOut }: WindowActions, signal: AbortSignal): WindowControl {
  let ranges: Axes<Range> = { alpha: around(0, 1), beta: around(0, 1) };
  /** The user gave the axes widths of their own; other unequal widths, as of a dragged window, pass again. */
  let apart = false;
  let linked = true;
  const commit = (next: Axes<Range>) => {
    ranges = next;
    paint();
    onCommit(next.alpha, next.beta);
  };
  const resize = (name: Name, half: number) => {
    const names: readonly Name[] = linked ? ["alpha", "beta"] : [name];
    apart = !linked;
    commit({ ...ranges, ...Object.fromEntries(names.map((axis) => [axis, resized(ranges[axis], half)])) });
  };
  const toggle = () => {
    linked = !linked;
    apart = !linked;
    const widest = Math.max(halfWidth(ranges.alpha), halfWidth(ranges.beta));
    if (linked && !sameWidth(ranges)) resize("alpha", widest);
    else paint();
  };
  const home = () =>
    commit({ alpha: around(0, halfWidth(ranges.alpha)), beta: around(0, halfWidth(ranges.beta)) });
  const row = (name: Name) =>
    slider(
      "Range",
      (half) => span(resized(ranges[name], half)),
      (half) => resize(name, half),
      signal,
    );
  const sliders = { alpha: row("alpha"), beta: row("beta") };
  const link = iconButton("link", "Same width on both axes", toggle, signal);
  const back = textButton("Zoom out", onZoomOut, signal);
  const centre = textButton("Centre on the model", home, signal);
  const parts = arrange(sliders, link, back, centre);
  const paint = () => {
    const one = linked && same(ranges);
    link.setAttribute("aria-pressed", String(linked));
    redraw(link, linked ? "link" : "unlink");
    link.title = linked ? "Give each axis a width of its own" : "Give both axes the same width";
    parts.split(!one);
    for (const name of ["alpha", "beta"] as const) sliders[name].set(halfWidth(ranges[name]));
    show(centre, !(centred(ranges.alpha) && centred(ranges.beta)));
    parts.tidy();
  };
  paint();
  show(back, false);
  parts.tidy();
  return {
    element: parts.element,
    setStops(extents) {
      for (const name of ["alpha", "beta"] as const) sliders[name].setStops(extents);
    },
    set(alpha, beta) {
      ranges = { alpha, beta };
      linked = !apart && sameWidth(ranges);
      paint();
    },
    setUndo(possible) {
      show(back, possible);
      parts.tidy();
    },
    enable(enabled) {
      for (const name of ["alpha", "beta"] as const) sliders[name].enable(enabled);
      for (const button of [link, back, centre]) button.disabled = !enabled;
    },
  };
}

function arrange(sliders: Axes<Slider>, link: HTMLElement, back: HTMLElement, centre: HTMLElement) {
  const rows = h("div", { class: "lw-ranges" }, sliders.alpha.element, link);
  const ways = h("div", { class: "lw-ways" }, back, centre);
  return {
    element: h("div", { class: "lw-window" }, rows, ways),
    /** Two rows or one: a hidden slider would still be found by its name. */
    split(two: boolean) {
      sliders.alpha.rename(two ? "Range α" : "Range");
      sliders.beta.rename("Range β");
      rows.classList.toggle("lw-two", two);
      if (!two) sliders.beta.element.remove();
      else if (sliders.beta.element.parentElement !== rows) sliders.alpha.element.after(sliders.beta.element);
    },
    tidy() {
      show(ways, !(back.hidden && centre.hidden));
    },
  };
}
