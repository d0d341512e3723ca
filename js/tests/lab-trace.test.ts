// The trace lab on the page: figures, words, table, and what is asked of the kernel.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { TraceCurve, TraceOffer, TraceSettings, TraceState } from "../src/protocol/messages";
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

const { trace } = await import("../src/index");
const { errorFigure, estimateFigure, wearOf } = await import("../src/views/lab/trace-figures");
const { jobOf, plusMinus, valueText } = await import("../src/views/lab/trace-words");

const SETTINGS: TraceSettings = { methods: ["gaussian", "exact"], budget: 100, seed: 3 };

const OFFERED: readonly TraceOffer[] = [
  { method: "gaussian", name: "Hutchinson, Gaussian", note: "mean of vᵀHv", available: true },
  { method: "xtrace", name: "XTrace", note: "both", available: true },
  { method: "differences", name: "Loss differences", note: "needs an objective", available: false },
  { method: "exact", name: "Unit vectors", note: "9 products", available: true },
];

function curveOf(more: Partial<TraceCurve> = {}): TraceCurve {
  return {
    ...{
      method: "gaussian",
      name: "Hutchinson, Gaussian",
      value: 12.31,
      error: 0.1,
      lower: 12.1,
      upper: 12.52,
    },
    ...{ interval_kind: "Student t, 95 %", cost: 8, probes: 4, products: 4, evaluations: 0 },
    ...{ outcome: "complete", advice: "", caution: "", details: "", ...more },
  };
}

const ROWS = {
  cost: [2, 4, 6, 8],
  value: [20, 11, 12, 12.31],
  error: [Number.NaN, 2, 0.5, 0.1],
  half: [Number.NaN, 25, 0.8, 0.21],
  probes: [1, 2, 3, 4],
} as const;

/** A state as the kernel sends it, with the buffers of its arrays; every curve has the same history. */
function stateOf(
  more: Partial<TraceState> = {},
): [TraceState & Record<string, unknown>, Float32Array[], Map<string, Float32Array>] {
  const curves = more.curves ?? [curveOf()];
  const rows = curves.flatMap(({ method }) =>
    method === "exact"
      ? []
      : Object.entries(ROWS).map(([name, row]) => [`${method}-${name}`, Float32Array.from(row)] as const),
  );
  const arrays = rows.map(([name, row]) => ({ name, dtype: "float32" as const, shape: [row.length] }));
  const state: TraceState = {
    ...{ id: "k", run: 1, seq: 0, settings: SETTINGS, offered: OFFERED, exact: null, size: 9 },
    ...{
      sentence: "After 100 gradient evaluations.",
      caption: "a net",
      done: 8,
      total: 100,
      seconds_left: null,
    },
    ...{ v: 1, kind: "trace", ...more, curves, arrays },
  };
  return [{ ...state }, rows.map(([, row]) => row), new Map(rows)];
}

function sceneOf(more: Partial<TraceState> = {}, log = false) {
  const [state, , arrays] = stateOf(more);
  return { state, arrays, log, emphasis: null, theme: "light", font: "serif" } as const;
}

