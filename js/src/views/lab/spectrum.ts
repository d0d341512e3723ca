// The spectrum explorer: density and rug, the history of a training run, the table of eigenpairs.

import { textButton } from "../../controls/button";
import { h, listen, say, show, uniqueId } from "../../controls/dom";
import { type PairTable, pairTable } from "../../controls/pairs";
import { segmented } from "../../controls/segmented";
import { slider } from "../../controls/slider";
import { historyFigure } from "../../plots/history";
import { Plot } from "../../plots/plot";
import { type DensityScale, spectrumFigure } from "../../plots/spectrum";
import { modelChannel, newId, type WidgetModel } from "../../protocol/channel";
import { count, number } from "../../protocol/format";
import type { Matrix, SpectrumSettings, SpectrumState } from "../../protocol/messages";
import { LabClient, type LabNow } from "./client";
import { LabShell, type ShellPage } from "./shell";
import { jobOf, summaryOf } from "./spectrum-words";

const STEPS = [5, 10, 20, 30, 40, 50, 60, 80, 100, 150, 200];
const PROBES = [1, 2, 3, 5, 8, 10, 15, 20, 30, 50];
const WIDTHS = Array.from({ length: 15 }, (_, i) => 2 ** ((i - 8) / 2));
const MATRICES: readonly { value: Matrix; label: string; title: string }[] = [
  { value: "hessian", label: "Hessian", title: "H, all of the curvature" },
  { value: "gauss_newton", label: "Gauss–Newton", title: "G, without the model's own curvature" },
  { value: "difference", label: "H − G", title: "what the model's own curvature adds" },
];

