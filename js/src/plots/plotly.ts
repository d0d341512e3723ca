// plotly.js with the traces we draw, and no other.

import contour from "plotly.js/lib/contour";
import core from "plotly.js/lib/core";
import heatmap from "plotly.js/lib/heatmap";
import scatter from "plotly.js/lib/scatter";
import scatter3d from "plotly.js/lib/scatter3d";
import surface from "plotly.js/lib/surface";

type Attributes = Record<string, unknown>;

/** The part of plotly.js used here: its own types know no typed rows and no dotted paths. */
export interface PlotlyCore {
  register(modules: readonly unknown[]): void;
  react(
    el: HTMLElement,
    data: readonly Attributes[],
    layout: Attributes,
    config: Attributes,
  ): Promise<unknown>;
  restyle(el: HTMLElement, update: Attributes, traces: readonly number[]): Promise<unknown>;
  relayout(el: HTMLElement, update: Attributes): Promise<unknown>;
  toImage(el: HTMLElement, options: Attributes): Promise<string>;
  purge(el: HTMLElement): void;
}

export const Plotly = core as unknown as PlotlyCore;

Plotly.register([surface, scatter3d, contour, heatmap, scatter]);
