import { describe, expect, it } from "vitest";
import { completeLevel, cutOf, type Mesh, meshOf, type Points, rowsOf } from "../src/plots/mesh";
import { coordinates, levelIndices } from "../src/protocol/grid";
import { ESTIMATE, frame } from "./kernel";

const LEVELS = [7, 13];

/** Points known up to a level, of a function of the coordinates. */
function points(level: number, f: (x: number, y: number) => number, extra: readonly number[] = []): Points {
  const head = frame(13, LEVELS);
  const values = new Float32Array(169).fill(Number.NaN);
  const known = new Uint8Array(169);
  const at = coordinates(head.alpha);
  const set = (i: number, j: number) => {
    values[j * 13 + i] = f(at[i] as number, at[j] as number);
    known[j * 13 + i] = 1;
  };
  const which = LEVELS.indexOf(level);
  const grid = which < 0 ? [] : [...levelIndices(13, 2, which)];
  for (const j of grid) for (const i of grid) set(i, j);
  for (const index of extra) set(index % 13, Math.floor(index / 13));
  const done = known.reduce((sum, one) => sum + one, 0);
  return { frame: head, values, known, metrics: [], estimate: null, level, done };
}

describe("the mesh", () => {
  it("is the quadratic model before any level, and nothing without one", () => {
    const mesh = meshOf(points(0, () => 1));
    expect(mesh).toMatchObject({ stage: "quadratic", level: -1 });
    expect(mesh?.z[12 * 25 + 12]).toBe(1);
    expect(mesh?.z[12 * 25 + 24]).toBeCloseTo(1 + 0.5 + 1);
    const bare = { ...points(0, () => 1), frame: frame(13, LEVELS, { preview: null }) };
    expect(meshOf(bare)).toBeNull();
  });

  it("is the estimate at every point, exact values in its stead where they are known", () => {
    const estimate = new Float32Array(169).fill(5);
    estimate[3] = Number.NaN;
    const some = { ...points(7, () => 1, [1]), estimate };
    const mesh = meshOf(some) as Mesh;
    expect(mesh).toMatchObject({ stage: "estimated", level: 0 });
    expect(mesh.x.length).toBe(13);
    expect([...mesh.z.slice(0, 5)]).toEqual([1, 1, 1, Number.NaN, 1]);
    expect(mesh.z[13 + 1]).toBe(5);
    expect([mesh.exact[1], mesh.exact[3], mesh.exact[14]]).toEqual([1, 0, 0]);
    expect(meshOf({ ...points(13, () => 2), estimate })).toMatchObject({ stage: "exact" });
  });

  it("has a cut with estimates between its exact points", () => {
    const some = { ...points(7, () => 1), estimate: new Float32Array(169).fill(5) };
    const { at, loss, exact } = cutOf(some, "alpha");
    expect(at.length).toBe(13);
    expect(loss.slice(0, 3)).toEqual([1, 5, 1]);
    expect(exact.slice(0, 3)).toEqual([true, false, true]);
  });

  it("is a preview's own level while its finer ones are to come, and its cut has nothing between", () => {
    const levels = [7, 13, 25];
    const head = frame(25, levels, { estimate: { ...ESTIMATE, kind: "bfloat16 preview", level: 13 } });
    const [values, known] = [new Float32Array(625).fill(1), new Uint8Array(625)];
    for (const j of levelIndices(25, 3, 0)) for (const i of levelIndices(25, 3, 0)) known[j * 25 + i] = 1;
    const estimate = new Float32Array(625).fill(Number.NaN);
    for (const j of levelIndices(25, 3, 1)) for (const i of levelIndices(25, 3, 1)) estimate[j * 25 + i] = 5;
    const some = { frame: head, values, known, metrics: [], estimate, level: 7, done: 49 };
    const mesh = meshOf(some) as Mesh;
    expect(mesh).toMatchObject({ stage: "estimated", level: 0 });
    expect([...mesh.z].every(Number.isFinite)).toBe(true);
    expect(mesh.x.length).toBe(13);
    expect(mesh.z[1]).toBe(5);
    const cut = cutOf(some, "alpha");
    expect(cut.at.length).toBe(13);
    expect(cut.loss.slice(0, 3)).toEqual([1, 5, 1]);
  });

  it("is the coarse level as computed", () => {
    const mesh = meshOf(points(7, (x, y) => x + 10 * y));
    expect(mesh).toMatchObject({ stage: "exact", level: 0 });
    expect(mesh?.z.length).toBe(49);
    expect(mesh?.exact.every((one) => one === 1)).toBe(true);
  });

  it("interpolates what is unknown while it refines, and never touches what is known", () => {
    const plane = (x: number, y: number) => 3 * x - 2 * y + 1;
    const start = points(7, plane, [1]);
    start.values[1] = 99;
    const mesh = meshOf(start);
    expect(mesh).toMatchObject({ stage: "refining", level: 0 });
    expect(mesh?.z[1]).toBe(99);
    expect(mesh?.exact[1]).toBe(1);
    const at = coordinates(start.frame.alpha);
    expect(mesh?.z[5 * 13 + 3]).toBeCloseTo(plane(at[3] as number, at[5] as number), 5);
    expect(mesh?.exact[5 * 13 + 3]).toBe(0);
  });

  it("keeps a computed NaN a hole, and its unknown neighbours too", () => {
    const start = points(7, () => 1, [1]);
    start.values[2 * 13 + 2] = Number.NaN;
    const mesh = meshOf(start);
    expect(mesh?.z[2 * 13 + 2]).toBeNaN();
    expect(mesh?.exact[2 * 13 + 2]).toBe(1);
    expect(mesh?.z[1 * 13 + 1]).toBeNaN();
    expect(mesh?.z[2 * 13 + 4]).toBe(1);
    expect(mesh?.z[9 * 13 + 9]).toBe(1);
  });

  it("draws infinity as a hole", () => {
    const start = points(13, () => 1);
    start.values[0] = Number.POSITIVE_INFINITY;
    expect(meshOf(start)?.z[0]).toBeNaN();
  });

  it("does not believe a level that has unknown points", () => {
    const start = points(7, () => 1, [1, 3]);
    expect(completeLevel({ ...start, level: 13 })).toBe(0);
    expect(completeLevel({ ...points(13, () => 1), level: 13 })).toBe(1);
    expect(completeLevel(points(0, () => 1))).toBe(-1);
  });

  it("shares its memory with its rows", () => {
    const z = new Float32Array(6);
    const rows = rowsOf(z, 3);
    z[4] = 7;
    expect(rows.map((row) => [...row])).toEqual([
      [0, 0, 0],
      [0, 7, 0],
    ]);
  });

  it("gives the known points of the two curves", () => {
    const start = points(7, (x, y) => x + 10 * y);
    expect(cutOf(start, "alpha").loss).toHaveLength(7);
    expect(cutOf(start, "beta").loss.at(-1)).toBeCloseTo(10);
  });
});
