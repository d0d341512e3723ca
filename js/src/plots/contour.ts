// The same picture from above: filled contours, no WebGL.

import { number } from "../protocol/format";
import {
  type Attributes,
  axisTitle,
  baseLayout,
  centreInside,
  centreLabel,
  colorbar,
  type Figure,
  keyOf,
  lossColours,
  palette,
  plain,
  planeOf,
  type Scene,
} from "./figure";
import { type Heights, linearTicks } from "./heights";
import { hoverTexts } from "./hover";
import { labelsOf, marksOf } from "./marks";
import { type Mesh, rowsOf } from "./mesh";

export function contourFigure(scene: Scene): Figure {
  const { heights, mesh } = scene;
  const shared = {
    key: keyOf("contour", scene),
    layout: layoutOf(scene),
    threeD: false,
    plane: planeOf(scene),
  };
  const model = centreInside(scene) ? [marker(scene)] : [];
  if (mesh === null || heights === null) return { ...shared, data: model, values: [] };
  const attributes = contourValues(scene, mesh, heights);
  const marks = marksOf(scene, 1, false);
  const data = [{ ...filled(scene, heights), ...attributes }, ...marks.data, ...model];
  return { ...shared, data, values: [{ trace: 0, attributes }, ...marks.values] };
}

function contourValues(scene: Scene, mesh: Mesh, heights: Heights): Attributes {
  return { x: mesh.x, y: mesh.y, z: rowsOf(heights.z, mesh.x.length), text: hoverTexts(scene, mesh) };
}

function filled(scene: Scene, heights: Heights): Attributes {
  return {
    type: "contour",
    hoverinfo: "text",
    hoverongaps: true,
    colorscale: lossColours(scene),
    zmin: heights.lo,
    zmax: heights.hi,
    autocontour: false,
    contours: {
      start: heights.lo + heights.step / 2,
      end: heights.hi,
      size: heights.step,
      coloring: "heatmap",
      showlines: true,
    },
    line: { width: 0.7, color: palette(scene).contour, smoothing: 0.6 },
    connectgaps: false,
    colorbar: colorbar(scene, heights),
  };
}

function marker(scene: Scene): Attributes {
  const { mark, panel } = palette(scene);
  return {
    type: "scatter",
    mode: "markers",
    x: [0],
    y: [0],
    marker: { size: 9, color: mark, line: { width: 1.5, color: panel } },
    hoverinfo: "skip",
  };
}

function layoutOf(scene: Scene): Attributes {
  const { frame } = scene.points;
  const { text, panel, border } = palette(scene);
  const label = {
    x: 0,
    y: 0,
    text: plain(centreLabel(scene)),
    showarrow: false,
    yshift: 20,
    font: { size: 12, color: text },
    bgcolor: panel,
    bordercolor: border,
    borderpad: 4,
    opacity: 0.92,
  };
  return {
    ...baseLayout(scene),
    // Dragging chooses a window, which the kernel computes anew: plotly's own zoom would only enlarge pixels.
    dragmode: false,
    margin: { l: 60, r: 60, t: 44, b: 50 },
    xaxis: {
      ...axis(scene, axisTitle("α", frame.alpha, scene.roomy), [frame.alpha.lo, frame.alpha.hi]),
      constrain: "domain",
    },
    yaxis: {
      ...axis(scene, axisTitle("β", frame.beta, scene.roomy), [frame.beta.lo, frame.beta.hi]),
      constrain: "domain",
      scaleanchor: "x",
      scaleratio: scaleRatio(scene),
    },
    annotations: [...labelsOf(scene, false), ...(centreInside(scene) ? [label] : [])],
  };
}

const OBLONG = 2.5;

/** Equal lengths look equal where both axes have one unit and neither is much the longer; else a square. */
function scaleRatio({ points: { frame } }: Scene): number {
  const [wide, high] = [frame.alpha.hi - frame.alpha.lo, frame.beta.hi - frame.beta.lo];
  const alike = Math.max(wide / high, high / wide) <= OBLONG;
  return alike && frame.alpha.unit === frame.beta.unit ? 1 : wide / high;
}

function axis(scene: Scene, title: string, range: readonly [number, number]): Attributes {
  const { muted, grid } = palette(scene);
  const ticks = linearTicks(...range, 8);
  return {
    title: { text: plain(title), font: { size: 12, color: muted }, standoff: 8 },
    range,
    fixedrange: true,
    tickmode: "array",
    tickvals: ticks,
    ticktext: ticks.map((tick) => number(tick)),
    tickfont: { size: 11, color: muted },
    gridcolor: grid,
    showgrid: false,
    zeroline: false,
    ticks: "",
  };
}
