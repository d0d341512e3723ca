// Owns one plotly element from the first picture to the purge.

import type { Range } from "../protocol/messages";
import { type Camera, homeFor, sameCamera } from "./camera";
import { areaOf, placeCursor } from "./cursor";
import type { Attributes, Figure } from "./figure";
import { cameraGestures } from "./gestures";
import { nap } from "./nap";
import { Plotly } from "./plotly";
import type { Place } from "./relief";
import { type LiveScene, leave, touch, use } from "./scenes";
import { contextsOf } from "./webgl";
import { dragWindow } from "./window";

const CONFIG = {
  displayModeBar: false,
  displaylogo: false,
  modeBarButtonsToRemove: ["sendDataToCloud"],
  scrollZoom: false,
  doubleClick: "reset",
  responsive: false,
  showTips: false,
};

const REBUILDS = 5;
/** Rest after a drawing, in times of what it took, and at most in milliseconds. */
const REST = 3;
const LONGEST_REST = 2000;

/** What a plot tells its view. */
export interface PlotHooks {
  /** A window was dragged on the contour. */
  onWindow?(alpha: Range, beta: Range): void;
  /** The pointer is at a point of the plane, or at none. */
  onHover?(at: Place | null): void;
  /** The surface became a picture, for other plots of the page to live, or came back. */
  onAsleep?(asleep: boolean): void;
  /** The user has moved the camera; null is home. Not called for what `look` asks. */
  onCamera?(camera: Camera | null): void;
  /** Where the camera is at home in a plot of this size, in place of `homeFor`. */
  home?(width: number, height: number): Camera;
}

export class Plot {
  /** Where the user put the camera; null at home. */
  #moved: Camera | null = null;
  #drawn: string | null = null;
  /** The size it was last drawn in. */
  #room = { width: 0, height: 0 };
  #figure: Figure | null = null;
  #queued: Figure | null = null;
  /** The turn under way, and the one that comes after it. */
  #working: Promise<void> | null = null;
  #coming: Promise<void> | null = null;
  #listening = false;
  #rebuilds = 0;
  #patient = false;
  #rouse: () => void = () => {};
  #marked: Place | null = null;
  #pointed: Place | null = null;
  #asleep = false;
  #picture: HTMLElement | null = null;
  /** Whether the user has worked with the controls of this explorer since its surface fell asleep. */
  #wanted = false;
  /** Counts falling asleep and getting up: a picture taken meanwhile is of no use. */
  #turns = 0;
  readonly #scene: LiveScene;

