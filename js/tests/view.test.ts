import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { frame, RecordedKernel } from "./kernel";

vi.mock("../src/plots/plotly", () => ({
  Plotly: {
    react: vi.fn(async (el: { on?: unknown }) => Object.assign(el, { on: () => {} })),
    restyle: vi.fn(async () => {}),
    relayout: vi.fn(async () => {}),
    purge: vi.fn(),
  },
}));
vi.mock("../src/views/style.css", () => ({ default: ".lw-explorer {}" }));

const { explorer } = await import("../src/index");
const { Plotly } = await import("../src/plots/plotly");

const ALL = Array.from({ length: 49 }, (_, at) => [at, at + 1] as const);
const observers = { made: 0, gone: 0 };

class CountedObserver {
  constructor() {
    observers.made += 1;
  }
  observe(): void {}
  disconnect(): void {
    observers.gone += 1;
  }
}

/** Lets every frame that is due pass; frames are plain turns of the loop here, so no clock decides. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0));
}

let el: HTMLElement;

beforeEach(() => {
  Object.assign(observers, { made: 0, gone: 0 });
  vi.stubGlobal("requestAnimationFrame", (frame: FrameRequestCallback) => setTimeout(frame, 0));
  vi.stubGlobal("cancelAnimationFrame", clearTimeout);
  vi.stubGlobal("ResizeObserver", CountedObserver);
  vi.stubGlobal("MutationObserver", CountedObserver);
  vi.clearAllMocks();
  el = document.createElement("div");
  document.body.append(el);
});

afterEach(() => {
  vi.unstubAllGlobals();
  document.body.replaceChildren();
  delete document.body.dataset.jpThemeLight;
});

/** Listeners on page and window that no signal will remove. */
function countPageListeners() {
  const open = new Set<AbortSignal | symbol>();
  for (const target of [document, window]) {
    vi.spyOn(target, "addEventListener").mockImplementation((...given: unknown[]) => {
      const options = given[2] as { signal?: AbortSignal } | undefined;
      open.add(options?.signal ?? Symbol(String(given[0])));
    });
  }
  return () => [...open].filter((owner) => typeof owner === "symbol" || !owner.aborted).length;
}

describe("the explorer on the page", () => {
  it("says hello, draws what comes, and acknowledges it after painting", async () => {
    const kernel = new RecordedKernel({ title: "digits <b>MLP</b>", subtitle: "10 parameters" });
    const end = explorer.render({ model: kernel, el });
    expect(kernel.last("hello")).toMatchObject({ v: 1 });
    kernel.tile({ run: 1, seq: 0, frame: frame(7, [7]) });
    kernel.tile({ run: 1, seq: 1, level: 7, done: 49, points: ALL });
    await settle();
    expect(Plotly.react).toHaveBeenCalled();
    expect(el.querySelector(".lw-pill")?.textContent).toBe("7 × 7 exact");
    expect(el.querySelector(".lw-subtitle")?.textContent).toBe("digits <b>MLP</b> · 10 parameters");
    expect(el.querySelector(".lw-caption")?.textContent).toBe("a caption");
    expect(kernel.last("ack")).toEqual({ v: 1, kind: "ack", run: 1, seq: 1 });
    end();
  });

  it("restyles values and reacts to structure only", async () => {
    const kernel = new RecordedKernel();
    const end = explorer.render({ model: kernel, el });
    const head = frame(7, [7], { preview: null });
    kernel.tile({ run: 1, seq: 0, level: 7, done: 49, frame: head, points: ALL });
    await settle();
    const reacts = vi.mocked(Plotly.react).mock.calls.length;
    kernel.tile({ run: 1, seq: 1, level: 7, done: 49, points: [[10, 11.5]] });
    await settle();
    expect(vi.mocked(Plotly.react).mock.calls).toHaveLength(reacts);
    expect(Plotly.restyle).toHaveBeenCalledWith(
      expect.anything(),
      expect.objectContaining({ z: [expect.any(Array)] }),
      [0],
    );
    end();
  });

  it("never gives plotly a surface without a value", async () => {
    const kernel = new RecordedKernel();
    const end = explorer.render({ model: kernel, el });
    const points = ALL.map(([at]) => [at, Number.NaN] as const);
    kernel.tile({ run: 1, seq: 0, level: 7, done: 49, frame: frame(7, [7]), points });
    await settle();
    expect(el.querySelector(".lw-pill")?.textContent).toBe("every value is NaN or infinite");
    const types = vi.mocked(Plotly.react).mock.calls.flatMap(([, data]) => data.map((trace) => trace.type));
    expect(types).not.toContain("surface");
    end();
  });

  it("shows a kernel's error under the plot and keeps the picture", async () => {
    const kernel = new RecordedKernel();
    const end = explorer.render({ model: kernel, el });
    kernel.tile({ run: 1, seq: 0, level: 7, done: 49, frame: frame(7, [7]), points: ALL });
    kernel.reply({ kind: "error", id: null, purpose: null, message: "<i>bad</i>", advice: "mend it" });
    await settle();
    expect(el.querySelector("[role=alert]")?.textContent).toBe("<i>bad</i>mend it");
    expect(el.querySelector(".lw-pill")?.textContent).toBe("7 × 7 exact");
    end();
  });

  it("follows the theme of the page", () => {
    document.body.dataset.jpThemeLight = "false";
    const end = explorer.render({ model: new RecordedKernel(), el });
    expect(el.querySelector<HTMLElement>(".lw-explorer")?.dataset.theme).toBe("dark");
    end();
  });

  it("puts one style sheet into a page, however many views", () => {
    const ends = [1, 2].map(() => explorer.render({ model: new RecordedKernel(), el }));
    expect(document.querySelectorAll("style#landscape-widgets-style")).toHaveLength(1);
    for (const end of ends) end();
  });
});

