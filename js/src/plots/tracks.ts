// The training path and other models as seen from the plane: cut at the window, never stretching it.

import { number } from "../protocol/format";
import type { AxisInfo, Frame, Track } from "../protocol/messages";
import { plain } from "./figure";
import { said } from "./hover";
import type { Place } from "./relief";

/** A model that projects into the window. */
export interface Stop extends Place {
  readonly label: string;
  readonly hover: string;
  /** 1 in the plane, down to 0.3 the more of its distance from the model lies off the plane. */
  readonly strength: number;
  readonly role: "start" | "end" | "between" | "point";
}

/** What is drawn of a track; `line` holds null where the path leaves the window. */
export interface Drawn {
  readonly stops: readonly Stop[];
  readonly line: readonly (Place | null)[];
}

const PIECES = 60;
const LONGEST = 24;

export function drawnTracks(frame: Frame): Drawn[] {
  return frame.tracks.map((track) => ({
    stops: stopsOf(track, frame),
    line: track.kind === "path" ? lineOf(track, frame) : [],
  }));
}

function stopsOf(track: Track, frame: Frame): Stop[] {
  const last = track.labels.length - 1;
  return track.labels.flatMap((label, i) => {
    const place = placeOf(track, i);
    if (!inside(place, frame)) return [];
    const end = i === last ? "end" : "between";
    const role = track.kind === "points" ? "point" : i === 0 ? "start" : end;
    const share = offPlaneShare(place, track.off_plane[i] as number, frame);
    return [
      { ...place, role, label: short(label), strength: 1 - 0.7 * share, hover: hoverOf(track, i, share) },
    ];
  });
}

function placeOf(track: Track, i: number): Place {
  return { alpha: track.alpha[i] as number, beta: track.beta[i] as number };
}

function inside({ alpha, beta }: Place, frame: Frame): boolean {
  const within = (value: number, axis: AxisInfo) => value >= axis.lo && value <= axis.hi;
  return within(alpha, frame.alpha) && within(beta, frame.beta);
}

function short(label: string): string {
  return plain(label.length > LONGEST ? `${label.slice(0, LONGEST - 1)}…` : label);
}

/** How much of the distance to the model at the centre lies off the plane, 0 to 1. */
export function offPlaneShare({ alpha, beta }: Place, offPlane: number, frame: Frame): number {
  const [x, y] = [alpha * frame.alpha.length, beta * frame.beta.length];
  const slant = 2 * x * y * Math.cos(((frame.angle ?? 90) * Math.PI) / 180);
  const whole = Math.sqrt(Math.max(x * x + y * y + slant, 0) + offPlane * offPlane);
  return whole > 0 ? Math.min(offPlane / whole, 1) : 0;
}

/** The track does not lie in the plane: what is said is the model's own loss, and how far off it is. */
function hoverOf(track: Track, i: number, share: number): string {
  const { alpha, beta } = placeOf(track, i);
  const off = track.off_plane[i] as number;
  return [
    plain(track.labels[i] as string),
    `projects to α ${number(alpha)}, β ${number(beta)}`,
    `its own loss ${said(track.loss[i])}`,
    `off the plane by ${number(off)} (parameter distance),`,
    `${number(100 * share, 2)} % of its distance from the model`,
  ].join("<br>");
}

function lineOf(track: Track, frame: Frame): (Place | null)[] {
  const line: (Place | null)[] = [];
  for (let i = 0; i + 1 < track.labels.length; i += 1) {
    const [from, to] = [placeOf(track, i), placeOf(track, i + 1)];
    const part = clip(from, to, frame);
    if (part === null) continue;
    const pieces = piecesOf(from, to, part, frame);
    if (part[0] > 0 || line.length === 0 || line.at(-1) === null) line.push(between(from, to, part[0]));
    for (let k = 1; k <= pieces; k += 1)
      line.push(between(from, to, part[0] + ((part[1] - part[0]) * k) / pieces));
    if (part[1] < 1) line.push(null);
  }
  return line.at(-1) === null ? line.slice(0, -1) : line;
}

/** So many pieces that a draped line follows the surface. */
function piecesOf(from: Place, to: Place, [start, end]: readonly [number, number], frame: Frame): number {
  const across = Math.abs(to.alpha - from.alpha) / (frame.alpha.hi - frame.alpha.lo);
  const along = Math.abs(to.beta - from.beta) / (frame.beta.hi - frame.beta.lo);
  return Math.max(1, Math.min(Math.ceil((end - start) * Math.max(across, along) * PIECES), PIECES));
}

function between(from: Place, to: Place, part: number): Place {
  if (part === 1) return to;
  return {
    alpha: from.alpha + part * (to.alpha - from.alpha),
    beta: from.beta + part * (to.beta - from.beta),
  };
}

/** The part of a segment inside the window as fractions of it, or null (Liang and Barsky 1984). */
export function clip(from: Place, to: Place, { alpha, beta }: Pick<Frame, "alpha" | "beta">) {
  let [start, end] = [0, 1];
  for (const [a, b, { lo, hi }] of [
    [from.alpha, to.alpha, alpha],
    [from.beta, to.beta, beta],
  ] as const) {
    const step = b - a;
    if (step === 0) {
      if (a < lo || a > hi) return null;
      continue;
    }
    const [enter, leave] = step > 0 ? [(lo - a) / step, (hi - a) / step] : [(hi - a) / step, (lo - a) / step];
    start = Math.max(start, enter);
    end = Math.min(end, leave);
  }
  return start < end ? ([start, end] as const) : null;
}
