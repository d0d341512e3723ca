import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { axisControl } from "../src/controls/axis";
import { centreTable, verdictBox } from "../src/controls/centre";
import { announcer, errorPane } from "../src/controls/notices";
import { segmented } from "../src/controls/segmented";
import { slider } from "../src/controls/slider";
import { statusLine } from "../src/controls/status";
import { axisTitle, plain } from "../src/plots/figure";
import { extent } from "../src/protocol/format";
import { axis } from "./kernel";

let owner: AbortController;

beforeEach(() => {
  owner = new AbortController();
});

afterEach(() => {
  owner.abort();
  document.body.replaceChildren();
});

function put<T extends HTMLElement>(element: T): T {
  document.body.append(element);
  return element;
}

function find<T extends HTMLElement>(root: HTMLElement, selector: string): T {
  return root.querySelector(selector) as T;
}

describe("a slider", () => {
  it("shows the number live and commits on release", () => {
    const commit = vi.fn();
    const range = slider("Range", extent, commit, owner.signal);
    range.setStops([1, 2, 4]);
    range.set(2);
    const input = find<HTMLInputElement>(put(range.element), "input");
    const output = find(range.element, "output");
    expect(output.textContent).toBe("± 2.0");
    input.value = "2";
    input.dispatchEvent(new Event("input"));
    expect(output.textContent).toBe("± 4.0");
    expect(input.getAttribute("aria-valuetext")).toBe("± 4.0");
    expect(commit).not.toHaveBeenCalled();
    input.dispatchEvent(new Event("change"));
    input.dispatchEvent(new Event("change"));
    expect(commit.mock.calls).toEqual([[4]]);
  });

  it("says the value it was given, even between stops", () => {
    const range = slider("Range", extent, () => {}, owner.signal);
    range.setStops([1, 2, 4]);
    range.set(3);
    expect(find(range.element, "output").textContent).toBe("± 3.0");
  });

  it("has a label that belongs to it", () => {
    const range = slider("Range", extent, () => {}, owner.signal);
    const label = find<HTMLLabelElement>(range.element, "label");
    expect(label.htmlFor).toBe(find(range.element, "input").id);
  });
});

describe("a direction", () => {
  const sources = [
    { source: "random", index: 0, label: "Random" },
    { source: "hessian", index: 0, label: "Hessian λ_max" },
    { source: "custom", index: 0, label: "<b>mine</b>" },
  ] as const;

  function direction() {
    const commit = vi.fn();
    const control = axisControl("α", commit, owner.signal);
    control.setSources(sources);
    control.set({ source: "random", seed: 3, index: 0 });
    put(control.element);
    return { commit, control, select: find<HTMLSelectElement>(control.element, "select") };
  }

  it("commits a source, and hides the seed where there is none", () => {
    const { commit, control, select } = direction();
    select.value = "hessian:0";
    select.dispatchEvent(new Event("change"));
    expect(commit).toHaveBeenCalledWith({ source: "hessian", seed: 3, index: 0 });
    expect(find(control.element, ".lw-seed").hidden).toBe(true);
  });

  it("commits a seed, refuses what is none, and draws again", () => {
    const { commit, control } = direction();
    const seed = find<HTMLInputElement>(control.element, "input");
    for (const text of ["12", "-1", ""]) {
      seed.value = text;
      seed.dispatchEvent(new Event("change"));
    }
    expect(commit.mock.calls).toEqual([[{ source: "random", seed: 12, index: 0 }]]);
    expect(seed.value).toBe("12");
    find<HTMLButtonElement>(control.element, "button").click();
    expect(commit).toHaveBeenCalledTimes(2);
  });

  it("shows its eigenvalue, or that it is being computed", () => {
    const { control } = direction();
    control.set({ source: "hessian", seed: 0, index: 0 });
    control.setPairs([], true);
    expect(find(control.element, ".lw-in-select").textContent).toBe("computing…");
    control.setPairs([{ index: 0, value: 0.3124, residual: 1e-4, accepted: true }], false);
    expect(find(control.element, ".lw-in-select").textContent).toBe("+0.312");
  });

  it("shows HTML in a label as text", () => {
    const { control } = direction();
    expect(control.element.querySelector("b")).toBeNull();
    expect(find(control.element, "option:last-child").textContent).toBe("<b>mine</b>");
  });
});

