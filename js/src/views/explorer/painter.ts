// From the state to the plot: the mesh, its heights, the figure of the chosen view.

import { contourFigure } from "../../plots/contour";
import { curvesFigure } from "../../plots/curves";
import type { Figure, Scene } from "../../plots/figure";
import { type Heights, heightsOf } from "../../plots/heights";
import { type Mesh, meshOf } from "../../plots/mesh";
import type { Theme } from "../../plots/palette";
import { surfaceFigure } from "../../plots/surface";
import type { ViewSettings } from "../../protocol/messages";
import type { Picture } from "./state";

/** What a figure takes from the page it stands on. */
export type Page = Pick<Scene, "font" | "roomy">;

export interface Painting {
  readonly mesh: Mesh | null;
  readonly heights: Heights | null;
  readonly figure: Figure | null;
}

const FIGURES: Readonly<Record<ViewSettings["view"], (scene: Scene) => Figure>> = {
  surface: surfaceFigure,
  contour: contourFigure,
  curves: curvesFigure,
};

export function paint(picture: Picture | null, view: ViewSettings, theme: Theme, page: Page): Painting {
  if (picture === null) return { mesh: null, heights: null, figure: null };
  const mesh = meshOf(picture);
  const heights = mesh === null ? null : heightsOf(mesh.z, view.height);
  const figure = FIGURES[view.view]({ points: picture, mesh, heights, scale: view.height, theme, ...page });
  return { mesh, heights, figure };
}
