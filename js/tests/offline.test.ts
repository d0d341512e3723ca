// A file that Python wrote, replayed: every request of a view is answered from it, and nothing else is.

import { beforeEach, describe, expect, it } from "vitest";
import { Catalogue } from "../src/offline/catalogue";
import { withKeywords } from "../src/offline/code";
import { ReplayModel } from "../src/offline/kernel";
import { completeLevel, doneOf, nested, type Recorded, readRecord } from "../src/offline/records";
import { modelChannel } from "../src/protocol/channel";
import { coordinates } from "../src/protocol/grid";
import type { PictureSettings, Range } from "../src/protocol/messages";
import { Session } from "../src/views/explorer/session";
import { ESTIMATE } from "./kernel";
import file from "./offline-recorded.json";

const DIAGONAL = [4, -2, 1] as const;
const THETA = [0.5, -0.25, 1] as const;

/** The quadratic form that Python drew, in closed form. */
function lossAt(alpha: number, beta: number): number {
  const point = [THETA[0] + alpha, THETA[1] + beta, THETA[2]];
  return point.reduce((sum, x, k) => sum + 0.5 * (DIAGONAL[k] as number) * x * x, 0);
}

function copy(): typeof file {
  return JSON.parse(JSON.stringify(file));
}

function half(size: number): Range {
  return { lo: -size, hi: size };
}

const records = file.records.map(readRecord);

function recordOf(size: number): Recorded {
  return records.find(({ settings }) => settings.alpha_range.hi === size) as Recorded;
}

function expectExact({ frame, loss, known }: Pick<Recorded, "frame" | "loss" | "known">): void {
  const [x, y] = [coordinates(frame.alpha), coordinates(frame.beta)];
  for (const [at, value] of loss.entries()) {
    if (known[at] !== 1) continue;
    const exact = lossAt(x[at % x.length] as number, y[Math.floor(at / x.length)] as number);
    expect(Math.abs(value - exact)).toBeLessThan(1e-6 * Math.max(1, Math.abs(exact)));
  }
}

describe("records", () => {
  it("hold the values at their coordinates", () => {
    expect(records).toHaveLength(4);
    for (const record of records) expectExact(record);
    expect(records.map(doneOf).toSorted((a, b) => a - b)).toEqual([49, 50, 169, 625]);
  });

  it("of an estimated picture hold exact coarser ones, which say nothing of estimates", () => {
    const whole = recordOf(0.5);
    const known = whole.known.map((_, at) => Number(at % 2 === 0 && Math.floor(at / 25) % 2 === 0));
    const said = "625 points, each computed one an exact evaluation. 169 of 625 points computed, the others";
    const caption = `${said} interpolated (a spline, 12 points held out). More.`;
    const estimated = { ...whole, known, frame: { ...whole.frame, caption, estimate: ESTIMATE } };
    const part = nested(estimated, 13) as Recorded;
    expect(doneOf(part)).toBe(169);
    expect(part.frame.estimate).toBeNull();
    expect(part.frame.caption).toBe("625 points, each an exact evaluation. More.");
    expect(nested(estimated, 25)?.frame.estimate).toEqual(ESTIMATE);
  });

  it("of a preview under way keep its level, and say nothing of it where all is exact", () => {
    const whole = recordOf(0.5);
    const known = whole.known.map((_, at) => Number(at % 4 === 0 && Math.floor(at / 25) % 4 === 0));
    const caption = "625 points. Until all are computed the others are a bfloat16 preview. More.";
    const estimate = { ...ESTIMATE, kind: "bfloat16 preview" as const, level: 13 };
    const previewed = { ...whole, known, frame: { ...whole.frame, caption, estimate } };
    expect(nested(previewed, 13)?.frame.estimate?.level).toBe(13);
    expect(nested(previewed, 7)?.frame).toMatchObject({ estimate: null, caption: "625 points. More." });
  });

  it.each([7, 13])("hold the %s-point level of a finer picture, value by value", (resolution) => {
    const whole = recordOf(0.5);
    const part = nested(whole, resolution) as Recorded;
    expectExact(part);
    expect(part.frame.alpha.points).toBe(resolution);
    expect(part.frame.levels).toEqual([7, 13, 25].filter((size) => size <= resolution));
    expect(part.frame.caption).toContain(`${resolution} × ${resolution} points`);
    expect(part.metrics[0]?.[3]).toBeCloseTo(2 * (part.loss[3] as number), 5);
    expect(completeLevel(part)).toBe(resolution);
  });

  it("hold no level that is not an even grid of its own", () => {
    const frame = { ...recordOf(1).frame, levels: [8, 14] };
    const odd = { ...frame, alpha: { ...frame.alpha, points: 14 }, beta: { ...frame.beta, points: 14 } };
    const record = { ...recordOf(1), frame: odd, settings: { ...recordOf(1).settings, resolution: 14 } };
    expect(nested(record, 8)).toBeNull();
    expect(nested(record, 14)).toBe(record);
  });

  it("know how far a picture came that was cut short", () => {
    expect(completeLevel(recordOf(0.25))).toBe(7);
    expect(doneOf(nested(recordOf(0.25), 7) as Recorded)).toBe(49);
  });

  it("are refused where bytes are missing", () => {
    const broken = copy().records[0];
    expect(() => readRecord({ ...broken, loss: "AAAA" })).toThrow();
    expect(() => readRecord({ ...broken, loss: "AAAAAA==" })).toThrow(
      /holds a picture of 1 values, expected/,
    );
    expect(() => readRecord(null)).toThrow();
  });
});

