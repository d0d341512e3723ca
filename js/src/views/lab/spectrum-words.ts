// What the status line and a screen reader are told of a spectrum.

import type { Job } from "../../controls/status";
import type { SpectrumState } from "../../protocol/messages";
import type { LabNow } from "./client";

type Now = LabNow<SpectrumState>;

export function jobOf(now: Now): Job {
  const { state, end, job, link } = now;
  const still = (text: string): Job => ({ text, part: undefined, stoppable: false, paused: null });
  if (link === "saved") return still("Saved with the notebook: run the cell again to compute more.");
  if (link === "waiting" && state === null) return still("Waiting for the kernel.");
  const running = job !== null || now.wanted !== null;
  const text = (state?.status ?? "Beginning").replaceAll("λ_", "λ");
  if (!running) {
    if (now.problem !== null && end === null) return still("Failed: see above. The last good picture stays.");
    return still(end?.outcome === "cancelled" ? `Stopped. ${text}` : text);
  }
  const waits = job !== null && job.position > 1 ? ` (number ${job.position} of ${job.of} in the queue)` : "";
  const words = now.wanted === null ? text : "Beginning";
  return {
    text: job?.paused ? `Paused. ${words}` : `${words}${waits}`,
    part: now.wanted === null ? (state?.part ?? null) : null,
    stoppable: true,
    paused: job?.paused ?? false,
  };
}

/** Said once a stage has changed, not at every product. */
export function summaryOf({ state, end, problem }: Now): string {
  if (problem !== null) return problem.message;
  if (state === null) return "";
  return end === null && state.stage !== "done"
    ? `Computing: ${state.stage}.`
    : `${state.sentence} ${state.caution}`.trim().replaceAll("λ_", "λ");
}
