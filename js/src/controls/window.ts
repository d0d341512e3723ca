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

const NAMES: readonly Name[] = ["alpha", "beta"];

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
export function windowControl(actions: WindowActions, signal: AbortSignal): WindowControl {
  return new LinkedRanges(actions, signal);
}

class LinkedRanges implements WindowControl {
  readonly element: HTMLElement;
  readonly #sliders: Axes<Slider>;
  readonly #link: HTMLButtonElement;
  readonly #back: HTMLButtonElement;
  readonly #centre: HTMLButtonElement;
  readonly #parts: ReturnType<typeof arrange>;
  #ranges: Axes<Range> = { alpha: around(0, 1), beta: around(0, 1) };
  #linked = true;
  /** The user gave the axes widths of their own; other unequal widths, as of a dragged window, pass again. */
  #apart = false;

  constructor(
    private readonly actions: WindowActions,
    signal: AbortSignal,
  ) {
    const row = (name: Name) => {
      const words = (half: number) => span(resized(this.#ranges[name], half));
      return slider("Range", words, (half) => this.#resize(name, half), signal);
    };
    this.#sliders = { alpha: row("alpha"), beta: row("beta") };
    this.#link = iconButton("link", "Same width on both axes", () => this.#toggle(), signal);
    this.#back = textButton("Zoom out", actions.onZoomOut, signal);
    this.#centre = textButton("Centre on the model", () => this.#goHome(), signal);
    this.#parts = arrange(this.#sliders, this.#link, this.#back, this.#centre);
    this.element = this.#parts.element;
    show(this.#back, false);
    this.#paint();
  }

  setStops(extents: readonly number[]): void {
    for (const name of NAMES) this.#sliders[name].setStops(extents);
  }

  set(alpha: Range, beta: Range): void {
    this.#ranges = { alpha, beta };
    this.#linked = !this.#apart && sameWidth(this.#ranges);
    this.#paint();
  }

  setUndo(possible: boolean): void {
    show(this.#back, possible);
    this.#parts.tidy();
  }

  enable(enabled: boolean): void {
    for (const name of NAMES) this.#sliders[name].enable(enabled);
    for (const button of [this.#link, this.#back, this.#centre]) button.disabled = !enabled;
  }

  #commit(ranges: Axes<Range>): void {
    this.#ranges = ranges;
    this.#paint();
    this.actions.onCommit(ranges.alpha, ranges.beta);
  }

  #resize(name: Name, half: number): void {
    const names = this.#linked ? NAMES : [name];
    this.#apart = !this.#linked;
    const moved = names.map((axis) => [axis, resized(this.#ranges[axis], half)]);
    this.#commit({ ...this.#ranges, ...Object.fromEntries(moved) });
  }

  #toggle(): void {
    const { alpha, beta } = this.#ranges;
    this.#linked = !this.#linked;
    this.#apart = !this.#linked;
    if (this.#linked && !sameWidth(this.#ranges))
      this.#resize("alpha", Math.max(halfWidth(alpha), halfWidth(beta)));
    else this.#paint();
  }

  #goHome(): void {
    const { alpha, beta } = this.#ranges;
    this.#commit({ alpha: around(0, halfWidth(alpha)), beta: around(0, halfWidth(beta)) });
  }

  #paint(): void {
    const { alpha, beta } = this.#ranges;
    this.#link.setAttribute("aria-pressed", String(this.#linked));
    this.#link.title = this.#linked ? "Give each axis a width of its own" : "Give both axes the same width";
    redraw(this.#link, this.#linked ? "link" : "unlink");
    this.#parts.split(!(this.#linked && same(this.#ranges)));
    for (const name of NAMES) this.#sliders[name].set(halfWidth(this.#ranges[name]));
    show(this.#centre, !(centred(alpha) && centred(beta)));
    this.#parts.tidy();
  }
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
