import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type PairTableState, pairTable } from "../src/controls/pairs";
import { historyFigure } from "../src/plots/history";
import { oneEigenvalue, type SpectrumScene, spectrumFigure } from "../src/plots/spectrum";
import type { Pair, SpectrumSettings, SpectrumState } from "../src/protocol/messages";
import { RecordedKernel } from "./kernel";

vi.mock("../src/plots/plotly", () => ({
  Plotly: {
    react: vi.fn(async (el: { on?: unknown }) => Object.assign(el, { on: () => {} })),
    restyle: vi.fn(async () => {}),
    relayout: vi.fn(async () => {}),
    purge: vi.fn(),
  },
}));
vi.mock("../src/views/style.css", () => ({ default: ".lw-explorer {}" }));

const { spectrum } = await import("../src/index");
const { Plotly } = await import("../src/plots/plotly");

const SETTINGS: SpectrumSettings = { matrix: "hessian", layer: "", steps: 50, probes: 10, seed: 0, width: 1 };
const PAIRS: readonly Pair[] = [
  { index: 0, value: 3.09, residual: 2e-6, accepted: true },
  { index: 1, value: 1.5, residual: 0.2, accepted: false },
  { index: -1, value: -0.058, residual: 5e-5, accepted: true },
];

function stateOf(more: Partial<SpectrumState> = {}): SpectrumState {
  return {
    ...{ id: "k", run: 1, seq: 0, settings: SETTINGS, name: "Hessian", size: 1000, mass: 1, width: 0.1 },
    ...{ products: 500, total: 500, sentence: "Most of λ_max.", caution: "", caption: "a caption" },
    ...{ stage: "done", status: "Complete: 500 products", part: 1, pairs: PAIRS, pair_products: 20 },
    ...{
      pair_outcome: "converged",
      checkpoints: 0,
      checkpoints_done: 0,
      history: "a run",
      history_axis: "step",
    },
    ...{ layers: [{ name: "<b>fc</b>", size: 20 }], axes: [], arrays: [], v: 1, kind: "spectrum" },
    ...more,
  } as SpectrumState;
}

const ARRAYS = {
  x: [-1, 0, 1, 2, 3],
  density: [0, 4, 0.001, 1e-9, 0.01],
  spread: [0, 1, 0.0005, 1e-9, 0.02],
  above: [1000, 500, 2, 1, -0.0001],
  nodes: [-0.05, 0, 3.1],
  residuals: [1e-3, 0.1, 1e-7],
};

function arraysOf(parts: Record<string, readonly number[]> = ARRAYS): Map<string, Float32Array> {
  return new Map(Object.entries(parts).map(([name, values]) => [name, Float32Array.from(values)]));
}

function sceneOf(more: Partial<SpectrumScene> = {}): SpectrumScene {
  const dress = { theme: "light", font: "serif", roomy: true, scale: "log", chosen: null, key: "1" } as const;
  return { ...dress, state: stateOf(), arrays: arraysOf(), ...more };
}

type Layout = Record<string, Record<string, unknown>>;

