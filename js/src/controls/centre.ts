// What is known at the centre of the picture, and the verdict on the slice.

import { measured, residual } from "../protocol/format";
import type { Pair, Verdict } from "../protocol/messages";
import { h, lambda, say, show } from "./dom";

export interface CentreTable {
  readonly element: HTMLElement;
  set(loss: number | null, gradientNorm: number | null, pairs: readonly Pair[], computing: boolean): void;
}

export function centreTable(): CentreTable {
  const element = h("dl", { class: "lw-table" });
  let shown = "";
  return {
    element,
    set(loss, gradientNorm, pairs, computing) {
      const key = JSON.stringify([loss, gradientNorm, pairs, computing]);
      if (key === shown) return;
      shown = key;
      element.replaceChildren(
        row([h("span", {}, "loss")], [measured(loss)]),
        row([h("span", { "aria-label": "gradient norm", role: "img" }, "|∇L|")], [measured(gradientNorm)]),
        ...inOrder(pairs).map((pair) => pairRow(pair, computing)),
      );
    },
  };
}

/** Largest first: 0, 1, … then …, −2, −1. */
function inOrder(pairs: readonly Pair[]): Pair[] {
  const rank = ({ index }: Pair) => (index >= 0 ? index : 1e6 + index);
  return [...pairs].sort((a, b) => rank(a) - rank(b));
}

function row(term: readonly (Node | string)[], value: readonly (Node | string)[]): HTMLElement {
  return h("div", {}, h("dt", {}, ...term), h("dd", {}, ...value));
}

function pairRow(pair: Pair, computing: boolean): HTMLElement {
  const grey = (text: string) => h("span", { class: "lw-muted" }, text);
  const name = h("span", {}, ...lambda(pair.index), " ", grey("residual"));
  const mark = pair.accepted
    ? h(
        "span",
        { class: "lw-ok", title: "the residual meets its bound", role: "img", "aria-label": "accepted" },
        "✓",
      )
    : h("span", { class: "lw-warn" }, computing ? "…" : "not converged");
  return row([name], [measured(pair.value), " ", grey(residual(pair.residual)), " ", mark]);
}

export interface VerdictBox {
  readonly element: HTMLElement;
  set(verdict: Verdict | null): void;
}

export function verdictBox(): VerdictBox {
  const title = h("strong", {});
  const text = h("p", {});
  const element = h("div", { class: "lw-verdict", "data-tone": "unknown", hidden: true }, title, text);
  return {
    element,
    set(verdict) {
      show(element, verdict !== null);
      if (verdict === null) return;
      element.dataset.tone = verdict.tone;
      say(title, verdict.title);
      say(text, verdict.text);
    },
  };
}
