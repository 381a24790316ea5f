"""The examples run as they stand, and give the silicon that they promise."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest


def run(repository, folder, name: str) -> str:
    """Run an example in a folder of its own; returns what it printed."""
    result = subprocess.run(
        [sys.executable, str(repository / "examples" / name), "--output", "plot.png"],
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


@pytest.mark.parametrize("name", ["md.py", "eos.py"])
def test_examples_explain_their_flags(repository, name):
    line = [sys.executable, str(repository / "examples" / name), "--help"]
    printed = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    for flag in ("--steps STEPS", "--output OUTPUT"):
        assert re.search(rf"{flag}\s+\w", printed)
