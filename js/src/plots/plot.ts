// Owns one plotly element from the first picture to the purge.

import { type Camera, homeFor, orbit, zoom } from "./camera";
import type { Figure } from "./figure";
import { Plotly } from "./plotly";

const CONFIG = {
  displayModeBar: false,
  displaylogo: false,
  modeBarButtonsToRemove: ["sendDataToCloud"],
  scrollZoom: false,
  doubleClick: "reset",
  responsive: false,
  showTips: false,
};

const STEP = Math.PI / 36;
const REBUILDS = 5;
/** Rest after a drawing, in times of what it took, and at most in milliseconds. */
const REST = 3;
const LONGEST_REST = 2000;

export class Plot {
  /** Where the user put the camera; null at home. */
  #moved: Camera | null = null;
  #drawn: string | null = null;
  #figure: Figure | null = null;
  #queued: Figure | null = null;
  #working: Promise<void> | null = null;
  #listening = false;
  #rebuilds = 0;
  #patient = false;
  #rested = 0;
  #wake: () => void = () => {};

  constructor(
    private readonly host: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    host.addEventListener("keydown", (event) => this.#key(event), { signal });
    host.addEventListener("wheel", (event) => this.#wheel(event), { signal, passive: false });
    signal.addEventListener("abort", () => this.#destroy(), { once: true });
  }

  /**
   * Draws the figure, or a newer one that came meanwhile; resolves once something current is on the page.
   * A patient one, of a picture still streaming, leaves the processor three times as long as drawing took it:
   * without a graphics card the two would otherwise compete.
   */
  draw(figure: Figure, patient = false): Promise<void> {
    this.#queued = figure;
    this.#patient = patient;
    if (!patient) this.#wake();
    this.#working ??= this.#work().finally(() => {
      this.#working = null;
    });
    return this.#working;
  }

  resize(): void {
    if (this.#figure === null || this.signal.aborted) return;
    this.#drawn = null;
    void this.draw(this.#queued ?? this.#figure);
  }

  reset(): void {
    if (this.#figure?.threeD) this.#look(null);
    else void this.#guard(Plotly.relayout(this.host, { "xaxis.autorange": false, ...this.#homeRanges() }));
  }

  async #work(): Promise<void> {
    while (this.#queued !== null && !this.signal.aborted) {
      const rest = this.#rested - performance.now();
      if (this.#patient && rest > 0) {
        await this.#sleep(rest);
        continue;
      }
      const figure = this.#queued;
      this.#queued = null;
      const started = performance.now();
      await this.#show(figure);
      await painted();
      const now = performance.now();
      this.#rested = now + Math.min(REST * (now - started), LONGEST_REST);
    }
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #show(figure: Figure): Promise<void> {
    if (this.#drawn === figure.key && this.#figure?.data.length === figure.data.length) {
      this.#figure = figure;
      if (Object.keys(figure.values).length > 0) await Plotly.restyle(this.host, figure.values, [0]);
      return;
    }
    this.#figure = figure;
    this.#drawn = figure.key;
    await Plotly.react(this.host, figure.data, this.#layout(figure), CONFIG);
    if (!this.#listening && !this.signal.aborted) this.#listen();
  }

  #layout(figure: Figure): Record<string, unknown> {
    const size = { width: this.host.clientWidth || 700, height: this.host.clientHeight || 480 };
    if (!figure.threeD) return { ...figure.layout, ...size };
    const scene = figure.layout.scene as Record<string, unknown>;
    return { ...figure.layout, ...size, scene: { ...scene, camera: this.#camera() } };
  }

  #listen(): void {
    this.#listening = true;
    const element = this.host as unknown as { on(name: string, callback: (event: never) => void): void };
    const keep = (event: Record<string, unknown>) => {
      const camera = event["scene.camera"] as Camera | undefined;
      if (camera?.eye) this.#moved = { eye: camera.eye, center: camera.center, up: camera.up };
    };
    element.on("plotly_relayout", keep);
    element.on("plotly_relayouting", keep);
    element.on("plotly_webglcontextlost", () => this.#rebuild());
  }

  /** A lost WebGL context never comes back by itself: start from an empty element. */
  #rebuild(): void {
    const figure = this.#queued ?? this.#figure;
    if (figure === null || this.#rebuilds >= REBUILDS || this.signal.aborted) return;
    this.#rebuilds += 1;
    setTimeout(() => {
      if (this.signal.aborted) return;
      const endRecovery = recoveryOf(this.host);
      this.#purge();
      endRecovery();
      void this.draw(figure);
    }, 200 * this.#rebuilds);
  }

  #camera(): Camera {
    return this.#moved ?? homeFor(this.host.clientWidth, this.host.clientHeight);
  }

  #look(camera: Camera | null): void {
    this.#moved = camera;
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

  #key(event: KeyboardEvent): void {
    if (!this.#figure?.threeD || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves: Record<string, () => Camera | null> = {
      ArrowLeft: () => orbit(this.#camera(), -STEP, 0),
      ArrowRight: () => orbit(this.#camera(), STEP, 0),
      ArrowUp: () => orbit(this.#camera(), 0, STEP),
      ArrowDown: () => orbit(this.#camera(), 0, -STEP),
      "+": () => zoom(this.#camera(), 0.9),
      "=": () => zoom(this.#camera(), 0.9),
      "-": () => zoom(this.#camera(), 1 / 0.9),
      "0": () => null,
    };
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.#look(move());
  }

  /** The wheel scrolls the notebook, as everywhere else; with Ctrl or in full screen it zooms. */
  #wheel(event: WheelEvent): void {
    const full = this.host.closest(".lw-full") !== null;
    if (!this.#figure?.threeD || !(event.ctrlKey || event.metaKey || full)) return;
    event.preventDefault();
    this.#look(zoom(this.#camera(), Math.exp(Math.max(-1, Math.min(1, event.deltaY / 400)))));
  }

  #purge(): void {
    this.#drawn = null;
    this.#listening = false;
    Plotly.purge(this.host);
  }

  #destroy(): void {
    this.#queued = null;
    this.#wake();
    this.#purge();
  }
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
