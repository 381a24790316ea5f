"""Write candidates for the hull of two metals: all ways to put them on fcc, bcc and hcp lattices.

    python make_candidates.py Al Ni --output candidates.xyz

Of every supercell up to a number of atoms, every decoration, after Hart & Forcade, Phys. Rev. B 77
(2008) 224115. Of those that have the same surroundings of atoms, in the same shares, the smallest
is kept. Volumes are those of the elements, mixed.
"""

from __future__ import annotations

import argparse
from collections import Counter
from itertools import product
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.build import bulk, make_supercell
from ase.data import atomic_numbers, reference_states
from ase.geometry import minkowski_reduce
from ase.io import write
from vesin import ase_neighbor_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ase import Atoms
    from numpy.typing import NDArray

REACH = 2.5
"""Of the distance of nearest neighbors: so far surroundings are compared."""


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("elements", nargs=2, metavar="EL", help="two metals")
    parser.add_argument("--atoms", type=int, default=6, help="most atoms of a cell (default: 6)")
    parser.add_argument("--output", type=Path, default=Path("candidates.xyz"), help="file to write")
    options = parser.parse_args()
    found = []
    for lattice in ("fcc", "bcc", "hcp"):
        decorated = list(decorations(lattice, options.elements, options.atoms))
        print(f"{lattice}: {len(decorated)} structures")
        found += decorated
    write(options.output, found, format="extxyz")
    print(f"{options.output}: {len(found)} structures")


def decorations(lattice: str, elements: list[str], most: int) -> Iterator[Atoms]:
    """Yield the different decorations of a lattice, small cells first."""
    numbers = np.array([atomic_numbers[element] for element in elements])
    volumes = np.array([atomic_volume(element) for element in elements])
    parent = bulk("X", lattice, a=1.0)
    known = set()
    for cell in (c for size in range(1, most // len(parent) + 1) for c in supercells(parent, size)):
        shells = shell_counts(cell)
        for colors in map(np.array, product((0, 1), repeat=len(cell))):
            key = surroundings(colors, shells)
            if key not in known:
                known.add(key)
                atoms = cell.copy()
                atoms.numbers = numbers[colors]
                factor = (volumes[colors].sum() / atoms.cell.volume) ** (1 / 3)
                atoms.set_cell(atoms.cell * factor, scale_atoms=True)
                atoms.info["lattice"] = lattice
                yield atoms


def supercells(parent: Atoms, size: int) -> Iterator[Atoms]:
    """Yield the supercells of so many cells: one for each matrix in Hermite normal form."""
    for a, b in product(range(1, size + 1), repeat=2):
        if size % (a * b) == 0:
            c = size // (a * b)
            for d, e, f in product(range(a), range(a), range(b)):
                cell = make_supercell(parent, [[a, 0, 0], [d, b, 0], [e, f, c]])
                cell.set_cell(minkowski_reduce(cell.cell.array)[0])
                cell.wrap()
                yield cell


def shell_counts(atoms: Atoms) -> NDArray[np.int64]:
    """Count the neighbors j of i in each shell; shape [shells, n, n]."""
    shortest = ase_neighbor_list("ijd", atoms, 1.1)[2].min()
    i, j, distances = ase_neighbor_list("ijd", atoms, REACH * shortest)
    radii, shells = np.unique(distances.round(3), return_inverse=True)
    counts = np.zeros((len(radii), len(atoms), len(atoms)), dtype=np.int64)
    np.add.at(counts, (shells, i, j), 1)
    return counts


def surroundings(colors: NDArray[np.int64], shells: NDArray[np.int64]) -> frozenset:
    """Return the different surroundings of atoms, with the share of atoms that has each."""
    rows = np.column_stack([colors, (shells @ colors).T])
    counts = Counter(map(tuple, rows.tolist()))
    common = gcd(*counts.values())
    return frozenset((row, count // common) for row, count in counts.items())


def atomic_volume(element: str) -> float:
    """Return the volume of an atom in the element's own crystal, angstrom^3."""
    reference = reference_states[atomic_numbers[element]]
    crystal = bulk(element, reference["symmetry"])
    return crystal.cell.volume / len(crystal)


if __name__ == "__main__":
    main()
