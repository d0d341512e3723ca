// The status line: what is running, how far it is, and how to hold or stop it.

import { iconButton, relabel } from "./button";
import { h, say, show } from "./dom";

export interface Job {
  readonly text: string;
  /** Part done, between 0 and 1; null where it is not known, and undefined where nothing runs. */
  readonly part: number | null | undefined;
  readonly stoppable: boolean;
  /** Whether it is held; null where it can be neither held nor let go on. */
  readonly paused: boolean | null;
}

export interface StatusLine<Work extends string> {
  readonly element: HTMLElement;
  set(jobs: Readonly<Record<Work, Job | null>>, footer: string): void;
}

export interface StatusActions<Work extends string> {
  readonly onCancel: (job: Work) => void;
  readonly onPause: (job: Work, paused: boolean) => void;
}

interface JobLine {
  readonly element: HTMLElement;
  set(job: Job | null): void;
}

function jobLine(
  name: string,
  onCancel: () => void,
  onPause: (paused: boolean) => void,
  signal: AbortSignal,
): JobLine {
  let paused = false;
  const hold = iconButton("pause", `Pause ${name}`, () => onPause(!paused), signal);
  const cancel = iconButton("stop", `Stop ${name}`, onCancel, signal);
  const bar = h("progress", { max: "1", "aria-label": `Progress of ${name}` });
  const text = h("span", { class: "lw-job-text" });
  const element = h("div", { class: "lw-job" }, hold, cancel, bar, text);
  return {
    element,
    set(job) {
      show(element, job !== null);
      if (job === null) return;
      paused = job.paused === true;
      relabel(hold, paused ? "resume" : "pause", `${paused ? "Resume" : "Pause"} ${name}`);
      show(hold, job.paused !== null);
      show(cancel, job.stoppable);
      show(bar, job.part !== undefined);
      bar.classList.toggle("lw-held", paused);
      if (typeof job.part === "number") bar.value = Math.min(Math.max(job.part, 0), 1);
      else bar.removeAttribute("value");
      say(text, job.text);
    },
  };
}

/** One line a job, by the names given; the first is the main one, the others are thin. */
export function statusLine<Work extends string>(
  names: Readonly<Record<Work, string>>,
  { onCancel, onPause }: StatusActions<Work>,
  signal: AbortSignal,
): StatusLine<Work> {
  const lines = (Object.keys(names) as Work[]).map((work) => {
    const hold = (paused: boolean) => onPause(work, paused);
    return { work, ...jobLine(names[work], () => onCancel(work), hold, signal) };
  });
  for (const { element } of lines.slice(1)) element.classList.add("lw-thin");
  const note = h("span", { class: "lw-footnote" });
  const jobs = h("div", { class: "lw-jobs" }, ...lines.map(({ element }) => element));
  return {
    element: h("div", { class: "lw-status" }, jobs, note),
    set(now, footer) {
      for (const { work, set } of lines) set(now[work]);
      say(note, footer);
    },
  };
}
