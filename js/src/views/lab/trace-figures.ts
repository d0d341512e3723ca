// The two plots of a trace lab: estimates against their cost, and their errors on log-log axes.

import type { Attributes, Figure } from "../../plots/figure";
import { plain } from "../../plots/figure";
import { linearTicks, logTicks } from "../../plots/heights";
import { PALETTES, sheer, type Theme } from "../../plots/palette";
import type { Arrays } from "../../protocol/codec";
import { count, number } from "../../protocol/format";
import type { TraceCurve, TraceMethod, TraceState } from "../../protocol/messages";
import { plusMinus } from "./trace-words";

export interface TraceScene {
  readonly state: TraceState;
  readonly arrays: Arrays;
  /** Whether the cost of the first plot is on a log axis. */
  readonly log: boolean;
  /** The method whose row is pointed at: the others stand back. */
  readonly emphasis: TraceMethod | null;
  readonly theme: Theme;
  readonly font: string;
}

/** Each method wears a colour and a dash of its own: either tells it apart. */
export interface Wear {
  readonly colour: string;
  readonly dash: string;
}

const DASHES: Readonly<Record<TraceMethod, string>> = {
  gaussian: "solid",
  rademacher: "8px,3px",
  deflated: "15px,4px",
  "hutch++": "10px,3px,2px,3px",
  xtrace: "4px,2px",
  differences: "2px,3px",
  exact: "solid",
};

export function wearOf(method: TraceMethod, theme: Theme): Wear {
  const { accent, second, more, text } = PALETTES[theme];
  const [rose, green, violet, brick] = more as readonly [string, string, string, string];
  const colours: Readonly<Record<TraceMethod, string>> = {
    ...{ gaussian: accent, rademacher: second, deflated: green, "hutch++": rose },
    ...{ xtrace: violet, differences: brick, exact: text },
  };
  return { colour: colours[method], dash: DASHES[method] };
}

/** The history of one estimator, as it came; `weight` is how strongly it is drawn, 0 to 2. */
interface Line {
  readonly curve: TraceCurve;
  readonly weight: number;
  readonly wear: Wear;
  readonly cost: Float32Array;
  readonly value: Float32Array;
  readonly error: Float32Array;
  readonly half: Float32Array;
  readonly probes: Float32Array;
}

const NONE = new Float32Array();

function linesOf({ state, arrays, theme, emphasis }: TraceScene): Line[] {
  const weightOf = (method: TraceMethod) => {
    if (emphasis === null || !state.curves.some((curve) => curve.method === emphasis)) return 1;
    return method === emphasis ? 2 : 0;
  };
  return state.curves
    .filter(({ method }) => method !== "exact")
    .map((curve) => {
      const row = (name: string) =>
        (arrays.get(`${curve.method}-${name}`) as Float32Array | undefined) ?? NONE;
      const wear = wearOf(curve.method, theme);
      return {
        ...{
          curve,
          weight: weightOf(curve.method),
          wear,
          cost: row("cost"),
          value: row("value"),
          error: row("error"),
        },
        ...{ half: row("half"), probes: row("probes") },
      };
    });
}

// ------------------------------------------------------------ estimates

export function estimateFigure(scene: TraceScene): Figure {
  const lines = linesOf(scene);
  const range = valueRange(lines, scene.state.exact);
  const across = costRange(scene);
  const widest = [...lines].sort((a, b) => (b.half.at(-1) ?? 0) - (a.half.at(-1) ?? 0));
  const data = [
    // The widest lie lowest and faintest, so that the narrowest is seen among them.
    ...widest.map((line, i) =>
      band(line, range[1] - range[0], 0.05 + (0.15 * i) / Math.max(widest.length - 1, 1)),
    ),
    ...lines.map((line) => path(line, line.value, hoverOf(line))),
    ...exactLine(scene, across),
  ];
  const layout = {
    ...base(scene),
    annotations: exactLabel(scene),
    margin: { l: 62, r: 14, t: 24, b: 44 },
    xaxis: scene.log ? logAxis(scene, "cost (gradient evaluations)", across) : costAxis(scene, across),
    yaxis: valueAxis(scene, range),
  };
  return figure(scene, "estimates", data, layout);
}

/** A closed outline of value ± half the interval; left out where it is wider than the plot, which tells nothing. */
function band({ wear, weight, cost, value, half }: Line, widest: number, opacity: number): Attributes {
  const there = [...cost.keys()].filter((i) => (half[i] as number) < 0.6 * widest);
  const back = [...there].reverse();
  const at = (i: number, side: number) => (value[i] as number) + side * (half[i] as number);
  return {
    type: "scatter",
    mode: "lines",
    fill: "toself",
    hoverinfo: "skip",
    line: { width: 0 },
    fillcolor: sheer(wear.colour, weight > 1 ? 0.25 : weight * opacity),
    x: [...there, ...back].map((i) => cost[i] as number),
    y: [...there.map((i) => at(i, 1)), ...back.map((i) => at(i, -1))],
  };
}

