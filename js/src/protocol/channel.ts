// The line to the kernel. A view knows only this interface, so a recorded kernel can stand in for a real one.

import { type Draft, decode, encode, type Incoming, ProtocolError } from "./codec";

/** What anywidget hands to a view, as far as we use it. */
export interface WidgetModel {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  on(event: string, callback: (...args: never[]) => void): void;
  off(event: string, callback: (...args: never[]) => void): void;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
}

export interface Channel {
  /** False where there is no kernel to send to. */
  send(draft: Draft): boolean;
  /** Calls `receive` with every readable message and `refuse` with the reason for every other, until `signal` aborts. */
  listen(
    receive: (incoming: Incoming) => void,
    refuse: (error: ProtocolError) => void,
    signal: AbortSignal,
  ): void;
}

export function modelChannel(model: WidgetModel): Channel {
  return {
    send(draft) {
      try {
        model.send(encode(draft), undefined, []);
        return true;
      } catch {
        return false;
      }
    },
    listen(receive, refuse, signal) {
      const handle = (raw: unknown, buffers?: readonly DataView[]) => {
        let incoming: Incoming;
        try {
          incoming = decode(raw, buffers ?? []);
        } catch (error) {
          refuse(error instanceof ProtocolError ? error : new ProtocolError(String(error)));
          return;
        }
        receive(incoming);
      };
      observeModel(model, "msg:custom", handle, signal);
    },
  };
}

/** Listens to a model's event until `signal` aborts. */
export function observeModel(
  model: WidgetModel,
  event: string,
  callback: (...args: never[]) => void,
  signal: AbortSignal,
): void {
  if (signal.aborted) return;
  model.on(event, callback);
  signal.addEventListener("abort", () => model.off(event, callback), { once: true });
}

/** An id no other view or page makes; crypto.randomUUID is missing on plain-http hubs. */
export function newId(): string {
  const words = crypto.getRandomValues(new Uint32Array(3));
  return [...words].map((word) => word.toString(16).padStart(8, "0")).join("");
}
