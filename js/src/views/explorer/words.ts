// The sentences of the explorer, from what is known: pure functions.

import type { Job } from "../../controls/status";
import type { Heights } from "../../plots/heights";
import type { Mesh } from "../../plots/mesh";
import { count, duration, grid, number, remaining, residual, signed } from "../../protocol/format";
import { drawing, type ExplorerState, type Picture } from "./state";

export const NO_KERNEL = "no kernel: showing the saved picture";

const NOTHING_FINITE = "every value is NaN or infinite";

/** How exact the picture is, in a few words. */
export function pillText(state: ExplorerState, mesh: Mesh | null, heights: Heights | null): string {
  if (state.picture === null || mesh === null) return "";
  if (heights === null) return nothingToDraw(mesh);
  const size = (level: number) => sizeOf(state.picture as Picture, level);
  if (mesh.stage === "quadratic") return "quadratic preview";
  const { levels } = state.picture.frame;
  const next = levels[mesh.level + 1];
  const exact = `${size(levels[mesh.level] ?? 0)} exact`;
  const parts = next !== undefined && drawing(state) ? [exact, `refining to ${size(next)}`] : [exact];
  return [...parts, ...holesText(heights)].join(" · ");
}

function nothingToDraw(mesh: Mesh): string {
  return mesh.z.some(Number.isFinite) ? "no value is positive: choose linear" : NOTHING_FINITE;
}

function holesText({ hidden, holes }: Heights): string[] {
  const texts: string[] = [];
  if (holes > 0) texts.push(`${count(holes)} NaN or infinite`);
  if (hidden > 0) texts.push(`${count(hidden)} not positive, hidden by log`);
  return texts;
}

function sizeOf({ frame }: Picture, level: number): string {
  const finest = frame.levels.at(-1);
  return level === finest ? grid(frame.alpha.points, frame.beta.points) : grid(level);
}

/** The status of the picture. */
export function pictureJob(state: ExplorerState): Job {
  const { picture } = state;
  if (state.link === "saved") return idle(picture === null ? "no kernel answers" : NO_KERNEL);
  if (state.wanted !== null || picture === null) return preparing(state);
  const points = count(picture.total);
  if (picture.done >= picture.total) return idle(`${points} points${spent(picture)}`);
  const progress = `${count(picture.done)} of ${points} points`;
  if (picture.end !== null) return idle(`${picture.end.outcome} at ${progress}`);
  const left = picture.secondsLeft === null ? "" : ` · ${remaining(picture.secondsLeft)}`;
  return { text: `${progress}${left}`, part: picture.done / picture.total, stoppable: true };
}

function idle(text: string): Job {
  return { text, part: undefined, stoppable: false };
}

function spent({ end }: Picture): string {
  return end !== null && end.seconds > 0 ? ` · ${duration(end.seconds)}` : "";
}

function preparing({ stage, link, problem, wanted }: ExplorerState): Job {
  if (stage !== null) {
    const part = stage.total === null || stage.total === 0 ? null : stage.done / stage.total;
    const left = stage.seconds_left === null ? "" : ` · ${remaining(stage.seconds_left)}`;
    return { text: `${stage.stage}${left}`, part, stoppable: true };
  }
  if (problem !== null && wanted === null) return idle("no picture");
  return {
    text: link === "waiting" ? "waiting for the kernel…" : "preparing…",
    part: null,
    stoppable: false,
  };
}

/** The status of the eigenpairs, or null where there is nothing to say. */
export function eigenJob(state: ExplorerState): Job | null {
  if (state.link === "saved") return null;
  const { eigen, eigenEnd } = state;
  if (eigen === null) {
    const failed = eigenEnd !== null && !["converged", "complete"].includes(eigenEnd.outcome);
    return failed ? idle(`Hessian directions: ${eigenEnd.outcome}. ${eigenEnd.advice}`) : null;
  }
  const residuals = eigen.pairs.map((pair) => pair.residual).filter((value) => value !== null);
  const part = eigen.total === null || eigen.total === 0 ? null : eigen.done / eigen.total;
  const worst = residuals.length > 0 ? `, residual ${residual(Math.max(...residuals))}` : "";
  const text =
    eigen.pairs.length > 0 ? `Hessian directions: ${count(eigen.done)} products${worst}` : eigen.stage;
  return { text, part, stoppable: true };
}

const NORMS: Readonly<Record<string, string>> = { unit: "unit norm", filter: "filter norm", raw: "raw" };

/** The line under the two directions. */
export function angleText({ picture }: ExplorerState): string {
  if (picture === null) return "";
  const { angle, alpha, beta } = picture.frame;
  const norms = [...new Set([alpha.normalization, beta.normalization])].filter((norm) => norm !== "");
  const words = norms.map((norm) => NORMS[norm] ?? norm).join(" and ");
  return [angle === null ? "" : `angle ${angle.toFixed(1)}°`, words]
    .filter((part) => part !== "")
    .join(" · ");
}

/** What a screen reader is told. */
export function summary(state: ExplorerState, mesh: Mesh | null, heights: Heights | null): string {
  if (state.picture === null || mesh === null) return "";
  const shown = pillText(state, mesh, heights).replaceAll("×", "by");
  if (heights === null) return shown;
  const curvature = state.picture.frame.preview;
  const bends = curvature === null ? "" : `; curvature ${signed(curvature.a)} and ${signed(curvature.c)}`;
  const verdict = state.verdict === null ? "" : ` ${state.verdict.title}`;
  return `${shown}: loss from ${number(heights.least)} to ${number(heights.most)}${bends}.${verdict}`;
}
