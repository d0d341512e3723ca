// Every message the kernel's own codec recorded must be read here as it was meant.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Draft, decode, encode } from "../src/protocol/codec";

interface Golden {
  readonly message: Record<string, unknown>;
  readonly buffers: readonly string[];
  readonly expect: { readonly direction: string; readonly index?: number[]; readonly loss?: unknown[] };
}

const folder = join(import.meta.dirname, "../../tests/golden");
const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")) : [];

describe("golden messages", () => {
  it("are there", () => {
    expect(files.length).toBeGreaterThan(0);
  });

  it.each(files)("%s", (name) => {
    const golden = JSON.parse(readFileSync(join(folder, name), "utf8")) as Golden;
    const { v: _, ...draft } = golden.message;
    if (golden.expect.direction !== "to page") {
      expect(encode(draft as unknown as Draft)).toEqual(golden.message);
      return;
    }
    const buffers = golden.buffers.map((text) => {
      const bytes = Buffer.from(text, "base64");
      return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    });
    const { message, arrays } = decode(golden.message, buffers);
    expect(message).toEqual(golden.message);
    if (golden.expect.index) expect([...(arrays.get("index") ?? [])]).toEqual(golden.expect.index);
    if (golden.expect.loss) expect(arrays.get("loss")?.length).toBe(golden.expect.loss.length);
  });
});
