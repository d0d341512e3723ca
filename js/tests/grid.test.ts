import { describe, expect, it } from "vitest";
import { coordinates, levelIndices } from "../src/protocol/grid";
import { axis } from "./kernel";

describe("levels", () => {
  it.each([
    [49, [7, 13, 25, 49]],
    [97, [7, 13, 25, 49, 97]],
    [7, [7]],
  ])("of %i points have %j points each", (n, sizes) => {
    expect(sizes.map((_, which) => levelIndices(n, sizes.length, which).length)).toEqual(sizes);
  });

  it.each([8, 20, 31, 50, 51, 64])("of %i points are nested, with centre and both ends", (n) => {
    const levels = 4;
    for (let which = 0; which < levels; which += 1) {
      const indices = [...levelIndices(n, levels, which)];
      expect(indices).toEqual([...new Set(indices)].sort((a, b) => a - b));
      expect(indices).toEqual(expect.arrayContaining([0, (n - 1) >> 1, n - 1]));
      if (which > 0) expect(indices).toEqual(expect.arrayContaining([...levelIndices(n, levels, which - 1)]));
    }
    expect(levelIndices(n, levels, levels - 1).length).toBe(n);
  });
});

describe("coordinates", () => {
  it("are symmetric, with an exact centre", () => {
    const at = coordinates(axis(49, { lo: -2.83, hi: 2.83 }));
    expect(at[24]).toBe(0);
    for (let i = 0; i < 49; i += 1) expect(at[i]).toBe(-(at[48 - i] as number) + 0);
    expect([at[0], at[48]]).toEqual([-2.83, 2.83]);
  });

  it("of one point are its middle", () => {
    expect([...coordinates(axis(1, { lo: 1, hi: 3 }))]).toEqual([2]);
  });
});
