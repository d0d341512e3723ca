// Colours of a plot in each theme, the same as the tokens of the style sheet; and the colour scales of the loss.

import type { Colours } from "../protocol/messages";

export interface Palette {
  readonly text: string;
  readonly muted: string;
  readonly grid: string;
  readonly panel: string;
  readonly border: string;
  readonly accent: string;
  readonly second: string;
  readonly mark: string;
  readonly contour: string;
  /** Further curves: told apart without red against green, and from accent and second. */
  readonly more: readonly string[];
  /** The band over random directions: its range, its quartiles, its median. */
  readonly band: { readonly range: string; readonly quartiles: string; readonly median: string };
}

export type Theme = "light" | "dark";

export const PALETTES: Readonly<Record<Theme, Palette>> = {
  light: {
    text: "#1f2328",
    muted: "#59636e",
    grid: "#dde2e8",
    panel: "#ffffff",
    border: "#d0d7de",
    accent: "#2f6f8f",
    second: "#8a5a00",
    mark: "#e5382b",
    contour: "rgba(255,255,255,0.9)",
    more: ["#a8437f", "#00795c", "#5b53c4", "#b3471f"],
    band: { range: "rgba(89,99,110,0.13)", quartiles: "rgba(89,99,110,0.26)", median: "#59636e" },
  },
  dark: {
    text: "#e6edf3",
    muted: "#9aa4af",
    grid: "#2d343d",
    panel: "#0f1318",
    border: "#30363d",
    accent: "#6bb3d9",
    second: "#e0a04a",
    mark: "#ff6a52",
    contour: "rgba(255,255,255,0.7)",
    more: ["#e08cc0", "#3fc49b", "#a5a0f5", "#f08a5d"],
    band: { range: "rgba(154,164,175,0.15)", quartiles: "rgba(154,164,175,0.28)", median: "#9aa4af" },
  },
};

/** What lies on the loss itself, in both themes: dark in a light casing is seen on every colour of every scale. */
export const ON_SCALE = { ink: "#14181d", casing: "#ffffff" } as const;

/** Lightness rises evenly in each, so that they are read without seeing colour at all. */
const TABLES: Readonly<Record<Colours, readonly string[]>> = {
  viridis: [
    "#440154",
    "#482878",
    "#3e4989",
    "#31688e",
    "#26828e",
    "#1f9e89",
    "#35b779",
    "#6ece58",
    "#b5de2b",
    "#fde725",
  ],
  cividis: [
    "#00224e",
    "#123570",
    "#3b496c",
    "#575d6d",
    "#707173",
    "#8a8678",
    "#a59c74",
    "#c3b369",
    "#e1cc55",
    "#fee838",
  ],
  magma: [
    "#000004",
    "#180f3d",
    "#440f76",
    "#721f81",
    "#9e2f7f",
    "#cd4071",
    "#f1605d",
    "#fd9668",
    "#feca8d",
    "#fcfdbf",
  ],
};

export type Colourscale = readonly (readonly [number, string])[];

function scaleOf(colours: readonly string[]): Colourscale {
  return colours.map((colour, i) => [i / (colours.length - 1), colour]);
}

export function colourscale(colours: Colours): Colourscale {
  return scaleOf(TABLES[colours]);
}

/** The scale half way to the background: what a preview wears. Opacity would sort badly and draw slowly. */
export function faded(colours: Colours, background: string): Colourscale {
  return scaleOf(TABLES[colours].map((colour) => mix(colour, background, 0.55)));
}

function channels(hex: string): readonly number[] {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}

function mix(from: string, to: string, part: number): string {
  const ends = channels(to);
  const mixed = channels(from).map((value, i) => Math.round(value + part * ((ends[i] as number) - value)));
  return `rgb(${mixed.join(",")})`;
}

/** A colour (#rrggbb) of this opacity, 0 to 1. */
export function sheer(hex: string, opacity: number): string {
  return `rgba(${channels(hex).join(",")},${Number(opacity.toFixed(2))})`;
}
