// The saddle lab on the page: figures, words, linked cameras, counters, and what is asked of the kernel.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SaddleSettings, SaddleState } from "../src/protocol/messages";
import { RecordedKernel } from "./kernel";

type Callback = (event: unknown) => void;
const listeners = new Map<HTMLElement, Map<string, Callback>>();
vi.mock("../src/plots/plotly", () => ({
  Plotly: {
    react: vi.fn(async (el: HTMLElement) => {
      const mine = listeners.get(el) ?? new Map<string, Callback>();
      listeners.set(el, mine);
      return Object.assign(el, { on: (name: string, callback: Callback) => mine.set(name, callback) });
    }),
    restyle: vi.fn(async () => {}),
    relayout: vi.fn(async () => {}),
    purge: vi.fn(),
  },
}));
vi.mock("../src/plots/webgl", () => ({ webglAvailable: () => true, contextsOf: () => () => {} }));
vi.mock("../src/views/style.css", () => ({ default: ".lw-explorer {}" }));

const { saddle } = await import("../src/index");
const { Plotly } = await import("../src/plots/plotly");
const { densityOf, histogramFigure } = await import("../src/plots/histogram");
const { reachOf, roundedRange, sliceFigure, sliceHome } = await import("../src/plots/slices");
const { rangesOf, usualHeights } = await import("../src/views/lab/saddle-stage");
const { extentStops, nextSlice, positiveStops, withScale, withSize } = await import(
  "../src/views/lab/saddle-column"
);
const words = await import("../src/views/lab/saddle-words");

const SETTINGS: SaddleSettings = {
  ...{ n: 500, positive: 600, draws: 1000, shown: 0, seed: 0 },
  ...{ scale: "raw", extent: 0.125, points: 3 },
};

const ROWS: Readonly<Record<string, readonly number[]>> = {
  random: [2, 1, 2, 1, 0, 1, 2, 1, 2],
  hessian: [0, -4, 0, 4, 0, 4, 0, -4, 0],
  average: [1, 0.5, 1, 0.5, 0, 0.5, 1, 0.5, 1],
  "A-edges": [0, 100, 200, 300],
  "A-counts": [1, 2, 1],
  "A-x": [0, 150, 300],
  "A-density": [0, 0.005, 0],
  "kappa_plus-edges": [0, 1],
  "kappa_plus-counts": [4],
  "kappa_minus-edges": [0, 1],
  "kappa_minus-counts": [4],
};

function stateOf(more: Partial<SaddleState> = {}): SaddleState {
  const kinds = ["minimum", "maximum", "saddle", "flat"] as const;
  const counts = [146, 100, 754, 0].map((count, i) => ({
    shows: kinds[i] as (typeof kinds)[number],
    ...{ count, lower: 0.1 * i, upper: 0.1 * i + 0.05, predicted: 0.1469, predicted_error: 0.0011 },
  }));
  const pictures = (["random", "hessian", "average"] as const).map((array, i) => ({
    ...{ array, title: `Slice ${i}`, note: "along λ_max", shows: "saddle", alpha: "α", beta: "β" },
    ...{ extent: 0.125, length: 31.64, kappa: [1001, -1001] },
  }));
  const shape = (name: string, law: string, marked: number | null) => ({
    ...{ name, title: name, law, exact: law === "exact density", marked },
  });
  return {
    ...{ v: 1, kind: "saddle", id: "k", run: 1, seq: 0, settings: SETTINGS, toy: true, size: 1001 },
    ...{ sentence: "146 of 1,000 show a minimum.", caution: "", caption: "caption <b>", status: "drawn" },
    ...{ done: 1000, total: 1000, seconds_left: null, trace: 200, trace_error: 0, trace_exact: true },
    ...{ counts, prediction: "Predicted: ‖H‖_F², λ_max.", pictures, scales: ["raw", "unit"] as const },
    histograms: [
      shape("A", "exact density", 200),
      shape("kappa_plus", "asymptotic law", null),
      shape("kappa_minus", "", null),
    ],
    ...{ lengths: [31.64, 1], arrays: [] },
    ...more,
  };
}

