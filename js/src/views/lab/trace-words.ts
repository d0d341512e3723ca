// The words of a trace lab, from what is known: pure functions.

import type { Job } from "../../controls/status";
import { count, number, remaining } from "../../protocol/format";
import type { TraceCurve, TraceState } from "../../protocol/messages";
import type { LabNow } from "./client";

/** A value with the digits that its error leaves meaning to: 12.312 ± 0.019. */
export function plusMinus(value: number, half: number): string {
  if (!Number.isFinite(value)) return "–";
  if (!Number.isFinite(half)) return number(value, 4);
  const places = half === 0 ? 9 : Math.max(0, 1 - Math.floor(Math.log10(half)));
  if (places > 8 || Math.max(Math.abs(value), half) >= 1e6) return `${number(value, 5)} ± ${number(half, 2)}`;
  return `${value.toFixed(places)} ± ${half.toFixed(places)}`.replaceAll("-", "\u2212");
}

export function valueText({ value, lower, upper, interval_kind }: TraceCurve): string {
  if (value === null) return "–";
  if (interval_kind === "exact") return number(value, 6);
  return plusMinus(value, lower === null || upper === null ? Number.NaN : (upper - lower) / 2);
}

/** What the run of one method came to; one that was stopped on its way says so. */
export function outcomeText({ outcome }: TraceCurve, stopped: boolean): string {
  return outcome === "running" && stopped ? "stopped" : outcome;
}

export function jobOf({ link, state, wanted, end, job, problem }: LabNow<TraceState>): Job {
  const idle = (text: string): Job => ({ text, part: undefined, stoppable: false, paused: null });
  if (link === "saved")
    return idle(state === null ? "no kernel answers" : "no kernel: showing the saved estimates");
  if (state === null || wanted !== null)
    return problem === null
      ? { ...idle(link === "waiting" ? "waiting for the kernel…" : "preparing…"), part: null }
      : idle("no estimates");
  const each = `${count(state.settings.budget)} gradient evaluations each`;
  const stopped = end?.outcome === "cancelled" ? "stopped before " : "";
  if (end !== null || job === null) return idle(`${stopped}${each}`);
  const place = job.of > 1 ? `${job.position} of ${job.of}: ` : "";
  const spent = `${count(state.done)} of ${count(state.total)} gradient evaluations in all`;
  const left = state.seconds_left === null ? "" : ` · ${remaining(state.seconds_left)}`;
  const text = job.paused ? `paused at ${spent}` : `${place}${spent}${left}`;
  return { text, part: state.done / state.total, stoppable: true, paused: job.paused };
}
