// The table of eigenpairs: one row may be chosen, and sent to an axis of the linked explorer.

import { measured, residual } from "../protocol/format";
import type { Pair } from "../protocol/messages";
import { textButton } from "./button";
import { h, lambda, listen, say, show, uniqueId } from "./dom";

export type PairAxis = "alpha" | "beta";

export interface PairTableState {
  readonly pairs: readonly Pair[];
  readonly computing: boolean;
  /** What the linked explorer's axes show; empty where none is linked. */
  readonly axes: readonly string[];
  readonly live: boolean;
}

export interface PairTable {
  readonly element: HTMLElement;
  readonly chosen: number | null;
  set(state: PairTableState): void;
}

const LETTERS = { alpha: "α", beta: "β" } as const;
const UNLINKED = "Pass explorer=lw.explore(objective) to see an eigenvector as an axis of the landscape.";

export function pairTable(
  onChoose: (index: number | null) => void,
  onSend: (index: number, axis: PairAxis) => void,
  signal: AbortSignal,
): PairTable {
  let chosen: number | null = null;
  let shown = "";
  let state: PairTableState | null = null;
  const name = uniqueId();
  const note = uniqueId();
  const body = h("tbody", {});
  const head = h(
    "tr",
    {},
    ...["", "eigenvalue", "residual", ""].map((text) =>
      text ? h("th", { scope: "col" }, text) : h("td", {}),
    ),
  );
  const empty = h("p", { class: "lw-note" }, "They come after the density.");
  const table = h("table", { class: "lw-pairs", "aria-label": "Eigenpairs" }, h("thead", {}, head), body);
  const words = h("p", { class: "lw-note", id: note });
  const send = (axis: PairAxis) => () => chosen !== null && onSend(chosen, axis);
  const buttons = (["alpha", "beta"] as const).map((axis) => {
    const button = textButton(`to ${LETTERS[axis]}`, send(axis), signal);
    button.setAttribute("aria-describedby", note);
    return button;
  });
  const choose = (index: number) => {
    chosen = index;
    refresh();
    onChoose(index);
  };
  const refresh = () => {
    for (const row of body.querySelectorAll("tr")) {
      const mine = row.dataset.index === String(chosen);
      row.classList.toggle("lw-chosen", mine);
      const input = row.querySelector("input");
      if (input !== null) input.checked = mine;
    }
    const linked = (state?.axes.length ?? 0) > 0;
    const ready = state !== null && !state.computing && state.live && linked && chosen !== null;
    for (const button of buttons) button.disabled = !ready;
    say(words, noteOf(state, chosen));
  };
  const row = (pair: Pair, computing: boolean) => {
    const label = lambda(pair.index);
    const input = h("input", { type: "radio", name, "aria-label": `Choose ${textOf(pair.index)}` });
    listen(input, "change", () => input.checked && choose(pair.index), signal);
    const first = h("label", {}, input, h("span", {}, ...label));
    const cells = [first, measured(pair.value), residual(pair.residual), markOf(pair, computing)];
    const made = h("tr", { "data-index": String(pair.index) }, ...cells.map((cell) => h("td", {}, cell)));
    listen(made, "click", () => chosen !== pair.index && choose(pair.index), signal);
    return made;
  };
  const rebuild = ({ pairs, computing }: PairTableState) => {
    const focused = body.contains(document.activeElement) ? chosen : null;
    body.replaceChildren(...inOrder(pairs).map((pair) => row(pair, computing)));
    if (focused !== null) body.querySelector<HTMLElement>(`[data-index="${focused}"] input`)?.focus();
  };
  return {
    element: h("div", {}, empty, table, h("div", { class: "lw-send" }, ...buttons), words),
    get chosen() {
      return chosen;
    },
    set(next) {
      const key = JSON.stringify([next.pairs, next.computing]);
      state = next;
      if (chosen !== null && !next.pairs.some(({ index }) => index === chosen)) chosen = null;
      if (key !== shown) rebuild(next);
      shown = key;
      show(empty, next.pairs.length === 0);
      show(table, next.pairs.length > 0);
      refresh();
    },
  };
}

function noteOf(state: PairTableState | null, chosen: number | null): string {
  if (state === null || state.axes.length === 0) return UNLINKED;
  const [alpha, beta] = state.axes.map((name) => name.replaceAll("λ_", "λ"));
  const how = chosen === null && state.pairs.length > 0 ? "Choose a row to send its eigenvector. " : "";
  return `${how}The linked explorer shows ${alpha} on α, ${beta} on β.`;
}

function textOf(index: number): string {
  return lambda(index)
    .map((part) => (typeof part === "string" ? part : (part.textContent ?? "")))
    .join("");
}

/** Largest first: 0, 1, … then …, −2, −1. */
function inOrder(pairs: readonly Pair[]): Pair[] {
  const rank = ({ index }: Pair) => (index >= 0 ? index : 1e6 + index);
  return [...pairs].sort((a, b) => rank(a) - rank(b));
}

function markOf(pair: Pair, computing: boolean): HTMLElement {
  if (!pair.accepted) return h("span", { class: "lw-warn" }, computing ? "…" : "not converged");
  const title = "the residual meets its bound";
  return h("span", { class: "lw-ok", title, role: "img", "aria-label": "accepted" }, "✓");
}
