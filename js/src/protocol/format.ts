// How numbers are written: three significant digits, a true minus sign, plain decimals where they are short.

import { centred, halfWidth } from "./grid";
import type { Range } from "./messages";

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";

function minus(text: string): string {
  return text.replace("-", "\u2212");
}

function superscript(exponent: number): string {
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPT[Number(digit)] ?? "").join("");
  return exponent < 0 ? `\u207b${digits}` : digits;
}

/** Mantissa and power of ten: 2·10⁻⁴. */
export function scientific(value: number, digits: number): string {
  const [mantissa = "0", exponent = "0"] = value.toExponential(digits - 1).split("e");
  return `${minus(mantissa)}·10${superscript(Number(exponent))}`;
}

/** A number for a reader: 0.00359, −0.0152, 12.3, 4.1·10⁻⁷; a dash where there is none. */
export function number(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "\u2212∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e6) return scientific(value, digits);
  return minus(String(Number(value.toPrecision(digits))));
}

/** A measured number in a table: its zeros are kept, since they were measured too (1.00). */
export function measured(value: number | null | undefined, digits = 3): string {
  const size = Math.abs(value ?? 0);
  return typeof value === "number" && size >= 1e-4 && size < 10 ** (digits - 1)
    ? minus(value.toPrecision(digits))
    : number(value, digits);
}

/** A number whose sign matters, as curvature: +0.312, −0.0152. */
export function signed(value: number | null | undefined, digits = 3): string {
  const text = number(value, digits);
  return typeof value === "number" && value > 0 ? `+${text}` : text;
}

/** A residual: one digit and its power of ten. */
export function residual(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return "–";
  return value === 0 ? "0" : scientific(value, 1);
}

/** Half the width of the window, always with a decimal: ± 4.0, ± 2.83. */
export function extent(value: number): string {
  const text = number(value);
  return `± ${/^\d+$/.test(text) && value < 100 ? `${text}.0` : text}`;
}

/** A window: ± 4.0 about the model, −0.4 … 1.2 beside it, with the digits that tell its ends apart. */
export function span(range: Range): string {
  const half = halfWidth(range);
  if (centred(range)) return extent(half);
  const farthest = Math.max(Math.abs(range.lo), Math.abs(range.hi));
  const digits = Math.min(Math.max(2, Math.ceil(Math.log10(farthest / half)) + 1), 9);
  const end = (value: number) => number(Math.abs(value) < 1e-9 * farthest ? 0 : value, digits);
  return `${end(range.lo)} … ${end(range.hi)}`;
}

/** A part in percent: 0.4 %. */
export function percent(part: number): string {
  return `${number(100 * part, 2)} %`;
}

export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

export function grid(columns: number, rows: number = columns): string {
  return `${columns} × ${rows}`;
}

/** Seconds as a person says them: 3 s, 1 min 20 s, 2 h 5 min. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${Number(seconds.toFixed(seconds < 0.995 ? 2 : 1))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Seconds that remain: whole ones, since the estimate is no better. */
export function remaining(seconds: number): string {
  return seconds < 1 ? "under 1 s left" : `${duration(Math.ceil(seconds))} left`;
}
