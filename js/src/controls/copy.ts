// A button that copies a text; where the page may not write to the clipboard, the text stands there to be taken.

import { textButton } from "./button";
import { h, say, show } from "./dom";

export interface Copy {
  readonly element: HTMLElement;
  /** Ready for the next time: the text area gone, the words fresh. */
  reset(): void;
}

export function copyButton(label: string, text: () => string, signal: AbortSignal): Copy {
  const told = h("p", { class: "lw-note", role: "status" });
  const area = h("textarea", {
    readonly: true,
    rows: "9",
    spellcheck: "false",
    "aria-label": "Text to copy",
    hidden: true,
  });
  const lay = (words: string) => {
    area.value = words;
    show(area, true);
    area.focus();
    area.select();
    area.scrollTop = 0;
    say(told, "This page may not use the clipboard: copy it from here.");
  };
  const copy = async () => {
    const words = text();
    try {
      await navigator.clipboard.writeText(words);
      if (!signal.aborted) say(told, "Copied.");
    } catch {
      if (!signal.aborted) lay(words);
    }
  };
  const button = textButton(label, () => void copy(), signal);
  return {
    element: h("div", { class: "lw-copy" }, button, told, area),
    reset() {
      say(told, "");
      show(area, false);
      button.disabled = text() === "";
    },
  };
}
