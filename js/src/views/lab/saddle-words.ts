// The words of a saddle lab, from what is known: pure functions.

import type { Job } from "../../controls/status";
import { count, number, remaining } from "../../protocol/format";
import type { SaddleState, SliceCount, SlicePicture } from "../../protocol/messages";
import type { LabNow } from "./client";

/** A share in percent without its sign: 0, 15.8, 0.38, 0.005. */
export function percent(share: number | null): string {
  if (share === null) return "–";
  const value = 100 * share;
  if (value === 0 || value >= 99.995) return String(Math.round(value));
  return value < 0.1 ? number(value, 1) : value.toFixed(value < 1 || value > 99 ? 2 : 1);
}

export function intervalText({ lower, upper }: SliceCount): string {
  return lower === null || upper === null ? "" : `${percent(lower)} – ${percent(upper)}`;
}

/** The standard error of what is predicted, in percent; one too small to be read is left out. */
export function errorText({ predicted, predicted_error: error }: SliceCount): string {
  return predicted !== null && error !== null && error >= 5e-5 ? `± ${percent(error)}` : "";
}

/** A curvature: three digits, thousands with a comma. */
export function curvature(value: number): string {
  return Math.abs(value) >= 1000 && Math.abs(value) < 1e7
    ? count(Number(value.toPrecision(3))).replace("-", "\u2212")
    : number(value);
}

export function kappaText({ kappa }: SlicePicture): string {
  const [upper, lower] = kappa;
  const known = upper !== undefined && lower !== undefined;
  return known ? `κ₊ ${curvature(upper)}, κ₋ ${curvature(lower)}` : "";
}

/** An axis in parameter distance; raw and filtered directions have that length on average only. */
export function axisWords(letter: "α" | "β", exact: boolean): string {
  return exact ? `${letter} (distance)` : `${letter} (≈ distance)`;
}

/** Text with its subscripts apart: "λ_max" is λ and max. */
export function subscripts(text: string): readonly (readonly [text: string, subscript: boolean])[] {
  return text
    .split(/(?<=[λ‖])_(\w+)/u)
    .map((part, i) => [part, i % 2 === 1] as const)
    .filter(([part]) => part !== "");
}

export function traceText({ trace, trace_error: error, trace_exact: exact }: SaddleState): string {
  if (trace === null) return "tr H –";
  if (exact) return `tr H = ${number(trace)}`;
  return error === null ? `tr H ≈ ${number(trace)}` : `tr H ≈ ${number(trace)} ± ${number(error, 1)}`;
}

export function summaryOf(state: SaddleState | null): string {
  if (state === null) return "";
  const shown = state.pictures.map(({ title, shows }) => (shows === "" ? title : `${title}: ${shows}`));
  return `${state.sentence} ${shown.join(", ")}.`;
}

export function jobOf({ link, state, wanted, end, job, problem }: LabNow<SaddleState>): Job {
  const idle = (text: string): Job => ({ text, part: undefined, stoppable: false, paused: null });
  if (link === "saved")
    return idle(state === null ? "no kernel answers" : "no kernel: showing the saved slices");
  if (state === null || wanted !== null) {
    if (problem !== null) return idle(state === null ? "no slices" : state.status);
    return { ...idle(link === "waiting" ? "waiting for the kernel…" : "preparing…"), part: null };
  }
  const stopped = end?.outcome === "cancelled" ? "stopped: " : "";
  if (end !== null || job === null) return idle(`${stopped}${state.status}`);
  const place = job.of > 1 ? `${job.position} of ${job.of}: ` : "";
  const long = state.seconds_left !== null && state.seconds_left > 0;
  const left = long ? ` · ${remaining(state.seconds_left as number)}` : "";
  const text = job.paused ? `paused: ${state.status}` : `${place}${state.status}${left}`;
  const part = state.done < state.total ? state.done / state.total : null;
  return { text, part, stoppable: true, paused: job.paused };
}
