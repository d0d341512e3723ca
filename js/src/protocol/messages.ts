// Generated from landscape_widgets/protocol/messages.py: do not edit.
// python -m landscape_widgets.protocol.typescript js/src/protocol/messages.ts

/** Raised by one whenever an old page could misread a new message. */
export const VERSION = 1;

/** Tiles in flight to a page; further ones are merged until an `Ack` comes. */
export const MAX_UNACKNOWLEDGED = 2;

export type Scale = "unit" | "filter" | "raw";
export type Source = "random" | "hessian" | "custom";
export type View = "surface" | "contour" | "curves";
export type Height = "log" | "linear";
export type Purpose = "hello" | "picture" | "eigenpairs" | "settings";
export type Tone = "minimum" | "maximum" | "saddle" | "flat" | "unknown";

/** What an axis shows: a random direction by seed, the index-th eigenvector (-1: the smallest), or a given one. */
export interface AxisChoice {
  readonly source: Source;
  readonly seed: number;
  readonly index: number;
}

/** All that decides which picture is computed. */
export interface PictureSettings {
  readonly alpha: AxisChoice;
  readonly beta: AxisChoice;
  readonly scale: Scale;
  readonly extent: number;
  readonly resolution: number;
}

/** How a picture is shown; changes nothing that is computed. */
export interface ViewSettings {
  readonly view: View;
  readonly height: Height;
}

/** A view is listening: the kernel answers with a result, then replays the picture and the eigenpairs it has. */
export interface Hello {
  readonly id: string;
  readonly v: number;
  readonly kind: "hello";
}

/** Draw this picture; the latest request of a widget wins, an earlier one ends as cancelled. */
export interface PictureRequest {
  readonly id: string;
  readonly settings: PictureSettings;
  readonly v: number;
  readonly kind: "request";
  readonly purpose: "picture";
}

/** Remember how the picture is shown (the page has already changed). */
export interface SettingsRequest {
  readonly id: string;
  readonly settings: ViewSettings;
  readonly v: number;
  readonly kind: "request";
  readonly purpose: "settings";
}

/** Stop the job of this purpose ("picture" or "eigenpairs"); what was computed stays. */
export interface Cancel {
  readonly id: string;
  readonly purpose: "picture" | "eigenpairs";
  readonly v: number;
  readonly kind: "cancel";
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
}

/** Points of the picture: buffers "index" (flat, row-major: j * alpha.points + i) and "loss". */
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

export type FromPage = Hello | PictureRequest | SettingsRequest | Cancel | Ack;

export type ToPage = Tile | Progress | Result | Error;
