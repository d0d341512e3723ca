// An analytic landscape for the harness: a curved valley with a saddle at the model, a wall and a ramp.

export const LEVELS = [7, 13, 25, 49, 97];

export const SOURCES = [
  { source: "random", index: 0, label: "Random", group: "Random" },
  { source: "hessian", index: 0, label: "Hessian λ_max", group: "Hessian" },
  { source: "hessian", index: 1, label: "Hessian λ_2", group: "Hessian" },
  { source: "hessian", index: -2, label: "Hessian λ_min+1", group: "Hessian" },
  { source: "hessian", index: -1, label: "Hessian λ_min", group: "Hessian" },
  { source: "gradient", index: 0, label: "Gradient", group: "Gradient" },
  { source: "trajectory", index: 0, label: "Trajectory 1 (81 % of it)", group: "Trajectory" },
  { source: "trajectory", index: 1, label: "Trajectory 2 (14 % of it)", group: "Trajectory" },
  { source: "model", index: 0, label: "towards seed 7", group: "Other models" },
  { source: "custom", index: 0, label: "<b>mine</b>", group: "Given" },
];

export const EXTENTS = Array.from({ length: 17 }, (_, k) => 2 ** ((k - 10) / 2));

/** Parameter distance of one unit under each normalisation. */
export const LENGTHS = { unit: 1, filter: 2, raw: 8 };

export function valley(alpha, beta) {
  const u = alpha - 0.06 * beta * beta;
  const wall = (13 * u * u) / (u * u + 24);
  const floor = 0.0024 * Math.exp(-0.45 * beta * beta) + 0.0011 + 0.00002 * beta ** 4;
  const ramp = 2.4 / (1 + Math.exp(-2.2 * (beta - 4.4)));
  return floor + wall + ramp * 0.7;
}

export function accuracy(loss) {
  return 1 / (1 + loss * 0.8);
}

/** Loss along a direction of this bend and slope. */
export function along(bend, slope) {
  return (at) => 0.00359 + (bend * at * at) / (1 + 0.04 * at * at) + slope * Math.sin(at) ** 2;
}

function path() {
  const steps = Array.from({ length: 13 }, (_, k) => k / 12);
  const alpha = steps.map((t) => 2.6 * (1 - t) ** 2 * Math.cos(3 * t));
  const beta = steps.map((t) => -3.2 * (1 - t));
  return {
    kind: "path",
    labels: steps.map((_, k) => `epoch ${k}`),
    alpha,
    beta,
    off_plane: steps.map((t) => 1.4 * t * (1 - t)),
    loss: steps.map((t) => 2.3 * (1 - t) ** 2 + 0.0036),
    shown: "The plane holds 93 % of the squared length of the training path.",
  };
}

const OTHERS = {
  kind: "points",
  labels: ["seed 7", "pruned <half>"],
  alpha: [3.1, -1.2],
  beta: [0.4, 2.2],
  off_plane: [0.02, 2.7],
  loss: [0.0051, null],
  shown: "One of 2 other models lies in the plane.",
};

function axisInfo(axis, { lo, hi }, points) {
  const found = SOURCES.find((s) => s.source === axis.source && s.index === axis.index);
  return {
    label: axis.source === "random" ? `random ${axis.seed}` : found.label,
    normalization: axis.scale,
    unit: axis.scale === "unit" ? "parameter distance" : `${LENGTHS[axis.scale]} × parameter distance`,
    seed: axis.source === "random" ? axis.seed : null,
    length: LENGTHS[axis.scale],
    lo,
    hi,
    points,
  };
}

export function frameOf({ alpha, beta, alpha_range, beta_range, resolution }, { tracks = "1" } = {}) {
  return {
    alpha: axisInfo(alpha, alpha_range, resolution),
    beta: axisInfo(beta, beta_range, resolution),
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
      "Mean cross-entropy over all 1,797 samples, dropout off. Every point drawn is a loss the model was evaluated at.",
    metrics: ["accuracy"],
    tracks: tracks === "1" ? [path(), OTHERS] : [],
  };
}

export function coordinate(i, n, { lo, hi }) {
  return (lo + hi) / 2 + (((hi - lo) / 2) * (2 * i - (n - 1))) / (n - 1);
}

/** The points of a nested grid of this size among n × n. */
export function levelPoints(n, size) {
  const stride = (n - 1) / (size - 1);
  const points = [];
  for (let j = 0; j < n; j += stride) for (let i = 0; i < n; i += stride) points.push(j * n + i);
  return points;
}
