// A model that answers a view like the kernel, from the pictures of a file: nothing is computed.

import type { SourceOption } from "../controls/axis";
import type { WidgetModel } from "../protocol/channel";
import {
  type CurveSettings,
  type FromPage,
  type PictureSettings,
  type Purpose,
  type ToPage,
  VERSION,
} from "../protocol/messages";
import { Catalogue, type Refusal } from "./catalogue";
import { withKeywords } from "./code";
import { completeLevel, cutThrough, doneOf, type Recorded, readRecord } from "./records";

type Callback = (...values: never[]) => void;
type Fields = Record<string, unknown>;
type Body<T = ToPage> = T extends ToPage ? Omit<T, "v"> : never;

const NOTE = "offline copy: replays what was computed";

const NO_CURVES: Refusal = {
  message: "This file holds curves along the directions of its pictures only",
  advice: "Choose among those, over a range that was drawn; others and bands need the notebook.",
};

/** What a file holds, as it was written: the traits of an explorer, and its pictures. */
export class ReplayModel implements WidgetModel {
  readonly #traits: Fields;
  readonly #listeners = new Map<string, Set<Callback>>();
  readonly #catalogue: Catalogue;
  /** All that the explorer offered. */
  readonly #sources: readonly SourceOption[];
  #shown: Recorded | null;
  /** The resolution last chosen: windows that lack it show what they have, and do not change the wish. */
  #wished: number;
  #runs = 0;

  constructor(data: unknown) {
    const { traits, records } = fields(data);
    const all = Array.isArray(records) ? records.map(readRecord) : [];
    this.#traits = { ...fields(traits), picture: null };
    this.#catalogue = new Catalogue(all);
    this.#sources = (fields(this.#traits.options).sources ?? []) as readonly SourceOption[];
    this.#shown = this.#first(all);
    this.#wished = this.#shown?.settings.resolution ?? 0;
    const { footer } = this.#traits;
    this.#traits.footer = [footer, NOTE]
      .filter((part) => typeof part === "string" && part !== "")
      .join(" · ");
    this.#describe();
  }

  get(name: string): unknown {
    return this.#traits[name];
  }

  set(name: string, value: unknown): void {
    this.#traits[name] = value;
    this.#emit(`change:${name}`);
  }

  on(event: string, callback: Callback): void {
    this.#listeners.set(event, (this.#listeners.get(event) ?? new Set()).add(callback));
  }

  off(event: string, callback: Callback): void {
    this.#listeners.get(event)?.delete(callback);
  }

  /** Answers once the sender has noted what it sent. */
  send(content: unknown): void {
    queueMicrotask(() => this.#answer(content as FromPage));
  }

  #answer(message: FromPage): void {
    switch (message.kind) {
      case "hello":
        this.#end(message.id, "hello");
        this.#reply({ kind: "queue", jobs: [] });
        this.#show(`replay-${this.#runs + 1}`);
        return;
      case "cancel":
      case "pause":
        this.#end(message.id, "settings");
        return;
      case "request":
        this.#request(message);
    }
  }

