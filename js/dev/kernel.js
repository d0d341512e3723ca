// A recorded kernel for the harness: an analytic valley, streamed as the real one streams.
// Query: stop=preview|refining|none, view, height, colours, source=random, resolution, label, pace=ms, fail=1,
// nan=1|all, saved=1, tracks=0, others=jobs of other widgets, alpha=lo,hi and beta=lo,hi for windows of their own

import {
  accuracy,
  along,
  coordinate,
  EXTENTS,
  frameOf,
  LENGTHS,
  LEVELS,
  levelPoints,
  SOURCES,
  valley,
} from "./valley.js";

const BLOCK = 156;
const ORDER = ["picture", "curves", "eigenpairs"];

export class FakeModel {
  constructor(options) {
    this.options = { pace: 60, others: 0, ...options };
    this.listeners = new Map();
    this.runs = 0;
    /** Jobs by purpose: whether each is held, and whether it was stopped. */
    this.jobs = new Map();
    const { view = "surface", height = "log", colours = "viridis", label } = options;
    const settings = this.first();
    this.traits = {
      title: "digits MLP",
      subtitle: "7,510 parameters · cross-entropy, 1,797 samples",
      footer: "seed 0 · float32 · exact values",
      code: this.code(settings),
      settings,
      ...{ view, height, colours },
      options: {
        extents: EXTENTS,
        resolutions: LEVELS,
        sources: SOURCES.map((one, k) => (k === 1 && label ? { ...one, label } : one)),
      },
      eigen: [],
      picture: options.saved ? saved(settings) : null,
    };
    this.counts = { on: 0, off: 0, sent: [] };
  }

  first() {
    const { source = "hessian", scale = "unit", resolution = 49 } = this.options;
    const range = (text) => {
      const [lo, hi] = (text ?? "-4,4").split(",").map(Number);
      return { lo, hi };
    };
    return {
      alpha: { source, seed: 0, index: 0, scale },
      beta: { source, seed: 1, index: source === "hessian" ? -1 : 0, scale },
      alpha_range: range(this.options.alpha),
      beta_range: range(this.options.beta),
      resolution: Number(resolution),
    };
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
    const group = this.listeners.get(event) ?? [];
    this.listeners.set(
      event,
      group.filter((other) => other !== callback),
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
      this.result(id, "hello", "complete");
      this.picture("display", this.traits.settings);
      this.eigenpairs();
    }
    if (kind === "request" && purpose === "settings") this.result(id, "settings", "complete");
    if (kind === "request" && purpose === "curves") this.curves(id, message.settings);
    if (kind === "request" && purpose === "picture") this.redraw(message);
    if (kind === "cancel") {
      const job = this.jobs.get(purpose);
      if (job) Object.assign(job, { stopped: true, paused: false });
    }
    if (kind === "pause" && this.jobs.has(purpose)) {
      this.jobs.get(purpose).paused = message.paused;
      this.queue();
    }
  }

  redraw({ id, settings, keep_region }) {
    if (this.options.fail) return this.error(id);
    const now = keep_region ? kept(this.traits.settings, settings) : settings;
    this.set("settings", now);
    this.set("code", this.code(now));
    this.picture(id, now);
  }

  code(settings) {
    const { alpha, beta, alpha_range, beta_range, resolution } = settings;
    const name = ({ source, seed, index }) => (source === "random" ? `random ${seed}` : `${source} ${index}`);
    return [
      "import landscape_widgets as lw",
      "",
      "lw.explore(",
      "    model, loss, data,",
      `    directions=("${name(alpha)}", "${name(beta)}"),`,
      `    extent=((${alpha_range.lo}, ${alpha_range.hi}), (${beta_range.lo}, ${beta_range.hi})),`,
      `    resolution=${resolution}, scale=("${alpha.scale}", "${beta.scale}"),`,
      ")",
    ].join("\n");
  }

  // ---------------------------------------------------------------- jobs

  /** A new job of a purpose; the one before it ends. */
  begin(purpose) {
    const before = this.jobs.get(purpose);
    if (before) before.stopped = true;
    const job = { paused: false, stopped: false };
    this.jobs.set(purpose, job);
    this.queue();
    return job;
  }

  end(purpose, job) {
    if (this.jobs.get(purpose) === job) this.jobs.delete(purpose);
    this.queue();
  }

  queue() {
    const mine = ORDER.filter((purpose) => this.jobs.has(purpose));
    const of = mine.length + Number(this.options.others);
    const jobs = mine.map((purpose, k) => {
      const { paused } = this.jobs.get(purpose);
      return { purpose, paused, position: k + 1, of };
    });
    this.reply({ kind: "queue", jobs });
  }

