// One direction: where it comes from, how it is normalised, its seed or its eigenvalue.

import { signed } from "../protocol/format";
import type { AxisChoice, Pair, Scale, Source } from "../protocol/messages";
import { iconButton } from "./button";
import { h, listen, say, show, uniqueId } from "./dom";

export interface SourceOption {
  readonly source: Source;
  readonly index: number;
  readonly label: string;
  /** The heading it stands under; empty where it stands under none. */
  readonly group: string;
}

export interface AxisControl {
  readonly element: HTMLElement;
  setSources(sources: readonly SourceOption[]): void;
  set(choice: AxisChoice): void;
  setPairs(pairs: readonly Pair[], computing: boolean): void;
  enable(enabled: boolean): void;
}

/** `keepRegion` is true where only the normalisation changed: the picture should show the same place. */
export type AxisCommit = (choice: AxisChoice, keepRegion: boolean) => void;

const SEEDS = 100_000;

const SCALES: Readonly<Record<Scale, string>> = {
  unit: "The direction has length 1: positions are parameter distances",
  filter: "Each filter of the direction is as long as the model's own filter",
  raw: "The direction as it is drawn, not rescaled",
};

const AS_GIVEN = "The direction as it was given, not rescaled: 1 is its own length";

export function keyOf({ source, index }: Pick<AxisChoice, "source" | "index">): string {
  return source === "random" ? "random" : `${source}:${index}`;
}

/** A direction's name where subscripts cannot be set. */
export function nameOf({ label }: SourceOption): string {
  return label.replaceAll("λ_", "λ");
}

export function axisControl(letter: "α" | "β", onCommit: AxisCommit, signal: AbortSignal): AxisControl {
  return new Axis(letter, onCommit, signal);
}

class Axis implements AxisControl {
  readonly element: HTMLElement;
  readonly #parts: ReturnType<typeof build>;
  #sources: readonly SourceOption[] = [];
  #choice: AxisChoice = { source: "random", seed: 0, index: 0, scale: "filter" };
  /** The seed last shown: what is being typed over it is left alone. */
  #seed = Number.NaN;
  #pairs: readonly Pair[] = [];
  #computing = false;

  constructor(
    letter: "α" | "β",
    private readonly onCommit: AxisCommit,
    signal: AbortSignal,
  ) {
    this.#parts = build(letter, () => this.#commit({ seed: Math.floor(Math.random() * SEEDS) }), signal);
    const { element, select, scale, seed } = this.#parts;
    this.element = element;
    listen(select, "change", () => this.#pick(), signal);
    listen(scale, "change", () => this.#commit({ scale: scale.value as Scale }, true), signal);
    listen(seed, "change", () => this.#reseed(), signal);
  }

  setSources(sources: readonly SourceOption[]): void {
    if (sources === this.#sources) return;
    this.#sources = sources;
    this.#parts.select.replaceChildren(...grouped(sources));
    this.#paint();
  }

  set(choice: AxisChoice): void {
    this.#choice = choice;
    this.#paint();
  }

  setPairs(pairs: readonly Pair[], computing: boolean): void {
    this.#pairs = pairs;
    this.#computing = computing;
    this.#paint();
  }

  enable(enabled: boolean): void {
    const { select, scale, seed, again } = this.#parts;
    for (const control of [select, scale, seed, again]) control.disabled = !enabled;
  }

  #commit(part: Partial<AxisChoice>, keepRegion = false): void {
    this.#choice = { ...this.#choice, ...part };
    this.#paint();
    this.onCommit(this.#choice, keepRegion);
  }

  #pick(): void {
    const option = this.#sources.find((source) => keyOf(source) === this.#parts.select.value);
    if (option) this.#commit({ source: option.source, index: option.index });
  }

  #reseed(): void {
    const seed = Number.parseInt(this.#parts.seed.value, 10);
    if (Number.isSafeInteger(seed) && seed >= 0 && seed !== this.#choice.seed) this.#commit({ seed });
    else this.#parts.seed.value = String(this.#choice.seed);
  }

  #paint(): void {
    const { select, value, scale, seed, random } = this.#parts;
    const { source, index } = this.#choice;
    select.value = keyOf(this.#choice);
    if (this.#seed !== this.#choice.seed) seed.value = String(this.#choice.seed);
    this.#seed = this.#choice.seed;
    show(random, source === "random");
    paintScale(scale, this.#choice);
    say(value, source === "hessian" ? eigenvalue(index, this.#pairs, this.#computing) : "");
  }
}

/** Options under the headings of their groups, in the order in which each group first comes. */
function grouped(sources: readonly SourceOption[]): HTMLElement[] {
  const groups = new Map<string, SourceOption[]>();
  for (const source of sources) groups.set(source.group, [...(groups.get(source.group) ?? []), source]);
  return [...groups].flatMap(([group, members]) => {
    const options = members.map((source) => h("option", { value: keyOf(source) }, nameOf(source)));
    return group === "" ? options : [h("optgroup", { label: group }, ...options)];
  });
}

function paintScale(scale: HTMLSelectElement, { source, scale: chosen }: AxisChoice): void {
  const given = source === "model" || source === "custom";
  const raw = scale.querySelector<HTMLOptionElement>("option[value=raw]");
  if (raw) say(raw, given ? "as given" : "raw");
  scale.value = chosen;
  scale.title = given && chosen === "raw" ? AS_GIVEN : SCALES[chosen];
}

function eigenvalue(index: number, pairs: readonly Pair[], computing: boolean): string {
  const pair = pairs.find((candidate) => candidate.index === index);
  if (pair !== undefined && pair.value !== null) return signed(pair.value);
  return computing ? "computing…" : "";
}

function build(letter: "α" | "β", onAgain: () => void, signal: AbortSignal) {
  const select = h("select", { id: uniqueId() });
  const value = h("span", { class: "lw-in-select", "aria-live": "off" });
  const options = Object.entries(SCALES).map(([name, title]) => h("option", { value: name, title }, name));
  const scale = h("select", { "aria-label": `Normalisation of ${letter}` }, ...options);
  const seedId = uniqueId();
  const seed = h("input", { type: "number", min: "0", step: "1", id: seedId });
  const again = iconButton("again", `Draw ${letter} again`, onAgain, signal);
  again.title = "Draw again, with a new seed";
  const random = h("div", { class: "lw-seed" }, h("label", { for: seedId }, "seed"), seed, again);
  const name = letter === "α" ? "alpha" : "beta";
  const element = h(
    "div",
    { class: "lw-axis", role: "group", "aria-label": `Direction ${name}` },
    h("label", { for: select.id, class: "lw-letter" }, letter),
    h("div", { class: "lw-select" }, select, value),
    h("div", { class: "lw-second" }, h("div", { class: "lw-select lw-scale" }, scale), random),
  );
  return { element, select, value, scale, seed, again, random };
}
