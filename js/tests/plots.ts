// Scenes for the tests of figures: a picture of a function, known up to a level.

import type { CurveSet } from "../src/plots/curves";
import type { Scene } from "../src/plots/figure";
import { heightsOf } from "../src/plots/heights";
import { meshOf, type Points } from "../src/plots/mesh";
import { coordinates, levelIndices } from "../src/protocol/grid";
import type { CurveInfo, Frame, Track } from "../src/protocol/messages";
import { frame } from "./kernel";

export const LEVELS = [7, 13];

export interface Parts {
  readonly level?: number;
  readonly loss?: (alpha: number, beta: number) => number;
  readonly frame?: Partial<Frame>;
  readonly metric?: (alpha: number, beta: number) => number;
  /** Further known points, by their flat index. */
  readonly extra?: readonly number[];
  /** The estimate at every point, where the frame names one. */
  readonly estimate?: Float32Array;
}

export function pointsOf({
  level = 13,
  loss = bowl,
  metric,
  extra = [],
  estimate,
  ...parts
}: Parts = {}): Points {
  const head = frame(13, LEVELS, { metrics: [], tracks: [], ...parts.frame });
  const [x, y] = [coordinates(head.alpha), coordinates(head.beta)];
  const [values, known] = [new Float32Array(169).fill(Number.NaN), new Uint8Array(169)];
  const metrics = metric ? [new Float32Array(169).fill(Number.NaN)] : [];
  const set = (at: number) => {
    const place = [x[at % 13] as number, y[Math.floor(at / 13)] as number] as const;
    values[at] = loss(...place);
    known[at] = 1;
    if (metric && metrics[0]) metrics[0][at] = metric(...place);
  };
  const which = LEVELS.indexOf(level);
  const grid = which < 0 ? [] : [...levelIndices(13, 2, which)];
  for (const j of grid) for (const i of grid) set(j * 13 + i);
  extra.forEach(set);
  const done = known.reduce((sum, one) => sum + one, 0);
  return { frame: head, values, known, metrics, estimate: estimate ?? null, level, done };
}

export function bowl(alpha: number, beta: number): number {
  return 1 + alpha * alpha + 2 * beta * beta;
}

export function sceneOf(parts: Parts = {}, more: Partial<Scene> = {}): Scene {
  const points = pointsOf(parts);
  const mesh = meshOf(points);
  const scale = more.scale ?? "linear";
  const heights = mesh === null ? null : heightsOf(mesh.z, scale);
  const style = { theme: "light", font: "serif", roomy: true, paired: false } as const;
  return { points, mesh, heights, scale, colours: "viridis", curves: null, ...style, ...more };
}

export function trackOf(more: Partial<Track> = {}): Track {
  return {
    kind: "path",
    labels: ["epoch 0", "epoch 1", "epoch 2"],
    alpha: [3, 0.5, 0],
    beta: [0, 0.5, 0],
    off_plane: [1, 2, 0],
    loss: [3, null, 1],
    shown: "",
    ...more,
  };
}

export function curveSetOf(
  rows: readonly (readonly number[])[],
  infos: readonly Partial<CurveInfo>[],
  more: Partial<CurveSet> = {},
): CurveSet {
  const width = rows[0]?.length ?? 0;
  const info = { label: "random", unit: "parameter distance", length: 1, band: true };
  return {
    settings: {
      ...{ choices: [], seeds: rows.length, seed: 0, scale: "unit", points: width },
      range: { lo: -1, hi: 1 },
    },
    curves: infos.map((one) => ({ ...info, ...one })),
    position: Float32Array.from({ length: width }, (_, i) => -1 + (2 * i) / (width - 1)),
    loss: Float32Array.from(rows.flat()),
    ...{ done: rows.length, total: rows.length, caption: "" },
    ...more,
  };
}
