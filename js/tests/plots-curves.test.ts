import { describe, expect, it } from "vitest";
import { bandName, bandOf, outline } from "../src/plots/band";
import { curvesFigure } from "../src/plots/curves";
import type { Attributes, Figure } from "../src/plots/figure";
import { cutOf } from "../src/plots/mesh";
import { axis, PREVIEW } from "./kernel";
import { bowl, curveSetOf, pointsOf, sceneOf } from "./plots";

const MEMBERS = [
  [1, 2, 3],
  [5, 2, 7],
  [2, 2, 1],
  [4, 2, 9],
  [3, 2, 5],
];
const BAND = MEMBERS.map(() => ({ band: true }));

const named = (figure: Figure, name: RegExp) =>
  figure.data.filter((trace) => name.test(String(trace.name ?? "")));
const filled = (figure: Figure) => figure.data.filter((trace) => trace.fill === "toself");
const titleOf = (figure: Figure) => ((figure.layout.xaxis as Attributes).title as Attributes).text;

describe("the picture's cuts", () => {
  it("pass through the row and column nearest to the model, of a complete level", () => {
    const alpha = axis(13, { lo: 0.5, hi: 2.5 });
    const points = pointsOf({ frame: { alpha } });
    expect(cutOf(points, "alpha").across).toBe(0);
    const column = cutOf(points, "beta");
    expect(column.across).toBe(0.5);
    column.at.forEach((beta, i) => {
      expect(column.loss[i]).toBeCloseTo(bowl(0.5, beta), 5);
    });
    const beta = axis(13, { lo: -1.2, hi: 1 });
    const fine = cutOf(pointsOf({ frame: { beta } }), "alpha");
    const coarse = cutOf(pointsOf({ frame: { beta }, level: 7 }), "alpha");
    expect(fine.across).toBeCloseTo(0.0833, 3);
    expect(coarse.across).toBeCloseTo(-0.1, 3);
    expect(coarse.at).toHaveLength(7);
  });

  it("say where they are, and their quadratic model is of the same cut", () => {
    const alpha = axis(13, { lo: 0.5, hi: 2.5 });
    const figure = curvesFigure(sceneOf({ frame: { alpha } }));
    expect(named(figure, /^[αβ]/).map(({ name }) => name)).toEqual([
      "α · random 0",
      "β · random 1 at α = 0.5",
    ]);
    const parabola = named(figure, /its quadratic model/)[1] as { x: number[]; y: number[] };
    const { loss, gradient_alpha, a, b, c } = PREVIEW;
    parabola.x.forEach((beta, i) => {
      const value = loss + gradient_alpha * 0.5 + 0.5 * (a * 0.25 + 2 * b * 0.5 * beta + c * beta * beta);
      expect(parabola.y[i]).toBeCloseTo(value, 10);
    });
  });
});

describe("the model in the curves", () => {
  const marked = (figure: Figure) => Array.isArray(figure.layout.shapes);

  it("is marked where a cut passes through it, and only there", () => {
    const beside = { alpha: axis(13, { lo: 0.5, hi: 2.5 }), beta: axis(13, { lo: -1.2, hi: 1 }) };
    expect(marked(curvesFigure(sceneOf()))).toBe(true);
    expect(marked(curvesFigure(sceneOf({ frame: beside })))).toBe(false);
    const curves = curveSetOf([[1, 2, 3]], [{ band: false }]);
    expect(marked(curvesFigure(sceneOf({ frame: beside }, { curves })))).toBe(true);
  });
});

