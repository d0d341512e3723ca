import { describe, expect, it } from "vitest";
import {
  count,
  duration,
  extent,
  grid,
  measured,
  number,
  remaining,
  residual,
  signed,
  span,
} from "../src/protocol/format";

describe("numbers", () => {
  it.each([
    [0.0035912, "0.00359"],
    [-0.01523, "−0.0152"],
    [12.345, "12.3"],
    [0, "0"],
    [99710, "99700"],
    [4.07e-7, "4.07·10⁻⁷"],
    [-3e9, "−3.00·10⁹"],
    [null, "–"],
    [Number.NaN, "–"],
    [-Infinity, "−∞"],
  ])("%d reads %s", (value, text) => {
    expect(number(value)).toBe(text);
  });

  it("keep measured zeros in a table", () => {
    expect([
      measured(1),
      measured(-0.5),
      measured(3.2171),
      measured(1234.5),
      measured(2e-5),
      measured(null),
    ]).toEqual(["1.00", "−0.500", "3.22", "1230", "2.00·10⁻⁵", "–"]);
  });

  it("show a sign where it matters", () => {
    expect([signed(0.312), signed(-0.0152), signed(0)]).toEqual(["+0.312", "−0.0152", "0"]);
  });

  it("of residuals have one digit", () => {
    expect([residual(2.1e-4), residual(3e-5), residual(0), residual(null)]).toEqual([
      "2·10⁻⁴",
      "3·10⁻⁵",
      "0",
      "–",
    ]);
  });

  it("of windows, points and grids", () => {
    expect([extent(4), extent(2.828), extent(64), extent(0.00390625)]).toEqual([
      "± 4.0",
      "± 2.83",
      "± 64.0",
      "± 0.00391",
    ]);
    expect([count(1612), grid(49)]).toEqual(["1,612", "49 × 49"]);
  });

  it.each([
    [-4, 4, "± 4.0"],
    [-0.4, 1.2, "−0.4 … 1.2"],
    [-1.2345, 0.5678, "−1.2 … 0.57"],
    [0, 2.5, "0 … 2.5"],
    [1.201, 1.204, "1.201 … 1.204"],
    [-1.0000001, 1, "± 1.0"],
  ])("of the window %d to %d", (lo, hi, text) => {
    expect(span({ lo, hi })).toBe(text);
  });

  it("of seconds", () => {
    expect([0.42, 3.24, 59.7, 80, 7500].map(duration)).toEqual([
      "0.42 s",
      "3.2 s",
      "1 min 0 s",
      "1 min 20 s",
      "2 h 5 min",
    ]);
    expect([remaining(0.3), remaining(2.2)]).toEqual(["under 1 s left", "3 s left"]);
  });
});
