// The traits a view reads, checked: a missing or foreign value becomes a sound default.

import type { SourceOption } from "../../controls/axis";
import type { WidgetModel } from "../../protocol/channel";
import { readPairs } from "../../protocol/codec";
import type { AxisChoice, Pair, PictureSettings, Range, ViewSettings } from "../../protocol/messages";

export interface Options {
  readonly extents: readonly number[];
  readonly resolutions: readonly number[];
  readonly sources: readonly SourceOption[];
}

type Fields = Record<string, unknown>;

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function numbers(value: unknown, fallback: readonly number[]): readonly number[] {
  const list = Array.isArray(value) ? value.filter((item) => Number.isFinite(item)) : [];
  return list.length > 0 ? (list as number[]).toSorted((a, b) => a - b) : fallback;
}

function oneOf<T extends string>(known: readonly T[], value: unknown): T {
  return known.find((one) => one === value) ?? (known[0] as T);
}

const NAMES = {
  random: "Random",
  hessian: "Hessian",
  gradient: "Gradient",
  trajectory: "Trajectory",
  model: "Other model",
  custom: "Given",
} as const;

const SOURCES = Object.keys(NAMES) as (keyof typeof NAMES)[];

function sourceOption(value: unknown): SourceOption[] {
  const { source, index, label, group } = fields(value);
  const known = SOURCES.find((one) => one === source);
  if (known === undefined) return [];
  const option = {
    source: known,
    index: typeof index === "number" ? index : 0,
    label: typeof label === "string" && label !== "" ? label : NAMES[known],
    group: typeof group === "string" ? group : "",
  };
  return [option];
}

const EXTENTS = Array.from({ length: 17 }, (_, k) => 2 ** ((k - 12) / 2));

export function readOptions(model: WidgetModel): Options {
  const { extents, resolutions, sources } = fields(model.get("options"));
  const known = Array.isArray(sources) ? sources.flatMap(sourceOption) : [];
  return {
    extents: numbers(extents, EXTENTS),
    resolutions: numbers(resolutions, [7, 13, 25, 49, 97]),
    sources: known.length > 0 ? known : [{ source: "random", index: 0, label: "Random", group: "" }],
  };
}

function readAxis(value: unknown, seed: number): AxisChoice {
  const choice = fields(value);
  return {
    source: oneOf(SOURCES, choice.source),
    seed: typeof choice.seed === "number" ? choice.seed : seed,
    index: typeof choice.index === "number" ? choice.index : 0,
    scale: oneOf(["filter", "unit", "raw"], choice.scale),
  };
}

function readRange(value: unknown): Range {
  const { lo, hi } = fields(value);
  const sound = typeof lo === "number" && typeof hi === "number" && hi - lo > 0 && hi - lo < Infinity;
  return sound ? { lo, hi } : { lo: -1, hi: 1 };
}

export function readSettings(model: WidgetModel): PictureSettings {
  const { alpha, beta, alpha_range, beta_range, resolution, until } = fields(model.get("settings"));
  return {
    alpha: readAxis(alpha, 0),
    beta: readAxis(beta, 1),
    alpha_range: readRange(alpha_range),
    beta_range: readRange(beta_range),
    resolution: typeof resolution === "number" && resolution > 0 ? resolution : 49,
    until: typeof until === "number" && until > 0 ? until : 0,
  };
}

export function readView(model: WidgetModel): ViewSettings {
  return {
    view: oneOf(["surface", "contour", "both", "curves"], model.get("view")),
    height: oneOf(["log", "linear"], model.get("height")),
    colours: oneOf(["viridis", "cividis", "magma"], model.get("colours")),
  };
}

export function readEigen(model: WidgetModel): readonly Pair[] {
  return readPairs(model.get("eigen"));
}

export function readText(model: WidgetModel, name: string): string {
  const value = model.get(name);
  return typeof value === "string" ? value : "";
}