  #request(message: Extract<FromPage, { kind: "request" }>): void {
    const { id, purpose } = message;
    if (purpose === "picture") this.#picture(id, message.settings);
    else if (purpose === "curves") this.#curves(id, message.settings);
    else if (purpose === "settings") {
      this.#describe();
      this.#end(id, "settings");
    } else
      this.#refuse(id, purpose, { message: "This file holds no such result", advice: "Open the notebook." });
  }

  #picture(id: string, asked: PictureSettings): void {
    const before = this.#shown?.settings ?? asked;
    if (asked.resolution !== before.resolution) this.#wished = asked.resolution;
    const found = this.#catalogue.answer(asked, before, this.#wished);
    if ("message" in found) {
      this.#refuse(id, "picture", found);
      return;
    }
    this.#shown = found;
    this.#describe();
    this.#show(id);
  }

  /** Sends the picture in use whole, with its head, and its end. */
  #show(id: string): void {
    const picture = this.#shown;
    if (picture === null) return;
    const { frame, known } = picture;
    this.#runs += 1;
    const index = Int32Array.from(known.keys()).filter((at) => known[at] === 1);
    const pick = (values: Float32Array) => Float32Array.from(index, (at) => values[at] as number);
    const metrics = Float32Array.from(picture.metrics.flatMap((row) => [...pick(row)]));
    const [done, total] = [doneOf(picture), known.length];
    const estimated = frame.estimate !== null;
    this.#reply(
      {
        ...{ kind: "tile", id, run: this.#runs, seq: 0, seconds_left: null },
        ...{ level: completeLevel(picture), done, total, frame },
        arrays: [
          { name: "index", dtype: "int32", shape: [index.length] },
          { name: "loss", dtype: "float32", shape: [index.length] },
          { name: "metrics", dtype: "float32", shape: [picture.metrics.length, index.length] },
          ...(estimated ? [{ name: "estimate", dtype: "float32", shape: [total] } as const] : []),
        ],
      },
      [index, pick(picture.loss), metrics, ...(estimated ? [picture.loss] : [])],
    );
    const ended = frame.estimate?.kind === "interpolated" ? "converged" : "incomplete";
    this.#end(id, "picture", done < total ? ended : "complete");
  }

  #curves(id: string, settings: CurveSettings): void {
    const { choices, seeds, range, points } = settings;
    const cuts = choices.map((choice) => {
      const found = this.#catalogue.along(choice, range, points);
      return found === null ? null : cutThrough(found.picture, found.axis);
    });
    const known = cuts.filter((cut) => cut !== null);
    const first = known[0];
    if (seeds > 0 || first === undefined || known.length < cuts.length) {
      this.#refuse(id, "curves", NO_CURVES);
      return;
    }
    const curves = known.map(({ axis: { label, unit, length } }) => ({ label, unit, length, band: false }));
    const position = Float32Array.from(first.position);
    const loss = Float32Array.from(known.flatMap((cut) => [...cut.loss]));
    const shape = [curves.length, position.length];
    const arrays = [
      { name: "position", dtype: "float32", shape: [position.length] },
      { name: "loss", dtype: "float32", shape },
    ] as const;
    const total = curves.length;
    this.#reply({ kind: "curves", id, settings, curves, done: total, total, caption: "", arrays }, [
      position,
      loss,
    ]);
    this.#end(id, "curves");
  }

  /** The picture of the settings that were in use, or else the newest. */
  #first(records: readonly Recorded[]): Recorded | null {
    const newest = records.at(-1);
    if (newest === undefined) return null;
    const settings = fields(this.#traits.settings) as unknown as PictureSettings;
    try {
      return this.#catalogue.find(settings) ?? newest;
    } catch {
      return newest;
    }
  }

  /** Tells the view what is shown, what else can be, and the code of it. */
  #describe(): void {
    if (this.#shown === null) return;
    const { settings, code } = this.#shown;
    const { view, height, colours } = this.#traits as Record<string, string>;
    const shown = Object.entries({ view, height, colours }).filter(([, value]) => value !== undefined);
    const values = { resolution: settings.resolution, ...Object.fromEntries(shown) };
    this.set("options", this.#catalogue.choices(settings, this.#sources));
    this.set("settings", settings);
    this.set("code", withKeywords(code, values));
  }

  #end(id: string, purpose: Purpose, outcome = "complete"): void {
    const nothing = { pairs: [], products: 0, evaluations: 0, seconds: 0, verdict: null };
    this.#reply({ kind: "result", id, purpose, outcome, advice: "", ...nothing });
  }

  #refuse(id: string, purpose: Purpose, refusal: Refusal): void {
    this.#reply({ kind: "error", id, purpose, ...refusal });
  }

  #reply(body: Body, arrays: readonly (Float32Array | Int32Array)[] = []): void {
    this.#emit("msg:custom", { ...body, v: VERSION }, arrays);
  }

  #emit(event: string, ...values: unknown[]): void {
    for (const callback of [...(this.#listeners.get(event) ?? [])]) callback(...(values as never[]));
  }
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}
