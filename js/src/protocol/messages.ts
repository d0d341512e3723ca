// Generated from landscape_widgets/protocol/messages.py: do not edit.
// python -m landscape_widgets.protocol.typescript js/src/protocol/messages.ts

/** Raised by one whenever an old page could misread a new message. */
export const VERSION = 1;

/** Tiles in flight to a page; further ones are merged until an `Ack` comes. */
export const MAX_UNACKNOWLEDGED = 2;

export type Scale = "unit" | "filter" | "raw";
export type Source = "random" | "hessian" | "gradient" | "trajectory" | "model" | "custom";
export type View = "surface" | "contour" | "both" | "curves";
export type Height = "log" | "linear";
export type Colours = "viridis" | "cividis" | "magma";
export type Purpose =
  | "hello"
  | "picture"
  | "eigenpairs"
  | "curves"
  | "slices"
  | "settings"
  | "saddle"
  | "trace"
  | "spectrum"
  | "send";
export type Work = "picture" | "eigenpairs" | "curves" | "slices" | "lab";
export type Tone = "minimum" | "maximum" | "saddle" | "flat" | "unknown";
export type SliceScale = "raw" | "unit" | "filter";
export type TraceMethod =
  | "gaussian"
  | "rademacher"
  | "deflated"
  | "hutch++"
  | "xtrace"
  | "differences"
  | "exact";
export type Matrix = "hessian" | "gauss_newton" | "difference";
export type SpectrumStage = "density" | "eigenpairs" | "exact" | "checkpoints" | "done";

/** Describes one buffer: what it is, little-endian dtype, shape in C order. */
export interface ArrayHeader {
  readonly name: string;
  readonly dtype: "float32" | "int32";
  readonly shape: readonly number[];
}

/** An eigenvalue, its residual |Hv - λv|, and whether the residual meets its bound. */
export interface Pair {
  readonly index: number;
  readonly value: number | null;
  readonly residual: number | null;
  readonly accepted: boolean;
}

/** What an axis shows: a random direction by seed, or the index-th of a source, and its normalisation. */
export interface AxisChoice {
  readonly source: Source;
  readonly seed: number;
  readonly index: number;
  readonly scale: Scale;
}

/** The ends of an axis, in its unit; the model is at 0. */
export interface Range {
  readonly lo: number;
  readonly hi: number;
}

/** All that decides which picture is computed. */
export interface PictureSettings {
  readonly alpha: AxisChoice;
  readonly beta: AxisChoice;
  readonly alpha_range: Range;
  readonly beta_range: Range;
  readonly resolution: number;
  readonly until: number;
}

/** Cuts through the model: one along each choice, and a band over `seeds` random directions of a scale. */
export interface CurveSettings {
  readonly choices: readonly AxisChoice[];
  readonly seeds: number;
  readonly seed: number;
  readonly scale: Scale;
  readonly range: Range;
  readonly points: number;
}

/** How a picture is shown; changes nothing that is computed. */
export interface ViewSettings {
  readonly view: View;
  readonly height: Height;
  readonly colours: Colours;
}

/** View `view` is listening: the kernel answers with a result, then replays the picture and eigenpairs it has. */
export interface Hello {
  readonly id: string;
  readonly view: string;
  readonly v: number;
  readonly kind: "hello";
}

/** View `view` is gone; when it was the last, what is computed here lets the other widgets go first. */
export interface Goodbye {
  readonly view: string;
  readonly v: number;
  readonly kind: "goodbye";
}

/** Draw this picture; the latest request of a widget wins, an earlier one ends as cancelled. */
export interface PictureRequest {
  readonly id: string;
  readonly settings: PictureSettings;
  readonly keep_region: boolean;
  readonly v: number;
  readonly kind: "request";
  readonly purpose: "picture";
}

/** Compute cuts through the model; the latest request of a widget wins. */
export interface CurvesRequest {
  readonly id: string;
  readonly settings: CurveSettings;
  readonly v: number;
  readonly kind: "request";
  readonly purpose: "curves";
}

