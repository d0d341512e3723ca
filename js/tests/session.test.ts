import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { modelChannel } from "../src/protocol/channel";
import type { CurveSettings } from "../src/protocol/messages";
import { Session } from "../src/views/explorer/session";
import { drawing } from "../src/views/explorer/state";
import { slicesJob } from "../src/views/explorer/words";
import { curvesMessage, ESTIMATE, frame, RecordedKernel, SETTINGS, SOURCES } from "./kernel";

const FRAME = frame(7, [7]);
const ALL = Array.from({ length: 49 }, (_, at) => [at, at] as const);
const WIDE = { lo: -8, hi: 8 };

let kernel: RecordedKernel;
let owner: AbortController;
let session: Session;

function open(traits: Record<string, unknown> = { settings: SETTINGS }): void {
  kernel = new RecordedKernel(traits);
  owner = new AbortController();
  session = new Session(kernel, modelChannel(kernel), owner.signal, () => {});
  session.start();
}

function ask(extent: number): string {
  const range = { lo: -extent, hi: extent };
  session.commit({ ...session.settings, alpha_range: range, beta_range: range });
  return kernel.last("request").id as string;
}

beforeEach(() => {
  vi.useFakeTimers();
  open();
});

afterEach(() => {
  owner.abort();
  vi.useRealTimers();
});

describe("a picture", () => {
  it("is adopted with its frame and grows with its tiles", () => {
    kernel.tile({ run: 1, seq: 0, frame: FRAME });
    kernel.tile({ run: 1, seq: 1, points: [[3, 0.5]], done: 1 });
    expect(session.state).toMatchObject({ link: "live", picture: { run: 1, seq: 1, done: 1 } });
    expect(session.state.picture?.values[3]).toBe(0.5);
    expect(session.state.picture?.known[4]).toBe(0);
  });

  it("has an estimate as long as its newest frame names one", () => {
    const estimate = Float32Array.from({ length: 49 }, (_, at) => at / 7);
    kernel.tile({ run: 1, seq: 0, frame: { ...FRAME, estimate: ESTIMATE }, points: [[3, 1]], estimate });
    kernel.tile({ run: 1, seq: 1, points: [[4, 2]] });
    expect(session.state.picture?.estimate?.[7]).toBe(1);
    expect(session.state.picture?.frame.estimate?.held_out).toBe(12);
    kernel.tile({ run: 1, seq: 2, frame: FRAME });
    expect(session.state.picture?.estimate).toBeNull();
  });

  it("drops late tiles of its run and all of earlier runs", () => {
    kernel.tile({ run: 2, seq: 0, frame: FRAME });
    kernel.tile({ run: 2, seq: 3, points: [[0, 3]] });
    const before = session.state.picture;
    kernel.tile({ run: 2, seq: 3, points: [[0, 9]] });
    kernel.tile({ run: 2, seq: 2, points: [[0, 9]] });
    kernel.tile({ run: 1, seq: 9, points: [[0, 9]] });
    kernel.tile({ run: 1, seq: 9, frame: FRAME, points: [[0, 9]] });
    expect(session.state.picture).toBe(before);
  });

  it("is replayed whole for another view, and goes on from the replay's count", () => {
    kernel.tile({ run: 2, seq: 0, frame: FRAME });
    kernel.tile({ run: 2, seq: 7, points: [[0, 3]] });
    kernel.tile({
      run: 2,
      seq: 0,
      frame: FRAME,
      points: [
        [0, 3],
        [1, 4],
      ],
    });
    kernel.tile({ run: 2, seq: 1, points: [[2, 5]] });
    expect([...(session.state.picture?.values.slice(0, 3) ?? [])]).toEqual([3, 4, 5]);
  });

  it("starts empty when a new run begins", () => {
    kernel.tile({ run: 1, seq: 0, frame: FRAME, points: ALL });
    kernel.tile({ run: 2, seq: 0, frame: FRAME });
    expect(session.state.picture?.known.includes(1)).toBe(false);
  });

  it("takes a better frame in mid-run without losing points", () => {
    kernel.tile({ run: 1, seq: 0, frame: FRAME, points: [[5, 6]] });
    const verdict = { title: "A minimum", text: "", tone: "minimum" } as const;
    kernel.tile({ run: 1, seq: 1, frame: { ...FRAME, verdict } });
    expect(session.state.picture?.values[5]).toBe(6);
    expect(session.state.verdict).toEqual(verdict);
  });

  it("has the verdict that comes with the Hessian's ends after it", () => {
    kernel.tile({ run: 1, seq: 0, frame: FRAME, points: ALL });
    const verdict = { title: "A saddle", text: "", tone: "saddle" } as const;
    kernel.result("eigenpairs", "eigenpairs", { verdict });
    expect(session.state.verdict).toEqual(verdict);
  });

  it("that was joined in its midst is asked for again, once", () => {
    const hello = kernel.last("hello").id as string;
    kernel.result(hello, "hello");
    kernel.tile({ run: 3, seq: 5, points: [[0, 1]] });
    kernel.tile({ run: 3, seq: 6, points: [[1, 1]] });
    expect(kernel.sent.filter((message) => message.kind === "hello")).toHaveLength(2);
  });
});

