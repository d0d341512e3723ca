// What the labs look like together: bar, stage, column, words, status line; theme, size and one update a frame.

import { iconButton } from "../../controls/button";
import { h, say } from "../../controls/dom";
import { announcer, caption, errorPane } from "../../controls/notices";
import { type Job, statusLine } from "../../controls/status";
import type { Theme } from "../../plots/palette";
import { observeModel, type WidgetModel } from "../../protocol/channel";
import { fullScreen } from "../fullscreen";
import { injectStyle } from "../sheet";
import { themeOf, watchTheme } from "../theme";

const NARROW = 700;
const WORDS = ["title", "subtitle", "footer"] as const;

export interface ShellParts {
  /** What the widget is called, for the bar and for screen readers. */
  readonly name: string;
  /** What its job is called, as in "Stop the estimates". */
  readonly job: string;
  readonly stage: HTMLElement;
  readonly column: HTMLElement;
  /** Controls in the bar, left of the full-screen button. */
  readonly tools: readonly HTMLElement[];
  readonly onCancel: () => void;
  readonly onPause: (paused: boolean) => void;
  /** Called once a frame at most, after anything changed: draws, and calls `say`. */
  readonly onUpdate: (page: ShellPage) => void;
  readonly onResize: () => void;
}

export interface ShellPage {
  readonly theme: Theme;
  readonly font: string;
  readonly width: number;
  readonly narrow: boolean;
}

export interface ShellWords {
  readonly job: Job;
  readonly caption: string;
  readonly problem: { readonly message: string; readonly advice: string } | null;
  /** What a screen reader is told. */
  readonly summary: string;
}

export class LabShell {
  readonly #root: HTMLElement;
  readonly #subtitle = h("span", { class: "lw-subtitle" });
  readonly #caption = caption();
  readonly #error = errorPane();
  readonly #announcer;
  readonly #status;
  #theme: Theme = "light";
  #frame: number | null = null;

  constructor(
    private readonly model: WidgetModel,
    private readonly el: HTMLElement,
    private readonly parts: ShellParts,
    private readonly signal: AbortSignal,
  ) {
    this.#root = h("div", { class: "lw-explorer lw-lab", role: "group", "aria-label": parts.name });
    this.#announcer = announcer(signal);
    const actions = {
      onCancel: () => parts.onCancel(),
      onPause: (_: "lab", paused: boolean) => parts.onPause(paused),
    };
    this.#status = statusLine({ lab: parts.job }, actions, signal);
  }

  mount(): void {
    const { el, signal, model } = this;
    injectStyle(el);
    this.#assemble();
    el.append(this.#root);
    signal.addEventListener("abort", () => this.#unmount(), { once: true });
    this.#dress(themeOf(el));
    watchTheme(el, (theme) => this.#dress(theme), signal);
    this.#watchSize();
    for (const name of WORDS) observeModel(model, `change:${name}`, () => this.schedule(), signal);
    this.schedule();
  }

  /** One update a frame, however many messages came. */
  schedule(): void {
    if (this.#frame !== null || this.signal.aborted || !this.#root.isConnected) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = null;
      say(this.#subtitle, [this.#text("title"), this.#text("subtitle")].filter(Boolean).join(" · "));
      this.#subtitle.title = this.#subtitle.textContent ?? "";
      this.parts.onUpdate(this.#page());
    });
  }

  say({ job, caption: words, problem, summary }: ShellWords): void {
    this.#status.set({ lab: job }, this.#text("footer"));
    this.#caption.set(words);
    this.#error.set(problem);
    this.#announcer.set(summary);
  }

  #text(name: (typeof WORDS)[number]): string {
    const value = this.model.get(name);
    return typeof value === "string" ? value : "";
  }

  #page(): ShellPage {
    return {
      theme: this.#theme,
      font: getComputedStyle(this.#root).fontFamily || "sans-serif",
      width: this.parts.stage.clientWidth,
      narrow: this.#root.classList.contains("lw-narrow"),
    };
  }

  #assemble(): void {
    const { parts, signal } = this;
    const full = iconButton("full", "Full screen", () => screen.toggle(), signal);
    full.setAttribute("aria-pressed", "false");
    const screen = fullScreen(this.#root, (is) => full.setAttribute("aria-pressed", String(is)), signal);
    const title = h("strong", { class: "lw-title" }, parts.name);
    const bar = h(
      "div",
      { class: "lw-bar" },
      h("div", { class: "lw-words" }, title, this.#subtitle),
      h("div", { class: "lw-tools" }, ...parts.tools, h("div", { class: "lw-icons" }, full)),
    );
    const left = h("div", { class: "lw-left" }, parts.stage, this.#caption.element, this.#error.element);
    const body = h("div", { class: "lw-body" }, left, parts.column);
    this.#root.append(bar, body, this.#status.element, this.#announcer.element);
  }

  #unmount(): void {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#root.remove();
  }

  #dress(theme: Theme): void {
    this.#theme = theme;
    this.#root.dataset.theme = theme;
    this.schedule();
  }

  #watchSize(): void {
    const observer = new ResizeObserver(() => {
      injectStyle(this.el);
      const theme = themeOf(this.el);
      if (theme !== this.#theme) this.#dress(theme);
      this.#root.classList.toggle("lw-narrow", this.#root.clientWidth < NARROW);
      this.parts.onResize();
      this.schedule();
    });
    observer.observe(this.#root);
    observer.observe(this.parts.stage);
    this.signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  }
}
