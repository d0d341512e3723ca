// The camera of the surface: plain geometry.

export interface Vector {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

export interface Camera {
  readonly eye: Vector;
  readonly center: Vector;
  readonly up: Vector;
}

/** From the front and above: the valley opens towards the reader. */
export const HOME: Camera = {
  eye: { x: 1.22, y: -1.52, z: 0.82 },
  center: { x: 0.03, y: 0, z: -0.16 },
  up: { x: 0, y: 0, z: 1 },
};

const WIDE = 1.19;
/** What the words beside the surface take of the width, in pixels: they do not shrink with it. */
const LABELS = 120;

/** Home for a plot of this size: a narrow one is seen from farther away, so that nothing is cut off. */
export function homeFor(width: number, height: number): Camera {
  const aspect = Math.max(width - LABELS, 1) / Math.max(height, 1);
  return aspect < WIDE ? zoom(HOME, Math.min(WIDE / aspect, 3)) : HOME;
}

/** Whether two cameras stand at one place and look one way. */
export function sameCamera(one: Camera | null, other: Camera | null): boolean {
  if (one === null || other === null) return one === other;
  return (["eye", "center", "up"] as const).every((part) =>
    (["x", "y", "z"] as const).every((axis) => Math.abs(one[part][axis] - other[part][axis]) < 1e-9),
  );
}

const STEEPEST = (85 * Math.PI) / 180;
const [NEAREST, FARTHEST] = [0.5, 6];

/** Turns the camera around what it looks at, in radians; it never goes over the top. */
export function orbit(camera: Camera, azimuth: number, elevation: number): Camera {
  const { radius, around, above } = spherical(camera);
  const height = Math.min(Math.max(above + elevation, -STEEPEST), STEEPEST);
  return place(camera, radius, around + azimuth, height);
}

/** Moves the camera along its line of sight: a factor below 1 comes nearer. */
export function zoom(camera: Camera, factor: number): Camera {
  const { radius, around, above } = spherical(camera);
  return place(camera, Math.min(Math.max(radius * factor, NEAREST), FARTHEST), around, above);
}

function spherical({ eye, center }: Camera): { radius: number; around: number; above: number } {
  const [x, y, z] = [eye.x - center.x, eye.y - center.y, eye.z - center.z];
  const radius = Math.hypot(x, y, z) || 1;
  return { radius, around: Math.atan2(y, x), above: Math.asin(z / radius) };
}

function place(camera: Camera, radius: number, around: number, above: number): Camera {
  const { center } = camera;
  const flat = radius * Math.cos(above);
  return {
    ...camera,
    up: { x: 0, y: 0, z: 1 },
    eye: {
      x: center.x + flat * Math.cos(around),
      y: center.y + flat * Math.sin(around),
      z: center.z + radius * Math.sin(above),
    },
  };
}
