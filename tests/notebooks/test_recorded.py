"""Recorded runs: the files are those of the index, small, and hold what the notebook says of them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import landscape_widgets as lw
from benchmarks import densenet
from notebooks.recorded import classifiers, flatness, records

ENTRIES = records.index()
NETS = [name.removesuffix("-pairs.npz") for name in ENTRIES if name.endswith("-pairs.npz")]
PARAMETERS = {"resnet56": 853_018, "resnet56-plain": 853_018, "vgg9": 2_789_706, "densenet121": 6_956_298}


def files():
    """What lies in the folder beside the scripts."""
    return {path.name for path in records.FOLDER.iterdir() if path.suffix in (".npz", ".safetensors")}


def test_the_index_lists_the_files_and_nothing_else():
    assert set(ENTRIES) == files()
    assert {path.suffix for path in records.FOLDER.iterdir() if path.is_file()} <= {
        ".py",
        ".json",
        ".npz",
        ".safetensors",
    }


@pytest.mark.parametrize("name", ENTRIES)
def test_hash_size_seed_and_command(name):
    entry, path = ENTRIES[name], records.recorded(name)
    assert entry["bytes"] == path.stat().st_size
    assert entry["seed"] >= 0
    assert entry["command"].startswith(("python -m notebooks.recorded.classifiers", "python -m benchmarks.densenet"))


def test_all_together_are_small():
    assert sum(path.stat().st_size for path in records.FOLDER.iterdir() if path.is_file()) <= records.LIMIT


def test_another_file_under_the_same_name_is_refused(tmp_path, monkeypatch):
    name = next(iter(ENTRIES))
    shutil.copy(records.FOLDER / name, tmp_path / name)
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    assert records.recorded(name) == tmp_path / name
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="SHA-256"):
        records.recorded(name)
    with pytest.raises(FileNotFoundError, match="make recorded"):
        records.recorded("nothing.npz")


@pytest.mark.parametrize("name", NETS)
def test_eigenpairs_claim_no_more_than_their_residuals(name):
    pairs, facts = lw.Eigenpairs.load(records.recorded(f"{name}-pairs.npz")), records.facts(f"{name}-pairs.npz")
    assert facts["parameters"] == PARAMETERS[name]
    assert len(pairs.vectors) == PARAMETERS[name]
    assert pairs.products <= classifiers.BUDGET
    assert pairs.values[0] > pairs.values[-1]
    met = pairs.residuals <= np.maximum(1e-2 * np.abs(pairs.values), 1e-5 * np.abs(pairs.values).max() * 1.01)
    assert pairs.outcome is lw.Outcome.CONVERGED or pairs.outcome is lw.Outcome.BUDGET_SPENT
    assert met.all() == (pairs.outcome is lw.Outcome.CONVERGED)
    np.testing.assert_array_equal(met, pairs.accepted)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("kind", ["hessian", "random"])
def test_surfaces_are_whole_and_agree_at_the_centre(name, kind):
    surface, facts = lw.Surface.load(records.recorded(f"{name}-{kind}.npz")), records.facts(f"{name}-{kind}.npz")
    wanted = classifiers.NETS[name].random_resolution if kind == "random" else 13
    assert surface.loss.shape == (wanted, wanted)
    assert surface.known.all()
    assert np.isfinite(surface.loss).all()
    centre = surface.loss[wanted // 2, wanted // 2]
    np.testing.assert_allclose(centre, facts["loss"], rtol=1e-4)
    assert surface.axes[0].normalization == ("filter" if kind == "random" else "unit")


@pytest.mark.parametrize("name", NETS)
def test_curvature_of_the_random_slice_lies_within_the_spectrum(name):
    pairs = lw.Eigenpairs.load(records.recorded(f"{name}-pairs.npz"))
    curvature = lw.SliceCurvature.load(records.recorded(f"{name}-curvature.npz"))
    trace = lw.TraceEstimate.load(records.recorded(f"{name}-trace.npz"))
    slack = pairs.residuals.max()
    assert pairs.values[-1] - slack <= curvature.kappa_per_length[1] <= curvature.kappa_per_length[0]
    assert curvature.kappa_per_length[0] <= pairs.values[0] + slack
    assert trace.outcome is lw.Outcome.COMPLETE
    assert trace.standard_error > 0


def dense_hessian(weights, data):
    """The Hessian of the mean cross-entropy of a two-layer ReLU network, float64, from its formula."""
    inputs, targets = data[0].double(), data[1]
    shapes = [weights[key].shape for key in ("0.weight", "0.bias", "2.weight", "2.bias")]
    flat = torch.cat([weights[key].double().reshape(-1) for key in ("0.weight", "0.bias", "2.weight", "2.bias")])

    def loss(theta):
        pieces = theta.split([shape.numel() for shape in shapes])
        w1, b1, w2, b2 = (piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True))
        return nn.functional.cross_entropy((inputs @ w1.T + b1).relu() @ w2.T + b2, targets)

    return torch.func.hessian(loss)(flat).numpy()


def test_one_recorded_net_against_its_dense_hessian():
    facts = records.facts("flatness.safetensors")
    weights = load_file(records.recorded("flatness.safetensors"))
    assert len(facts["nets"]) == len(flatness.BATCHES) * len(flatness.RATES) * len(flatness.SEEDS)
    name, row = next(iter(facts["nets"].items()))
    own = {key.split("/")[1]: value for key, value in weights.items() if key.startswith(name + "/")}
    matrix = dense_hessian(own, flatness.data()[0])
    values = np.linalg.eigvalsh(matrix)
    np.testing.assert_allclose(row["lambda max"], values[-1], rtol=1e-4)
    np.testing.assert_allclose(row["lambda min"], values[0], rtol=1e-2)
    np.testing.assert_allclose(row["mean curvature"], np.trace(matrix) / len(matrix), rtol=1e-4)


def test_every_small_net_has_its_weights_and_numbers():
    facts = records.facts("flatness.safetensors")
    weights = load_file(records.recorded("flatness.safetensors"))
    assert {key.split("/")[0] for key in weights} == set(facts["nets"])
    train, test = flatness.data()
    for name, row in facts["nets"].items():
        network = lw.zoo.mlp(flatness.SIZES)
        network.load_state_dict(
            {key.split("/")[1]: value for key, value in weights.items() if key.split("/")[0] == name}
        )
        losses = [nn.functional.cross_entropy(network(data[0]), data[1]).item() for data in (train, test)]
        np.testing.assert_allclose([row["training loss"], row["test loss"]], losses, rtol=1e-4)
        np.testing.assert_allclose(row["gap"], losses[1] - losses[0], rtol=1e-3)


def test_the_page_says_what_was_recorded():
    text = densenet.PAGE.read_text(encoding="utf-8")
    part = text.split("<!-- densenet: begin -->")[1].split("<!-- densenet: end -->")[0].strip()
    assert part == "\n".join(densenet.lines(records.facts("densenet121-pairs.npz"))).strip()
    assert "FAILS" not in text
