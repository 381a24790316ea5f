"""The inputs in examples/lammps run as they stand, and give the silicon that they promise."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase.io import read
from driver import BIN, TIME_LIMIT, read_dump

from mtpot import MTPCalculator

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = r"([-+.\deE]+)"


@pytest.fixture
def run(repository: Path, silicon: Path, tmp_path: Path):
    """Runs an input in a folder of its own, with variables; returns what it printed."""

    def launch(
        name: str, ranks: int = 1, folder: str = "examples/lammps", **variables: float
    ) -> str:
        line = [str(BIN / "lmp"), "-in", str(repository / folder / name)]
        line += ["-var", "potential", str(silicon)]
        for key, value in variables.items():
            line += ["-var", key, str(value)]
        if ranks > 1:
            line = [str(BIN / "mpirun"), "-np", str(ranks), *line]
        done = subprocess.run(
            line,
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return launch


def columns(printed: str) -> dict[str, np.ndarray]:
    """The columns of the last thermo output."""
    names, _, body = printed.rpartition("   Step ")[2].partition("\n")
    rows = [line.split() for line in body.split("Loop time")[0].splitlines()]
    table = np.array([row for row in rows if row[0].isdigit()], dtype=float)
    return dict(zip(["Step", *names.split()], table.T, strict=True))


def number(pattern: str, text: str) -> float:
    """The number in what an input printed."""
    found = re.search(f"^{pattern}", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


@pytest.mark.parametrize("ranks", [1, 2])
def test_energy_is_conserved(run, ranks):
    """The energy oscillates by a tenth of a meV/atom, as Verlet's does, and goes nowhere."""
    printed = run("in.nve", ranks=ranks, cells=2, steps=500)
    thermo = columns(printed)
    assert thermo["Step"].tolist() == [0, 100, 200, 300, 400, 500]
    assert np.abs(thermo["v_drift"]).max() < 1
    assert number(f"Drift of the energy: {NUMBER} meV/atom", printed) == pytest.approx(
        thermo["v_drift"][-1], abs=1e-4
    )
    assert thermo["Temp"][1:].mean() == pytest.approx(600, abs=150)


def test_ranks_share_one_crystal(run):
    """Rounding aside, the first steps do not depend on the number of ranks."""
    one, two = (columns(run("in.nve", ranks=ranks, cells=2, steps=100)) for ranks in (1, 2))
    for name in ("PotEng", "TotEng"):
        np.testing.assert_allclose(two[name], one[name], atol=2e-3)


def test_crystal_at_300_kelvin_and_its_grades(run, silicon, tmp_path):
    """LDA has 5.40 angstrom; the dump's grades are the calculator's."""
    printed = run("in.npt", cells=2, hot=300, steps=3000)
    assert number(r"Step (\d+):", printed) == 3000
    thermo = columns(printed)
    assert thermo["v_length"][2:].mean() == pytest.approx(5.41, abs=0.03)
    assert (thermo["v_grade"] < 2).all()
    assert not (tmp_path / "extrapolated.xyz").exists()
    dump = read_dump(tmp_path / "graded.dump")
    assert dump["f_grades"].max() == pytest.approx(thermo["v_grade"][-1], rel=1e-5)

    atoms = read(tmp_path / "graded.dump", format="lammps-dump-text", index=-1, specorder=["Si"])
    atoms.calc = MTPCalculator(silicon)
    atoms.get_potential_energy()
    np.testing.assert_allclose(dump["f_grades"], atoms.calc.results["grades"], rtol=1e-3)


def test_grades_end_what_goes_too_far(run, tmp_path):
    """Heated to where there are no data, fix halt ends the run and the input goes on."""
    printed = run("in.npt", cells=2, cold=2000, hot=20000, steps=20000)
    assert "Fix halt condition for fix-id guard met" in printed
    assert number(r"Step (\d+):", printed) < 20000
    assert number(rf"Step .* grade {NUMBER}$", printed) > 10
    frames = read(tmp_path / "extrapolated.xyz", index=":")
    grades = [frame.info["grade"] for frame in frames]
    assert min(grades) > 2
    assert max(grades) == grades[-1] > 10
    assert all(frame.arrays["grades"].max() == frame.info["grade"] for frame in frames)


def test_thermal_conductivity_of_a_short_run(run, tmp_path):
    """The table holds the even correlations of a flux, whose mean square leads them."""
    printed = run("in.heatflux", cells=2, steps=1000, samples=20)
    assert np.isfinite(number(f"Thermal conductivity: {NUMBER} W", printed))
    assert number(f"Temperature: {NUMBER} K", printed) == pytest.approx(1000, abs=200)
    last = (tmp_path / "correlation.dat").read_text().splitlines()[-20:]
    table = np.array([line.split() for line in last], dtype=float)
    assert table[:, 1].tolist() == list(range(0, 200, 10))
    correlations = table[:, 3:]
    assert (correlations[0] > 0).all()
    assert (np.abs(correlations[1:]) < correlations[0]).all()


def test_collision_conserves_the_energy(run):
    """ZBL acts while two atoms are closer than 1.6 angstrom, and only then."""
    thermo = columns(run("in.zbl", cells=3))
    assert thermo["c_closest"].min() < 1.5
    assert ((thermo["c_repulsion"] > 0) == (thermo["c_closest"] < 1.6)).all()
    assert (thermo["c_repulsion"] > 0).any()
    assert np.abs(thermo["v_drift"]).max() < 0.1


def test_example_of_the_plugin(run):
    energy = columns(run("in.example", folder="lammps_plugin"))["TotEng"]
    assert np.ptp(energy) / 216 < 1e-3