describe("choices", () => {
  const catalogue = new Catalogue(records);
  const sources = file.traits.options.sources as never;

  it("are what can be shown, and nothing else", () => {
    const { extents, resolutions, sources: offered } = catalogue.choices(recordOf(0.5).settings, sources);
    expect(extents).toEqual([0.25, 0.5, 1]);
    expect(resolutions).toEqual([7, 13, 25]);
    expect(offered.map(({ source, index }) => `${source} ${index}`)).toEqual([
      "hessian 0",
      "hessian -1",
      "custom 0",
      "custom 1",
    ]);
    expect(file.traits.options.sources.length).toBeGreaterThan(4);
  });

  it("lead to a picture, each of them", () => {
    for (const { settings } of records) {
      const { extents, resolutions } = catalogue.choices(settings, sources);
      for (const size of extents) {
        const asked = { ...settings, alpha_range: half(size), beta_range: half(size) };
        const found = catalogue.answer(asked, settings, settings.resolution);
        expect("message" in found ? found.message : found.settings.alpha_range.hi).toBe(size);
      }
      for (const resolution of resolutions)
        expect(catalogue.find({ ...settings, resolution })?.settings.resolution).toBe(resolution);
    }
  });
});

describe("the code", () => {
  const code =
    "import landscape_widgets as lw\n\nlw.explore(\n    model,\n    resolution=25,\n    view='both',\n)\nx";

  it("follows what is shown", () => {
    expect(withKeywords(code, { resolution: 13, view: "surface", colours: "magma" })).toBe(
      "import landscape_widgets as lw\n\nlw.explore(\n    model,\n    resolution=13,\n    colours='magma',\n)\nx",
    );
    expect(withKeywords(code, { resolution: 49 })).not.toContain("resolution");
    expect(withKeywords("", { resolution: 13 })).toBe("");
  });
});

/** A view's session on a file; `settle` lets every answer come. */
class Copy {
  readonly owner = new AbortController();
  readonly model: ReplayModel;
  readonly session: Session;
  readonly problems: string[] = [];

  constructor(data: unknown = copy()) {
    this.model = new ReplayModel(data);
    const channel = modelChannel(this.model);
    this.session = new Session(this.model, channel, this.owner.signal, () => {
      const { problem } = this.session?.state ?? { problem: null };
      if (problem !== null && problem.message !== this.problems.at(-1)) this.problems.push(problem.message);
    });
    this.session.start();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 20; i += 1) await Promise.resolve();
  }

  async ask(part: Partial<PictureSettings>, keep = false): Promise<void> {
    this.session.commit({ ...this.session.settings, ...part }, keep);
    await this.settle();
    expect(this.session.state.pending.size).toBe(0);
    expect(this.session.state.wanted).toBeNull();
  }

  get picture() {
    const { picture } = this.session.state;
    if (picture === null) throw new Error("no picture");
    return {
      frame: picture.frame,
      loss: picture.values,
      known: picture.known,
      end: picture.end,
      done: picture.done,
    };
  }
}

