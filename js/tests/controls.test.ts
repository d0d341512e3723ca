import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { axisControl } from "../src/controls/axis";
import { centreTable, verdictBox } from "../src/controls/centre";
import { checks } from "../src/controls/checks";
import { copyButton } from "../src/controls/copy";
import { h } from "../src/controls/dom";
import { menu } from "../src/controls/menu";
import { announcer, errorPane } from "../src/controls/notices";
import { pointsControl } from "../src/controls/points";
import { segmented } from "../src/controls/segmented";
import { slider } from "../src/controls/slider";
import { type Job, statusLine } from "../src/controls/status";
import { windowControl } from "../src/controls/window";
import { axisTitle, plain } from "../src/plots/figure";
import { extent } from "../src/protocol/format";
import { axis, SOURCES } from "./kernel";

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

  it("says its value anew when its words change, but not under the user's thumb", () => {
    let unit = "m";
    const range = slider(
      "Range",
      (value) => `${value} ${unit}`,
      () => {},
      owner.signal,
    );
    range.setStops([1, 2, 4]);
    range.set(2);
    const input = find<HTMLInputElement>(range.element, "input");
    const output = find(range.element, "output");
    unit = "km";
    range.set(2);
    expect(output.textContent).toBe("2 km");
    input.value = "2";
    input.dispatchEvent(new Event("input"));
    range.set(2);
    expect(output.textContent).toBe("4 km");
  });

  it("has a label that belongs to it", () => {
    const range = slider("Range", extent, () => {}, owner.signal);
    const label = find<HTMLLabelElement>(range.element, "label");
    expect(label.htmlFor).toBe(find(range.element, "input").id);
  });
});

describe("a direction", () => {
  const START = { source: "random", seed: 3, index: 0, scale: "unit" } as const;

  function direction() {
    const commit = vi.fn();
    const control = axisControl("α", commit, owner.signal);
    control.setSources(SOURCES);
    control.set(START);
    put(control.element);
    const [select, scale] = [...control.element.querySelectorAll("select")] as HTMLSelectElement[];
    return { commit, control, select: select as HTMLSelectElement, scale: scale as HTMLSelectElement };
  }

  function choose(select: HTMLSelectElement, value: string): void {
    select.value = value;
    select.dispatchEvent(new Event("change"));
  }

  it("commits a source, and hides the seed where there is none", () => {
    const { commit, control, select } = direction();
    choose(select, "hessian:0");
    expect(commit.mock.calls).toEqual([[{ ...START, source: "hessian" }, false]]);
    expect(find(control.element, ".lw-seed").hidden).toBe(true);
  });

  it("has its sources under their headings, and under none where they have none", () => {
    const { select } = direction();
    const headings = [...select.querySelectorAll("optgroup")].map((group) => group.label);
    expect(headings).toEqual(["Random", "Hessian", "Gradient"]);
    const words = [...select.querySelectorAll("option")].map((option) => option.textContent);
    expect(words).toEqual(["Random", "Hessian λmax", "Hessian λmin", "Gradient", "<b>mine</b>"]);
    expect(find(select, "optgroup[label=Hessian]").childElementCount).toBe(2);
    expect(select.lastElementChild?.localName).toBe("option");
  });

  it("leaves an open list alone while nothing about it changes", () => {
    const { control, select } = direction();
    const before = select.firstElementChild;
    control.setSources(SOURCES);
    expect(select.firstElementChild).toBe(before);
  });

  it("commits a normalisation and asks for the same region", () => {
    const { commit, scale } = direction();
    expect(scale.getAttribute("aria-label")).toBe("Normalisation of α");
    choose(scale, "filter");
    expect(commit.mock.calls).toEqual([[{ ...START, scale: "filter" }, true]]);
    expect(scale.title).toContain("model's own filter");
  });

  it("calls a given vector's raw length as given", () => {
    const { control, scale } = direction();
    const raw = () => find(scale, "option[value=raw]").textContent;
    expect(raw()).toBe("raw");
    for (const source of ["model", "custom"] as const) {
      control.set({ ...START, source, scale: "raw" });
      expect(raw()).toBe("as given");
      expect(scale.title).toContain("as it was given");
    }
    control.set({ ...START, source: "gradient", scale: "raw" });
    expect(raw()).toBe("raw");
  });

  it("commits a seed, refuses what is none, and draws again", () => {
    const { commit, control } = direction();
    const seed = find<HTMLInputElement>(control.element, "input");
    for (const text of ["12", "-1", ""]) {
      seed.value = text;
      seed.dispatchEvent(new Event("change"));
    }
    expect(commit.mock.calls).toEqual([[{ ...START, seed: 12 }, false]]);
    expect(seed.value).toBe("12");
    seed.value = "34";
    control.set({ ...START, seed: 12 });
    expect(seed.value, "what is being typed stays while a picture streams").toBe("34");
    find<HTMLButtonElement>(control.element, "button").click();
    expect(commit).toHaveBeenCalledTimes(2);
  });

  it("shows its eigenvalue, or that it is being computed", () => {
    const { control } = direction();
    control.set({ ...START, source: "hessian" });
    control.setPairs([], true);
    expect(find(control.element, ".lw-in-select").textContent).toBe("computing…");
    control.setPairs([{ index: 0, value: 0.3124, residual: 1e-4, accepted: true }], false);
    expect(find(control.element, ".lw-in-select").textContent).toBe("+0.312");
  });

  it("shows HTML in a label as text", () => {
    const { control, select } = direction();
    expect(control.element.querySelector("b")).toBeNull();
    expect(select.lastElementChild?.textContent).toBe("<b>mine</b>");
  });

  it("can be out of reach, all of it", () => {
    const { control } = direction();
    control.enable(false);
    const parts = [...control.element.querySelectorAll("select, input, button")] as HTMLInputElement[];
    expect(parts).toHaveLength(4);
    expect(parts.every((part) => part.disabled)).toBe(true);
  });
});

