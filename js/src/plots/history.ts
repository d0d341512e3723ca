// The ends of the Hessian and its trace over the checkpoints of a training run, side by side.

import { count, number, residual } from "../protocol/format";
import { type Attributes, baseLayout, type Dress, type Figure, palette } from "./figure";

export interface HistoryScene extends Dress {
  readonly arrays: ReadonlyMap<string, Float32Array | Int32Array>;
  /** What the checkpoints are drawn against. */
  readonly axis: string;
  readonly roomy: boolean;
  readonly key: string;
}

export function historyFigure(scene: HistoryScene): Figure {
  const { accent, second, text } = palette(scene);
  const steps = [...(scene.arrays.get("steps") ?? [])];
  const values = scene.arrays.get("values") ?? [];
  const residuals = scene.arrays.get("value-residuals") ?? [];
  const c = steps.length;
  const end = (name: string, row: number, colour: string, symbol: string) =>
    ends(
      scene,
      name,
      steps,
      [...values.slice(row * c, row * c + c)],
      [...residuals.slice(row * c, row * c + c)],
      {
        color: colour,
        symbol,
      },
    );
  const both = values.length >= 2 * c;
  return {
    key: `history ${scene.key} ${scene.theme} ${scene.roomy}`,
    data: [
      end("λmax", 0, accent, "circle"),
      ...(both ? [end("λmin", 1, second, "square")] : []),
      traces(scene, steps, text),
    ],
    layout: layoutOf(scene, steps),
    values: [],
    threeD: false,
    plane: null,
  };
}

function lossOf({ arrays }: HistoryScene, i: number): string {
  const loss = arrays.get("losses")?.[i];
  return loss === undefined || Number.isNaN(loss) ? "" : `<br>loss ${number(loss)}`;
}

function ends(
  scene: HistoryScene,
  name: string,
  steps: readonly number[],
  values: readonly number[],
  residuals: readonly number[],
  { color, symbol }: { readonly color: string; readonly symbol: string },
): Attributes {
  return {
    ...{ type: "scatter", mode: "lines+markers", name, x: steps, y: known(values), connectgaps: false },
    ...{ line: { color, width: 2 }, marker: { color, symbol, size: 6 } },
    hovertext: values.map(
      (value, i) =>
        `${scene.axis} ${count(steps[i] as number)}<br>${name} ${number(value)}, residual ${residual(residuals[i] ?? null)}${lossOf(scene, i)}`,
    ),
    hoverinfo: "text",
  };
}

function traces(scene: HistoryScene, steps: readonly number[], color: string): Attributes {
  const values = [...(scene.arrays.get("traces") ?? [])];
  const errors = [...(scene.arrays.get("trace-errors") ?? [])];
  return {
    ...{
      type: "scatter",
      mode: "lines+markers",
      name: "trace",
      x: steps,
      y: known(values),
      xaxis: "x2",
      yaxis: "y2",
    },
    error_y: {
      type: "data",
      array: errors.map((error) => (Number.isFinite(error) ? error : 0)),
      color,
      thickness: 1.2,
      width: 3,
    },
    ...{ line: { color, width: 2 }, marker: { color, size: 6 }, showlegend: false, connectgaps: false },
    hovertext: values.map(
      (value, i) =>
        `${scene.axis} ${count(steps[i] as number)}<br>trace ${number(value)} ± ${number(errors[i])}${lossOf(scene, i)}`,
    ),
    hoverinfo: "text",
  };
}

function known(values: readonly number[]): (number | null)[] {
  return values.map((value) => (Number.isFinite(value) ? value : null));
}

function layoutOf(scene: HistoryScene, steps: readonly number[]): Attributes {
  const { muted, grid, text } = palette(scene);
  const common = { gridcolor: grid, zeroline: false, ticks: "", tickfont: { size: 11, color: muted } };
  const title = (words: string, standoff: number) => ({
    text: words,
    font: { size: 12, color: muted },
    standoff,
  });
  const [first, last] = [Math.min(...steps), Math.max(...steps)];
  const room = Math.max(0.04 * (last - first), 0.5);
  const x = {
    ...{ ...common, title: title(scene.axis, 8), nticks: scene.roomy ? 6 : 4 },
    range: steps.length > 0 ? [first - room, last + room] : [0, 1],
  };
  const y = {
    ...common,
    nticks: 5,
    exponentformat: "power",
    zeroline: true,
    zerolinecolor: grid,
    zerolinewidth: 1.5,
  };
  return {
    ...baseLayout(scene),
    margin: { l: scene.roomy ? 104 : 66, r: 16, t: 26, b: 44 },
    hovermode: "closest",
    showlegend: true,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12, color: text } },
    xaxis: { ...x, domain: [0, 0.44], anchor: "y" },
    yaxis: { ...y, title: title("eigenvalue", 6) },
    xaxis2: { ...x, domain: [0.58, 1], anchor: "y2" },
    yaxis2: { ...y, anchor: "x2", title: title("trace ± error", 4) },
  };
}
