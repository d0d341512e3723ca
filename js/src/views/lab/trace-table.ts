// The table of a trace lab: which methods run, how each is drawn, and what it has found.

import { h, listen, say } from "../../controls/dom";
import type { Theme } from "../../plots/palette";
import { count, number } from "../../protocol/format";
import type { TraceCurve, TraceMethod, TraceOffer, TraceState } from "../../protocol/messages";
import { wearOf } from "./trace-figures";
import { outcomeText, valueText } from "./trace-words";

export interface TraceTable {
  readonly element: HTMLElement;
  set(
    state: TraceState | null,
    chosen: readonly TraceMethod[],
    theme: Theme,
    stopped: boolean,
    live: boolean,
  ): void;
}

const HEADS = ["Method", "Trace", "Probes", "Products", "Losses", "Cost", "Outcome"] as const;
const TITLES: Readonly<Record<string, string>> = {
  Products: "Hessian-vector products, 2 gradient evaluations each",
  Losses: "Evaluations of the loss, 1/3 of a gradient evaluation each",
  Cost: "In gradient evaluations",
};

interface Row {
  readonly element: HTMLElement;
  readonly input: HTMLInputElement;
  set(curve: TraceCurve | undefined, offer: TraceOffer, theme: Theme, stopped: boolean): void;
}

export function traceTable(
  onChange: (methods: readonly TraceMethod[]) => void,
  onPoint: (method: TraceMethod | null) => void,
  signal: AbortSignal,
): TraceTable {
  const body = h("tbody");
  const heads = HEADS.map((name) => h("th", { scope: "col", title: TITLES[name] ?? null }, name));
  const table = h("table", { class: "lw-traces" }, h("thead", {}, h("tr", {}, ...heads)), body);
  const element = h(
    "div",
    { class: "lw-trace-table", role: "region", "aria-label": "Methods", tabindex: "0" },
    table,
  );
  let rows = new Map<TraceMethod, Row>();
  const change = () => onChange([...rows].filter(([, { input }]) => input.checked).map(([method]) => method));
  const rebuild = (offered: readonly TraceOffer[]) => {
    rows = new Map(offered.map(({ method, name }) => [method, row(name, change, signal)]));
    body.replaceChildren(...[...rows.values()].map((one) => one.element));
    for (const [method, { element: line }] of rows) {
      for (const event of ["pointerenter", "focusin"] as const)
        listen(line, event, () => onPoint(method), signal);
      for (const event of ["pointerleave", "focusout"] as const)
        listen(line, event, () => onPoint(null), signal);
    }
  };
  return {
    element,
    set(state, chosen, theme, stopped, live) {
      if (state === null) return;
      if (state.offered.some(({ method }) => !rows.has(method))) rebuild(state.offered);
      for (const offer of state.offered) {
        const { input, set } = rows.get(offer.method) as Row;
        input.checked = chosen.includes(offer.method);
        input.disabled = !live || !offer.available || (input.checked && chosen.length === 1);
        set(
          state.curves.find(({ method }) => method === offer.method),
          offer,
          theme,
          stopped,
        );
      }
    },
  };
}

function row(name: string, onChange: () => void, signal: AbortSignal): Row {
  const input = h("input", { type: "checkbox", "aria-label": `Estimate by ${name}` });
  listen(input, "change", onChange, signal);
  const swatch = h("span", { class: "lw-swatch", "aria-hidden": "true" });
  const note = h("span", { class: "lw-trace-note" });
  const words = h("span", { class: "lw-trace-name" }, h("span", {}, name), note);
  const head = h("th", { scope: "row" }, h("label", { class: "lw-check" }, input, swatch, words));
  const value = h("span", { class: "lw-trace-value" });
  const kind = h("span", { class: "lw-trace-note" });
  const numbers = [0, 1, 2, 3].map(() => h("td", { class: "lw-number" }));
  const outcome = h("td");
  const element = h("tr", {}, head, h("td", { class: "lw-number" }, value, kind), ...numbers, outcome);
  return {
    element,
    input,
    set(curve, offer, theme, stopped) {
      paintSwatch(swatch, offer.method, theme);
      element.classList.toggle("lw-off", curve === undefined);
      say(note, curve?.details || offer.note);
      say(value, curve === undefined ? "" : valueText(curve));
      say(kind, curve === undefined || curve.value === null ? "" : kindText(curve));
      const { probes, products, evaluations, cost } = curve ?? {};
      [probes, products, evaluations].forEach((one, i) => {
        say(numbers[i] as HTMLElement, one === undefined ? "" : one === 0 ? "–" : count(one));
      });
      say(numbers[3] as HTMLElement, cost === undefined ? "" : number(cost, 4));
      say(outcome, curve === undefined ? "" : outcomeText(curve, stopped));
      outcome.className = curve === undefined ? "" : toneOf(curve);
      outcome.title = curve?.advice ?? "";
    },
  };
}

function kindText({ interval_kind, outcome }: TraceCurve): string {
  return interval_kind === "exact" && outcome !== "running" ? "exact" : `± ${interval_kind}`;
}

function toneOf({ outcome, caution }: TraceCurve): string {
  if (["failed", "not finite", "budget spent"].includes(outcome)) return "lw-warn";
  if (outcome === "running") return "lw-muted";
  return caution === "" ? "lw-ok" : "lw-warn";
}

/** A short line as the plot draws it; drawn as a picture, since CSS knows no such dashes. */
function paintSwatch(swatch: HTMLElement, method: TraceMethod, theme: Theme): void {
  const { colour, dash } = wearOf(method, theme);
  const key = `${colour} ${dash}`;
  if (swatch.dataset.wear === key) return;
  swatch.dataset.wear = key;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  const set = (element: SVGElement, values: Readonly<Record<string, string>>) => {
    for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
  };
  set(svg, { width: "28", height: "10", viewBox: "0 0 28 10" });
  set(line, { x1: "0", x2: "28", y1: "5", y2: "5", stroke: colour, "stroke-width": "2.4" });
  if (dash !== "solid") set(line, { "stroke-dasharray": dash.replaceAll("px", "") });
  svg.append(line);
  swatch.replaceChildren(svg);
}
