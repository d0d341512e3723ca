// A choice of few: native radio buttons that look like one segmented button.

import { h, listen, uniqueId } from "./dom";

export interface Choice<T extends string> {
  readonly value: T;
  readonly label: string;
  readonly title?: string;
}

export interface Segmented<T extends string> {
  readonly element: HTMLFieldSetElement;
  set(value: T): void;
  enable(enabled: boolean): void;
}

export function segmented<T extends string>(
  label: string,
  choices: readonly Choice<T>[],
  onChange: (value: T) => void,
  signal: AbortSignal,
): Segmented<T> {
  const name = uniqueId();
  const inputs = new Map<T, HTMLInputElement>();
  const segments = choices.map(({ value, label: words, title }) => {
    const input = h("input", { type: "radio", name, value });
    listen(input, "change", () => input.checked && onChange(value), signal);
    inputs.set(value, input);
    return h("label", { class: "lw-segment", title: title ?? null }, input, h("span", {}, words));
  });
  const element = h(
    "fieldset",
    { class: "lw-segmented", role: "radiogroup", "aria-label": label },
    ...segments,
  );
  return {
    element,
    set(value) {
      for (const [key, input] of inputs) input.checked = key === value;
    },
    enable(enabled) {
      element.disabled = !enabled;
    },
  };
}
