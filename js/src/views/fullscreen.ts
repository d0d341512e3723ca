// Full screen, or the whole window where the page may not have the screen.

export interface FullScreen {
  toggle(): void;
}

export function fullScreen(
  root: HTMLElement,
  onChange: (full: boolean) => void,
  signal: AbortSignal,
): FullScreen {
  const { ownerDocument: page } = root;
  const set = (full: boolean) => {
    if (root.classList.contains("lw-full") === full) return;
    root.classList.toggle("lw-full", full);
    onChange(full);
  };
  const current = () =>
    (root.getRootNode() as Document | ShadowRoot).fullscreenElement ?? page.fullscreenElement;
  page.addEventListener("fullscreenchange", () => set(current() === root), { signal });
  root.addEventListener("keydown", (event) => event.key === "Escape" && !current() && set(false), { signal });
  signal.addEventListener("abort", () => current() === root && void page.exitFullscreen(), { once: true });
  return {
    toggle() {
      if (!root.classList.contains("lw-full")) {
        const asked = root.requestFullscreen?.bind(root);
        if (asked === undefined) set(true);
        else asked().catch(() => set(true));
      } else if (current() === root) void page.exitFullscreen();
      else set(false);
    },
  };
}
