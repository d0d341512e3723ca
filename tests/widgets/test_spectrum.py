"""The spectrum explorer's Python face, and its talk with a page that has no browser."""

import asyncio

import numpy as np
import pytest
import torch
from page import LONG, Page
from torch import nn

import landscape_widgets as lw
from landscape_widgets.errors import InputError, LandscapeError
from landscape_widgets.protocol.codec import encode
from landscape_widgets.protocol.labs import SendPair, SpectrumRequest, SpectrumSettings
from landscape_widgets.protocol.messages import Cancel
from landscape_widgets.results import Eigenpairs, SpectrumEstimate, SpectrumHistory


class SpectrumPage(Page):
    """A page that draws every state at once."""

    def receive(self, content, buffers=None):
        super().receive(content, buffers)
        if content["kind"] == "spectrum":
            answer = {"v": 1, "kind": "ack", "run": content["run"], "seq": content["seq"]}
            self.explorer._handle_custom_msg(answer, [])


@pytest.fixture(scope="module")
def objective():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    with torch.no_grad():
        for place, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(place)))
    data = torch.randn(20, 3, generator=torch.Generator().manual_seed(9)), torch.arange(20) % 2
    return lw.Objective(model, nn.CrossEntropyLoss(), data, name="small net")


@pytest.fixture
def make(objective):
    made = []

    def spectrum(**options):
        made.append(lw.SpectrumExplorer(objective, **{"steps": 8, "probes": 2, "largest": 2, "smallest": 1, **options}))
        return made[-1]

    yield spectrum
    for widget in made:
        widget.close()


def settings(**changed):
    plain = {"matrix": "hessian", "layer": "", "steps": 8, "probes": 2, "seed": 0, "width": 1.0}
    return SpectrumSettings(**{**plain, **changed})


def test_it_waits_without_a_page_and_says_what_it_found(make, tmp_path):
    spectrum = make(checkpoints=[np.ones(26), np.zeros(26)])
    seen = []
    spectrum.observe(lambda change: seen.append(change["new"]), "sentence")
    result = spectrum.wait(LONG)
    assert isinstance(result, SpectrumEstimate)
    assert isinstance(spectrum.pairs, Eigenpairs)
    assert isinstance(spectrum.history, SpectrumHistory)
    assert spectrum.history.done == 2
    assert spectrum.progress == 1.0
    assert spectrum.status.startswith("Complete: 16 products")
    assert "true residuals" in spectrum.sentence
    assert seen[-1] == spectrum.sentence
    for axis in ("log", "linear"):
        path = spectrum.save_png(tmp_path / f"{axis}.png", axis=axis)
        assert path.read_bytes().startswith(b"\x89PNG")
    assert asyncio.run(spectrum.wait_async()) is result


def test_traits_ask_and_follow(make):
    spectrum = make()
    spectrum.wait(LONG)
    whole = spectrum.result
    spectrum.layer, spectrum.matrix = "2", "gauss_newton"
    assert spectrum.wait(LONG).size == 10
    spectrum.layer, spectrum.matrix = "", "hessian"
    assert np.array_equal(spectrum.wait(LONG).nodes, whole.nodes)
    page = SpectrumPage(spectrum)
    page.say(SpectrumRequest("q1", settings(probes=3, seed=5)))
    assert page.end("q1")["outcome"] == "complete"
    assert (spectrum.probes, spectrum.seed, spectrum.settings["probes"]) == (3, 5, 3)
    assert page.of("spectrum")[-1]["stage"] == "done"


@pytest.mark.parametrize(
    ("trait", "wrong"), [("steps", 0), ("probes", 0), ("layer", "nope"), ("seed", -1), ("width", 0.0)]
)
def test_a_wrong_trait_is_refused_and_keeps_its_value(make, trait, wrong):
    spectrum = make()
    before = getattr(spectrum, trait)
    with pytest.raises(InputError):
        setattr(spectrum, trait, wrong)
    assert getattr(spectrum, trait) == before
    with pytest.raises(InputError):
        make(**{trait: wrong})


