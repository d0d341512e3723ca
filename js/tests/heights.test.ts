import { describe, expect, it } from "vitest";
import { heightsOf, linearTicks, logTicks } from "../src/plots/heights";

const values = (...list: number[]) => Float32Array.from(list);

describe("heights", () => {
  it("are logarithms, with labels in plain decimals", () => {
    const heights = heightsOf(values(0.01, 0.1, 1, 10), "log");
    expect(heights?.labels).toEqual(["0.01", "0.1", "1", "10"]);
    expect(heights?.z[0]).toBeCloseTo(-2);
    expect(heights).toMatchObject({ hidden: 0, holes: 0 });
  });

  it("count what a logarithm hides, and what is not finite", () => {
    const heights = heightsOf(values(-1, 0, 2, Number.NaN, Number.POSITIVE_INFINITY), "log");
    expect(heights).toMatchObject({ hidden: 2, holes: 2, least: 2, most: 2 });
  });

  it.each(["log", "linear"] as const)("are none where nothing can be drawn (%s)", (scale) => {
    expect(heightsOf(values(Number.NaN, Number.NEGATIVE_INFINITY), scale)).toBeNull();
  });

  it("are none in log where nothing is positive, but exist in linear", () => {
    expect(heightsOf(values(-1, 0), "log")).toBeNull();
    expect(heightsOf(values(-1, 0), "linear")).not.toBeNull();
  });

  it.each([0, 1e-12, 3, 1e9])("have room around a constant %d", (value) => {
    const heights = heightsOf(values(value, value), "linear");
    expect(heights?.hi).toBeGreaterThan(heights?.lo ?? Infinity);
    expect(heights?.step).toBeGreaterThan(0);
  });

  it.each([
    [-4, 3],
    [-1, 1],
    [0, 0.2],
    [-2.5, 0.5],
    [-30, 30],
  ])("have a few ticks inside %d to %d", (lo, hi) => {
    for (const ticks of [logTicks(lo, hi), linearTicks(lo, hi)]) {
      expect(ticks.length).toBeGreaterThanOrEqual(2);
      expect(ticks.length).toBeLessThanOrEqual(12);
      expect(ticks.every((tick) => tick >= lo - 1e-6 && tick <= hi + 1e-6)).toBe(true);
    }
  });
});