  constructor(
    private readonly host: HTMLElement,
    private readonly signal: AbortSignal,
    private readonly hooks: PlotHooks = {},
  ) {
    this.#scene = { host, sleep: () => void this.#guard(this.#fallAsleep()) };
    const used = () => touch(this.#scene);
    for (const name of ["pointerdown", "keydown", "wheel"])
      host.addEventListener(name, used, { signal, passive: true });
    const active = () => this.#figure?.threeD === true && !this.#asleep;
    const look = (to: Camera | null) => this.#turned(to);
    cameraGestures(host, { active, camera: () => this.#camera(), look }, signal);
    if (hooks.onWindow !== undefined)
      dragWindow(
        host,
        () => this.#ground(),
        ({ alpha, beta }) => hooks.onWindow?.(alpha, beta),
        signal,
      );
    signal.addEventListener("abort", () => this.#destroy(), { once: true });
  }

  /** While asleep: listens for the user's hand on any control of the explorer around. */
  #await(): void {
    const explorer = this.host.closest(".lw-explorer") ?? this.host;
    const turn = this.#turns;
    const noted = () => {
      if (turn === this.#turns) this.#wanted = true;
    };
    for (const name of ["click", "change"])
      explorer.addEventListener(name, noted, { signal: this.signal, once: true });
  }

  /**
   * Draws the figure, or a newer one that came meanwhile; resolves once it is on the page and the next may come.
   * After a patient one, of a picture still streaming, that is only when the processor has been left alone three times
   * as long as drawing took it: without a graphics card the two would otherwise compete. A surface asleep keeps the
   * figure until it wakes, unless the user's own hand in its explorer brought it.
   */
  draw(figure: Figure, patient = false): Promise<void> {
    if (this.signal.aborted) return Promise.resolve();
    if (this.#asleep && figure.threeD && !this.#wanted) {
      this.#figure = figure;
      return Promise.resolve();
    }
    if (this.#asleep) this.#getUp();
    this.#patient = patient;
    if (!patient) this.#rouse();
    if (this.#coming === null && figure === this.#figure && this.#drawn !== null)
      return this.#working ?? Promise.resolve();
    this.#queued = figure;
    this.#coming ??= this.#turn();
    return this.#coming;
  }

  resize(): void {
    if (this.#figure === null || this.signal.aborted || this.#asleep) return;
    const { width, height } = this.#size();
    if (width === this.#room.width && height === this.#room.height) return;
    this.#drawn = null;
    void this.draw(this.#queued ?? this.#figure);
  }

  reset(): void {
    if (this.#figure?.threeD) this.#turned(null);
    else if (this.#figure !== null)
      void this.#guard(Plotly.relayout(this.host, { "xaxis.autorange": false, ...this.#homeRanges() }));
  }

  /** Puts the camera where that of a linked plot is; null is home. */
  look(camera: Camera | null): void {
    if (!this.signal.aborted && !sameCamera(camera, this.#moved)) this.#look(camera);
  }

  /** Shows where the pointer is in the plot beside this one, or nothing. */
  mark(at: Place | null): void {
    this.#marked = at;
    this.#placeMark();
  }

  /** Brings a sleeping surface back, with the newest figure. */
  wake(): void {
    if (!this.#asleep || this.signal.aborted) return;
    const focused = this.#picture?.contains(this.host.ownerDocument.activeElement) === true;
    this.#getUp();
    if (focused) this.host.focus();
    if (this.#figure !== null) void this.#guard(this.draw(this.#figure));
  }

  /** Waits for the turn before, draws what is newest by then, rests. */
  async #turn(): Promise<void> {
    const before = this.#working;
    await before?.catch(() => {});
    // The end of that turn was told to the kernel: its answer is newer than what came during the rest.
    if (before !== null && this.#patient) await painted();
    const figure = this.#queued;
    this.#working = this.#coming;
    this.#coming = this.#queued = null;
    try {
      if (figure !== null && !this.signal.aborted && !this.#asleep) await this.#drawAndRest(figure);
    } finally {
      this.#working = null;
    }
  }

  async #drawAndRest(figure: Figure): Promise<void> {
    const started = performance.now();
    await this.#show(figure);
    await painted();
    if (this.#patient) await this.#sleep(Math.min(REST * (performance.now() - started), LONGEST_REST));
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#rouse = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #show(figure: Figure): Promise<void> {
    const same = this.#drawn === figure.key && this.#figure?.data.length === figure.data.length;
    this.#figure = figure;
    if (same) {
      const [update, traces] = merged(figure);
      if (traces.length > 0) await Plotly.restyle(this.host, update, traces);
    } else await this.#react(figure);
    this.#placeMark();
  }

  async #react(figure: Figure): Promise<void> {
    this.#drawn = figure.key;
    if (figure.threeD) use(this.#scene);
    else leave(this.#scene);
    const giveBack = contextsOf(this.host);
    await Plotly.react(this.host, figure.data, this.#layout(figure), CONFIG);
    giveBack();
    if (!this.#listening && !this.signal.aborted) this.#listen();
  }

  #size(): { width: number; height: number } {
    return { width: this.host.clientWidth || 700, height: this.host.clientHeight || 480 };
  }

  #layout(figure: Figure): Record<string, unknown> {
    this.#room = this.#size();
    if (!figure.threeD) return { ...figure.layout, ...this.#room };
    const scene = figure.layout.scene as Record<string, unknown>;
    return { ...figure.layout, ...this.#room, scene: { ...scene, camera: this.#camera() } };
  }

  #listen(): void {
    this.#listening = true;
    const element = this.host as unknown as { on(name: string, callback: (event: never) => void): void };
    const keep = (event: Record<string, unknown>) => {
      const camera = event["scene.camera"] as Camera | undefined;
      if (!camera?.eye) return;
      const next = { eye: camera.eye, center: camera.center, up: camera.up };
      if (sameCamera(next, this.#camera())) return;
      this.#moved = next;
      this.hooks.onCamera?.(next);
    };
    element.on("plotly_relayout", keep);
    element.on("plotly_relayouting", keep);
    element.on("plotly_hover", (event: Hover) => this.#hover(event));
    element.on("plotly_unhover", () => this.#point(null));
    element.on("plotly_webglcontextlost", () => this.#rebuild());
  }

  #hover({ points: [point] = [] }: Hover): void {
    const { x, y } = point ?? {};
    const there = this.#figure?.plane && typeof x === "number" && typeof y === "number";
    this.#point(there ? { alpha: x, beta: y } : null);
  }

  #point(at: Place | null): void {
    const before = this.#pointed;
    if (at?.alpha === before?.alpha && at?.beta === before?.beta) return;
    this.#pointed = at;
    this.hooks.onHover?.(at);
  }

  /** A lost WebGL context never comes back by itself: start from an empty element. */
  #rebuild(): void {
    const figure = this.#queued ?? this.#figure;
    if (figure === null || this.#rebuilds >= REBUILDS || this.signal.aborted || this.#asleep) return;
    this.#rebuilds += 1;
    setTimeout(() => {
      if (this.signal.aborted || this.#asleep) return;
      const endRecovery = recoveryOf(this.host);
      this.#purge();
      endRecovery();
      void this.draw(figure);
    }, 200 * this.#rebuilds);
  }

  /** Leaves a picture and gives the context back; whatever comes meanwhile is kept for waking. */
  async #fallAsleep(): Promise<void> {
    this.#asleep = true;
    this.#turns += 1;
    const turn = this.#turns;
    this.#rouse();
    await this.#working?.catch(() => {});
    this.#figure = this.#queued ?? this.#figure;
    this.#queued = null;
    const picture = await Plotly.toImage(this.host, { format: "png", ...this.#size() }).catch(() => null);
    if (turn !== this.#turns || this.signal.aborted) return;
    this.#purge();
    this.#await();
    this.#picture = nap(this.host, picture, () => this.wake());
    this.hooks.onAsleep?.(true);
  }

  #getUp(): void {
    const slept = this.#picture !== null;
    this.#asleep = false;
    this.#wanted = false;
    this.#turns += 1;
    this.#drawn = null;
    this.#picture?.remove();
    this.#picture = null;
    if (slept) this.hooks.onAsleep?.(false);
  }

  #ground() {
    const plane = this.#figure?.threeD === false ? this.#figure.plane : null;
    const area = areaOf(this.host);
    return plane && area && { plane, area };
  }

  #placeMark(): void {
    if (this.#figure === null || this.signal.aborted) return;
    const at = this.#asleep ? null : this.#marked;
    placeCursor(this.host, this.#figure.plane, this.#figure.threeD, at);
  }

  #camera(): Camera {
    const { clientWidth, clientHeight } = this.host;
    return this.#moved ?? (this.hooks.home ?? homeFor)(clientWidth, clientHeight);
  }

  /** The user has turned the surface by key, wheel or button. */
  #turned(camera: Camera | null): void {
    this.#look(camera);
    this.hooks.onCamera?.(camera);
  }

  #look(camera: Camera | null): void {
    this.#moved = camera;
    if (!this.#asleep && this.#figure?.threeD === true && this.#drawn !== null)
      void this.#guard(Plotly.relayout(this.host, { "scene.camera": this.#camera() }));
  }

  #homeRanges(): Record<string, unknown> {
    const layout = this.#figure?.layout as Record<string, { range?: unknown }> | undefined;
    return { "xaxis.range": layout?.xaxis?.range, "yaxis.range": layout?.yaxis?.range };
  }

  /** Nothing may throw into the page once the element is gone. */
  async #guard(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!this.signal.aborted) throw error;
    }
  }

  #purge(): void {
    const giveBack = contextsOf(this.host);
    this.#drawn = null;
    this.#listening = false;
    Plotly.purge(this.host);
    giveBack();
  }

  #destroy(): void {
    this.#queued = null;
    leave(this.#scene);
    this.#rouse();
    this.#purge();
    this.#picture?.remove();
  }
}

interface Hover {
  readonly points?: readonly { readonly x?: unknown; readonly y?: unknown }[];
}

/** The values of several traces as one restyle takes them; it leaves alone what is undefined. */
function merged({ values }: Figure): [Attributes, readonly number[]] {
  const names = new Set(values.flatMap(({ attributes }) => Object.keys(attributes)));
  const update = [...names].map((name) => [name, values.map(({ attributes }) => attributes[name])] as const);
  return [Object.fromEntries(update), values.map(({ trace }) => trace)];
}

/** Resolves when what was drawn has reached the screen; in a hidden page, where nothing is painted, soon. */
function painted(): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 200);
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        clearTimeout(timer);
        resolve();
      }),
    );
  });
}

interface GlScene {
  glplot: unknown;
  initializeGLPlot: () => boolean;
  plot: () => void;
}

/** plotly polls for the lost context, and would throw once its element is purged: what is returned ends the poll. */
function recoveryOf(host: HTMLElement): () => void {
  const layout = (host as { _fullLayout?: { scene?: { _scene?: GlScene } } })._fullLayout;
  const scene = layout?.scene?._scene;
  return () => {
    if (scene === undefined) return;
    scene.initializeGLPlot = () => true;
    scene.plot = () => {};
    scene.glplot = { gl: { isContextLost: () => false } };
  };
}
