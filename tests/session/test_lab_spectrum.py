"""What the spectrum explorer computes, against dense float64 spectra; nothing is computed twice."""

import math

import numpy as np
import pytest
import torch
from cases import Once, build, dense_hessian, mlp, seeded
from torch import nn

from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators import retained
from landscape_widgets.errors import InputError, ModelError, Outcome
from landscape_widgets.protocol.codec import unpack
from landscape_widgets.protocol.labs import SpectrumSettings
from landscape_widgets.results import Eigenpairs
from landscape_widgets.session import spectrum_work
from landscape_widgets.session.lab_spectrum import SpectrumLab
from landscape_widgets.session.spectrum_words import rounded_up, sentence

EXACT = "NumPy eigvalsh of the dense float64 matrix"
LOSS = nn.CrossEntropyLoss()


class Silent:
    """A listener that hears nothing."""

    def begun(self, settings):
        pass

    def shown(self, view, finished):
        pass

    def failed(self, error):
        pass


def settings(**changed):
    plain = {"matrix": "hessian", "layer": "", "steps": 40, "probes": 3, "seed": 0, "width": 1.0}
    return SpectrumSettings(**{**plain, **changed})


def small(seed=0):
    """(model, data) with P = 35, in float64."""
    data = torch.randn(40, 4, generator=seeded(seed + 1), dtype=torch.float64)
    return build(lambda: mlp(nn.Tanh, (4, 4, 3))), (data, torch.randint(0, 3, (40,), generator=seeded(2)))


def test_one_copy_of_a_multiple_eigenvalue_is_said_to_be_one():
    model, data = small()
    wanted = settings(matrix="gauss_newton", layer="2", steps=5, probes=1)
    exact = np.linalg.eigvalsh(dense_gauss_newton(model, data)[20:, 20:])
    assert exact[1] < 1e-12  # twice zero: all logits may rise together
    plain, verified = (made(model, data, smallest=2, verify=verify) for verify in (False, True))
    assert abs(last(plain, wanted).pairs.values[-2]) > 1e-3
    assert "one copy" in arrays(plain, last(plain, wanted))[0].caption
    assert abs(last(verified, wanted).pairs.values[-2]) < 1e-6
    assert "one copy" not in arrays(verified, last(verified, wanted))[0].caption


def made(model, data, **options):
    return SpectrumLab(Objective(model, LOSS, data), Silent(), **options)


def last(lab, wanted):
    *_, view = lab.steps(wanted)
    return view


def arrays(lab, view):
    message, buffers = lab.message(view, "q", 1, 0)
    return message, unpack(message.arrays, buffers)


def dense_gauss_newton(model, data):
    """JᵀHJ of the mean cross-entropy: the Jacobian by forward mode, H = diag(p) - ppᵀ in closed form."""
    names = [name for name, _ in model.named_parameters()]

    def outputs(*parameters):
        return torch.func.functional_call(model, dict(zip(names, parameters, strict=True)), data[0])

    values = tuple(parameter.detach() for parameter in model.parameters())
    pieces = torch.func.jacfwd(outputs, argnums=tuple(range(len(values))))(*values)
    J = torch.cat([piece.flatten(2) for piece in pieces], dim=2)
    p = torch.softmax(outputs(*values), dim=1)
    H = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    return (torch.einsum("nap,nab,nbq->pq", J, H, J) / len(p)).detach().numpy()


@pytest.fixture
def products(monkeypatch):
    """Counts multiplications by the graph of a batch, one a product where there is one batch."""
    counted = []
    original = retained.RetainedGraphs._graph

    def graph(self, *given):
        counted.append(1)
        return original(self, *given)

    monkeypatch.setattr(retained.RetainedGraphs, "_graph", graph)
    return counted


