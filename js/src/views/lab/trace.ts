// The trace lab on the page: two plots, a table of methods, a budget and a seed.

import { iconButton } from "../../controls/button";
import { h, listen, say, show, uniqueId } from "../../controls/dom";
import { segmented } from "../../controls/segmented";
import { slider } from "../../controls/slider";
import { Plot } from "../../plots/plot";
import { modelChannel, type WidgetModel } from "../../protocol/channel";
import { count } from "../../protocol/format";
import type { TraceMethod, TraceSettings, TraceState } from "../../protocol/messages";
import { LabClient } from "./client";
import { LabShell, type ShellPage } from "./shell";
import { errorFigure, estimateFigure } from "./trace-figures";
import { traceTable } from "./trace-table";
import { jobOf } from "./trace-words";

const STOPS = [20, 50, 100, 200, 500, 1000, 2000, 5000] as const;
const COSTS = [
  { value: "linear", label: "Linear cost" },
  { value: "log", label: "Log cost" },
] as const;

export class TraceView {
  readonly #client: LabClient<TraceState>;
  readonly #shell: LabShell;
  readonly #estimates: Plot;
  readonly #errors: Plot;
  readonly #parts;
  #log = false;
  #emphasis: TraceMethod | null = null;
  #painted: readonly unknown[] = [];