const ARRAYS = new Map(Object.entries(ROWS).map(([name, row]) => [name, Float32Array.from(row)]));

describe("figures", () => {
  const slice = {
    ...{ name: "random", heights: ARRAYS.get("random") as Float32Array, extent: 3.95 },
    ...{ alpha: "α (distance)", beta: "β (distance)", range: [-4, 4] as const },
    ...{ theme: "light" as const, font: "serif", heightTitle: "ΔL" },
  };

  it("draws a slice over its distance, coloured about zero", () => {
    const { data, layout, threeD } = sliceFigure(slice);
    const [surface] = data as readonly Record<string, unknown>[];
    expect(threeD).toBe(true);
    expect(surface?.x).toEqual([-3.95, 0, 3.95]);
    expect(((surface?.z ?? []) as readonly Float32Array[]).map((row) => [...row])).toEqual([
      [2, 1, 2],
      [1, 0, 1],
      [2, 1, 2],
    ]);
    expect([surface?.cmin, surface?.cmax]).toEqual([-4, 4]);
    expect(JSON.stringify(layout)).toContain("α (distance)");
  });

  it("keeps its structure while heights stream, and draws nothing of NaN alone", () => {
    const finer = { ...slice, heights: new Float32Array(25) };
    expect(sliceFigure(finer).key).toBe(sliceFigure(slice).key);
    expect(sliceFigure({ ...slice, heights: new Float32Array(9).fill(Number.NaN) }).data).toHaveLength(1);
    expect(reachOf(new Float32Array([Number.NaN]))).toBeNull();
  });

  it("rounds ranges outward, and never to nothing", () => {
    expect(roundedRange(-7.8, 7.9)).toEqual([-8, 8]);
    const [lo, hi] = roundedRange(0, 0);
    expect(hi).toBeGreaterThan(lo);
  });

  it("sees a narrow plot from farther away", () => {
    const far = (width: number) => Math.hypot(...Object.values(sliceHome(width, 300).eye));
    expect(far(200)).toBeGreaterThan(far(330));
  });

  it("compares slices on one height scale unless one flattens the other", () => {
    expect(usualHeights(ARRAYS)).toBe("same");
    const tall = new Map([...ARRAYS, ["hessian", Float32Array.from([0, 900, -900])] as const]);
    expect(usualHeights(tall)).toBe("own");
    expect(rangesOf(ARRAYS, "same").random).toEqual(rangesOf(ARRAYS, "same").hessian);
    const own = rangesOf(ARRAYS, "own");
    expect(own.random).toEqual(own.average);
    expect(own.random).not.toEqual(own.hessian);
    expect(usualHeights(new Map())).toBe("same");
  });

  it("draws histograms of area 1 under their law, the trace marked", () => {
    const row = (name: string) => ARRAYS.get(name) as Float32Array;
    const bars = {
      ...{ name: "A", title: "A", edges: row("A-edges"), counts: row("A-counts"), law: "exact density" },
      ...{ x: row("A-x"), density: row("A-density"), exact: true },
    };
    expect(densityOf(bars).reduce((sum, one) => sum + 100 * one, 0)).toBeCloseTo(1, 12);
    const scene = { title: "A", marked: 200, markWords: "tr H 200", theme: "dark" as const, font: "serif" };
    const figure = histogramFigure({ ...scene, bars: [bars] });
    expect(figure.data).toHaveLength(2);
    expect((figure.data[1] as { line: { dash: string } }).line.dash).toBe("solid");
    expect(JSON.stringify(figure.layout)).toContain("tr H 200");
    const singular = { ...bars, density: Float32Array.from([0, Infinity, 0]), exact: false };
    const [, law] = histogramFigure({ ...scene, bars: [singular] }).data as readonly { y?: unknown[] }[];
    expect(law?.y).toEqual([0, null, 0]);
  });
});