describe("our own request", () => {
  it("makes frames of others wait, until ours comes", () => {
    const id = ask(4);
    kernel.tile({ run: 1, seq: 0, id: "older", frame: FRAME });
    expect(session.state.picture).toBeNull();
    kernel.tile({ run: 2, seq: 0, id, frame: FRAME });
    expect(session.state).toMatchObject({ wanted: null, picture: { id, run: 2 } });
  });

  it("that is superseded by another view looks for that view's picture", () => {
    kernel.result(kernel.last("hello").id as string, "hello");
    const id = ask(4);
    kernel.tile({ run: 2, seq: 0, id: "other view", frame: FRAME });
    kernel.result(id, "picture", { outcome: "cancelled" });
    expect(kernel.sent.filter((message) => message.kind === "hello")).toHaveLength(2);
    kernel.tile({ run: 2, seq: 0, id: "other view", frame: FRAME });
    expect(session.state.picture?.id).toBe("other view");
  });

  it("ends once, by result or error; the latest wins", () => {
    const [first, second] = [ask(4), ask(8)];
    expect(first).not.toBe(second);
    expect([...session.state.pending.keys()]).toEqual(expect.arrayContaining([first, second]));
    kernel.result(first, "picture", { outcome: "cancelled" });
    expect(session.state.wanted).toBe(second);
    kernel.reply({ kind: "error", id: second, purpose: "picture", message: "no", advice: "yes" });
    expect(session.state.wanted).toBeNull();
    expect([...session.state.pending.values()]).not.toContain("picture");
  });

  it("that is refused leaves the kernel's settings", () => {
    const id = ask(4);
    kernel.reply({ kind: "error", id, purpose: "picture", message: "no", advice: "yes" });
    expect(session.settings.alpha_range).toEqual(SETTINGS.alpha_range);
  });

  it("carries the settings; the kernel's do not overwrite it meanwhile", () => {
    const id = ask(4);
    expect(kernel.last("request")).toMatchObject({
      v: 1,
      purpose: "picture",
      keep_region: false,
      settings: { ...SETTINGS, alpha_range: { lo: -4, hi: 4 }, beta_range: { lo: -4, hi: 4 } },
    });
    kernel.set("settings", SETTINGS);
    expect(session.settings.alpha_range.hi).toBe(4);
    kernel.set("settings", { ...SETTINGS, alpha_range: { lo: -4, hi: 4 } });
    kernel.tile({ run: 1, seq: 0, id, frame: FRAME });
    expect(session.settings.alpha_range.hi).toBe(4);
    kernel.set("settings", { ...SETTINGS, alpha_range: WIDE });
    expect(session.settings.alpha_range.hi).toBe(8);
  });
});

