// A view's half of the talk with the kernel: what it asked, what it knows, what it still owes. No DOM.

import { type Channel, newId, observeModel, type WidgetModel } from "../../protocol/channel";
import type { Incoming, ProtocolError } from "../../protocol/codec";
import type { CurveSettings, PictureSettings, Range, Tile, ViewSettings } from "../../protocol/messages";
import { type Cuts, curveSettings, NO_CUTS } from "./cuts";
import { type Options, readEigen, readOptions, readSettings, readView } from "./options";
import {
  cutting,
  type ExplorerState,
  initialState,
  type Purpose,
  receive,
  refused,
  requested,
  savedPicture,
  type Work,
  withoutCurves,
  withSaved,
} from "./state";
import { drawable, WindowHistory } from "./windows";

/** How long a silent kernel is waited for before a saved picture is called saved. */
const PATIENCE = 5000;

type Drawn = Pick<Tile, "run" | "seq">;

export class Session {
  state: ExplorerState;
  settings: PictureSettings;
  view: ViewSettings;
  options: Options;
  cuts: Cuts = NO_CUTS;
  /** The name of this view, so that the kernel knows when its last one is gone. */
  readonly #id = newId();
  readonly #windows = new WindowHistory();
  #owed: Drawn | null = null;
  #lookedFor = -1;
  /** The settings trait changed while our own request was on its way. */
  #behind = false;
  /** Our newest request asks the kernel for the ranges. */
  #keeping = false;
  /** The curves last asked for, as text. */
  #asked = "null";

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
    for (const name of ["view", "height", "colours"])
      observeModel(model, `change:${name}`, () => this.#set({ view: readView(model) }), signal);
    const timer = setTimeout(() => this.#giveUp(), PATIENCE);
    const end = () => {
      clearTimeout(timer);
      this.#leave();
    };
    signal.addEventListener("abort", end, { once: true });
    this.#hello();
    this.onChange();
  }

  /** Asks for a picture; the latest wins. `keepRegion`: only a normalisation changed, show the same place. */
  commit(settings: PictureSettings, keepRegion = false): void {
    this.settings = settings;
    this.#behind = false;
    this.#keeping = keepRegion;
    const id = newId();
    const request = { id, kind: "request", purpose: "picture", settings, keep_region: keepRegion } as const;
    this.#ask(id, "picture", this.channel.send(request));
    this.#tell();
  }

  /** Goes to a window that was dragged on the plot; `zoomOut` comes back. */
  zoom(alpha: Range, beta: Range): void {
    if (this.state.link === "saved" || !drawable(alpha) || !drawable(beta)) return;
    this.#windows.push(this.settings);
    this.commit({ ...this.settings, alpha_range: alpha, beta_range: beta });
  }

  zoomOut(): void {
    const window = this.#windows.pop(this.settings);
    if (window !== null) this.commit({ ...this.settings, ...window });
  }

  get zoomed(): boolean {
    return this.#windows.holds(this.settings);
  }

  /** Chooses the curves beside α and β; they are asked for while the curves are shown. */
  cut(part: Partial<Cuts>): void {
    this.cuts = { ...this.cuts, ...part };
    this.#tell();
  }

  requestCurves(settings: CurveSettings): void {
    const id = newId();
    this.#ask(id, "curves", this.channel.send({ id, kind: "request", purpose: "curves", settings }));
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
    this.#tell();
  }

  cancel(purpose: Work): void {
    this.channel.send({ id: newId(), kind: "cancel", purpose });
  }

  /** Holds a job, or lets it go on: the kernel's queue tells when it does. */
  pause(purpose: Work, paused: boolean): void {
    this.channel.send({ id: newId(), kind: "pause", purpose, paused });
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
    this.#ask(id, "hello", this.channel.send({ id, kind: "hello", view: this.#id }));
  }

  #ask(id: string, purpose: Purpose, sent: boolean): void {
    this.state = sent ? requested(this.state, id, purpose) : { ...this.state, link: "saved" };
  }

  #tell(): void {
    this.#followCurves();
    this.onChange();
  }

  /** Curves are asked for once the picture beside them is the one asked for, and stopped when nobody sees them. */
  #followCurves(): void {
    if (this.view.view !== "curves") {
      if (cutting(this.state)) this.#dropCurves();
      return;
    }
    if (this.state.wanted !== null || this.state.link === "saved") return;
    const settings = curveSettings(this.view, this.settings, this.options.sources, this.cuts);
    const asked = JSON.stringify(settings);
    if (asked === this.#asked) return;
    if (settings === null) this.#dropCurves();
    else this.requestCurves(settings);
    this.#asked = asked;
  }

  #dropCurves(): void {
    if (cutting(this.state)) this.cancel("curves");
    this.state = withoutCurves(this.state);
    this.#asked = "null";
  }

  #leave(): void {
    if (cutting(this.state)) this.cancel("curves");
    this.channel.send({ kind: "goodbye", view: this.#id });
  }

  #receive(incoming: Incoming): void {
    const { message } = incoming;
    const { picture: before, wanted } = this.state;
    this.state = receive(this.state, incoming);
    if (message.kind === "tile") {
      const { run, seq } = message;
      if (this.state.picture !== before) this.#owed = { run, seq };
      else this.channel.send({ kind: "ack", run, seq });
    }
    if (this.state.wanted === null) {
      if (this.state.missed !== null) this.#lookFor(this.state.missed);
      const ended = message.kind === "result" || message.kind === "error";
      const adopted = wanted !== null && this.#behind;
      if (adopted || (ended && message.purpose === "picture")) this.settings = readSettings(this.model);
      this.#behind = false;
    }
    this.#tell();
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

  /** The kernel's settings hold, except while our own request is on its way; the ranges it asked for come with them. */
  #follow(): void {
    const settings = readSettings(this.model);
    const answer = this.#keeping && sameAxes(settings, this.settings);
    if (this.state.wanted === null || answer) this.#set({ settings });
    else this.#behind = true;
  }

  #set(part: Partial<Pick<Session, "settings" | "view" | "options">>): void {
    Object.assign(this, part);
    this.#tell();
  }

  #giveUp(): void {
    if (this.state.link !== "waiting") return;
    if (this.state.picture === null) return;
    this.state = { ...this.state, link: "saved" };
    this.onChange();
  }
}

function sameAxes(a: PictureSettings, b: PictureSettings): boolean {
  return JSON.stringify([a.alpha, a.beta]) === JSON.stringify([b.alpha, b.beta]);
}
