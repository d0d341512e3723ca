// The band over random directions: at each position the median, the quartiles and the range of the finished ones.

import { number } from "../protocol/format";
import type { CurveSet } from "./curves";
import { type Attributes, palette, plain, type Scene } from "./figure";
import { type HeightScale, height } from "./heights";
import { said } from "./hover";

/** Quantiles of the members at each position; NaN at a position where any member has no value. */
export interface Band {
  readonly members: number;
  readonly least: readonly number[];
  readonly lower: readonly number[];
  readonly median: readonly number[];
  readonly upper: readonly number[];
  readonly most: readonly number[];
}

/** The band over all finished members, or null where none is finished. */
export function bandOf(set: CurveSet): Band | null {
  const width = set.position.length;
  const rows = set.curves.flatMap(({ band }, k) =>
    band ? [set.loss.subarray(k * width, (k + 1) * width)] : [],
  );
  if (rows.length === 0) return null;
  const columns = Array.from({ length: width }, (_, i) => sortedOrNone(rows.map((row) => row[i] as number)));
  const at = (part: number) => columns.map((column) => quantile(column, part));
  return {
    ...{ members: rows.length, least: at(0), lower: at(0.25) },
    ...{ median: at(0.5), upper: at(0.75), most: at(1) },
  };
}

function sortedOrNone(values: readonly number[]): readonly number[] {
  return values.every(Number.isFinite) ? [...values].sort((a, b) => a - b) : [];
}

/** Linear between order statistics; NaN where there are none. */
function quantile(sorted: readonly number[], part: number): number {
  const place = part * (sorted.length - 1);
  const low = Math.floor(place);
  const [from, to] = [sorted[low] ?? Number.NaN, sorted[Math.ceil(place)] ?? Number.NaN];
  return from + (place - low) * (to - from);
}

export function bandName(set: CurveSet, members: number): string {
  const wanted = set.settings.seeds;
  const seeds =
    members < wanted ? `${members} of ${wanted} seeds` : `${members} seed${members === 1 ? "" : "s"}`;
  return `random directions, ${seeds}: median, quartiles, range`;
}

/** Traces of the band, the widest first; the legend shows one entry, which hides all three. */
export function bandTraces(scene: Scene, set: CurveSet, band: Band, unit: string): Attributes[] {
  const { range, quartiles, median } = palette(scene).band;
  const x = [...set.position];
  const shared = { type: "scatter", legendgroup: "band" };
  const area = {
    ...shared,
    mode: "lines",
    fill: "toself",
    hoverinfo: "skip",
    showlegend: false,
    line: { width: 0 },
  };
  const line = {
    ...shared,
    mode: "lines",
    name: plain(`${bandName(set, band.members)}${unit}`),
    x,
    y: band.median.map((value) => height(value, scene.scale)),
    hovertext: x.map((at, i) => hoverOf(at, band, i)),
    hoverinfo: "text",
    connectgaps: false,
    legendrank: 2000,
    line: { color: median, width: 2 },
  };
  return [
    { ...area, ...outline(x, band.least, band.most, scene.scale), fillcolor: range },
    { ...area, ...outline(x, band.lower, band.upper, scene.scale), fillcolor: quartiles },
    line,
  ];
}

function hoverOf(at: number, { least, lower, median, upper, most }: Band, i: number): string {
  const [low, high] = [`${said(lower[i])} to ${said(upper[i])}`, `${said(least[i])} to ${said(most[i])}`];
  return `${number(at)}<br>median ${said(median[i])}<br>quartiles ${low}<br>range ${high}`;
}

/** Closed outlines of the area, one for each run of positions without a hole. */
export function outline(
  x: readonly number[],
  below: readonly number[],
  above: readonly number[],
  scale: HeightScale,
): { x: (number | null)[]; y: (number | null)[] } {
  const line: { x: (number | null)[]; y: (number | null)[] } = { x: [], y: [] };
  for (const run of runsOf(below, scale)) {
    const there = run.map((i) => [x[i] as number, height(below[i] as number, scale)] as const);
    const back = run.map((i) => [x[i] as number, height(above[i] as number, scale)] as const).reverse();
    if (line.x.length > 0) {
      line.x.push(null);
      line.y.push(null);
    }
    for (const [at, up] of [...there, ...back]) {
      line.x.push(at);
      line.y.push(up);
    }
  }
  return line;
}

function runsOf(values: readonly number[], scale: HeightScale): number[][] {
  const runs: number[][] = [[]];
  values.forEach((value, i) => {
    if (height(value, scale) !== null) runs.at(-1)?.push(i);
    else runs.push([]);
  });
  return runs.filter((run) => run.length > 0);
}
