// A button that opens a small panel over the view: Escape or a click elsewhere closes it.

import { iconButton } from "./button";
import { h, listen, show, uniqueId } from "./dom";
import type { Icon } from "./icons";

export interface Menu {
  readonly element: HTMLElement;
  close(): void;
}

const FIRST = "input:checked, button:not(:disabled), input:not(:disabled)";

export function menu(
  name: Icon,
  label: string,
  contents: readonly HTMLElement[],
  onOpen: () => void,
  signal: AbortSignal,
): Menu {
  const panel = h("div", { class: "lw-panel", id: uniqueId(), hidden: true }, ...contents);
  const open = (opened: boolean) => {
    if (panel.hidden !== opened) return;
    if (opened) onOpen();
    show(panel, opened);
    button.setAttribute("aria-expanded", String(opened));
    if (opened) panel.querySelector<HTMLElement>(FIRST)?.focus();
  };
  const button = iconButton(name, label, () => open(panel.hidden === true), signal);
  button.setAttribute("aria-expanded", "false");
  button.setAttribute("aria-controls", panel.id);
  const element = h("div", { class: "lw-menu" }, button, panel);
  const dismiss = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || panel.hidden) return;
    event.preventDefault();
    event.stopPropagation();
    open(false);
    button.focus();
  };
  listen(element, "keydown", dismiss, signal);
  const leave = ({ relatedTarget }: FocusEvent) => {
    if (relatedTarget instanceof Node && !element.contains(relatedTarget)) open(false);
  };
  listen(element, "focusout", leave, signal);
  const elsewhere = (event: Event) => !event.composedPath().includes(element) && open(false);
  document.addEventListener("pointerdown", elsewhere, { signal, capture: true });
  return { element, close: () => open(false) };
}
