// From the state to the plots: the mesh, its heights, the figures of the chosen view.

import { contourFigure } from "../../plots/contour";
import { type CurveSet, curvesFigure } from "../../plots/curves";
import type { Figure, Scene } from "../../plots/figure";
import { type Heights, heightsOf } from "../../plots/heights";
import { type Mesh, meshOf } from "../../plots/mesh";
import type { Theme } from "../../plots/palette";
import { surfaceFigure } from "../../plots/surface";
import { webglAvailable } from "../../plots/webgl";
import type { ViewSettings } from "../../protocol/messages";
import type { Picture } from "./state";

/** What a figure takes from the page it stands on. */
export type Page = Pick<Scene, "font" | "roomy">;

export interface Painting {
  readonly mesh: Mesh | null;
  readonly heights: Heights | null;
  /** One figure a plot; two for the view "both": surface, then contour. */
  readonly figures: readonly Figure[];
  /** Whether a surface was asked for where there is no WebGL: the contour is drawn instead. */
  readonly withoutWebgl: boolean;
}

const FIGURES: Readonly<Record<ViewSettings["view"], readonly ((scene: Scene) => Figure)[]>> = {
  surface: [surfaceFigure],
  contour: [contourFigure],
  both: [surfaceFigure, contourFigure],
  curves: [curvesFigure],
};

const THREE_D: readonly ViewSettings["view"][] = ["surface", "both"];

export function paint(
  picture: Picture | null,
  view: ViewSettings,
  theme: Theme,
  page: Page,
  curves: CurveSet | null,
): Painting {
  const withoutWebgl = THREE_D.includes(view.view) && !webglAvailable();
  if (picture === null) return { mesh: null, heights: null, figures: [], withoutWebgl };
  const mesh = meshOf(picture);
  const heights = mesh === null ? null : heightsOf(mesh.z, view.height);
  const makers = FIGURES[withoutWebgl ? "contour" : view.view];
  const { height: scale, colours } = view;
  const paired = makers.length > 1;
  const scene = { points: picture, mesh, heights, scale, colours, curves, theme, paired, ...page };
  return { mesh, heights, figures: makers.map((make) => make(scene)), withoutWebgl };
}
