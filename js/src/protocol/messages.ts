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
export type Purpose = "hello" | "picture" | "eigenpairs" | "curves" | "settings";
export type Work = "picture" | "eigenpairs" | "curves";
export type Tone = "minimum" | "maximum" | "saddle" | "flat" | "unknown";

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

/** Describes one buffer: what it is, little-endian dtype, shape in C order. */
export interface ArrayHeader {
  readonly name: string;
  readonly dtype: "float32" | "int32";
  readonly shape: readonly number[];
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

/** An eigenvalue, its residual |Hv - λv|, and whether the residual meets its bound. */
export interface Pair {
  readonly index: number;
  readonly value: number | null;
  readonly residual: number | null;
  readonly accepted: boolean;
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

export type FromPage =
  | Hello
  | Goodbye
  | PictureRequest
  | CurvesRequest
  | SettingsRequest
  | Cancel
  | Pause
  | Ack;

export type ToPage = Tile | Curves | Queue | Progress | Result | Error;
