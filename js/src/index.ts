// What the bundle offers to the loaders: one entry a widget, and nothing that lives outside a view.

import type { WidgetModel } from "./protocol/channel";
import { ExplorerView } from "./views/explorer/view";
import { SaddleView } from "./views/lab/saddle";
import { SpectrumView } from "./views/lab/spectrum";
import { TraceView } from "./views/lab/trace";

export { replay } from "./offline/replay";

interface RenderContext {
  readonly model: WidgetModel;
  readonly el: HTMLElement;
  readonly signal?: AbortSignal;
}

interface View {
  mount(): void;
}

/** A view as the loaders take it: it goes when `signal` aborts or the returned function is called. */
function entry(make: (model: WidgetModel, el: HTMLElement, signal: AbortSignal) => View) {
  return {
    render({ model, el, signal }: RenderContext): () => void {
      const owner = new AbortController();
      const end = () => owner.abort();
      if (signal?.aborted) end();
      signal?.addEventListener("abort", end, { once: true, signal: owner.signal });
      if (!owner.signal.aborted) make(model, el, owner.signal).mount();
      return end;
    },
  };
}

export const explorer = entry((model, el, signal) => new ExplorerView(model, el, signal));
export const trace = entry((model, el, signal) => new TraceView(model, el, signal));

export const spectrum = entry((model, el, signal) => new SpectrumView(model, el, signal));
export const saddle = entry((model, el, signal) => new SaddleView(model, el, signal));