describe("figures", () => {
  it("draws each method as a line in a band that leaves out what is wider than the plot", () => {
    const { data } = estimateFigure(sceneOf());
    const [band, line] = data as readonly Record<string, readonly number[]>[];
    expect(line?.x).toEqual([2, 4, 6, 8]);
    expect(line?.y?.[3]).toBeCloseTo(12.31, 4);
    expect(band?.x).toEqual([6, 8, 8, 6]);
    expect(band?.y?.[1]).toBeCloseTo(12.31 + 0.21, 4);
    expect(band?.y?.[2]).toBeCloseTo(12.31 - 0.21, 4);
  });

  it("says value, error, kind, probes and cost on hover", () => {
    const line = estimateFigure(sceneOf()).data[1] as { hovertext: string[] };
    expect(line.hovertext[3]).toBe(
      "<b>Hutchinson, Gaussian</b><br>12.31 ± 0.21<br>± is Student t, 95 %<br>4 probes, cost 8",
    );
  });

  it("draws the exact value as a level, with its number", () => {
    const { data, layout } = estimateFigure(sceneOf({ exact: 12.3 }));
    expect(data.at(-1)).toMatchObject({ y: [12.3, 12.3] });
    expect(layout.annotations).toMatchObject([{ text: "— exact 12.3" }]);
  });

  it("keeps the last value and the exact one inside", () => {
    const { layout } = estimateFigure(sceneOf({ exact: 9 }));
    const { range } = layout.yaxis as { range: [number, number] };
    expect(range[0]).toBeLessThan(9);
    expect(range[1]).toBeGreaterThan(12.52);
  });

  it("draws errors on log axes with a guide of slope −1/2 and rings for the distance", () => {
    const { data, layout } = errorFigure(sceneOf({ exact: 12.3 }));
    expect(layout.xaxis).toMatchObject({ type: "log" });
    expect(layout.yaxis).toMatchObject({ type: "log" });
    const [guide, line, ring] = data as readonly { x: number[]; y: (number | null)[] }[];
    const [first, , last] = [guide?.y[0] as number, 0, guide?.y[2] as number];
    const slope = Math.log(last / first) / Math.log((guide?.x[2] as number) / (guide?.x[0] as number));
    expect(slope).toBeCloseTo(-0.5, 10);
    expect(line?.y[0]).toBeNull();
    expect(ring?.y[0]).toBeCloseTo(0.01, 4);
  });

  it("changes values alone while the axes stay", () => {
    const [one, two] = [estimateFigure(sceneOf()), estimateFigure(sceneOf({ seq: 1 }))];
    expect(one.key).toBe(two.key);
    expect(estimateFigure(sceneOf({}, true)).key).not.toBe(one.key);
  });

  it("lets the others stand back from the method that is pointed at", () => {
    const curves = [curveOf(), curveOf({ method: "xtrace", name: "XTrace" })];
    const { data } = estimateFigure({ ...sceneOf({ curves }), emphasis: "xtrace" });
    const lines = data.filter(({ hovertext }) => hovertext) as { name: string; line: { width: number } }[];
    expect(lines.map(({ name, line }) => [name, line.width])).toEqual([
      ["Hutchinson, Gaussian", 2],
      ["XTrace", 3],
    ]);
  });

  it("survives a method without a value", () => {
    const empty = curveOf({ method: "xtrace", value: null, error: null, lower: null, upper: null });
    const [state] = stateOf({ curves: [empty] });
    const scene = {
      state,
      arrays: new Map(),
      log: true,
      emphasis: null,
      theme: "dark",
      font: "serif",
    } as const;
    expect(() => [estimateFigure(scene), errorFigure(scene)]).not.toThrow();
  });

  it.each(["light", "dark"] as const)("tells methods apart by colour and by dash in %s", (theme) => {
    const methods = ["gaussian", "rademacher", "deflated", "hutch++", "xtrace", "differences"] as const;
    expect(new Set(methods.map((method) => wearOf(method, theme).colour)).size).toBe(6);
    expect(new Set(methods.map((method) => wearOf(method, theme).dash)).size).toBe(6);
  });
});

describe("words", () => {
  it.each([
    [12.3123, 0.0187, "12.312 ± 0.019"],
    [-1234.5, 56, "−1235 ± 56"],
    [3, Number.NaN, "3"],
    [0.5, 0, "0.5 ± 0"],
    [Number.NaN, 1, "–"],
  ])("writes %s ± %s with the digits that mean something", (value, half, words) => {
    expect(plusMinus(value, half)).toBe(words);
  });

  it("writes an exact value without an error", () => {
    expect(valueText(curveOf({ interval_kind: "exact", value: 4.773731 }))).toBe("4.77373");
  });

  it("says how far a run is, where it waits, and how it ended", () => {
    const [state] = stateOf({ seconds_left: 5 });
    const live = { link: "live", state, arrays: new Map(), wanted: null, end: null, problem: null } as const;
    const job = { purpose: "lab", paused: false, position: 2, of: 3 } as const;
    expect(jobOf({ ...live, job }).text).toBe("2 of 3: 8 of 100 gradient evaluations in all · 5 s left");
    expect(jobOf({ ...live, job: { ...job, paused: true } })).toMatchObject({ paused: true, part: 0.08 });
    expect(jobOf({ ...live, job: null }).text).toBe("100 gradient evaluations each");
    expect(jobOf({ ...live, link: "saved", job: null }).text).toMatch(/^no kernel/);
  });
});

