// The column of a saddle lab: what happened, the counters beside what was predicted, what to draw.

import { textButton } from "../../controls/button";
import { h, say, show } from "../../controls/dom";
import { seedField } from "../../controls/seed";
import { segmented } from "../../controls/segmented";
import { slider } from "../../controls/slider";
import { count, extent as extentText } from "../../protocol/format";
import type { SaddleSettings, SaddleState, SliceScale } from "../../protocol/messages";
import { errorText, intervalText, percent, subscripts, traceText } from "./saddle-words";

export const MORE = 1000;
const SIZES = [1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];
const SCALES: readonly { value: SliceScale; label: string; title: string }[] = [
  { value: "raw", label: "Raw", title: "Gaussian directions as they are, about √P long" },
  { value: "unit", label: "Unit", title: "directions of length 1" },
  { value: "filter", label: "Filter", title: "every filter as long as the model's own" },
];

export type Ask = (part: Partial<SaddleSettings>) => void;

/** Values of ñ that the slider stops at: a hundredth of 2n apart, and the one that holds. */
export function positiveStops(n: number, now: number): number[] {
  const even = Array.from({ length: 101 }, (_, i) => Math.round((2 * n * i) / 100));
  return sorted([...even, now]);
}

/** Another n with as large a share of directions that curve up. */
export function withSize({ n, positive }: SaddleSettings, next: number): Partial<SaddleSettings> {
  return { n: next, positive: Math.round((positive / n) * next) };
}

/** Ranges a factor √2 apart, the same regions on every scale. */
export function extentStops(raw: number, length: number, now: number): number[] {
  const even = Array.from({ length: 31 }, (_, i) => (2 ** ((i - 22) / 2) * raw) / length);
  const there = even.some((stop) => Math.abs(stop / now - 1) < 1e-6);
  return there ? even.map((stop) => (Math.abs(stop / now - 1) < 1e-6 ? now : stop)) : sorted([...even, now]);
}

/** The same region on another scale. */
export function withScale(
  state: SaddleState,
  settings: SaddleSettings,
  scale: SliceScale,
): Partial<SaddleSettings> {
  const length = (of: SliceScale) => state.lengths[state.scales.indexOf(of)] ?? 1;
  return { scale, extent: (settings.extent * length(settings.scale)) / length(scale) };
}

function sorted(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}

