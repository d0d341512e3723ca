"""Trajectories against dense singular vectors, explicit projections and losses; files, memory, refusals."""

import copy
import itertools
import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from cases import COUNTER, CountingMLP, naive_loss, problem
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from sklearn.decomposition import PCA
from torch import nn

from landscape_widgets.compute import checkpoint_readers, checkpoints, directions, training_state
from landscape_widgets.compute.checkpoint_readers import save_parameters
from landscape_widgets.compute.checkpoints import Checkpoints
from landscape_widgets.compute.grid import GridEvaluator
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.training import TrainingStream
from landscape_widgets.compute.trajectory import TrajectoryProjection
from landscape_widgets.errors import InputError, LandscapeWarning, Outcome
from landscape_widgets.results import Trajectory


def objective_of(name="MLP tanh", dtype=torch.float64):
    return Objective(*problem(name, dtype), batch_size=32)


def curved(objective, n=9, seed=0, shift=0.5):
    """A path of n points that bends towards the centre, with noise, float64 (n, P) tensor."""
    rng = np.random.default_rng(seed)
    t = np.linspace(1, 0, n)[:, None]
    a, b = rng.standard_normal((2, objective.size)) / objective.size**0.5
    noise = 0.05 * rng.standard_normal((n, objective.size)) / objective.size**0.5
    return objective.center.double() + torch.from_numpy(3 * t * a + np.sin(3 * t) * b + noise + shift * 0.1 * b)


def dense(path, objective, center, k):
    """Coordinates from θ*, directions, shares and residuals by the SVD of the whole displacement matrix."""
    X = path.numpy() - objective.center.numpy()
    about = {"objective": 0.0, "last": X[-1], "mean": X.mean(axis=0)}[center]
    _, sigma, V = np.linalg.svd(X - about, full_matrices=False)
    V = V[:k]
    scores = (X - about) @ V.T
    for j in range(k):
        column = scores[:, j]
        V[j] *= np.sign(column[np.abs(column) >= 0.5 * np.abs(column).max()][0])
    C = X @ V.T
    return C, V, sigma[:k] ** 2 / np.sum(sigma**2), np.linalg.norm(X - C @ V, axis=1), np.linalg.norm(X, axis=1)


