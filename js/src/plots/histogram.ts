// Histograms over the densities they should follow, as filled steps and lines.

import { number } from "../protocol/format";
import { type Attributes, type Figure, plain } from "./figure";
import { linearTicks } from "./heights";
import { PALETTES, sheer, type Theme } from "./palette";

export interface Bars {
  readonly name: string;
  readonly title: string;
  readonly edges: Float32Array;
  readonly counts: Float32Array;
  /** The density that is expected, or null where none is known. */
  readonly x: Float32Array | null;
  readonly density: Float32Array | null;
  readonly law: string;
  /** An asymptotic or approximate law is dashed. */
  readonly exact: boolean;
}

export interface HistogramScene {
  readonly bars: readonly Bars[];
  readonly title: string;
  /** Where the trace is marked, or null. */
  readonly marked: number | null;
  readonly markWords: string;
  readonly theme: Theme;
  readonly font: string;
}

/** Heights of a histogram of area 1. */
export function densityOf({ edges, counts }: Pick<Bars, "edges" | "counts">): number[] {
  const total = counts.reduce((sum, one) => sum + one, 0);
  return [...counts].map((one, i) => {
    const width = (edges[i + 1] as number) - (edges[i] as number);
    return total > 0 && width > 0 ? one / total / width : 0;
  });
}

export function histogramFigure(scene: HistogramScene): Figure {
  const { bars, theme } = scene;
  const colours = [PALETTES[theme].accent, PALETTES[theme].second];
  const range = spanOf(bars);
  const top = topOf(bars);
  const data = [
    ...bars.map((one, i) => steps(one, colours[i] as string)),
    ...bars.flatMap((one, i) => law(one, bars.length > 1 ? (colours[i] as string) : PALETTES[theme].text)),
  ];
  const layout = {
    ...base(scene),
    xaxis: {
      ...axis(theme),
      range,
      ...ticksOf(linearTicks(...range, 5)),
      title: titleOf(scene.title, theme),
    },
    yaxis: {
      ...axis(theme),
      range: [0, top],
      ...ticksOf(linearTicks(0, top, 3)),
      title: titleOf("density", theme),
    },
    shapes: mark(scene),
    annotations: markWords(scene),
  };
  const shapes = bars.map(({ name, edges, x }) => [name, edges.length, x?.length]);
  const key = JSON.stringify([
    scene.title,
    theme,
    scene.font,
    shapes,
    range,
    top,
    scene.marked,
    scene.markWords,
  ]);
  const values = data.map(({ x, y, text }, trace) => ({ trace, attributes: { x, y, text } }));
  return { key, data, layout, values, threeD: false, plane: null };
}

function steps(bars: Bars, colour: string): Attributes {
  const heights = densityOf(bars);
  const { edges, counts } = bars;
  const x: number[] = [];
  const y: number[] = [];
  const text: string[] = [];
  heights.forEach((height, i) => {
    const [lo, hi] = [edges[i] as number, edges[i + 1] as number];
    const words = `${plain(bars.title)} ${number(lo)} … ${number(hi)}<br>${counts[i]} slices`;
    x.push(lo, hi);
    y.push(height, height);
    text.push(words, words);
  });
  return {
    type: "scatter",
    mode: "lines",
    fill: "tozeroy",
    fillcolor: sheer(colour, 0.28),
    line: { color: sheer(colour, 0.75), width: 1 },
    hoverinfo: "text",
    ...{ x, y, text },
  };
}

function law({ x, density, law: words, exact }: Bars, colour: string): Attributes[] {
  if (x === null || density === null) return [];
  return [
    {
      type: "scatter",
      mode: "lines",
      x: [...x],
      y: [...density].map((one) => (Number.isFinite(one) ? one : null)),
      text: [...x].map((at, i) => `${plain(words)}<br>${number(density[i])} at ${number(at)}`),
      hoverinfo: "text",
      line: { color: colour, width: 1.6, dash: exact ? "solid" : "4px,3px" },
    },
  ];
}

function spanOf(bars: readonly Bars[]): readonly [number, number] {
  const ends = bars.flatMap(({ edges, x }) => [edges[0], edges.at(-1), x?.[0], x?.at(-1)]);
  const known = ends.filter((one): one is number => one !== undefined && Number.isFinite(one));
  return known.length === 0 ? [-1, 1] : [Math.min(...known), Math.max(...known)];
}

/** Room for the law, and for the histogram once it has settled; a singular law does not push it out. */
function topOf(bars: readonly Bars[]): number {
  const tops = bars.map((one) => {
    const finite = [...(one.density ?? [])].filter(Number.isFinite);
    const law = Math.max(0, ...finite);
    const seen = Math.max(0, ...densityOf(one));
    const total = one.counts.reduce((sum, count) => sum + count, 0);
    if (law === 0) return seen;
    return seen > 0 && law > 4 * seen ? 1.5 * seen : Math.max(law, total < 50 ? 0 : seen);
  });
  const most = Math.max(...tops, 0);
  if (most <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(most)) / 4;
  return Math.ceil((1.12 * most) / unit) * unit;
}

function mark({ marked, theme }: HistogramScene): Attributes[] {
  if (marked === null) return [];
  const line = { color: PALETTES[theme].mark, width: 1.5, dash: "dot" };
  return [{ type: "line", xref: "x", yref: "paper", x0: marked, x1: marked, y0: 0, y1: 1, line }];
}

function markWords({ marked, markWords: words, theme }: HistogramScene): Attributes[] {
  if (marked === null) return [];
  const { text, panel } = PALETTES[theme];
  const place = { x: marked, y: 1, yref: "paper", xanchor: "center", yanchor: "bottom", showarrow: false };
  return [{ ...place, text: plain(words), font: { size: 11, color: text }, bgcolor: sheer(panel, 0.8) }];
}

function base({ theme, font }: HistogramScene): Attributes {
  const { text, panel, border } = PALETTES[theme];
  return {
    autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: font, size: 11, color: text },
    hoverlabel: {
      bgcolor: panel,
      bordercolor: border,
      align: "left",
      font: { family: font, size: 12, color: text },
    },
    showlegend: false,
    hovermode: "closest",
    uirevision: "kept",
    separators: ".",
    dragmode: false,
    margin: { l: 50, r: 12, t: 20, b: 38 },
  };
}

function axis(theme: Theme): Attributes {
  const { muted, grid } = PALETTES[theme];
  return {
    tickfont: { size: 10, color: muted },
    gridcolor: grid,
    zeroline: false,
    ticks: "",
    tickmode: "array",
    fixedrange: true,
  };
}

function ticksOf(ticks: readonly number[]): Attributes {
  return { tickvals: ticks, ticktext: ticks.map((tick) => number(tick)) };
}

function titleOf(text: string, theme: Theme): Attributes {
  return { text: plain(text), font: { size: 11, color: PALETTES[theme].muted }, standoff: 6 };
}
