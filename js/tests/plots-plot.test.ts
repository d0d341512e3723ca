import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { contourFigure } from "../src/plots/contour";
import { curvesFigure } from "../src/plots/curves";
import type { Plane } from "../src/plots/figure";
import { surfaceFigure } from "../src/plots/surface";
import { windowBetween } from "../src/plots/window";
import { paint } from "../src/views/explorer/painter";
import type { Picture } from "../src/views/explorer/state";
import { pointsOf, sceneOf, trackOf } from "./plots";

type Callback = (event: unknown) => void;
const listeners = new Map<string, Callback>();
const emit = (name: string, event: unknown = {}) => listeners.get(name)?.(event);

vi.mock("../src/plots/plotly", () => ({
  Plotly: {
    react: vi.fn(async (el: object) =>
      Object.assign(el, { on: (name: string, callback: Callback) => listeners.set(name, callback) }),
    ),
    restyle: vi.fn(async () => {}),
    relayout: vi.fn(async () => {}),
    toImage: vi.fn(async () => ""),
    purge: vi.fn(),
  },
}));
const webgl = vi.hoisted(() => ({ available: true }));
vi.mock("../src/plots/webgl", () => ({ webglAvailable: () => webgl.available, contextsOf: () => () => {} }));

const { Plotly } = await import("../src/plots/plotly");
const { Plot } = await import("../src/plots/plot");

const hooks = { onWindow: vi.fn(), onHover: vi.fn(), onAsleep: vi.fn() };
const AREA = { _offset: 50, _length: 200 };
let host: HTMLElement;
let owner: AbortController;
let plot: InstanceType<typeof Plot>;

beforeEach(() => {
  vi.stubGlobal("requestAnimationFrame", (frame: FrameRequestCallback) => setTimeout(frame, 0));
  vi.clearAllMocks();
  listeners.clear();
  host = document.createElement("div");
  host.getBoundingClientRect = () => new DOMRect(10, 20, 300, 300);
  Object.assign(host, { _fullLayout: { xaxis: AREA, yaxis: AREA } });
  document.body.append(host);
  owner = new AbortController();
  plot = new Plot(host, owner.signal, hooks);
});