@pytest.mark.parametrize("name", ["MLP tanh", "tied weights", "frozen and unused", "TransformerEncoder"])
@pytest.mark.parametrize("center", ["objective", "last", "mean"])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_components_against_the_dense_svd(name, center, k, right, monkeypatch):
    objective = objective_of(name)
    path = curved(objective)
    C, V, shares, residual, distance = dense(path, objective, center, k)
    monkeypatch.setattr(checkpoints, "LEAST_BLOCK", 7 * len(path))  # many blocks, the last one smaller
    monkeypatch.setattr(checkpoints, "MOST_BLOCK", 7 * len(path))
    found = TrajectoryProjection(objective, path, components=k, center=center).run()
    drawn = directions.trajectory(objective, list(path), k, center)
    vectors = np.stack([direction.vector for direction in drawn])
    scale = distance.max()
    pairs = {
        "directions": np.abs(vectors - V).max(),
        "coordinates": np.abs(found.coordinates - C).max() / scale,
        "explained variance": np.abs(found.explained - shares).max(),
        "off-plane distance": np.abs(found.residual - residual).max() / scale,
        "distance": np.abs(found.distance - distance).max() / scale,
    }
    for what, error in pairs.items():
        right.record(f"trajectory: {what}", "SVD of the dense displacements", error, 1e-10)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(k), atol=1e-14)
    assert [axis.label for axis in found.axes] == [direction.label for direction in drawn]
    words = {"objective": ")", "last": " about the last checkpoint)", "mean": " about the mean)"}[center]
    assert drawn[0].label == f"trajectory PC1 ({100 * shares[0]:.0f} % of variance{words}"
    assert (drawn[0].normalization, drawn[0].unit) == ("unit", "parameter distance")
    assert found.outcome is Outcome.COMPLETE
    assert not found.known.any()
    assert found.done == found.total == 4 * -(-objective.size // 7)


def test_centred_at_the_mean_it_is_the_pca_of_scikit_learn(right):
    objective = objective_of()
    path = curved(objective, n=12)
    found = TrajectoryProjection(objective, path, components=3, center="mean").run()
    pca = PCA(3, svd_solver="full").fit(path.numpy())
    scores = found.coordinates - found.coordinates.mean(axis=0)
    theirs = pca.transform(path.numpy())
    theirs *= np.sign((theirs * scores).sum(axis=0))
    right.record(
        "explained variance", "scikit-learn's PCA", np.abs(found.explained - pca.explained_variance_ratio_).max(), 1e-10
    )
    right.record("scores about the mean", "scikit-learn's PCA", np.abs(scores - theirs).max(), 1e-10)


@given(seed=st.integers(0, 10**6), decay=st.floats(0.1, 0.9), far=st.floats(0, 1e3))
@settings(max_examples=30, deadline=None)
def test_any_spectrum_and_any_offset(seed, decay, far):
    objective = objective_of()
    rng = np.random.default_rng(seed)
    n = 8
    U, V = np.linalg.qr(rng.standard_normal((n, n)))[0], np.linalg.qr(rng.standard_normal((objective.size, n)))[0].T
    X = U @ (decay ** np.arange(n)[:, None] * V) + far * 1e-3 * rng.standard_normal(objective.size)
    path = objective.center + torch.from_numpy(X)
    C, _, shares, residual, _ = dense(path, objective, "objective", 2)
    found = TrajectoryProjection(objective, path).run()
    sigma = np.linalg.svd(X, compute_uv=False)
    gap = sigma[0] ** 2 / min(sigma[0] ** 2 - sigma[1] ** 2, sigma[1] ** 2 - sigma[2] ** 2)
    np.testing.assert_allclose(found.explained, shares, atol=1e-12)
    np.testing.assert_allclose(np.abs(found.coordinates), np.abs(C), atol=1e-13 * gap * sigma[0])
    np.testing.assert_allclose(found.residual, residual, atol=1e-13 * gap * sigma[0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_sums_are_in_float64_whatever_the_dtype_of_the_checkpoints(dtype):
    objective = objective_of()
    path = curved(objective, shift=40.0).to(dtype)
    C, _, shares, residual, _ = dense(path.double(), objective, "objective", 2)
    found = TrajectoryProjection(objective, path).run()
    np.testing.assert_allclose(found.coordinates, C, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found.residual, residual, atol=1e-10)
    np.testing.assert_allclose(found.explained, shares, atol=1e-12)


def test_in_float32_the_coordinates_are_of_the_directions_as_drawn():
    objective = objective_of(dtype=torch.float32)
    path = curved(objective)
    D = np.stack([d.vector for d in directions.trajectory(objective, path)]).astype(np.float64)
    assert directions.trajectory(objective, path)[0].vector.dtype == np.float32
    X = path.numpy() - objective.center.double().numpy()
    expected = np.linalg.lstsq(D.T, X.T, rcond=None)[0].T
    found = TrajectoryProjection(objective, path).run()
    np.testing.assert_allclose(found.coordinates, expected, atol=1e-13)
    np.testing.assert_allclose(found.residual, np.linalg.norm(X - expected @ D, axis=1), atol=1e-13)


def test_a_plane_of_other_directions_oblique_and_of_any_length(right):
    objective = objective_of()
    path, plane = curved(objective), [directions.random(objective, seed, "filter") for seed in (0, 1)]
    found = TrajectoryProjection(objective, path, directions=plane).run()
    X = path.numpy() - objective.center.numpy()
    D = np.stack([direction.vector for direction in plane])
    expected = np.linalg.lstsq(D.T, X.T, rcond=None)[0].T
    residual = np.linalg.norm(X - expected @ D, axis=1)
    right.record("projection onto given directions", "least squares", np.abs(found.coordinates - expected).max(), 1e-10)
    right.record("off-plane distance", "explicit projection", np.abs(found.residual - residual).max(), 1e-10)
    assert found.explained.sum() == pytest.approx(1 - np.sum(residual**2) / np.sum(X**2), abs=1e-12)
    alone = TrajectoryProjection(objective, path, directions=plane[:1]).run()
    assert alone.explained[0] == pytest.approx(found.explained[0])
    assert [axis.label for axis in found.axes] == ["random, seed 0", "random, seed 1"]
    with pytest.raises(InputError, match=r"expected independent directions, got .* nearly parallel"):
        TrajectoryProjection(objective, path, directions=[plane[0], plane[0]]).run()
    with pytest.raises(InputError, match="expected directions, got none"):
        TrajectoryProjection(objective, path, directions=[])


@pytest.mark.parametrize("name", ["MLP tanh", "TransformerEncoder"])
def test_losses_at_the_checkpoints_and_at_their_projections(name, right):
    model, loss, data = problem(name)
    objective = Objective(model, loss, data, batch_size=32)
    path = curved(objective, n=5)
    found = TrajectoryProjection(objective, path, losses=True).run()
    expected = [naive_loss(model, loss, data, theta) for theta in path]
    right.record("loss at checkpoints", "naive loss", np.abs(found.loss / expected - 1).max(), 1e-12)
    for (a, b), value in zip(found.coordinates, found.projected_loss, strict=True):
        drawn = directions.trajectory(objective, path)
        surface = GridEvaluator(objective, drawn, extent=((a, a + 1), (b, b + 1)), resolution=3).run()
        right.record("loss at projections", "grid of the same directions", abs(value / surface.loss[0, 0] - 1), 1e-12)
    assert found.known.all()
    assert found.evaluations == 10


def test_a_run_can_be_cancelled_and_resumed_and_computes_nothing_twice(monkeypatch):
    monkeypatch.setattr(checkpoints, "LEAST_BLOCK", 60)
    monkeypatch.setattr(checkpoints, "MOST_BLOCK", 60)
    monkeypatch.setattr("landscape_widgets.compute.trajectory.STEP_SECONDS", 0.0)
    model = CountingMLP()
    _, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data, batch_size=32)
    path = curved(objective, n=4)
    projection = TrajectoryProjection(objective, path, losses=True)
    COUNTER.clear()
    whole, passes = projection.run(), len(COUNTER)
    assert passes == 4 * 2 * objective.batches.count
    pieces = sum(1 for _ in projection.stream())
    assert pieces > 30
    for stop in range(1, pieces, 3):
        COUNTER.clear()
        stream = projection.stream()
        seen = [next(stream) for _ in range(stop)]
        assert all(a.done <= b.done <= b.total for a, b in itertools.pairwise(seen))
        state = stream.checkpoint()
        stream.close()
        assert stream.latest.outcome is Outcome.CANCELLED
        *_, resumed = TrajectoryProjection(objective, path, losses=True).stream(resume=state)
        assert len(COUNTER) == passes
        for field in ("coordinates", "explained", "residual", "distance", "loss", "projected_loss", "known"):
            assert np.array_equal(getattr(resumed, field), getattr(whole, field)), field
    with pytest.raises(InputError, match=r"expected a state of shape \(4, 1\), got \(4, 2\)"):
        TrajectoryProjection(objective, path, components=1).stream(resume=state)


def test_partial_results_know_what_they_know(monkeypatch):
    monkeypatch.setattr("landscape_widgets.compute.trajectory.STEP_SECONDS", 0.0)
    objective = objective_of()
    stages = list(TrajectoryProjection(objective, curved(objective), losses=True).stream())
    assert stages[0].axes == ()
    assert np.isnan(stages[0].coordinates).all()
    for partial in stages:
        assert np.isnan(partial.loss[~partial.known]).all()
        assert np.isfinite(partial.loss[partial.known]).all()
    assert stages[-1].done == stages[-1].total
    assert stages[-1].question["checkpoints"] == 9


def training(path=None, **changed):
    model, loss, data = problem("BatchNorm in eval mode", torch.float32)
    return TrainingStream(model, loss, data, batch_size=32, epochs=3, record_every=2, **changed)


def test_the_trajectory_of_a_training_run(tmp_path):
    run, files = training(), []
    for step in run.stream():
        if step.step % 2 == 0:
            files.append(run.save_checkpoint(tmp_path / f"step{step.step:03}"))
    _, loss, data = problem("BatchNorm in eval mode", torch.float32)
    objective = Objective(run.model, loss, data)
    kept = run.trajectory_checkpoints[1:]
    memory = TrajectoryProjection(objective, kept, steps=run.trajectory_steps[1:]).run()
    from_files = TrajectoryProjection(objective, files).run()
    for field in ("coordinates", "explained", "residual", "distance", "steps"):
        assert np.array_equal(getattr(memory, field), getattr(from_files, field)), field
    assert from_files.labels[0] == "checkpoint 0 (step002.safetensors)"
    assert memory.distance[-1] == pytest.approx(0.0, abs=1e-12)
    assert from_files.question["notes"] == [
        "other buffers or frozen parameters (1.running_mean, 1.running_var) in the checkpoints; the model's are used"
    ]
    assert training_state.KEY == checkpoint_readers.TRAINING_KEY


def test_every_form_of_a_checkpoint_gives_the_same(tmp_path):
    objective = objective_of("LSTM")
    model = problem("LSTM")[0]
    models = []
    for theta in curved(objective, n=6):
        models.append(copy.deepcopy(model))
        nn.utils.vector_to_parameters(theta, models[-1].parameters())
    for index, each in enumerate(models):
        save_file(each.state_dict(), tmp_path / f"{index}.safetensors")
        save_parameters(tmp_path / f"named {index}", each, step=10 * index)
    forms = {
        "modules": models,
        "state dicts": [each.state_dict() for each in models],
        "arrays": np.stack([nn.utils.parameters_to_vector(each.parameters()).detach().numpy() for each in models]),
        "files": sorted(tmp_path.glob("?.safetensors")),
        "texts": [str(path) for path in sorted(tmp_path.glob("?.safetensors"))],
        "files of ours": sorted(tmp_path.glob("named*")),
        "a generator of modules": (each for each in models),
        "a generator of files": (path for path in sorted(tmp_path.glob("?.safetensors"))),
        "a mixture": [*models[:3], *sorted(tmp_path.glob("?.safetensors"))[3:]],
    }
    found = {name: TrajectoryProjection(objective, form).run() for name, form in forms.items()}
    for name, one in found.items():
        for field in ("coordinates", "explained", "residual", "distance"):
            assert np.array_equal(getattr(one, field), getattr(found["modules"], field)), (name, field)
    assert found["files"].steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert found["files of ours"].steps.tolist() == [0, 10, 20, 30, 40, 50]


def test_a_generator_may_hand_out_the_same_live_model():
    objective, model = objective_of(), problem("MLP tanh")[0]
    path = curved(objective)

    def live():
        for theta in path:
            nn.utils.vector_to_parameters(theta.clone(), model.parameters())
            yield model

    found = TrajectoryProjection(objective, live()).run()
    assert np.array_equal(found.coordinates, TrajectoryProjection(objective, path).run().coordinates)


def test_odd_shapes_and_memory_layouts(tmp_path, monkeypatch):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.row = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.randn(1, 30))
            self.empty, self.kernel = nn.Parameter(torch.zeros(0, 3)), nn.Parameter(torch.randn(4, 3, 2, 2))

        def forward(self, x):
            return self.scale * (x @ self.row.T) + self.kernel.sum()

    model = Odd()
    objective = Objective(model, nn.MSELoss(), (torch.ones(4, 30), torch.ones(4, 1)))
    model.kernel.data = model.kernel.data.to(memory_format=torch.channels_last)
    save_parameters(tmp_path / "odd", model)
    monkeypatch.setattr(checkpoints, "LEAST_BLOCK", 10)
    monkeypatch.setattr(checkpoints, "MOST_BLOCK", 10)
    for form in (model, model.state_dict(), tmp_path / "odd.safetensors"):
        data = Checkpoints(objective, [form, form] if form is not model and not isinstance(form, dict) else [form])
        buffer = np.empty(10)
        read = np.concatenate([data.read(a, b, buffer)[0].copy() for a, b in data.blocks])
        assert np.array_equal(read, objective.center.double().numpy())
        assert np.array_equal(data.vector(0), read)


def line(objective, n=4):
    way = torch.linspace(1, 2, objective.size, dtype=torch.float64)
    return [objective.center + t * way for t in range(1, n + 1)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_too_few_dimensions_are_said(dtype):
    objective = objective_of(dtype=dtype)
    path = [theta.to(dtype) for theta in line(objective)]
    assert directions.trajectory(objective, path, 1)[0].label == "trajectory PC1 (100 % of variance)"
    with pytest.raises(
        InputError, match=r"trajectory of 2 dimensions, got one that spans 1 above rounding.*components=1"
    ):
        directions.trajectory(objective, path)
    with pytest.raises(InputError, match=r"got 4 times the same point \(zero variance\).*keep clones"):
        directions.trajectory(objective, [path[0].clone() for _ in range(4)])
    with pytest.raises(InputError, match="zero variance"):
        directions.trajectory(objective, [objective.center.clone() for _ in range(2)], center="mean")
    repeated = [path[0], path[0].clone(), *curved(objective), path[1], path[1].clone()]
    assert len(directions.trajectory(objective, repeated)) == 2


def test_checkpoints_that_share_memory_are_warned_of():
    objective, model = objective_of(), problem("MLP tanh")[0]
    path = curved(objective)
    kept = [theta.clone() for theta in path]
    with pytest.warns(LandscapeWarning, match=r"checkpoint 9 and checkpoint 10 share their memory.*clone the tensors"):
        directions.trajectory(objective, [*kept, model.state_dict(), model.state_dict()])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        directions.trajectory(objective, path)
        directions.trajectory(objective, [*kept, copy.deepcopy(model).state_dict(), model])


def pickled(folder):
    torch.save(problem("MLP tanh")[0].state_dict(), folder / "model.pt")
    return [folder / "model.pt"] * 2


def cut_short(folder):
    path = save_parameters(folder / "cut", problem("MLP tanh")[0])
    path.write_bytes(path.read_bytes()[:-8])
    return [path, path]


def not_finite(objective):
    path = curved(objective)
    path[3, 31] = float("nan")
    return path


REFUSED = {
    "one": (lambda o, f: [o.center], "expected at least 2 checkpoints, got 1.*record_every"),
    "none": (lambda o, f: iter(()), "expected at least 2 checkpoints, got 0"),
    "a path": (lambda o, f: str(f), "expected several checkpoints, got one str.*glob"),
    "a module": (lambda o, f: nn.Linear(2, 2), "expected several checkpoints, got one Linear"),
    "a vector": (lambda o, f: o.center, "expected several checkpoints, got one Tensor"),
    "a number": (lambda o, f: 3, "expected several checkpoints, got one int"),
    "a folder": (lambda o, f: [f, f], r"expected checkpoint 0 \(.*\) as a file, got a folder.*glob"),
    "pickle": (
        lambda o, f: pickled(f),
        r"checkpoint 0 \(model\.pt\) .* got a pickle.*torch\.load\(path, weights_only=True",
    ),
    "cut short": (lambda o, f: cut_short(f), r"checkpoint 0 \(cut\.safetensors\) .* cannot be read .*save_file"),
    "another net": (
        lambda o, f: [o.center, nn.Linear(5, 6).state_dict()],
        r"expected parameter '0\.weight' of shape \(6, 5\) in checkpoint 1, got none",
    ),
    "another file": (
        lambda o, f: [o.center, save_parameters(f / "x", nn.Sequential(nn.Linear(5, 7)))],
        r"'0\.weight' of shape \(6, 5\).* in checkpoint 1 \(x\.safetensors\), got shape \(7, 5\)",
    ),
    "another length": (lambda o, f: torch.ones(3, 7), r"checkpoint 0 of shape \(57,\).*got shape \(7,\)"),
    "not finite": (
        lambda o, f: not_finite(o),
        r"expected finite parameters, got nan in '0\.bias' of checkpoint 3.*diverged",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.wrong_types
def test_what_cannot_be_used_is_refused(case, tmp_path):
    objective = objective_of()
    make, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        directions.trajectory(objective, make(objective, tmp_path))


@pytest.mark.wrong_types
def test_wrong_arguments_are_refused(tmp_path):
    objective = objective_of()
    path = curved(objective)
    with pytest.raises(InputError, match='expected center as "objective", "last" or "mean", got \'first\''):
        directions.trajectory(objective, path, center="first")
    for components in (0, 10, 2.0):
        with pytest.raises(InputError, match=r"expected components from 1 to 9 \(checkpoints, parameters\)"):
            directions.trajectory(objective, path, components)
    with pytest.raises(InputError, match=r"expected one step a checkpoint \(9\), got shape \(2,\)"):
        TrajectoryProjection(objective, path, steps=[1, 2])
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*nothing\.safetensors"):
        directions.trajectory(objective, [objective.center, tmp_path / "nothing.safetensors"])


def test_a_result_is_saved_and_loaded(tmp_path):
    objective = objective_of()
    found = TrajectoryProjection(objective, curved(objective), losses=True).run()
    again = Trajectory.load(found.save(tmp_path / "path"))
    assert np.array_equal(again.coordinates, found.coordinates)
    assert again.axes[0].label == found.axes[0].label
    assert again.outcome is Outcome.COMPLETE


MEMORY = """
import json, sys, threading, time, tracemalloc
import numpy as np, torch
from torch import nn
from safetensors.torch import save_file
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.trajectory import TrajectoryProjection

torch.set_num_threads(1)
folder, n, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
model = nn.Sequential(nn.Linear(width, width, bias=False), nn.Linear(width, 1, bias=False)).double()
objective = Objective(model, nn.MSELoss(), (torch.ones(2, width).double(), torch.ones(2, 1).double()))
generator, files = torch.Generator().manual_seed(0), []
for index in range(n):
    state = {k: (v + 0.01 * torch.randn(v.shape, generator=generator)).float() for k, v in model.state_dict().items()}
    files.append(f"{folder}/{index}.safetensors")
    save_file(state, files[-1])
TrajectoryProjection(objective, [objective.center, objective.center + 1], components=1).run()  # imports, libraries
def resident():  # private memory, and pages of mapped files
    rows = dict(row.split(":") for row in open("/proc/self/status") if row.startswith("Rss"))
    return [int(rows[name].split()[0]) * 1024 for name in ("RssAnon", "RssFile")]
peak, stop = [resident()], threading.Event()
def watch():
    while not stop.wait(0.001):
        peak.append(resident())
watcher = threading.Thread(target=watch)
watcher.start()
tracemalloc.start()
started = time.perf_counter()
found = TrajectoryProjection(objective, files).run()
seconds = time.perf_counter() - started
traced = tracemalloc.get_traced_memory()[1]
stop.set()
watcher.join()
private, mapped = (np.max(peak, axis=0) - peak[0]).tolist()
print(json.dumps({"size": objective.size, "traced": traced, "private": private, "mapped": mapped, "seconds": seconds,
                  "explained": found.explained.tolist()}))
"""


def measured(folder, n, width):
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(folder), str(n), str(width)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_sixty_checkpoints_take_the_memory_of_a_few_vectors(tmp_path):
    found = measured(tmp_path, 60, 447)
    vector = 8 * found["size"]
    assert found["size"] > 200_000
    assert found["traced"] <= 1.2 * 6 * vector  # a block of two, 2k of components
    assert found["private"] <= 1.2 * 6 * vector + 4e6  # of 60 vectors; the rest is the allocator's
    assert found["mapped"] <= 8e6  # the files hold 48 MB


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_hundred_checkpoints_of_a_million_parameters(tmp_path):
    found = measured(tmp_path, 100, 1000)
    assert found["traced"] <= 1.2 * 6 * 8 * found["size"]
    assert found["private"] <= 1.2 * 6 * 8 * found["size"] + 4e6