describe("the window", () => {
  const about = (half: number, centre = 0) => ({ lo: centre - half, hi: centre + half });

  function window() {
    const [commit, back] = [vi.fn(), vi.fn()];
    const control = windowControl({ onCommit: commit, onZoomOut: back }, owner.signal);
    control.setStops([1, 2, 4]);
    control.set(about(2), about(2));
    put(control.element);
    const words = () => [...control.element.querySelectorAll("label")].map((label) => label.textContent);
    const values = () => [...control.element.querySelectorAll("output")].map((value) => value.textContent);
    const link = find<HTMLButtonElement>(control.element, "[aria-pressed]");
    const button = (text: string) =>
      [...control.element.querySelectorAll("button")].find((one) => one.textContent === text) as HTMLElement;
    return { commit, back, control, words, values, link, button };
  }

  function slide(control: { readonly element: HTMLElement }, which: number, stop: number): void {
    const input = control.element.querySelectorAll("input")[which] as HTMLInputElement;
    input.value = String(stop);
    input.dispatchEvent(new Event("change"));
  }

  it("is one slider for both axes", () => {
    const { commit, control, words, values, link } = window();
    expect([words(), values(), link.getAttribute("aria-pressed")]).toEqual([["Range"], ["± 2.0"], "true"]);
    slide(control, 0, 2);
    expect(commit.mock.calls).toEqual([[about(4), about(4)]]);
  });

  it("has a slider an axis once the link is undone, and one again when it is made", () => {
    const { commit, control, words, values, link } = window();
    link.click();
    expect([words(), link.getAttribute("aria-pressed")]).toEqual([["Range α", "Range β"], "false"]);
    expect(commit).not.toHaveBeenCalled();
    slide(control, 1, 0);
    expect(commit.mock.calls).toEqual([[about(2), about(1)]]);
    expect(values()).toEqual(["± 2.0", "± 1.0"]);
    control.set(about(2), about(2));
    expect(words()).toHaveLength(2);
    control.set(about(2), about(1));
    link.click();
    expect(commit).toHaveBeenLastCalledWith(about(2), about(2));
    expect(words()).toEqual(["Range"]);
  });

  it("says where it is beside the model, and changes its width about its middle", () => {
    const { commit, control, values, link } = window();
    control.set({ lo: -0.4, hi: 1.2 }, { lo: -3, hi: 1 });
    expect(values()).toEqual(["−0.4 … 1.2", "−3 … 1"]);
    expect(link.getAttribute("aria-pressed")).toBe("false");
    slide(control, 0, 1);
    const [alpha, beta] = commit.mock.calls[0] as [{ lo: number; hi: number }, unknown];
    expect([alpha.lo, alpha.hi]).toEqual([expect.closeTo(-1.6), expect.closeTo(2.4)]);
    expect(beta).toEqual({ lo: -3, hi: 1 });
  });

  it("is linked again after a dragged window, unless its axes were moved on their own", () => {
    const { control, words } = window();
    control.set({ lo: -0.4, hi: 1.2 }, { lo: -3, hi: 1 });
    control.set(about(2), about(2));
    expect(words()).toEqual(["Range"]);
    control.set(about(4), about(2));
    slide(control, 0, 1);
    control.set(about(2), about(2));
    expect(words()).toEqual(["Range α", "Range β"]);
  });

  it("keeps linked axes of different middles at one width", () => {
    const { commit, control, words, link } = window();
    control.set(about(2, 1), about(2, -1));
    expect([words(), link.getAttribute("aria-pressed")]).toEqual([["Range α", "Range β"], "true"]);
    slide(control, 1, 0);
    expect(commit.mock.calls).toEqual([[about(1, 1), about(1, -1)]]);
  });

  it("comes back to the model, keeping its widths", () => {
    const { commit, control, button } = window();
    expect(button("Centre on the model").hidden).toBe(true);
    control.set(about(2, 1), about(1));
    expect(button("Centre on the model").hidden).toBe(false);
    button("Centre on the model").click();
    expect(commit.mock.calls).toEqual([[about(2), about(1)]]);
    expect(button("Centre on the model").hidden).toBe(true);
  });

  it("goes back to the window before, where there is one", () => {
    const { back, control, button } = window();
    expect(button("Zoom out").hidden).toBe(true);
    control.setUndo(true);
    button("Zoom out").click();
    expect(back).toHaveBeenCalledTimes(1);
    control.enable(false);
    expect((button("Zoom out") as HTMLButtonElement).disabled).toBe(true);
  });
});

