// The plots of a saddle lab: three surfaces under one camera, three histograms over their laws.

import { h, say } from "../../controls/dom";
import type { Camera } from "../../plots/camera";
import { type Bars, histogramFigure } from "../../plots/histogram";
import { Plot } from "../../plots/plot";
import { reachOf, roundedRange, sliceFigure, sliceHome } from "../../plots/slices";
import type { Arrays } from "../../protocol/codec";
import { number } from "../../protocol/format";
import type { Histogram, SaddleState, SlicePicture } from "../../protocol/messages";
import { sayRich } from "./saddle-column";
import { axisWords, kappaText } from "./saddle-words";
import type { ShellPage } from "./shell";

export type HeightChoice = "same" | "own";
type Range = readonly [number, number];

const SURFACES = ["random", "hessian", "average"] as const;
const SHAPES = [
  { names: ["A"], label: "Histogram of A over its density" },
  { names: ["B"], label: "Histogram of B over its density" },
  { names: ["kappa_plus", "kappa_minus"], label: "Histograms of the principal curvatures" },
] as const;
/** How many times higher the Hessian slice may be than a random one on the same scale. */
const WITHIN_REASON = 12;
const UNKNOWN: Range = [-1, 1];

export interface StageScene {
  readonly state: SaddleState;
  readonly arrays: Arrays;
  readonly heights: HeightChoice;
  readonly page: ShellPage;
}

/** Whether the slices compare on one height scale: one of them must not flatten the other. */
export function usualHeights(arrays: Arrays): HeightChoice {
  const spans = (["random", "hessian"] as const).map((name) => {
    const reach = reachOf(heightsIn(arrays, name));
    return reach === null ? null : reach[1] - reach[0];
  });
  const [random, hessian] = spans;
  if (random == null || hessian == null || !(random > 0 && hessian > 0)) return "same";
  return Math.max(random / hessian, hessian / random) <= WITHIN_REASON ? "same" : "own";
}

/** The height axis of each picture: one for all, or one of its own for the Hessian slice. */
export function rangesOf(arrays: Arrays, choice: HeightChoice): Readonly<Record<string, Range>> {
  const groups = choice === "same" ? [SURFACES] : [["random", "average"] as const, ["hessian"] as const];
  return Object.fromEntries(
    groups.flatMap((names) => {
      const reaches = names.map((name) => reachOf(heightsIn(arrays, name))).filter((reach) => reach !== null);
      const [lo, hi] = [Math.min(...reaches.map(([one]) => one)), Math.max(...reaches.map(([, one]) => one))];
      const range = reaches.length === 0 ? UNKNOWN : roundedRange(lo, hi);
      return names.map((name) => [name, range] as const);
    }),
  );
}

function heightsIn(arrays: Arrays, name: string): Float32Array {
  return (arrays.get(name) as Float32Array | undefined) ?? new Float32Array();
}

export class SaddleStage {
  readonly element: HTMLElement;
  readonly #surfaces;
  readonly #shapes;
  #camera: Camera | null = null;
  #turning: number | null = null;