describe("metrics", () => {
  const named = { ...FRAME, metrics: ["accuracy", "error"] };

  it("are merged like values, a row each", () => {
    kernel.tile({ run: 1, seq: 0, frame: named });
    const points = [
      [3, 1],
      [5, 2],
    ] as const;
    const metrics = [
      [0.75, 0.5],
      [0.25, 0.5],
    ];
    kernel.tile({ run: 1, seq: 1, points, metrics });
    const [accuracy, error] = session.state.picture?.metrics ?? [];
    expect([accuracy?.[3], accuracy?.[5], error?.[3], error?.[5]]).toEqual([0.75, 0.5, 0.25, 0.5]);
    expect(accuracy?.[4]).toBeNaN();
  });

  it("that a tile lacks are not known", () => {
    kernel.tile({ run: 1, seq: 0, frame: named, points: [[3, 1]], metrics: [[0.75], [0.25]] });
    kernel.tile({ run: 1, seq: 1, points: [[3, 2]] });
    expect(session.state.picture?.metrics[0]?.[3]).toBeNaN();
    expect(session.state.picture?.values[3]).toBe(2);
  });
});

describe("a changed normalisation", () => {
  const unit = { ...SETTINGS, alpha: { ...SETTINGS.alpha, scale: "unit" } } as const;
  const answer = { ...unit, alpha_range: { lo: -14, hi: 14 } };

  it("keeps the region: the kernel's ranges come back with its settings, before the picture", () => {
    session.commit(unit, true);
    expect(kernel.last("request")).toMatchObject({ keep_region: true, settings: unit });
    kernel.set("settings", answer);
    expect(session.settings.alpha_range).toEqual(answer.alpha_range);
  });

  it("has no window to go back to: those were in other units", () => {
    session.zoom({ lo: 0, hi: 1 }, { lo: 0, hi: 1 });
    expect(session.zoomed).toBe(true);
    session.commit({ ...session.settings, alpha: unit.alpha }, true);
    expect(session.zoomed).toBe(false);
    const before = kernel.sent.length;
    session.zoomOut();
    expect(kernel.sent).toHaveLength(before);
  });
});

describe("zooming", () => {
  const window = (size: number) => ({ lo: 0, hi: size });

  it("asks for the window, and goes back through those before it", () => {
    session.zoom(window(1), window(0.5));
    expect(kernel.last("request")).toMatchObject({
      keep_region: false,
      settings: { ...SETTINGS, alpha_range: window(1), beta_range: window(0.5) },
    });
    session.zoom(window(0.25), window(0.25));
    session.zoomOut();
    expect(session.settings).toMatchObject({ alpha_range: window(1), beta_range: window(0.5) });
    session.zoomOut();
    expect(session.settings).toEqual(SETTINGS);
    expect(session.zoomed).toBe(false);
  });

  it("remembers twenty windows and no more", () => {
    for (let size = 30; size > 0; size -= 1) session.zoom(window(size), window(size));
    let back = 0;
    while (session.zoomed) {
      session.zoomOut();
      back += 1;
    }
    expect(back).toBe(20);
    expect(session.settings.alpha_range).toEqual(window(21));
  });

  it.each([
    [{ lo: 1, hi: 1 }],
    [{ lo: 1, hi: 0 }],
    [{ lo: Number.NaN, hi: 1 }],
    [{ lo: 0, hi: Number.POSITIVE_INFINITY }],
  ])("to %j asks for nothing", (range) => {
    session.zoom(range, window(1));
    expect(kernel.all("request")).toEqual([]);
  });
});

describe("a job", () => {
  it("is held and let go on by message; the kernel's queue tells", () => {
    session.pause("picture", true);
    expect(kernel.last("pause")).toMatchObject({ v: 1, purpose: "picture", paused: true });
    expect(session.state.queue).toEqual([]);
    const job = { purpose: "picture", paused: true, position: 2, of: 3 };
    kernel.queue(job);
    expect(session.state.queue).toEqual([job]);
    session.pause("picture", false);
    expect(kernel.last("pause")).toMatchObject({ paused: false });
    kernel.queue();
    expect(session.state.queue).toEqual([]);
  });
});

