import { describe, expect, it } from "vitest";
import { bytesOf, decode, encode, ProtocolError, readFrame } from "../src/protocol/codec";
import { curvesMessage, ESTIMATE, frame, SETTINGS, tileMessage } from "./kernel";

function shifted(bytes: ArrayBufferLike, offset: number): DataView {
  const whole = new Uint8Array(offset + bytes.byteLength + 3).fill(0xff);
  whole.set(new Uint8Array(bytes), offset);
  return new DataView(whole.buffer, offset, bytes.byteLength);
}

describe("arrays", () => {
  it.each([0, 1, 4, 7])("are read where a view starts, at byte %i", (offset) => {
    const [message, buffers] = tileMessage({
      run: 1,
      seq: 0,
      points: [
        [3, 1.5],
        [4, Number.NaN],
      ],
    });
    const { arrays } = decode(
      message,
      buffers.map((view) => shifted(view.buffer, offset)),
    );
    expect([...(arrays.get("index") ?? [])]).toEqual([3, 4]);
    expect([...(arrays.get("loss") ?? [])]).toEqual([1.5, Number.NaN]);
  });

  it("are copies: the socket may reuse its memory", () => {
    const source = new Float32Array([1]);
    const copy = new Float32Array(bytesOf(source));
    source[0] = 2;
    expect(copy[0]).toBe(1);
  });

  it("must have the size their header says", () => {
    const [message, buffers] = tileMessage({ run: 1, seq: 0, points: [[0, 1]] });
    expect(() => decode(message, [buffers[0] as DataView, new DataView(new ArrayBuffer(8))])).toThrow(
      /"loss"/,
    );
    expect(() => decode(message, [buffers[0] as DataView])).toThrow(/2 array headers/);
  });

  it("must have a known dtype and the right one", () => {
    const [message, buffers] = tileMessage({ run: 1, seq: 0, points: [[0, 1]] });
    const heads = message.arrays as Record<string, unknown>[];
    const wrong = [{ ...heads[0], dtype: "float64" }, heads[1]];
    expect(() => decode({ ...message, arrays: wrong }, buffers)).toThrow(ProtocolError);
    const swapped = [{ ...heads[0], dtype: "float32" }, heads[1]];
    expect(() => decode({ ...message, arrays: swapped }, buffers)).toThrow(/"index"/);
  });
});

describe("messages", () => {
  it("of another version are refused with advice", () => {
    expect(() => decode({ v: 2, kind: "result" })).toThrow(/version other than 1/);
  });

  it.each([[null], [[]], ["tile"], [{ v: 1 }], [{ v: 1, kind: "dance" }]])("%j is refused", (raw) => {
    expect(() => decode(raw)).toThrow(ProtocolError);
  });

  it("with a missing or foreign field are refused by its name", () => {
    const [message, buffers] = tileMessage({ run: 1, seq: 0 });
    expect(() => decode({ ...message, run: "1" }, buffers)).toThrow(/"run"/);
    expect(() => decode({ ...message, seq: -1 }, buffers)).toThrow(/"seq"/);
    expect(() => decode({ ...message, total: Number.NaN }, buffers)).toThrow(/"total"/);
  });

  it("carry a frame whole", () => {
    const head = frame(7, [7], { verdict: { title: "A saddle", text: "…", tone: "saddle" } });
    const [message, buffers] = tileMessage({ run: 1, seq: 0, frame: head });
    expect(decode(message, buffers).message).toMatchObject({ frame: head });
    expect(() => readFrame({ ...head, levels: [] })).toThrow(ProtocolError);
    expect(() => readFrame({ ...head, estimate: { ...ESTIMATE, level: 5 } })).toThrow("of no level");
  });

  it("carry the rows of metrics, which must fit the points", () => {
    const points = [
      [0, 1],
      [1, 2],
    ] as const;
    const metrics = [
      [0.5, 0.25],
      [1, 0],
    ];
    const [message, buffers] = tileMessage({ run: 1, seq: 0, points, metrics });
    expect([...(decode(message, buffers).arrays.get("metrics") ?? [])]).toEqual([0.5, 0.25, 1, 0]);
    const heads = message.arrays as { shape: number[] }[];
    const odd = [heads[0], heads[1], { ...heads[2], shape: [3] }];
    const bytes = [buffers[0], buffers[1], new DataView(new ArrayBuffer(12))] as DataView[];
    expect(() => decode({ ...message, arrays: odd }, bytes)).toThrow(/metrics of 2 points/);
  });

  it("carry curves, all of the length of their positions", () => {
    const range = { lo: -1, hi: 1 };
    const settings = {
      choices: [SETTINGS.alpha],
      seeds: 0,
      seed: 0,
      scale: "filter",
      range,
      points: 3,
    } as const;
    const curve = { label: "Gradient", unit: "", length: 1, band: false };
    const [body, buffers] = curvesMessage("c", settings, [curve]);
    const message = { v: 1, ...body };
    expect(decode(message, buffers).message).toMatchObject({ settings, curves: [curve], total: 1 });
    expect(() => decode({ ...message, curves: [curve, curve] }, buffers)).toThrow(/2 curves of 3/);
    expect(() => decode({ ...message, settings: { ...settings, scale: "huge" } }, buffers)).toThrow(
      /"scale"/,
    );
  });

  it("tell the queue, each job with a place", () => {
    const job = { purpose: "curves", paused: true, position: 2, of: 3 };
    expect(decode({ v: 1, kind: "queue", jobs: [job] }).message).toMatchObject({ jobs: [job] });
    for (const wrong of [{ purpose: "hello" }, { paused: 1 }, { of: "3" }])
      expect(() => decode({ v: 1, kind: "queue", jobs: [{ ...job, ...wrong }] })).toThrow(ProtocolError);
  });

  it("to the kernel carry the version", () => {
    expect(encode({ kind: "ack", run: 2, seq: 3 })).toEqual({ v: 1, kind: "ack", run: 2, seq: 3 });
  });
});
