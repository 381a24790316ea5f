"""Write the seed files of fuzz_potential: python make_seeds.py FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mtpot import MTP, _core


def trained(level: int, species: list[str]) -> _core.Potential:
    """Random parameters, few of them so that mutations hit every part of the file."""
    potential = MTP.new(level, species, cutoff=5.0, min_distance=1.9, radial_size=2)
    rng = np.random.default_rng(level)
    return potential.core.with_parameters(rng.normal(size=len(potential.parameters)))


def selection(potential: _core.Potential) -> _core.Selection:
    """An active set of random rows whose last row is unset."""
    size = len(potential.parameters)
    active = _core.ActiveSet(size)
    active.select(np.random.default_rng(0).normal(size=(size - 1, size)), 1.001)
    origins = np.full((size, 2), -1)
    origins[:2] = [(0, 0), (1, 0)]
    block = "BEGIN_CFG\n Size\n    1\n AtomData:  id type\n    1 0\n Energy\n    1.0\nEND_CFG\n\n"
    return _core.Selection(active, (1, 0, 0, 0), 2, origins, 2 * block)


def main(folder: Path) -> None:
    """Write an untrained and a trained potential, with an active set, cores and committees."""
    folder.mkdir(parents=True, exist_ok=True)
    small, large = trained(4, ["Si"]), trained(8, ["Al", "Ni"])
    untrained = MTP.new(6, ["Si"], cutoff=5.0).core
    (folder / "untrained.mtp").write_bytes(_core.format_potential(untrained))
    (folder / "trained.mtp").write_bytes(_core.format_potential(large))
    cored = MTP(large).with_core().core
    (folder / "core.mtp").write_bytes(_core.format_potential(cored))
    repulsive = MTP(small).with_core().core
    (folder / "core.almtp").write_bytes(_core.format_potential(repulsive, selection(small)))
    members = np.random.default_rng(1).normal(size=(2, len(large.scalars) + 2))
    errors = [1.0, 0.1, 2.0, *np.linspace(0.5, 3.0, 7)]
    committee = large.with_ensemble(members, errors, errors)
    (folder / "ensemble.mtp").write_bytes(_core.format_potential(committee))
    few = small.with_ensemble(np.ones((3, len(small.scalars) + 1)), [], [])
    (folder / "ensemble.almtp").write_bytes(_core.format_potential(few, selection(small)))
    (folder / "active.almtp").write_bytes(_core.format_potential(small, selection(small)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