@pytest.fixture(scope="module")
def network():
    """(lab, exact eigenvalues) of a tanh network with P = 171."""
    model = build(lambda: mlp(nn.Tanh, (8, 14, 3)))
    data = torch.randn(64, 8, generator=seeded(1), dtype=torch.float64)
    targets = (data[:, 0] * data[:, 1] > 0).long()
    return made(model, (data, targets)), np.linalg.eigvalsh(dense_hessian(model, LOSS, (data, targets)))


@pytest.mark.parametrize("width", [1.0, 0.5, 2.0])
def test_the_drawn_density_is_the_smoothed_exact_one_within_its_own_band(width, network, right, monkeypatch):
    monkeypatch.setattr(spectrum_work, "EXACT_SIZE", 0)
    lab, exact = network
    message, drawn = arrays(lab, last(lab, settings(steps=40, probes=20, width=width)))
    x, sigma = drawn["x"].astype(float), message.width
    assert "exact" not in drawn
    bells = np.exp(-((x[:, None] - exact) ** 2) / (2 * sigma**2)) / math.sqrt(2 * math.pi * sigma**2)
    one = 1 / (len(exact) * sigma * math.sqrt(2 * math.pi))

    def errors(truth):
        """In standard errors; a hundredth of what a single eigenvalue is high is left for rounding and few steps."""
        return (np.abs(drawn["density"] - truth) / (drawn["spread"] + 1e-2 * one)).max()

    # Student's t of 19 degrees of freedom is beyond 4.9 once in 10,000 draws.
    name = "drawn density against the smoothed exact one, in its own standard errors"
    right.record(name, EXACT, errors(bells.mean(axis=1)), 4.9, len(x))
    assert errors(np.roll(bells.mean(axis=1), len(x) // 20)) > 4.9  # the comparison can fail
    assert abs(message.mass - 1) < 1e-6
    assert "20 probes × 40 steps" in message.caption


@pytest.mark.parametrize("matrix", ["hessian", "gauss_newton", "difference"])
@pytest.mark.parametrize("layer", ["", "0", "2"])
def test_every_matrix_of_every_layer_has_the_dense_spectrum(matrix, layer, right):
    model, data = small()
    H, G = dense_hessian(model, LOSS, data), dense_gauss_newton(model, data)
    dense = {"hessian": H, "gauss_newton": G, "difference": H - G}[matrix]
    block = {"": slice(0, 35), "0": slice(0, 20), "2": slice(20, 35)}[layer]
    values = np.linalg.eigvalsh(dense[block, block])
    scale = np.abs(np.linalg.eigvalsh(H)).max()
    lab = made(model, data, largest=2, smallest=2, verify=True)
    wanted = settings(matrix=matrix, layer=layer, steps=200, probes=1)
    view = last(lab, wanted)
    assert view.size == len(values)
    case = "all eigenvalues of H, G and H - G, whole and by layer"
    right.record(case, EXACT, np.abs(view.exact - values).max() / scale, 1e-12, len(values))
    ends = values[[-1, -2, 1, 0]]
    bound = 1e-3 * np.abs(ends) + 1e-7 * scale
    assert (np.abs(view.pairs.values - ends) <= bound).all()
    direction = lab.direction(wanted, 0)
    inside, outside = direction.vector[block], np.delete(direction.vector, np.arange(35)[block])
    assert not outside.any()
    assert np.linalg.norm(dense[block, block] @ inside - view.pairs.values[0] * inside) <= 2e-3 * scale
    assert direction.label.endswith("λ_max")
    assert ("layer" in direction.label) == bool(layer)


def test_another_width_or_fewer_probes_compute_nothing_and_more_probes_go_on(products):
    lab = made(*small())
    first = last(lab, settings(steps=20, probes=3))
    assert len(products) == 3 * 20 + first.pairs.products + 35
    before = len(products)
    wider = last(lab, settings(steps=20, probes=3, width=4.0))
    fewer = last(lab, settings(steps=20, probes=2))
    assert len(products) == before
    assert wider.width == 4.0 * first.width
    more = last(lab, settings(steps=20, probes=5))
    assert len(products) == before + 2 * 20
    alone = last(made(*small()), settings(steps=20, probes=2))
    for name in ("nodes", "weights", "coarse_nodes", "taken"):
        assert np.array_equal(getattr(fewer.estimate, name), getattr(alone.estimate, name))
    assert (fewer.estimate.products, fewer.estimate.total, fewer.estimate.outcome) == (40, 40, Outcome.COMPLETE)
    assert np.array_equal(more.estimate.nodes[:60], first.estimate.nodes)


def test_going_back_to_a_matrix_a_layer_or_a_seed_computes_nothing(products):
    lab = made(*small())
    places = [{}, {"matrix": "gauss_newton"}, {"matrix": "difference", "layer": "0"}, {"seed": 4}, {"steps": 10}]
    seen = [last(lab, settings(**place)) for place in places]
    before = len(products)
    for place, view in zip(places, seen, strict=True):
        states = list(lab.steps(settings(**place)))
        assert len(states) == 1
        assert np.array_equal(states[0].estimate.nodes, view.estimate.nodes)
        assert states[0].pairs is view.pairs
    assert len(products) == before


@pytest.mark.parametrize("left", [1, 17, 45, 70, 100])
def test_a_run_that_is_left_goes_on_where_it_was(left, products):
    straight = last(made(*small()), settings(steps=20, probes=2))
    spent = len(products)
    products.clear()
    lab = made(*small())
    steps = lab.steps(settings(steps=20, probes=2))
    for _ in range(left):
        next(steps)
    steps.close()
    list(lab.steps(settings(matrix="gauss_newton", steps=5, probes=1)))
    between = 5 + lab.pairs_of(settings(matrix="gauss_newton")).products + 35
    view = last(lab, settings(steps=20, probes=2))
    assert len(products) == spent + between
    assert np.array_equal(view.estimate.nodes, straight.estimate.nodes)
    assert np.array_equal(view.pairs.values, straight.pairs.values)


def test_bases_beyond_the_memory_limit_are_given_up(products, monkeypatch):
    lab = made(*small())

    def begun(seed):
        steps = lab.steps(settings(steps=20, probes=1, seed=seed))
        for _ in range(10):
            next(steps)
        steps.close()

    begun(1)
    begun(2)
    assert len(products) == 20
    monkeypatch.setattr(spectrum_work, "KEPT_BYTES", 0)
    begun(3)
    products.clear()
    found = lab._densities.stream((("hessian", ""), 20, 1), 1)
    assert [*found][-1].finished == 1
    assert len(products) == 20  # begun anew


def test_the_order_is_density_pairs_all_eigenvalues_checkpoints():
    model, data = small()
    centre = nn.utils.parameters_to_vector(model.parameters()).detach()
    lab = made(model, data, checkpoints=[0.5 * centre, centre])
    states = list(lab.steps(settings(steps=10, probes=2)))
    stages = [view.stage for view in states]
    assert list(dict.fromkeys(stages)) == ["density", "eigenpairs", "exact", "checkpoints", "done"]
    assert all(view.status and (view.part is None or 0 <= view.part <= 1) for view in states)
    early = next(view for view in states if len(view.estimate.nodes))
    assert "unfinished probe" in arrays(lab, early)[0].caution
    assert not arrays(lab, early)[1].keys() & {"exact", "steps"}


def test_the_training_run_has_the_dense_ends_traces_and_losses(right):
    model, data = small()
    centre = nn.utils.parameters_to_vector(model.parameters()).detach()
    scales = (0.3, 0.7, 1.0)
    lab = made(model, data, checkpoints={10 * place: scale * centre for place, scale in enumerate(scales)})
    message, drawn = arrays(lab, last(lab, settings(steps=5, probes=1)))
    assert (drawn["steps"].tolist(), message.history_axis) == ([0, 10, 20], "training step")
    with torch.no_grad():
        for index, scale in enumerate(scales):
            nn.utils.vector_to_parameters(scale * centre, model.parameters())
            loss = float(LOSS(model(data[0]), data[1]))
            exact = np.linalg.eigvalsh(dense_hessian(model, LOSS, data))
            ends = np.abs(drawn["values"][:, index] - exact[[-1, 0]]).max() / np.abs(exact).max()
            right.record("λ_max and λ_min over checkpoints, drawn; tol 1e-3", EXACT, ends, 1e-3)
            assert abs(drawn["losses"][index] - loss) < 1e-6
            # Nine degrees of freedom: beyond 5.5 standard errors in fewer than one draw of 2,000.
            assert abs(drawn["traces"][index] - exact.sum()) < 5.5 * drawn["trace-errors"][index]


def test_the_sentence_counts_what_is_there():
    values = np.r_[np.linspace(-0.03, 0.03, 90), np.linspace(1.0, 2.0, 10)]
    words = sentence(None, None, values)
    assert words.startswith("90 % of 100 eigenvalues lie within ±0.03; 10 stand out above 0.2; λ_max = 2.00")
    assert words.endswith("the trace is 15.0.")
    assert sentence(None, None, np.zeros(5)).startswith("All 5 eigenvalues are 0")
    assert sentence(None, None, np.array([np.nan])) == ""
    assert rounded_up(float("nan")) == 0.0


def test_pairs_that_are_not_accepted_are_called_so():
    pairs = Eigenpairs(
        values=np.array([2.0, -1.0]), vectors=np.eye(5)[:, :2], residuals=np.array([0.5, 1e-6]),
        bounds=np.array([1e-3, 1e-3]), criteria=("relative", "relative"), products=9, outcome=Outcome.BUDGET_SPENT,
        multiplicity_checked=False, largest=1, seed=0,
    )  # fmt: skip
    assert "not yet converged" in sentence(None, pairs, np.array([-1.0, 0.0, 0.0, 0.0, 2.0]))


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"layer": "nope"}, "'0', '2'"),
        ({"steps": 0}, "steps"),
        ({"probes": 0}, "probes"),
        ({"width": float("nan")}, "width"),
        ({"matrix": "fisher"}, "gauss_newton"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, word):
    with pytest.raises(InputError, match=word):
        made(*small()).check(settings(**wrong))


