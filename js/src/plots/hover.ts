// What the page says of one point: never a number that was not computed without saying so.

import { number } from "../protocol/format";
import { type Attributes, plain, type Scene } from "./figure";
import type { Mesh } from "./mesh";

/** A computed value in words: a computed NaN is called so. */
export function said(value: number | null | undefined): string {
  if (value === null || value === undefined) return "not computed";
  return Number.isNaN(value) ? "NaN" : number(value);
}

/** Hover texts, row by row: α, β, the loss and how it is known, then every metric where the point is exact. */
export function hoverTexts(scene: Scene, mesh: Mesh): string[][] {
  const width = mesh.x.length;
  const names = scene.points.frame.metrics.map(plain);
  const columns = [...mesh.x].map((alpha) => `α ${number(alpha)}<br>β `);
  return [...mesh.y].map((beta, row) => {
    const place = `${number(beta)}<br>loss `;
    return columns.map((column, i) => {
      const at = row * width + i;
      return `${column}${place}${lossText(mesh, at)}${metricsText(mesh, names, at)}`;
    });
  });
}

function lossText(mesh: Mesh, at: number): string {
  const loss = mesh.losses[at] as number;
  if (mesh.exact[at] === 1) return said(loss);
  if (mesh.stage === "quadratic") return `≈ ${number(loss)} (quadratic model)`;
  return Number.isNaN(loss) ? "not computed" : `≈ interpolated ${number(loss)}`;
}

function metricsText(mesh: Mesh, names: readonly string[], at: number): string {
  if (mesh.exact[at] !== 1) return "";
  return names
    .map((name, k) => `<br>${name} ${mesh.metrics[k] === undefined ? said(null) : said(mesh.metrics[k][at])}`)
    .join("");
}

/** One trace's attributes as plotly takes them anew: text shown on hover alone. */
export function hovering(texts: readonly string[] | string): Attributes {
  return { hovertext: texts, hoverinfo: "text" };
}
