"""Long runs with the shipped potential end well, or by their grade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from driver import launch

if TYPE_CHECKING:
    from pathlib import Path

SILICON = """
units metal
lattice diamond 5.40
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 28.0855
pair_style mtp/extrapolation {potential} every 10 {options}
pair_coeff * * Si
compute largest all pair mtp/extrapolation
velocity all create {start} 12345
fix 1 all nvt temp {start} {end} 0.1
thermo_style custom step temp pe etotal press c_largest[1] atoms
thermo_modify format float %.17g
thermo 100
run {steps}
print "atoms = $(atoms)"
"""


def table(text: str) -> np.ndarray:
    """The rows of thermodynamic output: step, temperature, energies, pressure, grade, atoms."""
    lines = [line.split() for line in text.splitlines()]
    return np.array([words for words in lines if len(words) == 7 and words[0].isdigit()], float)


def test_100_ps_at_room_temperature(tmp_path: Path, silicon: Path):
    script = SILICON.format(potential=silicon, options="", start=300, end=300, steps=100_000)
    outcome = launch(tmp_path, script)
    assert outcome.code == 0, outcome.text[-2000:]
    rows = table(outcome.text)
    assert len(rows) == 1001
    assert np.isfinite(rows).all()
    assert (rows[:, 6] == 64).all()
    assert rows[100:, 1].mean() == pytest.approx(300, abs=30)
    assert rows[:, 5].max() < 2  # never leaves what the potential has been trained on


def test_ramp_into_the_liquid_ends_or_is_stopped_by_its_grade(tmp_path: Path, silicon: Path):
    script = SILICON.format(
        potential=silicon, options="break 10", start=300, end=3000, steps=60_000
    )
    outcome = launch(tmp_path, script)
    rows = table(outcome.text)
    assert np.isfinite(rows).all()
    assert (rows[:, 6] == 64).all()
    if outcome.code != 0:
        assert "exceeds the break threshold 10" in outcome.text
        assert rows[-1, 1] > 1000
    else:
        assert len(rows) == 601
