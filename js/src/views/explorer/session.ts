// A view's half of the talk with the kernel: what it asked, what it knows, what it still owes. No DOM.

import { type Channel, newId, observeModel, type WidgetModel } from "../../protocol/channel";
import type { Incoming, ProtocolError } from "../../protocol/codec";
import type { PictureSettings, Tile, ViewSettings } from "../../protocol/messages";
import { type Options, readEigen, readOptions, readSettings, readView } from "./options";
import {
  type ExplorerState,
  initialState,
  type Purpose,
  receive,
  refused,
  requested,
  savedPicture,
  withSaved,
} from "./state";

/** How long a silent kernel is waited for before a saved picture is called saved. */
const PATIENCE = 5000;

type Drawn = Pick<Tile, "run" | "seq">;

export class Session {
  state: ExplorerState;
  settings: PictureSettings;
  view: ViewSettings;
  options: Options;
  #owed: Drawn | null = null;
  #lookedFor = -1;

  constructor(
    private readonly model: WidgetModel,
    private readonly channel: Channel,
    private readonly signal: AbortSignal,
    private readonly onChange: () => void,
  ) {
    this.settings = readSettings(model);
    this.view = readView(model);
    this.options = readOptions(model);
    this.state = this.#first();
  }

  /** Listens, then says hello: the kernel replays what it has. */
  start(): void {
    const { signal, model } = this;
    this.channel.listen(
      (incoming) => this.#receive(incoming),
      (error) => this.#refuse(error),
      signal,
    );
    observeModel(model, "change:settings", () => this.#follow(), signal);
    observeModel(model, "change:options", () => this.#set({ options: readOptions(model) }), signal);
    observeModel(model, "change:view", () => this.#set({ view: readView(model) }), signal);
    observeModel(model, "change:height", () => this.#set({ view: readView(model) }), signal);
    const timer = setTimeout(() => this.#giveUp(), PATIENCE);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
    this.#hello();
  }

  /** Asks for a picture; the latest wins. */
  commit(settings: PictureSettings): void {
    this.settings = settings;
    const id = newId();
    this.#ask(id, "picture", this.channel.send({ id, kind: "request", purpose: "picture", settings }));
  }

  /** Shows the same picture in another way; works without a kernel. */
  show(part: Partial<ViewSettings>): void {
    const settings = { ...this.view, ...part };
    this.view = settings;
    for (const [name, value] of Object.entries(part)) this.model.set(name, value);
    if (this.state.link !== "saved") {
      const id = newId();
      this.#ask(id, "settings", this.channel.send({ id, kind: "request", purpose: "settings", settings }));
    }
    this.onChange();
  }

  cancel(purpose: "picture" | "eigenpairs"): void {
    this.channel.send({ id: newId(), kind: "cancel", purpose });
  }

  /** Acknowledges the newest tile, which stands for all before it: call once it is painted. */
  acknowledge(): void {
    if (this.#owed !== null) this.channel.send({ kind: "ack", ...this.#owed });
    this.#owed = null;
  }

  #first(): ExplorerState {
    const start = initialState();
    try {
      return withSaved({ ...start, pairs: readEigen(this.model) }, savedPicture(this.model.get("picture")));
    } catch (error) {
      return refused(start, {
        message: String(error),
        advice: "run the cell again to draw the picture anew",
      });
    }
  }

  #hello(): void {
    const id = newId();
    this.#ask(id, "hello", this.channel.send({ id, kind: "hello" }));
  }

  #ask(id: string, purpose: Purpose, sent: boolean): void {
    this.state = sent ? requested(this.state, id, purpose) : { ...this.state, link: "saved" };
    this.onChange();
  }

  #receive(incoming: Incoming): void {
    const { message } = incoming;
    const before = this.state.picture;
    this.state = receive(this.state, incoming);
    if (message.kind === "tile") {
      const { run, seq } = message;
      if (this.state.picture !== before) this.#owed = { run, seq };
      else this.channel.send({ kind: "ack", run, seq });
    }
    if (this.state.wanted === null) {
      if (this.state.missed !== null) this.#lookFor(this.state.missed);
      const ended = message.kind === "result" || message.kind === "error";
      if (ended && message.purpose === "picture") this.settings = readSettings(this.model);
    }
    this.onChange();
  }

  /** A picture that we joined in its midst: have it replayed, once a run. */
  #lookFor(run: number): void {
    const asked = [...this.state.pending.values()].includes("hello");
    if (asked || run <= this.#lookedFor) return;
    this.#lookedFor = run;
    this.#hello();
  }

  #refuse(error: ProtocolError): void {
    this.state = refused(this.state, {
      message: error.message,
      advice: "restart the kernel and reload the page, so that both run the same version",
    });
    this.onChange();
  }

  /** The kernel's settings hold, except while our own request is on its way. */
  #follow(): void {
    if (this.state.wanted === null) this.#set({ settings: readSettings(this.model) });
  }

  #set(part: Partial<Pick<Session, "settings" | "view" | "options">>): void {
    Object.assign(this, part);
    this.onChange();
  }

  #giveUp(): void {
    if (this.state.link !== "waiting") return;
    if (this.state.picture === null) return;
    this.state = { ...this.state, link: "saved" };
    this.onChange();
  }
}
