// One explorer on the page: joins session, controls and plot, and takes all away when the signal aborts.

import { h } from "../../controls/dom";
import { announcer, caption, errorPane, pill } from "../../controls/notices";
import { statusLine } from "../../controls/status";
import type { Theme } from "../../plots/palette";
import { modelChannel, observeModel, type WidgetModel } from "../../protocol/channel";
import type { View } from "../../protocol/messages";
import { fullScreen } from "../fullscreen";
import { injectStyle } from "../sheet";
import { themeOf, watchTheme } from "../theme";
import { column } from "./column";
import { header } from "./header";
import { readText } from "./options";
import { type Painting, paint } from "./painter";
import { Session } from "./session";
import { Stage } from "./stage";
import type { ExplorerState } from "./state";
import { captionText, curvesJob, eigenJob, pictureJob, pillText, slicesJob, summary } from "./words";

const NARROW = 700;
const ROOMY = 600;
const JOBS = {
  picture: "the picture",
  curves: "the curves",
  eigenpairs: "the Hessian directions",
  slices: "the random slices",
} as const;
const WORDS = ["title", "subtitle", "footer"] as const;

export class ExplorerView {
  readonly #root = h("div", { class: "lw-explorer", role: "group", "aria-label": "Loss landscape" });
  readonly #place = h("div", { class: "lw-stage" });
  readonly #session: Session;
  readonly #stage: Stage;
  readonly #pill = pill();
  readonly #caption = caption();
  readonly #error = errorPane();
  readonly #announcer;
  readonly #column;
  readonly #header;
  readonly #status;
  #theme: Theme = "light";
  #frame: number | null = null;
  #painted: readonly unknown[] = [];
  #patient = false;
  #painting: Painting = { mesh: null, heights: null, figures: [], withoutWebgl: false };

