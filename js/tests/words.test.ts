import { describe, expect, it } from "vitest";
import type { CurveSet } from "../src/plots/curves";
import { heightsOf } from "../src/plots/heights";
import { meshOf } from "../src/plots/mesh";
import { levelIndices } from "../src/protocol/grid";
import type { Progress, Result, Track } from "../src/protocol/messages";
import { type ExplorerState, initialState, type Picture, type Work } from "../src/views/explorer/state";
import { captionText, curvesJob, eigenJob, pictureJob, pillText, summary } from "../src/views/explorer/words";
import { ESTIMATE, frame } from "./kernel";

const FRAME = frame(7, [7]);

function picture(more: Partial<Picture> = {}): Picture {
  const values = Float32Array.from({ length: 49 }, (_, at) => 10 - at / 10);
  const known = new Uint8Array(49).fill(1);
  const counts = { level: 7, done: 49, total: 49, secondsLeft: null, end: null, estimate: null };
  return { id: "p", run: 1, seq: 0, frame: FRAME, values, known, metrics: [], ...counts, ...more };
}

function state(more: Partial<ExplorerState> = {}): ExplorerState {
  return { ...initialState(), link: "live", picture: picture(), ...more };
}

const job = (purpose: Work, position: number, of: number, paused = false) => ({
  ...{ purpose, position, of, paused },
});

describe("the status of the picture", () => {
  const partial = picture({ done: 12, secondsLeft: 3 });

  it.each([
    [[], "12 of 49 points · 3 s left", null],
    [[job("picture", 1, 1)], "12 of 49 points · 3 s left", false],
    [[job("picture", 2, 3)], "2 of 3: 12 of 49 points · 3 s left", false],
    [[job("picture", 3, 3, true)], "paused at 12 of 49 points", true],
    [[job("curves", 2, 3)], "12 of 49 points · 3 s left", null],
  ])("beside the queue %j", (queue, text, paused) => {
    expect(pictureJob(state({ picture: partial, queue }))).toMatchObject({ text, paused, stoppable: true });
  });

  it("that is done can be neither held nor stopped", () => {
    const queue = [job("picture", 1, 2)];
    expect(pictureJob(state({ queue }))).toMatchObject({ text: "49 points", stoppable: false, paused: null });
  });
});

describe("an estimated picture", () => {
  const converged: Result = {
    ...{ id: "p", purpose: "picture", outcome: "converged", advice: "", pairs: [], products: 0 },
    ...{ evaluations: 61, seconds: 2, verdict: null, v: 1, kind: "result" },
  };
  const known = new Uint8Array(169);
  for (const at of levelIndices(13, 2, 0)) for (const to of levelIndices(13, 2, 0)) known[at * 13 + to] = 1;
  const values = new Float32Array(169).fill(2);
  const now = picture({
    ...{ frame: frame(13, [7, 13], { estimate: ESTIMATE }), values, known, estimate: values },
    ...{ done: 61, total: 169 },
  });
  const words = (shown: ExplorerState) => {
    const mesh = meshOf(shown.picture as Picture);
    return pillText(shown, mesh, mesh && heightsOf(mesh.z, "linear"));
  };

  it("says its held-out error while it is refined, and at its end", () => {
    expect(words(state({ picture: now }))).toBe("interpolated, held-out error 0.4 % · refining to 13 × 13");
    const ended = state({ picture: { ...now, end: converged } });
    expect(words(ended)).toBe("interpolated, held-out error 0.4 %");
    expect(pictureJob(ended)).toMatchObject({ text: "61 of 169 points computed · 2 s", stoppable: false });
  });

  it("says that it is a preview in bfloat16", () => {
    const said = "bfloat16 preview, held-out error 0.4 %";
    const estimate = { ...ESTIMATE, kind: "bfloat16 preview" as const, words: said };
    const previewed = { ...now, frame: { ...now.frame, estimate } };
    expect(words(state({ picture: previewed }))).toBe(`${said} · refining to 13 × 13`);
  });

  it("says how far the preview is until it is complete", () => {
    const stage: Progress = {
      ...{ v: 1, kind: "progress", id: now.id, purpose: "picture", stage: "bfloat16 preview" },
      ...{ done: 100, total: 169, seconds_left: null, pairs: [] },
    };
    const text = (more: Partial<Progress>) =>
      pictureJob(state({ picture: { ...now, secondsLeft: 3 }, stage: { ...stage, ...more } })).text;
    expect(text({})).toBe("61 of 169 points · bfloat16 preview 100 of 169");
    expect(text({ done: 169 })).toBe("61 of 169 points · 3 s left");
    expect(text({ id: "another" })).toBe("61 of 169 points · 3 s left");
    expect(text({ total: null })).toBe("61 of 169 points · 3 s left");
  });

  it("has nothing to say of it once every point is exact", () => {
    const exact = { ...now, known: new Uint8Array(169).fill(1), done: 169, level: 13 };
    expect(words(state({ picture: exact }))).toBe("13 × 13 exact");
  });
});

