import numpy as np
from valleys import surface

from landscape_widgets.figures import camera
from landscape_widgets.figures.triangles import crossings, divided, facing, triangles, whole


def bumpy(rows, columns, seed=0):
    """Points (M, N, 3) of a random surface in the box."""
    z = np.random.default_rng(seed).uniform(-0.36, 0.36, (rows, columns))
    x, y = np.meshgrid(np.linspace(-0.6, 0.6, columns), np.linspace(-0.6, 0.6, rows))
    return np.stack([x, y, z], axis=-1)


def test_the_triangle_painted_last_is_the_nearest_along_every_line_of_sight():
    corners = triangles(bumpy(7, 9)).reshape(-1, 3, 3)
    flat = camera.project(corners)
    rng = np.random.default_rng(1)
    forward = (camera.CENTRE - camera.EYE) / np.linalg.norm(camera.CENTRE - camera.EYE)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    several = 0
    for point in rng.uniform(flat.min(axis=(0, 1)), flat.max(axis=(0, 1)), (400, 2)):
        ray = forward + point[0] * right + point[1] * up
        matrix = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], -np.tile(ray, (96, 1))], -1)
        a, b, distance = np.linalg.solve(matrix, (camera.EYE - corners[:, 0])[..., None])[..., 0].T
        hit = np.flatnonzero((a > 1e-9) & (b > 1e-9) & (a + b < 1 - 1e-9))
        if len(hit):
            assert distance[hit[-1]] == distance[hit].min()
            several += len(hit) > 1
    assert several > 50


def test_triangles_turn_the_same_way_and_show_their_upper_side_from_above():
    flat = triangles(bumpy(5, 6))[..., :2]
    np.testing.assert_array_equal(facing(flat), np.ones((4, 5, 2)))


def test_every_cell_of_a_nan_corner_is_a_hole_and_no_other():
    points = bumpy(6, 7)
    points[2, 3, 2] = np.nan
    grid = triangles(points)
    shown = whole(grid)
    assert np.isfinite(grid.reshape(-1, 3, 3)[shown]).all()
    assert len(shown) == 2 * (5 * 6 - 4)


def test_a_finer_mesh_keeps_every_value_and_every_hole():
    one = surface(np.random.default_rng(0).uniform(1, 2, (7, 13)))
    z = one.loss.copy()
    z[3, 5] = np.nan
    x, y, fine = divided(one.alpha, one.beta, z)
    down, across = (len(y) - 1) // 6, (len(x) - 1) // 12
    np.testing.assert_array_equal(fine[::down, ::across], z)
    np.testing.assert_allclose(x[::across], one.alpha)
    middle = fine[down // 2, across // 2]
    assert z[:2, :2].min() <= middle <= z[:2, :2].max()
    grid = triangles(np.stack([*np.broadcast_arrays(x[None, :], y[:, None]), fine], axis=-1))
    assert len(whole(grid)) == 2 * (6 * 12 - 4) * down * across


def test_contour_lines_lie_at_their_level_on_the_edges_of_their_triangle():
    corners = triangles(bumpy(6, 6)).reshape(-1, 3, 3)
    levels = np.linspace(-0.3, 0.3, 7)
    segments, owners = crossings(corners, levels)
    assert len(segments) == sum(
        ((corners[:, :, 2].min(axis=1) < level) & (level <= corners[:, :, 2].max(axis=1))).sum() for level in levels
    )
    assert np.abs(segments[:, :, 2, None] - levels).min(axis=-1).max() < 1e-12
    basis = np.concatenate([corners[owners], np.ones((len(owners), 3, 1))], axis=2).transpose(0, 2, 1)[:, [0, 1, 3]]
    ends = np.concatenate([segments[..., :2], np.ones((len(owners), 2, 1))], axis=2)
    weights = np.linalg.solve(basis[:, None], ends[..., None])[..., 0]
    assert weights.min() > -1e-9
    assert np.abs(weights).min(axis=-1).max() < 1e-9
