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
  let sources: readonly SourceOption[] = [];
  let choice: AxisChoice = { source: "random", seed: 0, index: 0, scale: "filter" };
  let known: { pairs: readonly Pair[]; computing: boolean } = { pairs: [], computing: false };
  const commit = (next: AxisChoice, keepRegion = false) => {
    choice = next;
    paint();
    onCommit(next, keepRegion);
  };
  const redraw = () => commit({ ...choice, seed: Math.floor(Math.random() * SEEDS) });
  const parts = build(letter, redraw, signal);
  const { select, value, scale, seed, again, random } = parts;
  const paint = () => {
    select.value = keyOf(choice);
    seed.value = String(choice.seed);
    show(random, choice.source === "random");
    paintScale(scale, choice);
    say(value, choice.source === "hessian" ? eigenvalue(choice.index, known.pairs, known.computing) : "");
  };
  const pick = () => {
    const option = sources.find((source) => keyOf(source) === select.value);
    if (option) commit({ ...choice, source: option.source, index: option.index });
  };
  const reseed = () => {
    const next = Number.parseInt(seed.value, 10);
    if (Number.isSafeInteger(next) && next >= 0 && next !== choice.seed) commit({ ...choice, seed: next });
    else paint();
  };
  listen(select, "change", pick, signal);
  listen(scale, "change", () => commit({ ...choice, scale: scale.value as Scale }, true), signal);
  listen(seed, "change", reseed, signal);
  return {
    element: parts.element,
    setSources(next) {
      if (next === sources) return;
      sources = next;
      select.replaceChildren(...grouped(next));
      paint();
    },
    set(next) {
      choice = next;
      paint();
    },
    setPairs(pairs, computing) {
      known = { pairs, computing };
      paint();
    },
    enable(enabled) {
      for (const control of [select, scale, seed, again]) control.disabled = !enabled;
    },
  };
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
