// A list of checkboxes of which only so many can be chosen.

import { h, listen, show } from "./dom";

export interface Check {
  readonly key: string;
  readonly label: string;
}

export interface Checks {
  readonly element: HTMLElement;
  set(offered: readonly Check[], chosen: ReadonlySet<string>): void;
  enable(enabled: boolean): void;
}

export function checks(
  label: string,
  most: number,
  onChange: (chosen: ReadonlySet<string>) => void,
  signal: AbortSignal,
): Checks {
  const list = h("div", { class: "lw-checks", role: "group", "aria-label": label });
  const empty = h("p", { class: "lw-note" }, "No other directions are offered.");
  const full = h("p", { class: "lw-note", hidden: true }, `At most ${most} at a time.`);
  let inputs = new Map<string, HTMLInputElement>();
  let shown = "";
  let enabled = true;
  const chosen = () => new Set([...inputs].filter(([, input]) => input.checked).map(([key]) => key));
  const limit = () => {
    const reached = chosen().size >= most;
    for (const input of inputs.values()) input.disabled = !enabled || (reached && !input.checked);
    show(full, reached && inputs.size > most);
  };
  const rebuild = (offered: readonly Check[]) => {
    inputs = new Map(offered.map(({ key }) => [key, h("input", { type: "checkbox" })]));
    for (const input of inputs.values()) listen(input, "change", () => onChange(chosen()), signal);
    list.replaceChildren(...offered.map((one) => row(one, inputs.get(one.key) as HTMLInputElement)));
    show(list, offered.length > 0);
    show(empty, offered.length === 0);
  };
  return {
    element: h("div", {}, list, empty, full),
    set(offered, wanted) {
      const key = JSON.stringify(offered);
      if (key !== shown) rebuild(offered);
      shown = key;
      for (const [name, input] of inputs) input.checked = wanted.has(name);
      limit();
    },
    enable(next) {
      enabled = next;
      limit();
    },
  };
}

function row({ label }: Check, input: HTMLInputElement): HTMLElement {
  return h(
    "label",
    { class: "lw-check" },
    input,
    h("span", { class: "lw-check-words", title: label }, label),
  );
}