/** Remember how the picture is shown (the page has already changed). */
export interface SettingsRequest {
  readonly id: string;
  readonly settings: ViewSettings;
  readonly v: number;
  readonly kind: "request";
  readonly purpose: "settings";
}

/** Stop the job of this purpose; what was computed stays. */
export interface Cancel {
  readonly id: string;
  readonly purpose: Work;
  readonly v: number;
  readonly kind: "cancel";
}

/** Hold the job of this purpose between two steps, or let it go on; a `Queue` tells every view. */
export interface Pause {
  readonly id: string;
  readonly paused: boolean;
  readonly purpose: Work;
  readonly v: number;
  readonly kind: "pause";
}

/** Tile `seq` of run `run` has been drawn. */
export interface Ack {
  readonly run: number;
  readonly seq: number;
  readonly v: number;
  readonly kind: "ack";
}

/** An axis of the picture: its words, and its `points` coordinates from lo to hi, evenly spaced. */
export interface AxisInfo {
  readonly label: string;
  readonly normalization: string;
  readonly unit: string;
  readonly seed: number | null;
  readonly length: number;
  readonly lo: number;
  readonly hi: number;
  readonly points: number;
}

/** The quadratic model at the centre: loss + gradient·x + ½ xᵀ[[a, b], [b, c]]x in axis coordinates. */
export interface Preview {
  readonly loss: number;
  readonly gradient_alpha: number;
  readonly gradient_beta: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

/** One plain sentence on what the slice shows, and its reasons. */
export interface Verdict {
  readonly title: string;
  readonly text: string;
  readonly tone: Tone;
}

/** Models seen from the plane, one (α, β) each: where they project to, how far off it they are, their own loss. */
export interface Track {
  readonly kind: "path" | "points";
  readonly labels: readonly string[];
  readonly alpha: readonly number[];
  readonly beta: readonly number[];
  readonly off_plane: readonly number[];
  readonly loss: readonly (number | null)[];
  readonly shown: string;
}

/** What is said of the values beside the computed points: `words` with their held-out error, how they were got. */
export interface EstimateInfo {
  readonly words: string;
  readonly method: string;
  readonly held_out: number;
  readonly kind: "interpolated" | "bfloat16 preview";
  readonly level: number;
}

/** The head of a picture, sent with its first tile and on replay. */
export interface Frame {
  readonly alpha: AxisInfo;
  readonly beta: AxisInfo;
  readonly levels: readonly number[];
  readonly angle: number | null;
  readonly loss: number | null;
  readonly gradient_norm: number | null;
  readonly preview: Preview | null;
  readonly verdict: Verdict | null;
  readonly caption: string;
  readonly metrics: readonly string[];
  readonly tracks: readonly Track[];
  readonly estimate: EstimateInfo | null;
}

/** Points of the picture: buffers "index" (n,) (flat, row-major: j * alpha.points + i), "loss" (n,), and, where */
export interface Tile {
  readonly id: string;
  readonly run: number;
  readonly seq: number;
  readonly level: number;
  readonly done: number;
  readonly total: number;
  readonly seconds_left: number | null;
  readonly frame: Frame | null;
  readonly arrays: readonly ArrayHeader[];
  readonly v: number;
  readonly kind: "tile";
}

/** How far a job without a tile of its own has come, in words and numbers. */
export interface Progress {
  readonly id: string;
  readonly purpose: Purpose;
  readonly stage: string;
  readonly done: number;
  readonly total: number | null;
  readonly seconds_left: number | null;
  readonly pairs: readonly Pair[];
  readonly v: number;
  readonly kind: "progress";
}

/** The one good end of a request; `outcome` and `advice` as in `landscape_widgets.Outcome`. */
export interface Result {
  readonly id: string;
  readonly purpose: Purpose;
  readonly outcome: string;
  readonly advice: string;
  readonly pairs: readonly Pair[];
  readonly products: number;
  readonly evaluations: number;
  readonly seconds: number;
  readonly verdict: Verdict | null;
  readonly v: number;
  readonly kind: "result";
}

/** The one bad end of a request (or of an unreadable message: then `id` may be null). */
export interface Error {
  readonly id: string | null;
  readonly purpose: Purpose | null;
  readonly message: string;
  readonly advice: string;
  readonly v: number;
  readonly kind: "error";
}

/** One cut: its words, and whether it is one of the random directions that make the band. */
export interface CurveInfo {
  readonly label: string;
  readonly unit: string;
  readonly length: number;
  readonly band: boolean;
}

/** The cuts finished so far, all of them again: buffers "position" (n,) and "loss" (curves, n). */
export interface Curves {
  readonly id: string;
  readonly settings: CurveSettings;
  readonly curves: readonly CurveInfo[];
  readonly done: number;
  readonly total: number;
  readonly caption: string;
  readonly arrays: readonly ArrayHeader[];
  readonly v: number;
  readonly kind: "curves";
}

/** A job of this widget, and its place among all jobs of the kernel: 1 is stepped first. */
export interface QueuedJob {
  readonly purpose: Work;
  readonly paused: boolean;
  readonly position: number;
  readonly of: number;
}

/** All jobs of this widget that have not ended. */
export interface Queue {
  readonly jobs: readonly QueuedJob[];
  readonly v: number;
  readonly kind: "queue";
}

/** Which saddle (n and ñ count for the toy only), how many random slices, and which of them is shown. */
export interface SaddleSettings {
  readonly n: number;
  readonly positive: number;
  readonly draws: number;
  readonly shown: number;
  readonly seed: number;
  readonly scale: Scale;
  readonly extent: number;
  readonly points: number;
}

/** Draw these random slices; the latest request wins, slices drawn before are kept. */
export interface SaddleRequest {
  readonly id: string;
  readonly settings: SaddleSettings;
  readonly v: number;
  readonly kind: "request";
  readonly purpose: "saddle";
}

/** How many random slices show a kind of point, its 95 % interval as shares, and the share predicted. */
export interface SliceCount {
  readonly shows: "minimum" | "maximum" | "saddle" | "flat";
  readonly count: number;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly predicted: number | null;
  readonly predicted_error: number | null;
}

/** One of the pictures side by side; its heights above the centre are the array of that name, (k, k). */
export interface SlicePicture {
  readonly array: string;
  readonly title: string;
  readonly note: string;
  readonly shows: string;
  readonly alpha: string;
  readonly beta: string;
  readonly extent: number;
  readonly length: number;
  readonly kappa: readonly number[];
}

/** A histogram over a density. */
export interface Histogram {
  readonly name: string;
  readonly title: string;
  readonly law: string;
  readonly exact: boolean;
  readonly marked: number | null;
}

/** Everything a saddle lab shows. */
export interface SaddleState {
  readonly id: string;
  readonly run: number;
  readonly seq: number;
  readonly settings: SaddleSettings;
  readonly toy: boolean;
  readonly size: number;
  readonly sentence: string;
  readonly caution: string;
  readonly caption: string;
  readonly status: string;
  readonly done: number;
  readonly total: number;
  readonly seconds_left: number | null;
  readonly trace: number | null;
  readonly trace_error: number | null;
  readonly trace_exact: boolean;
  readonly counts: readonly SliceCount[];
  readonly prediction: string;
  readonly pictures: readonly SlicePicture[];
  readonly histograms: readonly Histogram[];
  readonly scales: readonly Scale[];
  readonly lengths: readonly number[];
  readonly arrays: readonly ArrayHeader[];
  readonly v: number;
  readonly kind: "saddle";
}

/** Which estimators, and how many gradient evaluations each may spend. */
export interface TraceSettings {
  readonly methods: readonly TraceMethod[];
  readonly budget: number;
  readonly seed: number;
}

/** Estimate the trace in these ways; the latest request wins, estimates under way go on where they are asked for. */
export interface TraceRequest {
  readonly id: string;
  readonly settings: TraceSettings;
  readonly v: number;
  readonly kind: "request";
  readonly purpose: "trace";
}

/** An estimator that may be chosen, what it does or costs in a few words, and whether it can be had here. */
export interface TraceOffer {
  readonly method: TraceMethod;
  readonly name: string;
  readonly note: string;
  readonly available: boolean;
}

/** One estimator: arrays "METHOD-cost", "METHOD-value", "METHOD-error", "METHOD-half" and "METHOD-probes" (n,). */
export interface TraceCurve {
  readonly method: TraceMethod;
  readonly name: string;
  readonly value: number | null;
  readonly error: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly interval_kind: string;
  readonly cost: number;
  readonly probes: number;
  readonly products: number;
  readonly evaluations: number;
  readonly outcome: string;
  readonly advice: string;
  readonly caution: string;
  readonly details: string;
}

/** Everything a trace lab shows. */
export interface TraceState {
  readonly id: string;
  readonly run: number;
  readonly seq: number;
  readonly settings: TraceSettings;
  readonly offered: readonly TraceOffer[];
  readonly exact: number | null;
  readonly size: number;
  readonly sentence: string;
  readonly caption: string;
  readonly done: number;
  readonly total: number;
  readonly seconds_left: number | null;
  readonly curves: readonly TraceCurve[];
  readonly arrays: readonly ArrayHeader[];
  readonly v: number;
  readonly kind: "trace";
}

/** Whose spectrum ("" is the whole model), how finely, and by how much the default width is scaled. */
export interface SpectrumSettings {
  readonly matrix: Matrix;
  readonly layer: string;
  readonly steps: number;
  readonly probes: number;
  readonly seed: number;
  readonly width: number;
}

/** Compute this spectrum; the latest request wins. Another width alone computes nothing. */
export interface SpectrumRequest {
  readonly id: string;
  readonly settings: SpectrumSettings;
  readonly v: number;
  readonly kind: "request";
  readonly purpose: "spectrum";
}

/** Put the eigenvector of this index on an axis of the linked explorer. */
export interface SendPair {
  readonly id: string;
  readonly index: number;
  readonly axis: "alpha" | "beta";
  readonly v: number;
  readonly kind: "request";
  readonly purpose: "send";
}

/** A layer whose own block of the matrix may be looked at. */
export interface LayerOption {
  readonly name: string;
  readonly size: number;
}

/** Everything a spectrum explorer shows. */
export interface SpectrumState {
  readonly id: string;
  readonly run: number;
  readonly seq: number;
  readonly settings: SpectrumSettings;
  readonly name: string;
  readonly size: number;
  readonly mass: number | null;
  readonly width: number | null;
  readonly products: number;
  readonly total: number;
  readonly sentence: string;
  readonly caution: string;
  readonly caption: string;
  readonly stage: SpectrumStage;
  readonly status: string;
  readonly part: number | null;
  readonly pairs: readonly Pair[];
  readonly pair_products: number;
  readonly pair_outcome: string;
  readonly checkpoints: number;
  readonly checkpoints_done: number;
  readonly history: string;
  readonly history_axis: string;
  readonly layers: readonly LayerOption[];
  readonly axes: readonly string[];
  readonly arrays: readonly ArrayHeader[];
  readonly v: number;
  readonly kind: "spectrum";
}

export type FromPage =
  | Hello
  | Goodbye
  | PictureRequest
  | CurvesRequest
  | SettingsRequest
  | Cancel
  | Pause
  | Ack
  | SaddleRequest
  | TraceRequest
  | SpectrumRequest
  | SendPair;

export type ToPage =
  | Tile
  | Curves
  | Queue
  | Progress
  | Result
  | Error
  | SaddleState
  | TraceState
  | SpectrumState;

/** The shape of a value: what it is, whether it may be null, and what stands for it where it is absent. */
export type Shape = {
  readonly is: "text" | "number" | "whole" | "flag" | "list" | "message" | readonly string[];
  readonly of?: Shape;
  readonly name?: string;
  readonly nullable?: true;
  readonly absent?: unknown;
};

export const SHAPES: Record<string, Record<string, Shape>> = {
  ArrayHeader: {
    name: { is: "text" },
    dtype: { is: ["float32", "int32"] },
    shape: { is: "list", of: { is: "whole" } },
  },
  Pair: {
    index: { is: "whole" },
    value: { is: "number", nullable: true },
    residual: { is: "number", nullable: true },
    accepted: { is: "flag" },
  },
  AxisChoice: {
    source: { is: ["random", "hessian", "gradient", "trajectory", "model", "custom"] },
    seed: { is: "whole", absent: 0 },
    index: { is: "whole", absent: 0 },
    scale: { is: ["unit", "filter", "raw"], absent: "filter" },
  },
  Range: {
    lo: { is: "number" },
    hi: { is: "number" },
  },
  PictureSettings: {
    alpha: { is: "message", name: "AxisChoice" },
    beta: { is: "message", name: "AxisChoice" },
    alpha_range: { is: "message", name: "Range" },
    beta_range: { is: "message", name: "Range" },
    resolution: { is: "whole" },
    until: { is: "number", absent: 0.0 },
  },
  CurveSettings: {
    choices: { is: "list", of: { is: "message", name: "AxisChoice" } },
    seeds: { is: "whole" },
    seed: { is: "whole" },
    scale: { is: ["unit", "filter", "raw"] },
    range: { is: "message", name: "Range" },
    points: { is: "whole" },
  },
  ViewSettings: {
    view: { is: ["surface", "contour", "both", "curves"] },
    height: { is: ["log", "linear"] },
    colours: { is: ["viridis", "cividis", "magma"], absent: "viridis" },
  },
  Hello: {
    id: { is: "text" },
    view: { is: "text", absent: "" },
    v: { is: "whole", absent: 1 },
    kind: { is: ["hello"] },
  },
  Goodbye: {
    view: { is: "text" },
    v: { is: "whole", absent: 1 },
    kind: { is: ["goodbye"] },
  },
  PictureRequest: {
    id: { is: "text" },
    settings: { is: "message", name: "PictureSettings" },
    keep_region: { is: "flag", absent: false },
    v: { is: "whole", absent: 1 },
    kind: { is: ["request"] },
    purpose: { is: ["picture"] },
  },
  CurvesRequest: {
    id: { is: "text" },
    settings: { is: "message", name: "CurveSettings" },
    v: { is: "whole", absent: 1 },
    kind: { is: ["request"] },
    purpose: { is: ["curves"] },
  },
  SettingsRequest: {
    id: { is: "text" },
    settings: { is: "message", name: "ViewSettings" },
    v: { is: "whole", absent: 1 },
    kind: { is: ["request"] },
    purpose: { is: ["settings"] },
  },
  Cancel: {
    id: { is: "text" },
    purpose: { is: ["picture", "eigenpairs", "curves", "slices", "lab"], absent: "picture" },
    v: { is: "whole", absent: 1 },
    kind: { is: ["cancel"] },
  },
  Pause: {
    id: { is: "text" },
    paused: { is: "flag" },
    purpose: { is: ["picture", "eigenpairs", "curves", "slices", "lab"], absent: "picture" },
    v: { is: "whole", absent: 1 },
    kind: { is: ["pause"] },
  },
  Ack: {
    run: { is: "whole" },
    seq: { is: "whole" },
    v: { is: "whole", absent: 1 },
    kind: { is: ["ack"] },
  },
  AxisInfo: {
    label: { is: "text" },
    normalization: { is: "text" },
    unit: { is: "text" },
    seed: { is: "whole", nullable: true },
    length: { is: "number" },
    lo: { is: "number" },
    hi: { is: "number" },
    points: { is: "whole" },
  },
  Preview: {
    loss: { is: "number" },
    gradient_alpha: { is: "number" },
    gradient_beta: { is: "number" },
    a: { is: "number" },
    b: { is: "number" },
    c: { is: "number" },
  },
  Verdict: {
    title: { is: "text" },
    text: { is: "text" },
    tone: { is: ["minimum", "maximum", "saddle", "flat", "unknown"] },
  },
  Track: {
    kind: { is: ["path", "points"] },
    labels: { is: "list", of: { is: "text" } },
    alpha: { is: "list", of: { is: "number" } },
    beta: { is: "list", of: { is: "number" } },
    off_plane: { is: "list", of: { is: "number" } },
    loss: { is: "list", of: { is: "number", nullable: true } },
    shown: { is: "text" },
  },
  EstimateInfo: {
    words: { is: "text" },
    method: { is: "text" },
    held_out: { is: "whole" },
    kind: { is: ["interpolated", "bfloat16 preview"], absent: "interpolated" },
    level: { is: "whole", absent: 0 },
  },
  Frame: {
    alpha: { is: "message", name: "AxisInfo" },
    beta: { is: "message", name: "AxisInfo" },
    levels: { is: "list", of: { is: "whole" } },
    angle: { is: "number", nullable: true },
    loss: { is: "number", nullable: true },
    gradient_norm: { is: "number", nullable: true },
    preview: { is: "message", name: "Preview", nullable: true },
    verdict: { is: "message", name: "Verdict", nullable: true },
    caption: { is: "text" },
    metrics: { is: "list", of: { is: "text" }, absent: [] },
    tracks: { is: "list", of: { is: "message", name: "Track" }, absent: [] },
    estimate: { is: "message", name: "EstimateInfo", nullable: true, absent: null },
  },
  Tile: {
    id: { is: "text" },
    run: { is: "whole" },
    seq: { is: "whole" },
    level: { is: "whole" },
    done: { is: "whole" },
    total: { is: "whole" },
    seconds_left: { is: "number", nullable: true },
    frame: { is: "message", name: "Frame", nullable: true },
    arrays: { is: "list", of: { is: "message", name: "ArrayHeader" } },
    v: { is: "whole", absent: 1 },
    kind: { is: ["tile"] },
  },
  Progress: {
    id: { is: "text" },
    purpose: {
      is: [
        "hello",
        "picture",
        "eigenpairs",
        "curves",
        "slices",
        "settings",
        "saddle",
        "trace",
        "spectrum",
        "send",
      ],
    },
    stage: { is: "text" },
    done: { is: "whole" },
    total: { is: "whole", nullable: true },
    seconds_left: { is: "number", nullable: true },
    pairs: { is: "list", of: { is: "message", name: "Pair" } },
    v: { is: "whole", absent: 1 },
    kind: { is: ["progress"] },
  },
  Result: {
    id: { is: "text" },
    purpose: {
      is: [
        "hello",
        "picture",
        "eigenpairs",
        "curves",
        "slices",
        "settings",
        "saddle",
        "trace",
        "spectrum",
        "send",
      ],
    },
    outcome: { is: "text" },
    advice: { is: "text" },
    pairs: { is: "list", of: { is: "message", name: "Pair" }, absent: [] },
    products: { is: "whole", absent: 0 },
    evaluations: { is: "whole", absent: 0 },
    seconds: { is: "number", absent: 0.0 },
    verdict: { is: "message", name: "Verdict", nullable: true, absent: null },
    v: { is: "whole", absent: 1 },
    kind: { is: ["result"] },
  },
  Error: {
    id: { is: "text", nullable: true },
    purpose: {
      is: [
        "hello",
        "picture",
        "eigenpairs",
        "curves",
        "slices",
        "settings",
        "saddle",
        "trace",
        "spectrum",
        "send",
      ],
      nullable: true,
    },
    message: { is: "text" },
    advice: { is: "text" },
    v: { is: "whole", absent: 1 },
    kind: { is: ["error"] },
  },
  CurveInfo: {
    label: { is: "text" },
    unit: { is: "text" },
    length: { is: "number" },
    band: { is: "flag" },
  },
  Curves: {
    id: { is: "text" },
    settings: { is: "message", name: "CurveSettings" },
    curves: { is: "list", of: { is: "message", name: "CurveInfo" } },
    done: { is: "whole" },
    total: { is: "whole" },
    caption: { is: "text" },
    arrays: { is: "list", of: { is: "message", name: "ArrayHeader" } },
    v: { is: "whole", absent: 1 },
    kind: { is: ["curves"] },
  },
  QueuedJob: {
    purpose: { is: ["picture", "eigenpairs", "curves", "slices", "lab"] },
    paused: { is: "flag" },
    position: { is: "whole" },
    of: { is: "whole" },
  },
  Queue: {
    jobs: { is: "list", of: { is: "message", name: "QueuedJob" } },
    v: { is: "whole", absent: 1 },
    kind: { is: ["queue"] },
  },
  SaddleSettings: {
    n: { is: "whole" },
    positive: { is: "whole" },
    draws: { is: "whole" },
    shown: { is: "whole" },
    seed: { is: "whole" },
    scale: { is: ["raw", "unit", "filter"] },
    extent: { is: "number" },
    points: { is: "whole" },
  },
  SaddleRequest: {
    id: { is: "text" },
    settings: { is: "message", name: "SaddleSettings" },
    v: { is: "whole", absent: 1 },
    kind: { is: ["request"] },
    purpose: { is: ["saddle"] },
  },
  SliceCount: {
    shows: { is: ["minimum", "maximum", "saddle", "flat"] },
    count: { is: "whole" },
    lower: { is: "number", nullable: true },
    upper: { is: "number", nullable: true },
    predicted: { is: "number", nullable: true },
    predicted_error: { is: "number", nullable: true },
  },
  SlicePicture: {
    array: { is: "text" },
    title: { is: "text" },
    note: { is: "text" },
    shows: { is: "text" },
    alpha: { is: "text" },
    beta: { is: "text" },
    extent: { is: "number" },
    length: { is: "number" },
    kappa: { is: "list", of: { is: "number" } },
  },
  Histogram: {
    name: { is: "text" },
    title: { is: "text" },
    law: { is: "text" },
    exact: { is: "flag" },
    marked: { is: "number", nullable: true },
  },
  SaddleState: {
    id: { is: "text" },
    run: { is: "whole" },
    seq: { is: "whole" },
    settings: { is: "message", name: "SaddleSettings" },
    toy: { is: "flag" },
    size: { is: "whole" },
    sentence: { is: "text" },
    caution: { is: "text" },
    caption: { is: "text" },
    status: { is: "text" },
    done: { is: "whole" },
    total: { is: "whole" },
    seconds_left: { is: "number", nullable: true },
    trace: { is: "number", nullable: true },
    trace_error: { is: "number", nullable: true },
    trace_exact: { is: "flag" },
    counts: { is: "list", of: { is: "message", name: "SliceCount" } },
    prediction: { is: "text" },
    pictures: { is: "list", of: { is: "message", name: "SlicePicture" } },
    histograms: { is: "list", of: { is: "message", name: "Histogram" } },
    scales: { is: "list", of: { is: ["raw", "unit", "filter"] } },
    lengths: { is: "list", of: { is: "number" } },
    arrays: { is: "list", of: { is: "message", name: "ArrayHeader" } },
    v: { is: "whole", absent: 1 },
    kind: { is: ["saddle"] },
  },
  TraceSettings: {
    methods: {
      is: "list",
      of: { is: ["gaussian", "rademacher", "deflated", "hutch++", "xtrace", "differences", "exact"] },
    },
    budget: { is: "whole" },
    seed: { is: "whole" },
  },
  TraceRequest: {
    id: { is: "text" },
    settings: { is: "message", name: "TraceSettings" },
    v: { is: "whole", absent: 1 },
    kind: { is: ["request"] },
    purpose: { is: ["trace"] },
  },
  TraceOffer: {
    method: { is: ["gaussian", "rademacher", "deflated", "hutch++", "xtrace", "differences", "exact"] },
    name: { is: "text" },
    note: { is: "text" },
    available: { is: "flag" },
  },
  TraceCurve: {
    method: { is: ["gaussian", "rademacher", "deflated", "hutch++", "xtrace", "differences", "exact"] },
    name: { is: "text" },
    value: { is: "number", nullable: true },
    error: { is: "number", nullable: true },
    lower: { is: "number", nullable: true },
    upper: { is: "number", nullable: true },
    interval_kind: { is: "text" },
    cost: { is: "number" },
    probes: { is: "whole" },
    products: { is: "whole" },
    evaluations: { is: "whole" },
    outcome: { is: "text" },
    advice: { is: "text" },
    caution: { is: "text" },
    details: { is: "text" },
  },
  TraceState: {
    id: { is: "text" },
    run: { is: "whole" },
    seq: { is: "whole" },
    settings: { is: "message", name: "TraceSettings" },
    offered: { is: "list", of: { is: "message", name: "TraceOffer" } },
    exact: { is: "number", nullable: true },
    size: { is: "whole" },
    sentence: { is: "text" },
    caption: { is: "text" },
    done: { is: "whole" },
    total: { is: "whole" },
    seconds_left: { is: "number", nullable: true },
    curves: { is: "list", of: { is: "message", name: "TraceCurve" } },
    arrays: { is: "list", of: { is: "message", name: "ArrayHeader" } },
    v: { is: "whole", absent: 1 },
    kind: { is: ["trace"] },
  },
  SpectrumSettings: {
    matrix: { is: ["hessian", "gauss_newton", "difference"] },
    layer: { is: "text" },
    steps: { is: "whole" },
    probes: { is: "whole" },
    seed: { is: "whole" },
    width: { is: "number" },
  },
  SpectrumRequest: {
    id: { is: "text" },
    settings: { is: "message", name: "SpectrumSettings" },
    v: { is: "whole", absent: 1 },
    kind: { is: ["request"] },
    purpose: { is: ["spectrum"] },
  },
  SendPair: {
    id: { is: "text" },
    index: { is: "whole" },
    axis: { is: ["alpha", "beta"] },
    v: { is: "whole", absent: 1 },
    kind: { is: ["request"] },
    purpose: { is: ["send"] },
  },
  LayerOption: {
    name: { is: "text" },
    size: { is: "whole" },
  },
  SpectrumState: {
    id: { is: "text" },
    run: { is: "whole" },
    seq: { is: "whole" },
    settings: { is: "message", name: "SpectrumSettings" },
    name: { is: "text" },
    size: { is: "whole" },
    mass: { is: "number", nullable: true },
    width: { is: "number", nullable: true },
    products: { is: "whole" },
    total: { is: "whole" },
    sentence: { is: "text" },
    caution: { is: "text" },
    caption: { is: "text" },
    stage: { is: ["density", "eigenpairs", "exact", "checkpoints", "done"] },
    status: { is: "text" },
    part: { is: "number", nullable: true },
    pairs: { is: "list", of: { is: "message", name: "Pair" } },
    pair_products: { is: "whole" },
    pair_outcome: { is: "text" },
    checkpoints: { is: "whole" },
    checkpoints_done: { is: "whole" },
    history: { is: "text" },
    history_axis: { is: "text" },
    layers: { is: "list", of: { is: "message", name: "LayerOption" } },
    axes: { is: "list", of: { is: "text" } },
    arrays: { is: "list", of: { is: "message", name: "ArrayHeader" } },
    v: { is: "whole", absent: 1 },
    kind: { is: ["spectrum"] },
  },
};

export const KINDS: Record<string, string> = {
  tile: "Tile",
  curves: "Curves",
  queue: "Queue",
  progress: "Progress",
  result: "Result",
  error: "Error",
  saddle: "SaddleState",
  trace: "TraceState",
  spectrum: "SpectrumState",
};
