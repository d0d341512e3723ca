// The windows this view has zoomed out of: where "Zoom out" goes back to.

import { halfWidth } from "../../protocol/grid";
import type { PictureSettings, Range } from "../../protocol/messages";

type Window = Pick<PictureSettings, "alpha_range" | "beta_range">;

const MOST = 20;

/** A window means the same place only under the normalisations it was chosen in. */
function units({ alpha, beta }: PictureSettings): string {
  return `${alpha.scale} ${beta.scale}`;
}

/** Whether a picture can be made of it. */
export function drawable(range: Range): boolean {
  return Number.isFinite(range.lo) && Number.isFinite(range.hi) && halfWidth(range) >= 1e-6;
}

export class WindowHistory {
  readonly #left: { readonly units: string; readonly window: Window }[] = [];

  push(settings: PictureSettings): void {
    const { alpha_range, beta_range } = settings;
    this.#left.push({ units: units(settings), window: { alpha_range, beta_range } });
    if (this.#left.length > MOST) this.#left.shift();
  }

  holds(settings: PictureSettings): boolean {
    return this.#left.some((entry) => entry.units === units(settings));
  }

  /** The newest window that still fits the settings, taken out with all after it; null where there is none. */
  pop(settings: PictureSettings): Window | null {
    const at = this.#left.findLastIndex((entry) => entry.units === units(settings));
    return at < 0 ? null : (this.#left.splice(at)[0]?.window ?? null);
  }
}
