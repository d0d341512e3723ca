// WebGL contexts: whether the page gives any, and giving back those that are done with.

let available: boolean | null = null;

/** Whether this page can draw in three dimensions; asked once. A page that lacks the interface itself is no browser. */
export function webglAvailable(): boolean {
  available ??= typeof WebGLRenderingContext === "undefined" || creates();
  return available;
}

function creates(): boolean {
  const context = contextOf(document.createElement("canvas"));
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context !== null;
}

function contextOf(canvas: HTMLCanvasElement): WebGLRenderingContext | WebGL2RenderingContext | null {
  try {
    return canvas.getContext("webgl") ?? canvas.getContext("webgl2");
  } catch {
    return null;
  }
}

/**
 * Notes the contexts under an element; what is returned gives back those that have left it since.
 * A browser would keep them until it collects garbage, and take the oldest from whoever still draws with it.
 */
export function contextsOf(host: HTMLElement): () => void {
  const canvases = [...host.querySelectorAll<HTMLCanvasElement>(".gl-container canvas")];
  return () => {
    for (const canvas of canvases) if (!host.contains(canvas)) giveBack(canvas);
  };
}

function giveBack(canvas: HTMLCanvasElement): void {
  // plotly listens too, and would have us rebuild what we have just taken down.
  canvas.addEventListener("webglcontextlost", (event) => event.stopImmediatePropagation(), { capture: true });
  contextOf(canvas)?.getExtension("WEBGL_lose_context")?.loseContext();
}
