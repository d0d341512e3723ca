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
  hoverTexts,
  keyOf,
  palette,
  plain,
  type Scene,
} from "./figure";
import { type Heights, linearTicks } from "./heights";
import { type Mesh, rowsOf } from "./mesh";
import { faded, VIRIDIS } from "./palette";

export function contourFigure(scene: Scene): Figure {
  const { heights, mesh } = scene;
  const data: Attributes[] = mesh && heights ? [filled(scene, mesh, heights)] : [];
  if (centreInside(scene)) data.push(marker(scene));
  const values =
    mesh && heights
      ? { x: [mesh.x], y: [mesh.y], z: [rowsOf(heights.z, mesh.x.length)], text: [hoverTexts(mesh)] }
      : {};
  return { key: keyOf("contour", scene), data, layout: layoutOf(scene), values, threeD: false };
}

function filled(scene: Scene, mesh: Mesh, heights: Heights): Attributes {
  return {
    type: "contour",
    x: mesh.x,
    y: mesh.y,
    z: rowsOf(heights.z, mesh.x.length),
    text: hoverTexts(mesh),
    hoverinfo: "text",
    colorscale: mesh.stage === "quadratic" ? faded(palette(scene).panel) : VIRIDIS,
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
    margin: { l: 60, r: 60, t: 44, b: 50 },
    xaxis: {
      ...axis(scene, axisTitle("α", frame.alpha, scene.roomy), [frame.alpha.lo, frame.alpha.hi]),
      constrain: "domain",
    },
    yaxis: {
      ...axis(scene, axisTitle("β", frame.beta, scene.roomy), [frame.beta.lo, frame.beta.hi]),
      constrain: "domain",
      scaleanchor: "x",
    },
    annotations: centreInside(scene) ? [label] : [],
  };
}

function axis(scene: Scene, title: string, range: readonly [number, number]): Attributes {
  const { muted, grid } = palette(scene);
  const ticks = linearTicks(...range, 8);
  return {
    title: { text: plain(title), font: { size: 12, color: muted }, standoff: 8 },
    range,
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
