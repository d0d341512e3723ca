import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { contourFigure } from "../src/plots/contour";
import type { Figure } from "../src/plots/figure";
import { surfaceFigure } from "../src/plots/surface";
import { type Parts, sceneOf } from "./plots";

vi.mock("../src/plots/plotly", () => ({
  Plotly: {
    react: vi.fn(async (el: object) => Object.assign(el, { on: () => {} })),
    restyle: vi.fn(async () => {}),
    relayout: vi.fn(async () => {}),
    toImage: vi.fn(async () => "data:image/png;base64,"),
    purge: vi.fn(),
  },
}));

const { Plotly } = await import("../src/plots/plotly");
const { Plot } = await import("../src/plots/plot");
const { liveScenes, MOST } = await import("../src/plots/scenes");

const surface = (parts: Parts = {}): Figure => surfaceFigure(sceneOf(parts));
const contour = (): Figure => contourFigure(sceneOf());

interface Made {
  readonly host: HTMLElement;
  readonly plot: InstanceType<typeof Plot>;
  readonly owner: AbortController;
  readonly naps: boolean[];
}

let made: Made[] = [];

/** A plot on the page; visible ones lie inside of the window, others below it. */
function make(visible = true): Made {
  const host = document.createElement("div");
  host.tabIndex = 0;
  const top = visible ? 10 : 10_000;
  host.getBoundingClientRect = () => new DOMRect(0, top, 400, 300);
  document.body.append(host);
  const owner = new AbortController();
  const naps: boolean[] = [];
  const plot = new Plot(host, owner.signal, { onAsleep: (asleep) => naps.push(asleep) });
  made.push({ host, plot, owner, naps });
  return made.at(-1) as Made;
}

async function makeLive(count: number, visible = true): Promise<Made[]> {
  const group = Array.from({ length: count }, () => make(visible));
  for (const { plot } of group) await plot.draw(surface());
  return group;
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0));
}

const buttonOf = ({ host }: Made) => host.querySelector<HTMLButtonElement>("button.lw-asleep");
const sleeping = () => made.filter((one) => buttonOf(one) !== null);

beforeEach(() => {
  vi.stubGlobal("requestAnimationFrame", (frame: FrameRequestCallback) => setTimeout(frame, 0));
  vi.clearAllMocks();
});

afterEach(() => {
  for (const { owner } of made) owner.abort();
  made = [];
  document.body.replaceChildren();
  vi.unstubAllGlobals();
  expect(liveScenes()).toBe(0);
});

describe("surfaces of a page", () => {
  it("sleep beyond six, the least recently used first", async () => {
    const [first, second] = await makeLive(MOST);
    expect(sleeping()).toEqual([]);
    first?.host.dispatchEvent(new Event("pointerdown"));
    await makeLive(1);
    await settle();
    expect(sleeping()).toEqual([second]);
    expect(second?.naps).toEqual([true]);
    expect(liveScenes()).toBe(MOST);
    expect(Plotly.purge).toHaveBeenCalledExactlyOnceWith(second?.host);
  });

  it("sleep out of sight before any that is seen", async () => {
    await makeLive(3);
    const [hidden] = await makeLive(1, false);
    await makeLive(3);
    await settle();
    expect(sleeping()).toEqual([hidden]);
  });

  it("leave a picture in a button that wakes them, and another sleeps", async () => {
    const [first, second] = await makeLive(MOST + 1);
    await settle();
    const button = buttonOf(first as Made);
    expect(button?.textContent).toBe("Show this surface again");
    expect(button?.querySelector("img")?.src).toMatch(/^data:image\/png/);
    expect(button?.getAttribute("data-lm-suppress-shortcuts")).toBe("true");
    button?.focus();
    button?.click();
    await settle();
    expect(first?.naps).toEqual([true, false]);
    expect(document.activeElement).toBe(first?.host);
    expect(sleeping()).toEqual([second]);
    expect(vi.mocked(Plotly.react).mock.lastCall?.[0]).toBe(first?.host);
  });

  it("sleep without a picture where none can be taken", async () => {
    vi.mocked(Plotly.toImage).mockRejectedValueOnce(new Error("no canvas"));
    const [first] = await makeLive(MOST + 1);
    await settle();
    expect(buttonOf(first as Made)?.querySelector("img")).toBeNull();
  });

  it("keep what comes while they sleep, and draw the newest on waking", async () => {
    const [first] = await makeLive(MOST + 1);
    await settle();
    const drawn = vi.mocked(Plotly.react).mock.calls.length;
    const newest = surface({ loss: (a) => 2 + a });
    await first?.plot.draw(surface({ loss: (a) => 3 + a }));
    await first?.plot.draw(newest);
    await settle();
    expect(vi.mocked(Plotly.react).mock.calls).toHaveLength(drawn);
    first?.plot.wake();
    await settle();
    expect(
      vi
        .mocked(Plotly.react)
        .mock.calls.slice(drawn)
        .map(([, data]) => data),
    ).toEqual([newest.data]);
  });

  it("wake for a figure that the user asked for", async () => {
    const [first] = (await makeLive(1)) as [Made];
    const [explorer, control] = [document.createElement("div"), document.createElement("input")];
    explorer.className = "lw-explorer";
    document.body.append(explorer);
    explorer.append(first.host, control);
    await makeLive(MOST);
    await settle();
    expect(sleeping()).toEqual([first]);
    control.dispatchEvent(new Event("change", { bubbles: true }));
    expect(sleeping()).toEqual([first]);
    await first.plot.draw(surface({ loss: (a) => 2 + a }));
    expect(first.naps).toEqual([true, false]);
    await settle();
    expect(sleeping()).toHaveLength(1);
    expect(sleeping()).not.toContain(first);
  });

  it("that are woken while their picture is taken stay", async () => {
    let finish: (picture: string) => void = () => {};
    vi.mocked(Plotly.toImage).mockReturnValueOnce(new Promise((resolve) => (finish = resolve)));
    const [first] = await makeLive(MOST + 1);
    await settle();
    first?.plot.wake();
    finish("data:,");
    await settle();
    expect(buttonOf(first as Made)).toBeNull();
    expect(Plotly.purge).not.toHaveBeenCalledWith(first?.host);
  });

  it("make room when they become contours, also asleep, or leave", async () => {
    const [first, second, third] = await makeLive(MOST + 1);
    await settle();
    await first?.plot.draw(contour());
    expect(first?.naps).toEqual([true, false]);
    expect(liveScenes()).toBe(MOST);
    await second?.plot.draw(contour());
    third?.owner.abort();
    expect(liveScenes()).toBe(MOST - 2);
    await makeLive(2);
    await settle();
    expect(sleeping()).toEqual([]);
  });

  it("take their button along when their view ends", async () => {
    const [first] = await makeLive(MOST + 1);
    await settle();
    first?.owner.abort();
    expect(buttonOf(first as Made)).toBeNull();
    first?.plot.wake();
    await first?.plot.draw(surface());
    expect(liveScenes()).toBe(MOST);
  });
});