export class SpectrumView {
  readonly #client: LabClient<SpectrumState>;
  readonly #shell: LabShell;
  readonly #main = h("div", { class: "lw-plot", role: "img", "aria-label": "Density of the eigenvalues" });
  readonly #past = h("div", {
    class: "lw-plot",
    role: "img",
    "aria-label": "Eigenvalues and trace over training",
  });
  readonly #pastBox: HTMLElement;
  readonly #sentence = h("p", { class: "lw-sentence" });
  readonly #caution = h("p", { class: "lw-caution" });
  readonly #density: Plot;
  readonly #history: Plot;
  readonly #controls: Controls;
  #scale: DensityScale = "log";
  #drawn: unknown = null;
  #look = "";

  constructor(
    model: WidgetModel,
    el: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    this.#client = new LabClient<SpectrumState>(model, modelChannel(model), "spectrum", signal, () =>
      this.#shell.schedule(),
    );
    this.#density = new Plot(this.#main, signal);
    this.#history = new Plot(this.#past, signal);
    this.#pastBox = h("div", { class: "lw-spectrum-past", hidden: true }, this.#past);
    const main = h("div", { class: "lw-spectrum-main" }, this.#main);
    const stage = h("div", { class: "lw-spectrum" }, this.#sentence, this.#caution, main, this.#pastBox);
    this.#controls = controls(
      {
        onSettings: (part) => this.#client.request({ ...this.#client.settings, ...part }),
        onChoose: () => this.#shell.schedule(),
        onSend: (index, axis) =>
          void this.#client.say({ id: newId(), kind: "request", purpose: "send", index, axis }),
      },
      signal,
    );
    const scale = segmented<DensityScale>(
      "Density axis",
      [
        { value: "log", label: "Log", title: "single eigenvalues are seen beside the many near zero" },
        { value: "linear", label: "Linear", title: "areas are shares" },
      ],
      (value) => {
        this.#scale = value;
        this.#shell.schedule();
      },
      signal,
    );
    scale.set("log");
    this.#shell = new LabShell(
      model,
      el,
      {
        ...{
          name: "Spectrum",
          job: "the spectrum",
          stage,
          column: this.#controls.element,
          tools: [scale.element],
        },
        onCancel: () => this.#client.cancel(),
        onPause: (paused) => this.#client.pause(paused),
        onUpdate: (page) => this.#update(page),
        onResize: () => {
          this.#density.resize();
          this.#history.resize();
        },
      },
      signal,
    );
  }

  mount(): void {
    this.#shell.mount();
    this.#client.start();
  }

  #update(page: ShellPage): void {
    const { now, settings } = this.#client;
    const { state } = now;
    this.#controls.set(now, settings);
    say(this.#sentence, state?.sentence.replaceAll("λ_", "λ") ?? "");
    say(this.#caution, state?.caution ?? "");
    show(this.#caution, (state?.caution ?? "") !== "");
    this.#shell.say({
      job: jobOf(now),
      caption: [state?.caption, now.arrays.has("steps") ? state?.history : ""]
        .filter(Boolean)
        .join(" Below: "),
      problem: now.problem,
      summary: summaryOf(now),
    });
    if (state !== null) void this.#draw(now, state, page);
  }

  async #draw(now: LabNow<SpectrumState>, state: SpectrumState, page: ShellPage): Promise<void> {
    const { arrays } = now;
    const dress = { theme: page.theme, font: page.font, roomy: page.width >= 560, arrays };
    const chosen = this.#controls.table.chosen;
    const look = JSON.stringify([page.theme, dress.roomy, this.#scale, chosen]);
    const fresh = this.#drawn !== arrays;
    const key = `${state.run}.${state.seq}`;
    const past = arrays.has("steps");
    if (this.#pastBox.hidden === past) show(this.#pastBox, past);
    this.#drawn = arrays;
    const patient = now.end === null && fresh && look === this.#look;
    this.#look = look;
    await Promise.all([
      this.#density.draw(spectrumFigure({ ...dress, state, scale: this.#scale, chosen, key }), patient),
      past ? this.#history.draw(historyFigure({ ...dress, axis: state.history_axis, key }), patient) : null,
    ]);
    requestAnimationFrame(() => {
      if (!this.signal.aborted) this.#client.acknowledge();
    });
  }
}

interface Controls {
  readonly element: HTMLElement;
  readonly table: PairTable;
  set(now: LabNow<SpectrumState>, settings: SpectrumSettings): void;
}

interface Actions {
  readonly onSettings: (part: Partial<SpectrumSettings>) => void;
  readonly onChoose: () => void;
  readonly onSend: (index: number, axis: "alpha" | "beta") => void;
}

function controls({ onSettings, onChoose, onSend }: Actions, signal: AbortSignal): Controls {
  const matrix = segmented("Matrix", MATRICES, (value) => onSettings({ matrix: value }), signal);
  const layer = layerSelect((name) => onSettings({ layer: name }), signal);
  const steps = slider(
    "Steps",
    (value) => count(value),
    (value) => onSettings({ steps: value }),
    signal,
  );
  const probes = slider(
    "Probes",
    (value) => count(value),
    (value) => onSettings({ probes: value }),
    signal,
  );
  let base = Number.NaN;
  const words = (value: number) =>
    Number.isFinite(base) ? `σ = ${number(base * value, 2)}` : `× ${number(value, 2)}`;
  const width = slider("Width", words, (value) => onSettings({ width: value }), signal);
  const seed = seedField((value) => onSettings({ seed: value }), signal);
  const table = pairTable(onChoose, onSend, signal);
  const sliders = h("div", { class: "lw-sliders" }, steps.element, probes.element, width.element);
  const section = (title: string, ...parts: HTMLElement[]) =>
    h("section", { class: "lw-section" }, h("h3", {}, title), ...parts);
  return {
    element: h(
      "div",
      { class: "lw-column" },
      section("Matrix", matrix.element, layer.element),
      section("Density", sliders, seed.element),
      section("Eigenpairs", table.element),
    ),
    table,
    set(now, settings) {
      const { state } = now;
      const live = now.link === "live";
      matrix.set(settings.matrix);
      layer.set(state, settings.layer);
      steps.setStops(withValue(STEPS, settings.steps));
      probes.setStops(withValue(PROBES, settings.probes));
      width.setStops(withValue(WIDTHS, settings.width));
      if (state?.width != null) base = state.width / state.settings.width;
      steps.set(settings.steps);
      probes.set(settings.probes);
      width.set(settings.width);
      seed.set(settings.seed);
      for (const control of [matrix, layer, steps, probes, width, seed]) control.enable(live);
      const computing = state !== null && state.pair_outcome === "running" && now.end === null;
      table.set({ pairs: state?.pairs ?? [], computing, axes: state?.axes ?? [], live });
    },
  };
}

const lists = new Map<readonly number[], Map<number, readonly number[]>>();

/** The stops with a value of the kernel's among them; the same list for the same value. */
function withValue(stops: readonly number[], value: number): readonly number[] {
  const near = stops.find((stop) => Math.abs(stop - value) < 1e-9 * stop);
  if (near === value) return stops;
  const known = lists.get(stops) ?? new Map<number, readonly number[]>();
  lists.set(stops, known);
  const made = known.get(value) ?? [...stops.filter((stop) => stop !== near), value].sort((a, b) => a - b);
  known.set(value, made);
  return made;
}

function layerSelect(onChange: (name: string) => void, signal: AbortSignal) {
  const id = uniqueId();
  const select = h("select", { id });
  listen(select, "change", () => onChange(select.value), signal);
  const label = h("label", { for: id, class: "lw-hidden" }, "Layer");
  const element = h("div", { class: "lw-select lw-layer" }, label, select);
  let shown = "";
  let whole = 0;
  return {
    element,
    set(state: SpectrumState | null, chosen: string) {
      const layers = state?.layers ?? [];
      if (state?.settings.layer === "") whole = state.size;
      else if (whole === 0) whole = layers.reduce((sum, { size }) => sum + size, 0);
      const key = JSON.stringify([layers, whole]);
      if (key !== shown) {
        const all = h("option", { value: "" }, `whole model · ${count(whole)}`);
        const each = layers.map(({ name, size }) =>
          h("option", { value: name }, `layer ${name} · ${count(size)}`),
        );
        select.replaceChildren(all, ...each);
      }
      shown = key;
      show(element, layers.length > 0);
      select.value = chosen;
    },
    enable(enabled: boolean) {
      select.disabled = !enabled;
    },
  };
}

function seedField(onChange: (seed: number) => void, signal: AbortSignal) {
  const id = uniqueId();
  const input = h("input", { type: "number", id, min: "0", step: "1" });
  let known = 0;
  const again = textButton("Draw again", () => onChange(known + 1), signal);
  listen(
    input,
    "change",
    () => {
      const value = Math.trunc(Number(input.value));
      if (Number.isSafeInteger(value) && value >= 0) onChange(value);
      else input.value = String(known);
    },
    signal,
  );
  return {
    element: h("div", { class: "lw-draw" }, h("label", { class: "lw-seed", for: id }, "seed", input), again),
    set(seed: number) {
      known = seed;
      if (document.activeElement !== input) input.value = String(seed);
    },
    enable(enabled: boolean) {
      input.disabled = !enabled;
      again.disabled = !enabled;
    },
  };
}