describe("view", () => {
  let el: HTMLElement;
  let kernel: RecordedKernel;
  const owner = () => new AbortController();

  beforeEach(() => {
    vi.stubGlobal("requestAnimationFrame", (frame: FrameRequestCallback) => setTimeout(frame, 0));
    vi.stubGlobal("cancelAnimationFrame", clearTimeout);
    vi.stubGlobal(
      "ResizeObserver",
      class {
        observe(): void {}
        disconnect(): void {}
      },
    );
    el = document.createElement("div");
    document.body.append(el);
    kernel = new RecordedKernel({ settings: SETTINGS, snapshot: null, title: "net" });
  });

  afterEach(() => {
    vi.unstubAllGlobals();
    document.body.replaceChildren();
  });

  async function settle(): Promise<void> {
    for (let turn = 0; turn < 12; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0));
  }

  async function shown(more: Partial<TraceState> = {}, signal = owner().signal) {
    trace.render({ model: kernel, el, signal });
    await settle();
    const [message, buffers] = stateOf(more);
    kernel.reply(message, buffers);
    await settle();
  }

  const input = (name: string) => el.querySelector(`[aria-label="Estimate by ${name}"]`) as HTMLInputElement;

  it("shows the sentence and a row a method, and acknowledges what it has drawn", async () => {
    await shown();
    expect(el.querySelector(".lw-sentence")?.textContent).toBe("After 100 gradient evaluations.");
    const rows = [...el.querySelectorAll("tbody tr")].map((row) => row.textContent);
    expect(rows).toHaveLength(4);
    expect(rows[0]).toContain("12.31 ± 0.21");
    expect(rows[0]).toContain("± Student t, 95 %");
    expect(input("Loss differences").disabled).toBe(true);
    expect(kernel.last("ack")).toMatchObject({ run: 1, seq: 0 });
  });

  it("asks for the methods that are checked, and never for none", async () => {
    await shown({ settings: { ...SETTINGS, methods: ["gaussian"] } });
    input("XTrace").click();
    expect(kernel.last("request")).toMatchObject({
      purpose: "trace",
      settings: { methods: ["gaussian", "xtrace", "exact"], budget: 100, seed: 3 },
    });
    input("Hutchinson, Gaussian").click();
    await settle();
    input("XTrace").click();
    await settle();
    expect(kernel.last("request")).toMatchObject({ settings: { methods: ["exact"] } });
    expect(input("Unit vectors").disabled).toBe(true);
  });

  it("asks for another budget and another seed", async () => {
    await shown();
    const budget = el.querySelector('input[type="range"]') as HTMLInputElement;
    budget.value = String(Number(budget.value) + 1);
    budget.dispatchEvent(new Event("change"));
    expect(kernel.last("request")).toMatchObject({ settings: { budget: 200, seed: 3 } });
    const seed = el.querySelector('input[type="number"]') as HTMLInputElement;
    seed.value = "17";
    seed.dispatchEvent(new Event("change"));
    expect(kernel.last("request")).toMatchObject({ settings: { seed: 17 } });
    (el.querySelector('[aria-label="Draw again"]') as HTMLButtonElement).click();
    expect(kernel.last("request")).not.toMatchObject({ settings: { seed: 17 } });
  });

  it("shows cautions, failures and spent budgets beside the plot, as text", async () => {
    const kinks = curveOf({ caution: "The loss has kinks (<b>ReLU</b>)." });
    const failed = curveOf({
      method: "xtrace",
      name: "XTrace",
      outcome: "failed",
      caution: "no",
      advice: "try",
    });
    await shown({ curves: [kinks, failed] });
    const told = [...el.querySelectorAll(".lw-cautions > div")].map((box) => box.textContent);
    expect(told).toEqual(["Hutchinson, GaussianThe loss has kinks (<b>ReLU</b>).", "XTraceno. try"]);
  });

  it("shows a saved state without a kernel, and offers nothing that needs one", async () => {
    const [message, buffers] = stateOf();
    kernel.traits.snapshot = { message, buffers: buffers.map((row) => new DataView(row.buffer)) };
    kernel.dead = true;
    trace.render({ model: kernel, el, signal: owner().signal });
    await settle();
    expect(el.textContent).toContain("no kernel: showing the saved estimates");
    expect(input("XTrace").disabled).toBe(true);
    expect((el.querySelector('input[type="range"]') as HTMLInputElement).disabled).toBe(true);
  });

  it("leaves no listener and no element behind", async () => {
    const leaving = owner();
    await shown({}, leaving.signal);
    leaving.abort();
    await settle();
    expect(kernel.listening).toBe(0);
    expect(el.childElementCount).toBe(0);
    expect(kernel.last("goodbye")).toBeTruthy();
  });
});
