// The bar on top: whose landscape this is, and how it is shown.

import { iconButton } from "../../controls/button";
import { copyButton } from "../../controls/copy";
import { h, say } from "../../controls/dom";
import { menu } from "../../controls/menu";
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
  /** Python code that makes this view again. */
  readonly code: () => string;
}

const VIEWS = [
  { value: "surface", label: "Surface" },
  { value: "contour", label: "Contour" },
  { value: "both", label: "Both", title: "Surface and contour side by side" },
  { value: "curves", label: "Curves" },
] as const;

const HEIGHTS = [
  { value: "log", label: "log", title: "Height is the logarithm of the loss" },
  { value: "linear", label: "linear", title: "Height is the loss itself" },
] as const;

const COLOURS = [
  { value: "viridis", label: "viridis" },
  { value: "cividis", label: "cividis", title: "Looks the same with and without colour-blindness" },
  { value: "magma", label: "magma" },
] as const;

export function header(actions: HeaderActions, signal: AbortSignal): Header {
  const { onView, onReset, onFull } = actions;
  const words = h("span", { class: "lw-subtitle" });
  const view = segmented("View", VIEWS, (value) => onView({ view: value }), signal);
  const height = segmented("Height", HEIGHTS, (value) => onView({ height: value }), signal);
  const reset = iconButton("reset", "Reset the view", onReset, signal);
  const full = iconButton("full", "Full screen", onFull, signal);
  const more = moreMenu(actions, signal);
  full.setAttribute("aria-pressed", "false");
  const icons = h("div", { class: "lw-icons" }, reset, full, more.element);
  return {
    element: h(
      "div",
      { class: "lw-bar" },
      h("div", { class: "lw-words" }, h("strong", { class: "lw-title" }, "Loss landscape"), words),
      h("div", { class: "lw-tools" }, view.element, height.element, icons),
    ),
    setWords(title, subtitle) {
      say(words, [title, subtitle].filter((part) => part !== "").join(" · "));
      words.title = words.textContent ?? "";
    },
    setView(next) {
      view.set(next.view);
      height.set(next.height);
      more.setColours(next.colours);
    },
    setFull(isFull) {
      full.setAttribute("aria-pressed", String(isFull));
    },
  };
}

function moreMenu({ onView, code }: HeaderActions, signal: AbortSignal) {
  const colours = segmented("Colours", COLOURS, (value) => onView({ colours: value }), signal);
  const copy = copyButton("Copy settings as Python code", code, signal);
  const heading = h("div", { class: "lw-heading", "aria-hidden": "true" }, "Colours");
  const panel = menu("more", "More", [heading, colours.element, copy.element], () => copy.reset(), signal);
  return { element: panel.element, setColours: colours.set };
}
