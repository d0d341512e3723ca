// The bar on top: whose landscape this is, and how it is shown.

import { h, listen, say } from "../../controls/dom";
import { segmented } from "../../controls/segmented";
import type { ViewSettings } from "../../protocol/messages";

export interface Header {
  readonly element: HTMLElement;
  setWords(title: string, subtitle: string): void;
  setView(view: ViewSettings): void;
  setFull(full: boolean): void;
}

export interface HeaderActions {
  readonly onView: (view: Partial<ViewSettings>) => void;
  readonly onReset: () => void;
  readonly onFull: () => void;
}

const VIEWS = [
  { value: "surface", label: "Surface" },
  { value: "contour", label: "Contour" },
  { value: "curves", label: "Curves" },
] as const;

const HEIGHTS = [
  { value: "log", label: "log", title: "Height is the logarithm of the loss" },
  { value: "linear", label: "linear", title: "Height is the loss itself" },
] as const;

function iconButton(
  icon: string,
  label: string,
  onClick: () => void,
  signal: AbortSignal,
): HTMLButtonElement {
  const button = h("button", { type: "button", class: "lw-icon", title: label, "aria-label": label }, icon);
  listen(button, "click", onClick, signal);
  return button;
}

export function header({ onView, onReset, onFull }: HeaderActions, signal: AbortSignal): Header {
  const words = h("span", { class: "lw-subtitle" });
  const view = segmented("View", VIEWS, (value) => onView({ view: value }), signal);
  const height = segmented("Height", HEIGHTS, (value) => onView({ height: value }), signal);
  const reset = iconButton("⟲", "Reset the view", onReset, signal);
  const full = iconButton("⤢", "Full screen", onFull, signal);
  full.setAttribute("aria-pressed", "false");
  return {
    element: h(
      "div",
      { class: "lw-bar" },
      h("div", { class: "lw-words" }, h("strong", { class: "lw-title" }, "Loss landscape"), words),
      h("div", { class: "lw-tools" }, view.element, height.element, reset, full),
    ),
    setWords(title, subtitle) {
      say(words, [title, subtitle].filter((part) => part !== "").join(" · "));
      words.title = words.textContent ?? "";
    },
    setView(next) {
      view.set(next.view);
      height.set(next.height);
    },
    setFull(isFull) {
      full.setAttribute("aria-pressed", String(isFull));
    },
  };
}
