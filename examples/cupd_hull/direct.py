"""Relax every candidate by the calculator itself, and compare its hull with that of a run.

    python direct.py candidates.xyz cupd

The run calls the calculator for few structures; this shows what it saves, and that it has found
the same.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.calculators.emt import EMT
from ase.filters import UnitCellFilter
from ase.io import read
from ase.optimize import BFGS

from mtpot.active.hull.candidates import elements_in
from mtpot.active.hull.geometry import (
    ON_HULL,
    count_elements,
    energies_above_hull,
    formation_energies,
)

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NEAR = 0.003
"""eV/atom above the hull: the run was asked to calculate what is no higher."""

ELSEWHERE = 3.0
"""meV/atom: what is farther apart has relaxed to another minimum."""


def main() -> None:
    """Relax, compare, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("candidates", type=Path, help="file that the run began with")
    parser.add_argument("run", type=Path, help="folder of the run")
    options = parser.parse_args()
    structures = read(options.candidates, ":")
    with (options.run / "hull.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["candidate"]))
    started = time.perf_counter()
    calls = sum(relax(atoms) for atoms in structures)
    print(f"{len(structures)} relaxed by {calls} calls in {time.perf_counter() - started:.0f} s")
    elements = elements_in(structures)
    counts = count_elements(structures, elements)
    energies = np.array([atoms.get_potential_energy() for atoms in structures])
    formation = formation_energies(counts, energies, elements)
    above = energies_above_hull(counts, formation)
    compare_hulls(rows, structures, formation, above)
    compare_energies(rows, formation, above)


def relax(atoms: Atoms) -> int:
    """Relax positions and cell, off saddle points; return how many calls it took."""
    atoms.rattle(0.02)
    atoms.calc = EMT()
    optimizer = BFGS(UnitCellFilter(atoms), logfile=os.devnull)
    optimizer.run(fmax=0.005, steps=500)
    return optimizer.nsteps + 1


def compare_hulls(
    rows: list[dict[str, str]], structures: list[Atoms], formation: Floats, above: Floats
) -> None:
    """Print the members of both hulls by composition."""
    run = {
        formula_of(structures[int(row["candidate"]) - 1]): row["formation_label"]
        for row in rows
        if row["above_label"] and float(row["above_label"]) <= ON_HULL
    }
    direct = {
        formula_of(structures[place]): f"{formation[place]:.6f}"
        for place in np.flatnonzero(above <= ON_HULL)
    }
    print("on the hull  formation energy (eV/atom) by direct relaxation and by the run")
    for formula in sorted({*direct, *run}):
        print(f"{formula:12s} {direct.get(formula, '-'):>10s} {run.get(formula, '-'):>10s}")


def formula_of(atoms: Atoms) -> str:
    """Return the composition."""
    return str(atoms.symbols.formula.reduce()[0])


def compare_energies(rows: list[dict[str, str]], formation: Floats, above: Floats) -> None:
    """Print how far formation energies of the run are from those of direct relaxation."""
    for kind, name, stage in (
        ("label", "labels near the hull", "2"),
        ("potential", "potential of the first stage", "1"),
        ("potential", "potential of the second stage", "2"),
    ):
        apart = [
            1e3 * (float(row[f"formation_{kind}"]) - energy)
            for row, energy in zip(rows, formation, strict=True)
            if row[f"formation_{kind}"] and row["stage"] == stage
        ]
        same = [abs(each) for each in apart if abs(each) < ELSEWHERE]
        lower = sum(each <= -ELSEWHERE for each in apart)
        print(
            f"{name}: {len(apart)} candidates; {len(same)} in the same minimum, at most "
            f"{max(same):.2f} meV/atom apart; {lower} in a lower one, "
            f"{len(apart) - len(same) - lower} in a higher one"
        )
    near = [(row, each) for row, each in zip(rows, above, strict=True) if each <= NEAR]
    missed = [(row, each) for row, each in near if not row["row"]]
    print(f"within {1e3 * NEAR:g} meV/atom of the hull: {len(near)}, not calculated: {len(missed)}")
    for row, each in missed:
        print(
            f"candidate {row['candidate']}: {1e3 * each:.2f} meV/atom above the hull, by the "
            f"potential {1e3 * float(row['above_potential']):.2f}"
        )


if __name__ == "__main__":
    main()
