// A recorded kernel for the harness: an analytic valley, streamed as the real one streams.
// Query: stop=preview|refining|none, view, height, fail=1, nan=1|all, saved=1, source=random, pace=ms, label

const LEVELS = [7, 13, 25, 49, 97];

function valley(alpha, beta) {
  const u = alpha - 0.06 * beta * beta;
  const wall = (13 * u * u) / (u * u + 24);
  const floor = 0.0024 * Math.exp(-0.45 * beta * beta) + 0.0011 + 0.00002 * beta ** 4;
  const ramp = 2.4 / (1 + Math.exp(-2.2 * (beta - 4.4)));
  return floor + wall + ramp * 0.7;
}

export class FakeModel {
  constructor(options) {
    this.options = { pace: 60, ...options };
    this.listeners = new Map();
    this.runs = 0;
    const { view = "surface", height = "log", source = "hessian", label = "Hessian λmax" } = options;
    const alpha = { source, seed: 0, index: 0 };
    const beta = { source, seed: 1, index: source === "hessian" ? -1 : 0 };
    this.traits = {
      title: "digits MLP",
      subtitle: "7,510 parameters · cross-entropy, 1,797 samples",
      footer: "seed 0 · float32 · exact values",
      settings: { alpha, beta, scale: "unit", extent: 4, resolution: Number(options.resolution ?? 49) },
      view,
      height,
      options: {
        extents: Array.from({ length: 17 }, (_, k) => 2 ** ((k - 10) / 2)),
        resolutions: LEVELS,
        sources: [
          { source: "random", index: 0, label: "Random" },
          { source: "hessian", index: 0, label },
          { source: "hessian", index: -1, label: "Hessian λmin" },
        ],
      },
      eigen: [],
      picture: options.saved ? this.saved() : null,
    };
    this.counts = { on: 0, off: 0, sent: [] };
  }

  get(name) {
    return this.traits?.[name];
  }

  set(name, value) {
    this.traits[name] = value;
    this.emit(`change:${name}`);
  }

