// Where the picture stands: one plot, or surface and contour side by side under one cursor.

import { h, show } from "../../controls/dom";
import type { Figure } from "../../plots/figure";
import { Plot } from "../../plots/plot";
import type { Range } from "../../protocol/messages";

interface Seat {
  readonly host: HTMLElement;
  readonly plot: Plot;
}

export class Stage {
  readonly element = h("div", { class: "lw-hosts" });
  readonly #first: Seat;
  /** Made when two pictures are first asked for. */
  #second: Seat | null = null;

  constructor(
    private readonly signal: AbortSignal,
    private readonly onWindow: (alpha: Range, beta: Range) => void,
  ) {
    this.#first = this.#seat(() => this.#second);
  }

  /** The element to measure: its size decides how a picture is laid out. */
  get host(): HTMLElement {
    return this.#first.host;
  }

  /** Makes room for so many pictures. */
  arrange(count: number): void {
    if (count > 1) this.#second ??= this.#seat(() => this.#first);
    this.element.classList.toggle("lw-pair", count > 1);
    if (this.#second === null) return;
    show(this.#second.host, count > 1);
    if (count === 1) this.#first.plot.mark(null);
  }

  async draw(figures: readonly Figure[], patient: boolean): Promise<void> {
    const [first, second] = figures;
    const work = first === undefined ? [] : [this.#first.plot.draw(first, patient)];
    if (second !== undefined && this.#second !== null) work.push(this.#second.plot.draw(second, patient));
    await Promise.all(work);
  }

  resize(): void {
    for (const seat of this.#seats()) if (!seat.host.hidden) seat.plot.resize();
  }

  reset(): void {
    for (const seat of this.#seats()) if (!seat.host.hidden) seat.plot.reset();
  }

  label(...labels: readonly string[]): void {
    this.#seats().forEach(({ host }, i) => {
      if (labels[i] !== undefined) host.setAttribute("aria-label", labels[i]);
    });
  }

  #seats(): Seat[] {
    return this.#second === null ? [this.#first] : [this.#first, this.#second];
  }

  #seat(other: () => Seat | null): Seat {
    const host = h("div", { class: "lw-plot", tabindex: "0", role: "application", "aria-label": "Loss" });
    this.element.append(host);
    const plot = new Plot(host, this.signal, {
      onWindow: this.onWindow,
      onHover: (at) => {
        const seat = other();
        if (seat !== null && !seat.host.hidden) seat.plot.mark(at);
      },
      // A surface asleep is a button of its own: the way to it need not stop here.
      onAsleep: (asleep) => {
        host.tabIndex = asleep ? -1 : 0;
      },
    });
    return { host, plot };
  }
}
