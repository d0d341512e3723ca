// What a file can show: the picture that fits a request, what stands in for it, and what may be chosen at all.

import type { SourceOption } from "../controls/axis";
import { grid, span } from "../protocol/format";
import { alike, halfWidth } from "../protocol/grid";
import type { AxisChoice, PictureSettings, Range } from "../protocol/messages";
import { doneOf, nested, type Recorded, resolutionsOf } from "./records";

type Name = "alpha" | "beta";
const AXES: readonly Name[] = ["alpha", "beta"];
const LETTERS = { alpha: "α", beta: "β" } as const;

/** Whether two choices are one direction: a seed counts for random ones only, an index for the others. */
export function sameAxis(a: AxisChoice, b: AxisChoice): boolean {
  return a.scale === b.scale && sameSource(a, b) && (a.source !== "random" || a.seed === b.seed);
}

function sameSource(a: Pick<AxisChoice, "source" | "index">, b: typeof a): boolean {
  return a.source === b.source && (a.source === "random" || a.index === b.index);
}

function samePlane(a: PictureSettings, b: PictureSettings): boolean {
  return AXES.every((name) => sameAxis(a[name], b[name]));
}

export function sameRange(a: Range, b: Range): boolean {
  const size = halfWidth(a);
  return alike(a.lo, b.lo, size) && alike(a.hi, b.hi, size);
}

function windowOf(settings: PictureSettings, name: Name): Range {
  return name === "alpha" ? settings.alpha_range : settings.beta_range;
}

function sameWindow(a: PictureSettings, b: PictureSettings): boolean {
  return AXES.every((name) => sameRange(windowOf(a, name), windowOf(b, name)));
}

/** What may be chosen while a picture is shown. */
export interface Choices {
  readonly extents: readonly number[];
  readonly resolutions: readonly number[];
  readonly sources: readonly SourceOption[];
}

export interface Refusal {
  readonly message: string;
  readonly advice: string;
}

export class Catalogue {
  constructor(private readonly records: readonly Recorded[]) {}

  /** The picture of these settings, from a finer one where need be: of several the one that knows most. */
  find(settings: PictureSettings): Recorded | null {
    const found = this.records
      .filter((record) => samePlane(record.settings, settings) && sameWindow(record.settings, settings))
      .flatMap((record) => nested(record, settings.resolution) ?? []);
    return mostKnown(found);
  }

  /**
   * The picture that answers a request: what was changed must be as it was asked for, and the rest follows it, since
   * each control names one part of what only exists together. A `Refusal` where nothing fits. `wished` is the
   * resolution last chosen.
   */
  answer(asked: PictureSettings, before: PictureSettings, wished: number): Recorded | Refusal {
    const unchanged = asked.resolution === before.resolution;
    const exact = (unchanged ? this.find({ ...asked, resolution: wished }) : null) ?? this.find(asked);
    if (exact !== null) return exact;
    const fitting = this.#fitting(asked, before);
    const best = fitting.reduce<Recorded | null>(
      (found, one) => (found === null || likeness(one, asked) >= likeness(found, asked) ? one : found),
      null,
    );
    if (best === null) return this.#refusal(asked, before);
    const resolution = nearestBelow(this.#resolutions(best.settings), wished);
    return this.find({ ...best.settings, resolution }) ?? best;
  }

  /** What may be chosen beside these settings, among all that the explorer offered. */
  choices(settings: PictureSettings, sources: readonly SourceOption[]): Choices {
    const widths = this.#plane(settings).flatMap(({ settings: one }) =>
      AXES.map((name) => halfWidth(windowOf(one, name))),
    );
    return {
      extents: distinct(widths),
      resolutions: this.#resolutions(settings),
      sources: sources.filter((option) =>
        this.records.some((record) => AXES.some((name) => sameSource(record.settings[name], option))),
      ),
    };
  }

