// Light or dark, as the host has it, and whenever that changes.

import type { Theme } from "../plots/palette";

/** JupyterLab, VS Code and marimo say it on the page; elsewhere the system decides. */
export function themeOf(el: Element): Theme {
  const { body, documentElement } = el.ownerDocument;
  const lab = body.dataset.jpThemeLight ?? documentElement.dataset.jpThemeLight;
  if (lab !== undefined) return lab === "false" ? "dark" : "light";
  const code = body.dataset.vscodeThemeKind;
  if (code !== undefined) return code.includes("dark") || code === "vscode-high-contrast" ? "dark" : "light";
  if (body.classList.contains("vscode-dark")) return "dark";
  if (body.classList.contains("vscode-light")) return "light";
  if (ancestor(el, ".dark, [data-theme='dark']") !== null) return "dark";
  if (ancestor(el, ".light, [data-theme='light']") !== null) return "light";
  return darkQuery(el)?.matches ? "dark" : "light";
}

/** The nearest ancestor that matches, out of shadow roots too. */
function ancestor(el: Element, selector: string): Element | null {
  for (let at: Element | null = el; at !== null; ) {
    const found = at.closest(selector);
    if (found !== null) return found;
    const root: Node = at.getRootNode();
    at = root instanceof ShadowRoot ? root.host : null;
  }
  return null;
}

function darkQuery(el: Element): MediaQueryList | null {
  return el.ownerDocument.defaultView?.matchMedia?.("(prefers-color-scheme: dark)") ?? null;
}

export function watchTheme(el: Element, onChange: (theme: Theme) => void, signal: AbortSignal): void {
  let last = themeOf(el);
  const check = () => {
    const now = themeOf(el);
    if (now === last) return;
    last = now;
    onChange(now);
  };
  const observer = new MutationObserver(check);
  const filter = ["class", "data-jp-theme-light", "data-vscode-theme-kind", "data-theme"];
  for (const node of [el.ownerDocument.body, el.ownerDocument.documentElement]) {
    observer.observe(node, { attributes: true, attributeFilter: filter });
  }
  darkQuery(el)?.addEventListener("change", check, { signal });
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });
}
