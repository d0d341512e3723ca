// The status line: what is running, how far it is, and how to stop it.

import { h, listen, say, show } from "./dom";

export interface Job {
  readonly text: string;
  /** Part done, between 0 and 1; null where it is not known, and undefined where nothing runs. */
  readonly part: number | null | undefined;
  readonly stoppable: boolean;
}

export interface StatusLine {
  readonly element: HTMLElement;
  set(picture: Job, eigenpairs: Job | null, footer: string): void;
}

interface JobLine {
  readonly element: HTMLElement;
  set(job: Job | null): void;
}

function jobLine(name: string, onCancel: () => void, signal: AbortSignal): JobLine {
  const cancel = h(
    "button",
    { type: "button", class: "lw-icon", title: "Stop", "aria-label": `Stop ${name}` },
    "✕",
  );
  const bar = h("progress", { max: "1", "aria-label": `Progress of ${name}` });
  const text = h("span", { class: "lw-job-text" });
  listen(cancel, "click", onCancel, signal);
  const element = h("div", { class: "lw-job" }, cancel, bar, text);
  return {
    element,
    set(job) {
      show(element, job !== null);
      if (job === null) return;
      show(cancel, job.stoppable);
      show(bar, job.part !== undefined);
      if (typeof job.part === "number") bar.value = Math.min(Math.max(job.part, 0), 1);
      else bar.removeAttribute("value");
      say(text, job.text);
    },
  };
}

export function statusLine(
  onCancel: (job: "picture" | "eigenpairs") => void,
  signal: AbortSignal,
): StatusLine {
  const picture = jobLine("the picture", () => onCancel("picture"), signal);
  const eigenpairs = jobLine("the Hessian directions", () => onCancel("eigenpairs"), signal);
  const note = h("span", { class: "lw-footnote" });
  const jobs = h("div", { class: "lw-jobs" }, picture.element, eigenpairs.element);
  eigenpairs.element.classList.add("lw-thin");
  return {
    element: h("div", { class: "lw-status" }, jobs, note),
    set(drawn, found, footer) {
      picture.set(drawn);
      eigenpairs.set(found);
      say(note, footer);
    },
  };
}