function path(
  { curve, wear, weight, cost }: Line,
  height: Float32Array,
  texts: readonly string[],
): Attributes {
  return {
    type: "scatter",
    mode: cost.length === 1 ? "markers" : "lines",
    name: plain(curve.name),
    x: [...cost],
    y: [...height].map((one) => (Number.isFinite(one) ? one : null)),
    line: {
      color: weight > 0 ? wear.colour : sheer(wear.colour, 0.3),
      width: weight > 1 ? 3 : 2,
      dash: wear.dash,
    },
    marker: { color: wear.colour, size: 6 },
    hoverinfo: "text",
    hovertext: texts,
  };
}

/** Value ± error, what kind of error, probes, cost. */
function hoverOf({ curve, cost, value, half, probes }: Line): string[] {
  return [...cost].map((spent, i) =>
    [
      `<b>${plain(curve.name)}</b>`,
      `${plusMinus(value[i] as number, half[i] as number)}`,
      `± is ${curve.interval_kind}`,
      `${count(probes[i] as number)} probes, cost ${number(spent, 4)}`,
    ].join("<br>"),
  );
}

function exactLine({ state, theme }: TraceScene, [lo, hi]: Range): Attributes[] {
  if (state.exact === null) return [];
  const { text } = PALETTES[theme];
  return [
    {
      type: "scatter",
      mode: "lines",
      x: [lo, hi],
      y: [state.exact, state.exact],
      hovertext: `exact trace ${number(state.exact, 6)}`,
      hoverinfo: "text",
      line: { color: text, width: 1.4 },
    },
  ];
}

function exactLabel({ state, theme }: TraceScene): Attributes[] {
  if (state.exact === null) return [];
  const place = { xref: "paper", x: 1, xanchor: "right", yref: "paper", y: 1, yanchor: "bottom" };
  const words = {
    text: `— exact ${number(state.exact, 5)}`,
    font: { color: PALETTES[theme].text, size: 12 },
  };
  return [{ ...place, ...words, showarrow: false }];
}

// ------------------------------------------------------------ errors

export function errorFigure(scene: TraceScene): Figure {
  const lines = linesOf(scene);
  const { exact } = scene.state;
  const own = lines.map((line) => path(line, positive(line.error), errorHover(line)));
  const away = exact === null ? [] : lines.map((line) => ring(line, exact));
  const across = errorCosts(lines, scene);
  const guide = guideLine(scene, lines, across);
  const layout = {
    ...base(scene),
    margin: { l: 62, r: 14, t: 24, b: 44 },
    xaxis: logAxis(scene, "cost (gradient evaluations)", across),
    yaxis: logAxis(scene, "standard error", heightRange(lines, exact)),
  };
  return figure(scene, "errors", [...guide, ...own, ...away], layout);
}

function positive(values: Float32Array): Float32Array {
  return values.map((one) => (one > 0 ? one : Number.NaN));
}

/** How far the last estimate is from the exact trace. */
function ring({ curve, wear, cost, value }: Line, exact: number): Attributes {
  const distance = Math.abs((curve.value ?? value.at(-1) ?? Number.NaN) - exact);
  const there = cost.length > 0 && distance > 0;
  return {
    type: "scatter",
    mode: "markers",
    x: there ? [cost.at(-1)] : [],
    y: there ? [distance] : [],
    marker: { symbol: "circle-open", size: 9, color: wear.colour, line: { width: 2 } },
    cliponaxis: false,
    hoverinfo: "text",
    hovertext: [`<b>${plain(curve.name)}</b><br>${number(distance)} away from the exact trace`],
  };
}

function errorHover({ curve, cost, error, probes }: Line): string[] {
  return [...cost].map((spent, i) => {
    const words = `standard error ${number(error[i] as number)}`;
    return `<b>${plain(curve.name)}</b><br>${words}<br>${count(probes[i] as number)} probes, cost ${number(spent, 4)}`;
  });
}

/** What falls like 1/√cost, through the end of the error that is largest there. */
function guideLine({ theme }: TraceScene, lines: readonly Line[], [lo, hi]: Range): Attributes[] {
  const ends = lines.flatMap(({ cost, error }) => {
    const at = error.findLastIndex((one) => one > 0);
    return at < 0 ? [] : [(error[at] as number) * Math.sqrt(cost[at] as number)];
  });
  if (ends.length === 0) return [];
  const through = 1.6 * Math.max(...ends);
  const { muted } = PALETTES[theme];
  const from = hi / 2.4;
  return [
    {
      type: "scatter",
      mode: "lines+text",
      x: [lo, from, hi],
      y: [lo, from, hi].map((spent) => through / Math.sqrt(spent)),
      text: ["", "slope −½", ""],
      textposition: "top right",
      textfont: { color: muted, size: 11 },
      hoverinfo: "skip",
      line: { color: muted, width: 1, dash: "1px,3px" },
    },
  ];
}

// ------------------------------------------------------------ axes

type Range = readonly [number, number];

