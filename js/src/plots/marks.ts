// What lies on the loss: the lowest point found, the training path, other models; flat or draped on the surface.

import { number } from "../protocol/format";
import type { AxisInfo, Frame } from "../protocol/messages";
import { type Attributes, palette, type Scene, type Values } from "./figure";
import { hovering } from "./hover";
import { ON_SCALE, sheer } from "./palette";
import { heightAt, type Lowest, lowestOf, type Place } from "./relief";
import { type Drawn, drawnTracks, type Stop } from "./tracks";

/** Traces to draw, and of each what changes while a picture streams. */
export interface Marks {
  readonly data: readonly Attributes[];
  readonly values: readonly Values[];
}

/** The marks of a scene, as traces number `first` and on. */
export function marksOf(scene: Scene, first: number, threeD: boolean): Marks {
  const traces = [
    ...lowest(scene, threeD),
    ...drawnTracks(scene.points.frame).flatMap((t) => track(scene, t, threeD)),
  ];
  return {
    data: traces.map(({ fixed, moving }) => ({ ...fixed, ...moving })),
    values: traces.flatMap(({ moving }, k) =>
      Object.keys(moving).length > 0 ? [{ trace: first + k, attributes: moving }] : [],
    ),
  };
}

interface Trace {
  readonly fixed: Attributes;
  readonly moving: Attributes;
}

/** On the surface the lowest point is mostly hidden behind a hill: its ring stands on a stem. */
function lowest(scene: Scene, threeD: boolean): Trace[] {
  const found = lowestShown(scene);
  const ring = lowestRing(scene, found, threeD);
  if (!threeD) return [ring];
  const base = found === null ? null : (draped(scene, [found], 0)[0] ?? null);
  const stem = found === null || base === null ? null : { ...found, z: [base, ringTop(scene)] };
  const { accent } = palette(scene);
  const fixed = { ...kind(true), mode: "lines", line: { color: accent, width: 2 }, hoverinfo: "skip" };
  const [x, y] = stem
    ? [
        [stem.alpha, stem.alpha],
        [stem.beta, stem.beta],
      ]
    : [[], []];
  return [ring, { fixed, moving: { x, y, z: stem?.z ?? [] } }];
}

/** Below the model's own, and below those of other models. */
function ringTop({ heights }: Scene): number {
  return heights === null ? 1 : heights.hi - 0.1 * (heights.hi - heights.lo);
}

/** A ring at the lowest exact point; none where that is the model itself. */
function lowestRing(scene: Scene, found: Lowest | null, threeD: boolean): Trace {
  const { accent, panel } = palette(scene);
  const place = found === null ? [] : [found];
  const words = place.map(
    ({ loss, alpha, beta }) => `lowest found: loss ${number(loss)}, α ${number(alpha)}, β ${number(beta)}`,
  );
  return {
    fixed: {
      ...kind(threeD),
      mode: "markers",
      marker: threeD
        ? { symbol: "circle", size: [9, 5], color: [accent, panel], opacity: 1, line: { width: 0 } }
        : { symbol: "circle", size: 10, color: panel, line: { width: 3, color: accent } },
      hoverinfo: "text",
    },
    moving: {
      ...positions(scene, threeD ? twice(place) : place, false, 0),
      ...(threeD ? { z: twice(place).map(() => ringTop(scene)) } : {}),
      hovertext: threeD ? twice(words) : words,
    },
  };
}

/** WebGL draws no outline wider than a pixel: a ring is a disc upon a larger one. */
function twice<T>(list: readonly T[]): T[] {
  return list.flatMap((item) => [item, item]);
}

/** The lowest point, unless the model at the centre is as low. */
export function lowestShown(scene: Scene): Lowest | null {
  if (scene.mesh === null) return null;
  const found = lowestOf(scene.mesh);
  if (found === null) return null;
  const { frame } = scene.points;
  const model = [frame.alpha, frame.beta].every(({ lo, hi }) => lo <= 0 && hi >= 0) ? frame.loss : null;
  const atCentre = found.alpha === 0 && found.beta === 0;
  return atCentre || (model !== null && Math.fround(model) <= found.loss) ? null : found;
}

function kind(threeD: boolean): Attributes {
  const flat = { type: "scatter", cliponaxis: false };
  return { ...(threeD ? { type: "scatter3d" } : flat), showlegend: false, connectgaps: false };
}

/** Positions of places; on the surface with heights, lifted by a part of the height axis so that it hides none. */
function positions(
  scene: Scene,
  places: readonly (Place | null)[],
  threeD: boolean,
  lift: number,
): Attributes {
  const flat = { x: places.map((p) => p?.alpha ?? null), y: places.map((p) => p?.beta ?? null) };
  return threeD ? { ...flat, z: draped(scene, places, lift) } : flat;
}

function draped(
  { mesh, heights }: Scene,
  places: readonly (Place | null)[],
  lift: number,
): (number | null)[] {
  if (mesh === null || heights === null) return places.map(() => null);
  const up = lift * (heights.hi - heights.lo);
  return places.map((place) => {
    const height = place === null ? null : heightAt(mesh, heights, place);
    return height === null ? null : height + up;
  });
}

/** Positions that stay, and heights that stream. */
function placed(scene: Scene, places: readonly (Place | null)[], threeD: boolean, lift: number): Trace {
  const { z, ...fixed } = positions(scene, places, threeD, lift);
  return { fixed, moving: z === undefined ? {} : { z } };
}

