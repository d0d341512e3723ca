import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const loseContext = vi.fn();
const context = { getExtension: () => ({ loseContext }) };

/** A fresh module: whether there is WebGL is asked once a page. */
async function load() {
  vi.resetModules();
  return import("../src/plots/webgl");
}

beforeEach(() => {
  loseContext.mockClear();
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

function give(found: unknown): void {
  vi.stubGlobal("WebGLRenderingContext", class {});
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(() => found as never);
}

describe("WebGL", () => {
  it("is there where a context can be made, which is given back; asked once", async () => {
    give(context);
    const { webglAvailable } = await load();
    expect([webglAvailable(), webglAvailable()]).toEqual([true, true]);
    expect(loseContext).toHaveBeenCalledTimes(1);
  });

  it("is not there where none can be made, or making one throws", async () => {
    give(null);
    expect((await load()).webglAvailable()).toBe(false);
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(() => {
      throw new Error("blocked");
    });
    expect((await load()).webglAvailable()).toBe(false);
  });
});

describe("contexts of an element", () => {
  it("are given back once their canvas has left it", async () => {
    give(context);
    const { contextsOf } = await load();
    const host = document.createElement("div");
    const boxes = [1, 2].map(() => document.createElement("div"));
    for (const box of boxes) {
      box.className = "gl-container";
      box.append(document.createElement("canvas"));
      host.append(box);
    }
    const giveBack = contextsOf(host);
    giveBack();
    expect(loseContext).not.toHaveBeenCalled();
    boxes[1]?.remove();
    giveBack();
    expect(loseContext).toHaveBeenCalledTimes(1);
  });
});
