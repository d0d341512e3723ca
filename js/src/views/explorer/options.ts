// The traits a view reads, checked: a missing or foreign value becomes a sound default.

import type { SourceOption } from "../../controls/axis";
import type { WidgetModel } from "../../protocol/channel";
import { readPairs } from "../../protocol/codec";
import type { AxisChoice, Pair, PictureSettings, ViewSettings } from "../../protocol/messages";

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

const NAMES = { random: "Random", hessian: "Hessian", custom: "Custom" } as const;

function sourceOption(value: unknown): SourceOption[] {
  const { source, index, label } = fields(value);
  if (source !== "random" && source !== "hessian" && source !== "custom") return [];
  const at = typeof index === "number" ? index : 0;
  return [{ source, index: at, label: typeof label === "string" && label !== "" ? label : NAMES[source] }];
}

const EXTENTS = Array.from({ length: 17 }, (_, k) => 2 ** ((k - 12) / 2));

export function readOptions(model: WidgetModel): Options {
  const { extents, resolutions, sources } = fields(model.get("options"));
  const known = Array.isArray(sources) ? sources.flatMap(sourceOption) : [];
  return {
    extents: numbers(extents, EXTENTS),
    resolutions: numbers(resolutions, [7, 13, 25, 49, 97]),
    sources: known.length > 0 ? known : [{ source: "random", index: 0, label: "Random" }],
  };
}

function readAxis(value: unknown, seed: number): AxisChoice {
  const choice = fields(value);
  const source = choice.source === "hessian" || choice.source === "custom" ? choice.source : "random";
  return {
    source,
    seed: typeof choice.seed === "number" ? choice.seed : seed,
    index: typeof choice.index === "number" ? choice.index : 0,
  };
}

export function readSettings(model: WidgetModel): PictureSettings {
  const { alpha, beta, scale, extent, resolution } = fields(model.get("settings"));
  return {
    alpha: readAxis(alpha, 0),
    beta: readAxis(beta, 1),
    scale: scale === "filter" || scale === "raw" ? scale : "unit",
    extent: typeof extent === "number" && extent > 0 ? extent : 1,
    resolution: typeof resolution === "number" && resolution > 0 ? resolution : 49,
  };
}

export function readView(model: WidgetModel): ViewSettings {
  const [view, height] = [model.get("view"), model.get("height")];
  return {
    view: view === "contour" || view === "curves" ? view : "surface",
    height: height === "linear" ? "linear" : "log",
  };
}

export function readEigen(model: WidgetModel): readonly Pair[] {
  return readPairs(model.get("eigen"));
}

export function readText(model: WidgetModel, name: string): string {
  const value = model.get(name);
  return typeof value === "string" ? value : "";
}