def test_an_index_beyond_what_was_computed_says_so():
    lab = made(*small(), largest=2, smallest=1)
    with pytest.raises(InputError, match="none yet"):
        lab.direction(settings(), 0)
    last(lab, settings(probes=1))
    for index in (3, -4):
        with pytest.raises(InputError, match=f"within the 3 computed, got {index}"):
            lab.direction(settings(), index)
    assert lab.direction(settings(), -1).label == "Hessian λ_min"


def test_steps_of_checkpoints_rise():
    with pytest.raises(InputError, match="rising"):
        made(*small(), checkpoints={5: torch.zeros(35), 0: torch.zeros(35)})


def test_checkpoints_of_another_architecture_are_refused():
    with pytest.raises(InputError):
        made(*small(), checkpoints=[torch.zeros(7, dtype=torch.float64)])


def test_a_loss_that_is_not_twice_differentiable_says_so_every_time():
    model, data = small()
    lab = SpectrumLab(Objective(model, lambda outputs, _: Once.apply(outputs).square().mean(), data), Silent())
    for _ in range(2):
        with pytest.raises(ModelError, match="differentiated twice"):
            list(lab.steps(settings()))


def test_nan_is_an_outcome_with_advice():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return x * (self.weight - 1.0).abs().sqrt().sum() * self.weight.sum()

    objective = Objective(Broken(), lambda outputs, _: outputs.mean(), (torch.ones(4, 1), torch.ones(4, 1)))
    lab = SpectrumLab(objective, Silent(), largest=1, smallest=1)
    message, _ = arrays(lab, last(lab, settings(steps=3, probes=1)))
    assert "not finite" in message.caution
    assert message.sentence == ""
