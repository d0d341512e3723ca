import { describe, expect, it } from "vitest";
import { contourFigure } from "../src/plots/contour";
import type { Attributes, Figure, Scene } from "../src/plots/figure";
import type { Heights } from "../src/plots/heights";
import { lowestShown } from "../src/plots/marks";
import type { Mesh } from "../src/plots/mesh";
import { colourscale, faded, PALETTES } from "../src/plots/palette";
import { heightAt, lowestOf } from "../src/plots/relief";
import { surfaceFigure } from "../src/plots/surface";
import { clip, drawnTracks, offPlaneShare } from "../src/plots/tracks";
import { axis, ESTIMATE, frame } from "./kernel";
import { bowl, type Parts, sceneOf, trackOf } from "./plots";

const traces = (figure: Figure, type: string) => figure.data.filter((trace) => trace.type === type);
const shifted = (alpha: number, beta: number) => bowl(alpha - 0.5, beta + 0.5);
const titleOf = (figure: Figure, name: "xaxis" | "yaxis") =>
  ((figure.layout[name] as Attributes).title as Attributes).text;

describe("colour scales", () => {
  /** Relative luminance by the definition of WCAG 2.2. */
  function luminance(hex: string): number {
    const linear = [1, 3, 5].map((at) => {
      const c = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return linear.reduce((sum, c, k) => sum + c * ([0.2126, 0.7152, 0.0722][k] as number), 0);
  }

  it.each(["viridis", "cividis", "magma"] as const)("%s grows steadily lighter", (name) => {
    const scale = colourscale(name);
    expect(scale.map(([at]) => at)).toEqual(Array.from({ length: 10 }, (_, i) => i / 9));
    const light = scale.map(([, colour]) => luminance(colour));
    light.slice(1).forEach((value, i) => {
      expect(value).toBeGreaterThan(light[i] as number);
    });
  });

  it.each(["light", "dark"] as const)("lines and texts stand out in %s", (theme) => {
    const { panel, accent, second, more, band, mark } = PALETTES[theme];
    const ground = luminance(panel);
    for (const colour of [accent, second, mark, band.median, ...more]) {
      const [high, low] = [Math.max(luminance(colour), ground), Math.min(luminance(colour), ground)];
      expect((high + 0.05) / (low + 0.05), colour).toBeGreaterThanOrEqual(3);
    }
  });

  it("are chosen by the scene, and fade for a preview", () => {
    for (const make of [surfaceFigure, contourFigure]) {
      const magma = make(sceneOf({}, { colours: "magma" }));
      expect(magma.data[0]?.colorscale).toEqual(colourscale("magma"));
      expect(magma.key).not.toBe(make(sceneOf()).key);
      const preview = make(sceneOf({ level: 0 }, { colours: "cividis" }));
      expect(preview.data[0]?.colorscale).toEqual(faded("cividis", "#ffffff"));
    }
  });
});

describe("hover texts", () => {
  const text = (parts: Parts, row: number, column: number) =>
    (surfaceFigure(sceneOf(parts)).data[0] as { text: string[][] }).text[row]?.[column];

  it("name α, β, loss and every metric of an exact point", () => {
    const parts = { frame: { metrics: ["accuracy <b>"] }, metric: () => 0.5 };
    expect(text(parts, 0, 12)).toBe("α 1<br>β −1<br>loss 4<br>accuracy &lt;b&gt; 0.5");
  });

  it("show no metrics where a point is interpolated, and say so", () => {
    const parts = { level: 7, extra: [1], frame: { metrics: ["accuracy"] }, metric: () => 0.5 };
    expect(text(parts, 0, 1)).toMatch(/loss 3.69<br>accuracy 0.5$/);
    expect(text(parts, 1, 1)).toMatch(/loss ≈ interpolated [\d.]+$/);
  });

  it("say of an estimate what it is", () => {
    const estimate = new Float32Array(169).fill(2.5);
    for (const kind of ["interpolated", "bfloat16 preview"] as const) {
      const head = { estimate: { ...ESTIMATE, kind } };
      expect(text({ level: 7, estimate, frame: head }, 1, 1)).toMatch(new RegExp(`loss ≈ ${kind} 2.5$`));
    }
  });

  it("say NaN, infinite and not computed", () => {
    const bad = (alpha: number, beta: number) =>
      alpha < -0.9 && beta < -0.9 ? Number.NaN : alpha > 0.9 && beta < -0.9 ? Number.POSITIVE_INFINITY : 1;
    const parts = { loss: bad, frame: { metrics: ["accuracy"] }, metric: () => Number.NaN };
    expect(text(parts, 0, 0)).toMatch(/loss NaN<br>accuracy NaN$/);
    expect(text(parts, 0, 12)).toMatch(/loss ∞<br>accuracy NaN$/);
    expect(text({ ...parts, level: 7, extra: [1] }, 1, 1)).toMatch(/loss not computed$/);
    expect(text({ frame: { metrics: ["accuracy"] } }, 0, 0)).toMatch(/accuracy not computed$/);
  });

  it("call the preview what it is", () => {
    expect(text({ level: 0 }, 12, 12)).toBe("α 0<br>β 0<br>loss ≈ 1 (quadratic model)");
  });
});

describe("the relief", () => {
  function reliefOf(parts: Parts): { mesh: Mesh; heights: Heights } {
    const { mesh, heights } = sceneOf(parts);
    if (mesh === null || heights === null) throw new Error("nothing to draw");
    return { mesh, heights };
  }

  it("is bilinear: exact for products of lines, null outside and in holes", () => {
    const product = (alpha: number, beta: number) => 5 + (1 + 2 * alpha) * (3 - beta);
    const { mesh, heights } = reliefOf({ loss: product });
    for (const [alpha, beta] of [
      [0.123, -0.77],
      [-1, 1],
      [1, 0.999],
    ] as const)
      expect(heightAt(mesh, heights, { alpha, beta })).toBeCloseTo(product(alpha, beta), 5);
    expect(heightAt(mesh, heights, { alpha: 1.001, beta: 0 })).toBeNull();
    expect(heightAt(mesh, heights, { alpha: Number.NaN, beta: 0 })).toBeNull();
    const holed = reliefOf({ loss: (a, b) => (a > 0.9 ? Number.NaN : product(a, b)) });
    expect(heightAt(holed.mesh, holed.heights, { alpha: 0.95, beta: 0 })).toBeNull();
  });

  it("has its lowest point among exact values only", () => {
    const { mesh } = sceneOf({ loss: shifted, level: 7, extra: [1] });
    expect(lowestOf(mesh as never)).toMatchObject({
      alpha: expect.closeTo(0.333, 2),
      loss: expect.any(Number),
    });
    expect(lowestOf(sceneOf({ level: 0 }).mesh as never)).toBeNull();
    expect(lowestOf(sceneOf({ loss: () => Number.NaN }).mesh as never)).toBeNull();
  });
});

describe("the marker of the lowest point", () => {
  it("stands at it, and says so", () => {
    const scene = sceneOf({ loss: shifted, frame: { loss: 1.75 } });
    const figure = contourFigure(scene);
    expect(figure.data[1]).toMatchObject({
      ...{ type: "scatter", x: [0.5], y: [-0.5] },
      hovertext: ["lowest found: loss 1, α 0.5, β −0.5"],
    });
    const [surface, ring] = surfaceFigure(scene).data;
    expect(surface?.type).toBe("surface");
    expect(ring).toMatchObject({ type: "scatter3d", x: [0.5, 0.5] });
    expect((ring as { z: number[] }).z[0]).toBeGreaterThan(1);
  });

  it("is not drawn where it is the model, or no lower", () => {
    expect(lowestShown(sceneOf())).toBeNull();
    expect(lowestShown(sceneOf({ loss: shifted, frame: { loss: 0.9 } }))).toBeNull();
    const away = axis(13, { lo: 1, hi: 3 });
    expect(lowestShown(sceneOf({ frame: { alpha: away, loss: 0.5 } }))).toMatchObject({ alpha: 1 });
  });

  it.each([surfaceFigure, contourFigure])("follows the stream without a new structure", (make) => {
    const early = make(sceneOf({ loss: shifted, level: 7, extra: [1], frame: { loss: 9 } }));
    const late = make(sceneOf({ loss: shifted, level: 7, extra: [1, 13 * 3 + 9], frame: { loss: 9 } }));
    expect(late.key).toBe(early.key);
    expect(late.data.length).toBe(early.data.length);
    expect(late.values.find(({ trace }) => trace === 1)?.attributes.x).toContain(0.5);
    expect(early.values.find(({ trace }) => trace === 1)?.attributes.x).not.toContain(0.5);
  });
});

describe("every figure", () => {
  const path = { frame: { tracks: [trackOf(), trackOf({ kind: "points" })] } };
  const scenes: [string, Scene][] = [
    ["whole", sceneOf(path)],
    ["refining", sceneOf({ ...path, level: 7, extra: [1] })],
    ["preview", sceneOf({ ...path, level: 0 })],
  ];

  it.each(scenes)("carries its streaming values in its traces too: %s", (_, scene) => {
    for (const figure of [surfaceFigure(scene), contourFigure(scene)]) {
      expect(figure.values.length).toBeGreaterThan(1);
      for (const { trace, attributes } of figure.values)
        for (const [name, value] of Object.entries(attributes))
          expect(figure.data[trace]?.[name]).toBe(value);
    }
  });

  it("differs from another of its key in its values only", () => {
    const [a, b] = [7, 8].map((extra) => sceneOf({ ...path, level: 7, extra: [1, extra] })) as [Scene, Scene];
    for (const make of [surfaceFigure, contourFigure]) {
      const [one, two] = [make(a), make(b)].map(({ key, data, layout, values }) => {
        const moving = new Map(values.map(({ trace, attributes }) => [trace, Object.keys(attributes)]));
        const still = data.map((trace, k) =>
          Object.entries(trace).filter(([name]) => !moving.get(k)?.includes(name)),
        );
        return { key, layout, still };
      });
      expect(one).toEqual(two);
    }
  });
});

describe("tracks", () => {
  const head = frame(13, [13]);

  it("are cut at the window: Liang and Barsky against dense sampling", () => {
    for (let k = 0; k < 200; k += 1) {
      const random = [1, 2, 3, 4].map((m) => 3 * Math.sin(k * 12.9898 * m + m)) as [
        number,
        number,
        number,
        number,
      ];
      const [from, to] = [
        { alpha: random[0], beta: random[1] },
        { alpha: random[2], beta: random[3] },
      ] as const;
      const steps = Array.from({ length: 4001 }, (_, i) => i / 4000);
      const at = (t: number) => [
        from.alpha + t * (to.alpha - from.alpha),
        from.beta + t * (to.beta - from.beta),
      ];
      const inside = steps.filter((t) => at(t).every((value) => Math.abs(value) <= 1));
      const part = clip(from, to, head);
      if (part === null) expect(inside.length).toBeLessThanOrEqual(1);
      else if (inside.length > 0) {
        expect(Math.abs(part[0] - (inside[0] as number))).toBeLessThan(1 / 2000);
        expect(Math.abs(part[1] - (inside.at(-1) as number))).toBeLessThan(1 / 2000);
      } else expect(part[1] - part[0]).toBeLessThan(1 / 2000);
    }
  });

  it("leave gaps where they leave the window, and never its bounds", () => {
    const zigzag = trackOf({
      ...{ labels: ["a", "b", "c", "d"], off_plane: [0, 0, 0, 0], loss: [1, 1, 1, 1] },
      ...{ alpha: [0, 2, 2, 0], beta: [0, 0, 0.5, 0.5] },
    });
    const [drawn] = drawnTracks({ ...head, tracks: [zigzag] });
    expect(drawn?.line.filter((place) => place === null)).toHaveLength(1);
    for (const place of drawn?.line ?? [])
      if (place !== null)
        expect(Math.max(Math.abs(place.alpha), Math.abs(place.beta))).toBeLessThanOrEqual(1);
    expect(drawn?.stops.map(({ role }) => role)).toEqual(["start", "end"]);
  });

  it("fade with the share of their distance that lies off the plane", () => {
    expect(offPlaneShare({ alpha: 3, beta: 0 }, 4, head)).toBeCloseTo(0.8);
    expect(offPlaneShare({ alpha: 0, beta: 0 }, 0, head)).toBe(0);
    const slanted = { ...head, angle: 60, alpha: axis(13, { length: 2 }), beta: axis(13, { length: 1 }) };
    // |1·(2, 0) + 1·(cos 60°, sin 60°)|² = 7
    expect(offPlaneShare({ alpha: 1, beta: 1 }, 3, slanted)).toBeCloseTo(3 / 4);
    const [drawn] = drawnTracks({ ...head, tracks: [trackOf()] });
    const [middle, end] = drawn?.stops ?? [];
    expect(middle?.strength).toBeLessThan(end?.strength ?? 0);
    expect(end?.strength).toBe(1);
  });

  it("say the model's own loss and how far off the plane it is", () => {
    const [drawn] = drawnTracks({ ...head, tracks: [trackOf({ labels: ["a", "<b>", "c"] })] });
    expect(drawn?.stops[0]?.hover).toMatch(
      /^&lt;b&gt;<br>projects to α 0.5, β 0.5<br>its own loss not computed<br>/,
    );
    expect(drawn?.stops[0]?.hover).toMatch(/off the plane by 2 \(parameter distance\),<br>94 %/);
  });

  it("lie on the surface, a little above it, and stretch no axis", () => {
    const scene = sceneOf({ frame: { tracks: [trackOf()] } });
    const figure = surfaceFigure(scene);
    const line = traces(figure, "scatter3d").find(
      (trace) => (trace.x as unknown[]).length > 10,
    ) as Attributes;
    const [x, y, z] = [line.x, line.y, line.z] as [number[], number[], number[]];
    const span = (scene.heights?.hi ?? 0) - (scene.heights?.lo ?? 0);
    z.forEach((height, i) => {
      const above = height - bowl(x[i] as number, y[i] as number);
      expect(above).toBeGreaterThan(0);
      expect(above).toBeLessThan(0.02 * span + 0.03);
    });
    const bare = surfaceFigure(sceneOf());
    const ranges = (from: Figure) =>
      ["xaxis", "yaxis", "zaxis"].map(
        (name) => ((from.layout.scene as Attributes)[name] as Attributes).range,
      );
    expect(ranges(figure)).toEqual(ranges(bare));
  });

  it("name other models, as text", () => {
    const tracks = [trackOf({ kind: "points", labels: ["<i>x</i>", "b", "c"], alpha: [0.5, 9, -0.5] })];
    const figure = contourFigure(sceneOf({ frame: { tracks } }));
    const words = (figure.layout.annotations as Attributes[]).map(({ text }) => text);
    expect(words).toEqual(["&lt;i&gt;x&lt;/i&gt;", "c", "model, loss 1"]);
    const scene = surfaceFigure(sceneOf({ frame: { tracks } })).layout.scene as Attributes;
    expect((scene.annotations as Attributes[]).map(({ text }) => text)).toEqual(words);
  });

  it("stand aside near the model, whose own words are above it", () => {
    const parts = { kind: "points", labels: ["right", "left", "far"], off_plane: [0, 0, 0] } as const;
    const tracks = [trackOf({ ...parts, alpha: [0.2, -0.2, 0.9], beta: [0, 0, 0.9] })];
    const scene = sceneOf({ frame: { tracks } });
    const flat = contourFigure(scene).layout;
    for (const { annotations } of [flat, surfaceFigure(scene).layout.scene as Attributes]) {
      const [right, left, far, model] = annotations as Attributes[];
      expect([right?.xanchor, left?.xanchor, far?.xanchor]).toEqual(["left", "right", undefined]);
      for (const one of [right, left]) expect(one?.yshift).toBeLessThan(0);
      for (const one of [far, model]) expect(one?.yshift).toBeGreaterThan(0);
    }
  });
});

describe("a window away from the model", () => {
  const away = { alpha: axis(13, { lo: 1, hi: 3 }), beta: axis(13, { lo: -4, hi: 0.5 }) };

  it("has neither stem nor marker nor label of the model", () => {
    for (const make of [surfaceFigure, contourFigure]) {
      const [there, here] = [make(sceneOf({ frame: away })), make(sceneOf())];
      expect(there.data.length).toBeLessThan(here.data.length);
    }
    expect(contourFigure(sceneOf({ frame: away })).layout.annotations).toEqual([]);
  });

  it("is drawn to scale where its sides compare, and as a square where they do not", () => {
    const ratio = (parts: Parts) => (contourFigure(sceneOf(parts)).layout.yaxis as Attributes).scaleratio;
    expect(ratio({ frame: away })).toBe(1);
    expect(ratio({ frame: { alpha: axis(13, { lo: -4, hi: 4 }) } })).toBe(4);
    expect(ratio({ frame: { alpha: axis(13, { unit: "filter norms", lo: 0 }) } })).toBe(0.5);
  });

  it("names direction and unit on each axis", () => {
    const figure = contourFigure(sceneOf({ frame: { ...away, alpha: axis(13, { unit: "filter norms" }) } }));
    expect(titleOf(figure, "xaxis")).toBe("α · random 0 (filter norms)");
    expect(titleOf(figure, "yaxis")).toBe("β · random 0 (parameter distance)");
  });
});
