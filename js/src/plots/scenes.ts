// How many surfaces of a page may be alive: browsers keep about 16 WebGL contexts, and take the oldest beyond.

/** Live surfaces on a page; one more puts the least recently used to sleep. */
export const MOST = 6;

export interface LiveScene {
  readonly host: HTMLElement;
  /** Gives its context back; it has left the list already. */
  sleep(): void;
}

/** The live scenes, the least recently used first. */
const live: LiveScene[] = [];

/** Notes that a scene is alive and was just used; may put another to sleep. */
export function use(scene: LiveScene): void {
  leave(scene);
  live.push(scene);
  while (live.length > MOST) {
    const others = live.slice(0, -1);
    const victim = others.find(({ host }) => !visible(host)) ?? (others[0] as LiveScene);
    leave(victim);
    victim.sleep();
  }
}

/** Notes a use of a scene that is alive already. */
export function touch(scene: LiveScene): void {
  if (live.includes(scene)) use(scene);
}

export function leave(scene: LiveScene): void {
  const at = live.indexOf(scene);
  if (at >= 0) live.splice(at, 1);
}

export function liveScenes(): number {
  return live.length;
}

/** Whether any of the element is within the window now. */
function visible(host: HTMLElement): boolean {
  const { bottom, top, left, right } = host.getBoundingClientRect();
  const { innerWidth, innerHeight } = window;
  return (
    host.isConnected && bottom > top && bottom > 0 && right > 0 && top < innerHeight && left < innerWidth
  );
}
