import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { frame, RecordedKernel, SETTINGS, SOURCES } from "./kernel";

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
const webgl = await import("../src/plots/webgl");

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
    kernel.result("k", "picture"); // one that streams on would rest first, by the clock
    await settle();
    expect(vi.mocked(Plotly.react).mock.calls).toHaveLength(reacts);
    expect(Plotly.restyle).toHaveBeenCalledWith(
      expect.anything(),
      expect.objectContaining({ z: expect.arrayContaining([expect.any(Array)]) }),
      expect.arrayContaining([0]),
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

describe("what the view asks for", () => {
  const traits = {
    settings: SETTINGS,
    options: { sources: SOURCES, extents: [1, 2, 4], resolutions: [7, 13] },
  };
  const requests = (kernel: RecordedKernel) => kernel.all("request");
  const labelled = (label: string) => el.querySelector<HTMLElement>(`[aria-label="${label}"]`) as HTMLElement;
  const radio = (value: string) => el.querySelector<HTMLInputElement>(`input[value="${value}"]`);

  it("keeps the region where only a normalisation changed", async () => {
    const kernel = new RecordedKernel({ ...traits });
    const end = explorer.render({ model: kernel, el });
    await settle();
    const scale = labelled("Normalisation of β") as HTMLSelectElement;
    expect(scale.value).toBe("filter");
    scale.value = "raw";
    scale.dispatchEvent(new Event("change"));
    const beta = { ...SETTINGS.beta, scale: "raw" };
    expect(kernel.last("request")).toMatchObject({ keep_region: true, settings: { ...SETTINGS, beta } });
    const range = el.querySelector(".lw-ranges input") as HTMLInputElement;
    range.value = "2";
    range.dispatchEvent(new Event("change"));
    expect(kernel.last("request")).toMatchObject({
      keep_region: false,
      settings: { alpha_range: { lo: -4, hi: 4 }, beta_range: { lo: -4, hi: 4 } },
    });
    end();
  });

  it("offers curves beside α and β only where curves are shown", async () => {
    const kernel = new RecordedKernel({ ...traits });
    const end = explorer.render({ model: kernel, el });
    await settle();
    expect(labelled("Curves").hidden).toBe(true);
    radio("curves")?.click();
    await settle();
    expect(labelled("Curves").hidden).toBe(false);
    const words = [...labelled("Further directions").querySelectorAll("label")].map((one) => one.textContent);
    expect(words).toEqual(["Hessian λmax", "Gradient", "<b>mine</b>"]);
    labelled("Further directions").querySelector("input")?.click();
    expect(kernel.last("request")).toMatchObject({ purpose: "curves", settings: { seeds: 0 } });
    const band = labelled("Random band").querySelectorAll("input")[2];
    band?.click();
    expect(kernel.last("request")).toMatchObject({ purpose: "curves", settings: { seeds: 32 } });
    end();
  });

  it("changes colours in the menu, and copies the kernel's code", async () => {
    const kernel = new RecordedKernel({ ...traits, code: "lw.explore()" });
    const end = explorer.render({ model: kernel, el });
    await settle();
    labelled("More").click();
    radio("magma")?.click();
    expect(requests(kernel).at(-1)).toMatchObject({
      purpose: "settings",
      settings: { view: "surface", height: "log", colours: "magma" },
    });
    vi.stubGlobal("navigator", { clipboard: undefined });
    el.querySelector<HTMLButtonElement>(".lw-copy button")?.click();
    await settle();
    expect(el.querySelector<HTMLTextAreaElement>(".lw-copy textarea")?.value).toBe("lw.explore()");
    end();
  });

  it("holds and stops the jobs of the queue", async () => {
    const kernel = new RecordedKernel({ ...traits });
    const end = explorer.render({ model: kernel, el });
    kernel.tile({ run: 1, seq: 0, id: "p", frame: frame(7, [7]), total: 49 });
    kernel.queue({ purpose: "picture", paused: false, position: 1, of: 2 });
    await settle();
    expect(el.querySelector(".lw-job-text")?.textContent).toBe("1 of 2: 0 of 49 points");
    labelled("Pause the picture").click();
    expect(kernel.last("pause")).toMatchObject({ purpose: "picture", paused: true });
    kernel.queue({ purpose: "picture", paused: true, position: 2, of: 2 });
    await settle();
    expect(el.querySelector(".lw-job-text")?.textContent).toBe("paused at 0 of 49 points");
    labelled("Resume the picture").click();
    expect(kernel.last("pause")).toMatchObject({ paused: false });
    labelled("Stop the picture").click();
    expect(kernel.last("cancel")).toMatchObject({ purpose: "picture" });
    end();
  });

  it("shows two plots side by side, and one again", async () => {
    vi.spyOn(webgl, "webglAvailable").mockReturnValue(true);
    const kernel = new RecordedKernel({ ...traits, view: "both" });
    const end = explorer.render({ model: kernel, el });
    kernel.tile({ run: 1, seq: 0, level: 7, done: 49, frame: frame(7, [7]), points: ALL });
    await settle();
    const hosts = [...el.querySelectorAll<HTMLElement>(".lw-plot")];
    expect(hosts.map((host) => host.getAttribute("aria-label"))).toEqual([
      expect.stringContaining("Loss surface"),
      "Loss contour",
    ]);
    const drawn = vi.mocked(Plotly.react).mock.calls.map(([host, data]) => [host, data[0]?.type]);
    expect(drawn).toContainEqual([hosts[0], "surface"]);
    expect(drawn).toContainEqual([hosts[1], "contour"]);
    radio("surface")?.click();
    await settle();
    expect(hosts.map((host) => host.hidden)).toEqual([false, true]);
    end();
    expect(Plotly.purge).toHaveBeenCalledTimes(2);
  });

  it("shows the contour where there is no WebGL, and says so", async () => {
    vi.spyOn(webgl, "webglAvailable").mockReturnValue(false);
    const kernel = new RecordedKernel({ ...traits, view: "both" });
    const end = explorer.render({ model: kernel, el });
    kernel.tile({ run: 1, seq: 0, level: 7, done: 49, frame: frame(7, [7]), points: ALL });
    await settle();
    expect(el.querySelector(".lw-caption")?.textContent).toBe(
      "a caption No WebGL here: showing the contour.",
    );
    expect([...el.querySelectorAll<HTMLElement>(".lw-plot")].filter((host) => !host.hidden)).toHaveLength(1);
    end();
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
    expect(kernel.sent.map((message) => message.kind)).toEqual(["hello", "goodbye"]);
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