  constructor(
    model: WidgetModel,
    el: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    this.#client = new LabClient(model, modelChannel(model), "trace", signal, () => this.#shell.schedule());
    this.#parts = build(
      {
        onAsk: (part) => this.#ask(part),
        onAxis: (log) => this.#axis(log),
        onPoint: (method) => this.#point(method),
      },
      signal,
    );
    const { stage, column, places, tools } = this.#parts;
    this.#estimates = new Plot(places[0], signal);
    this.#errors = new Plot(places[1], signal);
    this.#shell = new LabShell(
      model,
      el,
      {
        ...{ name: "Trace of the Hessian", job: "the estimates", stage, column, tools },
        onCancel: () => this.#client.cancel(),
        onPause: (paused) => this.#client.pause(paused),
        onUpdate: (page) => this.#update(page),
        onResize: () => this.#resize(),
      },
      signal,
    );
  }

  mount(): void {
    this.#shell.mount();
    this.#client.start();
  }

  #ask(part: Partial<TraceSettings>): void {
    this.#client.request({ ...this.#client.settings, ...part });
    this.#shell.schedule();
  }

  #axis(log: boolean): void {
    this.#log = log;
    this.#shell.schedule();
  }

  #point(method: TraceMethod | null): void {
    this.#emphasis = method;
    this.#shell.schedule();
  }

  #resize(): void {
    this.#estimates.resize();
    this.#errors.resize();
  }

  #update(page: ShellPage): void {
    const { now, settings } = this.#client;
    const { state } = now;
    const stopped = now.link === "saved" || now.end !== null;
    this.#parts.update(state, settings, now.link !== "saved");
    this.#parts.axis.set(this.#log ? "log" : "linear");
    this.#parts.table.set(state, settings.methods, page.theme, stopped, now.link !== "saved");
    const sentence = state?.sentence ?? "";
    const caption = state?.caption ?? "";
    this.#shell.say({ job: jobOf(now), caption, problem: now.problem, summary: sentence });
    void this.#draw(page, now.end === null && now.job !== null);
  }

  async #draw({ theme, font }: ShellPage, patient: boolean): Promise<void> {
    const { state, arrays } = this.#client.now;
    const painted = [state, this.#log, this.#emphasis, theme, font];
    const fresh = painted.some((one, i) => one !== this.#painted[i]);
    if (state !== null && fresh) {
      this.#painted = painted;
      const scene = { state, arrays, log: this.#log, emphasis: this.#emphasis, theme, font };
      await Promise.all([
        this.#estimates.draw(estimateFigure(scene), patient),
        this.#errors.draw(errorFigure(scene), patient),
      ]);
    }
    requestAnimationFrame(() => {
      if (!this.signal.aborted) this.#client.acknowledge();
    });
  }
}

/** What the error bars and the rings are. */
function barsText({ exact, size }: TraceState): string {
  const bars =
    "± and bands: the 95 % Student t interval of a mean over probes; XTrace's is an error estimate.";
  const rings = "Rings: how far each estimate is from the exact trace.";
  return `${bars} ${exact === null ? `The exact trace would take ${count(size)} products.` : rings}`;
}

interface Actions {
  readonly onAsk: (part: Partial<TraceSettings>) => void;
  readonly onAxis: (log: boolean) => void;
  readonly onPoint: (method: TraceMethod | null) => void;
}

function build({ onAsk, onAxis, onPoint }: Actions, signal: AbortSignal) {
  const table = traceTable((methods) => onAsk({ methods }), onPoint, signal);
  const axis = segmented("Cost axis of the estimates", COSTS, (value) => onAxis(value === "log"), signal);
  const budget = slider("Budget", count, (value) => onAsk({ budget: value }), signal);
  const seed = seedControl((value) => onAsk({ seed: value }), signal);
  const sentence = h("p", { class: "lw-sentence" });
  const cautions = h("div", { class: "lw-cautions" });
  const [first, second] = [place("Estimates against cost"), place("Errors against cost, both log")];
  const stage = h(
    "div",
    { class: "lw-stage lw-trace" },
    sentence,
    h("div", { class: "lw-trace-plots" }, first.element, second.element),
    table.element,
  );
  const note = h(
    "p",
    { class: "lw-note" },
    "gradient evaluations for each method; a larger budget goes on from there",
  );
  const bars = h("p", { class: "lw-note" });
  const column = h(
    "div",
    { class: "lw-column" },
    section("Budget", h("div", { class: "lw-sliders" }, budget.element), note),
    section("Probes", seed.element),
    section("Errors", bars),
    cautions,
  );
  let stops: readonly number[] = STOPS;
  return {
    ...{ stage, column, table, axis },
    tools: [axis.element],
    places: [first.host, second.host] as const,
    update(state: TraceState | null, settings: TraceSettings, live: boolean) {
      if (!stops.includes(settings.budget)) stops = [...STOPS, settings.budget].sort((a, b) => a - b);
      budget.setStops(stops);
      budget.set(settings.budget);
      seed.set(settings.seed);
      for (const control of [budget, seed]) control.enable(live);
      say(sentence, state?.sentence ?? "");
      say(bars, state === null ? "" : barsText(state));
      showCautions(cautions, state);
    },
  };
}

/** What must be known before a value is believed, method by method. */
function showCautions(element: HTMLElement, state: TraceState | null): void {
  const told = (state?.curves ?? []).filter(
    ({ caution, outcome }) => caution !== "" || outcome === "budget spent",
  );
  const key = JSON.stringify(told.map(({ name, caution, advice }) => [name, caution, advice]));
  if (element.dataset.told === key) return;
  element.dataset.told = key;
  element.replaceChildren(
    ...told.map(({ name, caution, advice, outcome }) => {
      const text = [caution, advice].filter((part) => part !== "").join(outcome === "failed" ? ". " : " ");
      return h(
        "div",
        { class: "lw-verdict", "data-tone": "saddle" },
        h("strong", {}, name),
        h("p", {}, text),
      );
    }),
  );
  show(element, told.length > 0);
}

function place(label: string) {
  const host = h("div", { class: "lw-plot", tabindex: "0", role: "application", "aria-label": label });
  return { host, element: h("div", { class: "lw-trace-place" }, host) };
}

const SEEDS = 100_000;

function seedControl(onCommit: (seed: number) => void, signal: AbortSignal) {
  const id = uniqueId();
  const input = h("input", { type: "number", min: "0", step: "1", id });
  let now = 0;
  const commit = () => {
    const next = Number.parseInt(input.value, 10);
    if (Number.isSafeInteger(next) && next >= 0 && next !== now) onCommit(next);
    else input.value = String(now);
  };
  listen(input, "change", commit, signal);
  const again = iconButton("again", "Draw again", () => onCommit(Math.floor(Math.random() * SEEDS)), signal);
  again.title = "Draw the probes again, with a new seed";
  return {
    element: h("div", { class: "lw-seed" }, h("label", { for: id }, "seed"), input, again),
    set(seed: number) {
      if (seed === now && input.value !== "") return;
      now = seed;
      input.value = String(seed);
    },
    enable(enabled: boolean) {
      input.disabled = again.disabled = !enabled;
    },
  };
}

function section(title: string, ...children: readonly HTMLElement[]): HTMLElement {
  const label = { class: "lw-section", role: "group", "aria-label": title };
  return h("div", label, h("h3", {}, title), ...children);
}