export class SaddleColumn {
  readonly element: HTMLElement;
  readonly #sentence = h("strong", {});
  readonly #caution = h("p", { class: "lw-caution-note" });
  /** On top of the column, or of the plots where the column lies beneath them. */
  readonly verdict = h("div", { class: "lw-verdict" }, this.#sentence, this.#caution);
  readonly #counts = h("tbody", {});
  readonly #how = h("p", { class: "lw-note" });
  readonly #trace = h("p", { class: "lw-trace-mark" });
  readonly #toy: HTMLElement;
  readonly #controls;
  readonly #buttons: readonly HTMLButtonElement[];
  readonly #scale;
  #state: SaddleState | null = null;
  #settings: SaddleSettings | null = null;

  constructor(onAsk: Ask, signal: AbortSignal) {
    const ask = (part: (settings: SaddleSettings) => Partial<SaddleSettings>) => {
      if (this.#settings !== null) onAsk(part(this.#settings));
    };
    const n = slider("n", count, (value) => ask((now) => withSize(now, value)), signal);
    const positive = slider(
      "ñ",
      (value) => this.#upwards(value),
      (value) => ask(() => ({ positive: value })),
      signal,
    );
    const range = slider("range", extentText, (value) => ask(() => ({ extent: value })), signal);
    const seed = seedField("Draw another sample", (value) => ask(() => ({ seed: value, shown: 0 })), signal);
    this.#controls = { n, positive, range, seed };
    this.#scale = segmented(
      "Scale of the directions",
      SCALES,
      (value) => ask((now) => (this.#state === null ? { scale: value } : withScale(this.#state, now, value))),
      signal,
    );
    const again = textButton("Draw again", () => ask(nextSlice), signal);
    const more = textButton(
      `Draw ${count(MORE)}`,
      () => ask(({ draws }) => ({ draws: draws + MORE })),
      signal,
    );
    again.title = "Show the next random slice";
    more.title = "Draw so many more random slices";
    this.#buttons = [again, more];
    this.#toy = section("The toy saddle", h("div", { class: "lw-sliders" }, n.element, positive.element));
    this.element = h(
      "div",
      { class: "lw-column lw-saddle-column" },
      this.verdict,
      section(
        "Random slices",
        h("div", { class: "lw-draw" }, again, more),
        this.#table(),
        this.#trace,
        this.#how,
      ),
      this.#toy,
      section("Directions", this.#scale.element, h("div", { class: "lw-sliders" }, range.element)),
      section("Sample", seed.element),
    );
  }

  set(state: SaddleState | null, settings: SaddleSettings, live: boolean): void {
    [this.#state, this.#settings] = [state, settings];
    const { n, positive, range, seed } = this.#controls;
    n.setStops(sorted([...SIZES, settings.n]));
    n.set(settings.n);
    positive.setStops(positiveStops(settings.n, settings.positive));
    positive.set(settings.positive);
    seed.set(settings.seed);
    this.#scale.set(settings.scale);
    for (const control of [n, positive, range, seed, this.#scale]) control.enable(live);
    for (const button of this.#buttons) button.disabled = !live;
    this.#offer(state, settings);
    if (state !== null) this.#tell(state);
  }

  #offer(state: SaddleState | null, settings: SaddleSettings): void {
    show(this.#toy, state?.toy !== false);
    const scales = state?.scales ?? ["raw", "unit"];
    for (const input of this.#scale.element.querySelectorAll("input")) {
      const label = input.closest("label");
      if (label !== null) show(label, scales.includes(input.value as SliceScale));
    }
    const length = (of: SliceScale) => state?.lengths[scales.indexOf(of)] ?? 1;
    const { range } = this.#controls;
    range.setStops(extentStops(length("raw"), length(settings.scale), settings.extent));
    range.set(settings.extent);
  }

  #tell(state: SaddleState): void {
    say(this.#sentence, state.sentence);
    say(this.#caution, state.caution);
    show(this.#caution, state.caution !== "");
    this.verdict.dataset.tone = state.caution === "" ? "" : "saddle";
    say(this.#trace, traceText(state));
    sayRich(this.#how, state.prediction);
    const total = Math.max(state.done, 1);
    const key = JSON.stringify(state.counts);
    if (this.#counts.dataset.told === key) return;
    this.#counts.dataset.told = key;
    this.#counts.replaceChildren(
      ...state.counts.map((one) =>
        h(
          "tr",
          { "data-shows": one.shows },
          h("th", { scope: "row" }, one.shows),
          h("td", {}, count(one.count)),
          h(
            "td",
            {},
            state.done === 0 ? "–" : percent(one.count / total),
            h("span", { class: "lw-interval" }, intervalText(one)),
          ),
          h("td", {}, percent(one.predicted), h("span", { class: "lw-interval" }, errorText(one))),
        ),
      ),
    );
  }

  #table(): HTMLElement {
    const heads = ["shows", "count", "% (95 % interval)", "predicted %"];
    return h(
      "table",
      { class: "lw-counts" },
      h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
      this.#counts,
    );
  }

  #upwards(value: number): string {
    const n = this.#settings?.n;
    return n === undefined ? count(value) : `${count(value)} of ${count(2 * n)}`;
  }
}

/** The next slice of the sample; one more is drawn where there is none. */
export function nextSlice({ shown, draws }: SaddleSettings): Partial<SaddleSettings> {
  return { shown: shown + 1, draws: Math.max(draws, shown + 2) };
}

/** Text whose subscripts stand lower. */
export function sayRich(element: HTMLElement, text: string): void {
  if (element.textContent === text.replaceAll(/(?<=[λ‖])_/gu, "")) return;
  element.replaceChildren(...subscripts(text).map(([part, low]) => (low ? h("sub", {}, part) : part)));
}

function section(title: string, ...children: readonly HTMLElement[]): HTMLElement {
  const label = { class: "lw-section", role: "group", "aria-label": title };
  return h("div", label, h("h3", {}, title), ...children);
}