  constructor(private readonly signal: AbortSignal) {
    this.#surfaces = SURFACES.map(
      (name) =>
        new SurfacePanel(
          name,
          signal,
          (camera) => this.#turn(camera),
          () => this.#home(),
        ),
    );
    this.#shapes = SHAPES.map(({ names, label }) => new ShapePanel(names, label, signal));
    const row = (kind: string, parts: readonly { element: HTMLElement }[]) =>
      h("div", { class: kind }, ...parts.map(({ element }) => element));
    this.element = h(
      "div",
      { class: "lw-stage lw-saddle" },
      row("lw-slices", this.#surfaces),
      row("lw-shapes", this.#shapes),
    );
  }

  /** One home for all: their notes may leave them a pixel more or less. */
  #home(): Camera {
    const { clientWidth, clientHeight } = (this.#surfaces[0] as SurfacePanel).host;
    return sliceHome(clientWidth, clientHeight);
  }

  reset(): void {
    for (const { plot } of this.#surfaces) plot.look(null);
  }

  resize(): void {
    for (const { plot } of [...this.#surfaces, ...this.#shapes]) plot.resize();
  }

  async draw(scene: StageScene, patient: boolean): Promise<void> {
    const ranges = rangesOf(scene.arrays, scene.heights);
    await Promise.all([
      ...this.#surfaces.map((panel) => panel.draw(scene, ranges[panel.name] ?? UNKNOWN, patient)),
      ...this.#shapes.map((panel) => panel.draw(scene, patient)),
    ]);
  }

  /** The cameras are linked: one turns all, once a frame. */
  #turn(camera: Camera | null): void {
    this.#camera = camera;
    this.#turning ??= requestAnimationFrame(() => {
      this.#turning = null;
      if (!this.signal.aborted) for (const { plot } of this.#surfaces) plot.look(this.#camera);
    });
  }
}

class SurfacePanel {
  readonly element: HTMLElement;
  readonly plot: Plot;
  readonly #title = h("h4", {});
  readonly #shows = h("span", { class: "lw-shows" });
  readonly #kappa = h("span", { class: "lw-kappa" });
  readonly #note = h("p", { class: "lw-note" });
  readonly host: HTMLElement;
  #drawn: readonly unknown[] = [];

  constructor(
    readonly name: string,
    signal: AbortSignal,
    onCamera: (camera: Camera | null) => void,
    home: () => Camera,
  ) {
    this.host = h("div", { class: "lw-plot", tabindex: "0", role: "application" });
    this.plot = new Plot(this.host, signal, { onCamera, home });
    const head = h("div", { class: "lw-slice-head" }, this.#title, this.#shows);
    const box = h("div", { class: "lw-slice-plot" }, this.host);
    this.element = h("section", { class: "lw-slice" }, head, this.#kappa, box, this.#note);
  }

  async draw({ state, arrays, page }: StageScene, range: Range, patient: boolean): Promise<void> {
    const picture = state.pictures.find(({ array }) => array === this.name);
    this.#tell(picture);
    if (picture === undefined) return;
    const heights = heightsIn(arrays, picture.array);
    const extent = picture.extent * picture.length;
    const exact = state.settings.scale === "unit" || this.name === "hessian";
    const looks = [range[0], range[1], extent, exact, page.theme, page.font];
    if (this.#same([heights, ...looks])) return;
    this.#drawn = [heights, ...looks];
    const names = { alpha: axisWords("α", exact), beta: axisWords("β", exact) };
    const { theme, font } = page;
    await this.plot.draw(
      sliceFigure({ name: this.name, heights, extent, ...names, range, theme, font, heightTitle: "ΔL" }),
      patient,
    );
  }

  #tell(picture: SlicePicture | undefined): void {
    say(this.#title, picture?.title ?? TITLES[this.name] ?? "");
    say(this.#shows, picture?.shows ?? "");
    this.#shows.dataset.tone = picture?.shows ?? "";
    say(this.#kappa, picture === undefined ? "" : kappaText(picture));
    sayRich(this.#note, picture?.note ?? "");
    const words =
      picture === undefined ? "not known yet" : `${shownWords(picture.shows)}${kappaText(picture)}`;
    const turn = "arrow keys turn all three, plus and minus zoom, 0 is home";
    this.host.setAttribute("aria-label", `${this.#title.textContent}: ${words}; ${turn}`);
  }

  /** Whether just this is drawn already: a state comes with arrays of its own. */
  #same(next: readonly unknown[]): boolean {
    const [heights, ...looks] = next as [Float32Array, ...unknown[]];
    const [before, ...drawn] = this.#drawn as [Float32Array, ...unknown[]];
    return (
      before !== undefined &&
      before.length === heights.length &&
      looks.every((one, i) => one === drawn[i]) &&
      heights.every((one, i) => Object.is(one, before[i]))
    );
  }
}

function shownWords(shows: string): string {
  if (shows === "") return "";
  return shows === "flat" ? "flat, " : `shows a ${shows}, `;
}

const TITLES: Readonly<Record<string, string>> = {
  random: "Random slice",
  hessian: "Hessian slice",
  average: "Average of all",
};

class ShapePanel {
  readonly element: HTMLElement;
  readonly plot: Plot;
  readonly #law = h("p", { class: "lw-note" });

  constructor(
    private readonly names: readonly string[],
    label: string,
    signal: AbortSignal,
  ) {
    const host = h("div", { class: "lw-plot", role: "img", "aria-label": label });
    this.plot = new Plot(host, signal);
    this.element = h("section", { class: "lw-shape" }, h("div", { class: "lw-shape-plot" }, host), this.#law);
  }

  async draw({ state, arrays, page }: StageScene, patient: boolean): Promise<void> {
    const found = state.histograms.filter(({ name }) => this.names.includes(name));
    say(this.#law, lawWords(found));
    if (found.length === 0) return;
    const { theme, font } = page;
    const marked = found[0]?.marked ?? null;
    const titles = found.map(({ title }) => title);
    const title = found.length > 1 ? titles.join(" and ") : (titles[0] as string);
    const bars = found.map((one) => barsOf(one, arrays));
    const markWords = state.settings.scale === "unit" ? `tr H/P ${number(marked)}` : `tr H ${number(marked)}`;
    await this.plot.draw(histogramFigure({ bars, title, marked, markWords, theme, font }), patient);
  }
}

function lawWords(found: readonly Histogram[]): string {
  const [first] = found;
  if (first === undefined) return "";
  return first.law === "" ? "no law is known" : `${first.exact ? "line" : "dashed"}: ${first.law}`;
}

function barsOf({ name, title, law, exact }: Histogram, arrays: Arrays): Bars {
  const row = (part: string) => (arrays.get(`${name}-${part}`) as Float32Array | undefined) ?? null;
  const none = new Float32Array();
  return {
    ...{ name, title, law, exact, x: row("x"), density: row("density") },
    ...{ edges: row("edges") ?? none, counts: row("counts") ?? none },
  };
}
