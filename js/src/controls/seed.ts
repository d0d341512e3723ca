// A seed: typed, or drawn anew.

import { iconButton } from "./button";
import { h, listen, uniqueId } from "./dom";

/** Seeds drawn by the button are below this: short enough to be read out. */
const SEEDS = 100_000;

export interface Seed {
  readonly element: HTMLElement;
  set(seed: number): void;
  enable(enabled: boolean): void;
}

export function seedField(again: string, onCommit: (seed: number) => void, signal: AbortSignal): Seed {
  const id = uniqueId();
  const input = h("input", { type: "number", min: "0", step: "1", id });
  let now = Number.NaN;
  const commit = () => {
    const next = Number(input.value);
    if (input.value !== "" && Number.isSafeInteger(next) && next >= 0) {
      if (next !== now) onCommit(next);
    } else input.value = String(now);
  };
  listen(input, "change", commit, signal);
  const button = iconButton("again", again, () => onCommit(Math.floor(Math.random() * SEEDS)), signal);
  return {
    element: h("div", { class: "lw-seed" }, h("label", { for: id }, "seed"), input, button),
    set(seed) {
      if (seed === now) return;
      now = seed;
      input.value = String(seed);
    },
    enable(enabled) {
      input.disabled = button.disabled = !enabled;
    },
  };
}
