"""One virtual environment a peer, with pinned versions, and torch checked after the installation."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".bench"
REQUIREMENTS = Path(__file__).parent / "requirements"
TORCH = "2.13.0"
PEERS = ("loss-landscapes", "landscaper", "loss-landscape-3d", "curvlinops", "pyhessian", "hessian-eigenthings")
MODULES = {
    "loss-landscapes": "loss_landscapes",
    "landscaper": "landscaper",
    "loss-landscape-3d": "loss_landscape_3d",
    "curvlinops": "curvlinops",
    "pyhessian": "pyhessian",
    "hessian-eigenthings": "hessian_eigenthings",
}
CHECK = "import torch, {module}; print(torch.__version__, torch.version.cuda)"


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment."""
    return FOLDER / peer / "bin" / "python"


def requirements(peer: str) -> str:
    """What is installed for a peer, its own file and the one it is built on."""
    texts = [(REQUIREMENTS / name).read_text(encoding="utf-8") for name in ("base.txt", f"{peer}.txt")]
    return "\n".join(line for text in texts for line in text.splitlines() if line and not line.startswith(("#", "-r")))


def version(peer: str) -> str:
    """The pinned version of a peer: the last requirement of its file."""
    return requirements(peer).splitlines()[-1].split("==")[1]


def _failed(command: list[str], seconds: int = 900) -> tuple[str, str]:
    """Run a command; its output, and why it failed ("" where it did not)."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=ROOT, check=False)
    except subprocess.TimeoutExpired:
        return "", f"took longer than {seconds} s"
    lines = [line for line in done.stderr.strip().splitlines() if not line.startswith("WARNING")]
    errors = [line for line in lines if "rror" in line]
    return done.stdout.strip(), "" if done.returncode == 0 else (errors or lines or ["failed"])[-1][:200]


def build(peer: str) -> str:
    """Make the environment unless it stands; the reason where it cannot be had, "" where it can."""
    mark = FOLDER / f"{peer}.json"
    fingerprint = hashlib.sha256(requirements(peer).encode()).hexdigest()
    if mark.exists():
        known = json.loads(mark.read_text(encoding="utf-8"))
        if known["requirements"] == fingerprint and python_of(peer).exists():
            return ""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    file = str(REQUIREMENTS / f"{peer}.txt")
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(FOLDER / peer)],
        [str(python_of(peer)), "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps", "-r", file],
    )
    for command in steps:
        _, why = _failed(command)
        if why:
            return f"not installed: {why}"
    found, why = _failed([str(python_of(peer)), "-c", CHECK.format(module=MODULES[peer])])
    if why:
        return f"installed, but not importable: {why}"
    found = found.splitlines()[-1]
    if not found.startswith(TORCH) or not found.endswith("None"):
        return f"its torch is {found}, not {TORCH} for the CPU"
    mark.write_text(json.dumps({"requirements": fingerprint, "torch": found}), encoding="utf-8")
    return ""


def environment_of(arm: str) -> str | None:
    """The peer whose environment an arm runs in; None for ours."""
    return next((peer for peer in PEERS if arm == peer or arm.startswith(peer + " ")), None)