function base({ theme, font }: TraceScene): Attributes {
  const { text, panel, border } = PALETTES[theme];
  return {
    autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: font, size: 12, color: text },
    hoverlabel: {
      ...{ bgcolor: panel, bordercolor: border, align: "left" },
      font: { family: font, size: 12, color: text },
    },
    showlegend: false,
    hovermode: "closest",
    uirevision: "kept",
    separators: ".",
    dragmode: "zoom",
  };
}

function axis({ theme }: TraceScene, title: string): Attributes {
  const { muted, grid } = PALETTES[theme];
  return {
    title: { text: title, font: { size: 12, color: muted }, standoff: 8 },
    tickfont: { size: 11, color: muted },
    ...{ gridcolor: grid, zeroline: false, ticks: "", tickmode: "array" },
  };
}

function costAxis(scene: TraceScene, range: Range): Attributes {
  const ticks = linearTicks(0, range[1], 6);
  const common = axis(scene, "cost (gradient evaluations)");
  return { ...common, range, tickvals: ticks, ticktext: ticks.map((tick) => count(tick)) };
}

function valueAxis(scene: TraceScene, range: Range): Attributes {
  const ticks = linearTicks(...range, 6);
  return { ...axis(scene, "trace"), range, tickvals: ticks, ticktext: ticks.map((tick) => number(tick, 4)) };
}

function logAxis(scene: TraceScene, title: string, range: Range): Attributes {
  const ends = range.map(Math.log10) as [number, number];
  const ticks = logTicks(...ends).map((tick) => 10 ** tick);
  const words = ticks.map((tick) => number(Number(tick.toPrecision(2))));
  return { ...axis(scene, title), type: "log", range: ends, tickvals: ticks, ticktext: words };
}

/** All of the budget; on a log axis from the first cost at which anything is known. */
function costRange({ state, log }: TraceScene): Range {
  const { budget } = state.settings;
  return log ? [2, 1.03 * budget] : [0, 1.02 * budget];
}

function errorCosts(lines: readonly Line[], { state }: TraceScene): Range {
  const firsts = lines.flatMap(({ cost, error }) => {
    const at = error.findIndex((one) => one > 0);
    return at < 0 ? [] : [cost[at] as number];
  });
  const lo = Math.max(1, Math.min(...firsts, state.settings.budget / 4));
  return [0.9 * lo, 1.1 * state.settings.budget];
}

/** What the later part of the curves needs, in steps, so that it does not move with every probe. */
function valueRange(lines: readonly Line[], exact: number | null): Range {
  const halves = lines.map(({ half }) => half.at(-1) ?? Number.NaN).filter(Number.isFinite);
  const most = 2.5 * (median(halves) ?? 0);
  const needed = lines.flatMap(({ value, half }) => {
    const from = Math.floor(value.length / 4);
    const reach = Math.min(half.at(-1) ?? 0, most) || 0;
    const last = value.at(-1);
    const ends = last === undefined ? [] : [last - reach, last + reach];
    return [...value.subarray(from), ...ends].filter(Number.isFinite);
  });
  if (exact !== null) needed.push(exact);
  if (needed.length === 0) return [-1, 1];
  const [lo, hi] = [extreme(needed, Math.min), extreme(needed, Math.max)];
  const span = hi - lo || Math.abs(hi) || 1;
  const step = 10 ** Math.floor(Math.log10(span)) / 4;
  return [(Math.floor((lo - 0.03 * span) / step) - 0.2) * step, Math.ceil((hi + 0.03 * span) / step) * step];
}

function heightRange(lines: readonly Line[], exact: number | null): Range {
  const known = lines.flatMap(({ error }) => [...error].filter((one) => one > 0 && Number.isFinite(one)));
  const ends = exact === null ? [] : lines.map(({ value }) => Math.abs((value.at(-1) ?? Number.NaN) - exact));
  const all = [...known, ...ends.filter((one) => one > 0)];
  if (all.length === 0) return [0.1, 10];
  const [lo, hi] = [extreme(all, Math.min), extreme(all, Math.max)];
  // Exact to rounding is as good as zero: it would push all else to the top.
  const least = Math.max(lo, hi * 1e-6);
  return [
    10 ** (Math.floor(4 * Math.log10(least) - 0.2) / 4),
    10 ** (Math.ceil(4 * Math.log10(hi) + 0.2) / 4),
  ];
}

function extreme(values: readonly number[], of: (a: number, b: number) => number): number {
  return values.reduce((best, one) => of(best, one));
}

function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

function figure(scene: TraceScene, kind: string, data: readonly Attributes[], layout: Attributes): Figure {
  const names = scene.state.curves.map(({ method }) => method);
  const modes = data.map(({ mode }) => mode);
  const values = data.map(({ x, y, hovertext }, trace) => ({ trace, attributes: { x, y, hovertext } }));
  const key = JSON.stringify([
    kind,
    scene.theme,
    scene.font,
    scene.emphasis,
    names,
    modes,
    layout.xaxis,
    layout.yaxis,
  ]);
  return { key, data, layout, values, threeD: false, plane: null };
}