  /** One step later; waits while the job is held. False where it was stopped. */
  async step(job, times = 1) {
    do await new Promise((resolve) => setTimeout(resolve, Number(this.options.pace) * times));
    while (job.paused && !job.stopped);
    return !job.stopped;
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

  // ---------------------------------------------------------------- the picture

  value(x, y) {
    const { nan } = this.options;
    if (nan === "all" || (nan && Math.hypot(x - 2, y + 2) < 1)) return Number.NaN;
    return valley(x, y);
  }

  tile(id, run, seq, points, state) {
    const n = points.length;
    const raw = new ArrayBuffer(8 + 12 * n);
    const index = new Int32Array(raw, 8, n);
    const loss = new Float32Array(raw, 8 + 4 * n, n);
    const metrics = new Float32Array(raw, 8 + 8 * n, n);
    points.forEach(([at, value], k) => {
      index[k] = at;
      loss[k] = value;
      metrics[k] = accuracy(value);
    });
    const arrays = [
      { name: "index", dtype: "int32", shape: [n] },
      { name: "loss", dtype: "float32", shape: [n] },
      { name: "metrics", dtype: "float32", shape: [1, n] },
    ];
    const views = [0, 1, 2].map((k) => new DataView(raw, 8 + 4 * k * n, 4 * n));
    this.reply({ kind: "tile", id, run, seq, frame: null, arrays, ...state }, views);
  }

  async picture(id, settings) {
    this.runs += 1;
    const run = this.runs;
    const job = this.begin("picture");
    const frame = frameOf(settings, this.options);
    const n = settings.resolution;
    const total = n * n;
    let [seq, done, level] = [0, 0, 0];
    this.tile(id, run, seq, [], { level, done, total, seconds_left: null, frame });
    if (this.options.stop === "preview") return;
    const seen = new Set();
    for (const size of frame.levels) {
      const fresh = levelPoints(n, size).filter((at) => !seen.has(at));
      for (let from = 0; from < fresh.length; from += BLOCK) {
        if (!(await this.step(job))) {
          this.end("picture", job);
          return this.result(id, "picture", "cancelled", { advice: "What was computed is kept." });
        }
        const block = fresh.slice(from, from + BLOCK);
        for (const at of block) seen.add(at);
        done += block.length;
        if (from + BLOCK >= fresh.length) level = size;
        seq += 1;
        const place = (at) => [
          coordinate(at % n, n, frame.alpha) * frame.alpha.length,
          coordinate((at / n) | 0, n, frame.beta) * frame.beta.length,
        ];
        const points = block.map((at) => [at, this.value(...place(at))]);
        this.tile(id, run, seq, points, { level, done, total, seconds_left: ((total - done) / 600) * 1.1 });
        if (this.options.stop === "refining" && done > 0.6 * total) return;
      }
    }
    this.end("picture", job);
    this.result(id, "picture", "complete");
  }

  // ---------------------------------------------------------------- eigenpairs and curves

  async eigenpairs() {
    const job = this.begin("eigenpairs");
    for (let k = 1; k <= 6; k += 1) {
      const pairs = [
        { index: 0, value: 0.3124 + 0.1 / 8 ** k, residual: 0.02 / 3 ** k, accepted: k > 3 },
        { index: -1, value: -0.01523 + 0.01 / 4 ** k, residual: 0.02 / 2 ** k, accepted: false },
      ];
      const counts = { stage: `${10 * k} products`, done: 10 * k, total: 80, seconds_left: 2, pairs };
      this.reply({ kind: "progress", id: "eigen", purpose: "eigenpairs", ...counts });
      if (this.options.stop && k === 4) return;
      if (!(await this.step(job, 3))) {
        this.end("eigenpairs", job);
        return this.result("eigen", "eigenpairs", "cancelled", { advice: "What was found is kept." });
      }
    }
    const pairs = [
      { index: 0, value: 0.3124, residual: 2e-4, accepted: true },
      { index: -1, value: -0.01523, residual: 3e-5, accepted: true },
    ];
    this.end("eigenpairs", job);
    this.result("eigen", "eigenpairs", "converged", { pairs });
  }

  async curves(id, settings) {
    const job = this.begin("curves");
    const { choices, seeds, points, range } = settings;
    const total = choices.length + seeds;
    const info = Array.from({ length: total }, (_, k) => curveInfo(settings, k));
    const position = Float32Array.from({ length: points }, (_, i) => coordinate(i, points, range));
    for (let done = 0; done <= total; done += 1) {
      const loss = Float32Array.from({ length: done * points }, (_, at) =>
        bend(Math.floor(at / points), choices.length)(position[at % points]),
      );
      const arrays = [
        { name: "position", dtype: "float32", shape: [points] },
        { name: "loss", dtype: "float32", shape: [done, points] },
      ];
      const caption = `A band over ${seeds} random directions, seeds 0 to ${seeds - 1}.`;
      const body = { settings, curves: info.slice(0, done), done, total, caption: seeds > 0 ? caption : "" };
      this.reply({ kind: "curves", id, ...body, arrays }, [position, loss]);
      if (this.options.stop === "curves" && done > 2) return;
      if (done < total && !(await this.step(job, 2))) {
        this.end("curves", job);
        return this.result(id, "curves", "cancelled", { advice: "What was computed is kept." });
      }
    }
    this.end("curves", job);
    this.result(id, "curves", "complete");
  }
}

function curveInfo({ choices, scale }, k) {
  const choice = choices[k];
  const found = choice && SOURCES.find((s) => s.source === choice.source && s.index === choice.index);
  return {
    label: found ? found.label : `random ${k - choices.length}`,
    unit: scale === "unit" ? "parameter distance" : `${LENGTHS[scale]} × parameter distance`,
    length: LENGTHS[scale],
    band: found === undefined,
  };
}

function bend(k, choices) {
  return k < choices
    ? along(0.09 / (k + 1), 0.02 * k)
    : along(0.004 + 0.002 * ((k * 7) % 5), 0.003 * (k % 3));
}

/** Ranges that cover the same parameter distance under the new normalisations. */
function kept(before, settings) {
  const scaled = (name) => {
    const factor = LENGTHS[before[name].scale] / LENGTHS[settings[name].scale];
    const { lo, hi } = settings[`${name}_range`];
    return { lo: lo * factor, hi: hi * factor };
  };
  return { ...settings, alpha_range: scaled("alpha"), beta_range: scaled("beta") };
}

function saved(settings) {
  const frame = frameOf(settings);
  const n = settings.resolution;
  const at = (i) => coordinate(i, n, frame.alpha);
  const loss = Float32Array.from({ length: n * n }, (_, k) => valley(at(k % n), at((k / n) | 0)));
  const metrics = loss.map(accuracy);
  return { frame, loss: new DataView(loss.buffer), metrics: new DataView(metrics.buffer) };
}