describe("the density", () => {
  it("ends on a log axis below one eigenvalue, and draws nothing lower", () => {
    const { data, layout } = spectrumFigure(sceneOf());
    const one = oneEigenvalue(stateOf()) as number;
    expect(one).toBeCloseTo(1 / (1000 * 0.1 * Math.sqrt(2 * Math.PI)), 12);
    const floor = Math.log10(0.3 * one);
    expect((layout as Layout).yaxis?.range).toEqual([floor, expect.any(Number)]);
    const line = data[2] as { y: number[]; hovertext: string[] };
    expect(line.y.map((y) => Math.round(100 * y))).toEqual(
      [floor, Math.log10(4), Math.log10(0.001), floor, -2].map((y) => Math.round(100 * Math.max(floor, y))),
    );
    expect(line.hovertext[1]).toBe("eigenvalue 0<br>density 4 ± 1<br>about 500 of 1,000 lie above");
    for (const trace of data) expect(((trace.y as number[]) ?? []).every(Number.isFinite)).toBe(true);
  });

  it("begins at zero on a linear axis", () => {
    const { data, layout } = spectrumFigure(sceneOf({ scale: "linear" }));
    expect((layout as Layout).yaxis?.range).toEqual([0, expect.closeTo(5.3, 9)]);
    expect((data[2] as { y: number[] }).y[1]).toBe(4);
  });

  it("has no band where a single probe knows no error", () => {
    const spread = ARRAYS.x.map(() => Number.NaN);
    const { data } = spectrumFigure(sceneOf({ arrays: arraysOf({ ...ARRAYS, spread }) }));
    expect((data[1] as { x: number[] }).x).toEqual([]);
    expect((data[2] as { hovertext: string[] }).hovertext[1]).toContain("density 4<br>");
  });

  it("marks Ritz values, pairs by acceptance, and all eigenvalues where they are known", () => {
    const without = spectrumFigure(sceneOf());
    expect((without.layout as Layout).yaxis2?.ticktext).toEqual(["eigenpairs", "Ritz values"]);
    const { data, layout } = spectrumFigure(
      sceneOf({ arrays: arraysOf({ ...ARRAYS, exact: [-0.06, 3.09] }) }),
    );
    expect((layout as Layout).yaxis2?.ticktext).toEqual(["eigenpairs", "all eigenvalues", "Ritz values"]);
    const [ritz, exact, pairs] = data.slice(3) as {
      x: number[];
      hovertext: string[];
      marker: { color: string[] };
    }[];
    expect([ritz?.x.length, exact?.x.length, pairs?.x.length]).toEqual([3, 2, 3]);
    expect(ritz?.hovertext[0]).toBe("Ritz value −0.05<br>an eigenvalue lies within 1·10⁻³");
    expect(new Set(pairs?.marker.color).size).toBe(2);
    expect(pairs?.hovertext[1]).toContain("not yet within its bound");
  });

  it("says whose eigenvalues they are, as text", () => {
    const state = stateOf({ name: "H − G of layer <b>fc</b>" });
    const { layout } = spectrumFigure(sceneOf({ state }));
    const title = ((layout as Layout).xaxis as { title: { text: string } }).title.text;
    expect(title).toBe(
      "eigenvalue of H − G of layer &lt;b&gt;fc&lt;/b&gt; (loss per squared parameter distance)",
    );
  });

  it("stands empty before there is a node", () => {
    const { data } = spectrumFigure(
      sceneOf({ arrays: new Map(), state: stateOf({ width: null, pairs: [] }) }),
    );
    expect(data.every((trace) => (trace.x as number[]).length === 0)).toBe(true);
  });
});

describe("the training run", () => {
  it("leaves holes where nothing is known yet, and tells the loss", () => {
    const nan = Number.NaN;
    const arrays = arraysOf({
      ...{ steps: [0, 10], losses: [2.5, nan], values: [3, nan, -1, nan] },
      ...{ "value-residuals": [1e-4, nan, 1e-5, nan], traces: [7, nan], "trace-errors": [0.5, nan] },
    });
    const { data } = historyFigure({
      arrays,
      theme: "dark",
      font: "serif",
      roomy: false,
      key: "1",
      axis: "step",
    });
    const [top, bottom, trace] = data as { y: unknown[]; hovertext: string[] }[];
    expect([top?.y, bottom?.y, trace?.y]).toEqual([
      [3, null],
      [-1, null],
      [7, null],
    ]);
    expect(top?.hovertext[0]).toBe("step 0<br>λmax 3, residual 1·10⁻⁴<br>loss 2.5");
    expect(trace?.hovertext[0]).toBe("step 0<br>trace 7 ± 0.5<br>loss 2.5");
  });
});

describe("the table of eigenpairs", () => {
  const owner = new AbortController();
  const made = (more: Partial<PairTableState> = {}) => {
    const [onChoose, onSend] = [vi.fn(), vi.fn()];
    const table = pairTable(onChoose, onSend, owner.signal);
    document.body.append(table.element);
    table.set({
      pairs: PAIRS,
      computing: false,
      axes: ["random, seed 0", "Hessian λ_min"],
      live: true,
      ...more,
    });
    const button = (name: string) =>
      [...table.element.querySelectorAll("button")].find(
        (one) => one.textContent === name,
      ) as HTMLButtonElement;
    return { table, onChoose, onSend, button, rows: () => [...table.element.querySelectorAll("tbody tr")] };
  };
  afterEach(() => document.body.replaceChildren());

  it("lists the largest first, with what was accepted", () => {
    const { rows } = made();
    expect(rows().map((row) => row.textContent)).toEqual([
      "λmax3.092·10⁻⁶✓",
      "λ21.502·10⁻¹not converged",
      "λmin−0.05805·10⁻⁵✓",
    ]);
  });

  it("sends the row that was clicked, or chosen by keyboard", () => {
    const { rows, table, button, onChoose, onSend } = made();
    expect(button("to α").disabled).toBe(true);
    (rows()[2] as HTMLElement).click();
    expect([table.chosen, onChoose.mock.calls]).toEqual([-1, [[-1]]]);
    button("to β").click();
    const radio = rows()[0]?.querySelector("input") as HTMLInputElement;
    radio.checked = true;
    radio.dispatchEvent(new Event("change"));
    button("to α").click();
    expect(onSend.mock.calls).toEqual([
      [-1, "beta"],
      [0, "alpha"],
    ]);
    expect(table.element.textContent).toContain(
      "The linked explorer shows random, seed 0 on α, Hessian λmin on β.",
    );
  });

  it("says how to link an explorer where none is", () => {
    const { rows, button, table } = made({ axes: [] });
    (rows()[0] as HTMLElement).click();
    expect(button("to α").disabled).toBe(true);
    expect(table.element.textContent).toContain("Pass explorer=lw.explore(objective)");
  });

  it("forgets a choice that is gone, and waits while pairs move", () => {
    const { rows, table, button } = made();
    (rows()[0] as HTMLElement).click();
    table.set({ pairs: PAIRS, computing: true, axes: ["a", "b"], live: true });
    expect([table.chosen, button("to α").disabled]).toEqual([0, true]);
    table.set({ pairs: [], computing: false, axes: ["a", "b"], live: true });
    expect(table.chosen).toBeNull();
  });
});

