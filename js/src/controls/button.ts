// Buttons: an icon with words for those who cannot see it, or the words themselves.

import { h, listen } from "./dom";
import { type Icon, icon } from "./icons";

export function iconButton(
  name: Icon,
  label: string,
  onClick: () => void,
  signal: AbortSignal,
): HTMLButtonElement {
  const button = h(
    "button",
    { type: "button", class: "lw-icon", title: label, "aria-label": label },
    icon(name),
  );
  listen(button, "click", onClick, signal);
  return button;
}

/** Changes what an icon button shows and says, where it differs. */
export function relabel(button: HTMLButtonElement, name: Icon, label: string): void {
  if (button.getAttribute("aria-label") === label) return;
  button.setAttribute("aria-label", label);
  button.title = label;
  redraw(button, name);
}

export function redraw(button: HTMLButtonElement, name: Icon): void {
  if (button.querySelector(`[data-icon="${name}"]`) === null) button.replaceChildren(icon(name));
}

export function textButton(label: string, onClick: () => void, signal: AbortSignal): HTMLButtonElement {
  const button = h("button", { type: "button", class: "lw-button" }, label);
  listen(button, "click", onClick, signal);
  return button;
}
