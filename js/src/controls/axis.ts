// One direction: where it comes from, its seed or its eigenvalue.

import { signed } from "../protocol/format";
import type { AxisChoice, Pair } from "../protocol/messages";
import { h, listen, say, show, uniqueId } from "./dom";

export interface SourceOption {
  readonly source: AxisChoice["source"];
  readonly index: number;
  readonly label: string;
}

export interface AxisControl {
  readonly element: HTMLElement;
  setSources(sources: readonly SourceOption[]): void;
  set(choice: AxisChoice): void;
  setPairs(pairs: readonly Pair[], computing: boolean): void;
  enable(enabled: boolean): void;
}

const SEEDS = 100_000;

function keyOf({ source, index }: Pick<AxisChoice, "source" | "index">): string {
  return source === "random" ? "random" : `${source}:${index}`;
}

export function axisControl(
  letter: "α" | "β",
  onCommit: (choice: AxisChoice) => void,
  signal: AbortSignal,
): AxisControl {
  const parts = build(letter);
  const { select, value, seed, again, random } = parts;
  let sources: readonly SourceOption[] = [];
  let choice: AxisChoice = { source: "random", seed: 0, index: 0 };
  let known: { pairs: readonly Pair[]; computing: boolean } = { pairs: [], computing: false };
  const paint = () => {
    select.value = keyOf(choice);
    seed.value = String(choice.seed);
    show(random, choice.source === "random");
    say(value, choice.source === "hessian" ? eigenvalue(choice.index, known.pairs, known.computing) : "");
  };
  const commit = (next: AxisChoice) => {
    choice = next;
    paint();
    onCommit(next);
  };
  const pick = () => {
    const option = sources.find((source) => keyOf(source) === select.value);
    if (option) commit({ source: option.source, index: option.index, seed: choice.seed });
  };
  const reseed = () => {
    const next = Number.parseInt(seed.value, 10);
    if (Number.isSafeInteger(next) && next >= 0 && next !== choice.seed) commit({ ...choice, seed: next });
    else paint();
  };
  listen(select, "change", pick, signal);
  listen(seed, "change", reseed, signal);
  listen(again, "click", () => commit({ ...choice, seed: Math.floor(Math.random() * SEEDS) }), signal);
  return {
    element: parts.element,
    setSources(next) {
      sources = next;
      select.replaceChildren(
        ...next.map((source) => h("option", { value: keyOf(source) }, source.label.replaceAll("λ_", "λ"))),
      );
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
      for (const control of [select, seed, again]) control.disabled = !enabled;
    },
  };
}

function eigenvalue(index: number, pairs: readonly Pair[], computing: boolean): string {
  const pair = pairs.find((candidate) => candidate.index === index);
  if (pair !== undefined && pair.value !== null) return signed(pair.value);
  return computing ? "computing…" : "";
}

function build(letter: "α" | "β") {
  const select = h("select", { id: uniqueId() });
  const value = h("span", { class: "lw-in-select", "aria-live": "off" });
  const seedId = uniqueId();
  const seed = h("input", { type: "number", min: "0", step: "1", id: seedId });
  const again = h(
    "button",
    {
      type: "button",
      class: "lw-icon",
      title: "Draw again, with a new seed",
      "aria-label": `Draw ${letter} again`,
    },
    "⟳",
  );
  const random = h("div", { class: "lw-seed" }, h("label", { for: seedId }, "seed"), seed, again);
  const name = letter === "α" ? "alpha" : "beta";
  const element = h(
    "div",
    { class: "lw-axis", role: "group", "aria-label": `Direction ${name}` },
    h("label", { for: select.id, class: "lw-letter" }, letter),
    h("div", { class: "lw-select" }, select, value),
    random,
  );
  return { element, select, value, seed, again, random };
}
