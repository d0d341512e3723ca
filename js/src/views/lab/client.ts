// A lab's half of the talk with the kernel: settings out, states in. No DOM.

import { type Channel, newId, observeModel, type WidgetModel } from "../../protocol/channel";
import { type Arrays, type Draft, decode, type Incoming, type ProtocolError } from "../../protocol/codec";
import type {
  QueuedJob,
  Result,
  SaddleState,
  SpectrumState,
  ToPage,
  TraceState,
} from "../../protocol/messages";

export type LabState = SaddleState | TraceState | SpectrumState;

export interface LabNow<S extends LabState> {
  readonly link: "waiting" | "live" | "saved";
  /** The newest state with its arrays, or null. */
  readonly state: S | null;
  readonly arrays: Arrays;
  /** Our request that has no state yet, or null. */
  readonly wanted: string | null;
  /** How the run of `state` ended, or null while it runs. */
  readonly end: Result | null;
  readonly job: QueuedJob | null;
  readonly problem: { readonly message: string; readonly advice: string } | null;
}

/** How long a silent kernel is waited for before a saved state is called saved. */
const PATIENCE = 5000;

export class LabClient<S extends LabState> {
  now: LabNow<S> = {
    link: "waiting",
    state: null,
    arrays: new Map(),
    wanted: null,
    end: null,
    job: null,
    problem: null,
  };
  /** What was asked for last, here or in the kernel. */
  settings: S["settings"];
  readonly #view = newId();
  #owed: { run: number; seq: number } | null = null;

  constructor(
    private readonly model: WidgetModel,
    private readonly channel: Channel,
    private readonly kind: S["kind"],
    private readonly signal: AbortSignal,
    private readonly onChange: () => void,
  ) {
    this.settings = model.get("settings") as S["settings"];
    this.#restore();
  }

  /** Listens, then says hello: the kernel replays what it has. */
  start(): void {
    const { signal, model, channel } = this;
    channel.listen(
      (incoming) => this.#receive(incoming),
      (error) => this.#refuse(error),
      signal,
    );
    observeModel(model, "change:settings", () => this.#follow(), signal);
    const timer = setTimeout(() => this.#giveUp(), PATIENCE);
    const leave = () => {
      clearTimeout(timer);
      channel.send({ kind: "goodbye", view: this.#view });
    };
    signal.addEventListener("abort", leave, { once: true });
    this.#send({ id: newId(), kind: "hello", view: this.#view });
  }

  /** Asks for a run with these settings; the latest wins. */
  request(settings: S["settings"]): void {
    this.settings = settings;
    const id = newId();
    const sent = this.#send({ id, kind: "request", purpose: this.kind, settings } as Draft);
    if (sent) this.#set({ wanted: id, problem: null });
  }

  cancel(): void {
    this.#send({ id: newId(), kind: "cancel", purpose: "lab" });
  }

  pause(paused: boolean): void {
    this.#send({ id: newId(), kind: "pause", purpose: "lab", paused });
  }

  /** Sends any other message of this lab; false where there is no kernel. */
  say(draft: Draft): boolean {
    return this.#send(draft);
  }

  /** Acknowledges the newest state, which stands for all before it: call once it is painted. */
  acknowledge(): void {
    if (this.#owed !== null) this.channel.send({ kind: "ack", ...this.#owed });
    this.#owed = null;
  }

  #send(draft: Draft): boolean {
    const sent = this.channel.send(draft);
    if (!sent) this.#set({ link: "saved" });
    return sent;
  }

  #receive({ message, arrays }: Incoming): void {
    const live = { link: "live" } as const;
    if (message.kind === this.kind) this.#place(message as S, arrays);
    else if (message.kind === "queue")
      this.#set({ ...live, job: message.jobs.find(({ purpose }) => purpose === "lab") ?? null });
    else if (message.kind === "result") this.#end(message);
    else if (message.kind === "error") {
      const wanted = message.id === this.now.wanted ? null : this.now.wanted;
      this.#set({ ...live, wanted, problem: { message: message.message, advice: message.advice } });
    } else this.#set(live);
  }

  #place(state: S, arrays: Arrays): void {
    const { run, seq } = state;
    const { state: before, wanted } = this.now;
    if (before !== null && (run < before.run || (run === before.run && seq < before.seq))) {
      this.channel.send({ kind: "ack", run, seq });
      return;
    }
    this.#owed = { run, seq };
    const ours = wanted === null || state.id === wanted;
    const problem = ours ? null : this.now.problem;
    this.#set({ link: "live", state, arrays, end: null, wanted: ours ? null : wanted, problem });
  }

  #end(result: Result): void {
    const { wanted, state } = this.now;
    const mine = state !== null && state.id === result.id;
    this.#set({
      link: "live",
      wanted: result.id === wanted ? null : wanted,
      end: mine ? result : this.now.end,
    });
    if (result.id === wanted) this.#follow();
  }

  #refuse(error: ProtocolError): void {
    const advice = "restart the kernel and reload the page, so that both run the same version";
    this.#set({ problem: { message: error.message, advice } });
  }

  /** The kernel's settings hold, except while our own request is on its way. */
  #follow(): void {
    if (this.now.wanted !== null) return;
    this.settings = this.model.get("settings") as S["settings"];
    this.onChange();
  }

  #restore(): void {
    const saved = this.model.get("snapshot") as { message?: unknown; buffers?: readonly DataView[] } | null;
    if (!saved?.message) return;
    try {
      const { message, arrays } = decode(saved.message, saved.buffers ?? []);
      const known = message as ToPage & { kind: string };
      if (known.kind === this.kind) this.now = { ...this.now, state: { ...(message as S), run: -1 }, arrays };
    } catch (error) {
      const advice = "run the cell again to compute it anew";
      this.now = { ...this.now, problem: { message: String(error), advice } };
    }
  }

  #giveUp(): void {
    if (this.now.link === "waiting" && this.now.state !== null) this.#set({ link: "saved" });
  }

  #set(part: Partial<LabNow<S>>): void {
    this.now = { ...this.now, ...part };
    this.onChange();
  }
}