describe("the end of a view", () => {
  it.each(["signal", "cleanup"] as const)("by %s removes all it added", async (by) => {
    const listening = countPageListeners();
    const kernel = new RecordedKernel();
    const owner = new AbortController();
    const end = explorer.render({ model: kernel, el, signal: owner.signal });
    kernel.tile({ run: 1, seq: 0, frame: frame(7, [7]) });
    await settle();
    expect(kernel.listening).toBeGreaterThan(5);
    if (by === "signal") owner.abort();
    else end();
    expect(kernel.listening).toBe(0);
    expect(listening()).toBe(0);
    expect(observers).toEqual({ made: 2, gone: 2 });
    expect(Plotly.purge).toHaveBeenCalledTimes(1);
    expect(el.childElementCount).toBe(0);
    const sent = kernel.sent.length;
    await settle();
    expect(kernel.sent).toHaveLength(sent);
  });

  it("between drawing and painting sends nothing more", async () => {
    const kernel = new RecordedKernel();
    const frames: FrameRequestCallback[] = [];
    vi.stubGlobal("requestAnimationFrame", (callback: FrameRequestCallback) => frames.push(callback));
    vi.stubGlobal("cancelAnimationFrame", () => {});
    const end = explorer.render({ model: kernel, el });
    kernel.tile({ run: 1, seq: 0, frame: frame(7, [7]) });
    for (const callback of frames.splice(0)) callback(0);
    await settle();
    end();
    for (const callback of frames.splice(0)) callback(0);
    expect(kernel.sent.map((message) => message.kind)).toEqual(["hello"]);
  });

  it("of one view leaves the other of the same model alone", async () => {
    const kernel = new RecordedKernel();
    const first = explorer.render({ model: kernel, el });
    const second = explorer.render({ model: kernel, el });
    first();
    kernel.tile({ run: 1, seq: 0, frame: frame(7, [7]) });
    await settle();
    expect(el.querySelectorAll(".lw-explorer")).toHaveLength(1);
    expect(el.querySelector(".lw-pill")?.textContent).toBe("quadratic preview");
    second();
  });

  it("before it began mounts nothing", () => {
    explorer.render({ model: new RecordedKernel(), el, signal: AbortSignal.abort() });
    expect(el.childElementCount).toBe(0);
  });
});
