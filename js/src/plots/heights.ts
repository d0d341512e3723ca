// The height axis: values to heights, a steady range, and ticks in plain decimals.

import { number } from "../protocol/format";

export type HeightScale = "log" | "linear";

export interface Heights {
  readonly z: Float32Array;
  /** Rounded outward, so that refinement rarely moves it. */
  readonly lo: number;
  readonly hi: number;
  readonly ticks: readonly number[];
  readonly labels: readonly string[];
  /** Finite values a logarithm cannot show (zero or negative). */
  readonly hidden: number;
  /** Values that are NaN or infinite. */
  readonly holes: number;
  /** Step of the contour lines. */
  readonly step: number;
  /** Least and greatest value shown, in loss. */
  readonly least: number;
  readonly most: number;
}

/** The height of one loss, or null where it cannot be shown. */
export function height(value: number, scale: HeightScale): number | null {
  if (!Number.isFinite(value) || (scale === "log" && value <= 0)) return null;
  return scale === "log" ? Math.log10(value) : value;
}

/** Heights of the values, or null where no value can be drawn: plotly must never meet an all-NaN surface. */
export function heightsOf(values: Float32Array, scale: HeightScale): Heights | null {
  const z = new Float32Array(values.length).fill(Number.NaN);
  let [lo, hi, hidden, holes] = [Infinity, -Infinity, 0, 0];
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) holes += 1;
    else if (scale === "log" && value <= 0) hidden += 1;
    else {
      const height = scale === "log" ? Math.log10(value) : value;
      z[i] = height;
      lo = Math.min(lo, height);
      hi = Math.max(hi, height);
    }
  });
  if (lo > hi) return null;
  const [least, most] = scale === "log" ? [10 ** lo, 10 ** hi] : [lo, hi];
  return { z, hidden, holes, least, most, ...axisOf(lo, hi, scale) };
}

function axisOf(
  lo: number,
  hi: number,
  scale: HeightScale,
): Pick<Heights, "lo" | "hi" | "ticks" | "labels" | "step"> {
  const unit = niceStep(Math.max(hi - lo, Math.abs(hi) * 1e-6, 1e-12) / 20);
  const low = Math.floor(lo / unit) * unit;
  const high = Math.max(Math.ceil(hi / unit) * unit, low + unit);
  const ticks = scale === "log" ? logTicks(low, high) : linearTicks(low, high);
  const labels = ticks.map((tick) => number(scale === "log" ? 10 ** tick : tick, 4));
  return { lo: low, hi: high, ticks, labels, step: niceStep((high - low) / 14) };
}

/** The nearest of 1, 2, 5 times a power of ten. */
export function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const lead = rough / power;
  if (lead < 1.5) return power;
  if (lead < 3.5) return 2 * power;
  return lead < 7.5 ? 5 * power : 10 * power;
}

export function linearTicks(lo: number, hi: number, about = 4.5): number[] {
  const step = niceStep((hi - lo) / about);
  const ticks: number[] = [];
  for (let k = Math.ceil(lo / step - 1e-9); k * step <= hi + step * 1e-9; k += 1)
    ticks.push(k === 0 ? 0 : k * step);
  return ticks;
}

/** Ticks in log10: decades, with 2 and 5 where decades are few, evenly spaced values where they are none. */
export function logTicks(lo: number, hi: number): number[] {
  const decades = hi - lo;
  if (decades < 0.7)
    return linearTicks(10 ** lo, 10 ** hi)
      .filter((value) => value > 0)
      .map(Math.log10);
  const every = Math.max(1, Math.ceil(decades / 7));
  const leads = decades < 1.6 ? [1, 2, 5] : decades < 3.2 ? [1, 3] : [1];
  const ticks: number[] = [];
  for (let power = Math.floor(lo); power <= Math.ceil(hi); power += 1) {
    if (power % every !== 0) continue;
    for (const lead of leads) {
      const tick = power + Math.log10(lead);
      if (tick >= lo - 1e-9 && tick <= hi + 1e-9) ticks.push(tick);
    }
  }
  return ticks;
}
