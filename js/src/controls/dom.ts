// Small hands for the DOM: text is always text, and every listener ends with a signal.

type Child = Node | string;
type Attributes = Readonly<Record<string, string | boolean | null>>;

const FOCUSABLE = "input, select, button, textarea, [tabindex]";

/** An element with attributes (true: present, false or null: absent) and children; strings become text nodes. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (typeof value === "string") element.setAttribute(name, value);
  }
  // JupyterLab's shortcuts match the focused element itself, so an ancestor's attribute would come too late.
  if (element.matches(FOCUSABLE)) element.setAttribute("data-lm-suppress-shortcuts", "true");
  element.append(...children);
  return element;
}

/** Sets text only where it changes, so that a screen reader is not called twice. */
export function say(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element: HTMLElement, visible: boolean): void {
  if (element.hidden === visible) element.hidden = !visible;
}

export function listen<K extends keyof HTMLElementEventMap>(
  element: HTMLElement,
  event: K,
  callback: (event: HTMLElementEventMap[K]) => void,
  signal: AbortSignal,
): void {
  element.addEventListener(event, callback as EventListener, { signal });
}

let counter = 0;

/** A fresh id to tie a label to its control. */
export function uniqueId(): string {
  counter += 1;
  return `lw-${counter.toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
}

/** The name of an eigenvalue by its index, with its subscript: λmax, λ2 … λmin+1, λmin. */
export function lambda(index: number): Child[] {
  const top = index === 0 ? "max" : String(index + 1);
  const bottom = index === -1 ? "min" : `min+${-1 - index}`;
  return ["λ", h("sub", {}, index >= 0 ? top : bottom)];
}