describe("words", () => {
  it("writes shares in percent with the digits that they deserve", () => {
    const shares = [0, 1, 0.158, 0.00005, 0.0038, null].map((share) => words.percent(share));
    expect(shares).toEqual(["0", "100", "15.8", "0.005", "0.38", "–"]);
  });

  it("writes curvatures and subscripts", () => {
    expect(words.curvature(-306123)).toBe("−306,000");
    expect(words.curvature(0.01234)).toBe("0.0123");
    expect(words.subscripts("along λ_max and ‖H‖_F²")).toEqual([
      ["along λ", false],
      ["max", true],
      [" and ‖H‖", false],
      ["F", true],
      ["²", false],
    ]);
  });

  it("says how the trace is known", () => {
    expect(words.traceText(stateOf())).toBe("tr H = 200");
    expect(words.traceText(stateOf({ trace_exact: false, trace_error: 0.83 }))).toBe("tr H ≈ 200 ± 0.8");
    expect(words.traceText(stateOf({ trace: null }))).toBe("tr H –");
  });

  it("moves on within the sample, and draws one more at its end", () => {
    expect(nextSlice(SETTINGS)).toEqual({ shown: 1, draws: 1000 });
    expect(nextSlice({ ...SETTINGS, shown: 999 })).toEqual({ shown: 1000, draws: 1001 });
  });

  it("keeps the share of ñ and the region", () => {
    expect(withSize(SETTINGS, 100)).toEqual({ n: 100, positive: 120 });
    expect(withScale(stateOf(), SETTINGS, "unit")).toEqual({ scale: "unit", extent: 0.125 * 31.64 });
    expect(positiveStops(5, 6)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(extentStops(31.64, 31.64, 0.125)).toContain(0.125);
    expect(extentStops(31.64, 31.64, 0.13)).toContain(0.13);
    expect(extentStops(31.64, 1, 0.125 * 31.64)).toHaveLength(31);
  });
});

describe("the view", () => {
  let kernel: RecordedKernel;
  let el: HTMLElement;
  let end: () => void;
  const tick = (ms = 40) => new Promise((resolve) => setTimeout(resolve, ms));
  const say = async (more: Partial<SaddleState> = {}) => {
    const names = Object.keys(ROWS);
    const arrays = names.map((name) => {
      const length = (ROWS[name] as readonly number[]).length;
      return { name, dtype: "float32" as const, shape: length === 9 ? [3, 3] : [length] };
    });
    const buffers = names.map((name) => new DataView(Float32Array.from(ROWS[name] as number[]).buffer));
    kernel.reply({ ...stateOf(more), arrays }, buffers);
    await tick();
  };
  const button = (name: string) =>
    [...el.querySelectorAll("button")].find(({ textContent }) => textContent === name) as HTMLButtonElement;
  const asked = () => kernel.last("request").settings as SaddleSettings;
  const slider = (name: string) => {
    const label = [...el.querySelectorAll("label")].find(({ textContent }) => textContent === name);
    return el.querySelector(`#${label?.htmlFor}`) as HTMLInputElement;
  };

  beforeEach(async () => {
    vi.stubGlobal("requestAnimationFrame", (frame: FrameRequestCallback) => setTimeout(frame, 0));
    vi.stubGlobal("cancelAnimationFrame", clearTimeout);
    vi.clearAllMocks();
    listeners.clear();
    kernel = new RecordedKernel({
      settings: SETTINGS,
      snapshot: null,
      title: "Toy",
      subtitle: "",
      footer: "",
    });
    el = document.createElement("div");
    document.body.append(el);
    end = saddle.render({ model: kernel, el });
    await tick();
  });

  afterEach(() => {
    end();
    document.body.replaceChildren();
    vi.unstubAllGlobals();
  });

  it("shows the sentence, the counters beside what was predicted, and text as text", async () => {
    await say();
    expect(el.querySelector(".lw-verdict strong")?.textContent).toBe("146 of 1,000 show a minimum.");
    const rows = [...el.querySelectorAll(".lw-counts tbody tr")].map((row) =>
      [...row.children].map(({ textContent }) => textContent),
    );
    expect(rows[0]).toEqual(["minimum", "146", "14.60 – 5.0", "14.7± 0.11"]);
    expect(rows.reduce((sum, row) => sum + Number(row[1]), 0)).toBe(1000);
    expect(el.querySelector(".lw-caption")?.textContent).toContain("caption <b>");
    expect(el.textContent).toContain("Predicted: ‖H‖F², λmax.");
    // A plot asks for more once it has rested from drawing.
    await vi.waitFor(() => expect(kernel.all("ack").length).toBeGreaterThan(0), 4000);
  });

  it("asks for another slice, for more, and for other saddles", async () => {
    await say();
    button("Draw again").click();
    expect([asked().shown, asked().draws]).toEqual([1, 1000]);
    button("Draw 1,000").click();
    expect([asked().shown, asked().draws]).toEqual([1, 2000]);
    const n = slider("n");
    n.value = String(Number(n.value) - 1);
    n.dispatchEvent(new Event("change"));
    expect([asked().n, asked().positive]).toEqual([200, 240]);
    const positive = slider("ñ");
    positive.value = "0";
    positive.dispatchEvent(new Event("change"));
    expect(asked().positive).toBe(0);
    (el.querySelector('input[value="unit"]') as HTMLInputElement).click();
    expect([asked().scale, asked().extent]).toEqual(["unit", 0.125 * 31.64]);
  });

  it("offers the filter scale to models only", async () => {
    await say();
    const filter = el.querySelector('input[value="filter"]')?.closest("label") as HTMLElement;
    expect(filter.hidden).toBe(true);
    await say({ seq: 1, toy: false, scales: ["raw", "unit", "filter"], lengths: [31.6, 1, 17] });
    expect(filter.hidden).toBe(false);
    expect((el.querySelector('[aria-label="The toy saddle"]') as HTMLElement).hidden).toBe(true);
  });

  it("links the cameras: one turned by hand or key turns all", async () => {
    await say();
    const hosts = [...el.querySelectorAll<HTMLElement>(".lw-slice-plot .lw-plot")];
    expect(hosts).toHaveLength(3);
    const camera = { eye: { x: 1, y: 1, z: 1 }, center: { x: 0, y: 0, z: 0 }, up: { x: 0, y: 0, z: 1 } };
    const first = hosts[0] as HTMLElement;
    listeners.get(first)?.get("plotly_relayout")?.({ "scene.camera": camera });
    await tick();
    const turned = vi
      .mocked(Plotly.relayout)
      .mock.calls.map(([host, update]) => [host, update["scene.camera"]]);
    expect(turned).toEqual([
      [hosts[1], camera],
      [hosts[2], camera],
    ]);
    // What plotly reports of it goes no further round.
    for (const host of hosts) listeners.get(host)?.get("plotly_relayout")?.({ "scene.camera": camera });
    await tick();
    expect(Plotly.relayout).toHaveBeenCalledTimes(2);
    hosts[2]?.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
    await tick();
    expect(Plotly.relayout).toHaveBeenCalledTimes(5);
    hosts[1]?.dispatchEvent(new KeyboardEvent("keydown", { key: "0", bubbles: true }));
    await tick();
    expect(Plotly.relayout).toHaveBeenCalledTimes(8);
  });

  it("draws again only what has changed", async () => {
    await say();
    const before = vi.mocked(Plotly.react).mock.calls.length;
    expect(before).toBe(5);
    await say({ seq: 1 });
    expect(Plotly.react).toHaveBeenCalledTimes(5);
    const restyled = vi.mocked(Plotly.restyle).mock.calls.map(([host]) => host.closest(".lw-slice"));
    expect(restyled.filter((one) => one !== null)).toEqual([]);
  });

  it("keeps the last good picture under an error", async () => {
    await say();
    kernel.reply({ kind: "error", id: null, purpose: "saddle", message: "expected n", advice: "pass 500" });
    await tick();
    expect(el.querySelector(".lw-error")?.textContent).toBe("expected npass 500");
    expect(el.querySelectorAll(".lw-counts tbody tr")).toHaveLength(4);
  });

  it("says beside the curvatures that the point is not critical", async () => {
    await say({ caution: "Not a critical point" });
    const note = el.querySelector(".lw-caution-note") as HTMLElement;
    expect([note.hidden, note.textContent]).toEqual([false, "Not a critical point"]);
  });
});
