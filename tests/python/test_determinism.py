"""The same data, settings, seed and threads give the same file, byte for byte."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import ase.io
import pytest
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from models import BASES, crystal

TRAIN = Path(sysconfig.get_path("scripts")) / "mlp-train"


def write_data(path: Path) -> None:
    """A dozen small crystals with the labels of a Lennard-Jones potential."""
    frames = []
    for seed in range(12):
        atoms = crystal("Si4", seed=seed, volume=20.0)
        atoms.calc = LennardJones(sigma=2.2, epsilon=0.3, rc=5.0, smooth=True)
        labels = {name: atoms.calc.get_property(name, atoms) for name in ("energy", "forces")}
        atoms.calc = SinglePointCalculator(atoms, **labels, stress=atoms.get_stress())
        frames.append(atoms)
    ase.io.write(path, frames, format="extxyz")


class Runs:
    """Folders of finished trainings, each made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, basis: str, seed: int, name: str) -> Path:
        """Train with two threads; the name tells equal runs apart."""
        output = self.folder / f"{basis}-{seed}-{name}"
        if not output.exists():
            self._train(basis, seed, output)
        return output

    def _train(self, basis: str, seed: int, output: Path) -> None:
        command = "--data train.xyz --species Si --level 6 --cutoff 5.0 --radial-size 4 "
        command += f"--active-set nbh --max-steps 5 --threads 2 --seed {seed} "
        command += f"--radial-basis {basis} --output {output}"
        result = subprocess.run(
            [str(TRAIN), *command.split()],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def train(tmp_path_factory) -> Runs:
    """Trains on the same small data set."""
    folder = tmp_path_factory.mktemp("determinism")
    write_data(folder / "train.xyz")
    return Runs(folder)


@pytest.mark.parametrize("basis", BASES)
def test_same_seed_gives_the_same_bytes(train, basis):
    first, second = train(basis, 7, "first"), train(basis, 7, "second")
    for name in ("potential.mtp", "potential.almtp"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_another_seed_gives_another_potential(train):
    first, other = train(BASES[0], 7, "first"), train(BASES[0], 8, "first")
    assert (first / "potential.mtp").read_bytes() != (other / "potential.mtp").read_bytes()