describe("a list of checkboxes", () => {
  const offered = ["a", "b", "<i>c</i>"].map((key) => ({ key, label: key }));

  it("reports what is chosen, and offers no more than so many", () => {
    const change = vi.fn();
    const list = checks("Further directions", 2, change, owner.signal);
    list.set(offered, new Set(["a"]));
    const boxes = [...put(list.element).querySelectorAll("input")];
    expect(boxes.map((box) => box.checked)).toEqual([true, false, false]);
    boxes[2]?.click();
    expect(change.mock.calls).toEqual([[new Set(["a", "<i>c</i>"])]]);
    list.set(offered, new Set(["a", "<i>c</i>"]));
    expect(boxes.map((box) => box.disabled)).toEqual([false, true, false]);
    expect(list.element.textContent).toContain("At most 2 at a time.");
    expect(list.element.querySelector("i")).toBeNull();
  });

  it("says that there is nothing to choose", () => {
    const list = checks("Further directions", 2, () => {}, owner.signal);
    list.set([], new Set());
    expect(find(list.element, ".lw-checks").hidden).toBe(true);
    expect(find(list.element, ".lw-note").hidden).toBe(false);
  });
});

describe("a menu", () => {
  function opened() {
    const inside = h("button", { type: "button" }, "inside");
    const onOpen = vi.fn();
    const { element } = menu("more", "More", [inside], onOpen, owner.signal);
    put(element);
    const button = find<HTMLButtonElement>(element, "[aria-expanded]");
    button.click();
    return { button, element, inside, onOpen, panel: find(element, ".lw-panel") };
  }

  it("opens with the focus inside, and closes on Escape with the focus back", () => {
    const { button, inside, panel, onOpen } = opened();
    expect([panel.hidden, button.getAttribute("aria-expanded")]).toEqual([false, "true"]);
    expect(button.getAttribute("aria-controls")).toBe(panel.id);
    expect(document.activeElement).toBe(inside);
    const above = vi.fn();
    document.body.addEventListener("keydown", above, { signal: owner.signal });
    inside.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    expect([panel.hidden, button.getAttribute("aria-expanded")]).toEqual([true, "false"]);
    expect(document.activeElement).toBe(button);
    expect(above).not.toHaveBeenCalled();
    expect(onOpen).toHaveBeenCalledTimes(1);
  });

  it("closes when something else is pressed or focused", () => {
    const { button, inside, panel } = opened();
    inside.dispatchEvent(new Event("pointerdown", { bubbles: true, composed: true }));
    expect(panel.hidden).toBe(false);
    document.body.dispatchEvent(new Event("pointerdown", { bubbles: true, composed: true }));
    expect(panel.hidden).toBe(true);
    button.click();
    const outside = put(h("button", { type: "button" }));
    inside.dispatchEvent(new FocusEvent("focusout", { bubbles: true, relatedTarget: outside }));
    expect(panel.hidden).toBe(true);
  });
});

