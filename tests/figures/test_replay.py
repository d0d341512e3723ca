"""The offline file: what it holds is what was computed, it loads nothing, and no label leaves its place."""

import base64
import gzip
import hashlib
import json
import re
import time

import numpy as np
import pytest
import torch
from recorded import DIAGONAL, FILE, Scripts, data_of, explorer, loss_at, recorded
from torch import nn

import landscape_widgets as lw
from landscape_widgets.figures.replay import LOADER, replay_html
from landscape_widgets.widgets.library import bundle

HOSTILE = "</script><script>alert(1)</script><!--<script> & \u2028 ' \" ]]>"


@pytest.fixture(scope="module")
def made():
    made = explorer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def page(made, tmp_path_factory):
    return made.to_html(tmp_path_factory.mktemp("replay") / "page.html").read_text(encoding="utf-8")


def array(text, dtype="<f4"):
    return np.frombuffer(base64.b64decode(text), dtype)


def by_half_width(data):
    return {record["settings"]["alpha_range"]["hi"]: record for record in data["records"]}


def test_every_plane_window_and_resolution_goes_in(page):
    found = [
        (one["settings"]["alpha"]["source"], one["settings"]["alpha_range"]["hi"], one["settings"]["resolution"])
        for one in data_of(page)["records"]
    ]
    assert sorted(found) == [("custom", 0.25, 13), ("custom", 0.5, 25), ("custom", 1.0, 13), ("hessian", 2.0, 7)]


def test_values_are_the_closed_form_to_float32(page, right):
    worst = 0.0
    for record in data_of(page)["records"]:
        frame, loss = record["frame"], array(record["loss"])
        columns, rows = (np.linspace(frame[k]["lo"], frame[k]["hi"], frame[k]["points"]) for k in ("alpha", "beta"))
        exact = np.array([[loss_at(a, b) for a in columns] for b in rows]).reshape(-1)
        known = array(record["known"], np.uint8).astype(bool) if record["known"] else np.ones(len(loss), bool)
        assert np.isnan(loss[~known]).all()
        worst = max(worst, float(np.max(np.abs(loss - exact)[known] / np.maximum(np.abs(exact[known]), 0.1))))
        np.testing.assert_allclose(array(record["metrics"])[known], 2 * loss[known], rtol=1e-6)
    bound = 4 * float(np.finfo(np.float32).eps)
    right.record("an offline file's loss", "closed form of a quadratic", worst, bound, cases=4)
    assert worst <= bound


def test_the_surface_comes_back_bit_for_bit_as_float32(made, page):
    record = by_half_width(data_of(page))[2.0]
    np.testing.assert_array_equal(array(record["loss"]), made.surface.loss.astype(np.float32).reshape(-1))
    assert record["known"] == ""


def test_a_picture_cut_short_says_which_points_it_has(page):
    known = array(by_half_width(data_of(page))[0.25]["known"], np.uint8)
    assert known.sum() == 50
    assert set(known) == {0, 1}


def test_eigenvalues_and_code_are_those_of_each_picture(page):
    data = data_of(page)
    values = [pair["value"] for pair in data["traits"]["eigen"]]
    np.testing.assert_allclose(values, [DIAGONAL.max(), DIAGONAL.min()], rtol=1e-6)
    codes = {half: record["code"] for half, record in by_half_width(data).items()}
    assert "extent=2.0," in codes[2.0]
    assert 'directions=("λ_max", "λ_min")' in codes[2.0]
    assert "directions=(custom_0, custom_1)" in codes[0.5]
    assert "resolution=25," in codes[0.5]


def test_the_recorded_file_of_the_page_s_tests_is_what_is_written_today():
    assert_alike(recorded(), json.loads(FILE.read_text(encoding="utf-8")))


def assert_alike(now, then, name=""):
    if isinstance(then, dict):
        assert now.keys() == then.keys(), name
        for key in then:
            assert_alike(now[key], then[key], key)
    elif isinstance(then, list):
        assert len(now) == len(then), name
        for left, right in zip(now, then, strict=True):
            assert_alike(left, right, name)
    elif name in ("loss", "metrics") and isinstance(then, str) and len(then) > 40:
        np.testing.assert_allclose(array(now), array(then), rtol=1e-6)
    elif isinstance(then, float):
        assert now == pytest.approx(then, rel=1e-5, abs=1e-5), name
    else:
        assert now == then, name


def test_it_is_little_more_than_the_page_code_and_the_data(page):
    texts = Scripts(page).texts
    still = max((len(tag[1].get("src", "")) for tag in Scripts(page).tags if tag[0] == "img"), default=0)
    assert len(page) < 1.3 * len(bundle()) + len(texts["data"]) + still
    assert len(page) < 0.6 * len(bundle()) + len(texts["data"]) + still


def test_the_page_code_comes_back_whole(page):
    assert gzip.decompress(base64.b64decode(Scripts(page).texts["code"])) == bundle()


