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
  return new Stops(label, format, onCommit, signal);
}

class Stops implements Slider {
  readonly element: HTMLElement;
  readonly #input = h("input", { type: "range", min: "0", max: "0", step: "1", id: uniqueId() });
  readonly #output = h("output", { class: "lw-value", for: this.#input.id });
  readonly #name: HTMLLabelElement;
  #stops: readonly number[] = [];
  #committed = Number.NaN;

  constructor(
    label: string,
    private readonly format: (value: number) => string,
    private readonly onCommit: (value: number) => void,
    signal: AbortSignal,
  ) {
    this.#name = h("label", { for: this.#input.id }, label);
    this.element = h("div", { class: "lw-row" }, this.#name, this.#input, this.#output);
    listen(this.#input, "input", () => this.#tell(this.#current()), signal);
    listen(this.#input, "change", () => this.#commit(), signal);
  }

  setStops(stops: readonly number[]): void {
    if (stops === this.#stops) return;
    this.#stops = stops;
    this.#place();
  }

  set(value: number): void {
    const resting = this.#input.value === String(nearest(this.#stops, this.#committed));
    if (value !== this.#committed) {
      this.#committed = value;
      this.#place();
    } else if (resting) this.#tell(value);
  }

  rename(label: string): void {
    say(this.#name, label);
  }

  enable(enabled: boolean): void {
    this.#input.disabled = !enabled;
  }

  #current(): number {
    return this.#stops[Number(this.#input.value)] ?? this.#committed;
  }

  #commit(): void {
    if (this.#current() === this.#committed) return;
    this.#committed = this.#current();
    this.onCommit(this.#committed);
  }

  #place(): void {
    this.#input.max = String(Math.max(this.#stops.length - 1, 0));
    this.#input.value = String(nearest(this.#stops, this.#committed));
    this.#tell(this.#committed);
  }

  #tell(value: number): void {
    say(this.#output, Number.isNaN(value) ? "" : this.format(value));
    this.#input.setAttribute("aria-valuetext", this.#output.textContent);
  }
}
