"""Files written here mean the same to other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase.build import bulk
from models import Case

from mtpot import MTP, MTPCalculator

if TYPE_CHECKING:
    from pathlib import Path

motep = pytest.importorskip("motep.calculator", reason="motep is not installed")
motep_files = pytest.importorskip("motep.io.mlip.mtp", reason="motep is not installed")


def pruned(level: int) -> MTP:
    """Every fifth scalar of a potential, which leaves out radial functions and moments."""
    core = Case("RBChebyshev", level, 1).potential().core
    return MTP(core.keep_scalars(list(range(2, len(core.scalars), 5))))


def committee(level: int) -> MTP:
    """With members behind the last line that other programs know."""
    potential = Case("RBChebyshev", level, 1).potential()
    return potential.with_members(np.ones((3, len(potential.core.scalars) + 1)))


POTENTIALS = {
    "level8": Case("RBChebyshev", 8, 1).potential(),
    "level16": Case("RBChebyshev", 16, 1).potential(),
    "level16-pruned": pruned(16),
    "level8-pruned": pruned(8),
    "level8-committee": committee(8),
}


@pytest.mark.parametrize("potential", POTENTIALS.values(), ids=POTENTIALS)
def test_motep_reads_a_potential_and_agrees(potential: MTP, tmp_path: Path) -> None:
    potential.save(tmp_path / "potential.mtp")
    data = motep_files.read_mtp(tmp_path / "potential.mtp")
    data.species = [14]
    atoms = bulk("Si", cubic=True).repeat(2)
    atoms.rattle(0.1, seed=0)
    other = atoms.copy()
    atoms.calc = MTPCalculator(potential)
    other.calc = motep.MTP(data, engine="cext")
    assert atoms.get_potential_energy() == pytest.approx(other.get_potential_energy(), rel=1e-12)
    np.testing.assert_allclose(atoms.get_forces(), other.get_forces(), atol=1e-10)
    np.testing.assert_allclose(atoms.get_stress(), other.get_stress(), atol=1e-12)
