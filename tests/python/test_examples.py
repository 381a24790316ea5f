"""The examples run as they stand, and give the silicon that they promise."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest


def run(repository, folder, name: str, *flags: str) -> str:
    """Run an example in a folder of its own; returns what it printed."""
    result = subprocess.run(
        [sys.executable, str(repository / "examples" / name), "--output", "plot.png", *flags],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
    return result.stdout


def number(pattern: str, text: str) -> float:
    """The number that a pattern captures."""
    found = re.search(pattern, text)
    assert found is not None, text
    return float(found[1])


def test_molecular_dynamics_conserves_the_energy_and_keeps_the_temperature(repository, tmp_path):
    printed = run(repository, tmp_path, "md.py")
    assert number(r"within (\S+) meV/atom", printed) < 2
    assert number(r"NVT: (\S+) K", printed) == pytest.approx(600, abs=120)


def test_equation_of_state_of_silicon(repository, tmp_path):
    """Density functional theory (LDA) has 5.38 to 5.40 angstrom and 92 to 97 GPa."""
    printed = run(repository, tmp_path, "eos.py")
    assert number(r"constant: (\S+) angstrom", printed) == pytest.approx(5.40, abs=0.06)
    assert number(r"modulus: (\S+) GPa", printed) == pytest.approx(95, abs=15)


def test_elastic_constants_and_phonons_of_silicon_with_error_bars(repository, tmp_path):
    """Experiment has 166, 64 and 80 GPa, and 15.5 THz (Landolt-Bornstein III/29a and III/13a)."""
    printed = run(repository, tmp_path, "uncertainty.py", "--members", "3")
    for name, value in (("C11", 166), ("C12", 64), ("C44", 80)):
        assert number(rf"{name}: (\S+) \+-", printed) == pytest.approx(value, rel=0.4)
        assert 0.1 < number(rf"{name}: \S+ \+- (\S+) GPa", printed) < 100
    assert number(r"optical: (\S+) \+-", printed) == pytest.approx(15.5, abs=1.5)


@pytest.mark.parametrize(
    ("name", "flags"),
    [("md.py", ["--steps"]), ("eos.py", ["--steps"]), ("uncertainty.py", ["--members"])],
)
def test_examples_explain_their_flags(repository, name, flags):
    line = [sys.executable, str(repository / "examples" / name), "--help"]
    printed = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    for flag in (*flags, "--output"):
        assert re.search(rf"{flag} {flag[2:].upper()}\s+\w", printed)


# --- mlp learn ---


def learn(place, *flags: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "mtpot.cli", "learn", *flags]
    return subprocess.run(line, cwd=place, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "script", "program"),
    [
        pytest.param("silicon_melting", ["make_start.py"], "pw.x", marks=pytest.mark.slow),
        ("cupd_hull", ["make_candidates.py", "Cu", "Pd"], sys.executable),
    ],
)
def test_all_that_a_learning_example_needs_is_there(repository, tmp_path, name, script, program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    shutil.copytree(repository / "examples" / name, tmp_path / name)
    subprocess.run([sys.executable, *script], cwd=tmp_path / name, check=True)
    checked = learn(tmp_path / name, "settings.toml", "--check")
    assert checked.returncode == 0, checked.stderr
    assert "the labeler works" in checked.stdout


def test_lithium_is_learned_on_the_fly_until_its_labels_are_used_up(repository, tmp_path):
    settings = ("examples/lithium/settings.toml", "--output", str(tmp_path / "run"))
    assert learn(repository, *settings, "--check").returncode == 0
    ended = learn(repository, *settings, "--max-labels", "6")
    assert ended.returncode == 1
    assert "refitted to 6 frames" in ended.stdout
    assert "max-labels 6 are used up" in ended.stderr
    assert (tmp_path / "run" / "potential.almtp").exists()
