"""Results travel through a file whole, without pickle, and say so when a file is something else."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest

from landscape_widgets.compute.training import TrainingStep
from landscape_widgets.errors import InputError, LandscapeError, Outcome
from landscape_widgets.results import (
    Axis,
    Direction,
    Eigenpairs,
    Estimate,
    Result,
    SliceCurvature,
    SliceDensity,
    SliceProbabilities,
    SliceSample,
    SliceStanding,
    SpectrumEstimate,
    SpectrumHistory,
    Surface,
    TraceEstimate,
    Trajectory,
)
from landscape_widgets.results.base import _all_results

AXES = (Axis("random, seed 0", "filter", "filter norms", 0, 1.25), Axis("Hessian λ_max", "unit", "parameter distance"))
QUESTION = {"computation": "GridEvaluator", "extent": [[-1.0, 1.0]], "nested": {"tol": float("inf"), "none": None}}

EXAMPLES = {
    TraceEstimate: TraceEstimate(
        1.5,
        0.25,
        (0.9, 2.1),
        "Student t, 95 %",
        "Hutchinson",
        4,
        4,
        0,
        8.0,
        Outcome.COMPLETE,
        0,
        np.array([2.0, 8.0]),
        np.array([1.0, 1.5]),
        np.array([np.nan, 0.25]),
        caution="few probes",
        question=QUESTION,
    ),
    Axis: AXES[1],
    Direction: Direction(np.arange(5, dtype=np.float32), "random, seed 1", "raw", "raw Gaussian steps", 1),
    Eigenpairs: Eigenpairs(
        np.array([2.0, -1.0]),
        np.eye(7, 2, dtype=np.float32),
        np.array([1e-4, np.nan]),
        np.array([2e-3, 1e-8]),
        ("relative", "floor"),
        21,
        Outcome.BUDGET_SPENT,
        False,
        1,
        3,
        4,
        QUESTION,
    ),
    Surface: Surface(
        np.linspace(-1, 1, 3),
        np.linspace(0, 1, 2),
        np.array([[1.0, np.nan, np.inf], [-0.0, 1e-300, 5.0]]),
        np.array([[True, True, True], [True, False, True]]),
        AXES,
        Outcome.CANCELLED,
        {"accuracy": np.full((2, 3), 0.5), "top/5 accuracy": np.zeros((2, 3)), "λ": np.ones((2, 3))},
        4,
        QUESTION,
    ),
    SliceCurvature: SliceCurvature(
        2.0, 0.5, -1.0, np.array([2.1, -1.1]), np.array([np.nan, np.nan]), "saddle", AXES, question=QUESTION
    ),
    Trajectory: Trajectory(
        np.eye(3, 2),
        np.array([0.75, 0.125]),
        np.array([0.0, 1e-300, np.nan]),
        np.ones(3),
        np.array([0, 10, 20]),
        ("checkpoint 0", "checkpoint 1 (epoch1.safetensors)", "checkpoint 2"),
        AXES,
        "mean",
        np.array([2.0, np.nan, 1.0]),
        np.array([np.inf, np.nan, 1.0]),
        np.array([True, False, True]),
        Outcome.CANCELLED,
        5,
        9,
        2,
        QUESTION,
    ),
    Estimate: Estimate(np.array([[1.5, np.nan]]), "cubic spline of log L", 12, 3e-3, None, (0.25, np.inf)),
    SpectrumEstimate: SpectrumEstimate(
        np.array([-1.0, 2.0, 0.5]),
        np.array([0.25, 0.75, 1.0]),
        np.array([0.0, 1e-300, np.nan]),
        np.array([0, 0, 1]),
        np.array([1.25]),
        np.ones(1),
        np.zeros(1, dtype=np.int64),
        np.array([2, 1]),
        np.array([True, False]),
        1,
        2,
        3,
        10,
        3,
        6,
        Outcome.CANCELLED,
        0,
        QUESTION,
    ),
    SpectrumHistory: SpectrumHistory(
        np.array([0, 10]),
        ("checkpoint 0", "checkpoint 1 (epoch1.safetensors)"),
        np.array([[2.0, -1.0], [np.nan, np.nan]]),
        np.array([[1e-4, np.inf], [np.nan, np.nan]]),
        np.full((2, 2), 2e-3),
        np.array([0.5, np.nan]),
        np.array([0.1, np.nan]),
        ("converged", ""),
        1,
        7,
        31,
        Outcome.BUDGET_SPENT,
        0,
        QUESTION,
    ),
    SliceSample: SliceSample(
        np.array([1.0, -2.0]),
        np.array([0.5, -0.0]),
        np.array([1e-300, -3.0]),
        np.array([[1.2, -0.2], [-2.0, -3.0]]),
        np.array([[np.nan, np.nan], [-2.0, -3.0]]),
        np.array([2, 1], dtype=np.int8),
        np.array([[7, 4294967295], [0, 1]]),
        5,
        5,
        3,
        "filter",
        7,
        Outcome.CANCELLED,
        0.25,
        QUESTION,
    ),
    SliceStanding: SliceStanding(np.array([2.0, -1.0]), np.array([1.0, 0.25]), np.full((2, 2), 0.5), 40, "Among 40 …"),
    SliceDensity: SliceDensity("A", np.zeros(2), np.array([np.inf, 0.0]), "FFT", 0.0, True, "singular at 0", QUESTION),
    SliceProbabilities: SliceProbabilities(
        np.zeros(3), np.ones(3), np.full(3, 0.1), 10, 0, 0.5, 0.25, False, True, "It does not hold.", QUESTION
    ),
    TrainingStep: TrainingStep(3, 1, float("nan"), 3, 10, Outcome.RUNNING, 0, {"lr": 0.1}),
}


def same(one, other):
    if isinstance(one, Result):
        assert type(one) is type(other)
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)):
        return (
            type(one) is type(other)
            and len(one) == len(other)
            and all(same(a, b) for a, b in zip(one, other, strict=True))
        )
    if isinstance(one, float) and one != one:
        return other != other
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
def test_a_result_comes_back_whole(kind, tmp_path):
    result = EXAMPLES[kind]
    path = result.save(tmp_path / "result")
    assert path.name == "result.npz"
    loaded = kind.load(path)
    assert same(result, loaded)
    again = loaded.save(tmp_path / "again.npz")
    assert same(result, kind.load(str(again)))


def test_the_comparison_tells_results_apart():
    surface = EXAMPLES[Surface]
    assert not same(AXES[0], AXES[1])
    assert not same(surface, dataclasses.replace(surface, evaluations=5))
    assert not same(surface, dataclasses.replace(surface, loss=surface.loss + 0.0))  # -0.0 is another value
    assert not same(surface, dataclasses.replace(surface, question={**QUESTION, "extent": [(-1.0, 1.0)]}))


def test_every_kind_of_result_has_an_example():
    kinds = {kind for kind in _all_results(Result) if kind.__module__.startswith("landscape_widgets")}
    assert kinds - {Result} == set(EXAMPLES)


def test_one_direction_and_partial_results_come_back(tmp_path):
    curve = Surface(
        np.zeros(3), None, np.full(3, np.nan), np.zeros(3, dtype=bool), AXES[:1], Outcome.RUNNING, {}, 0, {}
    )
    assert same(curve, Surface.load(curve.save(tmp_path / "curve")))
    partial = dataclasses.replace(EXAMPLES[Eigenpairs], vectors=np.empty((7, 0)))
    assert same(partial, Eigenpairs.load(partial.save(tmp_path / "pairs")))


def test_another_kind_is_named(tmp_path):
    path = EXAMPLES[Surface].save(tmp_path / "surface")
    with pytest.raises(InputError, match=r"expected a Eigenpairs of format 1, got a Surface.*Surface\.load"):
        Eigenpairs.load(path)
    with pytest.raises(FileNotFoundError):
        Surface.load(tmp_path / "nothing.npz")


class Payload:
    ran = False

    def __reduce__(self):
        return (exec, ("import builtins; builtins.payload_ran = True",))


def archive(path, **members):
    with zipfile.ZipFile(path, "w") as file:
        for name, array in members.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=True)
            file.writestr(f"{name}.npy", buffer.getvalue())
    return path


def header(kind, fields, version=1):
    text = json.dumps({"format": version, "type": kind, "fields": fields}).encode()
    return np.frombuffer(text, dtype=np.uint8)


def test_a_file_with_pickled_objects_is_refused_and_nothing_in_it_runs(tmp_path):
    import builtins

    evil = np.array([Payload()], dtype=object)
    fields = {"$result": "Direction", "fields": {"vector": {"$array": "vector"}}}
    for members in ({"header": header("Direction", fields), "vector": evil}, {"header": evil}):
        with pytest.raises(InputError, match=r"expected a file written by Direction\.save, got evil\.npz .*pickle"):
            Direction.load(archive(tmp_path / "evil.npz", **members))
        assert not hasattr(builtins, "payload_ran")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"$result": "Popen", "fields": {"args": "true"}},
        {"$result": "Direction", "fields": {"surprise": 1}},
        {"$result": "Direction", "fields": {"vector": {"$array": "missing"}}},
        {"$result": "Surface", "fields": {"outcome": "marvellous"}},
        [],
        "text",
    ],
)
def test_a_crafted_header_is_refused(fields, tmp_path):
    path = archive(tmp_path / "crafted.npz", header=header("Direction", fields))
    with pytest.raises(InputError, match=r"expected a file written by Direction\.save, got crafted\.npz"):
        Direction.load(path)


def test_files_that_are_something_else_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("hello", encoding="utf-8")
    np.savez(tmp_path / "plain.npz", x=np.zeros(3))
    whole = EXAMPLES[Surface].save(tmp_path / "whole").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("text", "plain", "cut"):
        with pytest.raises(InputError, match=r"expected a file written by Surface\.save, got .*save the result again"):
            Surface.load(tmp_path / f"{name}.npz")
    newer = archive(tmp_path / "newer.npz", header=header("Surface", {}, version=9))
    with pytest.raises(LandscapeError, match="expected a Surface of format 1, got a Surface of format 9"):
        Surface.load(newer)


def test_counts_and_acceptance():
    surface, pairs = EXAMPLES[Surface], EXAMPLES[Eigenpairs]
    assert (surface.done, surface.total) == (5, 6)
    assert pairs.accepted.tolist() == [True, False]
    assert EXAMPLES[Direction].axis.length == pytest.approx(30**0.5)


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
def test_a_result_prints_in_a_few_lines_however_many_numbers_it_holds(kind):
    text = repr(EXAMPLES[kind])
    assert text.startswith(f"{kind.__name__}(")
    assert len(text) < 3000
    assert "array(" not in text
