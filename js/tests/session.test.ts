import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { modelChannel } from "../src/protocol/channel";
import { Session } from "../src/views/explorer/session";
import { drawing } from "../src/views/explorer/state";
import { frame, RecordedKernel } from "./kernel";

const FRAME = frame(7, [7]);
const ALL = Array.from({ length: 49 }, (_, at) => [at, at] as const);
const SETTINGS = {
  alpha: { source: "random", seed: 4, index: 0 },
  beta: { source: "hessian", seed: 1, index: -1 },
  scale: "filter",
  extent: 2,
  resolution: 7,
} as const;

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
  session.commit({ ...session.settings, extent });
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
    expect(session.settings.extent).toBe(SETTINGS.extent);
  });

  it("carries the settings; the kernel's do not overwrite it meanwhile", () => {
    const id = ask(4);
    expect(kernel.last("request")).toMatchObject({
      v: 1,
      purpose: "picture",
      settings: { ...SETTINGS, extent: 4 },
    });
    kernel.set("settings", SETTINGS);
    expect(session.settings.extent).toBe(4);
    kernel.tile({ run: 1, seq: 0, id, frame: FRAME });
    kernel.set("settings", { ...SETTINGS, extent: 8 });
    expect(session.settings.extent).toBe(8);
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

  it("that cannot be read says why", () => {
    open({ picture: { frame: FRAME, loss: new DataView(new ArrayBuffer(8)) } });
    expect(session.state.problem?.message).toMatch(/expected 49/);
  });

  it("switches its view without a kernel", () => {
    open({ picture });
    vi.advanceTimersByTime(6000);
    const before = kernel.sent.length;
    session.show({ view: "contour" });
    expect(session.view).toEqual({ view: "contour", height: "log" });
    expect(kernel.sent).toHaveLength(before);
  });
});
