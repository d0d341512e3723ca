// A recorded kernel: a model whose messages a test sends by hand, and which counts its listeners.

import type { WidgetModel } from "../src/protocol/channel";
import type {
  AxisInfo,
  CurveInfo,
  CurveSettings,
  EstimateInfo,
  Frame,
  PictureSettings,
  Preview,
} from "../src/protocol/messages";

type Callback = (...values: unknown[]) => void;

export class RecordedKernel implements WidgetModel {
  readonly sent: Record<string, unknown>[] = [];
  readonly listeners = new Map<string, Set<Callback>>();
  dead = false;

  constructor(readonly traits: Record<string, unknown> = {}) {}

  get(name: string): unknown {
    return this.traits[name];
  }

  set(name: string, value: unknown): void {
    this.traits[name] = value;
    this.emit(`change:${name}`);
  }

  on(event: string, callback: (...values: never[]) => void): void {
    const group = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, group.add(callback as Callback));
  }

  off(event: string, callback: (...values: never[]) => void): void {
    this.listeners.get(event)?.delete(callback as Callback);
  }

  send(content: unknown): void {
    if (this.dead) throw new Error("no kernel");
    this.sent.push(content as Record<string, unknown>);
  }

  emit(event: string, ...values: unknown[]): void {
    for (const callback of [...(this.listeners.get(event) ?? [])]) callback(...values);
  }

  reply(message: Record<string, unknown>, buffers: unknown[] = []): void {
    this.emit("msg:custom", { v: 1, ...message }, buffers);
  }

  tile(parts: TileParts): void {
    const [message, buffers] = tileMessage(parts);
    this.reply(message, buffers);
  }

  queue(...jobs: readonly Record<string, unknown>[]): void {
    this.reply({ kind: "queue", jobs });
  }

  result(id: string, purpose: string, more: Record<string, unknown> = {}): void {
    this.reply({ kind: "result", id, purpose, outcome: "complete", advice: "", ...more });
  }

  get listening(): number {
    return [...this.listeners.values()].reduce((sum, group) => sum + group.size, 0);
  }

  all(kind: string): Record<string, unknown>[] {
    return this.sent.filter((message) => message.kind === kind);
  }

  last(kind: string): Record<string, unknown> {
    const found = this.sent.findLast((message) => message.kind === kind);
    if (found === undefined) throw new Error(`nothing of kind ${kind} was sent`);
    return found;
  }
}

export interface TileParts {
  readonly run: number;
  readonly seq: number;
  readonly id?: string;
  readonly level?: number;
  readonly done?: number;
  readonly total?: number;
  readonly frame?: Frame | null;
  readonly points?: readonly (readonly [number, number])[];
  /** Rows of metrics, each as long as `points`. */
  readonly metrics?: readonly (readonly number[])[];
  /** One a point of the picture. */
  readonly estimate?: Float32Array<ArrayBuffer>;
}

export function tileMessage(parts: TileParts): [Record<string, unknown>, DataView[]] {
  const { points = [], metrics = [], estimate, ...rest } = parts;
  const index = Int32Array.from(points, ([at]) => at);
  const loss = Float32Array.from(points, ([, value]) => value);
  const shape = [points.length];
  const arrays = [
    { name: "index", dtype: "int32", shape },
    { name: "loss", dtype: "float32", shape },
  ];
  const views = [new DataView(index.buffer), new DataView(loss.buffer)];
  if (metrics.length > 0) {
    arrays.push({ name: "metrics", dtype: "float32", shape: [metrics.length, points.length] });
    views.push(new DataView(Float32Array.from(metrics.flat()).buffer));
  }
  if (estimate !== undefined) {
    arrays.push({ name: "estimate", dtype: "float32", shape: [estimate.length] });
    views.push(new DataView(estimate.buffer));
  }
  const defaults = {
    v: 1,
    kind: "tile",
    id: "k",
    level: 0,
    done: points.length,
    total: 49,
    seconds_left: null,
  };
  return [{ ...defaults, frame: null, arrays, ...rest }, views];
}

export const SETTINGS: PictureSettings = {
  alpha: { source: "random", seed: 4, index: 0, scale: "filter" },
  beta: { source: "hessian", seed: 1, index: -1, scale: "filter" },
  alpha_range: { lo: -2, hi: 2 },
  beta_range: { lo: -2, hi: 2 },
  resolution: 7,
  until: 0,
};

export const SOURCES = [
  { source: "random", index: 0, label: "Random", group: "Random" },
  { source: "hessian", index: 0, label: "Hessian λ_max", group: "Hessian" },
  { source: "hessian", index: -1, label: "Hessian λ_min", group: "Hessian" },
  { source: "gradient", index: 0, label: "Gradient", group: "Gradient" },
  { source: "custom", index: 0, label: "<b>mine</b>", group: "" },
] as const;

/** Curves along `curves.length` directions of three points each, all of one loss. */
export function curvesMessage(
  id: string,
  settings: CurveSettings,
  curves: readonly CurveInfo[],
  total = curves.length,
): [Record<string, unknown>, Float32Array[]] {
  const { lo, hi } = settings.range;
  const position = Float32Array.from([lo, 0, hi]);
  const loss = new Float32Array(3 * curves.length).fill(0.5);
  const arrays = [
    { name: "position", dtype: "float32", shape: [3] },
    { name: "loss", dtype: "float32", shape: [curves.length, 3] },
  ];
  const body = { settings, curves, done: curves.length, total, caption: "a band over 8 seeds", arrays };
  return [{ kind: "curves", id, ...body }, [position, loss]];
}

export function axis(points: number, more: Partial<AxisInfo> = {}): AxisInfo {
  const words = { label: "random 0", normalization: "unit", unit: "parameter distance", seed: 0, length: 1 };
  return { ...words, lo: -1, hi: 1, points, ...more };
}

export const PREVIEW: Preview = { loss: 1, gradient_alpha: 0.5, gradient_beta: 0, a: 2, b: 0.25, c: -1 };

export const ESTIMATE: EstimateInfo = {
  words: "interpolated, held-out error 0.4 %",
  method: "cubic spline of log L through 7 × 7 points",
  held_out: 12,
  kind: "interpolated",
  level: 0,
};

export function frame(points: number, levels: readonly number[], more: Partial<Frame> = {}): Frame {
  return {
    alpha: axis(points),
    beta: axis(points, { label: "random 1", seed: 1 }),
    levels,
    angle: 90,
    loss: 1,
    gradient_norm: 0.5,
    preview: PREVIEW,
    verdict: null,
    caption: "a caption",
    metrics: [],
    tracks: [],
    estimate: null,
    ...more,
  };
}
