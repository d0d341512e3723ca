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
