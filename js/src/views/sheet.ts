// The style sheet, once in each document or shadow root.

import css from "./style.css";

const ID = "landscape-widgets-style";

export function injectStyle(el: Element): void {
  const root = el.getRootNode();
  const shadow = root instanceof ShadowRoot ? root : null;
  const home = shadow ?? el.ownerDocument;
  const found = home.getElementById(ID);
  if (found !== null) {
    if (found.textContent !== css) found.textContent = css;
    return;
  }
  const style = el.ownerDocument.createElement("style");
  style.id = ID;
  style.textContent = css;
  (shadow ?? el.ownerDocument.head).append(style);
}