  on(event, callback) {
    this.counts.on += 1;
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), callback]);
  }

  off(event, callback) {
    this.counts.off += 1;
    this.listeners.set(
      event,
      (this.listeners.get(event) ?? []).filter((other) => other !== callback),
    );
  }

  emit(event, ...values) {
    for (const callback of this.listeners.get(event) ?? []) callback(...values);
  }

  send(message) {
    this.counts.sent.push(message);
    if (this.options.saved) return;
    setTimeout(() => this.answer(message), 5);
  }

  reply(message, buffers = []) {
    this.emit("msg:custom", { v: 1, ...message }, buffers);
  }

  answer(message) {
    const { kind, id, purpose } = message;
    if (kind === "hello") {
      this.result(id, "hello", "running");
      this.stream("display", this.traits.settings);
      this.eigenpairs();
    }
    if (kind === "request" && purpose === "settings") this.result(id, "settings", "complete");
    if (kind === "request" && purpose === "picture") {
      this.traits.settings = message.settings;
      if (this.options.fail) this.error(id);
      else this.stream(id, message.settings);
    }
    if (kind === "cancel") this.cancelled = purpose;
  }

  result(id, purpose, outcome, more = {}) {
    const rest = {
      products: 0,
      evaluations: 0,
      seconds: 3.24,
      verdict: null,
      pairs: [],
      advice: "",
      ...more,
    };
    this.reply({ kind: "result", id, purpose, outcome, ...rest });
  }

  error(id) {
    this.reply({
      kind: "error",
      id,
      purpose: "picture",
      message: "expected two different directions, got the same eigenvector <b>twice</b>",
      advice: "Choose another direction for α or β, or draw a random one again.",
    });
  }

  frame({ alpha, beta, extent, resolution, scale }) {
    const { sources } = this.traits.options;
    const label = (axis) =>
      axis.source === "random"
        ? `random ${axis.seed}`
        : sources.find((s) => s.source === axis.source && s.index === axis.index).label;
    const info = (axis) => ({
      label: label(axis),
      normalization: scale,
      unit: "parameter distance",
      seed: axis.source === "random" ? axis.seed : null,
      length: 1,
      lo: -extent,
      hi: extent,
      points: resolution,
    });
    return {
      alpha: info(alpha),
      beta: info(beta),
      levels: LEVELS.filter((n) => n <= resolution),
      angle: 90,
      loss: 0.00359,
      gradient_norm: 0.027,
      preview: { loss: 0.0036, gradient_alpha: 0.02, gradient_beta: 0.001, a: 0.312, b: 0.002, c: -0.0152 },
      verdict: {
        title: "A saddle, and this slice shows it.",
        text: "Curvatures +0.312 and −0.0152. Of 1,000 random slices, 991 look like a minimum.",
        tone: "saddle",
      },
      caption:
        "Loss over all 1,797 samples, dropout off. Every point drawn is a loss the model was evaluated at.",
    };
  }

  value(x, y) {
    const { nan } = this.options;
    if (nan === "all" || (nan && Math.hypot(x - 2, y + 2) < 1)) return Number.NaN;
    return valley(x, y);
  }

  tile(id, run, seq, points, state) {
    const raw = new ArrayBuffer(8 + 8 * points.length);
    const index = new Int32Array(raw, 8, points.length);
    const loss = new Float32Array(raw, 8 + 4 * points.length, points.length);
    points.forEach(([at, value], k) => {
      index[k] = at;
      loss[k] = value;
    });
    const shape = [points.length];
    const arrays = [
      { name: "index", dtype: "int32", shape },
      { name: "loss", dtype: "float32", shape },
    ];
    const views = [new DataView(raw, 8, 4 * shape[0]), new DataView(raw, 8 + 4 * shape[0], 4 * shape[0])];
    this.reply({ kind: "tile", id, run, seq, frame: null, arrays, ...state }, views);
  }

  async stream(id, settings) {
    this.runs += 1;
    const run = this.runs;
    const frame = this.frame(settings);
    const n = settings.resolution;
    const total = n * n;
    let [seq, done, level] = [0, 0, 0];
    const wait = () => new Promise((resolve) => setTimeout(resolve, Number(this.options.pace)));
    this.tile(id, run, seq, [], { level, done, total, seconds_left: null, frame });
    if (this.options.stop === "preview") return;
    const seen = new Set();
    for (const size of frame.levels) {
      const fresh = levelPoints(n, size).filter((at) => !seen.has(at));
      for (let from = 0; from < fresh.length; from += 156) {
        await wait();
        if (run !== this.runs) return this.result(id, "picture", "cancelled");
        if (this.cancelled === "picture") {
          this.cancelled = null;
          return this.result(id, "picture", "cancelled", { advice: "What was computed is kept." });
        }
        const block = fresh.slice(from, from + 156);
        for (const at of block) seen.add(at);
        done += block.length;
        if (from + 156 >= fresh.length) level = size;
        seq += 1;
        const points = block.map((at) => [
          at,
          this.value(coordinate(at % n, n, frame.alpha), coordinate((at / n) | 0, n, frame.beta)),
        ]);
        this.tile(id, run, seq, points, { level, done, total, seconds_left: ((total - done) / 600) * 1.1 });
        if (this.options.stop === "refining" && done > 0.6 * total) return;
      }
    }
    this.result(id, "picture", "complete");
  }

  async eigenpairs() {
    const wait = () => new Promise((resolve) => setTimeout(resolve, Number(this.options.pace) * 3));
    for (let k = 1; k <= 6; k += 1) {
      const pairs = [
        { index: 0, value: 0.3124 + 0.1 / 8 ** k, residual: 0.02 / 3 ** k, accepted: k > 3 },
        { index: -1, value: -0.01523 + 0.01 / 4 ** k, residual: 0.02 / 2 ** k, accepted: false },
      ];
      const body = {
        id: "eigen",
        purpose: "eigenpairs",
        stage: `${10 * k} products`,
        done: 10 * k,
        total: 80,
      };
      this.reply({ kind: "progress", ...body, seconds_left: 2, pairs });
      if (this.options.stop && k === 4) return;
      await wait();
    }
    const pairs = [
      { index: 0, value: 0.3124, residual: 2e-4, accepted: true },
      { index: -1, value: -0.01523, residual: 3e-5, accepted: true },
    ];
    this.result("eigen", "eigenpairs", "converged", { pairs });
  }

  saved() {
    const n = 49;
    this.traits = { options: { sources: [] } };
    const axis = { source: "random", seed: 0, index: 0 };
    const frame = this.frame({
      alpha: axis,
      beta: { ...axis, seed: 1 },
      extent: 4,
      resolution: n,
      scale: "unit",
    });
    const at = (i) => coordinate(i, n, frame.alpha);
    const loss = Float32Array.from({ length: n * n }, (_, k) => valley(at(k % n), at((k / n) | 0)));
    return { frame, loss: new DataView(loss.buffer) };
  }
}

function coordinate(i, n, { lo, hi }) {
  return (lo + hi) / 2 + (((hi - lo) / 2) * (2 * i - (n - 1))) / (n - 1);
}

function levelPoints(n, size) {
  const stride = (n - 1) / (size - 1);
  const points = [];
  for (let j = 0; j < n; j += stride) for (let i = 0; i < n; i += stride) points.push(j * n + i);
  return points;
}