describe("a segmented control", () => {
  it("is a group of radio buttons", () => {
    const change = vi.fn();
    const choices = ["a", "b"].map((value) => ({ value, label: value }));
    const control = segmented("Which", choices, change, owner.signal);
    control.set("a");
    const [first, second] = [...put(control.element).querySelectorAll("input")];
    expect([first?.checked, second?.checked]).toEqual([true, false]);
    second?.click();
    expect(change.mock.calls).toEqual([["b"]]);
    control.enable(false);
    expect(control.element.disabled).toBe(true);
  });
});

describe("notices", () => {
  it("show errors as text", () => {
    const pane = errorPane();
    pane.set({ message: "<img src=x onerror=alert(1)>", advice: "<i>do</i>" });
    expect(pane.element.getAttribute("role")).toBe("alert");
    expect(pane.element.querySelector("img, i")).toBeNull();
    expect(pane.element.textContent).toContain("<img src=x");
    pane.set(null);
    expect((pane.element.firstElementChild as HTMLElement).hidden).toBe(true);
  });

  it("are spoken at most every two seconds, the latest first", () => {
    vi.useFakeTimers();
    const voice = announcer(owner.signal);
    voice.set("one");
    vi.advanceTimersByTime(0);
    voice.set("two");
    voice.set("three");
    vi.advanceTimersByTime(500);
    expect(voice.element.textContent).toBe("one");
    vi.advanceTimersByTime(2000);
    expect(voice.element.textContent).toBe("three");
    vi.useRealTimers();
  });
});

describe("the centre", () => {
  it("lists pairs largest first, with residual and mark", () => {
    const table = centreTable();
    const pair = (index: number, accepted: boolean) => ({ index, value: 1, residual: 2e-4, accepted });
    table.set(0.00359, 0.027, [pair(-1, false), pair(1, true), pair(0, true)], false);
    const terms = [...table.element.querySelectorAll("dt")].map((term) => term.textContent);
    expect(terms).toEqual(["loss", "|∇L|", "λmax residual", "λ2 residual", "λmin residual"]);
    expect(table.element.textContent).toContain("2·10⁻⁴ not converged");
  });

  it("colours the verdict by its tone", () => {
    const box = verdictBox();
    box.set({ title: "A saddle", text: "<u>x</u>", tone: "saddle" });
    expect(box.element.dataset.tone).toBe("saddle");
    expect(box.element.querySelector("u")).toBeNull();
  });
});

describe("the status line", () => {
  it("stops what runs, and has no bar for what does not", () => {
    const cancel = vi.fn();
    const line = statusLine(cancel, owner.signal);
    line.set({ text: "1 of 2", part: 0.5, stoppable: true }, null, "seed 0");
    const button = find<HTMLButtonElement>(put(line.element), "button");
    button.click();
    expect(cancel.mock.calls).toEqual([["picture"]]);
    line.set({ text: "done", part: undefined, stoppable: false }, null, "");
    expect(find(line.element, "progress").hidden).toBe(true);
    expect(button.hidden).toBe(true);
  });
});

describe("axis titles", () => {
  it("are plain text of bounded length", () => {
    expect(plain("<b>&")).toBe("&lt;b&gt;&amp;");
    expect(axisTitle("α", axis(7, { label: "Hessian λ_max" }))).toBe("α · Hessian λmax (parameter distance)");
    const unit = "12.3 × parameter distance, the length of a filter-normalised direction";
    expect(axisTitle("β", axis(7, { unit }))).toBe("β · random 0 (12.3 × distance)");
    expect(axisTitle("β", axis(7, { unit }), false)).toBe("β · random 0");
    expect(axisTitle("α", axis(7, { label: "x".repeat(99) }), false).length).toBeLessThan(40);
  });
});