describe("curves", () => {
  const CURVE = { label: "Gradient", unit: "parameter distance", length: 1, band: false };
  const traits = { settings: SETTINGS, options: { sources: SOURCES, extents: [1], resolutions: [7] } };
  const asked = () => kernel.all("request").filter((message) => message.purpose === "curves");
  const id = () => asked().at(-1)?.id as string;
  const settings = () => asked().at(-1)?.settings as CurveSettings;

  beforeEach(() => open({ ...traits, view: "curves" }));

  it("are asked for with the window and the normalisation of α", () => {
    kernel.set("settings", { ...SETTINGS, alpha_range: { lo: -0.5, hi: 3 } });
    expect(asked()).toEqual([]);
    session.cut({ extra: new Set(["gradient:0"]), seeds: 8 });
    expect(settings()).toEqual({
      choices: [{ source: "gradient", seed: 0, index: 0, scale: "filter" }],
      ...{ seeds: 8, seed: 0, scale: "filter", range: { lo: -3, hi: 3 }, points: 7 },
    });
  });

  it("have at most 49 points and 6 directions, none of them α or β", () => {
    const hessian = (index: number) => ({ source: "hessian", index, label: `${index}`, group: "" });
    const sources = Array.from({ length: 9 }, (_, index) => hessian(index));
    kernel.set("options", { ...traits.options, sources: [...sources, hessian(-1)] });
    kernel.set("settings", { ...SETTINGS, resolution: 97 });
    session.cut({ extra: new Set([...sources, hessian(-1)].map((one) => `hessian:${one.index}`)) });
    expect(settings().choices.map((choice) => choice.index)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(settings().points).toBe(49);
    session.cut({ extra: new Set(["hessian:-1"]) });
    expect(session.state.curves).toBeNull();
    expect(asked()).toHaveLength(1);
  });

  it("are kept where they are ours, and dropped where they are not", () => {
    session.cut({ seeds: 8 });
    const first = id();
    kernel.reply(...curvesMessage("another view's", settings(), [CURVE]));
    expect(session.state.curves).toBeNull();
    kernel.reply(...curvesMessage(first, settings(), [CURVE], 8));
    expect(session.state.curves).toMatchObject({ done: 1, total: 8, caption: "a band over 8 seeds" });
    expect([...(session.state.curves?.position ?? [])]).toEqual([-2, 0, 2]);
    kernel.reply(...curvesMessage(first, settings(), []));
    expect(session.state.curves?.done).toBe(1);
    session.cut({ seeds: 32 });
    expect(session.state.curves).toBeNull();
    kernel.reply(...curvesMessage(first, settings(), [CURVE, CURVE]));
    expect(session.state.curves).toBeNull();
  });

  it("are asked for anew when window or normalisation change, once the picture is the one asked for", () => {
    session.cut({ seeds: 8 });
    const picture = ask(4);
    expect(asked()).toHaveLength(1);
    kernel.tile({ run: 1, seq: 0, id: picture, frame: FRAME });
    expect(asked()).toHaveLength(2);
    expect(settings().range).toEqual({ lo: -4, hi: 4 });
    kernel.set("settings", { ...session.settings, alpha: { ...SETTINGS.alpha, scale: "raw" } });
    expect(settings().scale).toBe("raw");
    kernel.set("settings", { ...session.settings, beta_range: WIDE });
    kernel.tile({ run: 1, seq: 1, points: [[0, 1]] });
    expect(asked()).toHaveLength(3);
  });

  it("are stopped when nobody looks at them, and begun again when somebody does", () => {
    session.cut({ seeds: 8 });
    session.show({ view: "surface" });
    expect(kernel.last("cancel")).toMatchObject({ purpose: "curves" });
    session.show({ view: "curves" });
    expect(asked()).toHaveLength(2);
    kernel.reply(...curvesMessage(id(), settings(), [CURVE]));
    kernel.result(id(), "curves");
    session.show({ view: "surface" });
    session.show({ view: "curves" });
    expect(asked()).toHaveLength(2);
    expect(kernel.all("cancel")).toHaveLength(1);
    expect(session.state.curves?.done).toBe(1);
  });

  it("are forgotten when none is chosen any more", () => {
    session.cut({ seeds: 8 });
    session.cut({ seeds: 0 });
    expect(kernel.last("cancel")).toMatchObject({ purpose: "curves" });
    expect(asked()).toHaveLength(1);
    session.cut({ seeds: 8 });
    expect(asked()).toHaveLength(2);
  });

  it("that fail say why until they are asked for again, and are not asked for by themselves", () => {
    session.cut({ seeds: 8 });
    kernel.reply({ kind: "error", id: id(), purpose: "curves", message: "m", advice: "a" });
    expect(session.state.problem).toMatchObject({ message: "m", advice: "a" });
    kernel.queue();
    expect(asked()).toHaveLength(1);
    session.cut({ seeds: 32 });
    expect(session.state.problem).toBeNull();
  });
});

describe("the end of a view", () => {
  it("is told to the kernel, with the name it said hello with", () => {
    const { view } = kernel.last("hello");
    expect(view).toMatch(/^[0-9a-f]{24}$/);
    owner.abort();
    expect(kernel.last("goodbye")).toEqual({ v: 1, kind: "goodbye", view });
  });

  it("stops the curves that only it would show", () => {
    open({ settings: SETTINGS, view: "curves" });
    session.cut({ seeds: 8 });
    owner.abort();
    expect(kernel.sent.slice(-2).map((message) => message.kind)).toEqual(["cancel", "goodbye"]);
  });

  it("is quiet where nobody listens", () => {
    kernel.dead = true;
    expect(() => owner.abort()).not.toThrow();
  });
});

describe("an error", () => {
  it("keeps the last picture and goes with the next good one", () => {
    kernel.tile({ run: 1, seq: 0, frame: FRAME, points: ALL });
    kernel.reply({ kind: "error", id: ask(4), purpose: "picture", message: "m", advice: "a" });
    expect(session.state).toMatchObject({ problem: { message: "m", advice: "a" }, picture: { run: 1 } });
    const id = ask(8);
    kernel.tile({ run: 2, seq: 0, id, frame: FRAME, points: ALL, done: 49 });
    kernel.result(id, "picture");
    expect(session.state.problem).toBeNull();
  });

  it("in the middle of a picture ends it", () => {
    kernel.tile({ run: 1, seq: 0, id: "p", frame: FRAME });
    expect(drawing(session.state)).toBe(true);
    kernel.reply({ kind: "error", id: "p", purpose: "picture", message: "m", advice: "a" });
    expect(drawing(session.state)).toBe(false);
  });

  it.each([
    { v: 9, kind: "tile" },
    { v: 1, kind: "dance" },
    { v: 1, kind: "tile", run: "x" },
  ])("says %j", (raw) => {
    kernel.emit("msg:custom", raw, []);
    expect(session.state.problem?.message).toMatch(/the kernel sent/);
  });
});

describe("acknowledgement", () => {
  it("comes after painting and names the newest tile", () => {
    kernel.tile({ run: 1, seq: 0, frame: FRAME });
    kernel.tile({ run: 1, seq: 1, points: [[0, 1]] });
    expect(kernel.sent.some((message) => message.kind === "ack")).toBe(false);
    session.acknowledge();
    session.acknowledge();
    const acks = kernel.sent.filter((message) => message.kind === "ack");
    expect(acks).toEqual([{ v: 1, kind: "ack", run: 1, seq: 1 }]);
  });

  it("of a tile that is not drawn comes at once", () => {
    kernel.tile({ run: 2, seq: 0, frame: FRAME });
    kernel.tile({ run: 1, seq: 4, points: [[0, 1]] });
    expect(kernel.last("ack")).toMatchObject({ run: 1, seq: 4 });
  });
});

describe("eigenpairs", () => {
  const pair = { index: 0, value: 2, residual: 1e-4, accepted: true };

  it("grow with progress and keep what is known", () => {
    const body = {
      kind: "progress",
      id: "e",
      purpose: "eigenpairs",
      stage: "",
      total: null,
      seconds_left: null,
    };
    kernel.reply({ ...body, done: 4, pairs: [{ ...pair, accepted: false }] });
    expect(session.state.eigen?.done).toBe(4);
    kernel.reply({ ...body, done: 8, pairs: [pair] });
    expect(session.state).toMatchObject({ eigen: null, pairs: [pair] });
    kernel.result("e", "eigenpairs", { pairs: [{ ...pair, index: -1 }] });
    expect(session.state.pairs).toHaveLength(2);
  });
});

describe("random slices", () => {
  it("are told while they are drawn, with their place in the queue, and end with a new verdict", () => {
    const progress = {
      id: "slices",
      purpose: "slices",
      stage: "23 of 40 random slices",
      done: 23,
      total: 40,
    };
    kernel.reply({ kind: "progress", seconds_left: null, pairs: [], ...progress });
    kernel.reply({ kind: "queue", jobs: [{ purpose: "slices", paused: false, position: 2, of: 3 }] });
    expect(slicesJob(session.state)).toMatchObject({ text: "2 of 3: 23 of 40 random slices", part: 23 / 40 });
    kernel.result("slices", "slices");
    expect(slicesJob(session.state)).toBeNull();
  });
});

describe("a saved notebook", () => {
  const loss = Float32Array.from({ length: 49 }, (_, at) => at);
  const padded = new Float32Array([0, ...loss]);
  const picture = { frame: FRAME, loss: new DataView(padded.buffer, 4, 196) };

  it("shows its picture and says so when no kernel answers", () => {
    open({ settings: SETTINGS, picture });
    expect(session.state.picture?.values[48]).toBe(48);
    vi.advanceTimersByTime(6000);
    expect(session.state.link).toBe("saved");
    kernel.tile({ run: 1, seq: 0, frame: FRAME });
    expect(session.state).toMatchObject({ link: "live", picture: { run: 1 } });
  });

  it("says so at once when nothing can be sent", () => {
    open({ picture });
    kernel.dead = true;
    session.commit(session.settings);
    expect(session.state.link).toBe("saved");
  });

  it("has the metrics that were saved, and none where none were", () => {
    const named = { ...FRAME, metrics: ["accuracy", "error"] };
    const metrics = new DataView(Float32Array.from({ length: 98 }, (_, at) => at / 98).buffer);
    open({ picture: { ...picture, frame: named, metrics } });
    expect(session.state.picture?.metrics.map((row) => row[0])).toEqual([0, 0.5]);
    open({ picture: { ...picture, frame: named } });
    expect(session.state.picture?.metrics[1]?.[48]).toBeNaN();
  });

  it("tells computed points from estimates", () => {
    const known = new Uint8Array(49);
    known[3] = 1;
    const mask = new DataView(known.buffer);
    open({ picture: { ...picture, frame: { ...FRAME, estimate: ESTIMATE }, known: mask } });
    expect(session.state.picture).toMatchObject({ done: 1, total: 49 });
    expect(session.state.picture?.estimate?.[48]).toBe(48);
  });

  it("neither zooms nor asks for curves", () => {
    open({ picture, options: { sources: SOURCES }, view: "curves" });
    vi.advanceTimersByTime(6000);
    const before = kernel.sent.length;
    session.zoom({ lo: 0, hi: 1 }, { lo: 0, hi: 1 });
    session.cut({ seeds: 8 });
    expect(kernel.sent).toHaveLength(before);
    expect(session.zoomed).toBe(false);
  });

  it("that cannot be read says why", () => {
    open({ picture: { frame: FRAME, loss: new DataView(new ArrayBuffer(8)) } });
    expect(session.state.problem?.message).toMatch(/expected 49/);
  });

  it("switches its view without a kernel", () => {
    open({ picture });
    vi.advanceTimersByTime(6000);
    const before = kernel.sent.length;
    session.show({ view: "contour" });
    expect(session.view).toEqual({ view: "contour", height: "log", colours: "viridis" });
    expect(kernel.sent).toHaveLength(before);
  });
});
