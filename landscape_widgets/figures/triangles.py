"""A mesh as triangles in the order they are painted, with contour lines on them."""

from __future__ import annotations

import numpy as np

CELLS = 72
"""Cells an axis that a coarse mesh is divided into, so that colours run smoothly."""


def divided(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same bilinear surface on a finer mesh; a cell with a NaN corner stays a hole, no other becomes one."""
    finer_x, finer_y = _places(len(x)), _places(len(y))
    z = _between(z, finer_y)
    z = _between(z.T, finer_x).T
    return _between(x, finer_x), _between(y, finer_y), z


def _places(count: int) -> np.ndarray:
    """Positions in units of the index; every index is among them exactly."""
    parts = max(1, round(CELLS / max(count - 1, 1)))
    return np.arange((count - 1) * parts + 1) / parts


def _between(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Linear interpolation along the first axis; at an index, the value itself whatever its neighbour."""
    low = np.minimum(places.astype(int), len(values) - 1)
    high = np.minimum(low + 1, len(values) - 1)
    part = (places - low).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(np.where(part == 0, values[low], (1 - part) * values[low] + part * values[high]))


def triangles(points: np.ndarray) -> np.ndarray:
    """Corners of the two triangles of each cell of a mesh (M, N, 3): (M - 1, N - 1, 2, 3, 3).

    In C order they run far to near for an eye at large x and small y; corners counter-clockwise from above.
    """
    points = points[::-1]
    far, near = points[:-1], points[1:]
    back, front = far[:, 1:], near[:, :-1]
    hidden = np.stack([back, far[:, :-1], front], axis=2)
    shown = np.stack([back, front, near[:, 1:]], axis=2)
    return np.stack([hidden, shown], axis=2)


def whole(grid: np.ndarray) -> np.ndarray:
    """Indices of the triangles, in C order, whose cell has no NaN corner."""
    cells = np.isfinite(grid).all(axis=(2, 3, 4))
    return np.flatnonzero(np.repeat(cells.reshape(-1), 2))


def facing(flat: np.ndarray) -> np.ndarray:
    """For projected triangles (..., 3, 2): 1 where the upper side is seen, -1 where the lower one is."""
    one, other = flat[..., 1, :] - flat[..., 0, :], flat[..., 2, :] - flat[..., 0, :]
    return np.asarray(np.sign(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]))


def crossings(corners: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the planes z = level cut the triangles: ends (S, 2, 3), and the triangle of each, (S,)."""
    order = np.argsort(corners[:, :, 2], axis=1)
    low, middle, high = (corners[np.arange(len(corners)), order[:, k]] for k in range(3))
    segments, owners = [np.empty((0, 2, 3))], [np.empty(0, dtype=int)]
    for level in levels:
        cut = np.flatnonzero((low[:, 2] < level) & (level <= high[:, 2]))
        below = level <= middle[cut, 2]
        start = np.where(below[:, None], low[cut], middle[cut])
        end = np.where(below[:, None], middle[cut], high[cut])
        segments.append(np.stack([_at(low[cut], high[cut], level), _at(start, end, level)], axis=1))
        owners.append(cut)
    return np.concatenate(segments), np.concatenate(owners)


def _at(start: np.ndarray, end: np.ndarray, level: float) -> np.ndarray:
    rise = end[:, 2:] - start[:, 2:]
    part = np.divide(level - start[:, 2:], rise, out=np.zeros_like(rise), where=rise > 0)
    return np.asarray(start + part * (end - start))


def shade(corners: np.ndarray) -> np.ndarray:
    """Brightness of each triangle, (K,): light from above the reader's left shoulder."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1)
    light = np.array([0.25, -0.45, 0.86])
    facing = np.divide(np.abs(normal @ light), length, out=np.ones_like(length), where=length > 0)
    return np.asarray(0.78 + 0.24 * facing)


def lines_on(face: np.ndarray, contour: tuple[float, float, float, float]) -> np.ndarray:
    """The colour of contour lines over faces (S, 4), mixed beforehand: overlapping ends then leave no dots."""
    return np.concatenate([contour[3] * np.array(contour[:3]) + (1 - contour[3]) * face[:, :3], face[:, 3:]], axis=1)
