// Colours of a plot in each theme; the same as the tokens of the style sheet.

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
  },
};

const VIRIDIS_COLOURS = [
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
];

type Colourscale = readonly (readonly [number, string])[];

function scaleOf(colours: readonly string[]): Colourscale {
  return colours.map((colour, i) => [i / (colours.length - 1), colour]);
}

export const VIRIDIS = scaleOf(VIRIDIS_COLOURS);

/** Viridis half way to the background: what a preview wears. Opacity would sort badly and draw slowly. */
export function faded(background: string): Colourscale {
  return scaleOf(VIRIDIS_COLOURS.map((colour) => mix(colour, background, 0.55)));
}

function mix(from: string, to: string, part: number): string {
  const channels = (hex: string) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  const ends = channels(to);
  const mixed = channels(from).map((value, i) => Math.round(value + part * ((ends[i] as number) - value)));
  return `rgb(${mixed.join(",")})`;
}
