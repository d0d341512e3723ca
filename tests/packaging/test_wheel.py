"""The wheel and the sdist hold the bundle, and an installed wheel works without the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUNDLE = "landscape_widgets/static/landscape.js"
OTHER_FILES = ("README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "hatch_build.py")

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist from the checkout, and the wheel from that sdist (without Node)."""
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(target.glob("*.tar.gz")), next(target.glob("*.whl"))


def test_sdist_and_wheel_hold_the_bundle(built):
    sdist, wheel = built
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
        assert any(name.endswith(BUNDLE) for name in names)
        top = {name.split("/")[1] for name in names}
        assert top - {".gitignore", "PKG-INFO"} == {"landscape_widgets", *OTHER_FILES}
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert archive.getinfo(BUNDLE).file_size > 500_000
        assert "landscape_widgets/py.typed" in names
        assert all(name.startswith("landscape_widgets") for name in names)


def test_a_fresh_checkout_builds_its_bundle(tmp_path):
    tracked = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True)
    for name in tracked.stdout.rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    assert not (tmp_path / BUNDLE).exists()
    (tmp_path / "js" / "node_modules").symlink_to(ROOT / "js" / "node_modules")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", "out", "."]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    with zipfile.ZipFile(next((tmp_path / "out").glob("*.whl"))) as archive:
        assert archive.getinfo(BUNDLE).file_size > 500_000


def test_installed_wheel_works_without_the_checkout(built, tmp_path):
    environment = tmp_path / "venv"
    venv.create(environment)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", str(built[1])]
    subprocess.run(install, check=True, capture_output=True)
    # Its dependencies are lent by a path file; the editable checkout's own finder is not.
    site = next((environment / "lib").glob("python*/site-packages"))
    (site / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    code = (
        "import landscape_widgets, torch, landscape_widgets.widgets.library as library;"
        "explorer = landscape_widgets.explore(torch.nn.Linear(2, 1), torch.nn.MSELoss(),"
        " (torch.ones(4, 2), torch.ones(4, 1)), resolution=7);"
        "print(landscape_widgets.__file__, len(library.bundle()), explorer.wait(60).outcome)"
    )
    ran = subprocess.run([str(python), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    place, size, outcome = ran.stdout.split()
    assert Path(place).is_relative_to(environment)
    assert int(size) > 500_000
    assert outcome == "complete"
