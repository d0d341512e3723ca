// Words on and under the plot: the pill, the caption, the error pane, the summary for screen readers.

import { h, say, show } from "./dom";

export interface Words {
  readonly element: HTMLElement;
  set(text: string): void;
}

function words(element: HTMLElement): Words {
  return {
    element,
    set(text) {
      show(element, text !== "");
      say(element, text);
    },
  };
}

export function pill(): Words {
  return words(h("div", { class: "lw-pill", hidden: true }));
}

export function caption(): Words {
  return words(h("p", { class: "lw-caption", hidden: true }));
}

export interface ErrorPane {
  readonly element: HTMLElement;
  set(problem: { readonly message: string; readonly advice: string } | null): void;
}

export function errorPane(): ErrorPane {
  const message = h("strong", {});
  const advice = h("p", {});
  const box = h("div", { class: "lw-error", hidden: true }, message, advice);
  return {
    element: h("div", { role: "alert" }, box),
    set(problem) {
      show(box, problem !== null);
      say(message, problem?.message ?? "");
      say(advice, problem?.advice ?? "");
    },
  };
}

const QUIET = 2000;

/** Says the latest text politely, at most every two seconds. */
export function announcer(signal: AbortSignal): Words {
  const element = h("div", { class: "lw-hidden", role: "status", "aria-live": "polite" });
  let last = 0;
  let next = "";
  let timer: ReturnType<typeof setTimeout> | null = null;
  const speak = () => {
    timer = null;
    last = Date.now();
    say(element, next);
  };
  signal.addEventListener("abort", () => timer !== null && clearTimeout(timer), { once: true });
  return {
    element,
    set(text) {
      next = text;
      if (timer !== null || text === element.textContent || signal.aborted) return;
      timer = setTimeout(speak, Math.max(0, QUIET - (Date.now() - last)));
    },
  };
}