describe("copying", () => {
  afterEach(() => vi.unstubAllGlobals());

  function copy(clipboard: unknown) {
    vi.stubGlobal("navigator", { clipboard });
    const control = copyButton("Copy", () => "import landscape_widgets", owner.signal);
    put(control.element);
    find<HTMLButtonElement>(control.element, "button").click();
    return { control, area: find<HTMLTextAreaElement>(control.element, "textarea") };
  }

  it("writes to the clipboard and says so", async () => {
    const writeText = vi.fn(async () => {});
    const { control, area } = copy({ writeText });
    await vi.waitFor(() => expect(control.element.textContent).toContain("Copied."));
    expect(writeText).toHaveBeenCalledWith("import landscape_widgets");
    expect(area.hidden).toBe(true);
  });

  it.each([
    ["that refuses", { writeText: () => Promise.reject(new Error("denied")) }],
    ["that is missing", undefined],
  ])("lays the text out, selected, beside a clipboard %s", async (_, clipboard) => {
    const { control, area } = copy(clipboard);
    await vi.waitFor(() => expect(area.hidden).toBe(false));
    expect([area.value, area.readOnly]).toEqual(["import landscape_widgets", true]);
    expect(document.activeElement).toBe(area);
    control.reset();
    expect(area.hidden).toBe(true);
  });

  it("of nothing is not offered", () => {
    const control = copyButton("Copy", () => "", owner.signal);
    control.reset();
    expect(find<HTMLButtonElement>(control.element, "button").disabled).toBe(true);
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

describe("the points to compute", () => {
  it("are every one, or until an error that is said", () => {
    const change = vi.fn();
    const control = pointsControl(change, owner.signal);
    control.set(0);
    const [every, until] = [...put(control.element).querySelectorAll("input")];
    expect(control.element.textContent).toContain("until 1 % error");
    expect([every?.checked, until?.checked]).toEqual([true, false]);
    until?.click();
    control.set(0.002);
    expect(control.element.textContent).toContain("until 0.2 % error");
    expect(until?.checked).toBe(true);
    every?.click();
    until?.click();
    expect(change.mock.calls).toEqual([[0.01], [0], [0.002]]);
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
  const NAMES = { picture: "the picture", eigenpairs: "the Hessian directions", curves: "the curves" };
  const idle: Job = { text: "done", part: undefined, stoppable: false, paused: null };
  const busy: Job = { text: "1 of 2", part: 0.5, stoppable: true, paused: false };

  function line() {
    const [cancel, pause] = [vi.fn(), vi.fn()];
    const status = statusLine(NAMES, { onCancel: cancel, onPause: pause }, owner.signal);
    put(status.element);
    const button = (label: string) => find<HTMLButtonElement>(status.element, `[aria-label="${label}"]`);
    return { cancel, pause, status, button };
  }

  it("holds, lets go on and stops what runs, each job on its own", () => {
    const { cancel, pause, status, button } = line();
    status.set({ picture: busy, eigenpairs: { ...busy, paused: true }, curves: busy }, "seed 0");
    button("Pause the picture").click();
    button("Resume the Hessian directions").click();
    button("Stop the curves").click();
    expect(pause.mock.calls).toEqual([
      ["picture", true],
      ["eigenpairs", false],
    ]);
    expect(cancel.mock.calls).toEqual([["curves"]]);
    expect(find(status.element, ".lw-held").getAttribute("aria-label")).toContain("Hessian");
  });

  it("has no bar and no buttons for what does not run", () => {
    const { status, button } = line();
    status.set({ picture: idle, eigenpairs: null, curves: null }, "");
    expect(find(status.element, "progress").hidden).toBe(true);
    expect([button("Pause the picture").hidden, button("Stop the picture").hidden]).toEqual([true, true]);
    expect(button("Stop the curves").parentElement?.hidden).toBe(true);
  });

  it("has no hold on what the kernel has not queued", () => {
    const { status, button } = line();
    status.set({ picture: { ...busy, paused: null }, eigenpairs: null, curves: null }, "");
    expect([button("Pause the picture").hidden, button("Stop the picture").hidden]).toEqual([true, false]);
  });
});

describe("axis titles", () => {
  it("are plain text of bounded length", () => {
    expect(plain("<b>&")).toBe("&lt;b&gt;&amp;");
    expect(axisTitle("α", axis(7, { label: "Hessian λ_max" }))).toBe("α · Hessian λmax (parameter distance)");
    const unit = "12.3 × parameter distance, the length of a filter-normalised direction";
    expect(axisTitle("β", axis(7, { unit }))).toBe("β · random 0 (12.3 × distance)");
    expect(axisTitle("β", axis(7, { unit }), false)).toBe("β · random 0");
    const share = axis(7, { label: "trajectory PC1 (81 % of variance)" });
    expect(axisTitle("α", share)).toBe("α · trajectory PC1 (parameter distance)");
    expect(axisTitle("α", axis(7, { label: "x".repeat(99) }), false).length).toBeLessThan(40);
  });
});
