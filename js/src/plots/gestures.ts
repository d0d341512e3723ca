// Turning the surface by keys and wheel: plotly has neither keys nor a wheel that leaves the notebook alone.

import { type Camera, orbit, zoom } from "./camera";

const STEP = Math.PI / 36;

/** What the gestures move; a camera of null is home. */
export interface Turntable {
  readonly active: () => boolean;
  readonly camera: () => Camera;
  readonly look: (camera: Camera | null) => void;
}

export function cameraGestures(host: HTMLElement, table: Turntable, signal: AbortSignal): void {
  host.addEventListener("keydown", (event) => onKey(event, table), { signal });
  host.addEventListener("wheel", (event) => onWheel(event, host, table), { signal, passive: false });
}

const MOVES: Readonly<Record<string, (camera: Camera) => Camera | null>> = {
  ArrowLeft: (camera) => orbit(camera, -STEP, 0),
  ArrowRight: (camera) => orbit(camera, STEP, 0),
  ArrowUp: (camera) => orbit(camera, 0, STEP),
  ArrowDown: (camera) => orbit(camera, 0, -STEP),
  "+": (camera) => zoom(camera, 0.9),
  "=": (camera) => zoom(camera, 0.9),
  "-": (camera) => zoom(camera, 1 / 0.9),
  "0": () => null,
};

function onKey(event: KeyboardEvent, table: Turntable): void {
  if (!table.active() || event.ctrlKey || event.metaKey || event.altKey) return;
  const move = MOVES[event.key];
  if (move === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  table.look(move(table.camera()));
}

/** The wheel scrolls the notebook, as everywhere else; with Ctrl or in full screen it zooms. */
function onWheel(event: WheelEvent, host: HTMLElement, table: Turntable): void {
  const full = host.closest(".lw-full") !== null;
  if (!table.active() || !(event.ctrlKey || event.metaKey || full)) return;
  event.preventDefault();
  table.look(zoom(table.camera(), Math.exp(Math.max(-1, Math.min(1, event.deltaY / 400)))));
}
