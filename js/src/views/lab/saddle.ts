// The saddle lab on the page: three surfaces under one camera, histograms, counters, and what to draw.

import { iconButton } from "../../controls/button";
import { segmented } from "../../controls/segmented";
import { modelChannel, type WidgetModel } from "../../protocol/channel";
import type { SaddleSettings, SaddleState } from "../../protocol/messages";
import { LabClient } from "./client";
import { SaddleColumn } from "./saddle-column";
import { type HeightChoice, SaddleStage, usualHeights } from "./saddle-stage";
import { jobOf, summaryOf } from "./saddle-words";
import { LabShell, type ShellPage } from "./shell";

const HEIGHTS: readonly { value: HeightChoice; label: string; title: string }[] = [
  { value: "same", label: "Same heights", title: "one height scale for all three surfaces" },
  { value: "own", label: "Own heights", title: "the Hessian slice has a height scale of its own" },
];

export class SaddleView {
  readonly #client: LabClient<SaddleState>;
  readonly #shell: LabShell;
  readonly #stage: SaddleStage;
  readonly #column: SaddleColumn;
  readonly #heights;
  /** What the user has chosen, or null where the slices decide. */
  #chosen: HeightChoice | null = null;
  #painted: readonly unknown[] = [];

  constructor(
    model: WidgetModel,
    el: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    this.#client = new LabClient(model, modelChannel(model), "saddle", signal, () => this.#shell.schedule());
    this.#stage = new SaddleStage(signal);
    this.#column = new SaddleColumn((part) => this.#ask(part), signal);
    this.#heights = segmented("Heights of the surfaces", HEIGHTS, (value) => this.#choose(value), signal);
    const home = iconButton("reset", "Reset the view", () => this.#stage.reset(), signal);
    const parts = {
      ...{ name: "Saddle lab", job: "the random slices", tools: [this.#heights.element, home] },
      ...{ stage: this.#stage.element, column: this.#column.element },
      onCancel: () => this.#client.cancel(),
      onPause: (paused: boolean) => this.#client.pause(paused),
      onUpdate: (page: ShellPage) => this.#update(page),
      onResize: () => this.#stage.resize(),
    };
    this.#shell = new LabShell(model, el, parts, signal);
  }

  mount(): void {
    this.#shell.mount();
    this.#client.start();
  }

  #ask(part: Partial<SaddleSettings>): void {
    this.#client.request({ ...this.#client.settings, ...part });
    this.#shell.schedule();
  }

  #choose(heights: HeightChoice): void {
    this.#chosen = heights;
    this.#shell.schedule();
  }

  #update(page: ShellPage): void {
    const { now, settings } = this.#client;
    const { state, arrays } = now;
    const heights = this.#chosen ?? usualHeights(arrays);
    this.#heights.set(heights);
    const top = page.narrow ? this.#stage.element : this.#column.element;
    if (this.#column.verdict.parentElement !== top) top.prepend(this.#column.verdict);
    this.#column.set(state, settings, now.link !== "saved");
    const scale =
      heights === "same" ? "One height scale for all three." : "The Hessian slice has its own height scale.";
    const caption = state === null ? "" : `${state.caption} ${scale}`;
    this.#shell.say({ job: jobOf(now), caption, problem: now.problem, summary: summaryOf(state) });
    void this.#draw(page, heights, now.end === null && now.job !== null);
  }

  async #draw(page: ShellPage, heights: HeightChoice, patient: boolean): Promise<void> {
    const { state, arrays } = this.#client.now;
    const painted = [state, heights, page.theme, page.font];
    if (state !== null && painted.some((one, i) => one !== this.#painted[i])) {
      this.#painted = painted;
      await this.#stage.draw({ state, arrays, heights, page }, patient);
    }
    requestAnimationFrame(() => {
      if (!this.signal.aborted) this.#client.acknowledge();
    });
  }
}