describe("the spectrum on the page", () => {
  let el: HTMLElement;
  class Observer {
    observe(): void {}
    disconnect(): void {}
  }
  beforeEach(() => {
    vi.stubGlobal("requestAnimationFrame", (frame: FrameRequestCallback) => setTimeout(frame, 0));
    vi.stubGlobal("cancelAnimationFrame", clearTimeout);
    vi.stubGlobal("ResizeObserver", Observer);
    vi.stubGlobal("MutationObserver", Observer);
    vi.clearAllMocks();
    el = document.createElement("div");
    document.body.append(el);
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    document.body.replaceChildren();
  });

  async function settle(): Promise<void> {
    for (let turn = 0; turn < 12; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0));
  }

  function send(kernel: RecordedKernel, more: Partial<SpectrumState> = {}): void {
    const entries = Object.entries(ARRAYS);
    const arrays = entries.map(([name, { length }]) => ({
      name,
      dtype: "float32" as const,
      shape: [length],
    }));
    const buffers = entries.map(([, values]) => new DataView(Float32Array.from(values).buffer));
    kernel.reply({ ...stateOf({ ...more, arrays }) } as unknown as Record<string, unknown>, buffers);
  }

  it("draws what comes, says it, and acknowledges it after painting", async () => {
    const kernel = new RecordedKernel({ settings: SETTINGS });
    const end = spectrum.render({ model: kernel, el });
    kernel.result(kernel.last("hello").id as string, "hello");
    send(kernel, { caution: "Few probes." });
    await settle();
    expect(Plotly.react).toHaveBeenCalled();
    expect(el.querySelector(".lw-sentence")?.textContent).toBe("Most of λmax.");
    expect(el.querySelector(".lw-caution")?.textContent).toBe("Few probes.");
    expect(el.querySelector("option:last-child")?.textContent).toBe("layer <b>fc</b> · 20");
    expect(kernel.last("ack")).toEqual({ v: 1, kind: "ack", run: 1, seq: 0 });
    end();
    expect(el.childElementCount).toBe(0);
  });

  it("asks for another matrix, width or layer, and keeps the last good picture under an error", async () => {
    const kernel = new RecordedKernel({ settings: SETTINGS });
    spectrum.render({ model: kernel, el });
    send(kernel);
    await settle();
    const choose = (value: string) => {
      const input = el.querySelector(`input[value="${value}"]`) as HTMLInputElement;
      input.checked = true;
      input.dispatchEvent(new Event("change"));
    };
    choose("difference");
    expect(kernel.last("request")).toMatchObject({
      purpose: "spectrum",
      settings: { matrix: "difference", steps: 50 },
    });
    const select = el.querySelector("select") as HTMLSelectElement;
    select.value = "<b>fc</b>";
    select.dispatchEvent(new Event("change"));
    const asked = kernel.last("request");
    expect(asked).toMatchObject({ settings: { matrix: "difference", layer: "<b>fc</b>" } });
    const drawn = vi.mocked(Plotly.purge).mock.calls.length;
    kernel.reply({
      kind: "error",
      id: asked.id,
      purpose: "spectrum",
      message: "no <i>such</i> layer",
      advice: "try",
    });
    await settle();
    expect(el.querySelector(".lw-error")?.textContent).toBe("no <i>such</i> layertry");
    expect(el.querySelector(".lw-sentence")?.textContent).toBe("Most of λmax.");
    expect(vi.mocked(Plotly.purge).mock.calls.length).toBe(drawn);
  });

  it("sends an eigenpair to the linked explorer", async () => {
    const kernel = new RecordedKernel({ settings: SETTINGS });
    spectrum.render({ model: kernel, el });
    send(kernel, { axes: ["random", "random"] });
    await settle();
    (el.querySelector("tbody tr") as HTMLElement).click();
    [...el.querySelectorAll("button")].find((one) => one.textContent === "to β")?.click();
    expect(kernel.last("request")).toMatchObject({ purpose: "send", index: 0, axis: "beta" });
  });
});