def test_wrong_arguments_are_refused(objective, make):
    with pytest.raises(TypeError, match="probes"):
        make(probse=3)
    with pytest.raises(InputError, match="LandscapeExplorer"):
        make(explorer=objective)
    with pytest.raises(InputError, match="objective, got none"):
        lw.SpectrumExplorer()
    with pytest.raises(InputError, match="eigenpairs"):
        make(largest=0, smallest=0)
    with pytest.raises(InputError):
        make(checkpoints=[np.ones(7)])
    other = lw.Objective(nn.Linear(2, 1), nn.MSELoss(), (torch.ones(2, 2), torch.ones(2, 1)))
    with pytest.raises(InputError, match="same 26 parameters"):
        make(explorer=lw.explore(other, resolution=7))
    with pytest.raises(LandscapeError, match="none yet"):
        make().save_png("nothing.png")


def test_a_wrong_request_gets_an_error_and_the_last_picture_stays(make):
    spectrum = make()
    page = SpectrumPage(spectrum)
    spectrum.wait(LONG)
    shown = spectrum.result
    page.say(SpectrumRequest("q1", settings(layer="nope")))
    assert "'0', '2'" in page.end("q1")["advice"]
    broken = encode(SpectrumRequest("q2", settings()))
    broken["settings"]["steps"] = 0
    spectrum._handle_custom_msg(broken, [])
    assert page.end("q2")["kind"] == "error"
    assert spectrum.result is shown
    page.say(SpectrumRequest("q3", settings()))
    assert page.end("q3")["kind"] == "result"
    assert spectrum.error is None


def test_an_eigenvector_goes_to_an_axis_of_the_linked_explorer(objective, make):
    explorer = lw.explore(objective, resolution=3)
    spectrum = make(explorer=explorer)
    page = SpectrumPage(spectrum)
    spectrum.wait(LONG)
    page.say(SendPair("q1", 0, "alpha"))
    assert page.end("q1")["kind"] == "result"
    page.say(SendPair("q2", -1, "beta"))
    assert page.end("q2")["kind"] == "result"
    axes = explorer.wait(LONG).axes
    assert [axis.label for axis in axes] == ["Hessian λ_max", "Hessian λ_min"]
    page.until(lambda: page.of("spectrum")[-1]["axes"] == ["Hessian λ_max", "Hessian λ_min"])
    given = explorer._sources.given
    assert np.array_equal(given[0].vector, spectrum.pairs.vectors[:, 0])
    page.say(SendPair("q3", 0, "alpha"))
    page.end("q3")
    assert len(given) == 2  # what was sent before is not kept twice
    for number, (index, axis, word) in enumerate([(5, "alpha", "within the 3 computed"), (0, "beta", "two different")]):
        page.say(SendPair(f"w{number}", index, axis))
        assert word in page.end(f"w{number}")["message"]
    explorer.close()


def test_sending_from_python(objective, make):
    spectrum = make()
    with pytest.raises(InputError, match="linked explorer"):
        spectrum.send(0)
    explorer = lw.explore(objective, resolution=3)
    linked = make(explorer=explorer)
    with pytest.raises(InputError, match="none yet"):
        linked.send(0)
    linked.layer = "0"
    linked.wait(LONG)
    linked.send(1, "beta")
    assert [axis.label for axis in explorer.wait(LONG).axes] == ["random, seed 0", "Hessian of layer 0 λ_2"]
    assert not explorer._sources.given[0].vector[16:].any()
    with pytest.raises(InputError, match="alpha"):
        linked.send(0, "gamma")
    explorer.close()


def test_cancel_keeps_what_is_known_and_a_page_that_comes_late_sees_it(make):
    spectrum = make(probes=1000, steps=26)
    page = SpectrumPage(spectrum)
    page.until(lambda: page.of("spectrum"))
    page.say(Cancel("c", "lab"))
    page.end("c")
    id = page.of("spectrum")[0]["id"]
    assert page.end(id)["outcome"] == "cancelled"
    assert spectrum.result is not None
    again = SpectrumPage(spectrum, "second")
    again.until(lambda: again.of("spectrum"))
    spectrum.probes = 1
    assert spectrum.wait(LONG).finished == 1
    spectrum.close()
    with pytest.raises(LandscapeError):
        spectrum.cancel()