function track(scene: Scene, { line, stops }: Drawn, threeD: boolean): Trace[] {
  const path = line.length > 0 ? casedLine(scene, line, threeD) : [];
  const groups = [
    stops.filter(({ role }) => role === "between"),
    stops.filter(({ role }) => role === "start" || role === "end"),
    stops.filter(({ role }) => role === "point"),
  ];
  const markers = groups
    .filter((group) => group.length > 0)
    .map((group) => (threeD && isPoints(group) ? flagTops(scene, group) : stopsTrace(scene, group, threeD)));
  const poles = stops.filter(({ role }) => role === "point");
  return [...path, ...(threeD && poles.length > 0 ? [flagPoles(scene, poles)] : []), ...markers];
}

function isPoints(group: readonly Stop[]): boolean {
  return group[0]?.role === "point";
}

/** Where the flags of other models end, on the height axis: just below the model's own. */
function flagTop({ heights }: Scene): number {
  return heights === null ? 1 : heights.hi;
}

/** Other models stand on stems above the surface, as the model does, so that no hill hides them. */
function flagPoles(scene: Scene, stops: readonly Stop[]): Trace {
  const top = flagTop(scene);
  const z = draped(scene, stops, 0).flatMap((height) => [height, height === null ? null : top, null]);
  const fixed = {
    ...kind(true),
    mode: "lines",
    x: stops.flatMap(({ alpha }) => [alpha, alpha, null]),
    y: stops.flatMap(({ beta }) => [beta, beta, null]),
    line: { color: palette(scene).muted, width: 2 },
    hoverinfo: "skip",
  };
  return { fixed, moving: { z } };
}

function flagTops(scene: Scene, stops: readonly Stop[]): Trace {
  const { fixed } = stopsTrace(scene, stops, true);
  // Up there the page is behind them, not the scale of the loss.
  const color = stops.map(({ strength }) => sheer(palette(scene).text, strength));
  const marker = { symbol: "diamond", size: 5, color, line: { width: 0 } };
  return { fixed: { ...fixed, marker, z: stops.map(() => flagTop(scene)) }, moving: {} };
}

function casedLine(scene: Scene, line: readonly (Place | null)[], threeD: boolean): Trace[] {
  const { casing, ink } = ON_SCALE;
  const widths = threeD ? [8, 4] : [4.5, 2];
  return [casing, ink].map((color, k) => {
    const { fixed, moving } = placed(scene, line, threeD, 0.009 + 0.0015 * k);
    const style = { ...kind(threeD), mode: "lines", line: { color, width: widths[k] }, hoverinfo: "skip" };
    return { fixed: { ...style, ...fixed }, moving };
  });
}

const SYMBOLS: Readonly<Record<Stop["role"], string>> = {
  start: "circle",
  between: "circle",
  end: "square",
  point: "diamond",
};

/** Markers of one size: the ends of a path and other models are larger. */
function stopsTrace(scene: Scene, stops: readonly Stop[], threeD: boolean): Trace {
  const large = stops.some(({ role }) => role !== "between");
  const { fixed, moving } = placed(scene, stops, threeD, large ? 0.035 : 0.022);
  const style = {
    ...kind(threeD),
    mode: "markers",
    ...hovering(stops.map(({ hover }) => hover)),
    marker: {
      symbol: stops.map(({ role }) => SYMBOLS[role]),
      size: size(large, threeD),
      color: stops.map((stop) => sheer(inks(stop)[0], stop.strength)),
      line: { width: threeD ? 2 : 1.5, color: stops.map((stop) => sheer(inks(stop)[1], stop.strength)) },
    },
  };
  return { fixed: { ...style, ...fixed }, moving };
}

function size(large: boolean, threeD: boolean): number {
  if (threeD) return large ? 6 : 3;
  return large ? 11 : 6;
}

/** Colour and outline: a path begins light and ends dark. */
function inks({ role }: Stop): readonly [string, string] {
  const { casing, ink } = ON_SCALE;
  return role === "end" || role === "point" ? [ink, casing] : [casing, ink];
}

/** Words beside other models and the ends of paths; none where the model itself already has them. */
export function labelsOf(scene: Scene, threeD: boolean): Attributes[] {
  const { frame } = scene.points;
  const { text, panel, border } = palette(scene);
  const box = {
    font: { size: 11, color: text },
    bgcolor: panel,
    bordercolor: border,
    borderpad: 2,
    opacity: 0.88,
  };
  const z = threeD ? { z: flagTop(scene) } : {};
  return drawnTracks(frame)
    .flatMap(({ stops }) => stops)
    .filter((stop) => stop.role === "point" || (!threeD && stop.role !== "between" && !atModel(stop, frame)))
    .map((stop) => ({
      ...{ x: stop.alpha, y: stop.beta, ...z, ...beside(stop, frame, threeD), showarrow: false },
      ...{ text: stop.role === "point" ? stop.label : stop.role, ...box },
    }));
}

/** Above its mark; near the model, whose own words stand above it, to the side that leads away and a little below. */
function beside({ alpha, beta }: Place, frame: Frame, threeD: boolean): Attributes {
  const part = (value: number, { lo, hi }: AxisInfo) => Math.abs(value) / (hi - lo);
  const near = part(alpha, frame.alpha) < 0.25 && part(beta, frame.beta) < (threeD ? 0.25 : 0.06);
  if (!near) return { yshift: 17 };
  // At home the camera has both axes run to the right.
  const left = threeD
    ? alpha / (frame.alpha.hi - frame.alpha.lo) + beta / (frame.beta.hi - frame.beta.lo) < 0
    : alpha < 0;
  return { xanchor: left ? "right" : "left", xshift: left ? -9 : 9, yshift: -12 };
}

/** Whether a stop lies where the model's own label is. */
function atModel({ alpha, beta }: Place, frame: Frame): boolean {
  const near = (value: number, { lo, hi }: AxisInfo) => Math.abs(value) < 0.03 * (hi - lo);
  return near(alpha, frame.alpha) && near(beta, frame.beta);
}
