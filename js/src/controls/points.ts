// Which points are computed: every one, or as many as it takes to know the surface between them.

import { percent } from "../protocol/format";
import { h } from "./dom";
import { segmented } from "./segmented";

export interface PointsControl {
  readonly element: HTMLElement;
  /** Shows the held-out error at which a picture ends; 0 where every point is computed. */
  set(until: number): void;
  enable(enabled: boolean): void;
}

const USUAL = 0.01;

export function pointsControl(onCommit: (until: number) => void, signal: AbortSignal): PointsControl {
  let error = USUAL;
  const choices = [
    { value: "every", label: "every one", title: "Every point of the grid is computed" },
    { value: "until", label: "", title: "Ends once points held out show that the surface between is known" },
  ] as const;
  const choose = (value: "every" | "until") => onCommit(value === "every" ? 0 : error);
  const buttons = segmented("Points", choices, choose, signal);
  const words = buttons.element.querySelectorAll("span")[1] as HTMLElement;
  const element = h(
    "div",
    { class: "lw-band" },
    h("span", { "aria-hidden": "true" }, "Points"),
    buttons.element,
  );
  return {
    element,
    set(until) {
      error = until > 0 ? until : USUAL;
      words.textContent = `until ${percent(error)} error`;
      buttons.set(until > 0 ? "until" : "every");
    },
    enable: buttons.enable,
  };
}