  /** The finest picture among those that hold a cut along this direction over this range. */
  along(choice: AxisChoice, range: Range, points: number): { picture: Recorded; axis: Name } | null {
    for (const axis of AXES) {
      const picture = mostKnown(
        this.records
          .filter(
            ({ settings }) => sameAxis(settings[axis], choice) && sameRange(windowOf(settings, axis), range),
          )
          .flatMap((record) => nested(record, points) ?? []),
      );
      if (picture !== null) return { picture, axis };
    }
    return null;
  }

  #plane(settings: PictureSettings): readonly Recorded[] {
    return this.records.filter((record) => samePlane(record.settings, settings));
  }

  #resolutions(settings: PictureSettings): number[] {
    const here = this.#plane(settings).filter((record) => sameWindow(record.settings, settings));
    return distinct(here.flatMap(resolutionsOf));
  }

  #fitting(asked: PictureSettings, before: PictureSettings): readonly Recorded[] {
    if (!samePlane(asked, before))
      return this.records.filter(({ settings }) =>
        AXES.every((name) => fits(settings[name], asked[name], before[name])),
      );
    if (sameWindow(asked, before)) return [];
    return this.#plane(asked).filter(({ settings }) =>
      AXES.every((name) => {
        const [stored, wanted, was] = [settings, asked, before].map((one) => windowOf(one, name)) as Ranges;
        return sameRange(wanted, was) || alike(halfWidth(stored), halfWidth(wanted), halfWidth(wanted));
      }),
    );
  }

  #refusal(asked: PictureSettings, before: PictureSettings): Refusal {
    const changed = AXES.filter((name) => !sameAxis(asked[name], before[name]));
    if (changed.length === 0) return this.#windowRefusal(asked);
    const held = changed.map((name) => {
      const labels = this.records.map(({ frame }) => `${frame[name].label} (${frame[name].normalization})`);
      return `for ${LETTERS[name]} only ${[...new Set(labels)].join("; ")}`;
    });
    return {
      message: `This file holds ${held.join(", and ")}`,
      advice: "Choose one of these; another direction, seed or normalisation needs the notebook.",
    };
  }

  #windowRefusal(asked: PictureSettings): Refusal {
    const here = this.#plane(asked);
    const windows = here.map(({ settings: { alpha_range: alpha, beta_range: beta } }) =>
      sameRange(alpha, beta) ? span(alpha) : `${span(alpha)} by ${span(beta)}`,
    );
    const finest = Math.max(...here.map(({ settings }) => settings.resolution));
    return {
      message: `This file holds the ranges ${[...new Set(windows)].join(", ")} at up to ${grid(finest)} for these directions`,
      advice: "Choose one of these; another window needs the notebook.",
    };
  }
}

type Ranges = [Range, Range, Range];

/** Whether a stored direction is what was asked for: a new source takes whatever seed and normalisation it has. */
function fits(stored: AxisChoice, asked: AxisChoice, was: AxisChoice): boolean {
  if (sameAxis(asked, was)) return true;
  return sameSource(asked, was) ? sameAxis(stored, asked) : sameSource(stored, asked);
}

/** How much of a request a picture keeps: directions count before normalisations, these before windows. */
function likeness({ settings }: Recorded, asked: PictureSettings): number {
  return AXES.reduce((sum, name) => {
    const [stored, wanted] = [settings[name], asked[name]];
    const [window, goal] = [windowOf(settings, name), windowOf(asked, name)];
    const away = Math.min(Math.abs(Math.log2(halfWidth(window) / halfWidth(goal))), 9);
    const direction = Number(sameAxis(stored, wanted)) * 1000 + Number(stored.scale === wanted.scale) * 100;
    return sum + direction + Number(sameRange(window, goal)) * 20 - away;
  }, 0);
}

function mostKnown(records: readonly Recorded[]): Recorded | null {
  return records.reduce<Recorded | null>(
    (best, one) => (best === null || doneOf(one) >= doneOf(best) ? one : best),
    null,
  );
}

function distinct(values: readonly number[]): number[] {
  return values
    .toSorted((a, b) => a - b)
    .filter((value, i, all) => i === 0 || !alike(value, all[i - 1] as number, value));
}

function nearestBelow(stops: readonly number[], wished: number): number {
  return stops.findLast((stop) => stop <= wished) ?? (stops[0] as number);
}
