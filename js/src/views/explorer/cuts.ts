// Which curves are drawn beside those of α and β, and the request they make: pure functions.

import { keyOf, nameOf, type SourceOption } from "../../controls/axis";
import { covering } from "../../protocol/grid";
import type { AxisChoice, CurveSettings, PictureSettings, ViewSettings } from "../../protocol/messages";

/** What this view adds to its curves: directions by their keys, and a band over so many random ones. */
export interface Cuts {
  readonly extra: ReadonlySet<string>;
  readonly seeds: number;
}

export const NO_CUTS: Cuts = { extra: new Set(), seeds: 0 };

/** Directions beside α and β, and points a curve, at most. */
export const MOST_CUTS = 6;
const MOST_POINTS = 49;

/** The directions that can stand beside α and β; random ones are the band's. */
export function besides(
  sources: readonly SourceOption[],
  { alpha, beta }: Pick<PictureSettings, "alpha" | "beta">,
): { key: string; label: string; option: SourceOption }[] {
  const taken = [keyOf(alpha), keyOf(beta)];
  return sources
    .filter((option) => option.source !== "random" && !taken.includes(keyOf(option)))
    .map((option) => ({ key: keyOf(option), label: nameOf(option), option }));
}

/** What to ask for now, or null: α and β themselves are cut from the picture. */
export function curveSettings(
  { view }: ViewSettings,
  settings: PictureSettings,
  sources: readonly SourceOption[],
  cuts: Cuts,
): CurveSettings | null {
  const { scale } = settings.alpha;
  const choices: AxisChoice[] = besides(sources, settings)
    .filter(({ key }) => cuts.extra.has(key))
    .slice(0, MOST_CUTS)
    .map(({ option: { source, index } }) => ({ source, seed: 0, index, scale }));
  if (view !== "curves" || (choices.length === 0 && cuts.seeds === 0)) return null;
  return {
    choices,
    seeds: cuts.seeds,
    seed: 0,
    scale,
    range: covering(settings.alpha_range),
    points: Math.min(settings.resolution, MOST_POINTS),
  };
}
