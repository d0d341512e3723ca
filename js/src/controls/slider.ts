// A slider over a list of stops: the number follows the thumb, the value is committed on release.

import { h, listen, say, uniqueId } from "./dom";

export interface Slider {
  readonly element: HTMLElement;
  setStops(stops: readonly number[]): void;
  /** Sets the value, and says it anew: what its words depend on may have changed. */
  set(value: number): void;
  rename(label: string): void;
  enable(enabled: boolean): void;
}

function nearest(stops: readonly number[], value: number): number {
  let best = 0;
  stops.forEach((stop, i) => {
    if (Math.abs(stop - value) < Math.abs((stops[best] as number) - value)) best = i;
  });
  return best;
}

export function slider(
  label: string,
  format: (value: number) => string,
  onCommit: (value: number) => void,
  signal: AbortSignal,
): Slider {
  const id = uniqueId();
  const input = h("input", { type: "range", min: "0", max: "0", step: "1", id });
  const output = h("output", { class: "lw-value", for: id });
  const name = h("label", { for: id }, label);
  let stops: readonly number[] = [];
  let committed = Number.NaN;
  const current = () => stops[Number(input.value)] ?? committed;
  const tell = (value: number) => {
    say(output, Number.isNaN(value) ? "" : format(value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  listen(input, "input", () => tell(current()), signal);
  listen(
    input,
    "change",
    () => {
      if (current() === committed) return;
      committed = current();
      onCommit(committed);
    },
    signal,
  );
  const place = () => {
    input.max = String(Math.max(stops.length - 1, 0));
    input.value = String(nearest(stops, committed));
    tell(committed);
  };
  return {
    element: h("div", { class: "lw-row" }, name, input, output),
    setStops(next) {
      if (next === stops) return;
      stops = next;
      place();
    },
    set(value) {
      const resting = input.value === String(nearest(stops, committed));
      if (value === committed) {
        if (resting) tell(committed);
        return;
      }
      committed = value;
      place();
    },
    rename(next) {
      say(name, next);
    },
    enable(enabled) {
      input.disabled = !enabled;
    },
  };
}