describe("the status of the Hessian directions", () => {
  const pairs = [{ index: 0, value: 2, residual: 3e-3, accepted: false }];
  const eigen: Progress = {
    v: 1,
    kind: "progress",
    id: "e",
    purpose: "eigenpairs",
    stage: "",
    done: 40,
    total: 80,
    seconds_left: null,
    pairs,
  };

  it("says the place in the queue, products and the worst residual", () => {
    const queue = [job("eigenpairs", 2, 3)];
    expect(eigenJob(state({ eigen, queue }))?.text).toBe(
      "2 of 3: Hessian directions, 40 products, residual 3·10⁻³",
    );
    expect(eigenJob(state({ eigen, queue: [job("eigenpairs", 2, 3, true)] }))?.text).toBe(
      "Hessian directions, paused at 40 products, residual 3·10⁻³",
    );
  });
});

describe("the status of the curves", () => {
  const asked: Partial<ExplorerState> = { curvesId: "c", pending: new Map([["c", "curves"]]) };
  const range = { lo: -1, hi: 1 };
  const curves: CurveSet = {
    settings: { choices: [], seeds: 8, seed: 0, scale: "unit", range, points: 3 },
    curves: [],
    position: new Float32Array(),
    loss: new Float32Array(),
    done: 3,
    total: 8,
    caption: "eight seeds",
  };

  it("counts them, and is nothing where none are asked for", () => {
    expect(curvesJob(state())).toBeNull();
    expect(curvesJob(state(asked))).toMatchObject({ text: "curves: preparing…", part: null });
    expect(curvesJob(state({ ...asked, curves }))).toMatchObject({ text: "3 of 8 curves", part: 0.375 });
    const queue = [job("curves", 1, 2, true)];
    expect(curvesJob(state({ ...asked, curves, queue }))?.text).toBe("paused at 3 of 8 curves");
    expect(curvesJob(state({ curves, curvesId: "c" }))).toBeNull();
  });

  it("stands in the caption of the curves alone", () => {
    expect(captionText(state({ curves }), "curves", false)).toBe("a caption eight seeds");
    expect(captionText(state({ curves }), "surface", false)).toBe("a caption");
  });
});

describe("the caption", () => {
  const track: Track = {
    ...{ kind: "path", labels: [], alpha: [], beta: [], off_plane: [], loss: [] },
    shown: "93 % of the path.",
  };

  it("says how much of a path lies in the plane, where the plane is shown", () => {
    const tracked = state({ picture: picture({ frame: { ...FRAME, tracks: [track] } }) });
    expect(captionText(tracked, "contour", false)).toBe("a caption 93 % of the path.");
    expect(captionText(tracked, "curves", false)).toBe("a caption");
  });

  it("says what stands there without WebGL", () => {
    expect(captionText(state(), "surface", true)).toContain("No WebGL here: showing the contour");
  });
});

describe("the summary for a screen reader", () => {
  it("tells minimum, maximum, curvature and where it is lowest", () => {
    const now = state();
    const mesh = meshOf(now.picture as Picture);
    expect(summary(now, mesh, mesh && heightsOf(mesh.z, "linear"))).toBe(
      "7 by 7 exact: loss from 5.2 to 10, lowest at α 1, β 1; curvature +2 and −1.",
    );
  });

  it("names no lowest point of a preview: nothing was computed there", () => {
    const now = state({ picture: picture({ known: new Uint8Array(49), level: 0, done: 0 }) });
    const mesh = meshOf(now.picture as Picture);
    expect(summary(now, mesh, mesh && heightsOf(mesh.z, "linear"))).not.toContain("lowest");
  });

  it("does not take a hole for the lowest point", () => {
    const holed = picture();
    holed.values[48] = Number.NaN;
    const mesh = meshOf(holed);
    expect(summary(state({ picture: holed }), mesh, mesh && heightsOf(mesh.z, "linear"))).toContain(
      "lowest at α 0.667, β 1",
    );
  });
});
