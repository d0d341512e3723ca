// The sentences of the explorer, from what is known: pure functions.

import type { Job } from "../../controls/status";
import type { Heights } from "../../plots/heights";
import type { Mesh } from "../../plots/mesh";
import { count, duration, grid, number, remaining, residual, signed } from "../../protocol/format";
import type { Progress, View } from "../../protocol/messages";
import { cutting, drawing, type ExplorerState, type Picture, type Work } from "./state";

export const NO_KERNEL = "no kernel: showing the saved picture";

const NOTHING_FINITE = "every value is NaN or infinite";

/** How exact the picture is, in a few words. */
export function pillText(state: ExplorerState, mesh: Mesh | null, heights: Heights | null): string {
  if (state.picture === null || mesh === null) return "";
  if (heights === null) return nothingToDraw(mesh);
  const size = (level: number) => sizeOf(state.picture as Picture, level);
  if (mesh.stage === "quadratic") return "quadratic preview";
  const { levels, estimate } = state.picture.frame;
  if (mesh.stage === "estimated" && estimate !== null)
    return [estimate.words, ...refining(state, levels[mesh.level + 1], size), ...holesText(heights)].join(
      " · ",
    );
  const exact = `${size(levels[mesh.level] ?? 0)} exact`;
  const parts = [exact, ...refining(state, levels[mesh.level + 1], size)];
  return [...parts, ...holesText(heights)].join(" · ");
}

function refining(state: ExplorerState, next: number | undefined, size: (level: number) => string): string[] {
  return next !== undefined && drawing(state) ? [`refining to ${size(next)}`] : [];
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

/** What every job line says: its place among all jobs of the kernel, and whether it is held. */
function running(
  { queue }: ExplorerState,
  work: Work,
  part: number | null,
  text: string,
  held = `paused: ${text}`,
): Job {
  const entry = queue.find((job) => job.purpose === work);
  const place = entry !== undefined && entry.of > 1 ? `${entry.position} of ${entry.of}: ` : "";
  const words = entry?.paused === true ? held : `${place}${text}`;
  return { text: words, part, stoppable: true, paused: entry?.paused ?? null };
}

function idle(text: string): Job {
  return { text, part: undefined, stoppable: false, paused: null };
}

function partOf({ done, total }: Pick<Progress, "done" | "total">): number | null {
  return total === null || total === 0 ? null : done / total;
}

/** The status of the picture. */
export function pictureJob(state: ExplorerState): Job {
  const { picture } = state;
  if (state.link === "saved") return idle(picture === null ? "no kernel answers" : NO_KERNEL);
  if (state.wanted !== null || picture === null) return preparing(state);
  const points = count(picture.total);
  if (picture.done >= picture.total) return idle(`${points} points${spent(picture)}`);
  const progress = `${count(picture.done)} of ${points} points`;
  if (picture.end?.outcome === "converged") return idle(`${progress} computed${spent(picture)}`);
  if (picture.end !== null) return idle(`${picture.end.outcome} at ${progress}`);
  const preview = previewing(state, picture);
  const left = picture.secondsLeft === null ? "" : ` · ${remaining(picture.secondsLeft)}`;
  const part = picture.done / picture.total;
  return running(state, "picture", part, `${progress}${preview || left}`, `paused at ${progress}${preview}`);
}

/** How far a preview of the picture is, while its values come before the exact ones. */
function previewing({ stage }: ExplorerState, { id }: Picture): string {
  if (stage === null || stage.id !== id || stage.total === null || stage.done >= stage.total) return "";
  return ` · ${stage.stage} ${count(stage.done)} of ${count(stage.total)}`;
}

function spent({ end }: Picture): string {
  return end !== null && end.seconds > 0 ? ` · ${duration(end.seconds)}` : "";
}

function preparing(state: ExplorerState): Job {
  const { stage, link, problem, wanted } = state;
  if (stage !== null) {
    const left = stage.seconds_left === null ? "" : ` · ${remaining(stage.seconds_left)}`;
    return running(state, "picture", partOf(stage), `${stage.stage}${left}`, `paused: ${stage.stage}`);
  }
  if (problem !== null && wanted === null) return idle("no picture");
  return { ...idle(link === "waiting" ? "waiting for the kernel…" : "preparing…"), part: null };
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
  const worst = residuals.length > 0 ? `, residual ${residual(Math.max(...residuals))}` : "";
  if (eigen.pairs.length === 0) return running(state, "eigenpairs", partOf(eigen), eigen.stage);
  const products = `${count(eigen.done)} products${worst}`;
  const texts = [`Hessian directions, ${products}`, `Hessian directions, paused at ${products}`] as const;
  return running(state, "eigenpairs", partOf(eigen), ...texts);
}

/** The status of the curves beside α and β, or null where none are asked for. */
export function curvesJob(state: ExplorerState): Job | null {
  const { curves, curvesStage, curvesEnd } = state;
  if (state.link === "saved") return null;
  if (!cutting(state)) {
    const partial = curvesEnd !== null && !["converged", "complete"].includes(curvesEnd.outcome);
    return partial ? idle(`curves: ${curvesEnd.outcome}. ${curvesEnd.advice}`) : null;
  }
  const known = curves ?? curvesStage;
  if (known === null) return running(state, "curves", null, "curves: preparing…");
  if (curves === null) return running(state, "curves", partOf(known), curvesStage?.stage ?? "");
  const done = `${curves.done} of ${curves.total} curves`;
  return running(state, "curves", partOf(known), done, `paused at ${done}`);
}

const NORMS: Readonly<Record<string, string>> = { unit: "unit norm", filter: "filter norm", raw: "raw" };

/** The status of the random slices drawn to compare with, or null. */
export function slicesJob(state: ExplorerState): Job | null {
  const { slices, link } = state;
  return link === "saved" || slices === null ? null : running(state, "slices", partOf(slices), slices.stage);
}

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
  const range = `loss from ${number(heights.least)} to ${number(heights.most)}`;
  return `${shown}: ${range}${lowest(mesh)}${bends}.${verdict}`;
}

/** Where the loss is lowest among the points that were computed. */
function lowest({ x, y, z, exact }: Mesh): string {
  let best = -1;
  z.forEach((value, at) => {
    if (exact[at] === 1 && Number.isFinite(value) && !(value >= (z[best] ?? Infinity))) best = at;
  });
  if (best < 0) return "";
  return `, lowest at α ${number(x[best % x.length])}, β ${number(y[Math.floor(best / x.length)])}`;
}

const NO_WEBGL = "No WebGL here: showing the contour.";

/** The lines under the plot: what it rests on, what else lies in it, and what is shown in its stead. */
export function captionText({ picture, curves }: ExplorerState, view: View, flat: boolean): string {
  if (picture === null) return "";
  const { caption, tracks } = picture.frame;
  const words =
    view === "curves"
      ? [caption, curves?.caption ?? ""]
      : [caption, ...tracks.map(({ shown }) => shown), flat ? NO_WEBGL : ""];
  return words.filter((part) => part !== "").join(" ");
}