describe("the band", () => {
  it("has median, quartiles and range of what is finished", () => {
    const band = bandOf(curveSetOf(MEMBERS, BAND));
    expect(band).toEqual({
      ...{ members: 5, least: [1, 2, 1], lower: [2, 2, 3], median: [3, 2, 5] },
      ...{ upper: [4, 2, 7], most: [5, 2, 9] },
    });
    const even = bandOf(curveSetOf([[1], [2], [4], [8]], BAND.slice(1)));
    expect(even).toMatchObject({ lower: [1.75], median: [3], upper: [5] });
    expect(bandOf(curveSetOf([[1, 2]], [{ band: false }]))).toBeNull();
  });

  it("is a hole where any member has no value, and is never filled there", () => {
    const rows = MEMBERS.map((row) => [...row, 1, 1]);
    (rows[2] as number[])[1] = Number.NaN;
    const figure = curvesFigure(sceneOf({}, { curves: curveSetOf(rows, BAND) }));
    const [range, quartiles] = filled(figure) as { x: (number | null)[]; y: (number | null)[] }[];
    expect(range?.x).toEqual([-1, -1, null, 0, 0.5, 1, 1, 0.5, 0]);
    expect(range?.y).toEqual([1, 5, null, 1, 1, 1, 1, 1, 9]);
    expect(quartiles?.x).toEqual(range?.x);
    const [line] = named(figure, /^random directions/) as { y: (number | null)[]; hovertext: string[] }[];
    expect(line?.y[1]).toBeNull();
    expect(line?.hovertext[1]).toMatch(/median NaN/);
  });

  it("is a hole in log where its lower edge is not positive", () => {
    expect(outline([0, 1, 2], [1, 0, 1], [10, 10, 10], "log")).toEqual({
      x: [0, 0, null, 2, 2],
      y: [0, 1, null, 0, 1],
    });
  });

  it("says how many of its seeds are in it", () => {
    const set = curveSetOf(MEMBERS, BAND);
    expect(bandName(set, 5)).toBe("random directions, 5 seeds: median, quartiles, range");
    const more = { ...set, settings: { ...set.settings, seeds: 8 } };
    expect(bandName(more, 5)).toBe("random directions, 5 of 8 seeds: median, quartiles, range");
    expect(bandName({ ...set, settings: { ...set.settings, seeds: 1 } }, 1)).toMatch(/, 1 seed:/);
  });
});

describe("further directions", () => {
  const rows = Array.from({ length: 9 }, (_, k) => [k + 1, 1, k + 1]);
  const infos = rows.map((_, k) => ({ label: `<b>${k}`, band: false }));

  it("wear colour and dash, no two the same, as text", () => {
    const figure = curvesFigure(sceneOf({}, { curves: curveSetOf(rows, infos) }));
    const drawn = named(figure, /^&lt;b&gt;/);
    expect(drawn).toHaveLength(9);
    const looks = drawn.map(({ line }) => `${(line as Attributes).color} ${(line as Attributes).dash}`);
    expect(new Set(looks).size).toBe(9);
  });

  it("widen the window to all that is drawn", () => {
    const set = { ...curveSetOf(rows, infos), position: Float32Array.of(-3, 0, 2) };
    const range = (figure: Figure) => (figure.layout.xaxis as Attributes).range;
    expect(range(curvesFigure(sceneOf({}, { curves: set })))).toEqual([-3, 2]);
    expect(range(curvesFigure(sceneOf()))).toEqual([-1, 1]);
  });

  it("share an axis title where they share the unit; else each names its own", () => {
    const same = curvesFigure(sceneOf({}, { curves: curveSetOf(rows, infos) }));
    expect(titleOf(same)).toBe("position along the direction (parameter distance)");
    const units = infos.map((info) => ({ ...info, unit: "filter norms" }));
    const mixed = curvesFigure(sceneOf({}, { curves: curveSetOf(rows, units) }));
    expect(titleOf(mixed)).toBe("position along each direction, in its own unit (see the legend)");
    expect(named(mixed, /\(filter norms\)$/)).toHaveLength(9);
    expect(named(mixed, /\(parameter distance\)$/)).toHaveLength(2);
  });

  it("show NaN as a gap, and are a new figure when more come", () => {
    const set = curveSetOf([[1, Number.NaN, 3]], [{ label: "d", band: false }]);
    const figure = curvesFigure(sceneOf({}, { curves: set }));
    expect(named(figure, /^d$/)[0]?.y).toEqual([1, null, 3]);
    const grown = curvesFigure(sceneOf({}, { curves: curveSetOf(rows, infos) }));
    expect(new Set([figure.key, grown.key, curvesFigure(sceneOf()).key]).size).toBe(3);
  });
});
