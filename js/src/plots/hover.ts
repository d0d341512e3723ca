// What the page says of one point: never a number that was not computed without saying so.

import { number } from "../protocol/format";
import { type Attributes, plain, type Scene } from "./figure";
import type { Mesh } from "./mesh";

/** A computed value in words: a computed NaN is called so. */
export function said(value: number | null | undefined): string {
  if (value === null || value === undefined) return "not computed";
  return Number.isNaN(value) ? "NaN" : number(value);
}

/**
 * Hover texts, row by row: α, β, the loss and how it is known, then every metric where the point is exact.
 * A row is written when it is first read: a redraw reads none, the pointer one.
 */
export function hoverTexts(scene: Scene, mesh: Mesh): string[][] {
  const { metrics, estimate } = scene.points.frame;
  const names = metrics.map(plain);
  const kind = mesh.stage === "estimated" ? (estimate?.kind ?? "interpolated") : "interpolated";
  const rows: string[][] = [];
  mesh.y.forEach((_, row) => {
    let texts: string[] | null = null;
    const get = () => {
      texts ??= rowOf(mesh, names, row, kind);
      return texts;
    };
    Object.defineProperty(rows, row, { get, enumerable: true });
  });
  return rows;
}

function rowOf(mesh: Mesh, names: readonly string[], row: number, kind: string): string[] {
  const width = mesh.x.length;
  const beta = number(mesh.y[row] as number);
  return Array.from({ length: width }, (_, i) => {
    const at = row * width + i;
    const place = `α ${number(mesh.x[i] as number)}<br>β ${beta}`;
    return `${place}<br>loss ${lossText(mesh, at, kind)}${metricsText(mesh, names, at)}`;
  });
}

function lossText(mesh: Mesh, at: number, kind: string): string {
  const loss = mesh.losses[at] as number;
  if (mesh.exact[at] === 1) return said(loss);
  if (mesh.stage === "quadratic") return `≈ ${number(loss)} (quadratic model)`;
  return Number.isNaN(loss) ? "not computed" : `≈ ${kind} ${number(loss)}`;
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