describe("a view on a file", () => {
  let view: Copy;
  beforeEach(async () => {
    view = new Copy();
    await view.settle();
  });

  it("shows the picture in use, its end, and the eigenvalues", () => {
    expect(view.session.state.link).toBe("live");
    expect(view.session.settings.alpha.source).toBe("hessian");
    expectExact(view.picture);
    expect(view.picture.end?.outcome).toBe("complete");
    expect(view.session.state.pairs.map(({ value }) => Math.round(value as number))).toEqual([4, -2]);
    expect(view.session.state.pending.size).toBe(0);
    expect(view.model.get("footer")).toMatch(/ · offline copy: replays what was computed$/);
    expect(view.problems).toEqual([]);
  });

  it("goes to another plane, whose other parts follow", async () => {
    await view.ask({ alpha: { ...view.session.settings.alpha, source: "custom", index: 0 } });
    const { settings, options } = view.session;
    expect([settings.alpha.source, settings.beta.source, settings.beta.index]).toEqual([
      "custom",
      "custom",
      1,
    ]);
    expect(settings.alpha.scale).toBe("raw");
    expect(options.extents).toEqual([0.25, 0.5, 1]);
    expectExact(view.picture);
    expect(view.problems).toEqual([]);
  });

  async function toCustom(size: number): Promise<void> {
    await view.ask({ alpha: { ...view.session.settings.alpha, source: "custom", index: 0 } });
    await view.ask({ alpha_range: half(size), beta_range: half(size) });
    await view.ask({ resolution: 25 });
  }

  it("changes range and resolution, and finds the resolution again", async () => {
    await toCustom(0.5);
    expect([view.picture.frame.alpha.hi, view.picture.frame.alpha.points]).toEqual([0.5, 25]);
    await view.ask({ alpha_range: half(1), beta_range: half(1) });
    expect([view.picture.frame.alpha.hi, view.picture.frame.alpha.points]).toEqual([1, 13]);
    expect(view.session.options.resolutions).toEqual([7, 13]);
    expectExact(view.picture);
    await view.ask({ alpha_range: half(0.5), beta_range: half(0.5) });
    expect(view.picture.frame.alpha.points).toBe(25);
    await view.ask({ resolution: 7 });
    expectExact(view.picture);
    expect(view.picture.frame.alpha.points).toBe(7);
    expect(view.model.get("code")).toContain("resolution=7,");
    expect(view.problems).toEqual([]);
  });

  it("follows one axis when a window changes alone", async () => {
    await toCustom(0.5);
    await view.ask({ beta_range: half(1) });
    expect(view.session.settings.alpha_range).toEqual(half(1));
    expect(view.problems).toEqual([]);
  });

  it("shows a picture cut short as far as it came", async () => {
    await toCustom(0.25);
    await view.ask({ resolution: 13 });
    expect(view.picture.done).toBe(50);
    expect(view.picture.end?.outcome).toBe("incomplete");
    expect(view.picture.loss[3]).toBeNaN();
    expectExact(view.picture);
  });

  it("says what it holds where a window is not there, and keeps the picture", async () => {
    await toCustom(0.5);
    const before = view.picture.loss;
    view.session.zoom({ lo: 0.1, hi: 0.3 }, { lo: 0, hi: 0.2 });
    await view.settle();
    expect(view.session.state.problem).toEqual({
      message: "This file holds the ranges ± 1.0, ± 0.5, ± 0.25 at up to 25 × 25 for these directions",
      advice: "Choose one of these; another window needs the notebook.",
    });
    expect(view.picture.loss).toBe(before);
    expect(view.session.settings.alpha_range).toEqual(half(0.5));
    await view.ask({ resolution: 13 });
    expect(view.session.state.problem).toBeNull();
  });

  it.each([
    ["seed", { source: "random", seed: 7, index: 0, scale: "filter" }],
    ["normalisation", { source: "hessian", seed: 0, index: 0, scale: "filter" }],
    ["direction", { source: "hessian", seed: 0, index: 1, scale: "unit" }],
  ] as const)("says so where a %s is not there", async (_, alpha) => {
    const before = view.picture.loss;
    await view.ask({ alpha }, true);
    expect(view.session.state.problem?.message).toMatch(
      /^This file holds for α only e0 \(raw\); Hessian λ_max \(unit\)$/,
    );
    expect(view.session.settings.alpha).toEqual(recordOf(2).settings.alpha);
    expect(view.picture.loss).toBe(before);
  });

  it("ends every request once", async () => {
    const ends: string[] = [];
    view.model.on("msg:custom", ((message: { kind: string; id: string }) => {
      if (message.kind === "result" || message.kind === "error") ends.push(message.id);
    }) as never);
    const send = (message: Record<string, unknown>) => view.model.send({ v: 1, ...message });
    const { settings } = view.session;
    const curves = { choices: [], seeds: 8, seed: 0, scale: "unit", range: half(1), points: 7 };
    send({ kind: "hello", id: "h", view: "other" });
    send({ kind: "request", purpose: "picture", id: "p", settings, keep_region: false });
    send({ kind: "request", purpose: "settings", id: "s", settings: {} });
    send({ kind: "request", purpose: "curves", id: "c", settings: curves });
    send({ kind: "request", purpose: "trace", id: "t", settings: {} });
    send({ kind: "cancel", id: "x", purpose: "picture" });
    send({ kind: "pause", id: "y", purpose: "picture", paused: true });
    send({ kind: "ack", run: 1, seq: 0 });
    send({ kind: "goodbye", view: "other" });
    await view.settle();
    const asked = ends.filter((id) => id.length === 1);
    expect(asked.toSorted()).toEqual(["c", "h", "p", "s", "t", "x", "y"]);
  });

  it("changes how it is shown, and the code says so", async () => {
    view.session.show({ view: "contour", colours: "magma" });
    await view.settle();
    expect(view.model.get("view")).toBe("contour");
    expect(view.model.get("code")).toContain("view='contour'");
    expect(view.session.state.pending.size).toBe(0);
  });

  it("cuts curves along directions whose pictures it holds", async () => {
    view.session.show({ view: "curves" });
    const beside = { source: "custom", seed: 0, index: 0, scale: "raw" } as const;
    const request = {
      choices: [beside],
      seeds: 0,
      seed: 0,
      scale: "raw",
      range: half(0.5),
      points: 13,
    } as const;
    view.session.requestCurves(request);
    await view.settle();
    const { curves } = view.session.state;
    expect(curves?.curves.map(({ label }) => label)).toEqual(["e0"]);
    curves?.position.forEach((position, i) => {
      expect(curves.loss[i]).toBeCloseTo(lossAt(position, 0), 5);
    });
    view.session.requestCurves({ ...request, seeds: 8 });
    await view.settle();
    expect(view.session.state.problem?.message).toMatch(/curves along the directions of its pictures only/);
    expect(view.session.state.pending.size).toBe(0);
  });

  it("answers a second view too", async () => {
    const other = new Session(view.model, modelChannel(view.model), view.owner.signal, () => {});
    other.start();
    await view.settle();
    expect(other.state.picture?.done).toBe(49);
    expect(view.session.state.picture?.done).toBe(49);
    expect(view.session.state.pending.size + other.state.pending.size).toBe(0);
  });

  it("says nothing more once it is gone", async () => {
    view.session.commit({ ...view.session.settings, resolution: 7 });
    const before = view.session.state;
    view.owner.abort();
    await view.settle();
    expect(view.session.state).toBe(before);
  });
});

describe("a file with gaps", () => {
  it("begins with the newest picture where that in use is missing", async () => {
    const data = copy();
    const view = new Copy({
      ...data,
      records: data.records.filter((one) => one.settings.alpha.source === "custom"),
    });
    await view.settle();
    expect(view.picture.frame.alpha.label).toBe("e0");
    expect(view.session.settings.alpha.source).toBe("custom");
  });

  it("without any picture still answers", async () => {
    const view = new Copy({ traits: {}, records: [] });
    await view.settle();
    expect(view.session.state.pending.size).toBe(0);
    expect(view.session.state.picture).toBeNull();
  });
});