  constructor(
    private readonly model: WidgetModel,
    private readonly el: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    this.#session = new Session(model, modelChannel(model), signal, () => this.#schedule());
    const session = this.#session;
    this.#stage = new Stage(signal, (alpha, beta) => session.zoom(alpha, beta));
    this.#announcer = announcer(signal);
    this.#column = column(session, signal);
    this.#status = statusLine(
      JOBS,
      {
        onCancel: (job) => session.cancel(job),
        onPause: (job, paused) => session.pause(job, paused),
      },
      signal,
    );
    const screen = fullScreen(this.#root, (full) => this.#header.setFull(full), signal);
    this.#header = header(
      {
        onView: (part) => session.show(part),
        onReset: () => this.#stage.reset(),
        onFull: () => screen.toggle(),
        code: () => readText(model, "code"),
      },
      signal,
    );
  }

  mount(): void {
    const { el, signal } = this;
    injectStyle(el);
    this.#assemble();
    el.append(this.#root);
    signal.addEventListener("abort", () => this.#unmount(), { once: true });
    this.#dress(themeOf(el));
    watchTheme(el, (theme) => this.#dress(theme), signal);
    this.#watchSize();
    for (const name of WORDS) observeModel(this.model, `change:${name}`, () => this.#schedule(), signal);
    this.#session.start();
    this.#schedule();
  }

  #assemble(): void {
    this.#place.append(this.#stage.element, this.#pill.element);
    const left = h("div", { class: "lw-left" }, this.#place, this.#caption.element, this.#error.element);
    const body = h("div", { class: "lw-body" }, left, this.#column.element);
    this.#root.append(this.#header.element, body, this.#status.element, this.#announcer.element);
  }

  #unmount(): void {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#root.remove();
  }

  #dress(theme: Theme): void {
    this.#theme = theme;
    this.#root.dataset.theme = theme;
    this.#schedule();
  }

  #watchSize(): void {
    const observer = new ResizeObserver(() => {
      this.#settleIn();
      this.#root.classList.toggle("lw-narrow", this.#root.clientWidth < NARROW);
      this.#stage.resize();
      this.#schedule();
    });
    observer.observe(this.#root);
    observer.observe(this.#stage.element);
    this.signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  }

  /** A host may attach the element after render: its shadow root and theme are known only then. */
  #settleIn(): void {
    injectStyle(this.el);
    const theme = themeOf(this.el);
    if (theme !== this.#theme) this.#dress(theme);
  }

  /** One update a frame, however many messages came. */
  #schedule(): void {
    if (this.#frame !== null || this.signal.aborted || !this.#root.isConnected) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = null;
      this.#update();
    });
  }

  #update(): void {
    const { state, view } = this.#session;
    const fresh = this.#repaint();
    const { mesh, heights, withoutWebgl } = this.#painting;
    this.#header.setWords(readText(this.model, "title"), readText(this.model, "subtitle"));
    this.#header.setView(view);
    this.#column.update();
    this.#pill.set(pillText(state, mesh, heights));
    this.#caption.set(captionText(state, view.view, withoutWebgl));
    this.#error.set(state.problem);
    const jobs = {
      picture: pictureJob(state),
      eigenpairs: eigenJob(state),
      curves: curvesJob(state),
      slices: slicesJob(state),
    };
    this.#status.set(jobs, readText(this.model, "footer"));
    this.#announcer.set(summary(state, mesh, heights));
    this.#label(view.view);
    void this.#draw(fresh);
  }

  /** Paints anew where anything that is painted has changed; words alone cost no drawing. */
  #repaint(): boolean {
    const { state, view } = this.#session;
    const font = getComputedStyle(this.#root).fontFamily || "sans-serif";
    this.#stage.arrange(view.view === "both" ? 2 : 1);
    const roomy = this.#stage.host.clientWidth >= ROOMY;
    const { view: kind, height, colours } = view;
    const now = [state.picture, state.curves, kind, height, colours, this.#theme, font, roomy];
    if (now.every((value, i) => value === this.#painted[i])) return false;
    const before = this.#painted[0] as ExplorerState["picture"] | undefined;
    const same = now.slice(1).every((value, i) => value === this.#painted[i + 1]);
    this.#patient = same && onlyRefined(before ?? null, state.picture);
    this.#painted = now;
    if (same && onlyEnded(before ?? null, state.picture)) return true;
    const painting = paint(state.picture, view, this.#theme, { font, roomy }, state.curves);
    if (painting.withoutWebgl) this.#stage.arrange(1);
    this.#painting = painting;
    return true;
  }

  #label(view: View): void {
    // The curves have their legend on top: the pill stands above the plot, not on it.
    this.#place.classList.toggle("lw-above", view === "curves");
    const keys = ". Arrow keys turn it, plus and minus zoom, 0 resets";
    if (view === "both") this.#stage.label(`Loss surface${keys}`, "Loss contour");
    else this.#stage.label(`Loss ${view}${view === "surface" ? keys : ""}`);
  }

  async #draw(fresh: boolean): Promise<void> {
    if (fresh) await this.#stage.draw(this.#painting.figures, this.#patient);
    requestAnimationFrame(() => {
      if (!this.signal.aborted) this.#session.acknowledge();
    });
  }
}

/** Whether a picture that was complete at some level has only become finer, with more to come. */
function onlyRefined(before: ExplorerState["picture"], now: ExplorerState["picture"]): boolean {
  return before !== null && now !== null && before.run === now.run && before.level > 0 && now.end === null;
}

/** Whether nothing has come but a picture's end: what is drawn stays, what waits to be drawn waits no longer. */
function onlyEnded(before: ExplorerState["picture"], now: ExplorerState["picture"]): boolean {
  if (before === null || now === null || now.end === null) return false;
  const { end: _end, secondsLeft: _left, ...shown } = now;
  return Object.entries(shown).every(([name, value]) => before[name as keyof typeof shown] === value);
}
