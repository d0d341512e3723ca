// The ladder of imports: index -> offline -> views -> {controls, plots} -> protocol; and the size of files and functions.

import { readdirSync, readFileSync } from "node:fs";
import { join, normalize, relative } from "node:path";
import { describe, expect, it } from "vitest";

const SOURCE = join(import.meta.dirname, "../src");
const RUNGS = ["protocol", "plots", "controls", "views", "offline", "index"] as const;
type Rung = (typeof RUNGS)[number];

const MAY: Readonly<Record<Rung, readonly Rung[]>> = {
  index: ["offline", "views", "controls", "plots", "protocol"],
  offline: ["offline", "views", "controls", "plots", "protocol"],
  views: ["views", "controls", "plots", "protocol"],
  controls: ["controls", "protocol"],
  plots: ["plots", "protocol"],
  protocol: ["protocol"],
};

const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".ts"),
);

function rungOf(path: string): Rung {
  const first = path.split(/[\\/]/)[0]?.replace(/\.ts$/, "");
  const rung = RUNGS.find((known) => known === first);
  if (rung === undefined) throw new Error(`${path} stands on no rung`);
  return rung;
}

function importsOf(name: string): string[] {
  const text = readFileSync(join(SOURCE, name), "utf8");
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1] as string);
  const near = found.filter((path) => path.startsWith("."));
  return near.map((path) => relative(SOURCE, normalize(join(SOURCE, name, "..", path))));
}

describe("the ladder", () => {
  it.each(files)("holds for %s", (name) => {
    const allowed = MAY[rungOf(name)];
    for (const path of importsOf(name)) expect(allowed, `${name} imports ${path}`).toContain(rungOf(path));
  });

  it("sees imports at all", () => {
    expect(importsOf("index.ts")).toContain(join("views", "explorer", "view"));
  });

  it("keeps plotly behind one file", () => {
    const users = files.filter((name) => /from "plotly/.test(readFileSync(join(SOURCE, name), "utf8")));
    expect(users).toEqual([join("plots", "plotly.ts")]);
  });
});

/** Written by hand: what is generated is as long as its source says. */
const written = files.filter((name) => !/^\/\/ Generated /.test(readFileSync(join(SOURCE, name), "utf8")));

describe("files", () => {
  it.each(written)("%s stays under 400 lines", (name) => {
    expect(readFileSync(join(SOURCE, name), "utf8").split("\n").length).toBeLessThan(400);
  });
});
