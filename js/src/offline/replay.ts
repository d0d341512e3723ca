// An explorer without a kernel, in a file of its own.

import { ExplorerView } from "../views/explorer/view";
import { ReplayModel } from "./kernel";

/** Shows the explorer that a file holds inside an element; returns a function that takes it away. */
export function replay(el: HTMLElement, data: unknown): () => void {
  const owner = new AbortController();
  new ExplorerView(new ReplayModel(data), el, owner.signal).mount();
  return () => owner.abort();
}