afterEach(() => {
  owner.abort();
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

const path = { frame: { tracks: [trackOf()] } };

describe("a streaming picture", () => {
  it("restyles all its traces in one call, and reacts no more", async () => {
    await plot.draw(surfaceFigure(sceneOf({ ...path, level: 7, extra: [1] })));
    const next = surfaceFigure(sceneOf({ ...path, level: 7, extra: [1, 2] }));
    await plot.draw(next);
    expect(Plotly.react).toHaveBeenCalledTimes(1);
    expect(Plotly.restyle).toHaveBeenCalledTimes(1);
    const [, update, traces] = vi.mocked(Plotly.restyle).mock.lastCall ?? [];
    expect(traces).toEqual(next.values.map(({ trace }) => trace));
    expect(traces?.length).toBeGreaterThan(3);
    for (const [name, list] of Object.entries(update ?? {}))
      expect(list).toEqual(next.values.map(({ attributes }) => attributes[name]));
  });
});

describe("a plot on a page that moves", () => {
  it("is drawn anew where its size has changed, and only there", async () => {
    let height = 480;
    Object.defineProperties(host, { clientWidth: { value: 800 }, clientHeight: { get: () => height } });
    await plot.draw(surfaceFigure(sceneOf()));
    plot.resize();
    expect(Plotly.react).toHaveBeenCalledTimes(1);
    height = 522;
    plot.resize();
    await vi.waitFor(() => expect(Plotly.react).toHaveBeenCalledTimes(2));
    const [, , layout] = vi.mocked(Plotly.react).mock.lastCall ?? [];
    expect(layout).toMatchObject({ width: 800, height: 522 });
  });
});

describe("the pace of drawing", () => {
  const streaming = (known: number) => surfaceFigure(sceneOf({ level: 7, extra: [known] }));
  /** The next drawing seems to take so long that the plot rests for as long as it ever does. */
  const slowly = () => vi.spyOn(performance, "now").mockReturnValueOnce(0).mockReturnValueOnce(1e6);
  const shown = () => vi.waitFor(() => expect(Plotly.react).toHaveBeenCalledTimes(1));

  it("draws no figure twice", async () => {
    const figure = surfaceFigure(sceneOf());
    await plot.draw(figure, true);
    await plot.draw(figure);
    expect(Plotly.react).toHaveBeenCalledTimes(1);
    expect(Plotly.restyle).not.toHaveBeenCalled();
  });

  it("asks for more once it has rested, and then draws the newest", async () => {
    slowly();
    const events: string[] = [];
    vi.mocked(Plotly.restyle).mockImplementation(async () => void events.push("drawn"));
    const first = plot.draw(streaming(1), true).then(() => void events.push("asked"));
    await shown();
    const late = plot.draw(streaming(2), true);
    await first;
    const newest = streaming(3);
    void plot.draw(newest, true);
    await late;
    expect(events).toEqual(["asked", "drawn"]);
    const update = vi.mocked(Plotly.restyle).mock.lastCall?.[1] as { z: unknown[] };
    expect(update.z[0]).toEqual(newest.values[0]?.attributes.z);
  });

  it("rests no longer when the picture ends", { timeout: 1500 }, async () => {
    slowly();
    const work = plot.draw(streaming(1), true);
    await shown();
    await vi.waitFor(() => expect(performance.now).toHaveBeenCalledTimes(2));
    await plot.draw(streaming(2));
    await work;
    expect(Plotly.restyle).toHaveBeenCalledTimes(1);
  });
});

describe("hover", () => {
  it("tells the place once, and when the pointer leaves", async () => {
    await plot.draw(surfaceFigure(sceneOf()));
    emit("plotly_hover", { points: [{ x: 0.5, y: -1 }] });
    emit("plotly_hover", { points: [{ x: 0.5, y: -1 }] });
    emit("plotly_unhover");
    emit("plotly_unhover");
    expect(hooks.onHover.mock.calls).toEqual([[{ alpha: 0.5, beta: -1 }], [null]]);
  });

  it("says nothing over curves, which show no plane", async () => {
    await plot.draw(curvesFigure(sceneOf()));
    emit("plotly_hover", { points: [{ x: 0.5, y: -1 }] });
    expect(hooks.onHover).not.toHaveBeenCalled();
  });
});

describe("the linked cursor", () => {
  const ring = () => host.querySelector<HTMLElement>(".lw-cursor")?.style.transform ?? null;

  it("stands on the contour, draws nothing anew, and goes", async () => {
    plot.mark({ alpha: 0, beta: 0 });
    expect(ring()).toBeNull();
    await plot.draw(contourFigure(sceneOf()));
    expect(ring()).toBe("translate(142px, 142px)");
    plot.mark({ alpha: 1, beta: 1 });
    expect(ring()).toBe("translate(242px, 42px)");
    plot.mark({ alpha: 1.1, beta: 1 });
    expect(ring()).toBeNull();
    plot.mark({ alpha: 1, beta: 1 });
    plot.mark(null);
    expect(ring()).toBeNull();
    expect(Plotly.react).toHaveBeenCalledTimes(1);
    expect(Plotly.restyle).not.toHaveBeenCalled();
  });

  it("stands on the surface at its height, as its camera sees it", async () => {
    const eye = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
    // Looks along y at half size: x to the right, height upwards.
    const turn = [0.5, 0, 0, 0, 0, 0, 1, 0, 0, 0.5, 0, 0, 0, 0, 0, 1];
    const container = document.createElement("div");
    container.getBoundingClientRect = () => new DOMRect(10, 20, 300, 200);
    const glplot = { cameraParams: { model: eye, view: turn, projection: eye } };
    const scene = { dataScale: [1, 1, 0.25], container, glplot };
    Object.assign(host, { _fullLayout: { scene: { _scene: scene } } });
    await plot.draw(surfaceFigure(sceneOf()));
    plot.mark({ alpha: 1, beta: 0 });
    // α 1 → 0.5; loss 2 · 0.25 · 0.5 = 0.25 → 300 · 0.75 and 200 · 0.375.
    expect(ring()).toBe(`translate(${225 - 8}px, ${75 - 8}px)`);
  });
});

describe("a window dragged on the contour", () => {
  const at = (x: number, y: number) => ({ clientX: x + 10, clientY: y + 20, bubbles: true, button: 0 });
  const drag = (from: [number, number], to: [number, number]) => {
    host.dispatchEvent(new PointerEvent("pointerdown", at(...from)));
    document.dispatchEvent(new PointerEvent("pointermove", at(...to)));
    document.dispatchEvent(new PointerEvent("pointerup", at(...to)));
  };

  it("is told in coordinates, clipped to the axes", async () => {
    await plot.draw(contourFigure(sceneOf()));
    drag([100, 100], [200, 175]);
    drag([200, 200], [0, 0]);
    expect(hooks.onWindow.mock.calls).toEqual([
      [
        { lo: -0.5, hi: 0.5 },
        { lo: -0.25, hi: 0.5 },
      ],
      [
        { lo: -1, hi: 0.5 },
        { lo: -0.5, hi: 1 },
      ],
    ]);
    expect(Plotly.relayout).not.toHaveBeenCalled();
    expect(host.querySelector(".lw-band")).toBeNull();
  });

  it("is none where it is thin, begins outside, is given up, or on other views", async () => {
    await plot.draw(contourFigure(sceneOf()));
    drag([100, 100], [103, 200]);
    drag([100, 100], [200, 102]);
    drag([20, 100], [200, 200]);
    host.dispatchEvent(new PointerEvent("pointerdown", at(100, 100)));
    document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
    document.dispatchEvent(new PointerEvent("pointerup", at(200, 200)));
    await plot.draw(surfaceFigure(sceneOf()));
    drag([100, 100], [200, 200]);
    expect(hooks.onWindow).not.toHaveBeenCalled();
  });

  it("has short numbers and stays within the axes", () => {
    const plane: Plane = {
      alpha: { lo: -0.123456, hi: 7 },
      beta: { lo: 1e-7, hi: 3e-7 },
      heightAt: () => null,
    };
    const area = { left: 0, top: 0, width: 333, height: 333 };
    expect(windowBetween(plane, area, [-5, 100], [101, 400])).toEqual({
      alpha: { lo: -0.12, hi: 2.04 },
      beta: { lo: 1e-7, hi: 2.4e-7 },
    });
  });
});

describe("a lost context", () => {
  it("is rebuilt from an empty element", async () => {
    await plot.draw(surfaceFigure(sceneOf()));
    emit("plotly_webglcontextlost");
    await vi.waitFor(() => expect(Plotly.react).toHaveBeenCalledTimes(2));
    expect(Plotly.purge).toHaveBeenCalledTimes(1);
  });
});

describe("the painter", () => {
  const ends = { id: "", run: 1, seq: 0, total: 169, secondsLeft: null, end: null };
  const picture: Picture = { ...pointsOf(), ...ends };
  const types = (view: "surface" | "contour" | "both" | "curves") => {
    const settings = { view, height: "linear", colours: "viridis" } as const;
    const { figures, withoutWebgl } = paint(picture, settings, "dark", { font: "x", roomy: true }, null);
    return [figures.map(({ data }) => data[0]?.type ?? null), withoutWebgl];
  };

  afterEach(() => {
    webgl.available = true;
  });

  it("makes one figure a plot", () => {
    expect(types("surface")).toEqual([["surface"], false]);
    expect(types("contour")).toEqual([["contour"], false]);
    expect(types("both")).toEqual([["surface", "contour"], false]);
    expect(types("curves")).toEqual([["scatter"], false]);
  });

  it("falls back to the contour without WebGL, and says so", () => {
    webgl.available = false;
    expect(types("surface")).toEqual([["contour"], true]);
    expect(types("both")).toEqual([["contour"], true]);
    expect(types("contour")).toEqual([["contour"], false]);
  });

  it("shows one bar of colours for a pair", () => {
    const settings = { view: "both", height: "linear", colours: "viridis" } as const;
    const { figures } = paint(picture, settings, "light", { font: "x", roomy: true }, null);
    expect(figures.map(({ data }) => data[0]?.colorbar !== undefined)).toEqual([false, true]);
  });
});