def test_nothing_can_be_loaded(page):
    tags = Scripts(page).tags
    sources = [
        value for _, named in tags for name, value in named.items() if name in ("src", "href", "action", "srcset")
    ]
    assert all(source.startswith("data:") for source in sources)
    assert not {"link", "iframe", "object", "embed", "base", "form", "a"} & {tag for tag, _ in tags}
    assert "http" not in page.replace("http-equiv", "")
    policy = next(named["content"] for tag, named in tags if named.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert "unsafe-eval" not in policy
    assert not re.search(r"script-src[^;]*unsafe-inline", policy)


def test_the_policy_names_the_only_script_that_runs(page):
    found = Scripts(page)
    digest = base64.b64encode(hashlib.sha256(found.texts["module"].encode()).digest()).decode()
    policy = next(
        named["content"] for _, named in found.tags if "content" in named and "default-src" in named["content"]
    )
    assert f"'sha256-{digest}'" in policy
    kinds = [named.get("type") for tag, named in found.tags if tag == "script"]
    assert kinds == ["application/json", "text/plain", "module"]


def test_hostile_words_stay_words():
    traits = {"title": HOSTILE, "options": {"sources": [{"label": HOSTILE}]}}
    text = replay_html(traits, [], b"", title=HOSTILE)
    found = Scripts(text)
    assert [tag for tag, _ in found.tags].count("script") == 3
    assert found.texts["h1"] == found.texts["title"] == HOSTILE
    assert json.loads(found.texts["data"])["traits"] == traits
    assert "alert" not in found.texts["module"] + found.texts["style"]
    assert found.texts["module"] == LOADER


def test_titles_with_html_leave_the_real_file_whole(made, page, tmp_path):
    assert made.title == "<i>form</i> & </script>"
    found = Scripts(page)
    assert found.texts["h1"].startswith(made.title)
    assert data_of(page)["traits"]["title"] == made.title
    other = made.to_html(tmp_path / "other.html", title=HOSTILE).read_text(encoding="utf-8")
    assert data_of(other)["traits"]["title"] == HOSTILE
    assert made.title == "<i>form</i> & </script>"


def test_the_same_explorer_gives_the_same_file(made, page, tmp_path):
    again = made.to_html(tmp_path / "again.html").read_text(encoding="utf-8")
    assert without_still(again) == without_still(page)


def without_still(page):
    return re.sub(r'<img id="still".*', "", page)


def test_unknown_options_raise(made, tmp_path):
    with pytest.raises(TypeError, match=r"to_html\(\) got an unexpected keyword argument 'dark'"):
        made.to_html(tmp_path / "page.html", dark=True)
    assert not (tmp_path / "page.html").exists()


def small(**options):
    torch.manual_seed(0)
    data = (torch.randn(16, 3), torch.randn(16, 1))
    return lw.explore(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), nn.MSELoss(), data, **options)


def test_without_a_surface_there_is_no_file(tmp_path):
    made = small(resolution=7)
    with pytest.raises(lw.LandscapeError, match="expected a computed surface, got none yet"):
        made.to_html(tmp_path / "page.html")
    made.close()


def test_a_picture_under_way_goes_in_as_far_as_it_is_known(tmp_path):
    made = small(resolution=385, slices=0)
    made._start()
    deadline = time.monotonic() + 60
    while made.surface is None and time.monotonic() < deadline:
        time.sleep(0.01)
    data = data_of(made.to_html(tmp_path / "page.html").read_text(encoding="utf-8"))
    made.cancel()
    surface = made.wait(60)
    made.close()
    (record,) = data["records"]
    known = array(record["known"], np.uint8).astype(bool)
    assert 0 < known.sum() < known.size
    later = surface.loss.astype(np.float32).reshape(-1)
    np.testing.assert_array_equal(array(record["loss"])[known], later[known])


def test_an_observer_may_write_the_file(tmp_path):
    made = small(resolution=7, slices=0)
    written = []
    made.observe(lambda _: written.append(made.to_html(tmp_path / "page.html")), "surface")
    made.wait(60)
    made.close()
    assert written
    assert len(data_of(written[-1].read_text(encoding="utf-8"))["records"]) == 1


def test_losses_beyond_float32_and_nan_go_in(tmp_path):
    class Huge(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, dtype=torch.float64))

        def forward(self, x):
            total = self.weight.sum()
            return (x * total * 1e60).masked_fill(total > 2.1, torch.nan)

    data = (torch.ones(4, 1, dtype=torch.float64), torch.ones(4, 1))
    made = lw.explore(Huge(), lambda out, _: out.mean(), data, resolution=7, scale="unit", slices=0)
    surface = made.wait(60)
    (record,) = data_of(made.to_html(tmp_path / "page.html").read_text(encoding="utf-8"))["records"]
    made.close()
    loss = array(record["loss"])
    np.testing.assert_array_equal(np.isnan(loss), np.isnan(surface.loss).reshape(-1))
    assert np.isinf(loss[~np.isnan(loss)]).all()
    assert record["known"] == ""
